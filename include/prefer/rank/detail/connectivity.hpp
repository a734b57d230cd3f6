// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/rank/detail/comparison_graph.hpp>

#include <cstdint>

// When do finite ratings exist? (Ford 1957; for ties the same argument, by the directions in which the likelihood never
// falls.) Call an item linked to another if it won or tied a game against it. Then every item must reach every other.
// With an estimated tie parameter, wins and ties must moreover not fit on one scale, on which every win is a gap of at
// least one step and every tie a gap of at most one: the parameter could then grow for ever.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

struct connectivity {
  std::int32_t* queue = nullptr;    // [items]
  std::uint8_t* reached = nullptr;  // [items]
  double* scale = nullptr;          // [items], for the second condition

  void carve(arena& memory, std::int64_t items) {
    queue = memory.take<std::int32_t>(items);
    reached = memory.take<std::uint8_t>(items);
    scale = memory.take<double>(items);
  }

  // Adds `bit` to every item that can be reached from item 0 along (or against) links.
  void search(const comparison_graph& g, const double* wins, std::uint8_t bit) const {
    std::int64_t head = 0, tail = 0;
    queue[tail++] = 0;
    reached[0] = static_cast<std::uint8_t>(reached[0] | bit);
    while (head < tail && tail < g.items) {
      const std::int32_t v = queue[head++];
      for (std::int64_t e = g.offsets[v]; e < g.offsets[v + 1]; ++e) {
        const std::int32_t u = g.opponent[e];
        if ((reached[u] & bit) != 0 || !(wins[e] + (g.tied != nullptr ? g.tied[e] : 0) > 0)) continue;
        reached[u] = static_cast<std::uint8_t>(reached[u] | bit);
        queue[tail++] = u;
      }
    }
  }

  status check_links(const comparison_graph& g) const {
    for (std::int64_t i = 0; i < g.items; ++i) reached[i] = 0;
    search(g, g.won, 1);
    search(g, g.lost, 2);
    for (std::int64_t i = 1; i < g.items; ++i) {
      if (reached[i] == 3) continue;
      return require::fail(
          errc::not_connected, "items",
          reached[i] == 0   ? "wins or ties on a path both ways between this item and item 0; there is none"
          : reached[i] == 1 ? "a path of wins or ties from this item to item 0; it only lost, or others stand between"
                            : "a path of wins or ties from item 0 to this item; it never lost, or others stand between",
          0, 0, i);
    }
    return {};
  }

  // Kahn's peeling: whether the wins alone contain a cycle, which no scale can hold.
  bool wins_have_cycle(const comparison_graph& g) const {
    std::int64_t head = 0, tail = 0;
    for (std::int64_t i = 0; i < g.items; ++i) {
      scale[i] = 0;
      for (std::int64_t e = g.offsets[i]; e < g.offsets[i + 1]; ++e) {
        if (g.won[e] > 0 && g.lost[e] > 0) return true;
        if (g.lost[e] > 0) scale[i] += 1;
      }
      if (scale[i] == 0) queue[tail++] = static_cast<std::int32_t>(i);
    }
    while (head < tail) {
      const std::int32_t v = queue[head++];
      for (std::int64_t e = g.offsets[v]; e < g.offsets[v + 1]; ++e)
        if (g.won[e] > 0 && --scale[g.opponent[e]] == 0) queue[tail++] = g.opponent[e];
    }
    return tail < g.items;
  }

  // Longest paths: does a scale as above exist? Items move up only; past the number of items there is a cycle.
  bool fit_on_a_scale(const comparison_graph& g) const {
    for (std::int64_t i = 0; i < g.items; ++i) scale[i] = 0;
    for (bool moved = true; moved;) {
      moved = false;
      for (std::int64_t i = 0; i < g.items; ++i) {
        double least = scale[i];
        for (std::int64_t e = g.offsets[i]; e < g.offsets[i + 1]; ++e) {
          const double other = scale[g.opponent[e]];
          if (g.won[e] > 0)
            least = std::max(least, other + 1);
          else if (g.tied[e] > 0)
            least = std::max(least, other - 1);
        }
        moved = moved || least > scale[i];
        scale[i] = least;
        if (least > static_cast<double>(g.items)) return false;
      }
    }
    return true;
  }

  status check_ties(const comparison_graph& g) const {
    if (wins_have_cycle(g) || !fit_on_a_scale(g)) return {};
    return require::fail(
        errc::not_connected, "ties",
        "a cycle of comparisons with more wins than ties; without one the tie parameter grows without bound");
  }
};

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
