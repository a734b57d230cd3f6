// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/nca.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace prefer;
using prefer_test::ask;
using prefer_test::covers;
using prefer_test::refused;

TEST_CASE("nca: golden values, and what every loss promises") { prefer_test::loss_tests<prefer_test::nca_cases>(); }

TEST_CASE("NCA has its minimum for the chosen response at a reward of log 2 and always lowers the rejected one") {
  covers("nca", "identity");
  const nca loss{.beta = 1.0};
  CHECK(std::fabs(ask(loss, {.policy_chosen = std::log(2.0)}).d_chosen) < 1e-15);
  CHECK(ask(loss, {.policy_chosen = 0.6}).d_chosen < 0);
  CHECK(ask(loss, {.policy_chosen = 0.8}).d_chosen > 0);
  CHECK(ask(loss, {}).value == doctest::Approx(2 * std::log(2.0)));
  CHECK(ask(loss, {.policy_rejected = -30}).d_rejected > 0);
  CHECK(refused(nca{.beta = 0.0}) == "beta");
}
