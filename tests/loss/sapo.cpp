// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/sapo.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace prefer;
using prefer_test::covers;
using prefer_test::refused;

namespace {

template <class V = double, class Loss>
action_term<V> at(const Loss& loss, const action<V>& a) {
  return loss(a);
}

}  // namespace

TEST_CASE("sapo: golden values, and what every loss promises") { prefer_test::loss_tests<prefer_test::sapo_cases>(); }

TEST_CASE("sapo: the slope of the policy gradient at ratio 1, half of the gate's range there, nothing far away") {
  covers("sapo", "identity");
  for (double advantage : {1.5, -0.75}) {
    const double tau = advantage > 0 ? 1.0 : 1.05;
    const auto t = at(sapo{}, {.policy = -2, .old_policy = -2, .advantage = advantage});
    CHECK(t.d_policy == -advantage);
    CHECK(t.value == doctest::Approx(-2 * advantage / tau).epsilon(1e-15));
  }
  CHECK(at(sapo{}, {.policy = 700, .advantage = 1}).d_policy == 0);
  CHECK(at(sapo{}, {.policy = 2000, .advantage = 1}).value == -4);
  CHECK(at<float>(sapo{}, {.policy = 200, .advantage = 1}).d_policy == 0);
  CHECK(refused(sapo{.tau_positive = 0.0}) == "tau_positive");
  CHECK(refused(sapo{.tau_negative = HUGE_VAL}) == "tau_negative");
}
