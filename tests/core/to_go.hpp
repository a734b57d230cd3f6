// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate_to_go.hpp>
#include <prefer/loss/nash_md_pg.hpp>
#include <support/buffer.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

// Responses of 0 to some hundred tokens with masks, and the token gradients of Nash-MD-PG from each token on, by
// definition. What the masks leave out holds NaN.
namespace prefer_test {

template <class S>
struct to_go_case {
  static constexpr std::int64_t n = 9;
  static constexpr double tau = 0.07;
  buffer<std::int32_t> offsets;
  buffer<S> policy, reference, label, weight, grad;
  buffer<bool> token_mask, mask;

  to_go_case()
      : offsets(n + 1),
        policy(tokens()),
        reference(tokens(), 2),
        label(n),
        weight(n),
        grad(tokens(), 3, 1),
        token_mask(tokens()),
        mask(n) {
    constexpr double nothing = std::numeric_limits<double>::quiet_NaN();
    noise random(12);
    offsets.at(0) = 1;  // one token before all responses, and two behind them
    for (std::int64_t i = 0; i < n; ++i) {
      offsets.at(i + 1) = offsets.at(i) + static_cast<std::int32_t>(length(i));
      label.set(i, random.uniform(0, 1)), weight.set(i, random.uniform(-2, 2));
      mask.at(i) = i % 4 != 2;
    }
    for (std::int64_t t = 0; t < tokens(); ++t) {
      token_mask.at(t) = random.uniform(0, 1) < 0.8;
      policy.set(t, token_mask.at(t) ? random.uniform(-3, 0) : nothing);
      reference.set(t, token_mask.at(t) ? random.uniform(-3, 0) : nothing);
      grad.set(t, -7);
    }
  }
  static std::int64_t length(std::int64_t i) { return i % 5 == 3 ? 0 : i * i * 5 % 307; }
  static std::int64_t tokens() {
    std::int64_t sum = 3;
    for (std::int64_t i = 0; i < n; ++i) sum += length(i);
    return sum;
  }
  prefer::nash_md_pg loss() const { return {.tau = tau}; }

  // Sums of at most 307 numbers of size 3 in double: 1e-12; storing rounds once.
  void check_definition() {
    double selected = 0;
    for (std::int64_t i = 0; i < n; ++i) selected += mask.at(i);
    for (std::int64_t i = 0; i < n; ++i) {
      long double to_go = 0;
      for (std::int64_t t = offsets.at(i + 1); t-- > offsets.at(i);) {
        long double expected = 0;
        if (mask.at(i) && token_mask.at(t)) {
          to_go += static_cast<long double>(policy.get(t)) - reference.get(t);
          expected = -weight.get(i) * (label.get(i) - 0.5L - static_cast<long double>(tau) * to_go) / selected;
        }
        INFO("token " << t << " of response " << i);
        CHECK(std::fabs(grad.get(t) - expected) <= std::ldexp(std::fabs(expected), -storage<S>::digits) + 1e-12L +
                                                       std::ldexp(1.0L, storage<S>::least_exponent));
      }
    }
    CHECK((grad.get(0) == -7 && grad.get(tokens() - 1) == -7 && grad.intact()));
  }
};

}  // namespace prefer_test
