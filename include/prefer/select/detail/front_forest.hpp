// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/arena.hpp>
#include <prefer/select/detail/dominance_lanes.hpp>

#include <algorithm>
#include <cstdint>

// Many fronts that grow at the same time: a tree of maxima per front, as dominance_tree has one, over memory that is
// linear in all points together, however they are spread over fronts. Leaves of a front hold 1, 2, 4, 8 points while it
// is small, a lane of them afterwards; nodes above have the largest keys of as many nodes below.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

template <class T>
struct front_forest {
  static constexpr int width = 64 / static_cast<int>(sizeof(T));
  static constexpr int bits = sizeof(T) == 4 ? 4 : 3;  // of width
  static constexpr int most_levels = 11;               // of 2^31 points, eight per node

  struct front {
    std::int64_t root = 0;  // a leaf (where it begins, in points) up to `width` points, else the number of a node
    std::int64_t count = 0;
  };

  T* leaf_keys = nullptr;         // key k of point i of a leaf of c points is at (begin * objectives + k * c + i)
  T* node_keys = nullptr;         // of entry i of a node at (node * objectives + k) * width + i
  std::int64_t* below = nullptr;  // entry i of a node is the leaf or node below[node * width + i]
  front* fronts = nullptr;
  std::int64_t count = 0;  // of fronts
  std::int64_t leaf_points = 0, nodes = 0;
  int objectives = 0;

  std::int64_t capacity = 0;  // in points

  // In parts of n points in all. Leaves that were outgrown count, so that 9 points may take 31 places; there are nodes
  // from one more than `width` points on. Loads of whole lanes may pass the end of a part's last leaf.
  void carve(arena& memory, std::int64_t n, std::int64_t parts, int k) { carve(memory, n, parts, k, n); }
  void carve(arena& memory, std::int64_t n, std::int64_t parts, int k, std::int64_t most_fronts) {
    leaf_keys = memory.take<T>(n > 0 ? 7 * n / 2 * k + parts * width : 0);
    node_keys = memory.take<T>(n * k);
    below = memory.take<std::int64_t>(n);
    fronts = memory.take<front>(most_fronts);
    objectives = k, capacity = n;
  }
  // A forest of its own for points from number `first` on.
  front_forest part(std::int64_t first, std::int64_t nth) const {
    front_forest f = *this;
    f.leaf_keys += 7 * first / 2 * objectives + nth * width;
    f.node_keys += first * objectives;
    f.below += first, f.fronts += first;
    f.clear();
    return f;
  }
  void clear() { count = 0, leaf_points = 0, nodes = 0; }

  // Puts a point into front f, which may be a new one (f == count).
  void append(std::int64_t f, const T* x) {
    if (f == count) fronts[count++] = {};
    front& to = fronts[f];
    if (to.count < width)
      append_small(to, x);
    else
      append_large(to, x);
    ++to.count;
  }

  // Is x, one lane per objective, at most (strictly: less than) some point of the front in every objective?
  template <class Level>
  inline __attribute__((always_inline)) bool dominates(const front& f, const lane<T, Level>* x, bool strict) const {
    using lanes = key_lanes<T, Level>;
    const auto above = [&](const T* keys, int stride) PREFER_HD_LAMBDA {
      return strict ? lanes::template every<compare::above>(keys, stride, x, objectives)
                    : lanes::template every<compare::at_least>(keys, stride, x, objectives);
    };
    if (f.count == 0) return false;
    if (f.count <= width)
      return (lanes::first(f.count) & above(leaf_keys + f.root * objectives, capacity_of(f.count))) != 0;
    std::uint32_t open[most_levels];  // entries of the node at each level that are yet to visit
    std::int64_t at[most_levels] = {}, place[most_levels] = {};
    const std::int64_t last = f.count - 1;
    const int top = levels_of(f.count);
    const auto look = [&](int l) PREFER_HD_LAMBDA {
      const T* const keys = l == 0 ? leaf_keys + at[0] * objectives : node_keys + at[l] * width * objectives;
      const std::int64_t end = last >> (l * bits);  // the last entry of this level
      const auto there = place[l] == end >> bits ? lanes::first((end & (width - 1)) + 1) : lanes::all;
      open[l] = there & above(keys, width);
    };
    int l = top;
    at[l] = f.root, place[l] = 0;
    look(l);
    for (;;) {
      if (open[l] == 0) {
        if (l++ == top) return false;
        continue;
      }
      if (l == 0) return true;
      const int bit = __builtin_ctz(open[l]);
      open[l] &= open[l] - 1;
      at[l - 1] = below[at[l] * width + bit];
      place[l - 1] = place[l] * width + bit;
      look(--l);
    }
  }

 private:
  // How many levels of nodes lie above the leaves of n points.
  static int levels_of(std::int64_t n) {
    int l = 0;
    for (std::int64_t entries = (n - 1) >> bits; entries > 0; entries >>= bits) ++l;
    return l;
  }
  static int capacity_of(std::int64_t n) {
    int c = 1;
    while (c < n) c *= 2;
    return c;
  }
  std::int64_t new_leaf(int places) {
    leaf_points += places;
    return leaf_points - places;
  }
  void put(T* keys, std::int64_t stride, const T* x) const {
    for (int k = 0; k < objectives; ++k) keys[k * stride] = x[k];
  }

  void append_small(front& to, const T* x) {
    const int n = static_cast<int>(to.count), before = capacity_of(n), places = capacity_of(n + 1);
    if (n == 0 || places != before) {
      const std::int64_t leaf = new_leaf(places);
      const T* const from = leaf_keys + to.root * objectives;
      for (int k = 0; k < objectives; ++k)
        std::copy_n(from + k * before, n, leaf_keys + leaf * objectives + k * places);
      to.root = leaf;
    }
    put(leaf_keys + to.root * objectives + n, places, x);
  }

  void append_large(front& to, const T* x) {
    const std::int64_t n = to.count;
    const int top = levels_of(n + 1);
    if (top != levels_of(n)) to.root = new_root(to.root, top);
    std::int64_t node = to.root;
    for (int l = top; l > 0; --l) {
      const int entry = static_cast<int>(n >> (l * bits) & (width - 1));
      const bool fresh = (n & ((std::int64_t{1} << (l * bits)) - 1)) == 0;
      T* const keys = node_keys + node * width * objectives + entry;
      for (int k = 0; k < objectives; ++k) keys[k * width] = fresh ? x[k] : std::max(keys[k * width], x[k]);
      if (fresh) below[node * width + entry] = l > 1 ? nodes++ : new_leaf(width);
      node = below[node * width + entry];
    }
    put(leaf_keys + node * objectives + (n & (width - 1)), width, x);
  }
  // Above a root that is full.
  std::int64_t new_root(std::int64_t old, int level) {
    const std::int64_t root = nodes++;
    const T* const from = level == 1 ? leaf_keys + old * objectives : node_keys + old * width * objectives;
    T* const keys = node_keys + root * width * objectives;
    for (int k = 0; k < objectives; ++k) keys[k * width] = *std::max_element(from + k * width, from + (k + 1) * width);
    below[root * width] = old;
    return root;
  }
};

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
