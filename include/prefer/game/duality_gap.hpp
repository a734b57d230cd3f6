// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/game/self_play.hpp>

#include <type_traits>

// How far policies are from equilibrium, and what beats them.
namespace prefer {

// Everything is optional.
template <space Space, class T = double>
struct gap_outputs {
  view<double, 1, Space> gap = {};             // [B]: the duality gap at the temperature
  view<double, 1, Space> exploitability = {};  // [B]: max_i (P pi)_i - 1/2, whatever the temperature
  view<T, 2, Space> wins = {};                 // [B, n]: P pi, how often every action beats the policy
  view<T, 2, Space> response = {};             // [B, n]: log-probabilities of the best response at the temperature
  view<std::int64_t, 1, Space> action = {};    // [B]: the action that beats the policy most often; ties to the lowest
};

inline namespace PREFER_ABI {

// The duality gap of given policies [B, n] (log-weights, which need not be normalised) in their games:
//
//   gap = 2 tau KL(pi | br) = 2 tau lse(log mu + P pi / tau) + 2 tau KL(pi | mu) - 1,
//   log br = log mu + P pi / tau - lse;   at temperature 0   gap = 2 (max_i (P pi)_i - 1/2), br the best action
//
// It is 0 at the equilibrium of that temperature and above 0 elsewhere; half of it, at temperature 0, is the
// exploitability. Written as a sum of parts that are not negative, it is exact near 0 to the errors of P pi. Infinite
// where the policy has mass that the reference has not. At temperature 0 the best response may be any possible action,
// the reference's zeros too. The temperature may be a pointer (methods.hpp). Errors, backends, workspace as
// self_play, and a temperature below 0. Cost: one product.
// Source: Munos et al. 2023, arXiv 2312.00886; the closed form is derived for this library.
template <class T = double, class Exec>
status duality_gap(const Exec& exec, const std::type_identity_t<games<Exec::memory, T>>& in,
                   const std::type_identity_t<view<const T, 2, Exec::memory>>& policy, const scalar& temperature,
                   const std::type_identity_t<gap_outputs<Exec::memory, T>>& out) {
  detail::game_plan<T> plan;
  if (const status s = detail::make_games(in, plan.games); !s.ok()) return s;
  const std::int64_t batch = plan.games.batch;
  require::footprints<7, 5> all;
  detail::read_games(in, all), all.read(require::footprint_of("policy", policy));
  all.write(require::footprint_of("gap", out.gap));
  all.write(require::footprint_of("exploitability", out.exploitability));
  all.write(require::footprint_of("wins", out.wins)), all.write(require::footprint_of("response", out.response));
  all.write(require::footprint_of("action", out.action));
  const status checks = first_error(
      require::not_negative(temperature, "temperature"), detail::check_actions("policy", policy, plan.games, true),
      detail::check_shape("gap", out.gap, {batch}, false),
      detail::check_shape("exploitability", out.exploitability, {batch}, false),
      detail::check_actions("wins", out.wins, plan.games),
      detail::check_actions("response", out.response, plan.games),
      detail::check_shape("action", out.action, {batch}, false), all.check());
  if (!checks.ok()) return checks;
  plan.start = detail::any_space(policy);
  if (const status s = first_error(detail::check_games(exec, plan.games),
                                   detail::check_log_weights(exec, "policy", plan.games, plan.start));
      !s.ok())
    return s;
  plan.temperature = temperature;
  plan.gap = detail::any_space(out.gap);
  plan.exploitability = detail::any_space(out.exploitability);
  plan.wins = detail::any_space(out.wins);
  plan.response = detail::any_space(out.response);
  plan.action = detail::any_space(out.action);
  return measure_games(exec, plan);
}

// max_i (P pi)_i - 1/2 of given policies, into [B]: duality_gap's output of that name alone.
template <class T = double, class Exec>
status exploitability(const Exec& exec, const std::type_identity_t<games<Exec::memory, T>>& in,
                      const std::type_identity_t<view<const T, 2, Exec::memory>>& policy,
                      const view<double, 1, Exec::memory>& out) {
  return duality_gap<T>(exec, in, policy, 0, {.exploitability = out});
}

// The best response to given policies at a temperature, as log-probabilities [B, n]: duality_gap's `response` alone.
template <class T = double, class Exec>
status best_response(const Exec& exec, const std::type_identity_t<games<Exec::memory, T>>& in,
                     const std::type_identity_t<view<const T, 2, Exec::memory>>& policy, const scalar& temperature,
                     const std::type_identity_t<view<T, 2, Exec::memory>>& out) {
  return duality_gap<T>(exec, in, policy, temperature, {.response = out});
}

}  // namespace PREFER_ABI
}  // namespace prefer
