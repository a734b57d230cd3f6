// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/launch.cuh>
#include <prefer/backend/cuda/map_reduce.cuh>
#include <prefer/game/game.hpp>

#include <cstdint>

// The content of games on the device: bad tables make the numbers of their own game NaN or wrong, and are named in
// exec.report where there is one.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline constexpr int entry_threads = 256;

// Blocks for each_entry: games along y, parts of tables along x, and not many more than a device can use.
inline dim3 entry_grid(const game_layout& g) {
  constexpr std::int64_t most = 65535;
  const std::int64_t games = smaller(g.batch, most);
  const std::int64_t parts = smaller((g.width * g.width + entry_threads - 1) / entry_threads, most / games + 1);
  return dim3(static_cast<unsigned>(parts), static_cast<unsigned>(games));
}

// f(b, i, j) for every entry of every game; games whose number of actions or offsets are out of range have none.
template <class F>
static __device__ void each_entry(const game_layout& g, const F& f) {
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * entry_threads + threadIdx.x;
  for (std::int64_t b = blockIdx.y; b < g.batch; b += gridDim.y) {
    const std::int64_t n = g.size(b);
    for (std::int64_t k = first; k < n * n; k += static_cast<std::int64_t>(gridDim.x) * entry_threads)
      f(b, k / n, k % n);
  }
}

template <class T>
static __global__ void __launch_bounds__(entry_threads)
    report_games_kernel(const game_tables<T> g, content_report* report) {
  for (std::int64_t b = blockIdx.y; b < g.batch && blockIdx.x == 0 && threadIdx.x == 0; b += gridDim.y)
    if (g.size(b) == 0) report_content(report, g.size_error(), b);
  each_entry(g, [&](std::int64_t b, std::int64_t i, std::int64_t j) {
    if (!g.can_play(b, i) || !g.can_play(b, j)) return;
    if (const errc code = entry_error(g.preferences(b), i, j); code != errc::ok)
      report_content(report, code, g.entry_index(b, i, j));
  });
}

// Enqueues a look at all tables: not_a_number and bad_label with the index of the entry, bad_index (packed:
// bad_offsets) with that of a game whose number of actions is out of range.
template <class T>
status report_games(const cuda& exec, const game_tables<T>& g) {
  if (exec.report == nullptr || g.batch == 0) return {};
  report_games_kernel<T><<<entry_grid(g), entry_threads, 0, exec.stream.stream>>>(g, exec.report);
  return launch_status("report_games");
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
