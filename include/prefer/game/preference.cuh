// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/launch.cuh>
#include <prefer/game/preference.hpp>

#include <cstdint>

// The CUDA half of game/preference.hpp: a thread per pair.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline constexpr int pair_threads = 256;

template <class T, class Pair>
static __global__ void __launch_bounds__(pair_threads)
    fill_tables_kernel(const game_layout g, const Pair pair, const view<T, 3> out) {
  const std::int64_t n = g.width, all = g.batch * n * n;
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * pair_threads;
  for (std::int64_t k = static_cast<std::int64_t>(blockIdx.x) * pair_threads + threadIdx.x; k < all; k += step) {
    const std::int64_t b = k / (n * n), i = k / n % n, j = k % n;
    if (i <= j && j < g.size(b)) write_pair(pair, g.matrix(out, b), b, i, j);
  }
}

template <class T, class Pair>
status fill_tables(const cuda& exec, const game_layout& g, const Pair& pair, const view<T, 3>& out) {
  const std::int64_t all = g.batch * g.width * g.width;
  if (all == 0) return {};
  const auto blocks = static_cast<unsigned>(smaller((all + pair_threads - 1) / pair_threads, 65536));
  fill_tables_kernel<T, Pair><<<blocks, pair_threads, 0, exec.stream.stream>>>(g, pair, out);
  return launch_status("preference tables");
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
