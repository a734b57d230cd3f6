// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/launch.cuh>
#include <prefer/game/detail/game_driver.hpp>
#include <prefer/game/game.cuh>

#include <cstddef>
#include <cstdint>

// The CUDA half of game_driver.hpp: a block of threads per game, or, for large games, launches per product.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline constexpr std::int64_t copied_to_shared = 64;  // actions up to which a game's table is copied
inline constexpr int game_threads = 256;

inline int game_threads_for(std::int64_t width) { return width <= 32 ? 32 : width <= 64 ? 64 : game_threads; }

PREFER_HD std::int64_t table_pitch(std::int64_t n) { return n | 1; }  // rows of threads side by side in other banks

// A block as a team: elements go round the threads, sums are combined in the order of warps.
struct game_block {
  using value = double;
  std::int64_t n;
  double* shared;  // one double per warp

  static PREFER_HD int thread() {
#if defined(__CUDA_ARCH__)
    return static_cast<int>(threadIdx.x);
#else
    return 0;
#endif
  }
  static PREFER_HD int threads() {
#if defined(__CUDA_ARCH__)
    return static_cast<int>(blockDim.x);
#else
    return 1;
#endif
  }
  static PREFER_HD void wait() {
#if defined(__CUDA_ARCH__)
    __syncthreads();
#endif
  }
  static PREFER_HD double other_lane([[maybe_unused]] double x, [[maybe_unused]] int step) {
#if defined(__CUDA_ARCH__)
    return __shfl_xor_sync(0xffffffffu, x, step);
#else
    return x;
#endif
  }

  template <class Combine>
  static PREFER_HD double over_warp(double x, const Combine& combine) {
    for (int step = 16; step > 0; step /= 2) x = combine(x, other_lane(x, step));
    return x;
  }
  template <class Combine>
  PREFER_HD double over_block(double x, const Combine& combine) const {
    x = over_warp(x, combine);
    if (threads() == 32) return x;
    if (thread() % 32 == 0) shared[thread() / 32] = x;
    wait();
    x = shared[0];
    for (int warp = 1; warp < threads() / 32; ++warp) x = combine(x, shared[warp]);
    wait();
    return x;
  }

  static PREFER_HD double load(const double* p, std::int64_t i) { return p[i]; }
  static PREFER_HD void store(double* p, std::int64_t i, double x) { p[i] = x; }
  template <class F>
  PREFER_HD void each(const F& f) const {
    for (std::int64_t i = thread(); i < n; i += threads()) f(i);
  }
  template <class F>
  PREFER_HD double total(const F& f) const {
    double sum = 0;
    for (std::int64_t i = thread(); i < n; i += threads()) sum += f(i);
    return over_block(sum, [](double x, double y) PREFER_HD_LAMBDA { return x + y; });
  }
  template <class F>
  PREFER_HD double largest(const F& f) const {
    double top = -math::detail::infinity<double>();
    for (std::int64_t i = thread(); i < n; i += threads()) top = math::max(f(i), top);
    return over_block(top, [](double x, double y) PREFER_HD_LAMBDA { return math::max(x, y); });
  }
};

// What lane `lane` of a warp has of row i's product; see game_product_work.
template <class T>
PREFER_HD double lane_product(const game_tables<T>& g, std::int64_t b, std::int64_t i, std::int64_t n,
                              const double* weight, int lane) {
  const game_matrix<const T> table = g.preferences(b);
  const T* const row = &table(i, 0);
  const std::int64_t stride = table.column;
  double sum = 0;
  for (std::int64_t from = lane; from < n; from += product_tile) {
    const std::int64_t to = n < from + product_tile ? n : from + product_tile;
    T part = 0;
    for (std::int64_t c = from; c < to; c += 32) {
      const T w = static_cast<T>(weight[c]);
      part += w == 0 ? T(0) : row[c * stride] * w;
    }
    sum += static_cast<double>(part);
  }
  return game_block::over_warp(sum, [](double x, double y) PREFER_HD_LAMBDA { return x + y; });
}

// One game of a block: a run of play_game whose start is what is measured.
template <class T>
struct game_block_run {
  const game_plan<T>& plan;
  std::int64_t b, n;
  game_block team;
  game_vectors v;
  T* table;  // a copy of the preferences, or null

  PREFER_HD game_block_run(const game_plan<T>& p, std::int64_t game, double* shared, double* memory, T* copy)
      : plan(p),
        b(game),
        n(p.games.size(game)),
        team{n > 0 ? n : 1, shared},
        v(memory, padded_actions(team.n)),
        table(copy) {}

  PREFER_HD void load() {
    team.each([&](std::int64_t i) PREFER_HD_LAMBDA { plan.start_action(b, i, n, v); });
    if (table == nullptr) return;
    const T nan = math::detail::not_a_number<T>();
    const game_matrix<const T> from = plan.games.preferences(b);
    for (std::int64_t k = team.thread(); k < n * n; k += team.threads())
      table[k / n * table_pitch(n) + k % n] = plan.games.can_play(b, k / n) ? from(k / n, k % n) : nan;
  }
  PREFER_HD void choose_measured(game_progress& at) {
    detail::choose_measured(team, v, plan.measure_average, at);
  }
  PREFER_HD void measure(game_progress& at) {
    at.gap = measured_gap(team, v, plan.temperature.template as<double>());
    at.done = plan.ends(at.gap);
    if (team.thread() == 0) plan.record(b, at);
  }
  PREFER_HD void multiply() {
    team.wait();
    table != nullptr ? multiply_copy() : multiply_rows();
    team.wait();
  }
  // A thread per row of the copy.
  PREFER_HD void multiply_copy() {
    team.each([&](std::int64_t i) PREFER_HD_LAMBDA {
      T sum = 0;
      for (std::int64_t c = 0; c < n; ++c) {
        const T w = static_cast<T>(v.weight[c]);
        sum += w == 0 ? T(0) : table[i * table_pitch(n) + c] * w;
      }
      v.wins[i] = i < n && plan.games.can_play(b, i) ? static_cast<double>(sum) : 0;
    });
  }
  // A warp per row where it lies.
  PREFER_HD void multiply_rows() {
    for (std::int64_t i = team.thread() / 32; i < n; i += team.threads() / 32) {
      const bool there = plan.games.can_play(b, i);
      const double sum = there ? lane_product(plan.games, b, i, n, v.weight, team.thread() % 32) : 0;
      if (team.thread() % 32 == 0) v.wins[i] = sum;
    }
  }
  PREFER_HD void finish_measured(game_progress& at) {
    const game_measurement m = measure_response(team, v, plan.temperature.template as<double>());
    const std::int64_t best = plan.best_action(b, n, v);
    if (team.thread() == 0) plan.finish_game(b, at), plan.finish_measured(b, best, m);
    for (std::int64_t i = team.thread(); i < plan.games.written(b); i += team.threads())
      plan.finish_response(b, i, n, v, best, m);
  }
};

template <class T, class Method>
struct game_block_play : game_block_run<T> {
  static constexpr int phases = Method::phases;
  const Method& method;

  PREFER_HD game_block_play(const Method& m, const game_block_run<T>& run) : game_block_run<T>(run), method(m) {}

  PREFER_HD void start(game_progress&) {
    this->load();
    prepare_method(this->team, method, this->v);
  }
  PREFER_HD void choose_opponent(int phase, game_progress& at) {
    detail::choose_opponent(this->team, method, this->v, phase, at);
  }
  PREFER_HD void move_policy(int phase, game_progress& at) {
    detail::move_policy(this->team, method, this->v, phase, this->plan.averaging, at);
  }
  PREFER_HD void finish(game_progress& at) {
    detail::choose_measured(this->team, this->v, false, at);
    if (this->team.thread() == 0) this->plan.finish_game(this->b, at);
    for (std::int64_t i = this->team.thread(); i < this->plan.games.written(this->b); i += this->team.threads())
      this->plan.finish_action(this->b, i, this->n, this->v, at);
  }
};

// The method of a call that takes no step.
struct no_method {
  static constexpr int phases = 1;
};

// All of a game in one block.
template <class T, class Method>
static __global__ void __launch_bounds__(game_threads)
    game_kernel(const game_plan<T> plan, const Method method, double* memory) {
  extern __shared__ double shared[];
  const std::int64_t width = plan.games.width, per_game = game_vector_count * padded_actions(width);
  double* const rest = shared + game_threads / 32;
  T* const table =
      width > copied_to_shared ? nullptr : reinterpret_cast<T*>(rest + (memory == nullptr ? per_game : 0));
  for (std::int64_t b = blockIdx.x; b < plan.games.batch; b += gridDim.x) {
    double* const vectors = memory == nullptr ? rest : memory + b * per_game;
    game_block_run<T> run(plan, b, shared, vectors, table);
    if constexpr (std::is_same_v<Method, no_method>) {
      game_progress at;
      run.load();
      measure_game(run, at);
      run.finish_measured(at);
    } else {
      game_block_play<T, Method> play(method, run);
      play_game(play, plan);
    }
    __syncthreads();
  }
}

// What one launch does between two products of a large game, in this order; -1 is nothing.
struct large_game_pieces {
  bool start = false;
  int move = -1;  // phase
  bool measure = false, measured = false;
  int opponent = -1;  // phase
  bool finish = false;
};

template <class T, class Method>
static __global__ void __launch_bounds__(game_threads)
    large_game_kernel(const game_plan<T> plan, const Method method, double* memory, game_progress* progress,
                      const large_game_pieces pieces) {
  __shared__ double shared[game_threads / 32];
  const std::int64_t b = blockIdx.x;
  game_block_run<T> run(plan, b, shared, memory + b * game_vector_count * padded_actions(plan.games.width), nullptr);
  game_progress at;
  if (!pieces.start) at = progress[b];
  __syncthreads();
  if constexpr (std::is_same_v<Method, no_method>) {
    if (pieces.start) run.load();
    if (pieces.measured) run.choose_measured(at);
    if (pieces.measure) run.measure(at);
    if (pieces.finish) run.finish_measured(at);
  } else {
    game_block_play<T, Method> play(method, run);
    if (pieces.start) play.start(at);
    if (pieces.move >= 0 && !at.done) play.move_policy(pieces.move, at);
    if (pieces.measure && !at.done) play.measure(at);
    if (pieces.measured && !at.done) play.choose_measured(at);
    if (pieces.opponent >= 0 && !at.done) play.choose_opponent(pieces.opponent, at);
    if (pieces.finish) play.finish(at);
  }
  if (threadIdx.x == 0) progress[b] = at;
}

// wins = P weight for all games that are not done: a warp per row.
template <class T>
static __global__ void __launch_bounds__(game_threads)
    large_product_kernel(const game_plan<T> plan, double* memory, const game_progress* progress) {
  const std::int64_t b = blockIdx.y, n = plan.games.size(b), warps = game_threads / 32;
  if (progress[b].done) return;
  double* const mine = memory + b * game_vector_count * padded_actions(plan.games.width);
  const game_vectors v(mine, padded_actions(n > 0 ? n : 1));
  const std::int64_t i = blockIdx.x * warps + threadIdx.x / 32;
  if (i >= n) return;
  const bool there = plan.games.can_play(b, i);
  const double sum = there ? lane_product(plan.games, b, i, n, v.weight, static_cast<int>(threadIdx.x % 32)) : 0;
  if (threadIdx.x % 32 == 0) v.wins[i] = sum;
}

// Enqueues what play_game does, in launches.
template <class T, class Method>
class large_games {
 public:
  large_games(const cuda& exec, const game_plan<T>& plan, const Method& method, double* memory,
              game_progress* progress)
      : stream_(exec.stream.stream), plan_(plan), method_(method), memory_(memory), progress_(progress) {}

  void play() {
    const bool first = plan_.measuring && plan_.max_steps == 0;
    run({.start = true, .measured = first, .opponent = plan_.max_steps > 0 ? 0 : -1});
    if (first) multiply(), run({.measure = true});
    for (std::int64_t t = 1; t <= plan_.max_steps; ++t) step(t);
    run({.finish = true});
  }
  void measure() {
    run({.start = true, .measured = true});
    multiply();
    run({.measure = true, .finish = true});
  }

 private:
  void step(std::int64_t t) {
    const int next = t < plan_.max_steps ? 0 : -1;
    for (int phase = 0; phase + 1 < Method::phases; ++phase) multiply(), run({.move = phase, .opponent = phase + 1});
    multiply();
    const bool measured = plan_.measures(t);
    run({.move = Method::phases - 1, .measured = measured, .opponent = measured ? -1 : next});
    if (measured) multiply(), run({.measure = true, .opponent = next});
  }
  void run(const large_game_pieces& pieces) {
    large_game_kernel<T, Method><<<static_cast<unsigned>(plan_.games.batch), game_threads, 0, stream_>>>(
        plan_, method_, memory_, progress_, pieces);
  }
  void multiply() {
    constexpr std::int64_t warps = game_threads / 32;
    const dim3 grid(static_cast<unsigned>((plan_.games.width + warps - 1) / warps),
                    static_cast<unsigned>(plan_.games.batch));
    large_product_kernel<T><<<grid, game_threads, 0, stream_>>>(plan_, memory_, progress_);
  }

  cudaStream_t stream_;
  const game_plan<T>& plan_;
  const Method& method_;
  double* memory_;
  game_progress* progress_;
};

template <class T, class Method>
status enqueue_games(const cuda& exec, const game_plan<T>& plan, const Method& method) {
  const std::int64_t batch = plan.games.batch, width = plan.games.width;
  if (batch == 0) return {};
  const bool shared_vectors = width <= vectors_in_shared, large = width >= split_size;
  const std::int64_t vectors = game_vector_count * padded_actions(width);
  scratch memory;
  double* vectors_at = nullptr;
  game_progress* progress = nullptr;
  if (!shared_vectors) {
    if (const status s = memory.reserve(exec, game_workspace<T>(batch, width)); !s.ok()) return s;
    vectors_at = memory.take<double>(static_cast<std::size_t>(batch * vectors));
    progress = memory.take<game_progress>(static_cast<std::size_t>(batch));
  }
  if (const status s = report_games(exec, plan.games); !s.ok()) return s;
  if (large) {
    large_games<T, Method> games(exec, plan, method, vectors_at, progress);
    if constexpr (std::is_same_v<Method, no_method>)
      games.measure();
    else
      games.play();
  } else {
    std::size_t bytes = game_threads / 32 * sizeof(double);
    if (shared_vectors) bytes += static_cast<std::size_t>(vectors) * sizeof(double);
    if (width <= copied_to_shared) bytes += static_cast<std::size_t>(width * table_pitch(width)) * sizeof(T);
    const auto blocks = static_cast<unsigned>(smaller(batch, 65536));
    game_kernel<T, Method><<<blocks, static_cast<unsigned>(game_threads_for(width)), bytes, exec.stream.stream>>>(
        plan, method, vectors_at);
  }
  return launch_status("games");
}

template <class T, class Method>
status play_games(const cuda& exec, const Method& method, const game_plan<T>& plan) {
  return enqueue_games(exec, plan, method);
}
template <class T>
status measure_games(const cuda& exec, const game_plan<T>& plan) {
  return enqueue_games(exec, plan, no_method{});
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
