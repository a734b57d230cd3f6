// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <select/pareto_oracle.hpp>
#include <support/buffer.hpp>

#include <algorithm>
#include <cstddef>
#include <vector>

// Cases of the oracle as a call's arguments: options, and samples in memory.
namespace prefer_test {

inline constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();
inline constexpr points all_points[] = {points::uniform,       points::anti_correlated, points::sphere, points::grid,
                                        points::bits,          points::infinite,        points::equal,  points::chain,
                                        points::one_above_all, points::collinear};

inline prefer::objectives objectives_of(const pareto_case& c) {
  prefer::objectives o;
  if (!c.directions.empty()) o.directions = {c.directions.data(), c.k};
  if (!c.tolerances.empty()) o.tolerances = {c.tolerances.data(), c.k};
  o.dominance = c.dominance;
  o.duplicates = c.duplicates;
  o.nan = c.nan;
  return o;
}

// Elements of type S with a stride between samples, and one between objectives.
template <class S>
struct stored {
  std::int64_t row, along;
  buffer<S> rewards, violation;
  buffer<bool> mask;

  explicit stored(pareto_case& c, std::int64_t gap = 0, bool transposed = false)
      : row(transposed ? 1 : c.k + gap),
        along(transposed ? c.n + gap : 1),
        rewards((c.n + gap) * (c.k + gap), 1, gap),
        violation(c.n, 1 + gap),
        mask(c.n, 1 + gap) {
    for (std::int64_t i = 0; i < rewards.size(); ++i) rewards.set(i, nan_value);  // between samples
    for (std::int64_t i = 0; i < c.n; ++i) {
      for (int j = 0; j < c.k; ++j) {
        rewards.set(i * row + j * along, c.at(i, j));
        c.rewards[static_cast<std::size_t>(i * c.k + j)] = rewards.get(i * row + j * along);
      }
      if (!c.violation.empty()) {
        violation.set(i, c.violates(i));
        c.violation[static_cast<std::size_t>(i)] = violation.get(i);
      }
      mask.at(i) = c.mask.empty() || c.mask[static_cast<std::size_t>(i)];
    }
  }
  prefer::objective_samples<prefer::space::host> in(const pareto_case& c) {
    prefer::objective_samples<prefer::space::host> x{.rewards = {rewards.data(), c.n, c.k, row, along}};
    if (!c.violation.empty()) x.violation = violation.read();
    if (!c.mask.empty()) x.mask = mask.read();
    return x;
  }
};

// A case with every option drawn; NaN, a mask and violations in some.
inline pareto_case draw(points kind, std::int64_t n, int k, noise& random) {
  pareto_case c{.n = n, .k = k, .rewards = make_points(kind, n, k, random)};
  const auto one_of = [&](int m) { return static_cast<int>(random.uniform(0, m)) % m; };
  c.dominance = static_cast<prefer::dominance>(one_of(2));
  c.duplicates = static_cast<prefer::duplicates>(one_of(3));
  c.nan = one_of(2) == 0 ? prefer::nan_policy::ignore : prefer::nan_policy::worst;
  for (int j = 0; j < k; ++j)
    c.directions.push_back(one_of(2) == 0 ? prefer::direction::maximize : prefer::direction::minimize);
  if (one_of(4) == 0)
    for (int j = 0; j < k; ++j) c.tolerances.push_back(one_of(2) * 0.3);
  for (std::int64_t i = 0; i < n; ++i) {
    if (one_of(4) == 0) c.rewards[static_cast<std::size_t>(i * k)] = c.rewards[0];
    if (one_of(9) == 0) std::copy_n(c.rewards.begin(), k, c.rewards.begin() + i * k);  // repeated
  }
  if (one_of(3) == 0)
    for (std::int64_t i = 0; i < n; i += 1 + one_of(5))
      c.rewards[static_cast<std::size_t>(i * k + one_of(k))] = nan_value;
  if (one_of(4) == 0)
    for (std::int64_t i = 0; i < n; ++i) c.mask.push_back(one_of(3) > 0);
  if (one_of(4) == 0)
    for (std::int64_t i = 0; i < n; ++i) c.violation.push_back(one_of(8) == 0 ? nan_value : one_of(4) - 2);
  return c;
}

}  // namespace prefer_test
