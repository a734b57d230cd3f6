// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/simper.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace prefer;
using prefer_test::ask;
using prefer_test::covers;

TEST_CASE("simper: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::simper_cases>();
}

TEST_CASE("SimPER is a difference of inverse perplexities: between -1 and 1, and blind to a change of length alone") {
  covers("simper", "identity");
  const auto value = [](double c, double r, double n, double m) {
    return ask(simper{}, {.policy_chosen = c, .policy_rejected = r, .length_chosen = n, .length_rejected = m}).value;
  };
  CHECK(value(0, -1e4, 1, 1) == -1);
  CHECK(value(-1e4, 0, 1, 1) == 1);
  CHECK(value(-3, -8, 3, 4) == value(-6, -16, 6, 8));
  CHECK(value(-3, -8, 3, 4) == doctest::Approx(std::exp(-2.0) - std::exp(-1.0)).epsilon(1e-15));
}
