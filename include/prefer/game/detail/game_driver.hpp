// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/dispatch.hpp>
#include <prefer/backend/cpu/map_reduce.hpp>
#include <prefer/backend/cpu/row_products.hpp>
#include <prefer/core/arena.hpp>
#include <prefer/game/detail/rounds.hpp>

#include <cstdint>
#include <type_traits>

// Batches of games through the pieces of rounds.hpp, on the CPU; game_driver.cuh has the CUDA half.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// What a call does with every game, and where its results go; a view without data is not wanted.
template <class T>
struct game_plan {
  game_tables<T> games;
  view<const T, 2> start;
  std::int64_t max_steps = 0, every = 1;
  double tolerance = 0;
  scalar temperature = 0;  // of the measured gap
  bool measure_average = false, averaging = false, measuring = false;

  view<T, 2> policy, average, response, wins;
  view<double, 1> gap, exploitability;
  view<std::int64_t, 1> iterations, action;
  view<bool, 1> converged;
  view<double, 2> history;

  PREFER_HD bool measures(std::int64_t steps) const {
    return measuring && (steps % every == 0 || steps == max_steps);
  }

  // Action i of game b before the first step; padding and actions that are not possible have no mass.
  PREFER_HD void start_action(std::int64_t b, std::int64_t i, std::int64_t n, const game_vectors& v) const {
    const bool there = i < n && games.can_play(b, i);
    const double none = -math::detail::infinity<double>();
    v.reference[i] = there ? games.log_weight(b, i) : none;
    v.policy[i] =
        there && start.data != nullptr ? static_cast<double>(games.place(start, b, i)) : v.reference[i];
    v.weight[i] = v.wins[i] = v.own[i] = v.sum[i] = 0;
  }

  // Whether a gap ends the game: it is small enough, or NaN, which no step would change.
  PREFER_HD bool ends(double measured) const { return measured <= tolerance || math::is_nan(measured); }

  PREFER_HD void record(std::int64_t b, const game_progress& at) const {
    if (history.data != nullptr && at.steps > 0 && at.steps % every == 0)
      history.data[b * history.stride[0] + (at.steps / every - 1) * history.stride[1]] = at.gap;
  }

  // What one thread writes about a game, and about action i of it.
  PREFER_HD void finish_game(std::int64_t b, const game_progress& at) const {
    if (gap.data != nullptr) gap.data[b * gap.stride[0]] = at.gap;
    if (iterations.data != nullptr) iterations.data[b * iterations.stride[0]] = at.steps;
    if (converged.data != nullptr) converged.data[b * converged.stride[0]] = at.gap <= tolerance;
    for (std::int64_t k = at.steps / every; k < history.extent[1]; ++k)
      history.data[b * history.stride[0] + k * history.stride[1]] = math::detail::not_a_number<double>();
  }
  PREFER_HD void finish_action(std::int64_t b, std::int64_t i, std::int64_t n, const game_vectors& v,
                               const game_progress& at) const {
    const double none = n == 0 ? math::detail::not_a_number<double>() : -math::detail::infinity<double>();
    const double log_policy = i < n ? v.policy[i] - at.normalizer : none;
    store(policy, b, i, log_policy);
    if (average.data == nullptr) return;
    store(average, b, i,
          i >= n || at.steps == 0 ? log_policy : math::log(v.sum[i] / static_cast<double>(at.steps)));
  }
  // The same of a game whose start was only measured.
  PREFER_HD std::int64_t best_action(std::int64_t b, std::int64_t n, const game_vectors& v) const {
    std::int64_t best = -1;
    for (std::int64_t i = 0; i < n; ++i)
      if (games.can_play(b, i) && (best < 0 || v.wins[i] > v.wins[best])) best = i;
    return best;
  }
  PREFER_HD void finish_measured(std::int64_t b, std::int64_t best, const game_measurement& m) const {
    if (exploitability.data != nullptr) exploitability.data[b * exploitability.stride[0]] = m.exploitability;
    if (action.data != nullptr) action.data[b * action.stride[0]] = best;
  }
  PREFER_HD void finish_response(std::int64_t b, std::int64_t i, std::int64_t n, const game_vectors& v,
                                 std::int64_t best, const game_measurement& m) const {
    const double nan = math::detail::not_a_number<double>(), none = -math::detail::infinity<double>();
    store(wins, b, i, i < n ? v.wins[i] : n == 0 ? nan : 0);
    if (i >= n)
      store(response, b, i, n == 0 ? nan : none);
    else if (const double tau = temperature.as<double>(); tau == 0)
      store(response, b, i, i == best ? 0 : none);
    else
      store(response, b, i, v.reference[i] + v.wins[i] / tau - m.normalizer);
  }
  PREFER_HD void store(const view<T, 2>& to, std::int64_t b, std::int64_t i, double x) const {
    if (to.data != nullptr) games.place(to, b, i) = static_cast<T>(x);
  }
};

// A team of one thread with lanes.
template <class Level>
struct game_lanes {
  using value = lane<double, Level>;
  std::int64_t n;  // padded

  static PREFER_HD value load(const double* p, std::int64_t i) { return value::load(p + i); }
  static PREFER_HD void store(double* p, std::int64_t i, const value& x) { x.store(p + i); }
  template <class F>
  PREFER_HD void each(const F& f) const {
    for (std::int64_t i = 0; i < n; i += value::width) f(i);
  }
  template <class F>
  PREFER_HD double total(const F& f) const {
    value sum(0);
    for (std::int64_t i = 0; i < n; i += value::width) sum += f(i);
    return sum.sum();
  }
  template <class F>
  PREFER_HD double largest(const F& f) const {
    value top = f(0);
    for (std::int64_t i = value::width; i < n; i += value::width) top = math::max(f(i), top);
    double all[value::width];
    top.store(all);
    double best = all[0];
    for (double x : all) best = x > best ? x : best;
    return best;
  }
};

// wins(i) = sum_j P(i, j) weight(j) for rows first <= i < last of game b. What an action that is never played would
// give is irrelevant, be it NaN.
template <class T>
struct game_product_job {
  const game_tables<T>* games;
  game_matrix<const T> table;
  std::int64_t b, n, first, last;
  const T* weight;
  double* wins;
};
template <class T>
struct game_product_work {
  template <class Level>
  static PREFER_HD void run(game_product_job<T>& j) {
    if (j.table.column != 1) return strided(j);
    constexpr int at_once = product_rows<T, Level>;
    std::int64_t i = j.first;
    for (; i + at_once <= j.last; i += at_once) rows<Level, at_once>(j, i);
    for (; i < j.last; ++i) rows<Level, 1>(j, i);
  }

  template <class Level, int Rows>
  static PREFER_HD void rows(game_product_job<T>& j, std::int64_t i) {
    const T* p[Rows];
    double sum[Rows] = {};
    for (int r = 0; r < Rows; ++r) p[r] = &j.table(i + r, 0);
    for (std::int64_t from = 0; from < j.n; from += product_tile)
      add_row_products<lane<T, Level>, true, Rows>(p, j.weight, from, smaller(from + product_tile, j.n), sum);
    for (int r = 0; r < Rows; ++r) j.wins[i + r] = j.games->can_play(j.b, i + r) ? sum[r] : 0;
  }

  static PREFER_HD void strided(game_product_job<T>& j) {
    for (std::int64_t i = j.first; i < j.last; ++i) {
      double sum = 0;
      for (std::int64_t c = 0; c < j.n; ++c)
        if (j.weight[c] != 0) sum += static_cast<double>(j.table(i, c)) * static_cast<double>(j.weight[c]);
      j.wins[i] = j.games->can_play(j.b, i) ? sum : 0;
    }
  }
};

// The same for a small game from a copy of its table, column after column and padded, in which what cannot be played is
// 0: no sum over a lane, no remainder, any strides.
struct game_column_job {
  const double* columns;
  std::int64_t n, padded;
  const double* weight;
  double* wins;
};
struct game_column_work {
  template <class Level>
  static PREFER_HD void run(game_column_job& j) {
    std::int64_t i = 0;
    passes<Level, 8 / lane<double, Level>::count>(j, i);
  }
  template <class Level, int Lanes>
  static PREFER_HD void passes(const game_column_job& j, std::int64_t& i) {
    using V = lane<double, Level>;
    for (; i + Lanes * V::width <= j.padded; i += Lanes * V::width) {
      V sum[Lanes];
      unrolled<Lanes>([&](int l) PREFER_HD_LAMBDA { sum[l] = V(0); });
      for (std::int64_t c = 0; c < j.n; ++c) {
        const V w(j.weight[c]);
        unrolled<Lanes>([&](int l) PREFER_HD_LAMBDA {
          sum[l] = math::fma(V::load(j.columns + c * j.padded + i + l * V::width), w, sum[l]);
        });
      }
      unrolled<Lanes>([&](int l) PREFER_HD_LAMBDA { sum[l].store(j.wins + i + l * V::width); });
    }
    if constexpr (Lanes > 1) passes<Level, Lanes / 2>(j, i);
  }
};
template <class T>
void copy_columns(const game_tables<T>& g, std::int64_t b, std::int64_t n, std::int64_t padded, double* columns) {
  const game_matrix<const T> table = g.preferences(b);
  for (std::int64_t c = 0; c < n; ++c)
    for (std::int64_t i = 0; i < padded; ++i)
      columns[c * padded + i] =
          i < n && g.can_play(b, i) && g.can_play(b, c) ? static_cast<double>(table(i, c)) : 0;
}

// The pieces that know the method, and those that do not, at one level each.
struct game_piece {
  enum kind { prepare, opponent, move, measured, gap, response } piece;
  const game_vectors* v;
  game_progress* at;
  std::int64_t padded;
  int phase = 0;
  bool average = false;
  double temperature = 0;
  game_measurement result = {};
};
template <class Method>
struct game_method_job : game_piece {
  const Method* method;
};
template <class Method>
struct game_method_work {
  template <class Level>
  static PREFER_HD void run(game_method_job<Method>& j) {
    const game_lanes<Level> team{j.padded};
    if (j.piece == game_piece::prepare) prepare_method(team, *j.method, *j.v);
    if (j.piece == game_piece::opponent) choose_opponent(team, *j.method, *j.v, j.phase, *j.at);
    if (j.piece == game_piece::move) move_policy(team, *j.method, *j.v, j.phase, j.average, *j.at);
  }
};
struct game_measure_work {
  template <class Level>
  static PREFER_HD void run(game_piece& j) {
    const game_lanes<Level> team{j.padded};
    if (j.piece == game_piece::measured) choose_measured(team, *j.v, j.average, *j.at);
    if (j.piece == game_piece::gap) j.at->gap = measured_gap(team, *j.v, j.temperature);
    if (j.piece == game_piece::response) j.result = measure_response(team, *j.v, j.temperature);
  }
};

inline constexpr std::int64_t copied_size = 128;        // actions up to which a game's table is copied
inline constexpr std::int64_t vectors_in_shared = 512;  // on CUDA
inline constexpr std::int64_t split_size = 1024;        // actions from which one product is work for many threads
inline constexpr std::int64_t game_chunks = 64;         // of a batch, with memory of their own

// Doubles of memory that a game of up to `width` actions needs: its vectors, and a copy of its table, if it is small,
// or of weights as floats.
template <class T>
std::int64_t game_memory(std::int64_t width) {
  const std::int64_t padded = padded_actions(width), small = smaller(width, copied_size);
  const std::int64_t of_small = (game_vector_count + small) * padded_actions(small);
  const std::int64_t of_large = (game_vector_count + (sizeof(T) == 4 ? 1 : 0)) * padded;
  return of_large > of_small ? of_large : of_small;
}

}  // namespace detail

// Bytes of workspace for self_play and duality_gap of games of up to so many actions, on either backend: what 64 games
// need at a time on the CPU, or the vectors of all on CUDA if they have more than 512 actions.
template <class T = double>
std::size_t game_workspace(std::int64_t batch, std::int64_t actions) {
  const std::int64_t at_once = detail::smaller(batch, detail::game_chunks) * detail::game_memory<T>(actions);
  const std::int64_t all = actions <= detail::vectors_in_shared
                               ? 0
                               : batch * (detail::game_vector_count * detail::padded_actions(actions) + 8);
  return static_cast<std::size_t>(all > at_once ? all : at_once) * sizeof(double) + 1024;
}

namespace detail {

// One game on the CPU: a `Run` of play_game. `split` says that the rows of a product go to the caller's threads.
template <class T>
struct measured_run {
  const cpu& exec;
  const game_plan<T>& plan;
  isa level;
  std::int64_t b, n, padded;
  bool split;
  double* memory;
  game_vectors v;

  measured_run(const cpu& e, const game_plan<T>& p, isa l, std::int64_t game, bool s, double* m)
      : exec(e),
        plan(p),
        level(l),
        b(game),
        n(p.games.size(game)),
        padded(padded_actions(n > 0 ? n : 1)),
        split(s),
        memory(m),
        v(m, padded) {}

  bool copied() const { return n <= copied_size; }
  double* after_vectors() const { return memory + game_vector_count * padded; }
  void load() {
    for (std::int64_t i = 0; i < padded; ++i) plan.start_action(b, i, n, v);
    if (copied()) copy_columns(plan.games, b, n, padded, after_vectors());
  }
  game_piece job(game_piece::kind piece, game_progress& at) const {
    return {.piece = piece,
            .v = &v,
            .at = &at,
            .padded = padded,
            .average = plan.measure_average,
            .temperature = plan.temperature.template as<double>()};
  }
  void choose_measured(game_progress& at) {
    game_piece j = job(game_piece::measured, at);
    run_at<game_measure_work>(level, j);
  }
  void measure(game_progress& at) {
    game_piece j = job(game_piece::gap, at);
    run_at<game_measure_work>(level, j);
    at.done = plan.ends(at.gap);
    plan.record(b, at);
  }
  void multiply() {
    if (copied()) {
      game_column_job j{after_vectors(), n, padded, v.weight, v.wins};
      return run_at<game_column_work>(level, j);
    }
    const T* weight;
    if constexpr (std::is_same_v<T, double>) {
      weight = v.weight;
    } else {
      T* const narrow = reinterpret_cast<T*>(after_vectors());
      for (std::int64_t i = 0; i < n; ++i) narrow[i] = static_cast<T>(v.weight[i]);
      weight = narrow;
    }
    const auto part = [&](std::int64_t first, std::int64_t last) {
      game_product_job<T> j{&plan.games, plan.games.preferences(b), b, n, first, last, weight, v.wins};
      run_at<game_product_work<T>>(level, j);
    };
    split ? for_blocks(exec, n, n * n, part) : part(0, n);
  }
};

template <class T, class Method>
struct played_run : measured_run<T> {
  static constexpr int phases = Method::phases;
  const Method& method;

  template <class... A>
  explicit played_run(const Method& m, const A&... a) : measured_run<T>(a...), method(m) {}

  void method_piece(game_piece::kind piece, int phase, game_progress& at) {
    game_method_job<Method> j{this->job(piece, at), &method};
    j.phase = phase;
    j.average = this->plan.averaging;
    run_at<game_method_work<Method>>(this->level, j);
  }
  void start(game_progress& at) {
    this->load();
    method_piece(game_piece::prepare, 0, at);
  }
  void choose_opponent(int phase, game_progress& at) { method_piece(game_piece::opponent, phase, at); }
  void move_policy(int phase, game_progress& at) { method_piece(game_piece::move, phase, at); }
  void finish(game_progress& at) {
    game_piece last = this->job(game_piece::measured, at);
    last.average = false;
    run_at<game_measure_work>(this->level, last);
    this->plan.finish_game(this->b, at);
    for (std::int64_t i = 0; i < this->plan.games.written(this->b); ++i)
      this->plan.finish_action(this->b, i, this->n, this->v, at);
  }
};

// One game whose start is only measured.
template <class T>
void measure_start(measured_run<T> run) {
  const game_plan<T>& plan = run.plan;
  game_progress at;
  run.load();
  measure_game(run, at);
  game_piece j = run.job(game_piece::response, at);
  run_at<game_measure_work>(run.level, j);
  const std::int64_t best = plan.best_action(run.b, run.n, run.v);
  plan.finish_game(run.b, at);
  plan.finish_measured(run.b, best, j.result);
  for (std::int64_t i = 0; i < plan.games.written(run.b); ++i)
    plan.finish_response(run.b, i, run.n, run.v, best, j.result);
}

// Runs play(b, split, memory) for every game, each on one thread or, if they are large, on all.
template <class T, class F>
status for_games(const cpu& exec, const game_plan<T>& plan, const F& play) {
  const std::int64_t batch = plan.games.batch, width = plan.games.width;
  const bool split = batch == 1 || width >= split_size;
  const std::int64_t chunks = split ? 1 : smaller(batch, game_chunks), per_game = game_memory<T>(width);
  arena measured, lent;
  measured.take<double>(chunks * per_game);
  if (const status s = lend(exec, measured, lent); !s.ok()) return s;
  double* const memory = lent.take<double>(chunks * per_game);
  if (split) {
    for (std::int64_t b = 0; b < batch; ++b) play(b, true, memory);
    return {};
  }
  const std::int64_t steps = plan.max_steps + 1;
  for_blocks(exec, chunks, batch * width * (width + 64) * smaller(steps, 1024),
             [&](std::int64_t first, std::int64_t last) {
               for (std::int64_t c = first; c < last; ++c)
                 for (std::int64_t b = batch * c / chunks; b < batch * (c + 1) / chunks; ++b)
                   play(b, false, memory + c * per_game);
             });
  return {};
}

template <class T, class Method>
status play_games(const cpu& exec, const Method& method, const game_plan<T>& plan) {
  isa level;
  if (const status s = resolve_isa(exec, level); !s.ok()) return s;
  return for_games(exec, plan, [&](std::int64_t b, bool split, double* memory) {
    played_run<T, Method> run(method, exec, plan, level, b, split, memory);
    play_game(run, plan);
  });
}
template <class T>
status measure_games(const cpu& exec, const game_plan<T>& plan) {
  isa level;
  if (const status s = resolve_isa(exec, level); !s.ok()) return s;
  return for_games(exec, plan, [&](std::int64_t b, bool split, double* memory) {
    measure_start(measured_run<T>(exec, plan, level, b, split, memory));
  });
}

template <class Exec, class T, class Method>
status play_games(const Exec&, const Method&, const game_plan<T>&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}
template <class Exec, class T>
status measure_games(const Exec&, const game_plan<T>&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
