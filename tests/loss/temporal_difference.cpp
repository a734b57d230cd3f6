// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/temporal_difference.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

using namespace prefer;
using prefer_test::covers;
using prefer_test::refused;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

template <class Loss>
transition_term<double> at(const Loss& loss, const transition<double>& step) {
  return loss(step);
}

}  // namespace

TEST_CASE("temporal_difference: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::temporal_difference_cases>();
}
TEST_CASE("value_temporal_difference: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::value_temporal_difference_cases>();
}

TEST_CASE(
    "the temporal difference of an action value: a terminal step looks at its reward alone, whatever the next value "
    "is") {
  covers("temporal_difference", "identity");
  const temporal_difference loss{.discount = 0.5};
  const auto inner = at(loss, {.action_value = 1, .reward = 2, .next_value = 4});
  CHECK((inner.residual == 3 && inner.value == 9 && inner.d_action_value == -6 && inner.d_next_value == 3));
  for (double next : {not_a_number, HUGE_VAL, -HUGE_VAL, 1e300}) {
    const auto last = at(loss, {.action_value = 1, .reward = 2, .next_value = next, .terminal = 1});
    CHECK((last.residual == 1 && last.value == 1 && last.d_action_value == -2 && last.d_next_value == 0));
  }
  CHECK(refused(temporal_difference{.discount = 1.5}) == "discount");
  CHECK(refused(temporal_difference{.discount = -0.1}) == "discount");
  CHECK(at(temporal_difference{.discount = 1.0}, {.next_value = 2}).residual == 2);
}

TEST_CASE("the temporal difference of a state value is that of an action value, with the value in its place") {
  covers("value_temporal_difference", "identity");
  for (double terminal : {0.0, 1.0}) {
    const auto q = at(temporal_difference{.discount = 0.75},
                      {.action_value = 1.5, .reward = 2, .next_value = 4, .terminal = terminal});
    const auto v = at(value_temporal_difference{.discount = 0.75},
                      {.action_value = not_a_number, .value = 1.5, .reward = 2, .next_value = 4, .terminal = terminal});
    CHECK((v.value == q.value && v.d_value == q.d_action_value && v.d_next_value == q.d_next_value));
    CHECK((v.d_reward == q.d_reward && v.residual == q.residual));
  }
  CHECK(refused(value_temporal_difference{.discount = not_a_number}) == "discount");
}

// A chain of three states, each a step of reward 1: its values are the discounted lengths of what is left.
TEST_CASE("at the true values of a chain both losses and their gradients are zero, and descent finds them") {
  const double reward[] = {1, 1, 1}, terminal[] = {0, 0, 1};
  double value[4] = {0, 0, 0, not_a_number}, grad[3], loss = 1;
  for (int step = 0; step < 400; ++step) {
    check(evaluate<double>(
        cpu{}, value_temporal_difference{.discount = 0.5},
        {.value = {value, 3}, .reward = {reward, 3}, .next_value = {value + 1, 3}, .terminal = {terminal, 3}},
        {.loss = {&loss, 1}, .grad_value = {grad, 3}}));
    for (int i = 0; i < 3; ++i) value[i] -= grad[i];
  }
  CHECK(loss < 1e-30);
  CHECK(value[0] == doctest::Approx(1.75).epsilon(1e-12));
  CHECK(value[2] == doctest::Approx(1).epsilon(1e-12));
}
