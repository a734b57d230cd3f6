// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/egpo_pair.hpp>
#include <loss/small_game.hpp>
#include <prefer/loss/ipo_md.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace prefer;
using prefer_test::ask;
using prefer_test::covers;
using prefer_test::numbers;
using prefer_test::refused;
using prefer_test::small_game;

namespace {

constexpr double beta = 0.4;

// Pairs drawn uniformly, judged against the policy exp(opponent): the mean gradient by logits.
numbers expected_gradient(const small_game& game, const numbers& logp, const numbers& opponent) {
  const numbers g = game.win_rates(opponent);
  const auto share = 1 / static_cast<long double>(game.n * game.n);
  return prefer_test::pair_gradient(logp, [&](std::size_t i, std::size_t j) -> prefer_test::pair_slopes {
    pair<double> p = prefer_test::pair_of(logp, game.log_reference, i, j);
    p.column[0] = static_cast<double>(g[i]), p.column[1] = static_cast<double>(g[j]);
    const auto t = ask(egpo_pair{.beta = beta}, p);
    return {share, t.d_chosen, t.d_rejected};
  });
}

}  // namespace

TEST_CASE("egpo_pair: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::egpo_pair_cases>();
}

TEST_CASE("a gradient step of EGPO's loss over uniform pairs is a mirror step; a best response is its minimum") {
  covers("egpo_pair", "identity");
  const small_game game(7, 5);
  const numbers logp = prefer_test::log_softmax(game.logits), gradient = expected_gradient(game, logp, logp);
  const numbers g = game.win_rates(logp);
  const long double step = 0.2L, eta = 4 * step / (static_cast<long double>(game.n) * beta);
  numbers moved, mirror, best;
  for (std::size_t i = 0; i < game.n; ++i) {
    moved.push_back(logp[i] - step * gradient[i]);
    mirror.push_back((1 - eta * beta) * logp[i] + eta * beta * game.log_reference[i] + eta * g[i]);
    best.push_back(game.log_reference[i] + g[i] / beta);
  }
  CHECK(prefer_test::distance(prefer_test::log_softmax(moved), prefer_test::log_softmax(mirror)) < 1e-14);
  const numbers nothing(game.n, 0), fixed = game.equilibrium(beta, 0);
  CHECK(prefer_test::distance(expected_gradient(game, prefer_test::log_softmax(best), logp), nothing) < 1e-14);
  CHECK(prefer_test::distance(gradient, nothing) > 0.1);
  CHECK(prefer_test::distance(expected_gradient(game, fixed, fixed), nothing) < 1e-14);
}

TEST_CASE("EGPO's pair against an opponent whom the second response is: online IPO with that preference") {
  const pair<double> p = {.policy_chosen = -3,
                          .policy_rejected = -4.5,
                          .reference_chosen = -3.25,
                          .label = 0.8,
                          .column = {0.8, 0.5}};
  CHECK(ask(egpo_pair{.beta = 0.7}, p).value == doctest::Approx(ask(ipo_md{.tau = 0.7}, p).value).epsilon(1e-14));
  CHECK(ask(egpo_pair{.beta = 0.5}, {.policy_chosen = -1e4, .column = {0.1, 0.9}}).d_chosen == 2 * (-1e4 + 1.6));
  CHECK(refused(egpo_pair{.beta = 0.0}) == "beta");
}
