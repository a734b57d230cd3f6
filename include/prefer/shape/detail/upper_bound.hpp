// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/element.hpp>
#include <prefer/core/math.hpp>

#include <cstdint>

// Bounds have to stay bounds when they are stored.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// The least number of a type, double or float, that is not below x, which is 0 or above.
PREFER_HD double not_below(double x, element type) {
  if (type != element::f32) return x;
  const auto nearest = static_cast<float>(x);
  return nearest < x ? bits_as<float>(bits_as<std::uint32_t>(nearest) + 1) : nearest;
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
