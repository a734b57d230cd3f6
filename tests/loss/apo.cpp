// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/apo.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace prefer;
using prefer_test::ask;
using prefer_test::covers;
using prefer_test::refused;

TEST_CASE("apo_zero: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::apo_zero_cases>();
}

TEST_CASE("apo_down: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::apo_down_cases>();
}

TEST_CASE("APO-zero raises the chosen and lowers the rejected response; APO-down lowers both") {
  covers("apo_zero", "identity"), covers("apo_down", "identity");
  const auto zero = ask(apo_zero{.beta = 1.0}, {});
  CHECK((zero.value == 1 && zero.d_chosen == -0.25 && zero.d_rejected == 0.25));
  const auto down = ask(apo_down{.beta = 1.0}, {.policy_rejected = -3});
  CHECK(ask(apo_down{.beta = 1.0}, {}).value == 1);
  CHECK((down.d_chosen > 0 && down.d_rejected > 0));
  // A common shift of both responses changes APO-down only through the chosen one's own term.
  const double shift = 2;
  const auto moved = ask(apo_down{.beta = 1.0}, {.policy_chosen = shift, .policy_rejected = shift - 3});
  CHECK(moved.value - down.value == doctest::Approx(1 / (1 + std::exp(-shift)) - 0.5).epsilon(1e-14));
  CHECK(refused(apo_zero{.beta = 0.0}) == "beta");
  CHECK(refused(apo_down{.beta = 0.0}) == "beta");
}

TEST_CASE("APO keeps a gradient in float where one minus a sigmoid would be zero") {
  const auto t = apo_zero{.beta = 1.0}(pair<float>{.policy_chosen = 60, .policy_rejected = -60});
  CHECK((t.d_policy_chosen < 0 && t.d_policy_rejected > 0));
}
