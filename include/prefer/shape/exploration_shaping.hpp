// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/for_groups.hpp>
#include <prefer/core/math.hpp>
#include <prefer/core/scalar.hpp>
#include <prefer/core/shapes.hpp>

#include <cstdint>
#include <type_traits>

// Rewards that explore (ExploRS): a table of intrinsic rewards that learns from returns, and a bonus of counts.
namespace prefer {

struct exploration_shaping {
  double step = 0.1;  // of both updates
  double clip = 0;    // no entry of the table changes by more in an update; 0: no limit
  double decay = 1;   // the bonus is decay / sqrt((decay / most)^2 + visits)
  double most = 1;    // the bonus of a state that was never visited

  constexpr status check() const {
    return first_error(require::positive(step, "step"), require::not_negative(clip, "clip"),
                       require::positive(decay, "decay"), require::positive(most, "most"));
  }
};

// n steps of episodes, with the returns that followed.
template <space S>
struct shaping_update_inputs {
  view<const std::int32_t, 1, S> state = {}, action = {};  // [n]
  view<const double, 1, S> episode_return = {};            // [n]: from this step on, of the original reward
  view<const double, 2, S> policy = {};                    // [S, A]: that took the steps
};
template <space S>
struct shaping_tables {
  view<double, 2, S> intrinsic = {};  // [S, A]: phi; updated in place
  view<double, 1, S> baseline = {};   // [S]: V; updated in place
};

// n transitions from (s, a) to s', for explored_rewards.
template <space S>
struct exploration_inputs {
  view<const double, 1, S> reward = {};                    // [n]; 0 if not given
  view<const std::int32_t, 1, S> state = {}, action = {};  // [n]
  view<const double, 1, S> visits = {};                    // [n]: of s', 0 or above
  view<const bool, 1, S> terminal = {};                    // [n]: whether s' is; nowhere if not given
  view<const double, 2, S> intrinsic = {};                 // [S, A]
};

inline namespace PREFER_ABI {
namespace detail {

// Steps of the table's states and actions; others are left out.
struct table_steps {
  std::int64_t n = 0, states = 0, actions = 0;
  view<const std::int32_t, 1> state, action;

  PREFER_HD std::int64_t state_of(std::int64_t i) const { return state.data[i * state.stride[0]]; }
  PREFER_HD std::int64_t action_of(std::int64_t i) const { return action.data[i * action.stride[0]]; }
  PREFER_HD bool inside(std::int64_t i) const {
    return state_of(i) >= 0 && state_of(i) < states && action_of(i) >= 0 && action_of(i) < actions;
  }
};
struct report_steps : table_steps {
  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    team.each(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA {
      if (!inside(g.first + i)) team.fault(errc::bad_index, g.first + i);
    });
  }
};
inline status check_table_steps(const cpu& exec, const table_steps& t) {
  if (exec.content == content::none) return {};
  for (std::int64_t i = 0; i < t.n; ++i) {
    if (t.inside(i)) continue;
    const bool bad_state = t.state_of(i) < 0 || t.state_of(i) >= t.states;
    return require::fail(errc::bad_index, bad_state ? "state" : "action", "0 or above and inside the table",
                         static_cast<double>(bad_state ? t.state_of(i) : t.action_of(i)), 0, i);
  }
  return {};
}
template <class Exec>
status check_table_steps(const Exec& exec, const table_steps& t) {
  return exec.report == nullptr ? status{} : for_groups(exec, pieces_of(t.n), report_steps{t});
}

template <space S>
struct intrinsic_update {
  table_steps steps;
  view<const double, 1> after;
  view<const double, 2> policy;
  shaping_tables<S> tables;
  double step, clip;

  PREFER_HD double chance(std::int64_t s, std::int64_t a) const {
    return policy.data[s * policy.stride[0] + a * policy.stride[1]];
  }
  // One entry of phi: sum of pi(a_i | s) (G_i - V(s)) ([a = a_i] - pi(a | s)) over the steps from s.
  PREFER_HD void update(std::int64_t s, std::int64_t a) const {
    const double base = tables.baseline.data[s * tables.baseline.stride[0]];
    double here = 0, all = 0;
    for (std::int64_t i = 0; i < steps.n; ++i) {
      if (steps.state_of(i) != s || !steps.inside(i)) continue;
      const double weight = chance(s, steps.action_of(i)) * (after.data[i * after.stride[0]] - base);
      all += weight;
      here += steps.action_of(i) == a ? weight : 0;
    }
    double change = step * (here - chance(s, a) * all);
    if (clip > 0) change = change > clip ? clip : change < -clip ? -clip : change;
    tables.intrinsic.data[s * tables.intrinsic.stride[0] + a * tables.intrinsic.stride[1]] += change;
  }
  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    team.each(g.count, [&](std::int64_t i)
                           PREFER_HD_LAMBDA { update((g.first + i) / steps.actions, (g.first + i) % steps.actions); });
  }
};
template <space S>
struct baseline_update {
  table_steps steps;
  view<const double, 1> after;
  view<double, 1, S> baseline;
  double step;

  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    team.each(g.count, [&](std::int64_t j) PREFER_HD_LAMBDA {
      const std::int64_t s = g.first + j;
      double& base = baseline.data[s * baseline.stride[0]];
      double sum = 0, count = 0;
      for (std::int64_t i = 0; i < steps.n; ++i)
        if (steps.state_of(i) == s && steps.inside(i)) sum += after.data[i * after.stride[0]] - base, count += 1;
      if (count > 0) base += step * sum / count;
    });
  }
};

template <space S>
struct explored_work {
  table_steps steps;
  exploration_inputs<S> in;
  double decay, most;
  view<double, 1, S> shaped;

  PREFER_HD double bonus(std::int64_t i) const {
    if (in.terminal.data != nullptr && in.terminal.data[i * in.terminal.stride[0]]) return 0;
    const double floor = decay / most;
    return decay / math::sqrt(floor * floor + in.visits.data[i * in.visits.stride[0]]);
  }
  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    team.each(g.count, [&](std::int64_t j) PREFER_HD_LAMBDA {
      const std::int64_t i = g.first + j;
      const double reward = in.reward.data != nullptr ? in.reward.data[i * in.reward.stride[0]] : 0;
      const double intrinsic =
          steps.inside(i)
              ? in.intrinsic
                    .data[steps.state_of(i) * in.intrinsic.stride[0] + steps.action_of(i) * in.intrinsic.stride[1]]
              : math::detail::not_a_number<double>();
      shaped.data[i * shaped.stride[0]] = reward + intrinsic + bonus(i);
    });
  }
};

template <space S, class In, class Table>
table_steps steps_of(const In& in, const Table& table) {
  return {in.state.extent[0], table.extent[0], table.extent[1], any_space(in.state), any_space(in.action)};
}

}  // namespace detail

// One update of ExploRS from n steps, both from the tables as they are before it:
//
//   phi(s, .) += step sum_i pi(a_i | s) (G_i - V(s)) (e_{a_i} - pi(. | s))     over the steps i from s
//   V(s)      += step mean_i (G_i - V(s))                                      where there are any
//
// each change of phi clipped to +-clip if that is above 0. In double; cost n S A; nothing is allocated, no workspace;
// on CUDA two launches, one more with a report. Errors: parameters, shapes, overlap, a state or action outside the
// table (CUDA: the step is left out and reported). Source: Devidze, Kamalaruban & Singla 2022, "Exploration-guided
// reward shaping for reinforcement learning under sparse rewards" (ExploRS, from a description of its code; that all
// steps of a call see the same tables is how it is done here).
template <class Exec>
status exploration_update(const Exec& exec, const exploration_shaping& how,
                          const std::type_identity_t<shaping_update_inputs<Exec::memory>>& in,
                          const std::type_identity_t<shaping_tables<Exec::memory>>& tables) {
  using namespace detail;
  const std::int64_t n = in.state.extent[0], s = tables.intrinsic.extent[0], a = tables.intrinsic.extent[1];
  if (const status bad = how.check(); !bad.ok()) return bad;
  if (n < 0 || s < 0 || a < 0)
    return require::fail(errc::bad_extent, n < 0 ? "state" : "intrinsic", "at least",
                         static_cast<double>(n < 0   ? n
                                             : s < 0 ? s
                                                     : a),
                         0);
  if (const status bad = first_error(
          check_shape("state", in.state, {n}, true), check_shape("action", in.action, {n}, true),
          check_shape("episode_return", in.episode_return, {n}, true), check_shape("policy", in.policy, {s, a}, true),
          check_shape("intrinsic", tables.intrinsic, {s, a}, true),
          check_shape("baseline", tables.baseline, {s}, true));
      !bad.ok())
    return bad;
  require::footprints<4, 2> all;
  all.read(require::footprint_of("state", in.state)), all.read(require::footprint_of("action", in.action));
  all.read(require::footprint_of("episode_return", in.episode_return));
  all.read(require::footprint_of("policy", in.policy));
  all.write(require::footprint_of("intrinsic", tables.intrinsic));
  all.write(require::footprint_of("baseline", tables.baseline));
  if (const status bad = all.check(); !bad.ok()) return bad;
  const table_steps steps = steps_of<Exec::memory>(in, tables.intrinsic);
  if (const status bad = check_table_steps(exec, steps); !bad.ok()) return bad;
  const auto after = any_space(in.episode_return);
  if (const status bad =
          for_groups(exec, pieces_of(s * a),
                     intrinsic_update<Exec::memory>{steps, after, any_space(in.policy), tables, how.step, how.clip});
      !bad.ok())
    return bad;
  return for_groups(exec, pieces_of(s), baseline_update<Exec::memory>{steps, after, tables.baseline, how.step});
}

// The rewards of n transitions for the learner: R + phi(s, a) + B(s'), B = decay / sqrt((decay / most)^2 + visits), 0
// where s' is terminal. shaped [n]. Errors as in exploration_update (CUDA: NaN outside the table, reported). Source:
// the same. The bonus is `most` for a state that was never visited, and falls as visits^-1/2.
template <class Exec>
status explored_rewards(const Exec& exec, const exploration_shaping& how,
                        const std::type_identity_t<exploration_inputs<Exec::memory>>& in,
                        const std::type_identity_t<view<double, 1, Exec::memory>>& shaped) {
  using namespace detail;
  const std::int64_t n = in.state.extent[0], s = in.intrinsic.extent[0], a = in.intrinsic.extent[1];
  if (const status bad = how.check(); !bad.ok()) return bad;
  if (n < 0 || s < 0 || a < 0)
    return require::fail(errc::bad_extent, n < 0 ? "state" : "intrinsic", "at least",
                         static_cast<double>(n < 0   ? n
                                             : s < 0 ? s
                                                     : a),
                         0);
  if (const status bad =
          first_error(check_shape("reward", in.reward, {n}, false), check_shape("state", in.state, {n}, true),
                      check_shape("action", in.action, {n}, true), check_shape("visits", in.visits, {n}, true),
                      check_shape("terminal", in.terminal, {n}, false),
                      check_shape("intrinsic", in.intrinsic, {s, a}, true), check_shape("shaped", shaped, {n}, true));
      !bad.ok())
    return bad;
  require::footprints<6, 1> all;
  all.read(require::footprint_of("reward", in.reward)), all.read(require::footprint_of("state", in.state));
  all.read(require::footprint_of("action", in.action)), all.read(require::footprint_of("visits", in.visits));
  all.read(require::footprint_of("terminal", in.terminal)), all.read(require::footprint_of("intrinsic", in.intrinsic));
  all.write(require::footprint_of("shaped", shaped));
  if (const status bad = all.check(); !bad.ok()) return bad;
  const table_steps steps = steps_of<Exec::memory>(in, in.intrinsic);
  if (const status bad = check_table_steps(exec, steps); !bad.ok()) return bad;
  return for_groups(exec, pieces_of(n), explored_work<Exec::memory>{steps, in, how.decay, how.most, shaped});
}

}  // namespace PREFER_ABI
}  // namespace prefer
