// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/shape/implicit_gradient.hpp>
#include <support/numbers.hpp>

#include <cmath>
#include <cstdint>
#include <vector>

// A quadratic inner problem, U(theta, phi) = H theta + B phi with H symmetric, and its solution by elimination.
namespace prefer_test {

template <class T>
struct quadratic {
  std::int64_t n, m;
  std::vector<T> h, cross, outer, direct;  // H [n, n], B [n, m], v [n], [m]

  // Eigenvalues of H from -most to -least, or with the first one positive.
  quadratic(std::int64_t parameters, std::int64_t weights, double least, double most, bool indefinite = false)
      : n(parameters), m(weights), h(static_cast<std::size_t>(n * n)) {
    noise random(17);
    std::vector<std::vector<double>> basis;  // orthonormal
    for (std::int64_t i = 0; i < n; ++i) {
      std::vector<double> u;
      for (std::int64_t k = 0; k < n; ++k) u.push_back(random.uniform(-1, 1));
      for (int twice = 0; twice < 2; ++twice)
        for (const auto& b : basis) {
          double along = 0;
          for (std::size_t k = 0; k < u.size(); ++k) along += u[k] * b[k];
          for (std::size_t k = 0; k < u.size(); ++k) u[k] -= along * b[k];
        }
      double length = 0;
      for (double x : u) length += x * x;
      for (double& x : u) x /= std::sqrt(length);
      basis.push_back(u);
    }
    std::vector<double> full(h.size());
    for (std::int64_t i = 0; i < n; ++i) {
      const double share = n > 1 ? static_cast<double>(i) / static_cast<double>(n - 1) : 0;
      double lambda = -(least + (most - least) * share);
      if (indefinite && i == 0) lambda = -lambda;
      for (std::int64_t a = 0; a < n; ++a)
        for (std::int64_t b = 0; b < n; ++b)
          full[static_cast<std::size_t>(a * n + b)] += lambda *
                                                       basis[static_cast<std::size_t>(i)][static_cast<std::size_t>(a)] *
                                                       basis[static_cast<std::size_t>(i)][static_cast<std::size_t>(b)];
    }
    for (std::size_t i = 0; i < h.size(); ++i) h[i] = static_cast<T>(full[i]);
    for (std::int64_t i = 0; i < n * m; ++i) cross.push_back(static_cast<T>(random.uniform(-1, 1)));
    for (std::int64_t i = 0; i < n; ++i) outer.push_back(static_cast<T>(random.uniform(-1, 1)));
    for (std::int64_t i = 0; i < m; ++i) direct.push_back(static_cast<T>(random.uniform(-1, 1)));
  }

  // The solution of H x = right, in long double.
  std::vector<long double> solve(std::vector<long double> right) const {
    std::vector<std::vector<long double>> a;
    for (std::int64_t i = 0; i < n; ++i) a.emplace_back(h.begin() + i * n, h.begin() + (i + 1) * n);
    for (std::size_t c = 0; c < a.size(); ++c) {
      std::size_t pivot = c;
      for (std::size_t r = c; r < a.size(); ++r)
        if (std::fabs(a[r][c]) > std::fabs(a[pivot][c])) pivot = r;
      std::swap(a[c], a[pivot]), std::swap(right[c], right[pivot]);
      for (std::size_t r = c + 1; r < a.size(); ++r) {
        const long double f = a[r][c] / a[c][c];
        for (std::size_t k = c; k < a.size(); ++k) a[r][k] -= f * a[c][k];
        right[r] -= f * right[c];
      }
    }
    for (std::size_t c = a.size(); c-- > 0;) {
      for (std::size_t k = c + 1; k < a.size(); ++k) right[c] -= a[c][k] * right[k];
      right[c] /= a[c][c];
    }
    return right;
  }
  // dJ / dphi = direct - v^T H^-1 B
  std::vector<long double> expected() const {
    const std::vector<long double> x = solve({outer.begin(), outer.end()});
    std::vector<long double> g(direct.begin(), direct.end());
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t k = 0; k < m; ++k)
        g[static_cast<std::size_t>(k)] -= x[static_cast<std::size_t>(i)] * cross[static_cast<std::size_t>(i * m + k)];
    return g;
  }
};

}  // namespace prefer_test
