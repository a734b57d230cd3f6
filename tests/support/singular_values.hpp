// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

namespace prefer_test {

// The singular values of an m x n matrix of doubles, row by row, in descending order: one-sided Jacobi rotations
// (Hestenes 1958), within 1e-13 of the largest for the sizes of the tests. A library's take nine seconds to compile, in
// every build.
std::vector<double> singular_values(const std::vector<double>& matrix, std::int64_t m, std::int64_t n);

// The largest; 0 for none.
inline double largest_singular_value(const std::vector<double>& matrix, std::int64_t m, std::int64_t n) {
  const std::vector<double> all = singular_values(matrix, m, n);
  return all.empty() ? 0 : all[0];
}

}  // namespace prefer_test
