// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/scalar.hpp>
#include <prefer/select/detail/score_order.hpp>
#include <prefer/select/selection.hpp>

#include <cstdint>
#include <limits>
#include <type_traits>

// The best and the worst sample of each group: as a pair to learn a preference from, or as the two branches of a tree
// that are worth training on.
namespace prefer {

// Which groups give a pair. The defaults: those whose best is better than their worst.
struct extreme_pairs {
  static constexpr double any = std::numeric_limits<double>::max();

  scalar gap = 0.0;               // best - worst has to be above this
  scalar best_at_least = -any;    // the best score, and
  scalar worst_at_most = any;     // the worst
  scalar second_at_least = -any;  // the second score of the best, and
  scalar second_at_most = any;    // of the worst

  constexpr status check() const {
    return first_error(require::is_finite(gap, "gap"), require::is_finite(best_at_least, "best_at_least"),
                       require::is_finite(worst_at_most, "worst_at_most"),
                       require::is_finite(second_at_least, "second_at_least"),
                       require::is_finite(second_at_most, "second_at_most"));
  }
};

template <space S>
struct extreme_inputs {
  input_view<1, S> score = {};   // [n]; NaN: missing, the sample is left out
  input_view<1, S> second = {};  // [n]: another score that samples with an extreme score have to pass; NaN: missing
  input_view<1, S> mask = {};    // [n] bool or uint8: zero leaves a sample out; it may hold anything
  sample_groups<S> groups = {};
};

// One pair per group, for calls with index lists and a mask (evaluate_indexed). A group without a pair has -1, -1, 0.
template <space S>
struct extreme_outputs {
  output_view<1, S> chosen = {}, rejected = {};  // [B] int32 or int64: numbers of samples
  output_view<1, S> mask = {};                   // [B] bool or uint8: 1 where there is a pair
  output_view<1, S> difference = {};             // [B]: the chosen score less the rejected one
};

// Branches that are far from the mean of their prompt. Scores are standardised: (r - mean) / std of a prompt's rewards,
// over this and earlier rounds if one likes.
struct select_branches {
  scalar best_at_least = 0.5;             // the best of a group is selected from here on,
  scalar worst_below = -0.5;              // the worst below this
  scalar clip = 5.0;                      // of advantages, either way
  scalar positive = 1.0, negative = 1.0;  // multiply advantages above 0, and the others

  constexpr status check() const {
    return first_error(require::is_finite(best_at_least, "best_at_least"),
                       require::is_finite(worst_below, "worst_below"), require::positive(clip, "clip"),
                       require::is_finite(positive, "positive"), require::is_finite(negative, "negative"));
  }
};

template <space S>
struct branch_inputs {
  input_view<1, S> score = {};  // [n]; a NaN is never selected
  input_view<1, S> mask = {};   // [n] bool or uint8: zero leaves a sample out; it may hold anything
  sample_groups<S> groups = {};
};
template <space S>
struct branch_outputs {
  output_view<1, S> advantage = {};  // [n]: the clipped score times positive or negative where selected, else 0
  selection_outputs<S> selected = {};
};

// How many of a sampler's last steps are trained at a stage of a backward schedule: first + floor(range * stage /
// stages). Samples branch before them, at step N - that of N, so that branches differ in nothing else. B2-DiffuRL's
// schedule, for 20 steps, is 14 and 7 over 100 stages (released code).
constexpr std::int64_t branched_steps(std::int64_t stage, std::int64_t stages, std::int64_t first, std::int64_t range) {
  return first + range * stage / stages;
}

inline namespace PREFER_ABI {
namespace detail {

struct extreme_work {
  score_order order;
  source second;
  extreme_pairs options;
  sink chosen, rejected, mask, difference;

  PREFER_HD bool passes(std::int64_t s, bool best) const {
    if (second.data == nullptr) return true;
    const double x = read_item<double>(second, s);
    return best ? x >= options.second_at_least.as<double>() : x <= options.second_at_most.as<double>();
  }
  // The first sample with the extreme score that passes the second; of all scores, not of those that pass.
  template <class Team, class Place>
  PREFER_HD ranked extreme(const Team& team, const group_range& g, bool best, const Place& place) const {
    const auto at = [&](std::int64_t i) PREFER_HD_LAMBDA { return best ? place(i) : from_the_end(place(i)); };
    const ranked found = team.first(g.count, at);
    if (second.data == nullptr || found.key == left_out) return found;
    return team.first(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA {
      const ranked x = at(i);
      return x.key == found.key && passes(g.first + i, best) ? x : ranked{left_out, i};
    });
  }

  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    const auto place = team.places(g, order);
    const ranked best = extreme(team, g, true, place), worst = extreme(team, g, false, place);
    team.once([&]() PREFER_HD_LAMBDA {
      bool pair = best.key != left_out && worst.key != left_out;
      double gap = 0;
      if (pair) {
        const double high = order.value(g.first + best.item), low = order.value(g.first + worst.item);
        gap = high - low;
        pair = gap > options.gap.as<double>() && high >= options.best_at_least.as<double>() &&
               low <= options.worst_at_most.as<double>();
      }
      write_index(chosen, g.index, pair ? g.first + best.item : -1);
      write_index(rejected, g.index, pair ? g.first + worst.item : -1);
      write_flag(mask, g.index, pair);
      write_item(difference, g.index, pair, gap, false);
    });
  }
};

struct branch_work {
  score_order order;
  select_branches options;
  sink advantage;
  selection_sinks to;

  PREFER_HD double advantage_of(double z) const {
    const double c = options.clip.as<double>(), x = z > c ? c : z < -c ? -c : z;
    return x * (z > 0 ? options.positive.as<double>() : options.negative.as<double>());
  }

  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    const auto place = team.places(g, order);
    const auto found = [&](bool best_first) PREFER_HD_LAMBDA {
      const ranked x = team.first(
          g.count, [&](std::int64_t i) PREFER_HD_LAMBDA { return best_first ? place(i) : from_the_end(place(i)); });
      if (x.key == left_out) return std::int64_t{-1};
      const double z = order.value(g.first + x.item);
      const bool far = best_first ? z >= options.best_at_least.as<double>() : z < options.worst_below.as<double>();
      return far ? x.item : std::int64_t{-1};
    };
    const std::int64_t best = found(true), worst = found(false);
    const auto keep = [&](std::int64_t i) PREFER_HD_LAMBDA { return i == best || i == worst; };
    team.each(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA {
      const std::int64_t s = g.first + i;
      if (advantage.data != nullptr)
        write_item(advantage, s, keep(i), keep(i) ? advantage_of(order.value(s)) : 0, false);
    });
    to.write(team, g, (best >= 0 ? 1 : 0) + (worst >= 0 && worst != best ? 1 : 0), keep);
  }
};

template <space S>
status make_extremes(const extreme_pairs& options, const extreme_inputs<S>& in, const extreme_outputs<S>& out,
                     group_table& t, extreme_work& w) {
  using require::holds;
  if (const status s = options.check(); !s.ok()) return s;
  if (!in.score.given()) return require::fail(errc::missing_input, "score", "one number per sample");
  if (const status s = some_output(out.chosen, out.rejected, out.mask, out.difference); !s.ok()) return s;
  const std::int64_t n = in.score.extent[0];
  if (const status s = make_groups(in.groups, "score", n, t); !s.ok()) return s;
  constexpr const char *per_sample = "the number of samples,", *per_group = "the number of groups,";
  call_checks<4, 4> call;
  call.read("score", in.score, n, "", holds::numbers), call.read("second", in.second, n, per_sample, holds::numbers);
  call.read("mask", in.mask, n, per_sample, holds::flags);
  call.read("groups.offsets", in.groups.offsets, t.groups + 1, "", holds::indices);
  call.write("chosen", out.chosen, t.groups, per_group, holds::indices);
  call.write("rejected", out.rejected, t.groups, per_group, holds::indices);
  call.write("mask", out.mask, t.groups, per_group, holds::flags);
  call.write("difference", out.difference, t.groups, per_group, holds::numbers);
  w = {{place_of(in.score), place_of(in.mask), false, false, 0.0, place_of(in.second)},
       place_of(in.second),
       options,
       place_of(out.chosen),
       place_of(out.rejected),
       place_of(out.mask),
       place_of(out.difference)};
  return call.check();
}

template <space S>
status make_branches(const select_branches& options, const branch_inputs<S>& in, const branch_outputs<S>& out,
                     group_table& t, branch_work& w) {
  using require::holds;
  if (const status s = options.check(); !s.ok()) return s;
  if (!in.score.given()) return require::fail(errc::missing_input, "score", "one number per sample");
  const std::int64_t n = in.score.extent[0];
  if (const status s = make_groups(in.groups, "score", n, t); !s.ok()) return s;
  constexpr const char* per_sample = "the number of samples,";
  call_checks<3, 6> call;
  call.read("score", in.score, n, "", holds::numbers), call.read("mask", in.mask, n, per_sample, holds::flags);
  call.read("groups.offsets", in.groups.offsets, t.groups + 1, "", holds::indices);
  call.write("advantage", out.advantage, n, per_sample, holds::numbers);
  if (const status s = out.advantage.given() ? status{} : some_selection(out.selected); !s.ok()) return s;
  w.order.score = place_of(in.score), w.order.mask = place_of(in.mask);
  w.options = options;
  w.advantage = place_of(out.advantage);
  return make_selection_sinks(out.selected, t, call, w.to);
}

}  // namespace detail

// The best and the worst sample of each group as a pair: the first with the largest and the first with the smallest
// score, if the group passes
//
//   best - worst > gap,   best >= best_at_least,   worst <= worst_at_most
//
// and, with a second score, some sample with the largest score has second >= second_at_least and some with the smallest
// second <= second_at_most; the first of these is taken. Samples with a missing score (NaN) or masked out do not count.
// With {.best_at_least = 0.8, .worst_at_most = 0.2, .second_at_least = 0.8, .second_at_most = 0.2}, accuracies as
// scores and those of boxes as second, it is VisRL's self-pair filter. Errors: parameters, shapes, element types,
// memory that overlaps, offsets. O(n); nothing is allocated; one launch on CUDA. Source: Chen et al. 2025, arXiv
// 2503.07523 (released code); the best-worst pair alone is in many recipes.
template <class Exec>
status select_pairs(const Exec& exec, const extreme_pairs& options,
                    const std::type_identity_t<extreme_inputs<Exec::memory>>& in,
                    const std::type_identity_t<extreme_outputs<Exec::memory>>& out) {
  detail::group_table groups;
  detail::extreme_work work;
  if (const status s = detail::make_extremes(options, in, out, groups, work); !s.ok()) return s;
  if (const status s = detail::check_groups(exec, groups); !s.ok()) return s;
  return for_groups(exec, groups, work);
}

// Branch selection: of each group (branches of one node) the first best, if its score is at least best_at_least, and
// the first worst, if it is below worst_below: 0, 1 or 2 samples. The advantage is the score clipped to +-clip, times
// `positive` above 0 and `negative` elsewhere. Note >= at one end and < at the other. Errors: parameters, shapes,
// element types, memory that overlaps, offsets, with content::all a NaN score. O(n); lists need a workspace, see
// select/selection.hpp. Source: B2-DiffuRL, Hu et al. 2025, arXiv 2503.11240 (released code).
template <class Exec>
status select(const Exec& exec, const select_branches& options,
              const std::type_identity_t<branch_inputs<Exec::memory>>& in,
              const std::type_identity_t<branch_outputs<Exec::memory>>& out) {
  detail::group_table groups;
  detail::branch_work work;
  if (const status s = detail::make_branches(options, in, out, groups, work); !s.ok()) return s;
  if (const status s = detail::check_groups(exec, groups); !s.ok()) return s;
  if (const status s = detail::check_numbers(exec, "score", work.order.score, work.order.mask, groups.samples); !s.ok())
    return s;
  return detail::run_selection(exec, groups, work);
}

}  // namespace PREFER_ABI
}  // namespace prefer
