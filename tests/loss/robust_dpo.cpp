// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/robust_dpo.hpp>
#include <prefer/loss/dpo.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace prefer;
using prefer_test::ask;
using prefer_test::covers;
using prefer_test::refused;

TEST_CASE("robust_dpo: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::robust_dpo_cases>();
}

TEST_CASE("averaged over labels that flip with probability epsilon, robust DPO is DPO of the clean labels") {
  covers("robust_dpo", "identity");
  for (double z : {-50.0, -1.0, 0.0, 0.3, 20.0})
    for (double epsilon : {0.05, 0.4}) {
      const auto value = [&](double difference) {
        return ask(robust_dpo{.beta = 1.0, .epsilon = epsilon}, {.policy_chosen = difference}).value;
      };
      const double clean = ask(dpo{.beta = 1.0}, {.policy_chosen = z, .label = 1}).value;
      CHECK((1 - epsilon) * value(z) + epsilon * value(-z) ==
            doctest::Approx(clean).epsilon(1e-13).scale(1 + std::fabs(z) / (1 - 2 * epsilon)));
    }
}

TEST_CASE("robust DPO keeps a slope however large the margin, and a label that is right half of the time is refused") {
  CHECK(ask(robust_dpo{.beta = 1.0, .epsilon = 0.25}, {.policy_chosen = 1e4}).d_chosen == -0.5);
  CHECK(refused(robust_dpo{.epsilon = 0.5}) == "epsilon");
  CHECK(refused(robust_dpo{.epsilon = -0.1}) == "epsilon");
  CHECK(refused(robust_dpo{.beta = 0.0}) == "beta");
}
