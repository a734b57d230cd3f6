// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <vector>

constexpr double normal_quantile = 1.96;  // of a 95 % interval

// Wilson's interval for a share.
inline std::array<double, 2> share_interval(int hits, int all) {
  const double z = normal_quantile, n = all, p = hits / n, centre = (p + z * z / (2 * n)) / (1 + z * z / n);
  const double half = z / (1 + z * z / n) * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n));
  return {centre - half, centre + half};
}

// The interval for the mean of a range of independent numbers.
template <class Range>
std::array<double, 2> mean_interval(const Range& x) {
  const double n = static_cast<double>(x.size());
  double mean = 0, square = 0;
  for (double v : x) mean += v / n;
  for (double v : x) square += (v - mean) * (v - mean) / (n - 1);
  const double half = normal_quantile * std::sqrt(square / n);
  return {mean - half, mean + half};
}

// A mean and half the width of its 95 % interval, for a few independent numbers (two or more) that are near normal.
struct estimate {
  double mean = 0, half = 0;
};
inline estimate student_interval(const std::vector<double>& x) {
  constexpr double quantile[] = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262};  // Student's t
  constexpr std::size_t known = sizeof quantile / sizeof quantile[0];
  const auto n = static_cast<double>(x.size());
  estimate e;
  double square = 0;
  for (double v : x) e.mean += v / n;
  for (double v : x) square += (v - e.mean) * (v - e.mean) / (n - 1);
  e.half = quantile[x.size() - 2 < known ? x.size() - 2 : known - 1] * std::sqrt(square / n);  // never too narrow
  return e;
}
