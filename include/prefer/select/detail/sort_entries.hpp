// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/sortable.hpp>

#include <algorithm>
#include <cstdint>
#include <utility>

// Sorting places by 64-bit keys.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

struct sort_entry {
  std::uint64_t key;
  std::int64_t at;
};

inline constexpr std::int64_t radix_from = 1024;  // entries; fewer are compared

// Descending keys for ascending order: the largest number first, zeros of either sign alike.
PREFER_HD std::uint32_t descending(float x) {
  const auto bits = __builtin_bit_cast(std::uint32_t, x);
  if ((bits & 0x7fffffffu) == 0) return 0x7fffffffu;
  return bits >> 31 != 0 ? bits : ~(bits | 0x80000000u);
}
PREFER_HD std::uint64_t descending(double x) {
  const auto bits = __builtin_bit_cast(std::uint64_t, x);
  constexpr std::uint64_t sign = std::uint64_t{1} << 63;
  if ((bits & ~sign) == 0) return ~sign;
  return bits >> 63 != 0 ? bits : ~(bits | sign);
}

// Ascending by key, equal keys in the order they have. O(n); the answer is in `entries`, `spare` has as many.
inline void radix_sort(sort_entry* entries, sort_entry* spare, std::int64_t n) {
  constexpr int digits = 8;
  std::int64_t start[digits][256] = {};
  for (std::int64_t i = 0; i < n; ++i)
    for (int d = 0; d < digits; ++d) ++start[d][entries[i].key >> 8 * d & 255];
  sort_entry *from = entries, *to = spare;
  for (int d = 0; d < digits; ++d) {
    if (start[d][from[0].key >> 8 * d & 255] == n) continue;
    std::int64_t sum = 0;
    for (std::int64_t& s : start[d]) sum += std::exchange(s, sum);
    for (std::int64_t i = 0; i < n; ++i) to[start[d][from[i].key >> 8 * d & 255]++] = from[i];
    std::swap(from, to);
  }
  if (from != entries) std::copy_n(from, n, entries);
}

// Ascending by key; entries of equal keys by comes_before(at, at), which is a strict order.
template <class Before>
struct sort_entry_order {
  Before comes_before;
  bool operator()(const sort_entry& a, const sort_entry& b) const {
    return a.key != b.key ? a.key < b.key : comes_before(a.at, b.at);
  }
};
template <class Before>
void sort_entries(sort_entry* entries, sort_entry* spare, std::int64_t n, const Before& comes_before) {
  const sort_entry_order<Before> order{comes_before};
  const bool many = n >= radix_from;
  if (many) radix_sort(entries, spare, n);
  for (std::int64_t i = 0, end; i < n; i = end) {
    for (end = i + 1; end < n && (!many || entries[end].key == entries[i].key);) ++end;
    // Repeated samples come in the order they had.
    if (end - i > 1 && !std::is_sorted(entries + i, entries + end, order)) std::sort(entries + i, entries + end, order);
  }
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
