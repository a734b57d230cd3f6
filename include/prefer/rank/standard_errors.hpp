// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/execution.hpp>
#include <prefer/rank/rating_errors.hpp>

#include <Eigen/Cholesky>
#include <Eigen/Core>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>

// Standard errors of fitted ratings on the CPU; what they are, and options, inputs and outputs: rating_errors.hpp. Up
// to `dense_items` items H is factorised (Eigen, n^3 / 3); beyond, every requested item costs one solution by
// preconditioned conjugate gradients, on the caller's threads.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// The requested contrasts and where their solutions lie: column k of `solution` is H^+ c_k, its last row the tie part.
struct error_plan {
  std::int64_t items = 0;
  std::int64_t wanted = 0;  // and one more column for the tie parameter
  bool tie_parameter = false;
  rating_gauge gauge = {};
  std::int64_t* item = nullptr;

  std::int64_t columns() const { return wanted + (tie_parameter ? 1 : 0); }

  // c_k on the ratings, and its tie part.
  double right(std::int64_t k, std::int64_t i) const { return k == wanted ? 0 : gauge.contrast(item[k], i); }
  double right_tie(std::int64_t k) const { return k == wanted ? 1 : 0; }
  // All of it; returns the tie part.
  double contrast(std::int64_t k, double* c) const {
    for (std::int64_t i = 0; i < items; ++i) c[i] = right(k, i);
    return right_tie(k);
  }
};

// What the games' own gradients say, in the shape of a curvature.
template <class Edge>
void fill_meat(const comparison_graph& g, const double* rating, const Edge& edge, double* weight, double* cross,
               double& tie_curvature) {
  double corner = 0;
  for (std::int64_t i = 0; i < g.items; ++i) {
    double border = 0;
    for (std::int64_t e = g.offsets[i]; e < g.offsets[i + 1]; ++e) {
      const score_squares s = squares_of(scores_of(edge, odds_of_ratings(rating[i], rating[g.opponent[e]])), g.won[e],
                                         g.lost[e], g.tied != nullptr ? g.tied[e] : 0);
      weight[e] = s.weight;
      border += s.cross;
      corner += s.tie;
    }
    if constexpr (Edge::has_tie_parameter) cross[i] = border;
  }
  tie_curvature = 0.5 * corner;
}

// H, scaled to a unit diagonal and, without a prior, with the null vector lifted: then positive definite.
inline void fill_dense(const curvature_system& a, bool prior, Eigen::Map<Eigen::MatrixXd>& h, double* scale) {
  const std::int64_t n = a.graph.items, size = h.rows();
  double trace = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    trace += a.diagonal[i];
    scale[i] = a.diagonal[i] > 0 ? 1 / std::sqrt(a.diagonal[i]) : 1;
  }
  if (size > n) scale[n] = 1 / std::sqrt(a.tie_curvature);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j)
      h(j, i) = prior || !(trace > 0) ? 0 : std::sqrt(a.diagonal[i]) * std::sqrt(a.diagonal[j]) / trace;
  for (std::int64_t i = 0; i < n; ++i) {
    h(i, i) += 1;
    for (std::int64_t e = a.graph.offsets[i]; e < a.graph.offsets[i + 1]; ++e)
      h(a.graph.opponent[e], i) -= a.weight[e] * scale[i] * scale[a.graph.opponent[e]];
    if (size > n) h(i, n) = h(n, i) = a.cross[i] * scale[i] * scale[n];
  }
  if (size > n) h(n, n) = 1;
}

// Memory of one call, in the order of its use.
struct error_memory {
  comparison_graph meat_graph = {};
  double* meat_weight = nullptr;
  double* meat_cross = nullptr;
  double* dense = nullptr;
  double* scale = nullptr;
  double* rest = nullptr;      // [size, columns] what a dense solution leaves
  double* solution = nullptr;  // [size, columns]
  double* image = nullptr;     // the same for G times it
  cg_memory* lanes = nullptr;
  std::int64_t lane_count = 0;

  static constexpr std::int64_t most_lanes = 16;

  void carve(arena& memory, const bradley_terry_errors& o, const comparison_shape& shape, std::int64_t wanted,
             bool weighted) {
    const std::int64_t n = shape.items, size = n + 1, entries = graph_builder::most_entries(shape);
    if (o.estimate == error_estimate::sandwich) {
      if (weighted) meat_graph = graph_builder::carve(memory, shape);
      meat_weight = memory.take<double>(entries + graph_builder::padding);
      meat_cross = memory.take<double>(n);
    }
    if (n <= o.dense_items) {
      dense = memory.take<double>(size * size);
      scale = memory.take<double>(size);
      rest = memory.take<double>(size * (wanted + 1));
    } else {
      lane_count = std::min<std::int64_t>(most_lanes, wanted + 1);
      lanes = memory.take<cg_memory>(lane_count);
      for (std::int64_t l = 0; l < lane_count; ++l) {
        cg_memory one;
        one.carve(memory, n, entries);
        if (lanes != nullptr) lanes[l] = one;
      }
    }
    solution = memory.take<double>(size * (wanted + 1));
    if (o.estimate == error_estimate::sandwich) image = memory.take<double>(size * (wanted + 1));
  }
};

inline void measure_errors(arena& memory, const bradley_terry_errors& o, const comparison_shape& shape,
                           std::int64_t wanted, bool weighted) {
  measure_fit(memory, o.fit, shape);
  memory.take<std::int64_t>(wanted);
  error_memory().carve(memory, o, shape, wanted, weighted);
  if (weighted) graph_builder(memory, shape);  // the second graph needs room to be built in
}

class error_solver {
 public:
  error_solver(const cpu& exec, const row_runner& run, const bradley_terry_errors& options, const error_plan& plan,
               const error_memory& m)
      : exec_(exec), run_(run), options_(options), plan_(plan), m_(m) {}

  // Columns of H^+ C; false where rounding or the limit of iterations left a column without a solution.
  bool solve(const curvature_system& h) {
    if (m_.dense != nullptr) return solve_dense(h);
    std::atomic<bool> solved = true;
    const cpu alone{.isa = exec_.isa};
    const row_runner serial{alone, run_.level, run_.blocks};
    auto lane = [&](std::int64_t l) {
      for (std::int64_t k = l; k < plan_.columns(); k += m_.lane_count) {
        const double tie = plan_.contrast(k, m_.lanes[l].residual);
        const cg_result r = conjugate_gradients(serial, h, m_.lanes[l])
                                .solve(tie, options_.tolerance, most_error_iterations(plan_.items));
        if (!r.converged) solved = false;
        std::copy(m_.lanes[l].step, m_.lanes[l].step + plan_.items, column(k));
        column(k)[plan_.items] = r.tie_step;
      }
    };
    run_tasks(exec_, m_.lane_count, lane);
    return solved;
  }

  // Columns of G H^+ C.
  void apply(const curvature_system& g) {
    each_column(
        [&](const row_runner& serial, std::int64_t k) { apply_column(serial, g, column(k), m_.image + at(k)); });
  }

  double covariance(std::int64_t k, std::int64_t l) const {
    const std::int64_t n = plan_.items;
    const double* y = column(k);
    if (m_.image != nullptr) {
      double s = 0;
      for (std::int64_t i = 0; i <= n; ++i) s += y[i] * m_.image[at(l) + i];
      return s;
    }
    return contrast_of(l, y);
  }

 private:
  const cpu& exec_;
  const row_runner& run_;
  const bradley_terry_errors& options_;
  const error_plan& plan_;
  const error_memory& m_;

  std::int64_t at(std::int64_t k) const { return k * (plan_.items + 1); }
  double* column(std::int64_t k) const { return m_.solution + at(k); }

  // c_l times y; it is sparse: two entries, or one and the mean, which H^+ makes irrelevant up to a shift.
  double contrast_of(std::int64_t l, const double* y) const {
    const std::int64_t n = plan_.items;
    if (l == plan_.wanted) return y[n];
    double sum = 0;
    for (std::int64_t i = 0; plan_.gauge.sums_to_zero() && i < n; ++i) sum += y[i];
    return plan_.gauge.of(y, plan_.item[l], sum / static_cast<double>(n));
  }

  // f(runner, column) for all columns, on the caller's threads.
  template <class F>
  void each_column(F f) const {
    const cpu alone{.isa = exec_.isa};
    const row_runner serial{alone, run_.level, run_.blocks};
    auto task = [&](std::int64_t k) { f(serial, k); };
    run_tasks(exec_, plan_.columns(), task);
  }

  static void apply_column(const row_runner& run, const curvature_system& g, const double* y, double* out) {
    const std::int64_t n = g.graph.items;
    const curvature_pass pass{g.graph, g.weight, y, out};
    run.run(pass, 0, n);
    for (std::int64_t i = 0; g.prior_curvature != nullptr && i < n; ++i) out[i] += g.prior_curvature[i] * y[i];
    double tie = 0;
    for (std::int64_t i = 0; g.cross != nullptr && i < n; ++i) {
      out[i] += g.cross[i] * y[n];
      tie += g.cross[i] * y[i];
    }
    out[n] = tie + g.tie_curvature * y[n];
  }

  // Where blocks of items that played much hang together by few games, the factor alone is good to its condition only.
  // What a solution leaves is summed over differences of pairs, so it is accurate, and solving for it mends that.
  bool solve_dense(const curvature_system& h) {
    const std::int64_t n = plan_.items, size = h.cross != nullptr ? n + 1 : n;
    Eigen::Map<Eigen::MatrixXd> matrix(m_.dense, size, size);
    fill_dense(h, plan_.gauge.prior, matrix, m_.scale);
    const factorisation factor(matrix);
    if (factor.info() != Eigen::Success) return false;
    for (std::int64_t k = 0; k < plan_.columns(); ++k) column(k)[n] = plan_.contrast(k, column(k));
    solve_scaled(factor, size, m_.solution);
    if (factor.rcond() > 1e-4) return true;
    for (int sweep = 0; sweep < 10; ++sweep)
      if (mend(factor, h, size) <= 1e-12) return true;
    return false;
  }

  using factorisation = Eigen::LLT<Eigen::Ref<Eigen::MatrixXd>>;

  // x = H^-1 x, for all columns.
  void solve_scaled(const factorisation& factor, std::int64_t size, double* x) const {
    Eigen::Map<Eigen::MatrixXd, 0, Eigen::OuterStride<>> all(x, size, plan_.columns(),
                                                             Eigen::OuterStride<>(plan_.items + 1));
    const Eigen::Map<Eigen::VectorXd> scale(m_.scale, size);
    all.array().colwise() *= scale.array();
    factor.solveInPlace(all);
    all.array().colwise() *= scale.array();
  }

  // Returns the largest correction of a variance, relative to it.
  double mend(const factorisation& factor, const curvature_system& h, std::int64_t size) const {
    each_column([&](const row_runner& serial, std::int64_t k) {
      double* rest = m_.rest + at(k);
      apply_column(serial, h, column(k), rest);
      for (std::int64_t i = 0; i < plan_.items; ++i) rest[i] = plan_.right(k, i) - rest[i];
      rest[plan_.items] = plan_.right_tie(k) - rest[plan_.items];
    });
    solve_scaled(factor, size, m_.rest);
    double worst = 0;
    for (std::int64_t k = 0; k < plan_.columns(); ++k) {
      for (std::int64_t i = 0; i < size; ++i) column(k)[i] += m_.rest[at(k) + i];
      const double correction = std::fabs(contrast_of(k, m_.rest + at(k))), all = contrast_of(k, column(k));
      if (!(correction <= worst * all)) worst = correction / all;
    }
    return worst;
  }
};

template <class Edge>
status store_errors(const error_solver& solver, const error_plan& plan, const error_outputs<space::host>& out) {
  for (std::int64_t k = 0; out.standard_errors.given() && k < plan.wanted; ++k)
    store_number(out.standard_errors, k, error_of(solver.covariance(k, k)));
  const auto& c = out.covariance;
  for (std::int64_t k = 0; c.given() && k < plan.wanted; ++k)
    for (std::int64_t l = 0; l <= k; ++l) {
      const double x = 0.5 * (solver.covariance(k, l) + solver.covariance(l, k));
      store_element<double>(c.data, c.type, k * c.stride[0] + l * c.stride[1], x, false);
      store_element<double>(c.data, c.type, l * c.stride[0] + k * c.stride[1], x, false);
    }
  store_number(out.tie_standard_error, 0,
               Edge::has_tie_parameter ? error_of(solver.covariance(plan.wanted, plan.wanted))
                                       : math::detail::not_a_number<double>());
  return {};
}

struct error_call {
  const cpu& exec;
  const bradley_terry_errors& options;
  const comparisons<space::host>& data;
  const error_outputs<space::host>& out;
  comparison_shape shape;
  isa level;
  double tie;
};

template <class Edge>
status errors_with(const error_call& c, arena& memory, comparison_graph graph, const solver_memory& arrays,
                   error_plan plan) {
  plan.tie_parameter = Edge::has_tie_parameter;
  error_memory m;
  m.carve(memory, c.options, c.shape, plan.wanted, c.data.weight.given());
  curvature_system meat;
  if (c.options.estimate == error_estimate::sandwich) {
    meat.graph = graph;
    if (c.data.weight.given()) {
      graph_builder builder(memory, c.shape);
      meat.graph = m.meat_graph;
      if (const status s = builder.build({c.data, c.shape, true, false}, meat.graph); !s.ok()) return s;
    }
    fill_meat(meat.graph, arrays.rating, Edge::at(c.tie), m.meat_weight, m.meat_cross, meat.tie_curvature);
    meat.weight = m.meat_weight;
    if (Edge::has_tie_parameter) meat.cross = m.meat_cross;
  }
  bradley_terry_solver<Edge> solver(c.exec, c.level, graph, arrays, settings_of(c.options.fit, c.shape.items));
  solver.differentiate_at(c.tie);
  error_solver errors(c.exec, solver.runner(), c.options, plan, m);
  const curvature_system curvature = solver.system();
  for (std::int64_t i = 0; !(plan.items == 1 && plan.gauge.sums_to_zero()) && i < plan.items; ++i)
    if (!(curvature.diagonal[i] > 0))
      return require::fail(errc::bad_parameter, "ratings", "near enough for a curvature above 0 in every item",
                           arrays.rating[i], 0, i);
  if (!errors.solve(curvature))
    return require::fail(errc::not_converged, "ratings", "a curvature that double precision can invert");
  if (c.options.estimate == error_estimate::sandwich) errors.apply(meat);
  return store_errors<Edge>(errors, plan, c.out);
}

}  // namespace detail

// Bytes that standard_errors needs, from extents, form, tie model and options alone. Views that do not fit together
// give 0. Eigen takes a few kilobytes of its own beside it while it factorises.
inline std::size_t standard_errors_workspace(const cpu&, const bradley_terry_errors& options,
                                             const comparisons<space::host>& data,
                                             const fitted_ratings<space::host>& at) {
  comparison_shape shape;
  if (!require::comparison_views(data, shape).ok()) return 0;
  const std::int64_t wanted = at.items.given() ? at.items.extent[0] : shape.items;
  detail::arena memory;
  detail::measure_errors(memory, options, shape, wanted, data.weight.given());
  return memory.bytes();
}

// Errors: those of fit_bradley_terry, but not_converged where the curvature at the ratings is too badly conditioned for
// double precision, and bad_parameter where it is zero (ratings hundreds apart); not_a_number for ratings that are not
// finite; bad_index for a requested item that does not exist; missing_input when an estimated tie model comes without
// its tie_parameter.
inline status standard_errors(const cpu& exec, const bradley_terry_errors& options,
                              const comparisons<space::host>& data, const fitted_ratings<space::host>& at,
                              const error_outputs<space::host>& out) {
  comparison_shape shape;
  isa level;
  status s = detail::check_fit(exec, options.fit, data, shape, level);
  if (s.ok()) s = require::error_arguments(options, shape.items, at, out);
  if (!s.ok()) return s;
  s = require::error_overlap(data, at, out);
  detail::host_scratch lent;
  if (s.ok()) s = lent.provide(exec.workspace, standard_errors_workspace(exec, options, data, at));
  if (!s.ok()) return s;

  detail::arena memory(lent.data);
  detail::comparison_graph graph;
  s = detail::make_graph({data, shape, false, exec.content != content::none}, memory, graph);
  if (!s.ok()) return s;
  const bool squared = options.estimate == error_estimate::sandwich && data.weight.given();
  for (std::int64_t k = 0; squared && exec.content != content::none && k < shape.rows; ++k)
    if (const double w = detail::number_at(data.weight, k); !detail::has_square(w))
      return require::fail(errc::bad_label, "weight", "0, or between 1e-150 and 1e150, where it is squared", w, 0, k);
  detail::solver_memory arrays;
  arrays.carve(memory, shape.items, detail::graph_builder::most_entries(shape),
               options.fit.ties != tie_model::half && shape.ties);
  const detail::model_choice model = detail::choose_model(options.fit, graph);
  s = detail::check_existence(options.fit, graph, arrays.links, model);
  if (s.ok() && model.ties != tie_model::half)
    s = require::missing(at.tie_parameter.given(), "tie_parameter", "the fitted tie parameter");
  for (std::int64_t i = 0; s.ok() && i < shape.items; ++i) {
    arrays.rating[i] = detail::number_at(at.ratings, i);
    if (math::is_nan(arrays.rating[i] - arrays.rating[i]))
      s = require::fail(errc::not_a_number, "ratings", "a finite number", arrays.rating[i], 0, i);
  }
  double tie = 0;
  if (s.ok() && model.ties != tie_model::half) {
    tie = detail::number_at(at.tie_parameter, 0);
    s = require::that(tie > 0 && require::finite(tie), "tie_parameter", tie, "a finite number above 0");
    tie = detail::solved_tie_parameter(model.ties, tie);
  }
  if (!s.ok()) return s;

  detail::error_plan plan;
  plan.items = shape.items;
  plan.wanted = at.items.given() ? at.items.extent[0] : shape.items;
  plan.gauge = detail::gauge_of(options.fit, shape.items);
  plan.item = memory.take<std::int64_t>(plan.wanted);
  for (std::int64_t k = 0; k < plan.wanted; ++k) {
    plan.item[k] = at.items.given() ? detail::index_at(at.items, k) : k;
    if (plan.item[k] < 0 || plan.item[k] >= shape.items)
      return require::fail(errc::bad_index, "items", "0 or above and below the number of items",
                           static_cast<double>(plan.item[k]), 0, k);
  }

  const detail::error_call call{exec, options, data, out, shape, level, tie};
  if (model.ties == tie_model::rao_kupper)
    return detail::errors_with<detail::rao_kupper_edge>(call, memory, graph, arrays, plan);
  if (model.ties == tie_model::davidson)
    return detail::errors_with<detail::davidson_edge>(call, memory, graph, arrays, plan);
  return detail::errors_with<detail::bradley_terry_edge>(call, memory, graph, arrays, plan);
}

}  // namespace PREFER_ABI
}  // namespace prefer
