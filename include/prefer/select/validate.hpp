// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/select/hierarchical_comparator.hpp>
#include <prefer/select/running_front.hpp>
#include <prefer/select/scalarized_pick.hpp>
#include <prefer/select/top.hpp>

#include <cstdint>
#include <type_traits>

// Whether what the calls under prefer/select are given is what they take: all checks of those calls that need no
// outputs, and a look at every number, without the computation, with their sentences, on either backend. On CUDA they
// are the calls that synchronise.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// What the host sees of a call's inputs, on any side.
template <space S>
status check_shapes(const objectives& o, const objective_samples<S>& in) {
  objective_table t;
  return make_objective_table(o, in, t);
}
template <space S>
status check_shapes(const scalarization& o, const scalarized_pick_inputs<S>& in, pick_call& call) {
  scalarized_pick_outputs<S> out;  // of the right shape, nowhere
  alignas(8) static double somewhere = 0;
  objective_table t;
  if (const status s = make_objective_table(o.objectives, in.samples, t); !s.ok()) return s;
  out.value.data = &somewhere, out.value.type = element::f64;
  out.value.extent[0] = t.groups;
  out.value.extent[1] = in.weights.given() ? in.weights.extent[0] : in.reference.given() ? in.reference.extent[0] : 1;
  out.value.stride[0] = out.value.extent[1], out.value.stride[1] = 1;
  return make_pick_call(o, in, out, call);
}

// Everything else, on the host.
inline status look_at(const objective_table& t) {
  if (const status s = check_group_offsets(t); !s.ok() || t.nan != nan_policy::reject) return s;
  for (std::int64_t b = 0; b < t.groups; ++b) {
    const group_rows g = t.group(b);
    for (std::int64_t i = 0; i < g.count; ++i)
      if (t.state_of(g, i) == sample_state::not_a_number) return nan_sample(t, g, i);
  }
  return {};
}

template <space S>
status check_shapes(const top_inputs<S>& in, group_table& t) {
  using require::holds;
  if (!in.score.given()) return require::fail(errc::missing_input, "score", "one number per sample");
  const std::int64_t n = in.score.extent[0];
  if (const status s = make_groups(in.groups, "score", n, t); !s.ok()) return s;
  return first_error(check_optional("score", in.score, n, "", holds::numbers),
                     check_optional("mask", in.mask, n, "the number of samples,", holds::flags));
}

// The inputs of a hierarchical comparison, whose outputs are nowhere.
template <space S>
status check_shapes(const hierarchy_inputs<S>& in, std::int64_t& pairs, hierarchy_work& w) {
  hierarchy_outputs<S> out;
  alignas(8) static double somewhere = 0;
  out.label.data = &somewhere, out.label.type = element::f64;
  out.label.extent[0] = in.first.given() ? in.first.extent[0] : 0, out.label.stride[0] = 1;
  return make_hierarchy(in, out, pairs, w);
}
inline status look_at(const hierarchy_work& w, std::int64_t pairs) {
  if (const status s = check_hierarchy_content(cpu{}, w, pairs); !s.ok()) return s;
  for (std::int64_t l = 0; l < w.levels; ++l) {
    if (const double m = read_item<double>(w.margins, l); w.margins.data != nullptr && !(m >= 0))
      return require::fail(errc::bad_label, "margins", "0 or above", m, 0, l);
    if (const double x = read_item<double>(w.signs, l); w.signs.data != nullptr && math::is_nan(x))
      return require::fail(errc::not_a_number, "signs", "a number, but it is NaN", 0, 0, l);
  }
  for (std::int64_t i = 0; i < w.samples; ++i)
    for (std::int64_t l = 0; l < w.levels; ++l)
      if (math::is_nan(w.factor(i, l)))
        return require::fail(errc::not_a_number, "factors", "a number, but it is NaN", 0, 0, i * w.levels + l);
  return {};
}

}  // namespace detail

// Samples of the Pareto calls (non_dominated_set, ranks, crowding, knees, hypervolume): shapes, options, offsets, and
// with nan_policy::reject every objective and violation of the samples that the mask keeps; the first NaN as element
// sample * K + objective, or the violation's sample. One pass.
inline status validate_samples(const cpu&, const objectives& options, const objective_samples<space::host>& in) {
  detail::objective_table t;
  const status s = detail::make_objective_table(options, in, t);
  return s.ok() ? detail::look_at(t) : s;
}

// The same for scalarized_picks, with its weights and references: finite, weights 0 or above.
inline status validate_scalarized_picks(const cpu&, const scalarization& options,
                                        const scalarized_pick_inputs<space::host>& in) {
  detail::pick_call call;
  if (const status s = detail::check_shapes(options, in, call); !s.ok()) return s;
  return first_error(detail::check_pick_numbers(call), detail::look_at(call.table));
}

// Scores in groups, as select_top, select_branches, normalized_ranks and resample_bins take them (select_pairs, for
// which a NaN is a missing score): shapes, offsets, no NaN among the scores that the mask keeps.
inline status validate_scores(const cpu&, const top_inputs<space::host>& in) {
  detail::group_table t;
  if (const status s = detail::check_shapes(in, t); !s.ok()) return s;
  const cpu looking = {.content = content::all};
  return first_error(detail::check_groups(looking, t),
                     detail::check_numbers(looking, "score", detail::place_of(in.score), detail::place_of(in.mask),
                                           t.samples));
}

// The inputs of compare_hierarchically: indices within the samples, margins of 0 or more, no NaN (which would decide
// nothing).
inline status validate_hierarchy(const cpu&, const hierarchy_inputs<space::host>& in) {
  std::int64_t pairs = 0;
  detail::hierarchy_work work;
  const status s = detail::check_shapes(in, pairs, work);
  return s.ok() ? detail::look_at(work, pairs) : s;
}

// A running front and samples for it: shapes, a count within the capacity, ids that ascend and fit, and with
// nan_policy::reject no NaN in the rows of the front ("front.rewards") or the samples ("rewards").
inline status validate_front(const cpu&, const objectives& options, const running_front& front,
                             const front_samples& in) {
  if (const status s =
          first_error(detail::check_front(options, front), detail::check_front_samples(front, in)); !s.ok())
    return s;
  if (const status s = detail::check_front_content(cpu{}, front, in); !s.ok()) return s;
  const std::int64_t held = detail::rows_held(front);
  status s = validate_samples(
      cpu{}, options,
      {.rewards = detail::first_rows(front.rewards, held), .violation = detail::first_rows(front.violation, held)});
  if (!s.ok()) s.argument = s.argument[0] == 'r' ? "front.rewards" : "front.violation";
  return first_error(s, validate_samples(cpu{}, options,
                                         {.rewards = in.rewards, .violation = in.violation, .mask = in.mask}));
}

}  // namespace PREFER_ABI
}  // namespace prefer
