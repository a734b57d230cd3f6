// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/game/game.cuh>
#include <prefer/game/preference.hpp>

#include <cstdint>

// The CUDA half of game/preference.hpp: a thread per pair.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

template <class T, class Pair>
static __global__ void __launch_bounds__(entry_threads)
    fill_tables_kernel(const game_layout g, const Pair pair, const view<T, 3> out) {
  each_entry(g, [&](std::int64_t b, std::int64_t i, std::int64_t j) {
    if (i <= j) write_pair(pair, g.matrix(out, b), b, i, j);
  });
}

template <class T, class Pair>
status fill_tables(const cuda& exec, const game_layout& g, const Pair& pair, const view<T, 3>& out) {
  if (g.batch == 0) return {};
  fill_tables_kernel<T, Pair><<<entry_grid(g), entry_threads, 0, exec.stream.stream>>>(g, pair, out);
  return launch_status("preference tables");
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
