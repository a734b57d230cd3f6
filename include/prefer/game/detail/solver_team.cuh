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

struct block_team {
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
    for (int step = 16; step > 0; step /= 2)
      mine = lower(mine, {__shfl_xor_sync(~0u, mine.value, step), __shfl_xor_sync(~0u, mine.index, step)});
    return combine(mine, [](const least_entry& a, const least_entry& b) { return lower(a, b); });
  }
  template <class F>
  __device__ double total(std::int64_t n, F f) const {
    double mine = 0;
    for (std::int64_t i = threadIdx.x; i < n; i += solver_threads) mine += f(i);
    for (int step = 16; step > 0; step /= 2) mine += __shfl_xor_sync(~0u, mine, step);
    return combine(least_entry{mine, 0}, [](const least_entry& a, const least_entry& b) -> least_entry {
             return {a.value + b.value, 0};
           }).value;
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

 private:
  static __device__ least_entry lower(const least_entry& a, const least_entry& b) {
    return b.value < a.value || (b.value == a.value && b.index < a.index) ? b : a;
  }
  // Of the results of all warps, in their order.
  template <class F>
  __device__ least_entry combine(const least_entry& mine, F f) const {
    const int warp = static_cast<int>(threadIdx.x) / 32;
    if (threadIdx.x % 32 == 0) value[warp] = mine.value, index[warp] = mine.index;
    __syncthreads();
    least_entry all = {value[0], index[0]};
    for (int w = 1; w < solver_warps; ++w) all = f(all, {value[w], index[w]});
    __syncthreads();
    return all;
  }
};

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
