// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/shape/aol.hpp>
#include <shape/networks.hpp>

namespace prefer_test {

// The rescaling and its gradient by their definitions.
struct aol_oracle {
  std::int64_t m, n;
  std::vector<double> w, gram, scale;

  aol_oracle(std::int64_t rows, std::int64_t columns, const std::vector<double>& weight)
      : m(rows), n(columns), w(weight), gram(static_cast<std::size_t>(n * n)), scale(static_cast<std::size_t>(n)) {
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t j = 0; j < n; ++j)
        for (std::int64_t k = 0; k < m; ++k) gram[at(i, j)] += w[at(k, i)] * w[at(k, j)];
    for (std::int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (std::int64_t i = 0; i < n; ++i) sum += std::fabs(gram[at(i, j)]);
      scale[static_cast<std::size_t>(j)] = sum > 0 ? 1 / std::sqrt(sum) : 0;
    }
  }
  std::size_t at(std::int64_t i, std::int64_t j) const { return static_cast<std::size_t>(i * n + j); }
  double rescaled(std::int64_t i, std::int64_t j) const { return w[at(i, j)] * scale[static_cast<std::size_t>(j)]; }
  std::vector<double> gradient(const std::vector<double>& g) const {
    std::vector<double> c(static_cast<std::size_t>(n)), by(g.size());
    for (std::int64_t j = 0; j < n; ++j) {
      const double s = scale[static_cast<std::size_t>(j)];
      for (std::int64_t k = 0; k < m; ++k) c[static_cast<std::size_t>(j)] -= g[at(k, j)] * w[at(k, j)] * s * s * s / 2;
    }
    for (std::int64_t k = 0; k < m; ++k)
      for (std::int64_t j = 0; j < n; ++j) {
        double sum = g[at(k, j)] * scale[static_cast<std::size_t>(j)];
        for (std::int64_t l = 0; l < n; ++l) {
          const double sign = gram[at(l, j)] > 0 ? 1 : gram[at(l, j)] < 0 ? -1 : 0;
          sum += w[at(k, l)] * (c[static_cast<std::size_t>(l)] + c[static_cast<std::size_t>(j)]) * sign;
        }
        by[at(k, j)] = sum;
      }
    return by;
  }
};

inline void check_aol_results(const aol_oracle& exact, const std::vector<double>& rescaled,
                              const std::vector<double>& scale, const std::vector<double>& g,
                              const std::vector<double>& by_w, const precision& p) {
  INFO(exact.m << " x " << exact.n);
  worst_error e;
  const std::vector<double> by = exact.gradient(g);
  for (std::size_t k = 0; k < by.size(); ++k) {
    const double x = exact.w[k] * exact.scale[k % scale.size()];
    e.add(rescaled[k], x, 16 * p.unit * std::fabs(x) + p.stored(x) + 1e-300);
    e.add(by_w[k], by[k], 64 * p.unit * (1 + std::fabs(by[k])) + p.stored(by[k]));
  }
  for (std::size_t j = 0; j < scale.size(); ++j)
    e.add(scale[j], exact.scale[j], 16 * p.unit * exact.scale[j] + p.stored(exact.scale[j]) + 1e-300);
  CHECK(e.most <= 1);
  // The guarantee, but for the type that the weight is stored in.
  CHECK(largest_singular_value(rescaled, exact.m, exact.n) <= 1 + 4 * p.unit + std::ldexp(1.0, -p.digits));
}

template <class S, class Side, class Change = unchanged_exec>
void check_aol(const Change& change = {}) {
  for (const auto& [m, n] : layer_shapes) {
    if (n > 100) continue;
    layer<S> w = make_layer<S>(m, n, 21, 0.2), g = make_layer<S>(m, n, 22, 0), rescaled(m, n), by_w(m, n);
    for (std::int64_t i = 0; i < m && n > 15; ++i) w.set(i, 3, 0);  // a column of zeros
    buffer<S> scale(n, 2);
    Side side;
    change(side.exec);
    prefer::check(prefer::rescale_aol(
        side.exec, {.weight = read(side, w), .upstream = read(side, g)},
        {.rescaled = write(side, rescaled), .scale = side.write(scale), .grad_weight = write(side, by_w)}));
    side.done();
    CHECK((rescaled.intact() && scale.intact() && by_w.intact()));
    check_aol_results({m, n, w.values()}, rescaled.values(), scale.values(), g.values(), by_w.values(),
                      precision::of<S>());
  }
  covers<S>("aol", "sizes");
}

}  // namespace prefer_test
