// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/shape/norm_product.hpp>
#include <support/side.hpp>

namespace prefer_test {

template <class S, class Side>
void check_norm_product() {
  for (std::int64_t n : {0, 1, 2, 3, 12, 100}) {
    INFO(n << " layers");
    buffer<S> norm(n, 2), grad(n, 3);
    buffer<double> bound(1), log_bound(1);
    noise random(7);
    fill_uniform(norm, random, 0.7, 1.3);
    Side side;
    prefer::check(prefer::multiply_norms(side.exec, {side.read(norm)},
                                         {side.write(bound), side.write(log_bound), side.write(grad)}));
    side.done();
    CHECK((bound.intact() && log_bound.intact() && grad.intact()));
    long double product = 1;
    for (std::int64_t i = 0; i < n; ++i) product *= norm.get(i);
    CHECK(bound.at(0) >= product);
    CHECK(bound.at(0) <= product * (1 + static_cast<double>(2 * n + 4) * 0x1p-52));
    CHECK(std::fabs(log_bound.at(0) - static_cast<double>(std::log(product))) <= 1e-13);
    for (std::int64_t i = 0; i < n; ++i) {
      const auto by = static_cast<double>(product / norm.get(i));
      CHECK(rounded_right<S>(grad.get(i), by, 1e-13 * by));
    }
  }
  covers<S>("norm_product", "sizes");
}

}  // namespace prefer_test
