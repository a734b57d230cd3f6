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

inline constexpr int report_threads = 256;

// A thread per entry of [B, n, n]; games whose number of actions or offsets are out of range have none.
template <class T>
static __global__ void __launch_bounds__(report_threads)
    report_games_kernel(const game_tables<T> g, content_report* report) {
  const std::int64_t n = g.width, all = g.batch * n * n, step = static_cast<std::int64_t>(gridDim.x) * report_threads;
  for (std::int64_t k = static_cast<std::int64_t>(blockIdx.x) * report_threads + threadIdx.x; k < all; k += step) {
    const std::int64_t b = k / (n * n), i = k / n % n, j = k % n, size = g.size(b);
    if (size == 0 && i == 0 && j == 0) report_content(report, g.size_error(), b);
    if (i >= size || j >= size || !g.can_play(b, i) || !g.can_play(b, j)) continue;
    if (const errc code = entry_error(g.preferences(b), i, j); code != errc::ok)
      report_content(report, code, g.entry_index(b, i, j));
  }
}

// Enqueues a look at all tables: not_a_number and bad_label with the index of the entry, bad_index (packed:
// bad_offsets) with that of a game whose number of actions is out of range.
template <class T>
status report_games(const cuda& exec, const game_tables<T>& g) {
  if (exec.report == nullptr || g.batch == 0) return {};
  const std::int64_t blocks = (g.batch * g.width * g.width + report_threads - 1) / report_threads;
  report_games_kernel<T><<<static_cast<unsigned>(blocks < 65536 ? blocks : 65536), report_threads, 0,
                           exec.stream.stream>>>(g, exec.report);
  return launch_status("report_games");
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
