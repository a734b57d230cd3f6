// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/select/objectives.hpp>
#include <support/numbers.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

// The definition of the non-dominated set, pair by pair and in double, written without the library's comparison; and
// point sets that are hard on algorithms.
namespace prefer_test {

enum class points { uniform, anti_correlated, sphere, grid, bits, infinite, equal, chain, one_above_all,
                    collinear, layers };

inline std::vector<double> make_points(points kind, std::int64_t n, int k, noise& random) {
  std::vector<double> x(static_cast<std::size_t>(n * k));
  for (std::int64_t i = 0; i < n; ++i) {
    double* const row = x.data() + i * k;
    double sum = 0, square = 0;
    for (int j = 0; j < k; ++j) row[j] = random.uniform(0, 1), sum += row[j], square += row[j] * row[j];
    const double first = row[0];
    for (int j = 0; j < k; ++j) switch (kind) {
        case points::uniform: break;
        case points::anti_correlated: row[j] -= (sum - random.uniform(0, 0.1)) / k; break;
        case points::sphere: row[j] /= std::sqrt(square); break;
        case points::grid: row[j] = std::floor(row[j] * 4); break;
        case points::bits: row[j] = row[j] < 0.5 ? -0.0 : (row[j] < 0.75 ? 0.0 : 1.0); break;
        case points::infinite:
          row[j] = row[j] < 0.2   ? -std::numeric_limits<double>::infinity()
                   : row[j] > 0.8 ? std::numeric_limits<double>::infinity()
                                  : std::floor(8 * row[j]) - 4;
          break;
        case points::equal: row[j] = 0.25; break;
        case points::chain: row[j] = static_cast<double>((i * 7 + 3) % (n + 1)); break;
        case points::one_above_all: row[j] = i == n / 2 ? 2 : row[j]; break;
        case points::layers:  // integers on four planes: what is dominated mostly ties in some objectives
          row[j] = j + 1 < k ? std::floor(20 * row[j]) : std::floor(4 * row[j]);
          for (int m = 0; j + 1 == k && m < j; ++m) row[j] -= row[m];
          break;
        case points::collinear: row[j] = j % 2 == 0 ? std::floor(first * 16) : -std::floor(first * 16); break;
      }
  }
  return x;
}

// A call's samples and options, in double.
struct pareto_case {
  std::int64_t n = 0;
  int k = 0;
  std::vector<double> rewards = {};  // [n, k], as the call's elements hold them
  std::vector<prefer::direction> directions = {};
  std::vector<double> tolerances = {}, violation = {};
  std::vector<bool> mask = {};
  prefer::dominance dominance = prefer::dominance::pareto;
  prefer::duplicates duplicates = prefer::duplicates::keep;
  prefer::nan_policy nan = prefer::nan_policy::ignore;

  double at(std::int64_t i, int j) const { return rewards[static_cast<std::size_t>(i * k + j)]; }
  double violates(std::int64_t i) const {
    return violation.empty() ? 0 : violation[static_cast<std::size_t>(i)];
  }
  double value(std::int64_t i, int j) const {
    const auto nth = static_cast<std::size_t>(j);
    const bool less = !directions.empty() && directions[nth] == prefer::direction::minimize;
    double x = less ? -at(i, j) : at(i, j);
    if (prefer::math::is_nan(x)) return -std::numeric_limits<double>::infinity();
    return !tolerances.empty() && tolerances[nth] > 0 ? std::floor(x / tolerances[nth]) : x;
  }
  bool takes_part(std::int64_t i) const {
    if (!mask.empty() && !mask[static_cast<std::size_t>(i)]) return false;
    bool nan_here = prefer::math::is_nan(violates(i));
    for (int j = 0; j < k; ++j) nan_here = nan_here || prefer::math::is_nan(at(i, j));
    return !nan_here || nan == prefer::nan_policy::worst;
  }
  // Does a keep b out?
  bool keeps_out(std::int64_t a, std::int64_t b) const {
    const auto amount = [&](std::int64_t i) {
      const double v = violates(i);
      return prefer::math::is_nan(v) ? std::numeric_limits<double>::infinity() : std::fmax(v, 0);
    };
    if (amount(a) != amount(b)) return amount(a) < amount(b);
    int better = 0, worse = 0;
    for (int j = 0; j < k; ++j) {
      better += value(a, j) > value(b, j) ? 1 : 0;
      worse += value(a, j) < value(b, j) ? 1 : 0;
    }
    if (dominance == prefer::dominance::strict ? better == k : better > 0 && worse == 0) return true;
    if (better + worse > 0) return false;
    return duplicates == prefer::duplicates::drop ? a != b : duplicates == prefer::duplicates::first && a < b;
  }
  // Of samples [begin, end), which are a group.
  std::vector<std::int64_t> front(std::int64_t begin, std::int64_t end) const {
    std::vector<std::int64_t> members;
    for (std::int64_t b = begin; b < end; ++b) {
      bool in = takes_part(b);
      for (std::int64_t a = begin; in && a < end; ++a) in = !takes_part(a) || !keeps_out(a, b);
      if (in) members.push_back(b);
    }
    return members;
  }
};

}  // namespace prefer_test
