// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/aggregate/aggregate.hpp>
#include <prefer/backend/cpu/columns.hpp>
#include <prefer/core/arena.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

// decoupled_advantages: each of K rewards becomes an advantage within its group first, and these are added up, so that
// no reward drowns the others by its scale.
namespace prefer {

// N samples with K rewards each, in n groups.
template <space S>
struct decoupled_inputs {
  input_view<2, S> rewards = {};  // [N, K]
  input_view<1, S> offsets = {};  // n + 1; int32 or int64
  input_view<1, S> weight = {};   // K, of any sign; 1 if not given
  input_view<1, S> mask = {};     // N; bool or uint8: zero leaves the sample out of its group
  bool exclude_nan = false;       // a reward that is NaN counts 0 and is left out of its reward's moments
  input_view<1, S> tokens = {};   // N; numbers or integers of 0 and above: whitening is over tokens (adaptive.hpp)
  input_view<1, S> batch = {};    // 3 doubles: what to whiten by, the found_batch of all processes merged
  input_view<2, S> active = {};   // [K, 3] doubles: the found_active of all processes merged (dara)
};

template <space S>
struct decoupled_outputs {
  output_view<1, S> advantage = {};     // N
  output_view<1, S> found_batch = {};   // 3 doubles: moments of what is whitened, of this process
  output_view<2, S> found_active = {};  // [K, 3] doubles: number of groups, share of those where a reward varies, 0
};

inline namespace PREFER_ABI {

// sum_k w_k A_k, with A_k the advantages that `rule` (one that learns of its group only and answers with a line) makes
// of reward k; then whitened over the batch.
//
//   decoupled<>{.rule = {.epsilon = 0.0}, .whiten = {.on = false}}    MO-GRPO (arXiv 2509.22047): each reward has the
//                                       same correlation with the advantage if they are independent
//   decoupled<>{}                       GDPO (arXiv 2601.05242), over sequences: the constants of its TRL patch
//
// One reward without whitening is the rule itself. A reward whose scores are all equal in a group adds exactly 0, and
// one whose weight is 0 is not looked at, whatever it holds.
template <class Rule = grpo>
struct decoupled {
  Rule rule = {};
  whitening whiten = {};

  constexpr status check() const { return first_error(rule.check(), whiten.check()); }
};

namespace detail {

// A line, or 0 even where the score is NaN.
struct line_or_zero {
  advantage_line line;
  bool zero = false;
  template <class V>
  PREFER_HD V operator()(const group_item<V>& i) const {
    return zero ? V(0) : line(i);
  }
};

// A rule's line, times the weight of a reward.
template <class Rule>
struct weighted_line {
  Rule rule;
  source weight;
  std::int64_t reward;

  PREFER_HD line_or_zero operator()(const moments& one) const {
    const advantage_line line = rule(one);
    const double w = read_item<double>(weight, reward);
    return {{w * line.scale, w * line.shift}, w == 0};
  }
};

// sums += the advantages of every reward, times its weight: a reward after the other.
template <class Exec, class Rule>
status add_advantages(const Exec& exec, const Rule& rule, const row_source& reward, int rewards, const source& weight,
                      group_arguments a) {
  for (int k = 0; k < rewards; ++k) {
    a.score = {static_cast<const char*>(reward.data) + k * reward.stride * size_of(reward.type), reward.row_stride,
               reward.type};
    a.accumulate = k > 0;
    if (const status s = group_map(exec, weighted_line<Rule>{rule, weight, k}, a); !s.ok()) return s;
  }
  return {};
}
// The same on the CPU: all rewards of some groups before the next, unless threads share one.
template <class Rule>
status add_advantages(const cpu& exec, const Rule& rule, const row_source& reward, int rewards, const source& weight,
                      const group_arguments& a) {
  if (threads_share(a)) return add_advantages<cpu, Rule>(exec, rule, reward, rewards, weight, a);
  isa level;
  if (const status s = resolve_isa(exec, level); !s.ok()) return s;
  const std::int64_t n = a.groups, blocks = smaller(n, max_blocks);
  for_blocks(exec, blocks, a.scores.tokens * rewards, [&](std::int64_t block, std::int64_t last) {
    weighted_line<Rule> line{rule, weight, 0};
    group_arguments some = a;
    column_scores scores{reward, rewards, a.scores.tokens};
    const auto job = group_job<line_or_zero>::of(line, scores, some, level);
    group_thread<line_or_zero> thread(job);
    for (std::int64_t g = n * block / blocks, end = n * last / blocks; g < end;) {
      const std::int64_t next = scores.side_by_side(a.scores, g, end);
      scores.hold(a.scores, g, next, level);
      for (int k = 0; k < rewards; ++k) {
        line.reward = scores.column = k, some.accumulate = k > 0;
        thread.run(g, next, {}, nullptr);
      }
      g = next;
    }
  });
  return {};
}

// The score itself.
struct unchanged {
  template <class V>
  PREFER_HD V operator()(const group_item<V>& i) const {
    return i.score;
  }
};
struct pass_on {
  PREFER_HD unchanged operator()(const moments&) const { return {}; }
};

// The scores, whitened.
struct whitened_values {
  whitening how;
  template <class V>
  PREFER_HD basic_moments<V> contribution(const basic_moments<V>& group) const {
    return group;
  }
  template <class V>
  PREFER_HD basic_line<V> operator()(const basic_moments<V>& group, const moments& batch) const {
    const double scale = how.scale(batch);
    return {V(scale), V(scale) * (group.mean - V(batch.mean))};
  }
};

// What a call can use.
struct decoupled_needs {
  bool whitens, tokens, active;
};

template <space S>
status check_decoupled(const decoupled_inputs<S>& in, const decoupled_outputs<S>& out, const decoupled_needs& needs) {
  if (const status s = check_rewards(in.rewards); !s.ok()) return s;
  if (!out.advantage.given() && !out.found_batch.given() && !out.found_active.given())
    return require::fail(errc::missing_output, "advantage", "one element per sample");
  if (in.tokens.given() && !needs.tokens)
    return require::fail(errc::unused_input, "tokens", "to be left out, since this call does not whiten over tokens");
  if (!needs.whitens && (in.batch.given() || out.found_batch.given()))
    return require::fail(errc::unused_input, in.batch.given() ? "batch" : "found_batch",
                         "to be left out, since this call does not whiten");
  if (!needs.active && (in.active.given() || out.found_active.given()))
    return require::fail(errc::unused_input, in.active.given() ? "active" : "found_active",
                         "to be left out, since this rule does not learn of it");
  advantage_inputs<S> groups;
  groups.score.data = in.rewards.data, groups.score.type = in.rewards.type;
  groups.score.extent[0] = in.rewards.extent[0], groups.score.stride[0] = in.rewards.stride[0];
  groups.offsets = in.offsets, groups.mask = in.mask;
  if (const status s = check_groups(groups, advantage_outputs<S>{.advantage = out.advantage}, false); !s.ok()) return s;
  if (in.weight.given())
    if (const status s =
            require::vector("weight", in.weight, in.rewards.extent[1], "one per reward:", require::holds::numbers);
        !s.ok())
      return s;
  if (in.tokens.given())
    if (const status s = require::vector("tokens", in.tokens, in.rewards.extent[0], one_per_score,
                                         is_index(in.tokens.type) ? require::holds::indices : require::holds::numbers);
        !s.ok())
      return s;
  const std::int64_t k = in.rewards.extent[1];
  if (const status s = first_error(in.batch.given() ? check_moments("batch", in.batch) : status{},
                                   check_reward_moments("active", in.active, k),
                                   out.found_batch.given() ? check_moments("found_batch", out.found_batch) : status{},
                                   check_reward_moments("found_active", out.found_active, k));
      !s.ok())
    return s;
  require::footprints<7, 3> all;
  all.read(require::footprint_of("rewards", in.rewards)), all.read(require::footprint_of("offsets", in.offsets));
  all.read("weight", in.weight), all.read("tokens", in.tokens), all.read("mask", in.mask);
  all.read("batch", in.batch), all.read("active", in.active);
  all.write("advantage", out.advantage), all.write("found_batch", out.found_batch);
  all.write("found_active", out.found_active);
  return all.check();
}

}  // namespace detail

// Bytes of workspace for decoupled_advantages of N samples in n groups, on either backend.
inline std::size_t decoupled_advantages_workspace(std::int64_t n, std::int64_t samples) {
  const auto groups = static_cast<std::size_t>(n), scores = static_cast<std::size_t>(samples);
  constexpr std::size_t fixed = 32768;  // CUDA: parts of the batch, alignments
  return scores * sizeof(double) + groups * sizeof(moments) + (scores / 256 + 1) * 64 + fixed;
}

// Advantages of N samples with K rewards each, see `decoupled`. Workspace: exec.workspace of
// decoupled_advantages_workspace(n, N) bytes (on CUDA optional), for the sums in double. K + 1 passes of
// group_advantages (one or two more for the batch), whose accuracy, determinism and errors these are too. Of a batch
// that lies on several processes each finds its part first (.found_batch, without .advantage), these are merged
// (merge_processes, core/moments.hpp), and a second call is given the result (.batch).
template <class Exec, class Rule>
status decoupled_advantages(const Exec& exec, const decoupled<Rule>& rule,
                            const std::type_identity_t<decoupled_inputs<Exec::memory>>& in,
                            const std::type_identity_t<decoupled_outputs<Exec::memory>>& out) {
  static_assert(!detail::learns_batch<Rule> && std::is_same_v<decltype(rule.rule(moments{})), advantage_line>,
                "prefer: decoupled takes a rule that learns of its group only and answers with an advantage_line");
  constexpr space S = Exec::memory;
  if (const status s = rule.check(); !s.ok()) return s;
  if (const status s = detail::check_decoupled(in, out, {rule.whiten.on, false, false}); !s.ok()) return s;
  const std::int64_t n = in.rewards.extent[0], rewards = in.rewards.extent[1];
  return with_scratch(
      exec, static_cast<std::size_t>(n > 0 ? n : 1) * sizeof(double), [&](char* scratch, const Exec& rest) -> status {
        auto* const sums = reinterpret_cast<double*>(scratch);
        advantage_inputs<S> groups;
        groups.offsets = in.offsets, groups.mask = in.mask, groups.exclude_nan = in.exclude_nan;
        groups.score.type = in.rewards.type, groups.score.extent[0] = n, groups.score.stride[0] = in.rewards.stride[0];
        groups.score.data = in.rewards.data;
        const row_source reward = detail::place_of(in.rewards);
        source weight = detail::place_of(in.weight);
        weight.neutral = 1;
        group_arguments each = detail::make_group_arguments(groups, advantage_outputs<S>{.advantage = {sums, n}});
        for (std::int64_t k = 0; k < rewards; ++k) {
          each.score.data = static_cast<const char*>(reward.data) + k * reward.stride * size_of(reward.type);
          if (const status s = detail::check_group_content(rest, each); !s.ok()) return s;
        }
        if (const status s = detail::add_advantages(rest, rule.rule, reward, static_cast<int>(rewards), weight, each);
            !s.ok())
          return s;
        groups.score = {static_cast<const double*>(sums), n};
        group_arguments a = detail::make_group_arguments(groups, advantage_outputs<S>{.advantage = out.advantage});
        if (!rule.whiten.on) return group_map(rest, detail::pass_on{}, a);
        const detail::whitened_values whitened{rule.whiten};
        a.batch = static_cast<const double*>(in.batch.data);
        if (out.found_batch.given()) {
          group_arguments all = a;
          all.batch = nullptr, all.batch_out = static_cast<double*>(out.found_batch.data);
          if (const status s = group_map(rest, whitened, all); !s.ok()) return s;
          if (a.batch == nullptr) a.batch = all.batch_out;
        }
        return out.advantage.given() ? group_map(rest, whitened, a) : status{};
      });
}

}  // namespace PREFER_ABI
}  // namespace prefer
