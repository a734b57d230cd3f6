// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/map_reduce.hpp>
#include <prefer/core/arena.hpp>
#include <prefer/game/detail/game_margins.hpp>
#include <prefer/game/detail/solver_team.hpp>

#include <cstddef>
#include <cstdint>

// What the exact solvers share: reading a game, and running a batch on the CPU (exact_solver.cuh has the CUDA half).
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// What became of one game.
struct game_answer {
  bool good, solved;  // good: its preferences are a game
  double gap;
};

struct game_loaded {
  bool good;
  game_margins margins;
};

// Action i of game b: can the solver use it?
template <class T>
PREFER_HD bool has_weight(const game_tables<T>& g, std::int64_t b, std::int64_t i) {
  return g.log_weight(b, i) > -math::detail::infinity<double>();
}

// 1 for an action whose weight or preferences are not numbers that a game has.
template <class T>
PREFER_HD double broken_action(const game_tables<T>& g, std::int64_t b, std::int64_t i) {
  const double w = g.log_weight(b, i);
  return math::is_nan(w) || w == math::detail::infinity<double>() ? 1 : 0;
}
template <class T>
PREFER_HD double broken_row(const game_matrix<const T>& m, const std::int32_t* action, std::int64_t i) {
  for (std::int64_t j = 0; j <= i; ++j)
    if (entry_error(m, action[i], action[j]) != errc::ok || entry_error(m, action[j], action[i]) != errc::ok) return 1;
  return 0;
}

// The actions of game b that have weight, in their order, into `action`, and their margins, scaled to at most 1.
template <class Team, class T>
PREFER_HD game_loaded load_game(const Team& team, const game_tables<T>& g, std::int64_t b, std::int32_t* action) {
  const std::int64_t n = g.size(b);
  team.each(1, [&](std::int64_t) PREFER_HD_LAMBDA {
    std::int64_t count = 0;
    for (std::int64_t i = 0; i < n; ++i)
      if (has_weight(g, b, i)) action[count++] = static_cast<std::int32_t>(i);
  });
  game_loaded r = {true, game_margins::of(g, b, action)};
  r.margins.size = static_cast<std::int64_t>(
      team.total(n, [&](std::int64_t i) PREFER_HD_LAMBDA { return has_weight(g, b, i) ? 1.0 : 0.0; }));
  const game_matrix<const T> table = g.preferences(b);
  const double broken = team.total(n, [&](std::int64_t i) PREFER_HD_LAMBDA {
    return broken_action(g, b, i);
  }) + team.total(r.margins.size, [&](std::int64_t i) PREFER_HD_LAMBDA { return broken_row(table, action, i); });
  r.good = r.margins.size > 0 && broken == 0;
  if (!r.good) return r;
  const double largest = -team.least(r.margins.size,
                                     [&](std::int64_t i) PREFER_HD_LAMBDA {
                                       double most = 0;
                                       for (std::int64_t j = 0; j < i; ++j)
                                         most = math::max(math::abs(r.margins.at(i, j)), most);
                                       return -most;
                                     })
                              .value;
  if (largest > 0) r.margins.scale = 1 / largest;
  return r;
}

// What no output has to be given for.
template <class T, class X>
PREFER_HD void store_entry(const view<T, 1>& to, std::int64_t b, const X& x) {
  if (to.data != nullptr) to.data[b * to.stride[0]] = x;
}
template <class T, class X>
PREFER_HD void store_action(const game_layout& g, const view<T, 2>& to, std::int64_t b, std::int64_t i, const X& x) {
  if (to.data != nullptr) g.place(to, b, i) = x;
}

template <space S, class T>
status refuse_reference(const games<S, T>& in) {
  return in.reference.data == nullptr
             ? status{}
             : require::fail(errc::unused_input, "reference", "no reference: all possible actions are equal here");
}

template <class... View>
status require_output(const View&... v) {
  return (... || (v.data != nullptr)) ? status{}
                                      : require::fail(errc::missing_output, "outputs", "at least one output");
}

// Games are dealt to chunks, which have memory of their own and may run at the same time.
inline std::int64_t solver_chunks(std::int64_t batch, std::int64_t n) {
  constexpr std::int64_t most = 64, entries = std::int64_t{1} << 23;
  const std::int64_t fit = n > 0 ? entries / (n * n) : most;
  return smaller(batch, smaller(most, fit > 2 ? fit : 2));
}

// From so many actions on games are solved one after the other, each with all threads.
inline constexpr std::int64_t one_by_one_size = 2048;

struct chunk_result {
  std::int64_t broken = -1, unsolved = -1;  // the first game of each kind
  double gap = 0;
};

template <class Plan>
void measure_solver(arena& memory, std::int64_t batch, std::int64_t n) {
  const std::int64_t chunks = solver_chunks(batch, n);
  memory.take<chunk_result>(chunks);
  for (std::int64_t c = 0; c < chunks; ++c) Plan::template carve<serial_team>(memory, n);
}
template <class Plan>
std::size_t solver_workspace(std::int64_t batch, std::int64_t n) {
  arena measured;
  measure_solver<Plan>(measured, batch, n);
  return measured.bytes();
}

template <class Plan>
void solve_chunk(const serial_team& team, const Plan& plan, std::int64_t first, std::int64_t last,
                 typename Plan::memory_type& memory, chunk_result& result) {
  for (std::int64_t b = first; b < last; ++b) {
    const game_answer a = plan.solve(team, b, memory);
    if (!a.good && result.broken < 0) result.broken = b;
    if (a.good && !a.solved && result.unsolved < 0) result.unsolved = b, result.gap = a.gap;
  }
}

// plan.solve(team, b, memory) for all games; `measure` names what is above the limit where a game is not solved.
template <class Plan>
status solve_games(const cpu& exec, const Plan& plan, const char* measure) {
  serial_team team;
  if (const status s = resolve_isa(exec, team.level); !s.ok()) return s;
  const std::int64_t batch = plan.games.batch, n = plan.games.width, chunks = solver_chunks(batch, n);
  arena measured, lent;
  measure_solver<Plan>(measured, batch, n);
  if (const status s = lend(exec, measured, lent); !s.ok()) return s;
  chunk_result* const results = lent.take<chunk_result>(chunks);
  const arena memory = lent;
  const bool one_by_one = batch == 1 || n >= one_by_one_size;
  if (one_by_one) team.lent = &exec;
  for_blocks(one_by_one ? cpu{} : exec, chunks, batch * n * n * n, [&](std::int64_t begin, std::int64_t end) {
    arena own = memory;
    for (std::int64_t c = 0; c < end; ++c) {
      typename Plan::memory_type m = Plan::template carve<serial_team>(own, n);
      if (c < begin) continue;
      results[c] = {};
      solve_chunk(team, plan, batch * c / chunks, batch * (c + 1) / chunks, m, results[c]);
    }
  });
  for (std::int64_t c = 0; c < chunks; ++c) {
    if (results[c].broken >= 0)
      return require::fail(errc::bad_label, "preference", "probabilities with P + P' = 1", 0, 0, results[c].broken);
    if (results[c].unsolved >= 0)
      return require::fail(errc::not_converged, measure, "at most", results[c].gap, plan.limit(), results[c].unsolved);
  }
  return {};
}

template <class Exec, class Plan>
status solve_games(const Exec&, const Plan&, const char*) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
