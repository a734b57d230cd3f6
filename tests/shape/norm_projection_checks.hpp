// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/shape/norm_projection.hpp>
#include <shape/networks.hpp>

namespace prefer_test {

struct projection_results {
  std::int64_t m, n;
  std::vector<double> w, g, projected, norm, by_w;
};

// Line by line, by the formulas.
inline void check_projection_results(const projection_results& r, bool rows, bool absolute, double limit,
                                     const precision& p) {
  INFO(r.m << " x " << r.n << (rows ? " rows" : " columns") << (absolute ? " l1" : " l2"));
  const std::int64_t lines = rows ? r.m : r.n, length = rows ? r.n : r.m;
  worst_error e;
  for (std::int64_t l = 0; l < lines; ++l) {
    const auto at = [&](std::int64_t k) { return static_cast<std::size_t>(rows ? l * r.n + k : k * r.n + l); };
    long double norm = 0, inner = 0, after = 0;
    for (std::int64_t k = 0; k < length; ++k) {
      norm += absolute ? std::fabs(r.w[at(k)]) : r.w[at(k)] * r.w[at(k)];
      inner += r.w[at(k)] * r.g[at(k)];
    }
    if (!absolute) norm = std::sqrt(norm);
    const bool longer = norm > limit;
    const long double s = longer ? limit / norm : 1;
    e.add(r.norm[static_cast<std::size_t>(l)], static_cast<double>(norm),
          8 * p.unit * static_cast<double>(norm) + p.stored(static_cast<double>(norm)));
    for (std::int64_t k = 0; k < length; ++k) {
      const double w = r.w[at(k)], sign = w > 0 ? 1 : w < 0 ? -1 : 0;
      const double x = static_cast<double>(s * w);
      const double slope = static_cast<double>(absolute ? sign : w / norm);
      const double by = static_cast<double>(s * (r.g[at(k)] - (longer ? inner / norm * slope : 0)));
      e.add(r.projected[at(k)], x, 8 * p.unit * std::fabs(x) + p.stored(x) + 1e-300);
      e.add(r.by_w[at(k)], by, 32 * p.unit * (1 + std::fabs(by)) + p.stored(by));
      if (!longer && r.projected[at(k)] != w) e.add(1, 0, 1e-9);
      after += absolute ? std::fabs(r.projected[at(k)]) : r.projected[at(k)] * r.projected[at(k)];
    }
    if (!absolute) after = std::sqrt(after);
    if (after > limit * (1 + 4 * p.unit + std::ldexp(1.0, -p.digits))) e.add(1, 0, 1e-9);
  }
  CHECK(e.most <= 1);
}

template <class S, class Side>
void check_norm_projection() {
  using T = std::conditional_t<std::is_same_v<S, double>, double, float>;
  int form = 0;
  for (const auto& [m, n] : layer_shapes) {
    prefer::norm_projection o;
    const bool rows = form % 2 == 0, absolute = form / 2 % 2 == 0;
    o.along = rows ? prefer::norm_projection::line::rows : prefer::norm_projection::line::columns;
    o.by = absolute ? prefer::norm_projection::norm::l1 : prefer::norm_projection::norm::l2;
    const double limit = absolute ? 0.3 * static_cast<double>(rows ? n : m) : 1.25;
    o.limit = limit;
    layer<S> w = make_layer<S>(m, n, 51), g = make_layer<S>(m, n, 52, 0), projected(m, n), by_w(m, n);
    buffer<S> norm(rows ? m : n, 2);
    Side side;
    prefer::check(prefer::project_norms<T>(
        side.exec, o, {.weight = read(side, w), .upstream = read(side, g)},
        {.projected = write(side, projected), .norm = side.write(norm), .grad_weight = write(side, by_w)}));
    side.done();
    CHECK((projected.intact() && norm.intact() && by_w.intact()));
    check_projection_results({m, n, w.values(), g.values(), projected.values(), norm.values(), by_w.values()}, rows,
                             absolute, limit, precision::of<S>());
    ++form;
  }
  covers<S>("norm_projection", "sizes");
}

}  // namespace prefer_test
