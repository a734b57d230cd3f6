// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/wpo.hpp>
#include <prefer/core/evaluate_tokens.hpp>
#include <prefer/loss/dpo.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

using namespace prefer;
using prefer_test::covers;
using prefer_test::refused;

TEST_CASE("wpo_weight: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::wpo_weight_cases>();
}

// Each token is drawn from a distribution over three words; all of it from the definition.
TEST_CASE("weights from tokens: the definition over a vocabulary, masks left out, and they feed DPO as its weight") {
  covers("wpo_weight", "identity");
  const double pi[][3] = {{0.5, 0.25, 0.25}, {0.125, 0.75, 0.125}, {0.25, 0.5, 0.25}, {1, 0, 0}, {0.375, 0.125, 0.5}};
  const int word[] = {0, 1, 2, 0, 2};
  const bool counts[] = {true, true, false, true, true};
  const std::int64_t chosen[] = {0, 3, 3}, rejected[] = {3, 4, 5};  // the second chosen response is empty
  std::vector<double> log_probability, log_collision;
  for (int t = 0; t < 5; ++t) {
    double collision = 0;
    for (double p : pi[t]) collision += p * p;
    log_probability.push_back(counts[t] ? std::log(pi[t][word[t]]) : std::numeric_limits<double>::quiet_NaN());
    log_collision.push_back(std::log(collision));
  }
  const view<const double> tokens(log_probability.data(), 5), collisions(log_collision.data(), 5);
  double weight[2], each[2][2];
  const auto ask = [&](const wpo_weight& w) {
    pair_token_inputs<space::host> in = {.policy_chosen = tokens,
                                         .policy_rejected = tokens,
                                         .chosen_offsets = {chosen, 3},
                                         .rejected_offsets = {rejected, 3},
                                         .chosen_mask = {counts, 5},
                                         .rejected_mask = {counts, 5}};
    if (w.aligned) in.reference_chosen = collisions, in.reference_rejected = collisions;
    return evaluate_tokens(cpu{}, w, in,
                           {.losses = {weight, 2}, .reward_chosen = {each[0], 2}, .reward_rejected = {each[1], 2}});
  };
  const auto term = [&](int t) {
    return log_probability[static_cast<std::size_t>(t)] - log_collision[static_cast<std::size_t>(t)];
  };
  check(ask({}));
  CHECK(each[0][0] == doctest::Approx(std::exp((term(0) + term(1)) / 2)).epsilon(1e-14));
  CHECK(each[1][0] == doctest::Approx(1).epsilon(1e-15));  // a sure word is typical
  CHECK(each[1][1] == doctest::Approx(std::exp(term(4))).epsilon(1e-14));
  CHECK(each[0][1] == 1);
  for (int i = 0; i < 2; ++i) CHECK(weight[i] == doctest::Approx(each[0][i] * each[1][i]).epsilon(1e-14));
  check(ask({.aligned = false}));
  CHECK(each[0][0] == doctest::Approx(std::sqrt(0.5 * 0.75)).epsilon(1e-14));
  check(ask({.max_weight = 0.5}));
  CHECK(weight[0] == 0.5);

  const double margin[] = {1, -2}, zero = 0;
  double plain[2], weighted[2];
  for (const bool with : {false, true}) {
    pair_inputs<space::host> in = {.policy_chosen = {margin, 2},
                                   .policy_rejected = {&zero, 2, 0},
                                   .reference_chosen = {&zero, 2, 0},
                                   .reference_rejected = {&zero, 2, 0}};
    if (with) in.weight = {weight, 2};
    check(evaluate<double>(cpu{}, dpo{}, in, {.losses = {with ? weighted : plain, 2}}));
  }
  for (int i = 0; i < 2; ++i) CHECK(weighted[i] == weight[i] * plain[i]);
}

TEST_CASE("a weight is a constant: there is no gradient to ask for; the plain form reads no second term") {
  const double x[] = {-1, -2}, length[] = {1, 1};
  double out[2];
  const view<const double> v(x, 2), n(length, 2);
  CHECK(evaluate<double>(cpu{}, wpo_weight{.aligned = false},
                         {.policy_chosen = v, .policy_rejected = v, .length_chosen = n, .length_rejected = n},
                         {.grad_policy_chosen = {out, 2}})
            .code == errc::unavailable_output);
  CHECK(evaluate<double>(
            cpu{}, wpo_weight{.aligned = false},
            {.policy_chosen = v, .policy_rejected = v, .reference_chosen = v, .length_chosen = n, .length_rejected = n},
            {.losses = {out, 2}})
            .code == errc::unused_input);
  CHECK(evaluate<double>(cpu{}, wpo_weight{},
                         {.policy_chosen = v, .policy_rejected = v, .length_chosen = n, .length_rejected = n},
                         {.losses = {out, 2}})
            .code == errc::missing_input);
  CHECK(refused(wpo_weight{.max_weight = 0.0}) == "max_weight");
  CHECK(refused(wpo_weight{.max_weight = std::numeric_limits<double>::quiet_NaN()}) == "max_weight");
  CHECK(std::isnan(prefer_test::ask(wpo_weight{.max_weight = 1.0}, {.policy_chosen = std::nan("")}).value));
}
