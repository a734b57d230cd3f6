// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/cpo.hpp>
#include <prefer/loss/dpo.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace prefer;
using prefer_test::ask;
using prefer_test::covers;
using prefer_test::refused;

TEST_CASE("cpo: golden values, and what every loss promises") { prefer_test::loss_tests<prefer_test::cpo_cases>(); }

TEST_CASE("CPO is DPO with a reference of zeros plus the likelihood, which is read only if it counts") {
  covers("cpo", "identity");
  const pair<double> p = {.policy_chosen = -4, .policy_rejected = -9, .label = 1, .length_chosen = 8};
  const auto plain = ask(dpo{.beta = 0.5, .label_smoothing = 0.1}, p);
  const auto both = ask(cpo{.beta = 0.5, .nll_weight = 2.0, .label_smoothing = 0.1}, p);
  CHECK(both.value == doctest::Approx(plain.value + 2 * 0.5).epsilon(1e-15));
  CHECK(both.d_chosen == doctest::Approx(plain.d_chosen - 2.0 / 8).epsilon(1e-15));
  CHECK(both.d_rejected == doctest::Approx(plain.d_rejected).epsilon(1e-15));
  CHECK(!prefer_test::loss_call<cpo, float>(cpo{.nll_weight = 0.0}, 1).reads(6));
  CHECK(prefer_test::loss_call<cpo, float>(cpo{}, 1).reads(6));
  CHECK(refused(cpo{.beta = 0.0}) == "beta");
  CHECK(refused(cpo{.nll_weight = -1.0}) == "nll_weight");
  CHECK(refused(cpo{.label_smoothing = 0.5}) == "label_smoothing");
}
