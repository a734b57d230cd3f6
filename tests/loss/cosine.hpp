// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/cosine.hpp>
#include <prefer/loss/focal_ranking.hpp>
#include <prefer/loss/reward_feedback.hpp>
#include <support/row_call.hpp>

#include <cmath>
#include <vector>

namespace prefer_test {

using vector = std::vector<long double>;

template <class S>
vector row_of(matrix<S>& m, std::int64_t i) {
  vector x;
  for (std::int64_t e = 0; e < m.elements; ++e) x.push_back(m.get(i, e));
  return x;
}

inline long double dot(const vector& a, const vector& b) {
  long double sum = 0;
  for (std::size_t e = 0; e < a.size(); ++e) sum += a[e] * b[e];
  return sum;
}
inline long double cosine_of(const vector& a, const vector& b) {
  const long double size = std::sqrt(dot(a, a)) * std::sqrt(dot(b, b));
  return size > 0 ? dot(a, b) / size : 0;
}

// The derivative of a function of one row by its elements, by fourth-order differences in long double.
template <class F>
vector differences(const vector& x, F f) {
  vector slope;
  for (std::size_t e = 0; e < x.size(); ++e) {
    const auto at = [&](long double h) {
      vector moved = x;
      moved[e] += h;
      return f(moved);
    };
    const long double h = 0x1p-10L;
    slope.push_back((8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h));
  }
  return slope;
}

}  // namespace prefer_test
