// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/math.hpp>

namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// sqrt(|g|^2 + epsilon) of a row g, and its inverse, which is 0 for g = 0.
struct length_of_row {
  double norm, inverse;
  PREFER_HD length_of_row(double squares, double epsilon) {
    norm = math::sqrt(squares + epsilon);
    inverse = squares == 0 ? 0 : 1 / norm;
  }
};

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
