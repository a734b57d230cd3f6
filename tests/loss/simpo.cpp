// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/simpo.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

using namespace prefer;
using prefer_test::ask;
using prefer_test::covers;
using prefer_test::refused;

TEST_CASE("simpo: golden values, and what every loss promises") { prefer_test::loss_tests<prefer_test::simpo_cases>(); }

TEST_CASE("alphapo: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::alphapo_cases>();
}

TEST_CASE("SimPO depends on means per token alone, and on their difference alone") {
  covers("simpo", "identity");
  const simpo loss{.beta = 2.0, .gamma = 0.5};
  const auto value = [&](double c, double r, double n, double m) {
    return ask(loss, {.policy_chosen = c, .policy_rejected = r, .length_chosen = n, .length_rejected = m}).value;
  };
  CHECK(value(-4, -6, 4, 2) == value(-8, -12, 8, 4));
  CHECK(value(-4, -6, 4, 2) == doctest::Approx(value(-4 + 12, -6 + 6, 4, 2)).epsilon(1e-15));
  CHECK(value(-4, -6, 4, 2) == doctest::Approx(std::log1p(std::exp(-(2 * 2 - 0.5)))).epsilon(1e-15));
}

TEST_CASE("AlphaPO is SimPO at alpha = 0, continuously, and stays finite in float for long unlikely responses") {
  covers("alphapo", "identity");
  const pair<double> p = {.policy_chosen = -4, .policy_rejected = -9, .length_chosen = 4, .length_rejected = 3};
  const auto plain = ask(simpo{.beta = 2.0, .gamma = 0.1}, p);
  CHECK(ask(alphapo{.beta = 2.0, .gamma = 0.1, .alpha = 0.0}, p).value == plain.value);
  CHECK(ask(alphapo{.beta = 2.0, .gamma = 0.1, .alpha = 1e-9}, p).d_chosen ==
        doctest::Approx(plain.d_chosen).epsilon(1e-8));
  const auto far = alphapo{}(
      pair<float>{.policy_chosen = -1e4f, .policy_rejected = -1e4f, .length_chosen = 1, .length_rejected = 1});
  CHECK(far.value == doctest::Approx(std::log1p(std::exp(0.1))));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(std::isnan(ask(simpo{}, {.policy_chosen = -4, .policy_rejected = -9, .length_chosen = nan}).value));
  CHECK(refused(simpo{.beta = 0.0}) == "beta");
  CHECK(refused(simpo{.gamma = HUGE_VAL}) == "gamma");
  CHECK(refused(simpo{.label_smoothing = 0.5}) == "label_smoothing");
  CHECK(refused(alphapo{.alpha = HUGE_VAL}) == "alpha");
  CHECK(refused(alphapo{.beta = 0.0}) == "beta");
  CHECK(refused(alphapo{.gamma = HUGE_VAL}) == "gamma");
}
