// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/policy_regression.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace prefer;
using prefer_test::covers;
using prefer_test::refused;

namespace {

template <class Loss>
action_term<double> at(const Loss& loss, const action<double>& a) {
  return loss(a);
}

}  // namespace

TEST_CASE("dro: golden values, and what every loss promises") { prefer_test::loss_tests<prefer_test::dro_cases>(); }
TEST_CASE("a_star_po: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::a_star_po_cases>();
}
TEST_CASE("flow_rl: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::flow_rl_cases>();
}

TEST_CASE("dro: the policy gradient on samples of the policy itself, at rest where l = A / tau") {
  covers("dro", "identity");
  for (const double advantage : {1.5, -0.75, 0.0}) {
    CHECK(at(dro{}, {.policy = -2, .old_policy = -2, .advantage = advantage}).d_policy == -advantage);
    CHECK(at(dro{.tau = 0.25}, {.policy = 4 * advantage, .old_policy = 0, .advantage = advantage}).d_policy == 0);
  }
  CHECK(refused(dro{.tau = -1.0}) == "tau");
}

TEST_CASE("a_star_po: at rest exactly at the policy that is optimal, over all answers to a prompt") {
  covers("a_star_po", "identity");
  const double reference[] = {0.5, 0.25, 0.25}, reward[] = {1, 0, -2}, beta = 0.5;
  double partition = 0;
  for (int i = 0; i < 3; ++i) partition += reference[i] * std::exp(reward[i] / beta);
  for (int i = 0; i < 3; ++i) {
    const double best = std::log(reference[i]) + reward[i] / beta - std::log(partition);
    const auto t =
        at(a_star_po{.beta = beta},
           {.policy = best, .advantage = reward[i] - beta * std::log(partition), .reference = std::log(reference[i])});
    CHECK(std::fabs(t.d_policy) < 1e-15);
  }
  CHECK(refused(a_star_po{.beta = 0.0}) == "beta");
}

TEST_CASE("flow_rl: no gradient where the flow balances, weights bounded and constant") {
  covers("flow_rl", "identity");
  action<double> a{.policy = -6, .old_policy = -6, .advantage = 0.5, .reference = -8, .length = 4};
  a.column[0] = 15 * 0.5 - 0.5;  // log Z
  CHECK(at(flow_rl{}, a).d_policy == 0);
  a.column[0] += 1;
  CHECK(at(flow_rl{}, a).value == 1);
  CHECK(at(flow_rl{}, a).d_policy == 0.5);
  a.old_policy = -60;
  CHECK(at(flow_rl{}, a).d_policy == 5);
  a.old_policy = a.policy - std::log(12);
  CHECK(at(flow_rl{}, a).d_policy == 5);
  a.old_policy = a.policy - std::log(8);
  CHECK(at(flow_rl{}, a).d_policy == doctest::Approx(4).epsilon(1e-14));
  // A response that the policy has ruled out weighs 0, however far its gap.
  const auto gone =
      at(flow_rl{}, {.policy = -HUGE_VAL, .old_policy = -2, .advantage = 1, .reference = -3, .length = 2});
  CHECK((gone.value == 0 && gone.d_policy == 0 && gone.ratio == 0));
  CHECK(refused(flow_rl{.beta = HUGE_VAL}) == "beta");
  CHECK(refused(flow_rl{.weight_max = 0.0}) == "weight_max");
}
