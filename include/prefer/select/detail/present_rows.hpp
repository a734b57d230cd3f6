// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/host_scratch.hpp>
#include <prefer/select/detail/objective_tile.hpp>
#include <prefer/select/objectives.hpp>

#include <algorithm>
#include <cstdint>

// Groups on the CPU: tile by tile, as rows of keys, and spread over threads.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// Calls f(tile) for one tile of keys after the other, with the samples that take part and violate constraints no more
// than `least_violation`. The answer is the number of the group's first sample that has a NaN, or -1.
template <class T, class F>
std::int64_t each_tile(isa level, const objective_table& t, const group_rows& g, double least_violation, F f) {
  alignas(64) T keys[(16 << 10) / sizeof(T) + 4 * objective_tile<T>::most];
  objective_tile<T> tile;
  std::int64_t first_nan = -1;
  tile.keys = keys, tile.stride = tile_samples(t.count, sizeof(T));
  for (tile.first = 0; tile.first < g.count; tile.first += tile.stride) {
    tile.count = static_cast<int>(std::min(tile.stride, g.count - tile.first));
    load_tile(level, t, g, least_violation, tile);
    if (first_nan < 0) first_nan = tile.first_nan;
    f(tile);
  }
  return first_nan;
}

// f(i) for the samples of a tile that take part.
template <class T, class F>
void each_present(const objective_tile<T>& tile, F f) {
  for (int w = 0; 64 * w < tile.count; ++w)
    for (std::uint64_t bits = tile.present[w]; bits != 0; bits &= bits - 1) f(64 * w + __builtin_ctzll(bits));
}

// The samples of a group that take part, in the order of their numbers.
template <class T>
struct present_rows {
  T* rows = nullptr;              // [n, K]
  std::int32_t* index = nullptr;  // within the group
  std::int64_t count = 0, first_nan = -1;
  int objectives = 0;

  void carve(arena& memory, std::int64_t n, int k) {
    rows = memory.take<T>(n * k);
    index = memory.take<std::int32_t>(n);
    objectives = k;
  }
  // For groups that begin with this sample.
  present_rows part(std::int64_t first) const {
    present_rows p = *this;
    p.rows += first * objectives, p.index += first;
    return p;
  }
  const T* row(std::int64_t at) const { return rows + at * objectives; }

  void gather(isa level, const objective_table& t, const group_rows& g) {
    count = 0;
    first_nan = each_tile<T>(level, t, g, math::detail::infinity<double>(), [&](const objective_tile<T>& tile) {
      each_present(tile, [&](int i) {
        for (int k = 0; k < objectives; ++k) rows[count * objectives + k] = tile.keys[k * tile.stride + i];
        index[count++] = static_cast<std::int32_t>(tile.first + i);
      });
    });
  }
};

// Runs of whole groups for the threads of a call, the same for any number of threads.
struct group_tasks {
  static constexpr std::int64_t most = 64, samples_each = 2048;
  std::int64_t groups = 0, count = 1;

  explicit group_tasks(const objective_table& t) : group_tasks(t.groups, t.samples) {}
  group_tasks(std::int64_t all_groups, std::int64_t samples)
      : groups(all_groups),
        count(std::clamp<std::int64_t>(samples / samples_each, 1, std::max<std::int64_t>(1, std::min(most, groups)))) {}

  // f(first group, end, task) answers a number; the first of these that is not below 0 is handed on, or -1.
  template <class F>
  std::int64_t run(const cpu& exec, F f) const {
    std::int64_t found[most];
    auto task = [&](std::int64_t t) {
      const std::int64_t first = groups * t / count, end = groups * (t + 1) / count;
      found[t] = first < end ? f(first, end, t) : -1;
    };
    run_tasks(exec, count, task);
    for (std::int64_t t = 0; t < count; ++t)
      if (found[t] >= 0) return found[t];
    return -1;
  }
};

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
