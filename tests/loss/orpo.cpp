// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/orpo.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace prefer;
using prefer_test::ask;
using prefer_test::covers;
using prefer_test::refused;

TEST_CASE("orpo: golden values, and what every loss promises") { prefer_test::loss_tests<prefer_test::orpo_cases>(); }

TEST_CASE("ORPO is the likelihood plus the logistic loss of the logarithm of the odds ratio") {
  covers("orpo", "identity");
  const double w = -0.5, l = -2.0, odds_w = std::exp(w) / (1 - std::exp(w)), odds_l = std::exp(l) / (1 - std::exp(l));
  const auto t = ask(orpo{.lambda = 0.5},
                     {.policy_chosen = 4 * w, .policy_rejected = 2 * l, .length_chosen = 4, .length_rejected = 2});
  CHECK(t.value == doctest::Approx(-w + 0.5 * std::log1p(odds_l / odds_w)).epsilon(1e-14));
}

TEST_CASE(
    "ORPO stays finite and consistent for certain tokens: exact at -1e-8, continued by its tangent above -2^-30") {
  const orpo loss{.lambda = 1.0};
  const auto chosen = [&](float u) {
    return loss(pair<float>{.policy_chosen = u, .policy_rejected = -1, .length_chosen = 1, .length_rejected = 1});
  };
  const auto rejected = [&](double u) {
    return ask(loss, {.policy_chosen = -1, .policy_rejected = u, .length_chosen = 1, .length_rejected = 1});
  };
  for (float u : {0.0f, -1e-8f, -1e-6f, -50.0f, -1e4f}) {
    CHECK(std::isfinite(chosen(u).value));
    CHECK(std::isfinite(chosen(u).d_policy_chosen));
  }
  CHECK(rejected(-1e-8).value == doctest::Approx(1 + 18.42068 + std::log(1.7182818 * 1)).epsilon(1e-4));
  CHECK(std::isfinite(rejected(0).d_rejected));
  const double edge = -0x1p-30, step = 0x1p-33;
  CHECK(rejected(edge + step).value - rejected(edge).value ==
        doctest::Approx(step * rejected(edge).d_rejected).epsilon(1e-4));
  CHECK(rejected(0).d_rejected == doctest::Approx(rejected(edge).d_rejected).epsilon(1e-6));
  CHECK(refused(orpo{.lambda = -1.0}) == "lambda");
}
