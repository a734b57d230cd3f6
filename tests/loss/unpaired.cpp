// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/unpaired.hpp>
#include <prefer/loss/bco.hpp>
#include <prefer/loss/sppo.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <string>

using namespace prefer;
using prefer_test::covers;
using prefer_test::refused;

TEST_CASE("bco_unpaired: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::bco_unpaired_cases>();
}

TEST_CASE("sppo_soft: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::sppo_soft_cases>();
}

TEST_CASE("BCO on single responses adds up to BCO on the pair") {
  covers("bco_unpaired", "identity");
  const bco_unpaired loss{.beta = 0.5, .shift = 0.75};
  const auto good = loss(response<double>{.policy = 1, .label = 1}),
             bad = loss(response<double>{.policy = 3, .label = 0});
  const auto both = bco{.beta = 0.5, .shift = 0.75}(pair<double>{.policy_chosen = 1, .policy_rejected = 3});
  CHECK(good.value + bad.value == doctest::Approx(both.value).epsilon(1e-15));
  CHECK(good.d_policy == doctest::Approx(both.d_policy_chosen).epsilon(1e-15));
  CHECK(bad.d_policy == doctest::Approx(both.d_policy_rejected).epsilon(1e-15));
  CHECK(refused(bco_unpaired{.beta = 0.0}) == "beta");
  CHECK(refused(bco_unpaired{.shift = HUGE_VAL}) == "shift");
}

TEST_CASE("soft SPPO with certain outcomes adds up to SPPO on the pair") {
  covers("sppo_soft", "identity");
  const sppo_soft loss{.beta = 0.5};
  const auto good = loss(response<double>{.policy = 1, .label = 1}),
             bad = loss(response<double>{.policy = 3, .label = 0});
  CHECK(good.value + bad.value == sppo{.beta = 0.5}(pair<double>{.policy_chosen = 1, .policy_rejected = 3}).value);
  CHECK(loss(response<double>{.policy = 0, .label = 0.5}).value == 0);
  CHECK(refused(sppo_soft{.beta = 0.0}) == "beta");
}
