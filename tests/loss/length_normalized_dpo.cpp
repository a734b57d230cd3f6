// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/length_normalized_dpo.hpp>
#include <prefer/loss/dpo.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace prefer;
using prefer_test::ask;
using prefer_test::covers;
using prefer_test::refused;

TEST_CASE("length_normalized_dpo: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::length_normalized_dpo_cases>();
}

TEST_CASE("length-normalised DPO is DPO of one-token responses, and unchanged when every token is doubled") {
  covers("length_normalized_dpo", "identity");
  const pair<double> one = {.policy_chosen = -1,
                            .policy_rejected = -3,
                            .reference_chosen = -2,
                            .reference_rejected = -2,
                            .label = 1,
                            .length_chosen = 1,
                            .length_rejected = 1};
  CHECK(ask(length_normalized_dpo{.beta = 2.0}, one).value == ask(dpo{.beta = 2.0}, one).value);
  const pair<double> twice = {.policy_chosen = -2,
                              .policy_rejected = -6,
                              .reference_chosen = -4,
                              .reference_rejected = -4,
                              .label = 1,
                              .length_chosen = 2,
                              .length_rejected = 2};
  CHECK(ask(length_normalized_dpo{.beta = 2.0}, twice).value == ask(length_normalized_dpo{.beta = 2.0}, one).value);
  CHECK(refused(length_normalized_dpo{.beta = 0.0}) == "beta");
}
