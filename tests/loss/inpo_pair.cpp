// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/inpo_pair.hpp>
#include <loss/small_game.hpp>
#include <prefer/loss/ipo.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace prefer;
using prefer_test::ask;
using prefer_test::covers;
using prefer_test::numbers;
using prefer_test::refused;
using prefer_test::small_game;

namespace {

constexpr double eta = 0.6, tau = 0.2;

// Pairs that `before` draws, the winner drawn by the game's preference: the mean gradient by logits.
numbers expected_gradient(const small_game& game, const numbers& logp, const numbers& before) {
  return prefer_test::pair_gradient(logp, [&](std::size_t i, std::size_t j) -> prefer_test::pair_slopes {
    pair<double> p = prefer_test::pair_of(logp, game.log_reference, i, j);
    p.label = 1;
    p.column[0] = static_cast<double>(before[i]), p.column[1] = static_cast<double>(before[j]);
    const auto t = ask(inpo_pair{.eta = eta, .tau = tau}, p);
    return {2 * game.preference[i][j] * std::exp(before[i] + before[j]), t.d_chosen, t.d_rejected};
  });
}

}  // namespace

TEST_CASE("inpo_pair: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::inpo_pair_cases>();
}

TEST_CASE("the minimum of INPO's loss over pairs of its policy is a mirror step, its fixed point the equilibrium") {
  covers("inpo_pair", "identity");
  const small_game game(6, 3);
  const numbers before = prefer_test::log_softmax(game.logits), p = game.win_rates(before), nothing(game.n, 0);
  numbers step;
  const long double s = static_cast<long double>(tau) / eta;
  for (std::size_t i = 0; i < game.n; ++i)
    step.push_back((1 - s) * before[i] + s * game.log_reference[i] + p[i] / eta);
  CHECK(prefer_test::distance(expected_gradient(game, prefer_test::log_softmax(step), before), nothing) < 1e-14);
  CHECK(prefer_test::distance(expected_gradient(game, before, before), nothing) > 0.05);
  const numbers fixed = game.equilibrium(tau, 0);
  CHECK(prefer_test::distance(expected_gradient(game, fixed, fixed), nothing) < 1e-14);
}

TEST_CASE("INPO: the reward of the step is the win rate; with tau = eta the last policy drops out; bad parameters") {
  const small_game game(4, 3);
  const numbers before = prefer_test::log_softmax(game.logits), p = game.win_rates(before);
  numbers step;
  const long double s = static_cast<long double>(tau) / eta;
  for (std::size_t i = 0; i < game.n; ++i)
    step.push_back((1 - s) * before[i] + s * game.log_reference[i] + p[i] / eta);
  step = prefer_test::log_softmax(step);
  pair<double> p03 = prefer_test::pair_of(step, game.log_reference, 0, 3);
  p03.column[0] = static_cast<double>(before[0]), p03.column[1] = static_cast<double>(before[3]);
  const auto t = inpo_pair{.eta = eta, .tau = tau}(p03);
  CHECK(t.reward_chosen - t.reward_rejected == doctest::Approx(static_cast<double>(p[0] - p[3])).epsilon(1e-13));
  const pair<double> x = {
      .policy_chosen = -3, .policy_rejected = -4.5, .reference_chosen = -2, .label = 1, .column = {-7, 5}};
  const double expected = ask(ipo{.tau = 0.5}, x).value;
  CHECK(ask(inpo_pair{.eta = 0.5, .tau = 0.5}, x).value == doctest::Approx(expected).epsilon(1e-15));
  CHECK(ask(inpo_pair{.eta = 0.5, .tau = 0.0}, {.policy_chosen = -1e4, .label = 0.9}).d_chosen == 2 * (-1e4 - 0.8));
  CHECK(refused(inpo_pair{.eta = 0.0}) == "eta");
  CHECK(refused(inpo_pair{.tau = -0.001}) == "tau");
  CHECK(refused(inpo_pair{.eta = 0.1, .tau = 0.2}) == "tau");
}
