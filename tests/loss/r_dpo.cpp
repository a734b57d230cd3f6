// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/r_dpo.hpp>
#include <prefer/loss/dpo.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace prefer;
using prefer_test::ask;
using prefer_test::covers;
using prefer_test::refused;

TEST_CASE("r_dpo: golden values, and what every loss promises") { prefer_test::loss_tests<prefer_test::r_dpo_cases>(); }

TEST_CASE("R-DPO is DPO for responses of one length, and asks less of a longer chosen response") {
  covers("r_dpo", "identity");
  pair<double> p = {.policy_chosen = 1, .policy_rejected = 2, .label = 1, .length_chosen = 9, .length_rejected = 9};
  const r_dpo loss{.beta = 0.5, .alpha = 0.25};
  CHECK(ask(loss, p).value == ask(dpo{.beta = 0.5}, p).value);
  p.length_chosen = 13;
  CHECK(ask(loss, p).value == doctest::Approx(std::log1p(std::exp(-(-0.5 + 0.25 * 4)))).epsilon(1e-15));
  CHECK(refused(r_dpo{.alpha = HUGE_VAL}) == "alpha");
  CHECK(refused(r_dpo{.beta = 0.0}) == "beta");
}
