// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/reinforce.hpp>
#include <loss/small_game.hpp>
#include <prefer/core/evaluate_tokens.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace prefer;
using prefer_test::covers;
using prefer_test::numbers;

TEST_CASE("reinforce: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::reinforce_cases>();
}

TEST_CASE("the mean gradient of REINFORCE is that of the expected advantage") {
  covers("reinforce", "identity");
  const numbers logits = {0.5L, -1, 2, 0.25L}, advantage = {3, -2, 0.5L, 0};
  const numbers logp = prefer_test::log_softmax(logits);
  const auto policy = prefer_test::rounded(logp);
  std::vector<double> weight, grad(4);
  for (std::size_t i = 0; i < 4; ++i) weight.push_back(static_cast<double>(std::exp(logp[i]) * advantage[i]));
  check(evaluate<double>(cpu{}, reinforce{},
                         {.policy = {policy.data(), 4}, .weight = {weight.data(), 4}, .normalizer = 1.0},
                         {.grad_policy = {grad.data(), 4}}));
  const auto objective = [&](const numbers& x) {
    const numbers l = prefer_test::log_softmax(x);
    long double sum = 0;
    for (std::size_t i = 0; i < 4; ++i) sum -= std::exp(l[i]) * advantage[i];
    return sum;
  };
  const numbers by_logits = prefer_test::to_logits(numbers(grad.begin(), grad.end()), logp);
  CHECK(prefer_test::distance(by_logits, prefer_test::slopes_of(objective, logits)) < 1e-11);
}

TEST_CASE("from steps every step gets the derivative of its response") {
  const double logp[] = {-1, -2, -0.5, -4, -0.25}, weight[] = {2, -0.5, 0};
  const std::int32_t offsets[] = {0, 2, 3, 5};
  double loss = 0, grad[5];
  check(evaluate_tokens(cpu{}, reinforce{},
                        {.policy = {logp, 5}, .offsets = {offsets, 4}, .weight = {weight, 3}, .normalizer = 1.0},
                        {.loss = {&loss, 1}, .grad_policy = {grad, 5}}));
  CHECK(loss == 2 * 3 - 0.5 * 0.5);
  const double expected[] = {-2, -2, 0.5, 0, 0};
  for (int t = 0; t < 5; ++t) CHECK(grad[t] == expected[t]);
}
