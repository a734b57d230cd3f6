// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/math.hpp>
#include <prefer/rank/detail/device_graph.cuh>

#include <cooperative_groups.h>

#include <cstdint>

// Loops over the items and pairs of a graph by a team of threads: a whole cooperative grid, or one block. Every thread
// of a team takes the same decisions, because every scalar is added from the same partial results in the same order:
// one per tile of a fixed number of items, whatever the team.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline constexpr int team_threads = 256;  // of a block

struct grid_team {
  cooperative_groups::grid_group grid = cooperative_groups::this_grid();

  __device__ std::int64_t rank() const { return blockIdx.x; }
  __device__ std::int64_t blocks() const { return gridDim.x; }
  __device__ void sync() const { grid.sync(); }
};
struct block_team {
  __device__ std::int64_t rank() const { return 0; }
  __device__ std::int64_t blocks() const { return 1; }
  __device__ void sync() const { __syncthreads(); }
};

struct device_triple {
  double a = 0, b = 0, c = 0;
};

PREFER_HD std::int64_t tiles_of(std::int64_t items, int lanes) {
  return (items * lanes + team_threads - 1) / team_threads;
}

// The partial results of a team: two turns of three numbers per tile.
PREFER_HD std::int64_t partial_results(const device_graph& g) { return 6 * tiles_of(g.items, g.lanes); }

template <class Team>
class device_passes {
 public:
  // `shared` has one double per warp.
  __device__ device_passes(const device_graph& graph, double* partial, double* shared)
      : g_(graph), partial_(partial), shared_(shared) {}

  __device__ static double pick(double x, double y, bool largest) {
    return !largest ? x + y : y > x || math::is_nan(y) ? y : x;
  }
  __device__ bool first_thread() const { return team_.rank() == 0 && threadIdx.x == 0; }
  __device__ bool leads(std::int64_t i, int lane) const { return i < g_.items && lane == 0; }

  // f(item, lane) by the threads that share an item; all but the first of them return zero. Returns the sum (or the
  // maximum) of a over all items, and the sums of b and c, to every thread of the team, which then sees all that was
  // written before.
  template <class F>
  __device__ device_triple over_rows(bool largest, F f) {
    return over_tiles(g_.lanes, largest, f);
  }
  // f(item) for every item, by one thread.
  template <class F>
  __device__ device_triple over_items(bool largest, F f) {
    return over_tiles(1, largest, [&](std::int64_t i, int) { return i < g_.items ? f(i) : device_triple{}; });
  }
  // f(entry, opponent) for the entries of an item, shared among its lanes.
  template <class F>
  __device__ void each_entry(std::int64_t i, int lane, F f) const {
    if (i >= g_.items) return;
    for (std::int64_t e = g_.begin(i) + lane, end = g_.end(i); e < end; e += g_.lanes) f(e, g_.opponent_of(i, e));
  }
  // The sum (the maximum) over the lanes of an item, in all of them.
  __device__ double row_sum(double x) const { return row_combine(x, false); }
  __device__ double row_max(double x) const { return row_combine(x, true); }

  // The first item for which f(item) holds, or -1.
  template <class F>
  __device__ std::int64_t first_item(F f) {
    const double n = static_cast<double>(g_.items);
    const double most = over_items(true, [&](std::int64_t i) -> device_triple {
                          return {f(i) ? n - static_cast<double>(i) : 0, 0, 0};
                        }).a;
    return most > 0 ? g_.items - static_cast<std::int64_t>(most) : -1;
  }

 private:
  const device_graph& g_;
  double* partial_;
  double* shared_;
  Team team_;
  int turn_ = 0;

  __device__ double row_combine(double x, bool largest) const {
    for (int step = g_.lanes / 2; step > 0; step /= 2) x = pick(x, __shfl_xor_sync(0xffffffffu, x, step), largest);
    return x;
  }

  // The sum or the maximum over the block, in every thread. Not inlined: every pass has six of it, and a call is short
  // beside its barriers.
  static __device__ __noinline__ double combine(double* shared, double x, bool largest) {
    for (int step = 16; step > 0; step /= 2) x = pick(x, __shfl_xor_sync(0xffffffffu, x, step), largest);
    __syncthreads();
    if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = x;
    __syncthreads();
    x = shared[0];
    for (int w = 1; w < team_threads / 32; ++w) x = pick(x, shared[w], largest);
    return x;
  }
  __device__ device_triple combine(const device_triple& t, bool largest) {
    return {combine(shared_, t.a, largest), combine(shared_, t.b, false), combine(shared_, t.c, false)};
  }

  // Two buffers take turns, so that a fast block does not overwrite what a slow one still reads.
  template <class F>
  __device__ device_triple over_tiles(int lanes, bool largest, F f) {
    const std::int64_t per_tile = team_threads / lanes, tiles = (g_.items + per_tile - 1) / per_tile;
    double* partial = partial_ + turn_ * 3 * tiles_of(g_.items, g_.lanes);
    turn_ ^= 1;
    for (std::int64_t tile = team_.rank(); tile < tiles; tile += team_.blocks()) {
      const device_triple t = combine(
          f(tile * per_tile + static_cast<int>(threadIdx.x) / lanes, static_cast<int>(threadIdx.x) % lanes), largest);
      if (threadIdx.x == 0) partial[3 * tile] = t.a, partial[3 * tile + 1] = t.b, partial[3 * tile + 2] = t.c;
    }
    team_.sync();
    device_triple all;
    for (std::int64_t tile = threadIdx.x; tile < tiles; tile += team_threads)
      all = {pick(all.a, partial[3 * tile], largest), all.b + partial[3 * tile + 1], all.c + partial[3 * tile + 2]};
    return combine(all, largest);
  }
};

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
