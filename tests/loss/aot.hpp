// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/aot.hpp>
#include <support/buffer.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

// A batch for AOT, and the loss by its definition: sort both, sum the logistic losses of the differences.
namespace prefer_test {

template <class S>
struct transport {
  std::int64_t n;
  std::vector<buffer<S>> in, grad;  // policy chosen, policy rejected, reference chosen, reference rejected
  buffer<bool> mask;
  buffer<double> loss, count;

  explicit transport(std::int64_t items)
      : n(items), in(4, buffer<S>(n, 2)), grad(2, buffer<S>(n)), mask(n), loss(1), count(1) {
    noise random(8);
    for (std::int64_t i = 0; i < n; ++i) {
      for (auto& b : in) b.set(i, random.uniform(-20, 0));
      mask.at(i) = i % 5 != 2;
      if (i % 7 == 3 && i > 3)
        for (auto& b : in) b.set(i, b.get(i - 3));  // ties
    }
  }
  std::vector<long double> side(bool first, bool paired) {
    std::vector<long double> x;
    for (std::int64_t i = 0; i < n; ++i)
      if (mask.at(i)) {
        const long double pc = in[0].get(i), pr = in[1].get(i), rc = in[2].get(i), rr = in[3].get(i);
        x.push_back(paired ? (first ? pc - pr : rc - rr) : (first ? pc - rc : pr - rr));
      }
    std::sort(x.begin(), x.end());
    return x;
  }
  long double by_definition(double beta, double smoothing, bool paired) {
    const auto u = side(true, paired), v = side(false, paired);
    const auto softplus = [](long double x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); };
    long double sum = 0;
    for (std::size_t r = 0; r < u.size(); ++r) {
      const long double d = beta * (u[r] - v[r]);
      sum += (1 - smoothing) * softplus(-d) + smoothing * softplus(d);
    }
    return u.empty() ? 0 : sum / static_cast<long double>(u.size());
  }
};

}  // namespace prefer_test
