// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/exo.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace prefer;
using prefer_test::ask;
using prefer_test::covers;
using prefer_test::refused;

TEST_CASE("exo: golden values, and what every loss promises") { prefer_test::loss_tests<prefer_test::exo_cases>(); }

TEST_CASE("EXO is zero with zero slope where the policy's preference is the smoothed label, and grows on both sides") {
  covers("exo", "identity");
  const double best = std::log((1 - 1e-3) / 1e-3);
  CHECK(best == doctest::Approx(6.9068).epsilon(1e-5));
  const exo loss{.beta = 1.0, .epsilon = 1e-3};
  CHECK(std::fabs(ask(loss, {.policy_chosen = best}).value) < 1e-15);
  CHECK(std::fabs(ask(loss, {.policy_chosen = best}).d_chosen) < 1e-15);
  CHECK(ask(loss, {.policy_chosen = best - 1}).d_chosen < 0);
  CHECK(ask(loss, {.policy_chosen = best + 1}).d_chosen > 0);
}

TEST_CASE("EXO saturates without NaN at infinite margins, and epsilon must be inside (0, 1/2)") {
  const exo loss{.beta = 1.0, .epsilon = 0.25};
  CHECK(ask(loss, {.policy_chosen = HUGE_VAL}).value == doctest::Approx(-std::log(0.75)));
  CHECK(ask(loss, {.policy_chosen = -HUGE_VAL}).value == doctest::Approx(-std::log(0.25)));
  CHECK(ask(loss, {.policy_chosen = -HUGE_VAL}).d_chosen == 0);
  CHECK(refused(exo{.epsilon = 0.0}) == "epsilon");
  CHECK(refused(exo{.epsilon = 0.5}) == "epsilon");
  CHECK(refused(exo{.beta = 0.0}) == "beta");
}
