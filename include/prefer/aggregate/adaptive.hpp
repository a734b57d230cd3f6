// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/aggregate/adaptive_rules.hpp>
#include <prefer/aggregate/decoupled.hpp>
#include <prefer/backend/cpu/weighted_moments.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
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
  bool leaves_out = false;  // the rule drops some samples: `keep` takes the place of the caller's mask
  double *number = nullptr, *mean = nullptr, *std = nullptr, *scale = nullptr;  // [K, n]
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
  PREFER_HD std::int64_t cell(std::int64_t g, int k) const { return k * groups.groups + g; }
  template <class V>
  PREFER_HD basic_group_rewards<V> groups_from(std::int64_t g) const {
    return {rewards, number + g, mean + g, std + g, weights, groups.groups};
  }
  PREFER_HD group_rewards of_group(std::int64_t g) const { return groups_from<double>(g); }
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

// ---- the steps on the CPU

PREFER_HD moments share_of(std::int64_t active, std::int64_t groups) {
  const auto all = static_cast<double>(groups);
  return {all, groups == 0 ? 0 : static_cast<double>(active) / all, 0};
}

inline void find_active(const cpu&, const adaptive_arguments& a) {
  for (int k = 0; k < a.rewards; ++k) {
    std::int64_t active = 0;
    for (std::int64_t g = 0; g < a.groups.groups; ++g) active += a.std[a.cell(g, k)] > 0;
    a.found_active[k] = share_of(active, a.groups.groups);
  }
}

// Samples side by side, a stretch of them for each group. Of many rewards fewer samples.
struct adaptive_tile {
  static constexpr int most = 64, few = 16, overrun = 8;  // a lane is written behind a stretch
  static constexpr int cells = most_rewards * (few + overrun);
  struct stretch {
    std::int64_t group;  // -1: of none
    int begin, end;
  };
  const int width, apart;
  int number = 0;
  stretch stretches[most + 2];
  alignas(64) double deviation[cells], scaled[cells], present[cells];
  alignas(64) double reward[8 * (most + overrun)] = {}, value[most + overrun], companion[most + overrun];
  std::uint8_t inside[most + overrun] = {};

  explicit adaptive_tile(int rewards)
      : width(rewards * (most + overrun) <= cells ? most : few), apart(width + overrun) {
    for (double& p : present) p = 1;
  }

  // Samples [first, first + count); group g begins there or before, or is the first, and moves on.
  void load(const adaptive_arguments& a, std::int64_t first, int count, std::int64_t& g, const column_scores& columns,
            isa level);

 private:
  void find_stretches(const adaptive_arguments& a, std::int64_t first, int count, std::int64_t& g) {
    int at = 0;
    const auto add = [&](std::int64_t group, std::int64_t end) {
      if (end <= at) return;
      for (int i = at; i < end; ++i) inside[i] = group >= 0;
      stretches[number++] = {group, at, static_cast<int>(end)};
      at = static_cast<int>(end);
    };
    number = 0;
    for (; at < count && g < a.groups.groups; ++g) {
      add(-1, smaller(count, a.begin(g) - first));
      const std::int64_t end = a.end(g) - first;
      add(g, smaller(count, end));
      if (end > count) break;
    }
    add(-1, width);
    for (int i = 0; a.groups.scores.mask.data != nullptr && i < count; ++i)
      inside[i] = inside[i] != 0 && selects(a.groups.scores.mask, first + i);
  }
  // Rewards [k, k + some) that are NaN are absent; the mean takes their place.
  void exclude(const adaptive_arguments& a, int k, int some) {
    for (int c = 0; c < some; ++c)
      for (int s = 0; s < number; ++s)
        for (int i = stretches[s].begin; i < stretches[s].end; ++i) {
          double& x = reward[c * apart + i];
          const bool absent = stretches[s].group >= 0 && math::is_nan(x);
          present[(k + c) * apart + i] = absent ? 0 : 1;
          if (absent) x = a.mean[a.cell(stretches[s].group, k + c)];
        }
  }
};

// Deviations of up to eight rewards.
struct deviations_work {
  adaptive_tile* tile;
  const adaptive_arguments* arguments;
  int first, count;  // rewards
  const double* rewards;
  std::int64_t apart;  // from one to the next

  template <class Level>
  static inline __attribute__((always_inline)) void run(deviations_work& w) {
    using V = lane<double, Level>;
    adaptive_tile& t = *w.tile;
    const adaptive_arguments& a = *w.arguments;
    for (int s = 0; s < t.number; ++s) {
      const adaptive_tile::stretch own = t.stretches[s];
      for (int k = 0; k < w.count; ++k) {
        const double* const x = w.rewards + k * w.apart;
        double *const d = t.deviation + (w.first + k) * t.apart, *const z = t.scaled + (w.first + k) * t.apart;
        if (own.group < 0) {
          for (int i = own.begin; i < own.end; ++i) d[i] = z[i] = 0;
          continue;
        }
        const std::int64_t cell = a.cell(own.group, w.first + k);
        const V mean(a.mean[cell]), scale(a.scale[cell]);
        for (int i = own.begin; i < own.end; i += V::width) {
          const V deviation = V::load(x + i) - mean;
          deviation.store(d + i), (deviation * scale).store(z + i);
        }
      }
    }
  }
};

inline void adaptive_tile::load(const adaptive_arguments& a, std::int64_t first, int count, std::int64_t& g,
                                const column_scores& columns, isa level) {
  find_stretches(a, first, count, g);
  const bool there = columns.has(first, count) && !a.groups.exclude_nan;
  for (int k = 0; k < a.rewards; k += 8) {
    const int some = static_cast<int>(smaller(8, a.rewards - k));
    deviations_work w{this, &a, k, some, reward, apart};
    if (there) {
      w.rewards = columns.of(k, first), w.apart = columns.count;
    } else {
      row_source from = a.reward;
      from.data = a.column(k).data;
      load_columns(from, some, a.samples, first, count, reward, apart, level);
    }
    if (a.groups.exclude_nan) exclude(a, k, some);
    run_at<deviations_work>(level, w);
  }
}

template <class Rule>
struct adaptive_job {
  const Rule* rule;
  const adaptive_arguments* arguments;
  const double* states;
  adaptive_tile* tile;
  int count;
};

// The answers for the samples of a tile.
template <class Rule>
struct adaptive_work {
  template <class V>
  struct lanes {
    const adaptive_tile& tile;
    int from;
    PREFER_HD V scaled(int k) const { return V::load(tile.scaled + k * tile.apart + from); }
    PREFER_HD V deviation(int k) const { return V::load(tile.deviation + k * tile.apart + from); }
    PREFER_HD V present(int k) const { return V::load(tile.present + k * tile.apart + from); }
  };

  template <class Level>
  static inline __attribute__((always_inline)) void run(adaptive_job<Rule>& job) {
    using V = lane<double, Level>;
    adaptive_tile& tile = *job.tile;
    for (int from = 0; from < job.count; from += V::width) {
      const lanes<V> at{tile, from};
      const adaptive_row<V, lanes<V>> row{at, job.arguments->weights, job.states, job.arguments->rewards};
      const adaptive_answer<V> answer = answer_of<V>(*job.rule, row);
      const auto inside = V::mask::load(tile.inside + from);
      select(inside, answer.value, V(0)).store(tile.value + from);
      select(inside, answer.companion, V(0)).store(tile.companion + from);
    }
  }
};

// What is to be done for the groups.
struct adaptive_steps {
  bool moments, scales, samples;
};

// The scales of groups [first, last), by lanes of groups where the rule is written for them.
template <class Rule>
struct scale_job {
  const Rule* rule;
  const adaptive_arguments* arguments;
  std::int64_t first, last;
};
template <class Rule>
struct scale_work {
  template <class Level>
  static inline __attribute__((always_inline)) void run(scale_job<Rule>& job) {
    using V = lane<double, Level>;
    const adaptive_arguments& a = *job.arguments;
    if constexpr (requires(const basic_group_rewards<V>& groups) { job.rule->scale(groups, 0); }) {
      for (std::int64_t g = job.first; g < job.last; g += V::width) lanes<V>(job, g);
    } else {
      for (std::int64_t g = job.first; g < job.last; ++g)
        for (int k = 0; k < a.rewards; ++k) a.scale[a.cell(g, k)] = job.rule->scale(a.of_group(g), k);
    }
  }
  // What stands behind the last of the groups belongs to other threads.
  template <class V>
  static inline __attribute__((always_inline)) void lanes(scale_job<Rule>& job, std::int64_t g) {
    const adaptive_arguments& a = *job.arguments;
    alignas(64) double number[most_rewards * V::width], mean[most_rewards * V::width], std[most_rewards * V::width],
        scale[V::width];
    const int count = static_cast<int>(smaller(V::width, job.last - g));
    basic_group_rewards<V> groups = a.groups_from<V>(g);
    if (count < V::width) {
      for (int k = 0; k < a.rewards; ++k) {
        const auto take = [&](double* to, const double* from) {
          for (int i = 0; i < V::width; ++i) to[k * V::width + i] = i < count ? from[a.cell(g + i, k)] : 0;
        };
        take(number, a.number), take(mean, a.mean), take(std, a.std);
      }
      groups.number = number, groups.mean_of = mean, groups.std_of = std, groups.stride = V::width;
    }
    for (int k = 0; k < a.rewards; ++k) {
      job.rule->scale(groups, k).store(scale);
      std::memcpy(a.scale + a.cell(g, k), scale, static_cast<std::size_t>(count) * sizeof(double));
    }
  }
};

// One thread's part: of groups side by side the moments of the rewards, one reward after the other, the scales, and
// what the rule makes of their samples, while these are in the cache.
template <class Rule>
class adaptive_thread {
 public:
  adaptive_thread(const Rule& rule, const adaptive_arguments& a, const double* states, isa level)
      : rule_(rule),
        a_(a),
        states_(states),
        level_(level),
        groups_(a.groups),
        scores_{a.reward, a.rewards, a.samples},
        job_(group_job<unchanged>::of(pass_, scores_, groups_, level)),
        moments_(job_),
        tile_(a.rewards) {
    groups_.out = {};
  }

  void run(std::int64_t g, std::int64_t end, const adaptive_steps& steps) {
    while (g < end) {
      const std::int64_t last = scores_.side_by_side(a_.groups.scores, g, end);
      if (steps.moments) find_moments(g, last);
      scale_job<Rule> scales{&rule_, &a_, g, last};
      if (steps.scales) run_at<scale_work<Rule>>(level_, scales);
      if (steps.samples)
        map_samples(g == 0 ? 0 : a_.begin(g), last == a_.groups.groups ? a_.samples : a_.begin(last), g);
      g = last;
    }
  }

 private:
  const Rule& rule_;
  const adaptive_arguments& a_;
  const double* states_;
  const isa level_;
  const pass_on pass_{};
  group_arguments groups_;
  column_scores scores_;
  group_job<unchanged> job_;
  group_thread<unchanged> moments_;
  adaptive_tile tile_;

  void find_moments(std::int64_t g, std::int64_t end) {
    scores_.hold(a_.groups.scores, g, end, level_);
    for (int k = 0; k < a_.rewards; ++k) {
      scores_.column = k;
      groups_.mean = {a_.mean + a_.cell(0, k), 1, element::f64};
      groups_.std = {a_.std + a_.cell(0, k), 1, element::f64};
      groups_.count = {a_.number + a_.cell(0, k), 1, element::f64};
      moments_.run(g, end, {}, nullptr);
    }
  }
  // Samples [first, end), those of group g first of all.
  void map_samples(std::int64_t first, std::int64_t end, std::int64_t g) {
    for (; first < end; first += tile_.width) {
      const int count = static_cast<int>(smaller(tile_.width, end - first));
      const auto samples = static_cast<std::size_t>(count);
      tile_.load(a_, first, count, g, scores_, level_);
      adaptive_job<Rule> job{&rule_, &a_, states_, &tile_, count};
      run_at<adaptive_work<Rule>>(level_, job);
      for (int i = 0; drops(rule_) && i < count; ++i)
        if (tile_.companion[i] == 0) tile_.inside[i] = 0, tile_.value[i] = 0;
      std::memcpy(a_.keep + first, tile_.inside, samples);
      std::memcpy(a_.value + first, tile_.value, samples * sizeof(double));
      if (has_factor<Rule>) std::memcpy(a_.companion + first, tile_.companion, samples * sizeof(double));
    }
  }
};

template <class Rule>
void each_group(const cpu& exec, const Rule& rule, const adaptive_arguments& a, const double* states, isa level,
                const adaptive_steps& steps) {
  const std::int64_t n = a.groups.groups, blocks = smaller(n, max_blocks);
  for_blocks(exec, blocks, a.samples * a.rewards, [&](std::int64_t first, std::int64_t last) {
    adaptive_thread<Rule>(rule, a, states, level).run(n * first / blocks, n * last / blocks, steps);
  });
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
  if (kept && a.leaves_out) g.scores.mask = {a.keep, 1, element::u8};
  return g;
}

// A reward after the other.
template <class Exec>
status find_moments(const Exec& exec, const adaptive_arguments& a) {
  for (int k = 0; k < a.rewards; ++k) {
    group_arguments g = a.groups;
    g.score = a.column(k), g.out = {};
    g.mean = {a.mean + a.cell(0, k), 1, element::f64};
    g.std = {a.std + a.cell(0, k), 1, element::f64};
    g.count = {a.number + a.cell(0, k), 1, element::f64};
    if (const status s = group_map(exec, pass_on{}, g); !s.ok()) return s;
  }
  return {};
}

// What the groups say, and what the rule makes of the samples if these are asked for.
template <class Exec, class Rule>
status map_groups(const Exec& exec, const Rule& rule, const adaptive_arguments& a, bool samples) {
  if (const status s = find_moments(exec, a); !s.ok()) return s;
  scale_groups(exec, rule, a);
  if constexpr (learns_active<Rule>)
    if (a.found_active != nullptr) find_active(exec, a);
  return samples ? map_rewards(exec, rule, a) : status{};
}
// The same on the CPU: all of it for some groups before the next, unless the rule has to learn of all of them first.
// Threads share the groups that are long enough.
template <class Rule>
status map_groups(const cpu& exec, const Rule& rule, const adaptive_arguments& a, bool samples) {
  isa level;
  if (const status s = resolve_isa(exec, level); !s.ok()) return s;
  for (int k = 0; k < a.rewards; ++k) a.weights[k] = read_item<double>(a.weight, k);
  if (a.groups.groups == 0) std::memset(a.keep, 0, static_cast<std::size_t>(a.samples));
  const bool shared = threads_share(a.groups);
  if (shared)
    if (const status s = find_moments(exec, a); !s.ok()) return s;
  double states[most_rewards];
  if constexpr (learns_active<Rule>) {
    each_group(exec, rule, a, states, level, {!shared, true, false});
    if (a.found_active != nullptr) find_active(exec, a);
    prepare_state(rule, a, states);
    if (samples) each_group(exec, rule, a, states, level, {false, false, true});
  } else {
    prepare_state(rule, a, states);
    each_group(exec, rule, a, states, level, {!shared, true, samples});
  }
  return {};
}

// The moments of the values that are kept.
template <class Exec>
status find_batch(const Exec& exec, const whitening& whiten, const adaptive_arguments& a, moments* to) {
  if (a.tokens.data != nullptr)
    return weighted_moments(exec, {a.samples, a.value, a.tokens, a.keep, &to->count, a.parts});
  group_arguments g = scores_of(a, a.value, true);
  g.batch_out = &to->count;
  return group_map(exec, whitened_values{whiten}, g);
}

// Whitens the values, or passes them on, to `to`; what is not kept becomes 0.
template <class Exec>
status whiten_values(const Exec& exec, const whitening& whiten, const adaptive_arguments& a, const sink& to) {
  group_arguments g = scores_of(a, a.value, true);
  g.out = to;
  if (!whiten.on) return group_map(exec, pass_on{}, g);
  const moments* known = a.known_batch;
  if (a.found_batch != nullptr || (known == nullptr && a.tokens.data != nullptr)) {
    moments* const found = a.found_batch != nullptr ? a.found_batch : a.batch;
    if (const status s = find_batch(exec, whiten, a, found); !s.ok()) return s;
    if (known == nullptr) known = found;
  }
  if (known != nullptr) g.batch = &known->count;
  return to.data != nullptr ? group_map(exec, whitened_values{whiten}, g) : status{};
}

template <class Exec, class Rule>
status run_adaptive(const Exec& exec, const Rule& rule, const adaptive_arguments& a) {
  const bool samples = a.groups.out.data != nullptr || a.found_batch != nullptr;
  if (const status s = map_groups(exec, rule, a, samples); !s.ok() || !samples) return s;
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
//   decoupled_advantages(cpu{.workspace = w}, rvpo{.beta = 2}, {.rewards = {r, N, K}, .offsets = {o, n + 1}},
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
// The rewards are read once on the CPU (twice by dara, and where a group has 65536 samples or more), K + 1 times on
// CUDA; then one to three passes of group_map over one number per sample. Workspace:
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
  const std::int64_t n = in.rewards.extent[0], rewards = in.rewards.extent[1];
  detail::adaptive_arguments a;
  a.reward = detail::place_of(in.rewards);
  a.weight = detail::place_of(in.weight), a.weight.neutral = 1;
  a.tokens = detail::place_of(in.tokens);
  a.samples = n, a.rewards = static_cast<int>(rewards);
  a.leaves_out = detail::drops(rule);
  advantage_inputs<S> groups;
  groups.offsets = in.offsets, groups.mask = in.mask, groups.exclude_nan = in.exclude_nan;
  groups.score.data = in.rewards.data, groups.score.type = in.rewards.type;
  groups.score.extent[0] = n, groups.score.stride[0] = in.rewards.stride[0];
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
