// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/sortable.hpp>

#include <algorithm>
#include <cstdint>

// Rows of numbers in descending order of one of them.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

struct ordered_row {
  std::uint64_t key;  // sorts ascending
  std::int32_t row;
};

// Fewer rows than `counted_rows` find their places by counting; up to `rough_rows` are sorted by the 16 highest bits in
// which keys differ, and what these leave open by comparing.
inline constexpr std::int64_t counted_rows = 40, rough_rows = 1024;

// Stable, by `digits` bytes of the keys from bit `shift` on; bytes that are the same in all keys (the lower ones of
// what was a float) cost nothing. The answer is in `a`.
inline void sort_by_digits(ordered_row* a, ordered_row* b, std::int64_t n, int shift, int digits) {
  std::int32_t place[8][256];
  std::fill_n(place[0], 256 * digits, 0);
  for (std::int64_t i = 0; i < n; ++i)
    for (int d = 0; d < digits; ++d) ++place[d][a[i].key >> (shift + 8 * d) & 255];
  ordered_row *from = a, *to = b;
  for (int d = 0; d < digits; ++d) {
    const int bit = shift + 8 * d;
    std::int32_t(&at)[256] = place[d];
    if (at[from[0].key >> bit & 255] == n) continue;
    std::int32_t begin = 0;
    for (std::int32_t& p : at) {
      const std::int32_t count = p;
      p = begin;
      begin += count;
    }
    for (std::int64_t i = 0; i < n; ++i) to[at[from[i].key >> bit & 255]++] = from[i];
    std::swap(from, to);
  }
  if (from != a) std::copy(from, from + n, a);
}

// Stable. Keys come in any order, so that a branch per comparison would be guessed wrong half of the time.
inline void sort_by_counting(ordered_row* a, ordered_row* b, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const std::uint64_t key = a[i].key;
    std::int64_t before = 0;
    for (std::int64_t j = 0; j < i; ++j) before += a[j].key <= key ? 1 : 0;
    for (std::int64_t j = i + 1; j < n; ++j) before += a[j].key < key ? 1 : 0;
    b[before] = a[i];
  }
  std::copy(b, b + n, a);
}

// Orders n rows of `columns` numbers, none of them NaN, by column `first`; ties by all columns from the left, then by
// place. An order that agrees with dominance: no row comes before one that dominates it. `a` and `b` have room for n.
inline void order_rows(const double* rows, std::int64_t n, int columns, int first, ordered_row* a, ordered_row* b) {
  std::uint64_t differ = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    a[i] = {~sortable(rows[i * columns + first] + 0.0), static_cast<std::int32_t>(i)};  // zeros have one sign
    differ |= a[i].key ^ a[0].key;
  }
  int shift = 0;  // keys are in order but for the bits below it
  if (n < counted_rows) {
    sort_by_counting(a, b, n);
  } else if (n < rough_rows) {
    shift = differ >> 16 != 0 ? 48 - __builtin_clzll(differ) : 0;
    sort_by_digits(a, b, n, shift, 2);
  } else {
    sort_by_digits(a, b, n, 0, 8);
  }
  for (std::int64_t i = 0, end; i < n; i = end) {
    for (end = i + 1; end < n && a[end].key >> shift == a[i].key >> shift; ++end) {
    }
    if (end - i < 2) continue;
    std::sort(a + i, a + end, [&](const ordered_row& x, const ordered_row& y) {
      if (x.key != y.key) return x.key < y.key;
      const double *p = rows + std::int64_t{x.row} * columns, *q = rows + std::int64_t{y.row} * columns;
      for (int k = 0; k < columns; ++k)
        if (p[k] != q[k]) return p[k] > q[k];
      return x.row < y.row;
    });
  }
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
