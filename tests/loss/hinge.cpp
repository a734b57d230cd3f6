// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/hinge.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace prefer;
using prefer_test::ask;
using prefer_test::covers;
using prefer_test::refused;

TEST_CASE("hinge: golden values, and what every loss promises") { prefer_test::loss_tests<prefer_test::hinge_cases>(); }

TEST_CASE("the hinge is the margin at policy = reference, flat beyond it, and of slope beta before it") {
  covers("hinge", "identity");
  CHECK(ask(hinge{}, {}).value == 1);
  const hinge loss{.beta = 0.5, .margin = 2.0};
  CHECK(ask(loss, {.policy_chosen = 4}).d_chosen == 0);
  CHECK(ask(loss, {.policy_chosen = 3.5}).value == 0.25);
  CHECK(ask(loss, {.policy_chosen = 3.5}).d_chosen == -0.5);
  CHECK(ask(loss, {.policy_chosen = 3.875}).value == 0.0625);  // up to the corner
  CHECK(std::isnan(ask(loss, {.policy_chosen = std::numeric_limits<double>::quiet_NaN()}).value));
  CHECK(refused(hinge{.beta = -1.0}) == "beta");
  CHECK(refused(hinge{.margin = HUGE_VAL}) == "margin");
}
