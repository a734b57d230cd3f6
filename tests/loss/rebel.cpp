// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/rebel.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace prefer;
using prefer_test::ask;
using prefer_test::covers;
using prefer_test::refused;

TEST_CASE("rebel: golden values, and what every loss promises") { prefer_test::loss_tests<prefer_test::rebel_cases>(); }

TEST_CASE(
    "rebel: known values, at rest where log-ratios differ as rewards do, and the same with its responses exchanged") {
  covers("rebel", "identity");
  const auto item = [](double a, double c, double r, double other) {
    pair<double> p{.policy_chosen = a, .policy_rejected = c};
    p.column[0] = r, p.column[1] = other;
    return p;
  };
  // D = 0, A - A' = 1: value 1, slopes -2 eta and 2 eta.
  const auto start = ask(rebel{.eta = 0.75}, item(0, 0, 1, 0));
  CHECK((start.value == 1 && start.d_chosen == -1.5 && start.d_rejected == 1.5));
  // A common part of the rewards of any size is gone before it can do harm.
  CHECK(ask(rebel{}, item(5, 2, 1e9 + 3, 1e9)).value == 0);
  CHECK(ask(rebel{}, item(5, 2, 1e9 + 3, 1e9)).d_chosen == 0);
  const auto one = ask(rebel{}, item(1, 2, 3, 0.5)), other = ask(rebel{}, item(2, 1, 0.5, 3));
  CHECK((one.value == other.value && one.d_chosen == other.d_rejected));
  CHECK(refused(rebel{.eta = 0.0}) == "eta");
  CHECK(refused(rebel{.eta = HUGE_VAL}) == "eta");
}
