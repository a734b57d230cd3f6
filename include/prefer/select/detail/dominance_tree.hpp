// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/arena.hpp>
#include <prefer/select/detail/dominance_lanes.hpp>

#include <cstdint>

// Points to be dominated by: a tree whose leaves hold as many points as a lane has elements, and whose nodes hold the
// largest key per objective of as many nodes below. "Is x at most this in every objective?" is one test at every level:
// of a point it says that x is dominated (or equal), of a node that something below may dominate it. Points are
// appended; the tree prunes well where neighbours are alike.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

template <class T>
struct dominance_tree {
  static constexpr int width = 64 / static_cast<int>(sizeof(T));
  static constexpr int most_levels = 11;  // of 2^31 points, eight per node

  T* level[most_levels] = {};  // key k of entry i of a level is at (i / width * objectives + k) * width + i % width
  int levels = 0;
  int objectives = 0;
  std::int64_t count = 0;  // of points

  static std::int64_t nodes_above(std::int64_t entries) { return (entries + width - 1) / width; }

  void carve(arena& memory, std::int64_t capacity, int k) {
    objectives = k;
    count = 0;
    levels = 0;
    for (std::int64_t entries = capacity;; entries = nodes_above(entries)) {
      level[levels++] = memory.take<T>(nodes_above(entries) * width * k);
      if (entries <= width) break;
    }
  }
  static T* node(T* entries, std::int64_t n, int objectives) { return entries + n * width * objectives; }

  // x has its keys `stride` apart.
  void append(const T* x, std::int64_t stride = 1) {
    std::int64_t at = count, points = 1;  // below one entry of the level
    for (int l = 0; l < levels; ++l, at /= width, points *= width) {
      T* const to = node(level[l], at / width, objectives) + at % width;
      const bool fresh = count % points == 0;
      for (int k = 0; k < objectives; ++k) {
        const T key = x[k * stride];
        T& most = to[k * width];
        if (fresh || key > most) most = key;
      }
    }
    ++count;
  }

  // Is x, one lane per objective, at most (or, for Op above, less than) some point in every objective?
  template <compare Op, class Level>
  inline __attribute__((always_inline)) bool dominates(const typename key_lanes<T, Level>::V* x) const {
    using keys = key_lanes<T, Level>;
    if (count == 0) return false;
    std::uint32_t open[most_levels];  // entries of the node at each level that are yet to visit
    std::int64_t at[most_levels];
    std::int64_t last[most_levels];  // the last entry of each level
    last[0] = count - 1;
    for (int l = 1; l < levels; ++l) last[l] = last[l - 1] / width;
    int top = levels - 1;
    while (top > 0 && last[top] == 0) --top;
    const auto look = [&](int l, std::int64_t n) PREFER_HD_LAMBDA {
      const auto there = n == last[l] / width ? keys::first(last[l] % width + 1) : keys::all;
      return there & keys::template every<Op>(level[l] + n * width * objectives, width, x, objectives);
    };
    int l = top;
    at[l] = 0;
    open[l] = look(l, 0);
    for (;;) {
      if (l == 0) {
        if (open[0] != 0) return true;
        l = 1;
        if (l > top) return false;
        continue;
      }
      if (open[l] == 0) {
        if (l == top) return false;
        ++l;
        continue;
      }
      const int bit = __builtin_ctz(open[l]);
      open[l] &= open[l] - 1;
      at[l - 1] = at[l] * width + bit;
      open[l - 1] = look(l - 1, at[l - 1]);
      --l;
    }
  }
};

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
