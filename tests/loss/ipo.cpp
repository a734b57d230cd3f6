// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/ipo.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace prefer;
using prefer_test::ask;
using prefer_test::covers;
using prefer_test::refused;

TEST_CASE("ipo: golden values, and what every loss promises") { prefer_test::loss_tests<prefer_test::ipo_cases>(); }

TEST_CASE("IPO pulls the difference of log-ratios to 1 / (2 tau) from both sides") {
  covers("ipo", "identity");
  CHECK(ask(ipo{.tau = 0.25}, {}).value == 4);
  CHECK(ask(ipo{.tau = 0.25}, {.policy_chosen = 2}).d_chosen == 0);
  CHECK(ask(ipo{.tau = 0.25}, {.policy_chosen = 3}).d_chosen == 2);
  CHECK(ask(ipo{.tau = 0.25}, {.policy_chosen = 1}).d_chosen == -2);
}

TEST_CASE("IPO per token: one token is the plain form, an empty response counts as one, lengths are asked for") {
  const ipo mean{.tau = 0.5, .length_normalized = true}, sum{.tau = 0.5};
  const pair<double> one = {.policy_chosen = -3, .policy_rejected = -4, .length_chosen = 1, .length_rejected = 1};
  CHECK(ask(mean, one).value == ask(sum, one).value);
  pair<double> empty = one;
  empty.length_rejected = 0;
  CHECK(ask(mean, empty).d_rejected == ask(sum, one).d_rejected);
  pair<double> longer = one;
  longer.length_chosen = 3;
  CHECK(ask(mean, longer).value == doctest::Approx(std::pow(-1.0 + 4.0 - 1.0, 2)));
  prefer_test::loss_call<ipo, float> c(mean, 4);
  CHECK(c.reads(6));
  CHECK(!prefer_test::loss_call<ipo, float>(sum, 4).reads(6));
  CHECK(refused(ipo{.tau = 0.0}) == "tau");
}

TEST_CASE("the optimum over two actions that win with probability p and 1 - p has the published closed form") {
  // d/d h of p (h - t)^2 + (1 - p) (-h - t)^2 vanishes at h = (2 p - 1) t, t = 1 / (2 tau).
  const double p = 0.8, tau = 0.3, h = (2 * p - 1) / (2 * tau);
  const ipo loss{.tau = tau};
  CHECK(p * ask(loss, {.policy_chosen = h}).d_chosen - (1 - p) * ask(loss, {.policy_chosen = -h}).d_chosen ==
        doctest::Approx(0).scale(1));
}
