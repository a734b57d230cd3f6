// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/nash_md_pg.hpp>
#include <loss/small_game.hpp>
#include <prefer/core/evaluate_to_go.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace prefer;
using prefer_test::covers;
using prefer_test::numbers;
using prefer_test::refused;
using prefer_test::small_game;

namespace {

constexpr double tau = 0.3;

// The mean gradient by logits over responses that the policy draws: every action, weighted by its probability.
numbers expected_gradient(const small_game& game, const numbers& logp, long double b) {
  const auto n = static_cast<std::int64_t>(game.n);
  const auto policy = prefer_test::rounded(logp), reference = prefer_test::rounded(game.log_reference);
  const auto label = prefer_test::rounded(game.win_rates(game.mixture(logp, b)));
  std::vector<double> weight, grad(game.n);
  for (double x : policy) weight.push_back(std::exp(x));
  check(evaluate<double>(cpu{}, nash_md_pg{.tau = tau},
                         {.policy = {policy.data(), n},
                          .reference = {reference.data(), n},
                          .label = {label.data(), n},
                          .weight = {weight.data(), n},
                          .normalizer = 1.0},
                         {.grad_policy = {grad.data(), n}}));
  return prefer_test::to_logits(numbers(grad.begin(), grad.end()), logp);
}

}  // namespace

TEST_CASE("nash_md_pg: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::nash_md_pg_cases>();
}

TEST_CASE("the mean gradient of Nash-MD-PG is that of the regularised preference against a fixed mixture") {
  covers("nash_md_pg", "identity");
  for (const long double b : {0.0L, 0.4L, 1.0L}) {
    const small_game game(6, 11);
    const numbers logp = prefer_test::log_softmax(game.logits);
    const numbers p = game.win_rates(game.mixture(logp, b)), gradient = expected_gradient(game, logp, b);
    const auto objective = [&](const numbers& logits) {
      const numbers l = prefer_test::log_softmax(logits);
      long double sum = 0;
      for (std::size_t i = 0; i < game.n; ++i)
        sum -= std::exp(l[i]) * (p[i] - static_cast<long double>(tau) * (l[i] - game.log_reference[i]));
      return sum;
    };
    CHECK(prefer_test::distance(gradient, prefer_test::slopes_of(objective, game.logits)) < 1e-11);
    numbers w, closed;
    long double mean = 0;
    for (std::size_t i = 0; i < game.n; ++i)
      w.push_back(p[i] - 0.5L - static_cast<long double>(tau) * (logp[i] - game.log_reference[i]));
    for (std::size_t i = 0; i < game.n; ++i) mean += std::exp(logp[i]) * w[i];
    for (std::size_t i = 0; i < game.n; ++i) closed.push_back(-std::exp(logp[i]) * (w[i] - mean));
    CHECK(prefer_test::distance(gradient, closed) < 1e-15);
    // It vanishes at the equilibrium, and not elsewhere.
    const numbers nothing(game.n, 0);
    CHECK(prefer_test::distance(expected_gradient(game, game.equilibrium(tau, b), b), nothing) < 1e-15);
    CHECK(prefer_test::distance(gradient, nothing) > 1e-2);
  }
}

TEST_CASE("Nash-MD-PG: the reward is the regularised preference; far log-probabilities; no reference at tau 0") {
  const auto at = [](const nash_md_pg& loss, double policy, double reference, double label) {
    return loss(response<double>{.policy = policy, .reference = reference, .label = label});
  };
  const auto far = at({.tau = 0.01}, -1e4, -0.9e4, 0.3);
  CHECK(far.reward == doctest::Approx(0.3 - 0.5 + 10).epsilon(1e-15));
  CHECK((far.d_policy == -far.reward && far.value == -far.reward * -1e4));
  CHECK(at({.tau = 0.0}, -2, -HUGE_VAL, 0.8).d_policy == doctest::Approx(-0.3).epsilon(1e-15));
  CHECK(at({.tau = 0.1}, -2, -HUGE_VAL, 0.8).d_policy == HUGE_VAL);  // what the reference never does is pushed down
  CHECK(refused(nash_md_pg{.tau = -0.1}) == "tau");
  CHECK(refused(nash_md_pg{.tau = HUGE_VAL}) == "tau");
}

namespace {

// Two tokens of two kinds each: a choice, and one that depends on it. A table has six logits.
struct two_tokens {
  numbers logp(const numbers& logits) const {
    numbers all;
    for (std::size_t context = 0; context < 3; ++context)
      for (long double x : prefer_test::log_softmax({logits[2 * context], logits[2 * context + 1]})) all.push_back(x);
    return all;
  }
  // Where token t of sequence s is in the table.
  static std::size_t at(std::size_t s, std::size_t t) { return t == 0 ? s / 2 : 2 + 2 * (s / 2) + s % 2; }

  // The mean over sequences of token derivatives g[2 s + t], by logits.
  numbers gradient(const numbers& g, const numbers& logp) const {
    numbers by_logp(6, 0), d;
    for (std::size_t s = 0; s < 4; ++s)
      for (std::size_t t = 0; t < 2; ++t) by_logp[at(s, t)] += g[2 * s + t];
    for (std::size_t context = 0; context < 3; ++context)
      for (long double x : prefer_test::to_logits({by_logp[2 * context], by_logp[2 * context + 1]},
                                                  {logp[2 * context], logp[2 * context + 1]}))
        d.push_back(x);
    return d;
  }
};

}  // namespace

TEST_CASE("from tokens: the gradient of the divergence of sequences, which one of token by token is not") {
  const two_tokens model;
  const numbers logits = {0.3L, -0.2L, 1.1L, 0.1L, -0.7L, 0.4L}, win_rate = {0.7L, 0.2L, 0.9L, 0.35L};
  const numbers logp = model.logp(logits), log_reference = model.logp({-0.5L, 0.6L, 0.2L, 0.9L, 0.1L, -1.3L});
  double policy[8], reference[8], label[4], weight[4], grad[8], to_go[8];
  for (std::size_t s = 0; s < 4; ++s) {
    label[s] = static_cast<double>(win_rate[s]);
    weight[s] = static_cast<double>(std::exp(logp[model.at(s, 0)] + logp[model.at(s, 1)]));
    for (std::size_t t = 0; t < 2; ++t) {
      policy[2 * s + t] = static_cast<double>(logp[model.at(s, t)]);
      reference[2 * s + t] = static_cast<double>(log_reference[model.at(s, t)]);
    }
  }
  const std::int32_t offsets[] = {0, 2, 4, 6, 8};
  const response_token_inputs<space::host> in = {.policy = {policy, 8},
                                                 .reference = {reference, 8},
                                                 .offsets = {offsets, 5},
                                                 .label = {label, 4},
                                                 .weight = {weight, 4},
                                                 .normalizer = 1.0};
  check(evaluate_tokens(cpu{}, nash_md_pg{.tau = tau}, in, {.grad_policy = {grad, 8}}));
  check(evaluate_to_go(cpu{}, nash_md_pg{.tau = tau}, in, {.grad_policy = {to_go, 8}}));
  const auto objective = [&](const numbers& x) {
    const numbers l = model.logp(x);
    long double sum = 0;
    for (std::size_t s = 0; s < 4; ++s) {
      const long double of_sequence = l[model.at(s, 0)] + l[model.at(s, 1)];
      const long double of_reference = log_reference[model.at(s, 0)] + log_reference[model.at(s, 1)];
      sum -= std::exp(of_sequence) * (win_rate[s] - static_cast<long double>(tau) * (of_sequence - of_reference));
    }
    return sum;
  };
  const numbers exact = prefer_test::slopes_of(objective, logits);
  CHECK(prefer_test::distance(model.gradient(numbers(grad, grad + 8), logp), exact) < 1e-11);

  // The log-ratios from a token on have the same mean; those of the token alone, the detached product of TRL, do not:
  // the first choice does not see what it does to the second.
  CHECK(prefer_test::distance(model.gradient(numbers(to_go, to_go + 8), logp), exact) < 1e-11);
  CHECK((to_go[1] != grad[1] && to_go[0] == doctest::Approx(grad[0])));
  numbers alone;
  for (std::size_t k = 0; k < 8; ++k) {
    const long double ratio = policy[k] - reference[k];
    alone.push_back(-weight[k / 2] * (win_rate[k / 2] - 0.5L - static_cast<long double>(tau) * ratio));
  }
  const numbers wrong = model.gradient(alone, logp);
  CHECK(std::fabs(wrong[0] - exact[0]) > 0.1 * std::fabs(exact[0]));
  CHECK(std::fabs(wrong[0] - exact[0]) > 1e-3);
}
