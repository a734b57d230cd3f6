// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/select/detail/rank_set.hpp>
#include <prefer/select/detail/sort_entries.hpp>

#include <algorithm>
#include <cstdint>

// Ranks of points with three objectives, by halves: rank the first half, let it push the second one down, rank that.
//
// Points are numbered by the first objective, so that a dominates b if a has the smaller number and stands no lower in
// the second and in the third. One half pushes the other in one sweep along the second objective, which keeps the
// staircase of (third objective, rank): a step for every place where the highest rank so far changes. Points that have
// gone by are found in a set of 64-ary words, so that n points are visited at most n log2(n / 32) times for log64(n)
// steps each (up to 262144 points three, never more than six), and the last 64 of each part cost at most a step per
// pair, whatever they are: no front is ever searched. Equal points are one here.
//
// Sources: the halves are those of Jensen 2003 and Fortin, Grenier, Parizeau 2013 (as corrected by Buzdalov and Shalyto
// 2014); words of 64 instead of a balanced tree, and the last 64 points by masks, are this library's form.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

struct rank_halves {
  // Of distinct points, which come in the order that the first objective gives them.
  std::int32_t* at = nullptr;      // [n] where the first of the equal ones stands in that order
  std::int32_t* copies = nullptr;  // [n] how many more ranks they take: 0, or one for each further one if these queue
  std::int32_t* rank = nullptr;    // [n] the answer; zeros before

  // Points by the second and by the third objective, the highest first; behind those of all points there are places for
  // those of a half, of a quarter, and so on.
  std::int32_t *second = nullptr, *third = nullptr;  // [2 n + 64]
  std::int32_t* place = nullptr;                     // [n] of a point among those of the first half, by `third`
  std::int32_t* highest = nullptr;                   // [n] the rank of the step there
  std::uint64_t* words = nullptr;                    // [n / 32 + words_more]
  std::int64_t steps = 0;                            // of sweeps and masks so far; for tests of what it costs

  static constexpr std::int64_t few = 64;  // points that are compared as bits of one word
  static constexpr std::int64_t words_more = 64;

  // In parts of n points in all.
  void carve(arena& memory, std::int64_t n, std::int64_t parts) {
    at = memory.take<std::int32_t>(n), copies = memory.take<std::int32_t>(n), rank = memory.take<std::int32_t>(n);
    second = memory.take<std::int32_t>(n > 0 ? 2 * n + few * parts : 0);
    third = memory.take<std::int32_t>(n > 0 ? 2 * n + few * parts : 0);
    place = memory.take<std::int32_t>(n), highest = memory.take<std::int32_t>(n);
    words = memory.take<std::uint64_t>(n > 0 ? n / 32 + words_more * parts : 0);
  }
  // For points from number `first` on.
  rank_halves part(std::int64_t first, std::int64_t nth) const {
    rank_halves h = *this;
    h.at += first, h.copies += first, h.rank += first;
    h.second += 2 * first + few * nth, h.third += 2 * first + few * nth;
    h.place += first, h.highest += first;
    h.words += first / 32 + words_more * nth;
    return h;
  }

  // Ranks n points whose lists are filled in.
  void run(std::int64_t n) { solve(0, n, second, third); }

 private:
  std::int32_t last_rank(std::int64_t point) const { return rank[point] + copies[point]; }

  // Points [begin, end), which those before have pushed already. `by_second` and `by_third` list them.
  void solve(std::int32_t begin, std::int64_t end, std::int32_t* by_second, std::int32_t* by_third) {
    const std::int64_t n = end - begin;
    if (n <= few) return solve_few(begin, n, by_second, by_third);
    const auto middle = static_cast<std::int32_t>(begin + n / 2);
    std::int32_t *const half_second = by_second + n, *const half_third = by_third + n;
    const auto take = [&](const std::int32_t* from, std::int32_t* to, bool first_half) {
      std::int64_t kept = 0;
      for (std::int64_t i = 0; i < n; ++i) {
        to[kept] = from[i];  // one more than the half has may be written
        kept += (from[i] < middle) == first_half ? 1 : 0;
      }
    };
    take(by_second, half_second, true), take(by_third, half_third, true);
    solve(begin, middle, half_second, half_third);
    push(n, middle, by_second, by_third);
    take(by_second, half_second, false), take(by_third, half_third, false);
    solve(middle, end, half_second, half_third);
  }

  // Every point from `middle` on comes behind those before it that dominate it.
  void push(std::int64_t n, std::int32_t middle, const std::int32_t* by_second, const std::int32_t* by_third) {
    std::int32_t pushing = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      place[by_third[i]] = pushing;
      pushing += by_third[i] < middle ? 1 : 0;
    }
    arena memory(words);
    rank_set stairs(memory, pushing + 1);
    stairs.clear();
    steps += n;
    for (std::int64_t i = 0; i < n; ++i) {
      const std::int32_t point = by_second[i], here = place[point];
      const std::int64_t above = stairs.previous(here);
      if (point >= middle) {
        if (above >= 0) rank[point] = std::max(rank[point], highest[above] + 1);
        continue;
      }
      const std::int32_t pushes = last_rank(point);
      if (above >= 0 && highest[above] >= pushes) continue;
      stairs.insert(here);
      highest[here] = pushes;
      for (std::int64_t next = stairs.next(here); next >= 0 && highest[next] <= pushes; next = stairs.next(here)) {
        stairs.erase(next);
        ++steps;
      }
    }
  }

  // Of up to 64 points each has a word of those above it.
  void solve_few(std::int32_t begin, std::int64_t n, const std::int32_t* by_second, const std::int32_t* by_third) {
    std::uint64_t above[few], seen = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      const int point = by_second[i] - begin;
      above[point] = seen;
      seen |= std::uint64_t{1} << point;
    }
    seen = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      const int point = by_third[i] - begin;
      const std::uint64_t self = std::uint64_t{1} << point;
      above[point] &= seen & (self - 1);
      seen |= self;
    }
    for (std::int64_t i = 0; i < n; ++i) {
      std::int32_t highest_rank = rank[begin + i];
      for (std::uint64_t left = above[i]; left != 0; ++steps) {
        const int point = 63 - __builtin_clzll(left);
        highest_rank = std::max(highest_rank, last_rank(begin + point) + 1);
        left &= ~(above[point] | std::uint64_t{1} << point);  // what is above it has a smaller rank
      }
      rank[begin + i] = highest_rank;
    }
  }
};

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
