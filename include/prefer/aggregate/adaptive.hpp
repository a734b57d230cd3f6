// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/aggregate/adaptive_rules.hpp>
#include <prefer/aggregate/decoupled.hpp>
#include <prefer/backend/cpu/weighted_moments.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

// decoupled_advantages by the rules of aggregate/adaptive_rules.hpp: GDPO over tokens, DVAO, RVPO, DARA, GD2PO,
// CorrGRPO.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

template <class Rule>
concept adaptive_rule = requires(const Rule& rule, const group_rewards& g) {
  rule.scale(g, 0);
  rule.batch();
};
template <class Rule>
inline constexpr bool learns_active = requires(const Rule& rule, const active_rewards& all) {
  rule.prepare(all, 0);
};
template <class Rule>
inline constexpr bool has_factor = requires(const Rule& rule) {
  rule.factor();
};

// One call: the arguments, and scratch memory, filled step by step.
struct adaptive_arguments {
  group_arguments groups;  // of reward 0
  row_source reward;
  source weight, tokens;
  std::int64_t samples = 0;
  int rewards = 0;
  double *number = nullptr, *mean = nullptr, *std = nullptr, *scale = nullptr;  // [n, K]
  double* weights = nullptr;                                                    // [K]
  moments* active = nullptr;                                                    // [K]
  double *value = nullptr, *companion = nullptr;                                // [N]
  moments* batch = nullptr;                                                     // 1
  std::uint8_t* keep = nullptr;                                                 // [N]
  moments* parts = nullptr;                                                     // [weighted_moments_parts]

  const moments *known_batch = nullptr, *known_active = nullptr;  // of all processes, if given
  moments *found_batch = nullptr, *found_active = nullptr;        // where the caller wants those of this one

  void carve(arena& memory) {
    const std::int64_t cells = groups.groups * rewards;
    number = memory.take<double>(cells), mean = memory.take<double>(cells), std = memory.take<double>(cells);
    scale = memory.take<double>(cells), weights = memory.take<double>(rewards);
    active = memory.take<moments>(rewards), batch = memory.take<moments>(1);
    value = memory.take<double>(samples), companion = memory.take<double>(samples);
    keep = memory.take<std::uint8_t>(samples);
    parts = memory.take<moments>(weighted_moments_parts);
  }
  source column(int k) const {
    return {static_cast<const char*>(reward.data) + k * reward.stride * size_of(reward.type), reward.row_stride,
            reward.type};
  }
  PREFER_HD group_rewards of_group(std::int64_t g) const {
    return {rewards, number + g * rewards, mean + g * rewards, std + g * rewards, weights};
  }
  PREFER_HD std::int64_t begin(std::int64_t g) const {
    return load_index(groups.scores.begin, groups.scores.begin_type, g * groups.scores.begin_stride);
  }
  PREFER_HD std::int64_t end(std::int64_t g) const {
    return load_index(groups.scores.end, groups.scores.end_type, g * groups.scores.end_stride);
  }
  // The last group that begins at sample i or before; -1 if there is none.
  PREFER_HD std::int64_t group_at(std::int64_t i) const {
    std::int64_t below = -1, above = groups.groups;
    while (above - below > 1) {
      const std::int64_t middle = below + (above - below) / 2;
      if (begin(middle) <= i)
        below = middle;
      else
        above = middle;
    }
    return below;
  }
};

// A row as a rule sees it; `At` gives r[k], deviation and presence.
template <class V, class At>
struct adaptive_row {
  using value = V;
  const At& at;
  const double *weights, *states;
  int rewards;

  PREFER_HD int count() const { return rewards; }
  PREFER_HD double weight(int k) const { return weights[k]; }
  PREFER_HD double state(int k) const { return states[k]; }
  PREFER_HD V operator[](int k) const { return at.scaled(k); }
  PREFER_HD V deviation(int k) const { return at.deviation(k); }
  PREFER_HD V present(int k) const { return at.present(k); }
};

// The answers of a rule for one row, or a lane of them.
template <class V>
struct adaptive_answer {
  V value, companion;
};
template <class V, class Rule, class Row>
PREFER_HD adaptive_answer<V> answer_of(const Rule& rule, const Row& row) {
  if constexpr (has_factor<Rule>)
    return {rule(row), rule.companion(row)};
  else
    return {rule(row), V(1)};
}

template <class Rule>
PREFER_HD bool drops(const Rule& rule) {
  if constexpr (has_factor<Rule>)
    return rule.factor().drops;
  else
    return false;
}

template <class Rule>
PREFER_HD void prepare_state(const Rule& rule, const adaptive_arguments& a, double* states) {
  for (int k = 0; k < a.rewards; ++k)
    if constexpr (learns_active<Rule>)
      states[k] = rule.prepare(active_rewards{a.rewards, a.known_active, a.weights}, k);
    else
      states[k] = 0;
}

// Rules for group_map.
struct constant_factor {
  group_factor factor;
  PREFER_HD advantage_line operator()(const moments& group) const { return {0, factor.of(group)}; }
};
struct whitened_values {
  whitening white;
  PREFER_HD moments contribution(const moments& group) const { return group; }
  PREFER_HD advantage_line operator()(const moments& group, const moments& batch) const {
    const double scale = white.scale(batch);
    return {scale, scale * (group.mean - batch.mean)};
  }
};

// ---- the steps on the CPU

template <class Rule>
void scale_groups(const cpu& exec, const Rule& rule, const adaptive_arguments& a) {
  for (int k = 0; k < a.rewards; ++k) a.weights[k] = read_item<double>(a.weight, k);
  for_blocks(exec, a.groups.groups, a.groups.groups * a.rewards, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t g = first; g < last; ++g)
      for (int k = 0; k < a.rewards; ++k) a.scale[g * a.rewards + k] = rule.scale(a.of_group(g), k);
  });
}

PREFER_HD moments share_of(std::int64_t active, std::int64_t groups) {
  const auto all = static_cast<double>(groups);
  return {all, groups == 0 ? 0 : static_cast<double>(active) / all, 0};
}

inline void find_active(const cpu&, const adaptive_arguments& a) {
  for (int k = 0; k < a.rewards; ++k) {
    std::int64_t active = 0;
    for (std::int64_t g = 0; g < a.groups.groups; ++g) active += a.std[g * a.rewards + k] > 0;
    a.found_active[k] = share_of(active, a.groups.groups);
  }
}

// Samples side by side.
struct adaptive_tile {
  alignas(64) double deviation[most_rewards][reward_tile], scaled[most_rewards][reward_tile],
      present[most_rewards][reward_tile], value[reward_tile], companion[reward_tile];
  std::uint8_t inside[reward_tile];

  void load(const adaptive_arguments& a, std::int64_t first, int count, isa level) {
    for (int k = 0; k < a.rewards; ++k) {
      load_strided(a.column(k), first, count, deviation[k], level);
      for (int i = count; i < reward_tile; ++i) deviation[k][i] = 0;
    }
    for (int i = 0; i < reward_tile; ++i) inside[i] = 0;
    std::int64_t g = a.group_at(first);
    int i = 0;
    if (g < 0) g = 0, i = a.groups.groups == 0 ? count : static_cast<int>(smaller(count, a.begin(0) - first));
    outside(a, 0, i);
    for (; i < count && g < a.groups.groups; ++g) {
      const int end = static_cast<int>(smaller(count, a.end(g) - first));
      if (end > i) own(a, g, i, end), i = end;
    }
    outside(a, i, reward_tile);
    for (int j = 0; j < count; ++j) inside[j] = inside[j] != 0 && selects(a.groups.scores.mask, first + j);
  }

 private:
  void outside(const adaptive_arguments& a, int from, int to) {
    for (int k = 0; k < a.rewards; ++k)
      for (int i = from; i < to; ++i) deviation[k][i] = scaled[k][i] = 0, present[k][i] = 1;
  }
  void own(const adaptive_arguments& a, std::int64_t g, int from, int to) {
    for (int i = from; i < to; ++i) inside[i] = 1;
    for (int k = 0; k < a.rewards; ++k) {
      const double mean = a.mean[g * a.rewards + k], scale = a.scale[g * a.rewards + k];
      double *const d = deviation[k], *const z = scaled[k], *const here = present[k];
      for (int i = from; i < to; ++i) here[i] = 1;
      for (int i = from; a.groups.exclude_nan && i < to; ++i)
        if (math::is_nan(d[i])) here[i] = 0, d[i] = mean;
      for (int i = from; i < to; ++i) d[i] -= mean, z[i] = d[i] * scale;
    }
  }
};

template <class Rule>
struct adaptive_job {
  const Rule* rule;
  const adaptive_arguments* arguments;
  const double* states;
  std::int64_t first, last;
};

template <class Rule>
struct adaptive_work {
  template <class V>
  struct lanes {
    const adaptive_tile& tile;
    int from;
    PREFER_HD V scaled(int k) const { return V::load(tile.scaled[k] + from); }
    PREFER_HD V deviation(int k) const { return V::load(tile.deviation[k] + from); }
    PREFER_HD V present(int k) const { return V::load(tile.present[k] + from); }
  };

  template <class Level>
  static inline __attribute__((always_inline)) void run(adaptive_job<Rule>& job) {
    using V = lane<double, Level>;
    const adaptive_arguments& a = *job.arguments;
    const bool some_drop = drops(*job.rule);
    adaptive_tile tile;
    for (std::int64_t t = job.first; t < job.last; ++t) {
      const std::int64_t first = t * reward_tile;
      const int count = static_cast<int>(smaller(reward_tile, a.samples - first));
      tile.load(a, first, count, isa_of<Level>);
      for (int from = 0; from < count; from += V::width) {
        const lanes<V> at{tile, from};
        const adaptive_row<V, lanes<V>> row{at, a.weights, job.states, a.rewards};
        const adaptive_answer<V> answer = answer_of<V>(*job.rule, row);
        answer.value.store(tile.value + from), answer.companion.store(tile.companion + from);
      }
      for (int i = 0; i < count; ++i) {
        const bool kept = tile.inside[i] != 0 && !(some_drop && tile.companion[i] == 0);
        a.keep[first + i] = kept;
        a.value[first + i] = kept ? tile.value[i] : 0;
        a.companion[first + i] = tile.inside[i] != 0 ? tile.companion[i] : 0;
      }
    }
  }
};

template <class Rule>
status map_rewards(const cpu& exec, const Rule& rule, const adaptive_arguments& a) {
  isa level;
  if (const status s = resolve_isa(exec, level); !s.ok()) return s;
  double states[most_rewards];
  prepare_state(rule, a, states);
  for_blocks(exec, (a.samples + reward_tile - 1) / reward_tile, a.samples * a.rewards,
             [&](std::int64_t first, std::int64_t last) {
               adaptive_job<Rule> job{&rule, &a, states, first, last};
               run_at<adaptive_work<Rule>>(level, job);
             });
  return {};
}

inline void multiply_values(const cpu& exec, const adaptive_arguments& a) {
  for_blocks(exec, (a.samples + reward_tile - 1) / reward_tile, a.samples, [&](std::int64_t first, std::int64_t last) {
    const std::int64_t end = smaller(last * reward_tile, a.samples);
    for (std::int64_t i = first * reward_tile; i < end; ++i) a.value[i] *= a.companion[i];
  });
}

// ---- the steps on either backend

// A column of scratch memory as the scores of the groups: those that `keep` says, or that the caller selects.
inline group_arguments scores_of(const adaptive_arguments& a, const double* values, bool kept) {
  group_arguments g = a.groups;
  g.score = {values, 1, element::f64}, g.exclude_nan = false;
  g.out = g.mean = g.std = g.count = {};
  if (kept) g.scores.mask = {a.keep, 1, element::u8};
  return g;
}

template <class Exec>
status find_moments(const Exec& exec, const adaptive_arguments& a) {
  for (int k = 0; k < a.rewards; ++k) {
    group_arguments g = a.groups;
    g.score = a.column(k), g.out = {};
    g.mean = {a.mean + k, a.rewards, element::f64};
    g.std = {a.std + k, a.rewards, element::f64};
    g.count = {a.number + k, a.rewards, element::f64};
    if (const status s = group_map(exec, pass_on{}, g); !s.ok()) return s;
  }
  return {};
}

// The moments of the values that are kept.
template <class Exec>
status find_batch(const Exec& exec, const whitening& white, const adaptive_arguments& a, moments* to) {
  if (a.tokens.data != nullptr)
    return weighted_moments(exec, {a.samples, a.value, a.tokens, a.keep, &to->count, a.parts});
  group_arguments g = scores_of(a, a.value, true);
  g.batch_out = &to->count;
  return group_map(exec, whitened_values{white}, g);
}

// Whitens the values, or passes them on, to `to`; what is not kept becomes 0.
template <class Exec>
status whiten_values(const Exec& exec, const whitening& white, const adaptive_arguments& a, const sink& to) {
  group_arguments g = scores_of(a, a.value, true);
  g.out = to;
  if (!white.on) return group_map(exec, pass_on{}, g);
  const moments* known = a.known_batch;
  if (a.found_batch != nullptr || (known == nullptr && a.tokens.data != nullptr)) {
    moments* const found = a.found_batch != nullptr ? a.found_batch : a.batch;
    if (const status s = find_batch(exec, white, a, found); !s.ok()) return s;
    if (known == nullptr) known = found;
  }
  if (known != nullptr) g.batch = &known->count;
  return to.data != nullptr ? group_map(exec, whitened_values{white}, g) : status{};
}

template <class Exec, class Rule>
status run_adaptive(const Exec& exec, const Rule& rule, const adaptive_arguments& a) {
  if (const status s = find_moments(exec, a); !s.ok()) return s;
  scale_groups(exec, rule, a);
  if constexpr (learns_active<Rule>)
    if (a.found_active != nullptr) find_active(exec, a);
  if (a.groups.out.data == nullptr && a.found_batch == nullptr) return {};
  if (const status s = map_rewards(exec, rule, a); !s.ok()) return s;
  if constexpr (!has_factor<Rule>) {
    return whiten_values(exec, rule.batch(), a, a.groups.out);
  } else {
    const group_factor factor = rule.factor();
    group_arguments companions = scores_of(a, a.companion, false);
    companions.out = {a.companion, 1, element::f64};
    if (const status s = group_map(exec, constant_factor{factor}, companions); !s.ok()) return s;
    if (!factor.after_whitening) {
      multiply_values(exec, a);
      return whiten_values(exec, rule.batch(), a, a.groups.out);
    }
    if (const status s = whiten_values(exec, rule.batch(), a, {a.value, 1, element::f64}); !s.ok()) return s;
    multiply_values(exec, a);
    return whiten_values(exec, {.on = false}, a, a.groups.out);
  }
}

inline arena adaptive_memory(std::int64_t n, std::int64_t samples, std::int64_t rewards) {
  arena measured;
  adaptive_arguments a;
  a.groups.groups = n, a.samples = samples, a.rewards = static_cast<int>(rewards);
  a.carve(measured);
  return measured;
}

}  // namespace detail

// Bytes of workspace for decoupled_advantages of N samples with K rewards in n groups by any rule, on either backend.
inline std::size_t decoupled_advantages_workspace(std::int64_t n, std::int64_t samples, std::int64_t rewards) {
  return decoupled_advantages_workspace(n, samples) + detail::adaptive_memory(n, samples, rewards).bytes() + 256;
}

// Advantages of N samples with K rewards each by a rule of aggregate/adaptive_rules.hpp, or one of that shape.
//
//   decoupled_advantages(cpu{.workspace = w}, rvpo{.beta = 2}, {.reward = {r, N, K}, .offsets = {o, n + 1}},
//       {.advantage = {a, N}});
//
// A NaN reward makes its group NaN, and with whitening the batch; with `exclude_nan` it alone is left out, and a sample
// without any reward gets what its rule makes of none (0, before whitening). A group in which nothing varies gets
// exactly 0 before whitening. Samples that the mask leaves out, or that a rule drops, get 0 and take no part in
// whitening. Tokens count what is whitened, which a rule that does not whiten refuses.
//
// Of a batch that lies on several processes each finds its part first, without .advantage: .found_active (dara), then,
// given the merged .active, .found_batch; these are merged (merge_processes, core/moments.hpp), and a last call is
// given .active and .batch. How the samples lie on the processes changes the result by roundings of these moments only.
//
// K passes of group_map for the moments, one over all rewards, one to three more over one number per sample. Workspace:
// decoupled_advantages_workspace(n, N, K) bytes (on CUDA optional). Accuracy, determinism and errors as group_map's.
template <class Exec, class Rule>
requires detail::adaptive_rule<Rule> status
decoupled_advantages(const Exec& exec, const Rule& rule, const std::type_identity_t<decoupled_inputs<Exec::memory>>& in,
                     const std::type_identity_t<decoupled_outputs<Exec::memory>>& out) {
  constexpr space S = Exec::memory;
  if (const status s = rule.check(); !s.ok()) return s;
  const bool whitens = rule.batch().on;
  if (const status s = detail::check_decoupled(in, out, {whitens, whitens, detail::learns_active<Rule>}); !s.ok())
    return s;
  const std::int64_t n = in.reward.extent[0], rewards = in.reward.extent[1];
  detail::adaptive_arguments a;
  a.reward = detail::place_of(in.reward);
  a.weight = detail::place_of(in.weight), a.weight.neutral = 1;
  a.tokens = detail::place_of(in.tokens);
  a.samples = n, a.rewards = static_cast<int>(rewards);
  advantage_inputs<S> groups;
  groups.offsets = in.offsets, groups.mask = in.mask, groups.exclude_nan = in.exclude_nan;
  groups.score.data = in.reward.data, groups.score.type = in.reward.type;
  groups.score.extent[0] = n, groups.score.stride[0] = in.reward.stride[0];
  a.groups = detail::make_group_arguments(groups, advantage_outputs<S>{.advantage = out.advantage});
  for (int k = 0; k < a.rewards; ++k) {
    group_arguments g = a.groups;
    g.score = a.column(k);
    if (const status s = detail::check_group_content(exec, g); !s.ok()) return s;
  }
  a.known_batch = static_cast<const moments*>(in.batch.data);
  a.known_active = static_cast<const moments*>(in.active.data);
  a.found_batch = static_cast<moments*>(out.found_batch.data);
  a.found_active = static_cast<moments*>(out.found_active.data);
  const std::size_t bytes = detail::adaptive_memory(a.groups.groups, n, rewards).bytes();
  return with_scratch(exec, bytes, [&](char* scratch, const Exec& rest) -> status {
    detail::arena memory(scratch);
    a.carve(memory);
    if (a.found_active == nullptr && a.known_active == nullptr) a.found_active = a.active;
    if (a.known_active == nullptr) a.known_active = a.found_active;
    return detail::run_adaptive(rest, rule, a);
  });
}

}  // namespace PREFER_ABI
}  // namespace prefer
