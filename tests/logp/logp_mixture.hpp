// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/logp/logp_mixture.hpp>
#include <support/buffer.hpp>
#include <support/row_call.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

// Two matrices of logits, their mixture in long double, and the bound that the header states.
namespace prefer_test {

template <class P, class R = P, class Out = P>
struct mixture_case {
  std::int64_t m, v;
  double b;
  matrix<P> policy;
  matrix<R> reference;
  matrix<Out> logp;

  mixture_case(std::int64_t rows, std::int64_t columns, double weight, std::int64_t gap = 0)
      : m(rows),
        v(columns),
        b(weight),
        policy(rows, columns, gap),
        reference(rows, columns, gap),
        logp(rows, columns, gap) {
    noise random(static_cast<std::uint64_t>(columns) + 5);
    policy.fill(random, -12, 9);
    reference.fill(random, -7, 7);
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t k = 0; k < v; ++k) {
        if (k % 11 == 3) policy.set(i, k, -HUGE_VAL);
        if (k % 13 == 7) reference.set(i, k, -HUGE_VAL);
      }
  }

  // What the rows must become; to be taken before a call that overwrites its inputs.
  struct expectation {
    std::vector<long double> z, size;  // of a row's columns, and the magnitude of what is added up in them
  };
  std::vector<expectation> expected() {
    std::vector<expectation> rows(static_cast<std::size_t>(m));
    const long double other = b, own = 1 - other;
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t k = 0; k < v; ++k) {
        const long double x = own > 0 ? own * policy.get(i, k) : 0, y = other > 0 ? other * reference.get(i, k) : 0;
        rows[static_cast<std::size_t>(i)].z.push_back(x + y);
        rows[static_cast<std::size_t>(i)].size.push_back(std::fabs(x) + std::fabs(y));
      }
    return rows;
  }

  // `get(i, k)` is the answer. Arithmetic is in Compute.
  template <class Compute, class Get>
  void check_answer(const std::vector<expectation>& rows, Get get) {
    const long double unit = std::ldexp(1.0L, -storage<Compute>::digits);
    for (std::int64_t i = 0; i < m; ++i) {
      const expectation& row = rows[static_cast<std::size_t>(i)];
      long double top = -HUGE_VALL, sum = 0;
      for (long double z : row.z) top = std::max(top, z);
      for (long double z : row.z) sum += std::exp(z - top);
      bool good = true;
      for (std::int64_t k = 0; k < v; ++k) {
        const long double exact = row.z[static_cast<std::size_t>(k)] - top - std::log(sum);
        const long double bound =
            unit * (4 * (row.size[static_cast<std::size_t>(k)] + std::fabs(top)) + 2 * std::fabs(exact) + 4) +
            std::ldexp(std::fabs(exact), -storage<Out>::digits) + std::ldexp(1.0L, storage<Out>::least_exponent);
        good = good && (std::isinf(exact) ? get(i, k) == -HUGE_VAL : std::fabs(get(i, k) - exact) <= bound);
      }
      INFO("row " << i << " of " << v << " columns, weight " << b);
      CHECK(good);
    }
  }
  template <class Compute>
  void check_answer(const std::vector<expectation>& rows) {
    check_answer<Compute>(rows, [&](std::int64_t i, std::int64_t k) { return logp.get(i, k); });
    CHECK(logp.memory.intact());
  }
};

}  // namespace prefer_test
