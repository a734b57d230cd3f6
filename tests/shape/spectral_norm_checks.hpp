// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/shape/spectral_norm.hpp>
#include <shape/networks.hpp>

#include <algorithm>

namespace prefer_test {

// The bound by its definition: sums, and the trace of a power of the Gram matrix from singular values.
inline double bound_by_definition(const std::vector<double>& w, std::int64_t m, std::int64_t n, int doublings) {
  double rows = 0, columns = 0, power = 0;
  for (std::int64_t i = 0; i < m; ++i) {
    double sum = 0;
    for (std::int64_t j = 0; j < n; ++j) sum += std::fabs(w[static_cast<std::size_t>(i * n + j)]);
    rows = std::max(rows, sum);
  }
  for (std::int64_t j = 0; j < n; ++j) {
    double sum = 0;
    for (std::int64_t i = 0; i < m; ++i) sum += std::fabs(w[static_cast<std::size_t>(i * n + j)]);
    columns = std::max(columns, sum);
  }
  const double exponent = std::ldexp(2.0, doublings), most = largest_singular_value(w, m, n);
  if (most == 0) return 0;
  for (double s : singular_values(w, m, n)) power += std::pow(s / most, exponent);
  return std::min(std::sqrt(rows * columns), most * std::pow(power, 1 / exponent));
}

struct spectral_results {
  std::int64_t m, n;
  std::vector<double> w, left, right, normalized, divided;
  double sigma, bound;
};
inline void check_spectral_results(const spectral_results& r, int doublings, const precision& p) {
  INFO(r.m << " x " << r.n);
  const double exact = largest_singular_value(r.w, r.m, r.n);
  CHECK(std::fabs(r.sigma - exact) <= (p.unit < 1e-9 ? 1e-13 : 16 * p.unit) * exact);
  CHECK(r.bound >= exact * (1 - 8e-16));  // the oracle's rounding
  CHECK(r.bound <= bound_by_definition(r.w, r.m, r.n, doublings) * (1 + 1e-9));
  worst_error e;
  double product = 0, lengths[2] = {};
  for (double x : r.left) lengths[0] += x * x;
  for (double x : r.right) lengths[1] += x * x;
  for (std::size_t k = 0; k < r.w.size(); ++k) {
    const auto n = static_cast<std::size_t>(r.n);
    product += r.left[k / n] * r.w[k] * r.right[k % n];
    e.add(r.normalized[k], r.w[k] / r.sigma, 4 * p.unit + p.stored(r.w[k] / r.sigma));
    e.add(r.divided[k], r.w[k] / r.bound, 4 * p.unit + p.stored(r.w[k] / r.bound));
  }
  CHECK(e.most <= 1);
  if (r.w.empty()) return;
  e = {};
  const double rounding = 32 * p.unit + std::ldexp(2.0, -p.digits);
  e.add(product, r.sigma, rounding * r.sigma), e.add(lengths[0], 1, rounding), e.add(lengths[1], 1, rounding);
  CHECK(e.most <= 1);
}

template <class S, class Side, class Change = unchanged_exec>
void check_spectral_norm(const Change& change = {}) {
  int doublings = 0;
  for (const auto& [m, n] : layer_shapes) {
    layer<S> w = make_layer<S>(m, n, 3, 2), normalized(m, n), divided(m, n);
    buffer<double> sigma(1), bound(1);
    buffer<S> left(m), right(n, 2);
    buffer<std::int32_t> iterations(1);
    buffer<bool> converged(1);
    prefer::spectral_norm options{.iterations = 14, .gram_doublings = doublings};
    Side side;
    change(side.exec);
    prefer::check(prefer::find_spectral_norm(side.exec, options, {.weight = read(side, w)},
                                             {.sigma = side.write(sigma),
                                              .bound = side.write(bound),
                                              .left = side.write(left),
                                              .right = side.write(right),
                                              .iterations = side.write(iterations),
                                              .converged = side.write(converged),
                                              .normalized = write(side, normalized)}));
    options.divide_by = prefer::spectral_norm::divisor::bound, options.iterations = 1;
    prefer::check(prefer::find_spectral_norm(side.exec, options, {.weight = read(side, w)},
                                             {.normalized = write(side, divided)}));
    side.done();
    CHECK((sigma.intact() && bound.intact() && left.intact() && right.intact() && iterations.intact() &&
           converged.intact() && normalized.intact() && divided.intact() && iterations.at(0) == 14 &&
           !converged.at(0)));
    check_spectral_results({m, n, w.values(), left.values(), right.values(), normalized.values(), divided.values(),
                            sigma.at(0), bound.at(0)},
                           doublings, precision::of<S>());
    doublings = (doublings + 1) % 5;
  }
  covers<S>("spectral_norm", "sizes");
}

inline void check_spectral_slopes(const spectral_results& r, const std::vector<double>& g,
                                  const std::vector<double>& by_w, double by, const precision& p) {
  INFO(r.m << " x " << r.n);
  double inner = 0, along = 0;
  worst_error e;
  for (std::size_t k = 0; k < g.size(); ++k) inner += g[k] * r.w[k];
  for (std::size_t k = 0; k < g.size(); ++k) {
    const auto n = static_cast<std::size_t>(r.n);
    const double exact = (g[k] - inner / r.sigma * r.left[k / n] * r.right[k % n]) / by;
    e.add(by_w[k], exact, 32 * p.unit * (1 + std::fabs(inner / r.sigma)) / by + p.stored(exact));
    along += by_w[k] * r.w[k];
  }
  CHECK(e.most <= 1);
  if (p.unit < 1e-9) CHECK(std::fabs(along) <= 1e-12 * (1 + std::fabs(inner)) / by);
}

template <class S, class Side>
void check_spectral_gradient(bool bounded) {
  for (const auto& [m, n] : layer_shapes) {
    if (m * n > 1500 || m * n == 0) continue;
    layer<S> w = make_layer<S>(m, n, 4, 2), g = make_layer<S>(m, n, 5, 0), by_w(m, n);
    buffer<double> sigma(1), bound(1);
    buffer<S> left(m), right(n);
    prefer::check(prefer::find_spectral_norm(
        prefer::cpu{}, {.iterations = 80}, {.weight = w.read()},
        {.sigma = sigma.view(), .bound = bound.view(), .left = left.view(), .right = right.view()}));
    Side side;
    prefer::spectral_gradient_inputs<Side::memory> in{.weight = read(side, w),
                                                      .upstream = read(side, g),
                                                      .left = side.read(left),
                                                      .right = side.read(right),
                                                      .sigma = side.read(sigma)};
    if (bounded) in.bound = side.read(bound);
    prefer::check(prefer::propagate_spectral_norm(side.exec, in, {.grad_weight = write(side, by_w)}));
    side.done();
    CHECK(by_w.intact());
    check_spectral_slopes({m, n, w.values(), left.values(), right.values(), {}, {}, sigma.at(0), bound.at(0)},
                          g.values(), by_w.values(), bounded ? bound.at(0) : sigma.at(0), precision::of<S>());
  }
}

}  // namespace prefer_test
