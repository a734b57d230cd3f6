// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/d3po.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace prefer;
using prefer_test::ask;
using prefer_test::covers;
using prefer_test::refused;

TEST_CASE("d3po: golden values, and what every loss promises") { prefer_test::loss_tests<prefer_test::d3po_cases>(); }

TEST_CASE("D3PO with the published parameters stays within its two bounds whatever the ratios are") {
  covers("d3po", "identity");
  for (float a : {-1e4f, -1.0f, 0.0f, 0.05f, 1.0f, 1e4f})
    for (float c : {-1e4f, -0.05f, 0.0f, 1e4f}) {
      const auto t = d3po{}(pair<float>{.policy_chosen = a, .policy_rejected = c, .label = 1});
      CHECK(t.value > 0.68315f);
      CHECK(t.value < 0.70324f);
      CHECK(std::isfinite(t.d_policy_chosen));
    }
  const d3po step_aware{.beta = 10.0};
  CHECK(ask(step_aware, {.policy_chosen = 9, .policy_rejected = -9, .label = 1}).value ==
        doctest::Approx(0.12613).epsilon(1e-4));
  CHECK(ask(step_aware, {.policy_chosen = -9, .policy_rejected = 9, .label = 1}).value ==
        doctest::Approx(2.13284).epsilon(1e-5));
}

TEST_CASE(
    "D3PO: a tie teaches nothing, label 0 swaps the two, and outside the clip there is no gradient on either side") {
  const d3po loss{.beta = 2.0, .clip = 0.5};
  const pair<double> p = {.policy_chosen = 0.1, .policy_rejected = -0.2, .label = 1};
  pair<double> tie = p, other = {.policy_chosen = -0.2, .policy_rejected = 0.1, .label = 0};
  tie.label = 0.5;
  CHECK(ask(loss, tie).value == doctest::Approx(std::log(2.0)));
  CHECK((ask(loss, tie).d_chosen == 0 && ask(loss, tie).d_rejected == 0));
  CHECK(ask(loss, other).value == doctest::Approx(ask(loss, p).value).epsilon(1e-15));
  CHECK(ask(loss, p).value == doctest::Approx(std::log1p(std::exp(-2 * 0.3))).epsilon(1e-15));
  for (double a : {-0.7, 0.41}) CHECK(ask(loss, {.policy_chosen = a, .label = 1}).d_chosen == 0);
  for (double a : {-0.69, 0.40}) CHECK(ask(loss, {.policy_chosen = a, .label = 1}).d_chosen < 0);
  CHECK(refused(d3po{.beta = 0.0}) == "beta");
  CHECK(refused(d3po{.clip = 0.0}) == "clip");
  CHECK(refused(d3po{.clip = 1.0}) == "clip");
}
