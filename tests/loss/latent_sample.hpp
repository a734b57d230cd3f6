// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/latent_sample.hpp>
#include <support/row_call.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

// What a latent sample and its gradient must be: the definition in long double, and differences of it.
namespace prefer_test {

// One row's sample.
inline std::vector<long double> sample_of(const prefer::latent_sample& o, const std::vector<long double>& mean,
                                          const std::vector<long double>& log_variance,
                                          const std::vector<long double>& noise) {
  const long double limit = o.limit.value64;
  std::vector<long double> y;
  long double norm = 0;
  for (std::size_t k = 0; k < mean.size(); ++k) {
    const long double m = std::clamp(mean[k], -limit, limit), v = std::clamp(log_variance[k], -limit, limit);
    y.push_back(o.mean_only ? m : m + std::exp(v / 2) * noise[k]);
    norm += y.back() * y.back();
  }
  if (o.sphere)
    for (auto& x : y) x = norm > 0 ? x * std::sqrt(static_cast<long double>(y.size()) / norm) : 0;
  return y;
}

// The derivative of upstream . sample by one argument's elements (0: mean, 1: log-variance).
inline std::vector<long double> sample_slopes(const prefer::latent_sample& o, int which,
                                              const std::vector<long double> (&x)[4]) {
  std::vector<long double> slope;
  for (std::size_t e = 0; e < x[0].size(); ++e) {
    const auto at = [&](long double h) {
      auto mean = x[0], log_variance = x[1];
      (which == 0 ? mean : log_variance)[e] += h;
      const auto y = sample_of(o, mean, log_variance, x[2]);
      long double sum = 0;
      for (std::size_t k = 0; k < y.size(); ++k) sum += x[3][k] * y[k];
      return sum;
    };
    const long double h = 0x1p-14L;
    slope.push_back((8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h));
  }
  return slope;
}

inline std::vector<prefer::latent_sample> latent_options() {
  return {{},
          {.sphere = true},
          {.limit = 0.771728515625},
          {.sphere = true, .limit = 0.771728515625},
          {.mean_only = true},
          {.sphere = true, .mean_only = true}};
}

}  // namespace prefer_test
