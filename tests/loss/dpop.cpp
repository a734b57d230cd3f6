// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/dpop.hpp>
#include <prefer/loss/dpo.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace prefer;
using prefer_test::ask;
using prefer_test::covers;
using prefer_test::refused;

TEST_CASE("dpop: golden values, and what every loss promises") { prefer_test::loss_tests<prefer_test::dpop_cases>(); }

TEST_CASE("DPOP is DPO where the chosen response became more likely, and pushes harder where it became less") {
  covers("dpop", "identity");
  const dpop loss{.beta = 0.5, .lambda = 3.0};
  const pair<double> rose = {.policy_chosen = 1, .policy_rejected = 2, .label = 1};
  const pair<double> fell = {.policy_chosen = -1, .policy_rejected = -2, .label = 1};
  CHECK(ask(loss, rose).value == ask(dpo{.beta = 0.5}, rose).value);
  CHECK(ask(loss, rose).d_chosen == ask(dpo{.beta = 0.5}, rose).d_chosen);
  CHECK(ask(loss, fell).value == doctest::Approx(std::log1p(std::exp(-0.5 * (1 - 3.0)))).epsilon(1e-15));
  CHECK(ask(loss, fell).d_chosen == doctest::Approx(-4 * ask(loss, fell).d_rejected));
  CHECK(ask(dpop{.beta = 0.5, .lambda = 0.0}, fell).value == ask(dpo{.beta = 0.5}, fell).value);
  CHECK(refused(dpop{.lambda = -1.0}) == "lambda");
  CHECK(refused(dpop{.beta = 0.0}) == "beta");
}
