// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/kl_cov.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace prefer;
using prefer_test::covers;
using prefer_test::refused;

TEST_CASE("kl_cov: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::kl_cov_cases>();
}

TEST_CASE("kl_cov: without chosen tokens the unclipped surrogate; a chosen token is pulled back from either side") {
  covers("kl_cov", "identity");
  const auto at = [](double x, double advantage, double chosen) {
    action<double> a{.policy = x - 3, .old_policy = -3, .advantage = advantage};
    a.column[0] = chosen;
    return kl_cov{.coefficient = 0.5}(a);
  };
  for (const double x : {-2.0, -0.125, 0.0, 0.25, 3.0}) {
    CHECK(at(x, 2, 0).value == doctest::Approx(-2 * std::exp(x)).epsilon(1e-15));
    CHECK(at(x, 2, 0).d_policy == at(x, 2, 0).value);
    CHECK(at(x, 0, 1).value == 0.5 * std::fabs(x));
    CHECK(at(x, 0, 1).d_policy == (x > 0 ? 0.5 : x < 0 ? -0.5 : 0));
  }
  // Far away the penalty is still a number where the ratio is none, and an action that weighs nothing has no part in
  // it.
  CHECK(at(-5000, 1, 1).value == 2500);
  CHECK(at(5000, 0, 0).value == 0);
  CHECK(refused(kl_cov{.coefficient = -1.0}) == "coefficient");
  CHECK(refused(kl_cov{.coefficient = HUGE_VAL}) == "coefficient");
}
