// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/iql.hpp>
#include <prefer/loss/combine.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

using namespace prefer;
using prefer_test::covers;
using prefer_test::refused;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

template <class V = double, class Loss>
transition_term<V> at(const Loss& loss, const transition<V>& step) {
  return loss(step);
}

}  // namespace

TEST_CASE("iql_value: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::iql_value_cases>();
}
TEST_CASE("iql_policy: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::iql_policy_cases>();
}

TEST_CASE(
    "the expectile loss: hand-worked values, nothing at zero, and the expectile of two samples is its minimiser") {
  covers("iql_value", "identity");
  CHECK(at(iql_value{.tau = 0.7}, {.action_value = 1}).value == doctest::Approx(0.7).epsilon(1e-15));
  CHECK(at(iql_value{.tau = 0.7}, {.action_value = -1}).value == doctest::Approx(0.3).epsilon(1e-15));
  const auto none = at(iql_value{.tau = 0.7}, {.action_value = 2, .value = 2});
  CHECK((none.value == 0 && none.d_value == 0 && none.d_action_value == 0 && none.residual == 0));
  // The sum of slopes over Q in {0, 1} changes its sign at V = tau.
  for (double tau : {0.1, 0.5, 0.7, 0.99}) {
    const auto slope = [&](double v) {
      return at(iql_value{.tau = tau}, {.action_value = 0, .value = v}).d_value +
             at(iql_value{.tau = tau}, {.action_value = 1, .value = v}).d_value;
    };
    CHECK((slope(tau - 1e-6) < 0 && slope(tau + 1e-6) > 0));
  }
  // At one half the two sides are one: half of least squares.
  CHECK(at(iql_value{.tau = 0.5}, {.action_value = -3, .value = 1}).value == 8);
  CHECK(refused(iql_value{.tau = 0.0}) == "tau");
  CHECK(refused(iql_value{.tau = 1.0}) == "tau");
  CHECK(refused(iql_value{.tau = not_a_number}) == "tau");
}

TEST_CASE("the policy's weight: one on average actions, bounded above, zero below, and never NaN for a number") {
  covers("iql_policy", "identity");
  CHECK(at(iql_policy{}, {.policy = -2, .action_value = 5, .value = 5}).value == 2);
  CHECK(at(iql_policy{}, {.policy = -2, .action_value = 5, .value = 5}).d_policy == -1);
  for (double advantage : {2.0, 30.0, 1e3, 1e30, HUGE_VAL})
    CHECK(at(iql_policy{}, {.action_value = advantage}).advantage_weight == 100);
  for (float advantage : {30.0f, 1e30f})
    CHECK(at<float>(iql_policy{}, {.action_value = advantage}).advantage_weight == 100);
  CHECK(at(iql_policy{}, {.action_value = 1.5}).advantage_weight == doctest::Approx(std::exp(4.5)).epsilon(1e-15));
  CHECK(at(iql_policy{}, {.action_value = -HUGE_VAL}).advantage_weight == 0);
  CHECK(std::isnan(at(iql_policy{}, {.action_value = not_a_number}).advantage_weight));
  CHECK(at(iql_policy{.beta = 0.0}, {.policy = -4, .action_value = 9}).value == 4);  // behaviour cloning
  CHECK(refused(iql_policy{.beta = -1.0}) == "beta");
  CHECK(refused(iql_policy{.max_weight = 0.0}) == "max_weight");
  CHECK(refused(iql_policy{.max_weight = HUGE_VAL}) == "max_weight");
}

TEST_CASE(
    "the weight is a constant to the gradient: the policy's loss gives the critics none, and asking is an error") {
  std::vector<double> x(3, -1.0), out(3);
  const view<const double> in(x.data(), 3);
  const view<double> grad(out.data(), 3);
  CHECK(evaluate<double>(cpu{}, iql_policy{}, {.policy = in, .action_value = in, .value = in},
                         {.grad_action_value = grad})
            .code == errc::unavailable_output);
  CHECK(evaluate<double>(cpu{}, iql_policy{}, {.policy = in, .action_value = in, .value = in}, {.grad_value = grad})
            .code == errc::unavailable_output);
}

TEST_CASE("value and action value in one pass, by combine: their terms beside their sum") {
  const double q[] = {1, -1}, v[] = {0, 0}, reward[] = {2, 0}, next[] = {1, not_a_number}, terminal[] = {0, 1};
  double loss = 0, terms[2], grad[2];
  check(evaluate<double>(cpu{}, combine(1.0, iql_value{.tau = 0.75}, 0.5, iql_q{.discount = 0.5}),
                         {.action_value = {q, 2},
                          .value = {v, 2},
                          .reward = {reward, 2},
                          .next_value = {next, 2},
                          .terminal = {terminal, 2}},
                         {.loss = {&loss, 1}, .grad_value = {grad, 2}, .terms = {terms, 2}}));
  CHECK(terms[0] == (0.75 + 0.25) / 2);
  CHECK(terms[1] == (1.5 * 1.5 + 1) / 2);
  CHECK(loss == terms[0] + 0.5 * terms[1]);
  CHECK((grad[0] == -0.75 && grad[1] == 0.25));
}
