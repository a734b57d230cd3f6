// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/checks.hpp>
#include <prefer/core/execution.hpp>
#include <prefer/core/scalar.hpp>
#include <prefer/rank/comparisons.hpp>
#include <prefer/rank/detail/bradley_terry_solver.hpp>

#include <cstddef>
#include <cstdint>

// Fitting Bradley-Terry ratings to comparisons by maximum likelihood (or posterior mode, with a prior).
//
//   P(i beats j) = s(r_i - r_j), s(x) = 1 / (1 + e^-x)
//   minimise  L(r) = - sum over games of weight * log P(outcome)
//
// Ratings are natural log-odds: a difference of log 10 is "ten to one", 400 / ln 10 times a rating is the Elo scale.
// Ties: see tie_model (half a win and half a loss, Rao and Kupper 1967, Davidson 1970; the tie parameter is estimated).
//
// Existence: without a prior finite ratings exist exactly if every item can be reached from every other along "won or
// tied against" (Ford 1957); otherwise errc::not_connected names the first item that cannot reach, or be reached from,
// item 0 (comparison_groups.hpp names all groups). An estimated tie parameter needs a win, too, and wins and ties that
// do not fit on one scale (detail/connectivity.hpp); without any tie it stays at its limit, eta = 0 or nu = 0.
//
// Location: without a prior only differences are determined; ratings sum to zero. A prior puts its zero at rating 0,
// and then ratings stay where it puts them. `anchor` shifts all ratings, in both cases, so that this item has
// anchor_rating.
//
// Method: sweeps, then Newton with preconditioned conjugate gradients (detail/bradley_terry_solver.hpp; what carries it
// is derived in docs/rank/bradley_terry_fit.md). Double arithmetic throughout; the ratings are bitwise the same for any
// number of threads, per instruction-set level. Cost: O(pairs that met) per pass, plus reading the data once.
//
// Sources: Zermelo 1929; Bradley and Terry 1952; Ford 1957; Hunter 2004; Newman 2023; Bach 2010 (damping).
namespace prefer {

struct bradley_terry_fit {
  tie_model ties = tie_model::half;

  // A normal prior on every rating, of mean 0 and variance exactly 1 / prior_precision; 0 is no prior.
  double prior_precision = 0;
  // Adds to every item this many wins and losses each against an opponent whose rating is 0. As a prior that is the
  // log-odds of a Beta(c, c) variable, of mean 0 and variance exactly 2 trigamma(c): pi^2 / 3 for c = 1, 2 / c for
  // large c.
  double pseudo_count = 0;

  std::int64_t anchor = -1;  // an item, or -1 for none
  double anchor_rating = 0;

  // Stop when no item's score differs from its expectation by more than this per game (see fit_outputs::gradient).
  double tolerance = 1e-12;
  std::int64_t max_sweeps = 30;
  std::int64_t max_newton_steps = 100;
  std::int64_t max_cg_iterations = 0;  // per Newton step; 0 is 2 items + 100
};

// All optional, but not all absent.
template <space Space>
struct fit_outputs {
  output_view<1, Space> ratings = {};        // [items] double or float
  output_view<1, Space> tie_parameter = {};  // [1] eta (Rao-Kupper) or nu (Davidson); NaN for tie_model::half
  output_view<1, Space> loss = {};           // [1] L at the ratings, without the prior
  output_view<1, Space> gradient = {};       // [1] largest |dL/dr_i| / games of i, and |dL/dt| / games
  output_view<1, Space> converged = {};      // [1] bool or uint8
  output_view<1, Space> sweeps = {};         // [1] int32 or int64: how many iterations of each kind
  output_view<1, Space> newton_steps = {};   // [1]
  output_view<1, Space> cg_iterations = {};  // [1]
};

namespace require {

constexpr status fit_parameters(const bradley_terry_fit& o, std::int64_t items) {
  return first_error(
      that(o.ties <= tie_model::davidson, "ties", static_cast<double>(o.ties),
           "tie_model::half, rao_kupper or davidson"),
      that(o.prior_precision >= 0 && finite(o.prior_precision), "prior_precision", o.prior_precision,
           "a finite number, 0 or above"),
      that(o.pseudo_count >= 0 && finite(o.pseudo_count), "pseudo_count", o.pseudo_count,
           "a finite number, 0 or above"),
      that(o.anchor >= -1 && o.anchor < items, "anchor", static_cast<double>(o.anchor), "an item, or -1 for none"),
      that(finite(o.anchor_rating), "anchor_rating", o.anchor_rating, "a finite number"),
      that(o.tolerance > 0 && finite(o.tolerance), "tolerance", o.tolerance, "a finite number above 0"),
      that(o.max_sweeps >= 0, "max_sweeps", static_cast<double>(o.max_sweeps), "0 or more"),
      that(o.max_newton_steps >= 0, "max_newton_steps", static_cast<double>(o.max_newton_steps), "0 or more"),
      that(o.max_cg_iterations >= 0, "max_cg_iterations", static_cast<double>(o.max_cg_iterations), "0 or more"));
}

template <space S>
constexpr status optional_output(const char* name, const output_view<1, S>& v, std::int64_t n, const char* whose,
                                 holds what) {
  return v.given() ? vector(name, v, n, whose, what) : status{};
}

template <space S>
constexpr status fit_outputs_of(const fit_outputs<S>& o, std::int64_t items) {
  if (!o.ratings.given() && !o.tie_parameter.given() && !o.loss.given() && !o.gradient.given() &&
      !o.converged.given() && !o.sweeps.given() && !o.newton_steps.given() && !o.cg_iterations.given())
    return fail(errc::missing_output, "outputs", "at least one output");
  return first_error(optional_output("ratings", o.ratings, items, "the number of items,", holds::totals),
                     optional_output("tie_parameter", o.tie_parameter, 1, "one element,", holds::totals),
                     optional_output("loss", o.loss, 1, "one element,", holds::totals),
                     optional_output("gradient", o.gradient, 1, "one element,", holds::totals),
                     optional_output("converged", o.converged, 1, "one element,", holds::flags),
                     optional_output("sweeps", o.sweeps, 1, "one element,", holds::indices),
                     optional_output("newton_steps", o.newton_steps, 1, "one element,", holds::indices),
                     optional_output("cg_iterations", o.cg_iterations, 1, "one element,", holds::indices));
}

template <space S>
status fit_overlap(const comparisons<S>& c, const fit_outputs<S>& o) {
  address_ranges all;
  all.read(c);
  all.write("ratings", o.ratings);
  all.write("tie_parameter", o.tie_parameter);
  all.write("loss", o.loss);
  all.write("gradient", o.gradient);
  all.write("converged", o.converged);
  all.write("sweeps", o.sweeps);
  all.write("newton_steps", o.newton_steps);
  all.write("cg_iterations", o.cg_iterations);
  return all.check();
}

}  // namespace require

inline namespace PREFER_ABI {
namespace detail {

inline solver_settings settings_of(const bradley_terry_fit& o, std::int64_t items) {
  solver_settings s;
  s.prior = {o.prior_precision, o.pseudo_count};
  s.tolerance = o.tolerance;
  s.max_sweeps = o.max_sweeps;
  s.max_newton_steps = o.max_newton_steps;
  s.max_cg_iterations = o.max_cg_iterations > 0 ? o.max_cg_iterations : 2 * items + 100;
  return s;
}

// The model without a tie parameter serves data without ties: the parameter is then at its limit.
struct model_choice {
  tie_model ties = tie_model::half;
  bool tied = false;
  bool won = false;
};

inline model_choice choose_model(const bradley_terry_fit& o, const comparison_graph& g) {
  model_choice c;
  for (std::int64_t e = 0; e < g.entries && !(c.won && (c.tied || g.tied == nullptr)); ++e) {
    c.won = c.won || g.won[e] > 0;
    c.tied = c.tied || (g.tied != nullptr && g.tied[e] > 0);
  }
  c.ties = c.tied ? o.ties : tie_model::half;
  return c;
}

inline status check_existence(const bradley_terry_fit& o, const comparison_graph& g, const connectivity& links,
                              const model_choice& model) {
  if (model.ties != tie_model::half && !model.won)
    return require::fail(errc::not_connected, "ties",
                         "at least one win; when every game is a tie the tie parameter is infinite");
  if (o.prior_precision > 0 || o.pseudo_count > 0) return {};
  const status s = links.check_links(g);
  if (!s.ok() || model.ties == tie_model::half) return s;
  return links.check_ties(g);
}

struct fitted {
  solver_result result;
  double loss = 0;
};

template <class Edge>
fitted solve_with(const cpu& exec, isa level, const comparison_graph& g, const solver_memory& m,
                  const solver_settings& s, bool loss, bool warm, double tie) {
  bradley_terry_solver<Edge> solver(exec, level, g, m, s);
  fitted f;
  f.result = solver.solve(warm, tie);
  if (loss) f.loss = solver.loss();
  return f;
}

inline fitted solve_model(const cpu& exec, isa level, tie_model model, const comparison_graph& g,
                          const solver_memory& m, const solver_settings& s, bool loss, bool warm = false,
                          double tie = 0) {
  if (model == tie_model::rao_kupper) return solve_with<rao_kupper_edge>(exec, level, g, m, s, loss, warm, tie);
  if (model == tie_model::davidson) return solve_with<davidson_edge>(exec, level, g, m, s, loss, warm, tie);
  return solve_with<bradley_terry_edge>(exec, level, g, m, s, loss, warm, tie);
}

// Moves the ratings to where the options say.
inline void place_ratings(const bradley_terry_fit& o, std::int64_t items, double* rating) {
  double shift = 0;
  if (o.anchor >= 0) {
    shift = o.anchor_rating - rating[o.anchor];
  } else if (!(o.prior_precision > 0 || o.pseudo_count > 0)) {
    for (std::int64_t i = 0; i < items; ++i) shift -= rating[i];
    shift /= static_cast<double>(items);
  }
  for (std::int64_t i = 0; i < items; ++i) rating[i] += shift;
  if (o.anchor >= 0) rating[o.anchor] = o.anchor_rating;
}

// What the caller knows as eta or nu.
PREFER_HD double shown_tie_parameter(tie_model asked, tie_model used, double t) {
  if (asked == tie_model::half) return math::detail::not_a_number<double>();
  if (used == tie_model::half) return 0;
  return used == tie_model::davidson ? math::exp(t) : t;
}

// The other way round, for a tie parameter that was estimated.
PREFER_HD double solved_tie_parameter(tie_model used, double shown) {
  return used == tie_model::davidson ? math::log(shown) : shown;
}

PREFER_HD void store_count(void* data, element type, std::int64_t value) {
  if (type == element::i64)
    *static_cast<std::int64_t*>(data) = value;
  else
    *static_cast<std::int32_t*>(data) = static_cast<std::int32_t>(value);
}

template <space S>
PREFER_HD void store_number(const output_view<1, S>& v, std::int64_t i, double x) {
  if (v.type != element::none) store_element<double>(v.data, v.type, i * v.stride[0], x, false);
}

inline void store_fit(const fit_outputs<space::host>& out, const double* rating, std::int64_t items, const fitted& f,
                      double tie) {
  for (std::int64_t i = 0; out.ratings.given() && i < items; ++i) store_number(out.ratings, i, rating[i]);
  store_number(out.tie_parameter, 0, tie);
  store_number(out.loss, 0, f.loss);
  store_number(out.gradient, 0, f.result.gradient);
  if (out.converged.given()) *static_cast<std::uint8_t*>(out.converged.data) = f.result.converged ? 1 : 0;
  if (out.sweeps.given()) store_count(out.sweeps.data, out.sweeps.type, f.result.sweeps);
  if (out.newton_steps.given()) store_count(out.newton_steps.data, out.newton_steps.type, f.result.newton_steps);
  if (out.cg_iterations.given()) store_count(out.cg_iterations.data, out.cg_iterations.type, f.result.cg_iterations);
}

inline status check_fit(const cpu& exec, const bradley_terry_fit& options, const comparisons<space::host>& data,
                        comparison_shape& shape, isa& level) {
  status s = resolve_isa(exec, level);
  if (s.ok()) s = check_runner(exec);
  if (s.ok()) s = require::comparison_views(data, shape);
  if (s.ok()) s = require::fit_parameters(options, shape.items);
  return s;
}

inline status not_converged(const solver_result& r, double tolerance) {
  if (r.converged) return {};
  return require::fail(errc::not_converged, "gradient", "at most", r.gradient, tolerance);
}

inline void measure_fit(arena& memory, const bradley_terry_fit& options, const comparison_shape& shape) {
  measure_graph(memory, shape);
  solver_memory().carve(memory, shape.items, graph_builder::most_entries(shape),
                        options.ties != tie_model::half && shape.ties);
}

}  // namespace detail

// Bytes that a fit needs, from the extents, the form and the tie model alone. Views that do not fit together give 0.
inline std::size_t fit_bradley_terry_workspace(const cpu&, const bradley_terry_fit& options,
                                               const comparisons<space::host>& data) {
  comparison_shape shape;
  if (!require::comparison_views(data, shape).ok()) return 0;
  detail::arena memory;
  detail::measure_fit(memory, options, shape);
  return memory.bytes();
}

// Fits the ratings. Without exec.workspace the call allocates once (nothrow) and frees when it returns; with one it
// allocates nothing. exec.content: `structure` and `all` look at every index, offset and count first, `none` does not.
//
// Errors: bad_parameter, and those of the views; bad_index, bad_offsets and bad_label (a count that is negative or not
// finite, a matrix of ties that is not symmetric) with the row; small_workspace; not_connected with the item. Nothing
// is written then. not_converged: the limits were reached, or rounding, before the tolerance; all outputs are written.
inline status fit_bradley_terry(const cpu& exec, const bradley_terry_fit& options, const comparisons<space::host>& data,
                                const fit_outputs<space::host>& out) {
  comparison_shape shape;
  isa level;
  status s = detail::check_fit(exec, options, data, shape, level);
  if (s.ok()) s = require::fit_outputs_of(out, shape.items);
  if (s.ok()) s = require::fit_overlap(data, out);
  detail::host_scratch lent;
  if (s.ok()) s = lent.provide(exec.workspace, fit_bradley_terry_workspace(exec, options, data));
  if (!s.ok()) return s;

  detail::arena memory(lent.data);
  detail::comparison_graph graph;
  s = detail::make_graph({data, shape, false, exec.content != content::none}, memory, graph);
  if (!s.ok()) return s;
  detail::solver_memory arrays;
  arrays.carve(memory, shape.items, detail::graph_builder::most_entries(shape),
               options.ties != tie_model::half && shape.ties);
  const detail::model_choice model = detail::choose_model(options, graph);
  s = detail::check_existence(options, graph, arrays.links, model);
  if (!s.ok()) return s;

  const detail::fitted f = detail::solve_model(exec, level, model.ties, graph, arrays,
                                               detail::settings_of(options, shape.items), out.loss.given());
  detail::place_ratings(options, shape.items, arrays.rating);
  detail::store_fit(out, arrays.rating, shape.items, f,
                    detail::shown_tie_parameter(options.ties, model.ties, f.result.tie_parameter));
  return detail::not_converged(f.result, options.tolerance);
}

}  // namespace PREFER_ABI
}  // namespace prefer
