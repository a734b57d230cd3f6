// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/discopop.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace prefer;
using prefer_test::ask;
using prefer_test::covers;
using prefer_test::refused;

TEST_CASE("discopop: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::discopop_cases>();
}

TEST_CASE("DiscoPOP tends to the logistic loss for losing pairs and to the exponential one for winning pairs") {
  covers("discopop", "identity");
  const discopop loss{.beta = 1.0, .tau = 0.05};
  CHECK(ask(loss, {.policy_chosen = -8}).value == doctest::Approx(std::log1p(std::exp(8.0))).epsilon(1e-14));
  CHECK(ask(loss, {.policy_chosen = 8}).value == doctest::Approx(std::exp(-8.0)).epsilon(1e-14));
  CHECK(ask(loss, {}).value == doctest::Approx((std::log(2.0) + 1) / 2).epsilon(1e-15));
}

TEST_CASE("DiscoPOP is finite in float for margins of plus and minus 1e4, and refuses a temperature of zero") {
  for (float z : {-1e4f, -104.0f, -89.0f, 89.0f, 1e4f}) {
    const auto t = discopop{.beta = 1.0}(pair<float>{.policy_chosen = z});
    CHECK(t.value == doctest::Approx(z < 0 ? -z : 0));
    CHECK(std::fabs(t.d_policy_chosen) <= 1);
  }
  CHECK(refused(discopop{.tau = 0.0}) == "tau");
  CHECK(refused(discopop{.beta = 0.0}) == "beta");
}
