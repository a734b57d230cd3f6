// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/game/detail/equilibrium_newton.hpp>
#include <prefer/game/detail/exact_solver.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

// The regularised equilibrium of a preference game, at a temperature tau > 0: the policy that is its own best response
// when leaving the reference mu costs tau KL(pi | mu),
//
//   log pi = log mu + P pi / tau - c,   c the number that makes sum pi = 1
//
// There is exactly one. For two actions pi_1 / pi_2 = mu_1 / mu_2 e^((P_12 - 1/2) / tau). As tau grows pi tends to mu,
// as tau falls to a minimax winner (of several to one that the reference has a say in, not to the one that
// minimax_winner picks). It is what Nash-MD, online IPO, magnetic mirror descent and their relatives converge to
// (game/self_play.hpp), solved here to rounding.
//
// Method: Newton, through larger temperatures if tau is below 1 (detail/equilibrium_newton.hpp). Cost: 3 to 50 steps of
// n^3 operations, the more the smaller tau; memory 8 n^2 bytes per game that is being solved.
//
// Source: Munos et al. 2023, arXiv 2312.00886, section 4. The method is derived for this library.
namespace prefer {

struct equilibrium_options {
  // For `residual`; below tau = 1e-3 this times 1e-3 / tau, since rounding P pi moves log pi by about 1e-16 / tau.
  double tolerance = 1e-12;
  std::int64_t max_steps = 400;
};

// All optional, but not all absent. Of a game that was not solved: NaN, but for what says how far it came.
template <space Space, class T = double>
struct equilibrium_outputs {
  view<T, 2, Space> policy = {};         // [B, n]: log pi; -inf where the reference has no mass
  view<T, 2, Space> probability = {};    // [B, n]: pi
  view<double, 1, Space> gap = {};       // [B]: the duality gap, 2 tau lse(log mu + P pi / tau) + 2 tau KL(pi | mu) - 1
  view<double, 1, Space> residual = {};  // [B]: max_i |log pi_i - log mu_i - (P pi)_i / tau + c|
  view<std::int64_t, 1, Space> steps = {};  // [B]: linear systems solved
  view<bool, 1, Space> converged = {};      // [B]
};

inline namespace PREFER_ABI {
namespace detail {

template <class T>
struct equilibrium_plan {
  game_tables<T> games;
  equilibrium_options options;
  scalar temperature = 1;
  view<T, 2> policy, probability;
  view<double, 1> gap, residual;
  view<std::int64_t, 1> steps;
  view<bool, 1> converged;

  struct memory_type {
    std::int32_t* action;
    equilibrium_memory newton;
  };
  template <class Team>
  static PREFER_HD memory_type carve(arena& memory, std::int64_t n) {
    std::int32_t* const action = memory.take<std::int32_t>(n);
    return {action, equilibrium_memory::carve(memory, n, Team::shape(n, n + 2))};
  }

  PREFER_HD double limit() const { return options.tolerance * math::max(1.0, 1e-3 / temperature.as<double>()); }

  template <class Team>
  PREFER_HD game_answer solve(const Team& team, std::int64_t b, memory_type& m) const {
    const double nan = math::detail::not_a_number<double>();
    game_loaded loaded = load_game(team, games, b, m.action);
    loaded.margins.scale = 1;
    equilibrium_result r = {0, nan, nan};
    const double tau = temperature.as<double>();
    if (loaded.good && tau > 0 && tau < math::detail::infinity<double>()) {
      team.each(loaded.margins.size,
                [&](std::int64_t i) PREFER_HD_LAMBDA { m.newton.reference[i] = games.log_weight(b, m.action[i]); });
      equilibrium_newton<Team> work{team, loaded.margins, m.newton, tau, limit(), options.max_steps};
      r = Team::apart(work);
    }
    const bool solved = r.residual <= limit();
    const double elsewhere = solved ? -math::detail::infinity<double>() : nan;
    team.each(games.written(b), [&](std::int64_t i) PREFER_HD_LAMBDA { store_policy(b, i, elsewhere); });
    if (solved)
      team.each(loaded.margins.size,
                [&](std::int64_t i) PREFER_HD_LAMBDA { store_policy(b, m.action[i], m.newton.best[i]); });
    team.each(1, [&](std::int64_t) PREFER_HD_LAMBDA {
      store_entry(gap, b, r.gap), store_entry(residual, b, r.residual);
      store_entry(steps, b, r.steps), store_entry(converged, b, solved);
    });
    return {loaded.good, solved, r.residual};
  }
  PREFER_HD void store_policy(std::int64_t b, std::int64_t i, double x) const {
    store_action(games, policy, b, i, static_cast<T>(x));
    store_action(games, probability, b, i, static_cast<T>(math::exp(x)));
  }
};

template <space S, class T>
status make_equilibrium_plan(const games<S, T>& in, const scalar& temperature, const equilibrium_options& options,
                             const equilibrium_outputs<S, T>& out, equilibrium_plan<T>& plan) {
  if (const status s = make_games(in, plan.games); !s.ok()) return s;
  const std::int64_t batch = plan.games.batch;
  require::footprints<6, 6> all;
  read_games(in, all);
  all.write(require::footprint_of("policy", out.policy));
  all.write(require::footprint_of("probability", out.probability));
  all.write(require::footprint_of("gap", out.gap)), all.write(require::footprint_of("residual", out.residual));
  all.write(require::footprint_of("steps", out.steps)), all.write(require::footprint_of("converged", out.converged));
  plan.options = options, plan.temperature = temperature;
  plan.policy = any_space(out.policy), plan.probability = any_space(out.probability);
  plan.gap = any_space(out.gap), plan.residual = any_space(out.residual);
  plan.steps = any_space(out.steps), plan.converged = any_space(out.converged);
  return first_error(
      require::positive(temperature, "temperature"), require::positive(options.tolerance, "tolerance"),
      require::that(options.max_steps > 0, "max_steps", static_cast<double>(options.max_steps), "above 0"),
      check_actions("policy", out.policy, plan.games),
      check_actions("probability", out.probability, plan.games), check_shape("gap", out.gap, {batch}, false),
      check_shape("residual", out.residual, {batch}, false), check_shape("steps", out.steps, {batch}, false),
      check_shape("converged", out.converged, {batch}, false),
      require_output(out.policy, out.probability, out.gap, out.residual, out.steps, out.converged), all.check());
}

}  // namespace detail

// Bytes of workspace for `batch` games of up to n actions. On CUDA games of up to about 70 actions need none.
inline std::size_t regularized_equilibrium_workspace(const cpu&, std::int64_t batch, std::int64_t n) {
  return detail::solver_workspace<detail::equilibrium_plan<double>>(batch, n);
}

// The regularised equilibria of all games at one temperature. Backends, workspace and errors as minimax_winner's
// (minimax_winner.hpp); `residual` is what not_converged is about, and the temperature may be a pointer (methods.hpp).
// Of 25000 random games of up to 15 actions, with ties, copies of actions and margins of 1e-9 among them, each was
// solved at 1e-3, 1e-5, 1e-6 and 1e-7, and all but one at 1e-8. At 1e-10 a fifth was not: there rounding a probability
// moves P pi / tau by more than the tolerance. The answer is then not_converged with the residual and the gap that were
// reached, never a policy that is off.
template <class T = double, class Exec>
status regularized_equilibrium(const Exec& exec, const std::type_identity_t<games<Exec::memory, T>>& in,
                               const scalar& temperature, const equilibrium_options& options,
                               const std::type_identity_t<equilibrium_outputs<Exec::memory, T>>& out) {
  detail::equilibrium_plan<T> plan;
  if (const status s = detail::make_equilibrium_plan(in, temperature, options, out, plan); !s.ok()) return s;
  if (const status s = detail::check_games(exec, plan.games); !s.ok()) return s;
  return detail::solve_games(exec, plan, "residual");
}

}  // namespace PREFER_ABI
}  // namespace prefer
