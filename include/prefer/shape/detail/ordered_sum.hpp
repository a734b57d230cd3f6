// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/for_groups.hpp>

#include <cstdint>

// Sums of floating-point numbers by a team of for_groups, in an order that does not depend on the team.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline constexpr std::int64_t sum_parts = 256;

// The sum of f(i) for 0 <= i < n; `part` has sum_parts + 1 places, which no two sums at a time may share.
template <class Team, class F>
PREFER_HD double ordered_sum(const Team& team, std::int64_t n, double* part, F f) {
  team.each(sum_parts, [&](std::int64_t p) PREFER_HD_LAMBDA {
    double sum = 0;
    for (std::int64_t i = n * p / sum_parts; i < n * (p + 1) / sum_parts; ++i) sum += f(i);
    part[p] = sum;
  });
  team.once([&]() PREFER_HD_LAMBDA {
    double sum = 0;
    for (std::int64_t p = 0; p < sum_parts; ++p) sum += part[p];
    part[sum_parts] = sum;
  });
  return part[sum_parts];
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
