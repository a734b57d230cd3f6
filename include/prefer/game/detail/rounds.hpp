// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/lane.hpp>
#include <prefer/game/game.hpp>
#include <prefer/game/methods.hpp>

#include <cstdint>

// What the steps of one game consist of, written once. The pieces work on vectors over the game's actions through a
// `team`: a thread with lanes on the CPU, a block of threads on CUDA. A team has
//
//   value                              what an element of a loop is: a lane, or a double
//   load(p, i), store(p, i, x)         elements of a vector
//   each(f)                            f(i) for every element
//   largest(f), total(f)               of f(i) over all elements, the same on every thread
//
// and vectors are as long as the team's loops: padded to whole lanes on the CPU.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline constexpr std::int64_t game_padding = 8;
inline constexpr int game_vector_count = 6;

PREFER_HD std::int64_t padded_actions(std::int64_t n) { return (n + game_padding - 1) / game_padding * game_padding; }

// The vectors of one game, side by side in one piece of memory.
struct game_vectors {
  double *policy, *reference, *own;  // logarithms: see game_action
  double *weight, *wins;             // probabilities of what is played against, and the preference for every action
  double* sum;                       // of the probabilities played against so far

  PREFER_HD game_vectors(double* memory, std::int64_t padded)
      : policy(memory),
        reference(memory + padded),
        own(memory + 2 * padded),
        weight(memory + 3 * padded),
        wins(memory + 4 * padded),
        sum(memory + 5 * padded) {}
};

// Where a game is: the same on every thread that works on it.
struct game_progress {
  std::int64_t steps = 0;
  double normalizer = 0;  // of the last weights
  double gap = math::detail::not_a_number<double>();
  bool done = false;
};

// log sum exp(x(i)), NaN if nothing has mass; keep(i, exp(x(i) - largest)) sees every term, `share` is what makes their
// sum 1.
template <class Team, class F, class Keep>
PREFER_HD double game_log_sum_exp(const Team& team, const F& x, const Keep& keep, double& share) {
  using V = typename Team::value;
  const double top = team.largest(x);
  const double total = team.total([&](std::int64_t i) PREFER_HD_LAMBDA {
    const V term = math::exp_decay(x(i) - V(top));
    keep(i, term);
    return term;
  });
  share = 1 / total;
  return top + math::log(total);
}

// weight = softmax of log_weight(i); returns its log-sum-exp.
template <class Team, class F>
PREFER_HD double take_weights(const Team& team, double* weight, const F& log_weight) {
  using V = typename Team::value;
  double share;
  const double normalizer = game_log_sum_exp(
      team, log_weight, [&](std::int64_t i, const V& w) PREFER_HD_LAMBDA { team.store(weight, i, w); }, share);
  team.each([&](std::int64_t i) PREFER_HD_LAMBDA { team.store(weight, i, team.load(weight, i) * V(share)); });
  return normalizer;
}

template <class Team>
PREFER_HD game_action<typename Team::value> load_action(const Team& team, const game_vectors& v, std::int64_t i) {
  return {team.load(v.policy, i), team.load(v.reference, i), team.load(v.own, i)};
}

template <class Method, class V>
PREFER_HD void prepare_action(const Method& method, game_action<V>& a) {
  if constexpr (requires { method.prepare(a); })
    method.prepare(a);
  else
    a.own = V(0);
}

template <class Team, class Method>
PREFER_HD void prepare_method(const Team& team, const Method& method, const game_vectors& v) {
  using V = typename Team::value;
  team.each([&](std::int64_t i) PREFER_HD_LAMBDA {
    game_action<V> a = load_action(team, v, i);
    prepare_action(method, a);
    team.store(v.own, i, a.own), team.store(v.sum, i, V(0));
  });
}

// What this phase plays against, before the product with the preferences.
template <class Team, class Method>
PREFER_HD void choose_opponent(const Team& team, const Method& method, const game_vectors& v, int phase,
                               game_progress& at) {
  at.normalizer = take_weights(team, v.weight, [&](std::int64_t i) PREFER_HD_LAMBDA {
    return method.opponent(phase, at.steps, load_action(team, v, i));
  });
}

// What is done with the product.
template <class Team, class Method>
PREFER_HD void move_policy(const Team& team, const Method& method, const game_vectors& v, int phase, bool averaging,
                           game_progress& at) {
  using V = typename Team::value;
  const bool last = phase == Method::phases - 1;
  team.each([&](std::int64_t i) PREFER_HD_LAMBDA {
    game_action<V> a = load_action(team, v, i);
    method.update(phase, at.steps, team.load(v.wins, i), at.normalizer, a);
    team.store(v.policy, i, a.policy), team.store(v.reference, i, a.reference), team.store(v.own, i, a.own);
    if (averaging && last) team.store(v.sum, i, team.load(v.sum, i) + team.load(v.weight, i));
  });
  if (last) ++at.steps;
}

// The policy whose gap is asked for, as weights.
template <class Team>
PREFER_HD void choose_measured(const Team& team, const game_vectors& v, bool average, game_progress& at) {
  using V = typename Team::value;
  if (!average || at.steps == 0) {
    at.normalizer = take_weights(
        team, v.weight, [&](std::int64_t i) PREFER_HD_LAMBDA { return team.load(v.policy, i); });
    return;
  }
  const double share = 1 / static_cast<double>(at.steps);
  team.each([&](std::int64_t i) PREFER_HD_LAMBDA { team.store(v.weight, i, team.load(v.sum, i) * V(share)); });
}

// The part of one action in KL(pi | br), every part at or above 0: pi (e^d - 1 - d) with d = log br - log pi.
template <class V>
PREFER_HD V divergence_term(const V& weight, const V& log_response) {
  const V d = log_response - math::log(weight), response = math::exp(log_response);
  const V far = response - weight * (V(1) + d);
  const V term = math::select(math::abs(d) < V(1), weight * math::expm1_minus(d), far);
  return math::select(weight == V(0), response, term);
}

// 2 sum_i pi_i (max (P pi) - (P pi)_i), which is 2 max (P pi) - 1 without its cancellation. Actions that are not
// possible have 0 wins, and the best has 1/2 or more.
template <class Team>
PREFER_HD double original_gap(const Team& team, const game_vectors& v) {
  using V = typename Team::value;
  const auto wins = [&](std::int64_t i) PREFER_HD_LAMBDA { return team.load(v.wins, i); };
  const double best = team.largest(wins);
  return 2 * team.total([&](std::int64_t i)
                            PREFER_HD_LAMBDA { return team.load(v.weight, i) * (V(best) - wins(i)); });
}

// The log-sum-exp of log mu + P pi / tau, which is what the best response is normalised by.
template <class Team>
PREFER_HD double response_normalizer(const Team& team, const game_vectors& v, double temperature) {
  using V = typename Team::value;
  double share;
  return game_log_sum_exp(
      team,
      [&](std::int64_t i)
          PREFER_HD_LAMBDA { return team.load(v.reference, i) + team.load(v.wins, i) * V(1 / temperature); },
      [](std::int64_t, const V&) PREFER_HD_LAMBDA {}, share);
}

// The duality gap of the weights, whose product with the preferences is in `wins`: 2 tau KL(pi | br), with br the best
// response, log br = log mu + P pi / tau; without a temperature that of the original game.
template <class Team>
PREFER_HD double measured_gap(const Team& team, const game_vectors& v, double temperature) {
  using V = typename Team::value;
  if (temperature == 0) return original_gap(team, v);
  if (!(temperature > 0)) return math::detail::not_a_number<double>();
  const double normalizer = response_normalizer(team, v, temperature);
  return 2 * temperature * team.total([&](std::int64_t i) PREFER_HD_LAMBDA {
    const V response = team.load(v.reference, i) + team.load(v.wins, i) * V(1 / temperature) - V(normalizer);
    return divergence_term(team.load(v.weight, i), response);
  });
}

// What else there is to say about weights whose product is in `wins`.
struct game_measurement {
  double normalizer = 0;  // of the best response at the temperature
  double exploitability = math::detail::not_a_number<double>();
};
template <class Team>
PREFER_HD game_measurement measure_response(const Team& team, const game_vectors& v, double temperature) {
  const double nan = math::detail::not_a_number<double>();
  return {temperature > 0    ? response_normalizer(team, v, temperature)
          : temperature == 0 ? 0
                             : nan,
          original_gap(team, v) / 2};
}

// `run` does the pieces above for one game, between which the threads of a team see each other's vectors; its
// `multiply` is wins = P weight. (The pragmas: on the CPU a run's pieces are host functions.)
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
template <class Run>
PREFER_HD void measure_game(Run& run, game_progress& at) {
  run.choose_measured(at);
  run.multiply();
  run.measure(at);
}

// The loop of one game, as game/self_play.hpp describes it.
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
template <class Run, class Plan>
PREFER_HD void play_game(Run& run, const Plan& plan) {
  game_progress at;
  run.start(at);
  if (plan.measuring && plan.max_steps == 0) measure_game(run, at);
  while (at.steps < plan.max_steps && !at.done) {
    for (int phase = 0; phase < Run::phases; ++phase) {
      run.choose_opponent(phase, at);
      run.multiply();
      run.move_policy(phase, at);
    }
    if (plan.measures(at.steps)) measure_game(run, at);
  }
  run.finish(at);
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
