// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/slic.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace prefer;
using prefer_test::ask;
using prefer_test::covers;
using prefer_test::refused;

TEST_CASE("slic: golden values, and what every loss promises") { prefer_test::loss_tests<prefer_test::slic_cases>(); }

TEST_CASE("SLiC: the hinge counts until the chosen response leads by delta, the likelihood always") {
  covers("slic", "identity");
  const slic loss{.delta = 2.0, .nll_weight = 0.25};
  const auto close = ask(loss, {.policy_chosen = -4, .policy_rejected = -5});
  CHECK((close.value == 1 + 1 && close.d_chosen == -1.25 && close.d_rejected == 1));
  CHECK(ask(loss, {.policy_chosen = -4, .policy_rejected = -5.9375}).d_rejected == 1);  // up to the corner
  const auto clear = ask(loss, {.policy_chosen = -4, .policy_rejected = -6});
  CHECK((clear.value == 1 && clear.d_chosen == -0.25 && clear.d_rejected == 0));
  CHECK(refused(slic{.delta = HUGE_VAL}) == "delta");
  CHECK(refused(slic{.nll_weight = -0.1}) == "nll_weight");
}
