// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/sppo.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace prefer;
using prefer_test::ask;
using prefer_test::covers;
using prefer_test::refused;

TEST_CASE("sppo: golden values, and what every loss promises") { prefer_test::loss_tests<prefer_test::sppo_cases>(); }

TEST_CASE("SPPO is zero where both log-ratios are at their targets, and 1 / (2 beta^2) at policy = reference") {
  covers("sppo", "identity");
  CHECK(ask(sppo{.beta = 0.25}, {}).value == 8);
  const auto there = ask(sppo{.beta = 0.25}, {.policy_chosen = 2, .policy_rejected = -2});
  CHECK(there.value == 0);
  CHECK(there.d_chosen == 0);
  CHECK(ask(sppo{.beta = 0.25}, {}).d_chosen == -4);
  CHECK(refused(sppo{.beta = 0.0}) == "beta");
}
