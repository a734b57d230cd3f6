// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/game/detail/exact_solver.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

// What voting theory reads from a table of preferences, action by action; A = (P - P') / 2, and only possible actions
// count.
//
//   Condorcet winner   the action that beats every other, A_ij > 0 for all j != i; there is at most one
//   Copeland score     how many others it beats, a tie (A_ij = 0, exactly) being half
//   Borda score        mean over j != i of P(i, j): its win rate against another action at random
//
// A Condorcet winner is the minimax winner and has the largest Copeland score, but not always the largest Borda score:
// this is where a Bradley-Terry reward, which orders by win rates, picks another action. An action alone is the
// Condorcet winner, with scores 0 and 1/2. Source: Brandt et al. 2016, Handbook of Computational Social Choice,
// chapters 1 and 3.
namespace prefer {

// All optional, but not all absent.
template <space Space>
struct tournament_outputs {
  view<std::int64_t, 1, Space> condorcet = {};  // [B]: the Condorcet winner, or -1
  view<double, 2, Space> copeland = {};         // [B, n]; 0 for actions that are not possible
  view<double, 2, Space> borda = {};            // [B, n]; 0 for actions that are not possible
};

inline namespace PREFER_ABI {
namespace detail {

template <class T>
struct tournament_plan {
  game_tables<T> games;
  view<std::int64_t, 1> condorcet;
  view<double, 2> copeland, borda;

  struct memory_type {
    std::int32_t* action;
  };
  template <class Team>
  static PREFER_HD memory_type carve(arena& memory, std::int64_t n) {
    return {memory.take<std::int32_t>(n)};
  }

  PREFER_HD double limit() const { return 0; }

  // The scores of the i-th possible action; returns how many others it does not beat.
  PREFER_HD double score(std::int64_t b, std::int64_t i, const game_margins& m) const {
    double beaten = 0, ties = 0, sum = 0;
    for (std::int64_t j = 0; j < m.size; ++j) {
      if (j == i) continue;
      const double a = m.at(i, j);
      beaten += a > 0 ? 1 : 0, ties += a == 0 ? 1 : 0, sum += a;
    }
    const double others = static_cast<double>(m.size - 1);
    store_action(games, copeland, b, m.action[i], beaten + 0.5 * ties);
    store_action(games, borda, b, m.action[i], 0.5 + (others > 0 ? sum / others : 0));
    return others - beaten;
  }

  template <class Team>
  PREFER_HD game_answer solve(const Team& team, std::int64_t b, memory_type& m) const {
    game_loaded loaded = load_game(team, games, b, m.action);
    loaded.margins.scale = 1;
    const double elsewhere = loaded.good ? 0 : math::detail::not_a_number<double>();
    team.each(games.written(b), [&](std::int64_t i) PREFER_HD_LAMBDA {
      store_action(games, copeland, b, i, elsewhere), store_action(games, borda, b, i, elsewhere);
    });
    least_entry winner = {1, 0};
    if (loaded.good)
      winner =
          team.least(loaded.margins.size, [&](std::int64_t i) PREFER_HD_LAMBDA { return score(b, i, loaded.margins); });
    team.each(1, [&](std::int64_t) PREFER_HD_LAMBDA {
      store_entry(condorcet, b, winner.value == 0 ? std::int64_t{m.action[winner.index]} : std::int64_t{-1});
    });
    return {loaded.good, true, 0};
  }
};

}  // namespace detail

inline std::size_t tournament_scores_workspace(const cpu&, std::int64_t batch, std::int64_t n) {
  return detail::solver_workspace<detail::tournament_plan<double>>(batch, n);
}

// The scores of all actions of all games. Backends, workspace (tournament_scores_workspace bytes; on CUDA none below
// about 11000 actions) and errors of content as minimax_winner's. Cost: n^2 per game.
template <class T = double, class Exec>
status tournament_scores(const Exec& exec, const std::type_identity_t<games<Exec::memory, T>>& in,
                         const tournament_outputs<Exec::memory>& out) {
  detail::tournament_plan<T> plan;
  if (const status s = detail::make_games(in, plan.games); !s.ok()) return s;
  const std::int64_t batch = plan.games.batch;
  require::footprints<6, 3> all;
  detail::read_games(in, all);
  all.write(require::footprint_of("condorcet", out.condorcet));
  all.write(require::footprint_of("copeland", out.copeland)), all.write(require::footprint_of("borda", out.borda));
  const status checks =
      first_error(detail::refuse_reference(in), detail::check_shape("condorcet", out.condorcet, {batch}, false),
                  detail::check_actions("copeland", out.copeland, plan.games),
                  detail::check_actions("borda", out.borda, plan.games),
                  detail::require_output(out.condorcet, out.copeland, out.borda), all.check(),
                  detail::check_games(exec, plan.games));
  if (!checks.ok()) return checks;
  plan.condorcet = detail::any_space(out.condorcet);
  plan.copeland = detail::any_space(out.copeland), plan.borda = detail::any_space(out.borda);
  return detail::solve_games(exec, plan, "tournament_scores");
}

}  // namespace PREFER_ABI
}  // namespace prefer
