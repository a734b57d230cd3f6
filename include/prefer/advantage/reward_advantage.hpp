// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/advantage/group_advantage.hpp>
#include <prefer/aggregate/aggregate.hpp>

#include <cstdint>
#include <type_traits>

// reward_advantages: from many rewards per sample to advantages in one call, which stores no score in between.
namespace prefer {

// N samples with K rewards each, 1 <= K <= 64, in n groups.
template <space S>
struct reward_advantage_inputs {
  input_view<2, S> rewards = {};  // [N, K]
  input_view<1, S> offsets = {};  // n + 1; int32 or int64
  input_view<1, S> weight = {};   // K; 1 if not given
  input_view<1, S> mask = {};     // N; bool or uint8: zero leaves the sample out of its group
  input_view<2, S> moments = {};  // [K, 3] doubles side by side: of each reward over the batch, if known
  input_view<1, S> batch = {};    // 3 doubles side by side: the moments of the aggregates' batch, if known
  bool exclude_nan = false;       // a sample whose aggregate is NaN is left out, instead of making its group NaN
};

template <space S>
struct reward_advantage_outputs {
  output_view<1, S> advantage = {};  // N; 0 where a sample is left out
  output_view<1, S> mean = {};       // n: of the aggregates of the selected samples; 0 for none
  output_view<1, S> std = {};        // n: their population standard deviation
  output_view<1, S> count = {};      // n: how many they are
};

inline namespace PREFER_ABI {
namespace detail {

// The aggregates of samples as scores of group_map.
template <class Rule>
struct aggregated_scores {
  Rule rule;
  aggregate_arguments arguments;
  const reward_columns* columns;

  PREFER_HD double at(std::int64_t i) const {
    const row_source& r = arguments.reward;
    const auto reward = [&](int k) PREFER_HD_LAMBDA {
      return load_element<double>(r.data, r.type, i * r.row_stride + k * r.stride);
    };
    return rule(reward_row<double, decltype(reward)>{*columns, reward, arguments.rewards});
  }
  void fill(std::int64_t first, int count, double* to, isa level) const {
    aggregate_arguments a = arguments;
    a.reward.data = static_cast<const char*>(a.reward.data) + first * a.reward.row_stride * size_of(a.reward.type);
    a.n = count;
    a.out = {to, 1, element::f64};
    const std::int64_t tiles = (count + reward_tile - 1) / reward_tile;
    aggregate_job<Rule> job{&rule, &a, columns, 0, tiles, tiles};
    run_at<aggregate_work<Rule>>(level, job);
  }
};

// f(columns where the call runs, exec for the calls inside).
template <class Rule, class F>
status with_columns(const cpu& exec, const Rule& rule, const aggregate_arguments& a, F f) {
  reward_columns columns;
  for (int k = 0; k < a.rewards; ++k) columns.set(rule, a, k);
  columns.add_up(a.rewards);
  return f(&columns, exec);
}

template <space S>
advantage_inputs<S> groups_of(const reward_advantage_inputs<S>& in) {
  advantage_inputs<S> groups;
  groups.offsets = in.offsets, groups.mask = in.mask, groups.batch = in.batch, groups.exclude_nan = in.exclude_nan;
  return groups;
}

template <space S>
status check_reward_advantages(const reward_advantage_inputs<S>& in, const reward_advantage_outputs<S>& out,
                               bool learns_rewards, bool learns_batch) {
  if (const status s = check_rewards(in.rewards); !s.ok()) return s;
  if (in.moments.given() && !learns_rewards)
    return require::fail(errc::unused_input, "moments", "to be left out, since this rule does not read it");
  if (!out.advantage.given() && !out.mean.given() && !out.std.given() && !out.count.given())
    return require::fail(errc::missing_output, "outputs", "at least one output to write");
  const std::int64_t n = in.rewards.extent[0], k = in.rewards.extent[1];
  advantage_inputs<S> groups = groups_of(in);
  groups.score.data = in.rewards.data, groups.score.type = in.rewards.type;
  groups.score.extent[0] = n, groups.score.stride[0] = in.rewards.stride[0];
  if (const status s = first_error(
          check_groups(groups, advantage_outputs<S>{out.advantage, out.mean, out.std, out.count}, learns_batch),
          in.weight.given() ? require::vector("weight", in.weight, k, "one per reward:", require::holds::numbers)
                            : status{},
          in.moments.given() ? check_moment_rows(in.moments, k) : status{});
      !s.ok())
    return s;
  require::footprints<3, 4> all;
  all.read("rewards", in.rewards), all.read("weight", in.weight), all.read("moments", in.moments);
  all.write("advantage", out.advantage), all.write("mean", out.mean), all.write("std", out.std);
  all.write("count", out.count);
  return all.check();
}

}  // namespace detail

// `rule` of the aggregates that `aggregation` (a rule of aggregate/rules.hpp) makes of N samples' K rewards:
//
//   reward_advantages(cpu{.pool = pool}, log_tamed{}, grpo{}, {.rewards = {r, N, K}, .offsets = {o, n + 1}},
//                     {.advantage = {a, N}});
//
// The same bits as `aggregate` into doubles followed by group_advantages, but the aggregates are found where they are
// needed: rewards are read once (groups of up to 8192 samples on the CPU, longer ones twice; on CUDA from the cache
// after the first time), and once more for each batch that has to be learnt first. If `aggregation` learns of the
// batch, the moments of the rewards are found by this call, unless they are given (reward_moments, merged over
// processes, say); those take in NaN unless these are excluded. Returns the first thing that is wrong, as the two calls
// do; rewards are not searched for NaN. Nothing is allocated on the CPU; on CUDA one launch more than group_advantages,
// and those of reward_moments, and reward_advantages_workspace bytes.
template <class Exec, class Aggregation, class Rule>
status reward_advantages(const Exec& exec, const Aggregation& aggregation, const Rule& rule,
                         const std::type_identity_t<reward_advantage_inputs<Exec::memory>>& in,
                         const std::type_identity_t<reward_advantage_outputs<Exec::memory>>& out) {
  static_assert(!detail::learns_ideal<Aggregation>,
                "prefer: a rule that wants ideal values goes through aggregate(), whose result group_advantages takes");
  constexpr space S = Exec::memory;
  if (const status s = first_error(aggregation.check(), rule.check()); !s.ok()) return s;
  if (const status s = detail::check_reward_advantages(in, out, Aggregation::learns_batch, detail::learns_batch<Rule>);
      !s.ok())
    return s;
  if constexpr (requires { aggregation.check_rewards(in.rewards.extent[1]); })
    if (const status s = aggregation.check_rewards(in.rewards.extent[1]); !s.ok()) return s;
  const advantage_inputs<S> samples = detail::groups_of(in);
  group_arguments groups =
      detail::make_group_arguments(samples, advantage_outputs<S>{out.advantage, out.mean, out.std, out.count});
  groups.scores.tokens = in.rewards.extent[0];
  if (const status s = detail::check_group_content(exec, groups); !s.ok()) return s;
  detail::aggregate_arguments a;
  a.n = in.rewards.extent[0], a.rewards = static_cast<int>(in.rewards.extent[1]);
  a.reward = detail::place_of(in.rewards);
  a.weight = detail::place_of(in.weight), a.weight.neutral = 1;
  a.known = static_cast<const moments*>(in.moments.data);
  const auto map = [&](const Exec& rest) -> status {
    return with_columns(rest, aggregation, a, [&](const detail::reward_columns* columns, const Exec& inner) -> status {
      return group_map(inner, rule, groups, detail::aggregated_scores<Aggregation>{aggregation, a, columns});
    });
  };
  if (!Aggregation::learns_batch || a.known != nullptr) return map(exec);
  return with_doubles<3 * detail::most_rewards>(exec, [&](double* found, const Exec& rest) -> status {
    advantage_inputs<S> all = samples;
    all.batch = {};
    if (const status s = reward_moments(rest, in.rewards, all, {found, in.rewards.extent[1], 3}); !s.ok()) return s;
    a.known = reinterpret_cast<const moments*>(found);
    return map(rest);
  });
}

}  // namespace PREFER_ABI
}  // namespace prefer
