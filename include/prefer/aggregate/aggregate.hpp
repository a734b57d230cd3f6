// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/advantage/group_advantage.hpp>
#include <prefer/aggregate/rules.hpp>
#include <prefer/backend/check_numbers.hpp>
#include <prefer/backend/cpu/columns.hpp>
#include <prefer/backend/cpu/strided.hpp>
#include <prefer/backend/row_map_reduce.hpp>

#include <cstdint>
#include <type_traits>

// aggregate: many rewards of each sample into one, by any rule of aggregate/rules.hpp, with its gradient.
namespace prefer {

// N samples with K rewards each, 1 <= K <= 64.
template <space S>
struct aggregate_inputs {
  input_view<2, S> rewards = {};   // [N, K]
  input_view<1, S> weight = {};    // K; 1 if not given
  input_view<1, S> mask = {};      // N; bool or uint8: zero leaves the sample out
  input_view<2, S> moments = {};   // [K, 3] doubles side by side, for rules that learn of the batch: reward_moments
  input_view<1, S> upstream = {};  // N; derivatives of a loss by the aggregates; 1 if not given
  input_view<1, S> ideal = {};     // K; for rules that learn of ideals: best_rewards
};

template <space S>
struct aggregate_outputs {
  output_view<1, S> aggregate = {};     // N; 0 for samples that are left out
  output_view<2, S> grad_rewards = {};  // [N, K]: upstream * derivative of the aggregate
};

inline namespace PREFER_ABI {
namespace detail {

inline constexpr int most_rewards = 64;
inline constexpr int reward_tile = 64;  // samples at a time on the CPU

struct aggregate_arguments {
  std::int64_t n = 0;
  int rewards = 0;
  row_source reward;
  source weight, mask, upstream, ideal;
  const moments* known = nullptr;
  sink out;
  row_sink gradient;

  source column(int k) const {
    return {static_cast<const char*>(reward.data) + k * reward.stride * size_of(reward.type), reward.row_stride,
            reward.type};
  }
  sink gradient_column(int k) const {
    return {static_cast<char*>(gradient.data) + k * gradient.stride * size_of(gradient.type), gradient.row_stride,
            gradient.type};
  }
};

// What the samples of a call share.
struct reward_columns {
  double weight[most_rewards], state[most_rewards], weights;

  template <class Rule>
  PREFER_HD void set(const Rule& rule, const aggregate_arguments& a, int k) {
    weight[k] = read_item<double>(a.weight, k);
    state[k] = rule.prepare({a.rewards, a.known, a.ideal.data == nullptr ? 0 : read_item<double>(a.ideal, k)}, k);
  }
  PREFER_HD void add_up(int count) {
    weights = 0;
    for (int k = 0; k < count; ++k) weights += weight[k];
  }
};

// A row as a rule sees it; `At` gives the reward number k.
template <class V, class At>
struct reward_row {
  using value = V;
  const reward_columns& columns;
  const At& at;
  int rewards;

  PREFER_HD int count() const { return rewards; }
  PREFER_HD double weight(int k) const { return columns.weight[k]; }
  PREFER_HD double weights() const { return columns.weights; }
  PREFER_HD double state(int k) const { return columns.state[k]; }
  PREFER_HD V operator[](int k) const { return at(k); }
};

template <class Rule>
struct aggregate_job {
  const Rule* rule;
  const aggregate_arguments* arguments;
  const reward_columns* columns;
  std::int64_t first, last, tiles;
};

template <class Rule>
struct aggregate_work {
  template <class Level>
  static inline __attribute__((always_inline)) void run(aggregate_job<Rule>& job) {
    using V = lane<double, Level>;
    const aggregate_arguments& a = *job.arguments;
    alignas(64) double x[most_rewards][reward_tile], slope[most_rewards][reward_tile], y[reward_tile], up[reward_tile];
    for (std::int64_t tile = job.first; tile < job.last; ++tile) {
      const std::int64_t first = tile * reward_tile;
      const int count = static_cast<int>(smaller(reward_tile, a.n - first));
      load_columns(a.reward, a.rewards, a.n, first, count, x[0], reward_tile, isa_of<Level>);
      for (int k = 0; k < a.rewards; ++k)
        for (int i = count; i < reward_tile; ++i) x[k][i] = 1;
      for (int i = 0; a.gradient.data != nullptr && i < reward_tile; ++i)
        up[i] = i < count ? read_item<double>(a.upstream, first + i) : 0;
      for (int g = 0; g < count; g += V::width) {
        const auto at = [&](int k) PREFER_HD_LAMBDA { return V::load(x[k] + g); };
        const reward_row<V, decltype(at)> row{*job.columns, at, a.rewards};
        const V value = (*job.rule)(row);
        value.store(y + g);
        for (int k = 0; a.gradient.data != nullptr && k < a.rewards; ++k)
          (V::load(up + g) * job.rule->slope(row, k, value)).store(slope[k] + g);
      }
      for (int i = 0; a.mask.data != nullptr && i < count; ++i) {
        if (selects(a.mask, first + i)) continue;
        y[i] = 0;
        for (int k = 0; k < a.rewards; ++k) slope[k][i] = 0;
      }
      if (a.out.data != nullptr) store_strided(a.out, first, count, y, nullptr, false, isa_of<Level>);
      for (int k = 0; a.gradient.data != nullptr && k < a.rewards; ++k)
        store_strided(a.gradient_column(k), first, count, slope[k], nullptr, false, isa_of<Level>);
    }
  }
};

template <class Exec, class Rule>
status run_aggregate(const Exec&, const Rule&, const aggregate_arguments&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}
template <class Rule>
status run_aggregate(const cpu& exec, const Rule& rule, const aggregate_arguments& a) {
  isa level;
  if (const status s = resolve_isa(exec, level); !s.ok()) return s;
  reward_columns columns;
  for (int k = 0; k < a.rewards; ++k) columns.set(rule, a, k);
  columns.add_up(a.rewards);
  const std::int64_t tiles = (a.n + reward_tile - 1) / reward_tile;
  for_blocks(exec, tiles, a.n * a.rewards, [&](std::int64_t first, std::int64_t last) {
    aggregate_job<Rule> job{&rule, &a, &columns, first, last, tiles};
    run_at<aggregate_work<Rule>>(level, job);
  });
  return {};
}

// A rule for group_map that only passes on the moments of the groups.
struct plain_moments {
  PREFER_HD moments contribution(const moments& one) const { return one; }
  PREFER_HD advantage_line operator()(const moments&, const moments&) const { return {}; }
};

template <bool Mutable, space S>
status check_moment_rows(const erased_view<Mutable, 2, S>& v, std::int64_t rewards) {
  return check_moment_rows(v, rewards, "three doubles per reward without gaps: a row stride of");
}

template <space S>
status check_rewards(const input_view<2, S>& reward) {
  if (!reward.given()) return require::fail(errc::missing_input, "rewards", "one row of rewards per sample");
  const std::int64_t n = reward.extent[0], k = reward.extent[1];
  if (n < 0) return require::fail(errc::bad_extent, "rewards", "at least", static_cast<double>(n), 0);
  if (k < 1 || k > most_rewards)
    return require::fail(errc::bad_extent, "rewards",
                         k < 1 ? "rewards per sample, at least" : "rewards per sample, at most", static_cast<double>(k),
                         k < 1 ? 1 : most_rewards);
  return require::matrix("rewards", reward, n, k);
}

// The same of an argument of another name, which may be left out.
template <bool Mutable, space S>
status check_reward_moments(const char* name, const erased_view<Mutable, 2, S>& v, std::int64_t rewards) {
  status s = v.given() ? check_moment_rows(v, rewards) : status{};
  if (!s.ok()) s.argument = name;
  return s;
}

template <space S>
status check_aggregate(const aggregate_inputs<S>& in, const aggregate_outputs<S>& out, bool learns, bool idealistic) {
  if (const status s = check_rewards(in.rewards); !s.ok()) return s;
  const std::int64_t n = in.rewards.extent[0], k = in.rewards.extent[1];
  if (learns != in.moments.given())
    return learns
               ? require::fail(errc::missing_input, "moments", "three numbers per reward, since this rule reads them")
               : require::fail(errc::unused_input, "moments", "to be left out, since this rule does not read it");
  if (idealistic != in.ideal.given())
    return idealistic ? require::fail(errc::missing_input, "ideal", "one number per reward, since this rule reads them")
                      : require::fail(errc::unused_input, "ideal", "to be left out, since this rule does not read it");
  if (in.upstream.given() && !out.grad_rewards.given())
    return require::fail(errc::unused_input, "upstream", "to be left out, since no gradient is asked for");
  if (!out.aggregate.given() && !out.grad_rewards.given())
    return require::fail(errc::missing_output, "outputs", "at least one output to write");
  using require::holds;
  const auto optional = [](const char* name, const auto& v, std::int64_t extent, const char* whose, holds what) {
    return v.given() ? require::vector(name, v, extent, whose, what) : status{};
  };
  static constexpr const char* per_sample = "one per sample:";
  if (const status s =
          first_error(optional("weight", in.weight, k, "one per reward:", holds::numbers),
                      optional("mask", in.mask, n, per_sample, holds::flags),
                      in.moments.given() ? check_moment_rows(in.moments, k) : status{},
                      optional("ideal", in.ideal, k, "one per reward:", holds::numbers),
                      optional("upstream", in.upstream, n, per_sample, holds::numbers),
                      optional("aggregate", out.aggregate, n, per_sample, holds::numbers),
                      out.grad_rewards.given() ? require::matrix("grad_rewards", out.grad_rewards, n, k) : status{});
      !s.ok())
    return s;
  require::footprints<6, 2> all;
  const auto reads = [&](const char* name, const auto& v) {
    if (v.given()) all.read(require::footprint_of(name, v));
  };
  reads("rewards", in.rewards), reads("weight", in.weight), reads("mask", in.mask), reads("moments", in.moments);
  reads("upstream", in.upstream), reads("ideal", in.ideal);
  if (out.aggregate.given()) all.write(require::footprint_of("aggregate", out.aggregate));
  if (out.grad_rewards.given()) all.write(require::footprint_of("grad_rewards", out.grad_rewards));
  return all.check();
}

}  // namespace detail

// The aggregate of each of N samples' K rewards, and the gradient by each reward times `upstream`; what is not given is
// not computed. Arithmetic is in double whatever the elements are; each sample is a function of its own row alone, so
// that nothing depends on threads or grids. No allocation, no workspace; one launch on CUDA. Returns the first thing
// that is wrong (shapes, types, parameters, overlap; with content::all NaN); then nothing has been written.
//
//   aggregate(cpu{}, log_tamed{}, {.rewards = {r, N, K}, .moments = {m, K, 3}}, {.aggregate = {a, N}});
//
// The aggregate is the score of group_advantages.
template <class Exec, class Rule>
status aggregate(const Exec& exec, const Rule& rule, const std::type_identity_t<aggregate_inputs<Exec::memory>>& in,
                 const std::type_identity_t<aggregate_outputs<Exec::memory>>& out) {
  if (const status s = rule.check(); !s.ok()) return s;
  if (const status s = detail::check_aggregate(in, out, Rule::learns_batch, detail::learns_ideal<Rule>); !s.ok())
    return s;
  if constexpr (requires { rule.check_rewards(in.rewards.extent[1]); })
    if (const status s = rule.check_rewards(in.rewards.extent[1]); !s.ok()) return s;
  detail::aggregate_arguments a;
  a.n = in.rewards.extent[0], a.rewards = static_cast<int>(in.rewards.extent[1]);
  a.reward = detail::place_of(in.rewards);
  a.weight = detail::place_of(in.weight), a.weight.neutral = 1;
  a.mask = detail::place_of(in.mask), a.ideal = detail::place_of(in.ideal);
  a.upstream = detail::place_of(in.upstream), a.upstream.neutral = 1;
  a.known = static_cast<const moments*>(in.moments.data);
  a.out = detail::place_of(out.aggregate);
  a.gradient = detail::place_of(out.grad_rewards);
  if (const status s = first_error(detail::check_numbers(exec, "rewards", a.reward, a.mask, a.n, a.rewards),
                                   detail::check_numbers(exec, "weight", a.weight, {}, a.rewards),
                                   detail::check_numbers(exec, "ideal", a.ideal, {}, a.rewards),
                                   detail::check_numbers(exec, "upstream", a.upstream, a.mask, a.n));
      !s.ok())
    return s;
  return run_aggregate(exec, rule, a);
}

// The moments (number, mean, sum of squared deviations) of each of K rewards over the selected samples of n groups, as
// `aggregate` reads them. Merge them over processes (merge_processes, core/moments.hpp) or over a window of
// batches (window_moments, aggregate/reward_weights.hpp) as wanted.
// Errors, reports and workspace (CUDA: group_advantages_workspace(n, N)) as in group_advantages; `exclude_nan` leaves
// out rewards that are NaN. K times the launches of batch_moments.
template <class Exec>
status reward_moments(const Exec& exec, const std::type_identity_t<input_view<2, Exec::memory>>& rewards,
                      const std::type_identity_t<advantage_inputs<Exec::memory>>& groups,
                      const std::type_identity_t<output_view<2, Exec::memory>>& out) {
  if (const status s = detail::check_rewards(rewards); !s.ok()) return s;
  if (groups.score.given())
    return require::fail(errc::unused_input, "score", "to be left out, since the rewards are the scores");
  if (!out.given()) return require::fail(errc::missing_output, "moments", "three doubles per reward");
  const std::int64_t n = rewards.extent[0], count = rewards.extent[1];
  if (const status s = detail::check_moment_rows(out, count); !s.ok()) return s;
  advantage_inputs<Exec::memory> in = groups;
  in.score.type = rewards.type, in.score.data = rewards.data;
  in.score.extent[0] = n, in.score.stride[0] = rewards.stride[0];
  if (const status s = detail::check_groups(in, advantage_outputs<Exec::memory>{}, false); !s.ok()) return s;
  require::footprints<3, 1> all;
  all.read(require::footprint_of("rewards", rewards)), all.read(require::footprint_of("offsets", in.offsets));
  if (in.mask.given()) all.read(require::footprint_of("mask", in.mask));
  all.write(require::footprint_of("moments", out));
  if (const status s = all.check(); !s.ok()) return s;
  const auto arguments_of = [&](std::int64_t k) {
    in.score.data = static_cast<const char*>(rewards.data) + k * rewards.stride[1] * size_of(rewards.type);
    group_arguments a = detail::make_group_arguments(in, advantage_outputs<Exec::memory>{});
    a.batch_out = static_cast<double*>(out.data) + 3 * k;
    return a;
  };
  for (std::int64_t k = 0; k < count; ++k)
    if (const status s = detail::check_group_content(exec, arguments_of(k)); !s.ok()) return s;
  for (std::int64_t k = 0; k < count; ++k)
    if (const status s = group_map(exec, detail::plain_moments{}, arguments_of(k)); !s.ok()) return s;
  return {};
}

}  // namespace PREFER_ABI
}  // namespace prefer
