// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/check_numbers.hpp>
#include <prefer/backend/row_map_reduce.hpp>
#include <prefer/select/selection.hpp>

#include <cstdint>
#include <type_traits>

namespace prefer {

// What a set of samples is worth to users who each want something else and take the best for themselves, and what each
// sample adds to that.
//
//   value = mean over the S weight vectors w_s of max_i sum_k w_sk r_ik
//   credit_i = value of the group - value of the group without i
//            = mean over s of [i is the best for w_s] (the best - the second best)
//
// The best is the first of equal ones. A group's only sample is worth the whole value, a group of none 0. Credits are
// not negative in groups of two or more, 0 for a sample that is nobody's best, and no larger in sum than the value is
// above that of the second bests; an advantage follows (group_advantages). A sample whose weighted sum is NaN for any
// w_s is left out there, and has a credit of NaN. A reward of weight 0 is not looked at.
//
// Weights are drawn by the caller, from a Dirichlet distribution in the source; for two rewards the even ones (s + 1/2)
// / S are better than any draw. Errors: 1 to 64 rewards, 1 to 128 weight vectors, shapes, element types, memory that
// overlaps, offsets, with content::all NaN. O(n K S); one launch, no workspace. Source: the value: VPO (arXiv
// 2605.22817), from a summary; credits: proposed here.
template <space S>
struct set_value_inputs {
  input_view<2, S> rewards = {};  // [n, K], the more the better
  input_view<2, S> weights = {};  // [S, K]
  input_view<1, S> mask = {};     // n; bool or uint8: zero leaves a sample out, which may hold anything and gets 0
  sample_groups<S> groups = {};
};

template <space S>
struct set_value_outputs {
  output_view<1, S> value = {};   // one per group
  output_view<1, S> credit = {};  // n
};

inline namespace PREFER_ABI {
namespace detail {

inline constexpr int most_set_rewards = 64, most_set_weights = 128;

struct set_value_work {
  row_source rewards, weights;
  int count, vectors;
  source mask;
  sink value, credit;

  static PREFER_HD double at(const row_source& s, std::int64_t i, int k) {
    return load_element<double>(s.data, s.type, i * s.row_stride + k * s.stride);
  }
  PREFER_HD double sum(std::int64_t i, int s) const {
    double sum = 0;
    for (int k = 0; k < count; ++k)
      if (const double w = at(weights, s, k); w != 0) sum += w * at(rewards, i, k);
    return sum;
  }
  // The best of a group for one weight vector but for `other`; none: {left_out, -1}.
  template <class Team>
  PREFER_HD ranked best(const Team& team, const group_range& g, int s, std::int64_t other) const {
    return team.first(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA {
      if (i == other || !selects(mask, g.first + i)) return ranked{left_out, i};
      const double x = sum(g.first + i, s);
      return ranked{math::is_nan(x) ? left_out : sortable(-x), i};
    });
  }
  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    double lead[most_set_weights], total = 0;
    std::int64_t winner[most_set_weights];
    for (int s = 0; s < vectors; ++s) {
      const ranked first = best(team, g, s, -1);
      winner[s] = first.key == left_out ? -1 : first.item, lead[s] = 0;
      if (winner[s] < 0) continue;
      const double most = sum(g.first + winner[s], s);
      total += most;
      if (credit.data == nullptr) continue;
      const ranked second = best(team, g, s, winner[s]);
      lead[s] = second.key == left_out ? most : most - sum(g.first + second.item, s);
    }
    team.once([&]() PREFER_HD_LAMBDA { write_item(value, g.index, true, total / vectors, false); });
    if (credit.data == nullptr) return;
    team.each(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA {
      const bool kept = selects(mask, g.first + i);
      double sums = 0, spoilt = 0;
      for (int s = 0; kept && s < vectors; ++s) {
        if (winner[s] == i) sums += lead[s];
        spoilt += math::nan_of(sum(g.first + i, s));
      }
      write_item(credit, g.first + i, kept, sums / vectors + spoilt, false);
    });
  }
};

template <space S>
status make_set_value(const set_value_inputs<S>& in, const set_value_outputs<S>& out, group_table& t,
                      set_value_work& w) {
  using require::holds;
  if (!in.rewards.given()) return require::fail(errc::missing_input, "rewards", "K rewards per sample, [n, K]");
  if (!in.weights.given()) return require::fail(errc::missing_input, "weights", "vectors of K weights, [S, K]");
  if (const status s = some_output(out.value, out.credit); !s.ok()) return s;
  const std::int64_t n = in.rewards.extent[0], k = in.rewards.extent[1], vectors = in.weights.extent[0];
  if (const status s = make_groups(in.groups, "rewards", n, t); !s.ok()) return s;
  const auto within = [](const char* name, const char* least, const char* most, std::int64_t x, int limit) {
    return x >= 1 && x <= limit
               ? status{}
               : require::fail(errc::bad_extent, name, x < 1 ? least : most, static_cast<double>(x), x < 1 ? 1 : limit);
  };
  if (const status s = first_error(
          within("rewards", "rewards per sample, at least", "rewards per sample, at most", k, most_set_rewards),
          within("weights", "weight vectors, at least", "weight vectors, at most", vectors, most_set_weights));
      !s.ok())
    return s;
  call_checks<4, 2> call;
  call.read("rewards", in.rewards, n, k);
  call.read("weights", in.weights, vectors, k);
  call.read("mask", in.mask, n, "the number of samples,", holds::flags);
  call.read("groups.offsets", in.groups.offsets, t.groups + 1, "", holds::indices);
  call.write("value", out.value, t.groups, "the number of groups,", holds::numbers);
  call.write("credit", out.credit, n, "the number of samples,", holds::numbers);
  w = {place_of(in.rewards), place_of(in.weights), static_cast<int>(k), static_cast<int>(vectors),
       place_of(in.mask),   place_of(out.value),   place_of(out.credit)};
  return call.check();
}

}  // namespace detail

template <class Exec>
status set_values(const Exec& exec, const std::type_identity_t<set_value_inputs<Exec::memory>>& in,
                  const std::type_identity_t<set_value_outputs<Exec::memory>>& out) {
  detail::group_table groups;
  detail::set_value_work work;
  if (const status s = detail::make_set_value(in, out, groups, work); !s.ok()) return s;
  if (const status s =
          first_error(detail::check_groups(exec, groups),
                      detail::check_numbers(exec, "rewards", work.rewards, work.mask, groups.samples, work.count),
                      detail::check_numbers(exec, "weights", work.weights, {}, work.vectors, work.count));
      !s.ok())
    return s;
  return for_groups(exec, groups, work);
}

}  // namespace PREFER_ABI
}  // namespace prefer
