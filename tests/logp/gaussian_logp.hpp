// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/logp/gaussian_logp.hpp>
#include <support/row_call.hpp>
#include <support/token_call.hpp>

namespace prefer_test {

// A score of one element by its textbook: x, mean, sigma, and the reference's mean and sigma.
using element_score = long double (*)(const long double (&x)[5]);

inline long double density_of(const long double (&x)[5]) { return log_normal(x[0], x[1], x[2]); }
inline long double ratio_of(const long double (&x)[5]) { return density_of(x) - log_normal(x[0], x[3], x[4]); }

// Its derivative by one of the numbers, by fourth-order differences.
inline long double slope_of(element_score score, const long double (&at)[5], std::size_t by) {
  const long double h = 0x1p-9L;
  const auto moved = [&](long double steps) {
    long double x[5];
    std::copy(at, at + 5, x);
    x[by] += steps * h;
    return score(x);
  };
  return (8 * (moved(1) - moved(-1)) - (moved(2) - moved(-2))) / (12 * h);
}

}  // namespace prefer_test
