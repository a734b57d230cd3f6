// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/convert.hpp>
#include <prefer/game/game.hpp>

#include <cstdint>
#include <type_traits>

// The margins of one game, A = (P - P') / 2, which are antisymmetric to the last bit whatever P is.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// Of the actions that can be played, numbered in their order.
struct game_margins {
  const void* table = nullptr;
  element type = element::f64;
  std::int64_t row = 0, column = 0;
  const std::int32_t* action = nullptr;
  std::int64_t size = 0;
  double scale = 1;

  PREFER_HD double entry(std::int64_t i, std::int64_t j) const {
    const std::int64_t at = action[i] * row + action[j] * column;
    return type == element::f64 ? static_cast<const double*>(table)[at]
                                : static_cast<double>(static_cast<const float*>(table)[at]);
  }
  PREFER_HD double at(std::int64_t i, std::int64_t j) const { return (entry(i, j) - entry(j, i)) * (0.5 * scale); }

  template <class T>
  static PREFER_HD game_margins of(const game_tables<T>& g, std::int64_t b, const std::int32_t* action) {
    constexpr element type = std::is_same_v<T, double> ? element::f64 : element::f32;
    const game_matrix<const T> m = g.preferences(b);
    return {m.data, type, m.row, m.column, action, 0, 1};
  }
};

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
