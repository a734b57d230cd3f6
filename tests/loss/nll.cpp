// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/nll.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace prefer;
using prefer_test::ask;
using prefer_test::covers;

TEST_CASE("nll: golden values, and what every loss promises") { prefer_test::loss_tests<prefer_test::nll_cases>(); }

TEST_CASE("the likelihood of the chosen response, per token or whole; an empty response has none") {
  covers("nll", "identity");
  CHECK(ask(nll{}, {.policy_chosen = -6, .length_chosen = 4}).value == 1.5);
  CHECK(ask(nll{}, {.policy_chosen = -6, .length_chosen = 4}).d_chosen == -0.25);
  CHECK(ask(nll{.length_normalized = false}, {.policy_chosen = -6}).value == 6);
  CHECK(ask(nll{}, {}).value == 0);
  CHECK(!prefer_test::loss_call<nll, float>(nll{.length_normalized = false}, 1).reads(6));
}
