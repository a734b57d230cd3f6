// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/select/detail/sorted_samples.cuh>

#include <cstdint>

// Exclusive scans on CUDA with any associative combination, in a fixed order: totals of tiles, their scan in one block,
// then every item. A scan is a struct with
//   using value = ...;  static value none();  static value combine(value before, value after);
//   value load(i);      void store(i, value of all before i);  void finish(value of all);
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline constexpr int scan_items = 4;  // per thread
inline constexpr std::int64_t scan_tile = select_threads * scan_items;

inline std::int64_t scan_tiles(std::int64_t n) { return (n + scan_tile - 1) / scan_tile; }

// Over the threads of a block: the value of all threads before, and of all in `all`.
template <class Scan>
static __device__ typename Scan::value scan_block(typename Scan::value x, typename Scan::value* shared,
                                                  typename Scan::value& all) {
  const int me = static_cast<int>(threadIdx.x);
  shared[me] = x;
  __syncthreads();
  for (int step = 1; step < select_threads; step *= 2) {
    const bool reaches = me >= step;
    if (reaches) x = Scan::combine(shared[me - step], x);
    __syncthreads();
    if (reaches) shared[me] = x;
    __syncthreads();
  }
  const typename Scan::value before = me == 0 ? Scan::none() : shared[me - 1];
  all = shared[select_threads - 1];
  __syncthreads();
  return before;
}

template <class Scan>
static __device__ typename Scan::value scan_own(const Scan& f, std::int64_t first, std::int64_t n) {
  typename Scan::value x = Scan::none();
  for (int j = 0; j < scan_items; ++j)
    if (first + j < n) x = Scan::combine(x, f.load(first + j));
  return x;
}

template <class Scan>
static __global__ void __launch_bounds__(select_threads)
    scan_totals_kernel(const __grid_constant__ Scan f, std::int64_t n, typename Scan::value* totals) {
  __shared__ typename Scan::value shared[select_threads];
  for (std::int64_t t = blockIdx.x; t * scan_tile < n; t += gridDim.x) {
    typename Scan::value all;
    scan_block<Scan>(scan_own(f, t * scan_tile + static_cast<int>(threadIdx.x) * scan_items, n), shared, all);
    if (threadIdx.x == 0) totals[t] = all;
  }
}

template <class Scan>
static __global__ void __launch_bounds__(select_threads)
    scan_tiles_kernel(const __grid_constant__ Scan f, std::int64_t tiles, typename Scan::value* totals) {
  __shared__ typename Scan::value shared[select_threads];
  typename Scan::value before = Scan::none();
  for (std::int64_t first = 0; first < tiles; first += select_threads) {
    const std::int64_t t = first + threadIdx.x;
    typename Scan::value all;
    const typename Scan::value mine = scan_block<Scan>(t < tiles ? totals[t] : Scan::none(), shared, all);
    if (t < tiles) totals[t] = Scan::combine(before, mine);
    before = Scan::combine(before, all);
  }
  if (threadIdx.x == 0) f.finish(before);
}

template <class Scan>
static __global__ void __launch_bounds__(select_threads)
    scan_items_kernel(const __grid_constant__ Scan f, std::int64_t n, const typename Scan::value* totals) {
  __shared__ typename Scan::value shared[select_threads];
  for (std::int64_t t = blockIdx.x; t * scan_tile < n; t += gridDim.x) {
    const std::int64_t first = t * scan_tile + static_cast<int>(threadIdx.x) * scan_items;
    typename Scan::value all;
    typename Scan::value x = scan_block<Scan>(scan_own(f, first, n), shared, all);
    x = Scan::combine(totals[t], x);
    for (int j = 0; j < scan_items && first + j < n; ++j) {
      const typename Scan::value own = f.load(first + j);
      f.store(first + j, x);
      x = Scan::combine(x, own);
    }
  }
}

// Three launches; `totals` has scan_tiles(n) values. finish is called for n = 0 too.
template <class Scan>
status device_scan(const cuda& exec, const char* name, const Scan& f, std::int64_t n, typename Scan::value* totals) {
  const std::int64_t tiles = scan_tiles(n);
  const auto grid = static_cast<unsigned>(tiles < 65536 ? tiles : 65536);
  if (tiles > 0) scan_totals_kernel<Scan><<<grid, select_threads, 0, exec.stream.stream>>>(f, n, totals);
  scan_tiles_kernel<Scan><<<1, select_threads, 0, exec.stream.stream>>>(f, tiles, totals);
  if (tiles > 0) scan_items_kernel<Scan><<<grid, select_threads, 0, exec.stream.stream>>>(f, n, totals);
  return launch_status(name);
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
