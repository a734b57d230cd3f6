// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/scalar.hpp>
#include <prefer/select/detail/score_order.hpp>
#include <prefer/select/selection.hpp>

#include <cstdint>
#include <limits>
#include <type_traits>

// The best samples of each group by a score: best-of-n, top-k, top-fraction, thresholds.
namespace prefer {

// How many to keep. The defaults are best-of-n: one per group.
struct select_top {
  static constexpr std::int64_t all = std::numeric_limits<std::int64_t>::max();

  std::int64_t count = 1;  // at most so many of a group; `all` leaves the choice to the threshold
  scalar fraction = 0.0;   // above 0: instead of `count`, this part of the samples that may be selected
  bool smallest = false;   // the smallest scores are the best
  bool threshold = false;  // select only scores from `limit` on (at least; at most, with `smallest`)
  scalar limit = 0.0;

  constexpr status check() const {
    return first_error(require::that(count >= 0, "count", static_cast<double>(count), "0 or above"),
                       require::below(fraction, 1 + 0x1p-52, "fraction", "a number from 0 to 1"),
                       require::is_finite(limit, "limit"));
  }
};

template <space S>
struct top_inputs {
  input_view<1, S> score = {};  // [n]; a sample whose score is NaN is never selected
  input_view<1, S> mask = {};   // [n] bool or uint8: zero leaves a sample out; it may hold anything
  sample_groups<S> groups = {};
};

inline namespace PREFER_ABI {
namespace detail {

struct top_work {
  score_order order;
  select_top options;
  selection_sinks to;

  // `there` samples may be selected: how many are.
  PREFER_HD std::int64_t wanted(std::int64_t there, double fraction) const {
    if (!(fraction > 0)) return options.count < there ? options.count : there;
    const auto part = static_cast<std::int64_t>(fraction * static_cast<double>(there) + 0.5);
    return part < 1 && there > 0 ? 1 : part < there ? part : there;
  }

  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    const auto place = team.places(g, order);
    const double fraction = options.fraction.as<double>();
    std::int64_t n = 1;
    order_cut cut;
    if (options.count == 1 && !(fraction > 0)) {
      cut.last = team.first(g.count, place);
      n = cut.last.key != left_out ? 1 : 0;
    } else {
      const std::int64_t there =
          team.total(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA { return place(i).key != left_out ? 1 : 0; });
      n = wanted(there, fraction);
      cut = n == there ? order_cut{{left_out - 1, INT64_MAX}} : cut_behind(team, g.count, n, place);
    }
    to.write(team, g, n, [&](std::int64_t i) PREFER_HD_LAMBDA { return cut.takes(place(i)); });
  }
};

template <space S>
status make_top(const select_top& options, const top_inputs<S>& in, const selection_outputs<S>& out, group_table& t,
                top_work& w) {
  using require::holds;
  if (const status s = options.check(); !s.ok()) return s;
  if (!in.score.given()) return require::fail(errc::missing_input, "score", "one number per sample");
  const std::int64_t n = in.score.extent[0];
  if (const status s = make_groups(in.groups, "score", n, t); !s.ok()) return s;
  call_checks<3, 5> call;
  call.read("score", in.score, n, "", holds::numbers);
  call.read("mask", in.mask, n, "the number of samples,", holds::flags);
  call.read("groups.offsets", in.groups.offsets, t.groups + 1, "", holds::indices);
  if (const status s = some_selection(out); !s.ok()) return s;
  w.order = {place_of(in.score), place_of(in.mask), options.smallest, options.threshold, options.limit, {}};
  w.options = options;
  return make_selection_sinks(out, t, call, w.to);
}

}  // namespace detail

// Selects in each group the samples with the largest scores (the smallest, with `smallest`): those that pass the
// threshold, if there is one, and of these the best `count`, or the best `fraction` of them, rounded to the nearest
// number (half up) but at least 1. Ties go to the lowest index; 0 and -0 are equal; a NaN is never selected, and what
// the mask leaves out neither. A group may have fewer than asked for; an empty one selects nothing.
//
//   best of n (RAFT, local)        {}, groups of n: the first largest of each prompt
//   top k, top fraction            {.count = k}, {.fraction = 0.2}; one group of all is RAFT's global mode
//   threshold                      {.count = select_top::all, .threshold = true, .limit = 0.8}
//   directional best of n (DPA)    scores from directional_scores
//
// The policy that best-of-n defines diverges from its base by log n - (n - 1) / n at most. Errors: parameters, shapes,
// element types, memory that overlaps, offsets, with content::all a NaN score. O(n) for one sample; for more, O(n)
// times the bytes of a score in which samples differ, or times `count` where that is little. Nothing is allocated; with
// `indices` or `index_offsets` a workspace of selection_workspace bytes (on CUDA otherwise memory in stream order) and
// three launches instead of one. On the CPU a group is the work of one thread, on CUDA of a warp or block. Source: Dong
// et al. 2023, arXiv 2304.06767 (released code); rounding of fractions and the treatment of NaN are proposed here.
template <class Exec>
status select(const Exec& exec, const select_top& options, const std::type_identity_t<top_inputs<Exec::memory>>& in,
              const std::type_identity_t<selection_outputs<Exec::memory>>& out) {
  detail::group_table groups;
  detail::top_work work;
  if (const status s = detail::make_top(options, in, out, groups, work); !s.ok()) return s;
  if (const status s = detail::check_groups(exec, groups); !s.ok()) return s;
  if (const status s = detail::check_numbers(exec, "score", work.order.score, work.order.mask, groups.samples); !s.ok())
    return s;
  return detail::run_selection(exec, groups, work);
}

}  // namespace PREFER_ABI
}  // namespace prefer
