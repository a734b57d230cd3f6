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

inline constexpr std::int64_t radix_rows = 48;  // from here on sorting by digits is faster than by comparisons

// Stable, by bytes of the keys; bytes that are the same in all keys (the lower ones of what was a float) cost nothing.
// The answer is in `a`.
inline void sort_by_digits(ordered_row* a, ordered_row* b, std::int64_t n) {
  std::int32_t place[8][256] = {};
  for (std::int64_t i = 0; i < n; ++i)
    for (int d = 0; d < 8; ++d) ++place[d][a[i].key >> 8 * d & 255];
  ordered_row *from = a, *to = b;
  for (int d = 0; d < 8; ++d) {
    std::int32_t(&at)[256] = place[d];
    if (at[from[0].key >> 8 * d & 255] == n) continue;
    std::int32_t begin = 0;
    for (std::int32_t& p : at) {
      const std::int32_t count = p;
      p = begin;
      begin += count;
    }
    for (std::int64_t i = 0; i < n; ++i) to[at[from[i].key >> 8 * d & 255]++] = from[i];
    std::swap(from, to);
  }
  if (from != a) std::copy(from, from + n, a);
}

// Orders n rows of `columns` numbers, none of them NaN, by column `first`; ties by all columns from the left, then by
// place. An order that agrees with dominance: no row comes before one that dominates it. `a` and `b` have room for n.
inline void order_rows(const double* rows, std::int64_t n, int columns, int first, ordered_row* a, ordered_row* b) {
  for (std::int64_t i = 0; i < n; ++i)
    a[i] = {~sortable(rows[i * columns + first] + 0.0), static_cast<std::int32_t>(i)};  // zeros have one sign
  if (n >= radix_rows)
    sort_by_digits(a, b, n);
  else
    std::sort(a, a + n, [](const ordered_row& x, const ordered_row& y) {
      return x.key != y.key ? x.key < y.key : x.row < y.row;
    });
  for (std::int64_t i = 0, end; i < n; i = end) {
    for (end = i + 1; end < n && a[end].key == a[i].key; ++end) {
    }
    if (end - i < 2) continue;
    std::sort(a + i, a + end, [&](const ordered_row& x, const ordered_row& y) {
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
