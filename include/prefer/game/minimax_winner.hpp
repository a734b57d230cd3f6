// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/game/detail/exact_solver.hpp>
#include <prefer/game/detail/pivot_tableau.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

// The minimax winner of a preference game: the policy that no action beats more often than it is beaten.
//
//   p >= 0, sum p = 1,   max_i (P p)_i <= 1/2
//
// Its names: von Neumann winner (Dudik et al. 2015), maximal lottery (Kreweras 1965, Fishburn 1984), the symmetric Nash
// equilibrium of P - 1/2 (SPO's "minimax winner", Swamy et al. 2024). It is not the voting rule called minimax after
// Simpson and Kramer, which picks the single action whose worst defeat is smallest (docs/game/exact.md).
//
// It always exists. A Condorcet winner, which beats every other action, is played with probability 1, exactly. There
// may be several minimax winners: ties and copies of actions. The answer is then the one that plays action 0 as often
// as any of them, of these the one that plays action 1 as often as any, and so on: with all actions tied it plays
// action 0, and of copies only the first is played.
//
// Method: pivoting, exactly as many steps as it takes (detail/pivot_tableau.hpp), and a certificate that is computed
// from the preferences themselves. Cost: for random games about 85 pivots at n = 64 and 5400 at n = 1000, each of 2 n^2
// operations; memory 8 n^2 bytes per game that is being solved.
namespace prefer {

struct minimax_options {
  double tolerance = 1e-12;     // an exploitability above this is not an answer
  std::int64_t max_pivots = 0;  // 0: 50 n + 100
};

// All optional, but not all absent. Of a game that was not solved: NaN, but for what says how far it came.
template <space Space, class T = double>
struct minimax_outputs {
  view<T, 2, Space> probability = {};          // [B, n]: p; 0 for actions that are not possible
  view<T, 2, Space> policy = {};               // [B, n]: log p, as the other calls take policies
  view<double, 1, Space> exploitability = {};  // [B]: max_i (P p)_i - 1/2 of the best p that was found
  view<std::int64_t, 1, Space> pivots = {};    // [B]
  view<bool, 1, Space> converged = {};         // [B]
};

inline namespace PREFER_ABI {
namespace detail {

template <class T>
struct minimax_plan {
  game_tables<T> games;
  minimax_options options;
  view<T, 2> probability, policy;
  view<double, 1> exploitability;
  view<std::int64_t, 1> pivots;
  view<bool, 1> converged;

  struct memory_type {
    std::int32_t* action;
    pivot_tableau tableau;
  };
  template <class Team>
  static PREFER_HD memory_type carve(arena& memory, std::int64_t n) {
    std::int32_t* const action = memory.take<std::int32_t>(n);
    return {action, pivot_tableau::carve(memory, n, Team::shape(n, n))};
  }

  PREFER_HD double limit() const { return options.tolerance; }

  // Action i of game b.
  PREFER_HD void store(std::int64_t b, std::int64_t i, double p) const {
    store_action(games, probability, b, i, static_cast<T>(p));
    store_action(games, policy, b, i, static_cast<T>(math::log(p)));
  }

  // Solves game b.
  template <class Team>
  PREFER_HD game_answer solve(const Team& team, std::int64_t b, memory_type& m) const {
    const double nan = math::detail::not_a_number<double>();
    const game_loaded loaded = load_game(team, games, b, m.action);
    pivot_progress at;
    if (loaded.good) {
      m.tableau.size = loaded.margins.size, m.tableau.most_kept = pivots_kept_back(m.tableau.size);
      pivoting<Team> work{team, loaded.margins, m.tableau,
                          options.max_pivots > 0 ? options.max_pivots : 50 * m.tableau.size + 100,
                          options.tolerance * loaded.margins.scale};
      at = Team::apart(work);
    }
    const double gap = loaded.good ? math::max(at.gap / loaded.margins.scale, 0.0) : nan;
    const bool solved = gap <= options.tolerance;
    team.each(games.written(b), [&](std::int64_t i) PREFER_HD_LAMBDA { store(b, i, solved ? 0 : nan); });
    if (solved)
      team.each(m.tableau.size, [&](std::int64_t i) PREFER_HD_LAMBDA { store(b, m.action[i], m.tableau.best[i]); });
    team.each(1, [&](std::int64_t) PREFER_HD_LAMBDA {
      store_entry(exploitability, b, gap), store_entry(pivots, b, at.pivots), store_entry(converged, b, solved);
    });
    return {loaded.good, solved, gap};
  }
};

template <space S, class T>
status make_minimax_plan(const games<S, T>& in, const minimax_options& options, const minimax_outputs<S, T>& out,
                         minimax_plan<T>& plan) {
  if (const status s = make_games(in, plan.games); !s.ok()) return s;
  const std::int64_t batch = plan.games.batch;
  require::footprints<6, 5> all;
  read_games(in, all);
  all.write(require::footprint_of("probability", out.probability));
  all.write(require::footprint_of("policy", out.policy));
  all.write(require::footprint_of("exploitability", out.exploitability));
  all.write(require::footprint_of("pivots", out.pivots)), all.write(require::footprint_of("converged", out.converged));
  plan.options = options;
  plan.probability = any_space(out.probability), plan.policy = any_space(out.policy);
  plan.exploitability = any_space(out.exploitability);
  plan.pivots = any_space(out.pivots), plan.converged = any_space(out.converged);
  return first_error(
      refuse_reference(in), require::positive(options.tolerance, "tolerance"),
      require::that(options.max_pivots >= 0, "max_pivots", static_cast<double>(options.max_pivots), "0 or above"),
      check_actions("probability", out.probability, plan.games),
      check_actions("policy", out.policy, plan.games),
      check_shape("exploitability", out.exploitability, {batch}, false),
      check_shape("pivots", out.pivots, {batch}, false), check_shape("converged", out.converged, {batch}, false),
      require_output(out.probability, out.policy, out.exploitability, out.pivots, out.converged), all.check());
}

}  // namespace detail

// Bytes of workspace for `batch` games of up to n actions. On CUDA games of up to about 70 actions need none.
inline std::size_t minimax_winner_workspace(const cpu&, std::int64_t batch, std::int64_t n) {
  return detail::solver_workspace<detail::minimax_plan<double>>(batch, n);
}

// The minimax winners of all games: p, log p, and how far p is from optimal, which is at most `tolerance` or the game
// is not solved. On the CPU a game is worked on by one of the caller's threads, a game alone and
// games of 2048 actions and more by all of them (from about 360 actions), with the same bits; the workspace is
// exec.workspace (minimax_winner_workspace bytes), and which instruction-set level runs shows in the last bits only. On
// CUDA a block of threads solves a game, in shared memory if it has up to about 70 actions, in one launch for the whole
// batch; any size is solved, but a large game by one block: hundreds of games of 64 actions, or a few of 1000, are what
// that is for.
//
// Errors: shapes; a probability outside [0, 1], NaN, P + P' off from 1, no possible action (check_games; on CUDA the
// game's numbers are NaN and the report names the entry, see game.cuh); options outside their range; no output.
// not_converged names the first game that max_pivots or rounding left above the tolerance; its policy is NaN, its
// exploitability the best that was reached, and all other games are answered. Preferences are read as (P - P') / 2 +
// 1/2.
template <class T = double, class Exec>
status minimax_winner(const Exec& exec, const std::type_identity_t<games<Exec::memory, T>>& in,
                      const minimax_options& options,
                      const std::type_identity_t<minimax_outputs<Exec::memory, T>>& out) {
  detail::minimax_plan<T> plan;
  if (const status s = detail::make_minimax_plan(in, options, out, plan); !s.ok()) return s;
  if (const status s = detail::check_games(exec, plan.games); !s.ok()) return s;
  return detail::solve_games(exec, plan, "exploitability");
}

}  // namespace PREFER_ABI
}  // namespace prefer
