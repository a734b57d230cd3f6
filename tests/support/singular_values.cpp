// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <support/singular_values.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>

namespace prefer_test {
namespace {

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// Turns two vectors in their plane until they are orthogonal; false if they are.
bool turn(std::vector<double>& a, std::vector<double>& b) {
  const double aa = dot(a, a), bb = dot(b, b), ab = dot(a, b);
  if (std::fabs(ab) <= 1e-14 * std::sqrt(aa * bb)) return false;
  const double zeta = (bb - aa) / (2 * ab);
  const double t = std::copysign(1 / (std::fabs(zeta) + std::hypot(1, zeta)), zeta);
  const double c = 1 / std::hypot(1, t), s = c * t;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double x = a[i];
    a[i] = c * x - s * b[i], b[i] = s * x + c * b[i];
  }
  return true;
}

}  // namespace

std::vector<double> singular_values(const std::vector<double>& matrix, std::int64_t m, std::int64_t n) {
  if (m == 0 || n == 0) return {};
  // The rows, or if there are fewer columns those.
  const auto few = static_cast<std::size_t>(std::min(m, n)), many = static_cast<std::size_t>(std::max(m, n));
  std::vector<std::vector<double>> vectors(few, std::vector<double>(many));
  double largest = 0;
  for (const double x : matrix) largest = std::max(largest, std::fabs(x));
  if (largest == 0) return std::vector<double>(few);
  for (std::size_t i = 0; i < few; ++i)
    for (std::size_t j = 0; j < many; ++j)
      vectors[i][j] = (m <= n ? matrix[i * many + j] : matrix[j * few + i]) / largest;
  bool turned = true;
  for (int sweep = 0; sweep < 60 && turned; ++sweep) {
    turned = false;
    for (std::size_t i = 0; i < few; ++i)
      for (std::size_t j = i + 1; j < few; ++j) turned = turn(vectors[i], vectors[j]) || turned;
  }
  std::vector<double> values;
  for (const auto& v : vectors) values.push_back(largest * std::sqrt(dot(v, v)));
  std::sort(values.begin(), values.end(), std::greater<>());
  return values;
}

}  // namespace prefer_test
