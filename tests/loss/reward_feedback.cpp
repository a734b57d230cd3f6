// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/reward_feedback.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace prefer;
using prefer_test::covers;
using prefer_test::refused;

TEST_CASE("reward_hinge: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::reward_hinge_cases>();
}
TEST_CASE("reward_linear: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::reward_linear_cases>();
}

TEST_CASE("three rewards of one sample on one target: the published sum before its scale, and no pull at the target") {
  covers("reward_hinge", "identity");
  const double reward[] = {3, 1, 0};
  double loss = 0, grad[3];
  check(evaluate<double>(cpu{}, reward_hinge{}, {.score = {reward, 3}, .normalizer = 1.0},
                         {.loss = {&loss, 1}, .grad_score = {grad, 3}}));
  CHECK(loss == 3);
  CHECK((grad[0] == 0 && grad[1] == -1 && grad[2] == -1));
  CHECK(reward_hinge{}(scored<double>{.score = 2}).d_score == 0);
  CHECK(reward_hinge{}(scored<double>{.score = 1.96875}).d_score == -1);  // up to the corner
  CHECK(refused(reward_hinge{.target = HUGE_VAL}) == "target");
}

TEST_CASE("the linear reward is the hinge below its target, and its slope is that of the formula anywhere") {
  covers("reward_linear", "identity");
  for (double r : {-5.0, 0.0, 1.5}) {
    const auto linear = reward_linear{.offset = 2.0}(scored<double>{.score = r});
    const auto hinge = reward_hinge{.target = 2.0}(scored<double>{.score = r});
    CHECK((linear.value == hinge.value && linear.d_score == hinge.d_score));
  }
  CHECK(reward_linear{}(scored<double>{.score = 3}).value == -3);
  CHECK(refused(reward_linear{.slope = HUGE_VAL}) == "slope");
  CHECK(refused(reward_linear{.offset = HUGE_VAL}) == "offset");
}
