// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/row_map_reduce.hpp>
#include <prefer/select/selection.hpp>

#include <cstdint>
#include <type_traits>

// Parrot: train a generator by several rewards without weighing them against each other. Only the samples of a batch
// that no other dominates (select/non_dominated.hpp) get a reward.
namespace prefer {

// n samples with K rewards each, in groups (one per prompt, or one of all).
template <space S>
struct parrot_inputs {
  input_view<2, S> rewards = {};  // [n, K]; rows of samples that are not in the set may hold anything
  input_view<1, S> mask = {};     // [n] bool or uint8: the non-dominated set of each group
  // [n] int32 or int64, from 0 to K - 1: the reward that a sample was generated for. Only this one enters; without it
  // the sum of all K.
  input_view<1, S> reward_index = {};
  input_view<1, S> baseline = {};  // [K]: subtracted from the rewards; 0 if not given
  sample_groups<S> groups = {};
};

template <space S>
struct parrot_outputs {
  output_view<1, S> advantage = {};  // [n]: r - b in the set, 0 outside
  output_view<1, S> weight = {};     // [n]: advantage / (size of the group's set)
  output_view<1, S> size = {};       // [B] int32 or int64: the size of each group's set
};

inline namespace PREFER_ABI {
namespace detail {

struct parrot_work {
  row_source rewards;
  std::int64_t objectives;
  source mask, reward_index, baseline;
  sink advantage, weight, size;

  PREFER_HD double reward(std::int64_t s, std::int64_t k) const {
    const double r = load_element<double>(rewards.data, rewards.type, s * rewards.row_stride + k * rewards.stride);
    return baseline.data == nullptr ? r : r - read_item<double>(baseline, k);
  }
  // The reward that a sample is for; -1 if it is out of range.
  PREFER_HD std::int64_t objective_of(std::int64_t s) const {
    const std::int64_t k = load_index(reward_index.data, reward_index.type, s * reward_index.stride);
    return k >= 0 && k < objectives ? k : -1;
  }
  PREFER_HD double advantage_of(std::int64_t s) const {
    if (reward_index.data != nullptr) {
      const std::int64_t k = objective_of(s);
      return k < 0 ? math::detail::not_a_number<double>() : reward(s, k);
    }
    double sum = 0;
    for (std::int64_t k = 0; k < objectives; ++k) sum += reward(s, k);
    return sum;
  }

  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    const std::int64_t n =
        team.total(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA { return selects(mask, g.first + i) ? 1 : 0; });
    team.each(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA {
      const std::int64_t s = g.first + i;
      const bool in_set = selects(mask, s);
      const double a = in_set ? advantage_of(s) : 0;
      if (in_set && reward_index.data != nullptr && objective_of(s) < 0) team.fault(errc::bad_index, s);
      write_item(advantage, s, in_set, a, false);
      write_item(weight, s, in_set, a / static_cast<double>(n), false);
    });
    team.once([&]() PREFER_HD_LAMBDA { write_index(size, g.index, n); });
  }
};

inline status check_parrot_content(const cpu& exec, const parrot_work& w, std::int64_t n) {
  if (exec.content == content::none) return {};
  for (std::int64_t s = 0; w.reward_index.data != nullptr && s < n; ++s)
    if (selects(w.mask, s) && w.objective_of(s) < 0)
      return require::fail(
          errc::bad_index, "reward_index", "0 or above and below the number of rewards",
          static_cast<double>(load_index(w.reward_index.data, w.reward_index.type, s * w.reward_index.stride)), 0, s);
  for (std::int64_t s = 0; exec.content == content::all && s < n; ++s)
    if (selects(w.mask, s) && math::is_nan(w.advantage_of(s)))
      return require::fail(errc::not_a_number, "rewards", "numbers, but one of them or its baseline is NaN", 0, 0, s);
  return {};
}
inline status check_parrot_content(const cuda&, const parrot_work&, std::int64_t) { return {}; }

template <space S>
status make_parrot(const parrot_inputs<S>& in, const parrot_outputs<S>& out, group_table& t, parrot_work& w) {
  using require::holds;
  if (!in.rewards.given()) return require::fail(errc::missing_input, "rewards", "K rewards per sample, [n, K]");
  if (!in.mask.given()) return require::fail(errc::missing_input, "mask", "the non-dominated set, one flag per sample");
  if (const status s = some_output(out.advantage, out.weight, out.size); !s.ok()) return s;
  const std::int64_t n = in.rewards.extent[0], k = in.rewards.extent[1];
  if (const status s = make_groups(in.groups, "rewards", n, t); !s.ok()) return s;
  if (k < 1)
    return require::fail(errc::bad_extent, "rewards", "rewards per sample: at least", static_cast<double>(k), 1);
  constexpr const char* per_sample = "the number of samples,";
  call_checks<5, 3> call;
  call.read("rewards", in.rewards, n, k);
  call.read("mask", in.mask, n, per_sample, holds::flags);
  call.read("reward_index", in.reward_index, n, per_sample, holds::indices);
  call.read("baseline", in.baseline, k, "the number of rewards,", holds::numbers);
  call.read("groups.offsets", in.groups.offsets, t.groups + 1, "", holds::indices);
  call.write("advantage", out.advantage, n, per_sample, holds::numbers);
  call.write("weight", out.weight, n, per_sample, holds::numbers);
  call.write("size", out.size, t.groups, "the number of groups,", holds::indices);
  w = {{in.rewards.data, in.rewards.stride[0], in.rewards.stride[1], in.rewards.type},
       k,
       place_of(in.mask),
       place_of(in.reward_index),
       place_of(in.baseline),
       place_of(out.advantage),
       place_of(out.weight),
       place_of(out.size)};
  return call.check();
}

}  // namespace detail

// The weights of a policy gradient that is rewarded by Pareto selection. For group P of samples with the set F of them
// that nothing dominates:
//
//   advantage_i = m_i (r_i - b),   weight_i = advantage_i / |F|,   m_i = 1 for i in F, else 0
//
// where r_i - b is that of the reward that i was generated for, or summed over all rewards. Samples outside get exactly
// 0, whatever their rewards: they are not pushed down. The divisor is the size of the set, not of the group; a group
// without a set (all masked out) has weights 0. The loss of Parrot and its gradient are those of `reinforce` with these
// weights and a normaliser of 1 (or of the number of groups, for a mean over prompts):
//
//   L = -sum_i weight_i sum_t logp_it,   dL / dlogp_it = -weight_i
//
// Defaults: no baseline, one group. Arithmetic in double; a NaN reaches its own sample only. Errors: shapes, element
// types, memory that overlaps, offsets, a reward_index out of range (on CUDA that sample is NaN and reported), with
// content::all NaN in the set. O(n K); nothing is allocated; one launch on CUDA. Source: Lee et al. 2024, arXiv
// 2401.05675, equation 4 (read in the paper; it describes no baseline, and the sum over all rewards without
// conditioning is how equation 4 is read here).
template <class Exec>
status parrot_weights(const Exec& exec, const std::type_identity_t<parrot_inputs<Exec::memory>>& in,
                      const std::type_identity_t<parrot_outputs<Exec::memory>>& out) {
  detail::group_table groups;
  detail::parrot_work work;
  if (const status s = detail::make_parrot(in, out, groups, work); !s.ok()) return s;
  if (const status s = detail::check_groups(exec, groups); !s.ok()) return s;
  if (const status s = detail::check_parrot_content(exec, work, groups.samples); !s.ok()) return s;
  return for_groups(exec, groups, work);
}

}  // namespace PREFER_ABI
}  // namespace prefer
