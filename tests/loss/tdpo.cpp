// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/tdpo.hpp>
#include <prefer/loss/dpo.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace prefer;
using prefer_test::ask;
using prefer_test::covers;
using prefer_test::refused;

TEST_CASE("tdpo: golden values, and what every loss promises") { prefer_test::loss_tests<prefer_test::tdpo_cases>(); }

TEST_CASE(
    "TDPO without divergences is DPO; the derivatives by the divergences are multiples of that by the log-ratio") {
  covers("tdpo", "identity");
  const tdpo loss{.beta = 0.5, .alpha = 0.25};
  const auto at = [&](double chosen, double rejected) {
    return ask(loss, {.policy_chosen = 1, .policy_rejected = 2, .label = 1, .column = {chosen, rejected}});
  };
  CHECK(at(3, 3).value == ask(dpo{.beta = 0.5}, {.policy_chosen = 1, .policy_rejected = 2, .label = 1}).value);
  const double h = 1e-5;
  CHECK((at(3, 4 + h).value - at(3, 4 - h).value) / (2 * h) ==
        doctest::Approx(-0.25 * at(3, 4).d_chosen).epsilon(1e-9));
  CHECK((at(3 + h, 4).value - at(3 - h, 4).value) / (2 * h) == doctest::Approx(0.25 * at(3, 4).d_chosen).epsilon(1e-9));
  CHECK(refused(tdpo{.beta = 0.0}) == "beta");
  CHECK(refused(tdpo{.alpha = -1.0}) == "alpha");
}
