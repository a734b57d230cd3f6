// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/math.hpp>

#include <cstdint>

// Sorting numbers with their places: the same order on either side, ties to the lowest place.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// Numbers as integers that sort alike, NaN last but for what is left out.
inline constexpr std::uint64_t left_out = ~std::uint64_t{0};
PREFER_HD std::uint64_t sortable(double x) {
  const auto bits = __builtin_bit_cast(std::uint64_t, x);
  if (math::is_nan(x)) return left_out - 1;
  return bits >> 63 != 0 ? ~bits : bits | std::uint64_t{1} << 63;
}
PREFER_HD double from_sortable(std::uint64_t key) {
  if (key >= left_out - 1) return math::detail::not_a_number<double>();
  return __builtin_bit_cast(double, key >> 63 != 0 ? key ^ std::uint64_t{1} << 63 : ~key);
}

struct ranked {
  std::uint64_t key;
  std::int64_t item;
  friend PREFER_HD bool operator<(const ranked& a, const ranked& b) {
    return a.key != b.key ? a.key < b.key : a.item < b.item;
  }
};

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
