// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/launch.cuh>
#include <prefer/game/detail/solver_team.hpp>

#include <cstdint>

// A block of threads as the team of an exact solver.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline constexpr int solver_threads = 128;
inline constexpr int solver_warps = solver_threads / 32;

struct solver_block {
  double* value;        // one per warp, shared
  std::int64_t* index;  // one per warp, shared

  // Odd, so that a column does not lie in one bank.
  static PREFER_HD matrix_shape shape(std::int64_t n, std::int64_t width) { return {n, width | 1}; }

  template <class F>
  __device__ void each(std::int64_t n, F f) const {
    for (std::int64_t i = threadIdx.x; i < n; i += solver_threads) f(i);
    __syncthreads();
  }
  template <class F>
  __device__ least_entry least(std::int64_t n, F f) const {
    least_entry mine = {math::detail::infinity<double>(), 0};
    for (std::int64_t i = threadIdx.x; i < n; i += solver_threads)
      if (const double x = f(i); x < mine.value) mine = {x, i};
    return combine(mine, false);
  }
  template <class F>
  __device__ double total(std::int64_t n, F f) const {
    double mine = 0;
    for (std::int64_t i = threadIdx.x; i < n; i += solver_threads) mine += f(i);
    return combine({mine, 0}, true).value;
  }
  // A warp per row, a thread per column.
  template <class Body>
  __device__ void update(const matrix_update<Body>& u) const {
    const int warp = static_cast<int>(threadIdx.x) / 32, thread = static_cast<int>(threadIdx.x) % 32;
    for (std::int64_t i = warp; i < u.rows; i += solver_warps)
      for (std::int64_t j = u.body.begin(i) + thread; j < u.width; j += 32) {
        double x[1] = {u.entry[i * u.step + j]};
        u.body.change(x, i, j);
        u.entry[i * u.step + j] = x[0];
      }
    __syncthreads();
  }
  // In place: what a solver keeps for itself then stays in registers.
  template <class Work>
  static __device__ auto apart(Work& work) {
    return work.solve();
  }

 private:
  static __device__ least_entry join(const least_entry& a, const least_entry& b, bool add) {
    if (add) return {a.value + b.value, 0};
    return b.value < a.value || (b.value == a.value && b.index < a.index) ? b : a;
  }
  // The results of all threads, in a fixed order. Not inlined: a solver has dozens of it, and a call is short beside
  // its barriers.
  __device__ __noinline__ least_entry combine(least_entry mine, bool add) const {
    for (int step = 16; step > 0; step /= 2)
      mine = join(mine, {__shfl_xor_sync(~0u, mine.value, step), __shfl_xor_sync(~0u, mine.index, step)}, add);
    const int warp = static_cast<int>(threadIdx.x) / 32;
    if (threadIdx.x % 32 == 0) value[warp] = mine.value, index[warp] = mine.index;
    __syncthreads();
    least_entry all = {value[0], index[0]};
    for (int w = 1; w < solver_warps; ++w) all = join(all, {value[w], index[w]}, add);
    __syncthreads();
    return all;
  }
};

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
