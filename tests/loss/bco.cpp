// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/bco.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace prefer;
using prefer_test::ask;
using prefer_test::covers;
using prefer_test::refused;

TEST_CASE("bco: golden values, and what every loss promises") { prefer_test::loss_tests<prefer_test::bco_cases>(); }

TEST_CASE("mean_reward: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::mean_reward_cases>();
}

TEST_CASE("BCO: a shift moves the boundary between chosen and rejected rewards") {
  covers("bco", "identity");
  const auto centred = ask(bco{.beta = 1.0, .shift = 2.0}, {.policy_chosen = 2, .policy_rejected = 2});
  CHECK(centred.value == doctest::Approx(2 * std::log(2.0)));
  CHECK((centred.d_chosen == -0.5 && centred.d_rejected == 0.5));
  CHECK(refused(bco{.beta = 0.0}) == "beta");
  CHECK(refused(bco{.shift = HUGE_VAL}) == "shift");
  CHECK(refused(mean_reward{.beta = 0.0}) == "beta");
}

TEST_CASE("the running mean of rewards over batches, accumulated by calls, is the mean over all pairs") {
  covers("mean_reward", "identity");
  const double policy[] = {-1, -2, -3, -4, -6}, reference[] = {-2, -2, -2, -2, -2}, rejected[] = {-3, 0, -1, -9, -2};
  double sum = 0, count = 0, expected = 0;
  for (int i = 0; i < 5; ++i) expected += 0.5 * ((policy[i] - reference[i]) + (rejected[i] - reference[i])) / 2 / 5;
  const std::int64_t first[] = {0, 2, 5};
  for (int batch = 0; batch < 2; ++batch) {
    const std::int64_t begin = first[batch], n = first[batch + 1] - begin;
    check(evaluate<double>(cpu{}, mean_reward{.beta = 0.5},
                           {.policy_chosen = {policy + begin, n},
                            .policy_rejected = {rejected + begin, n},
                            .reference_chosen = {reference + begin, n},
                            .reference_rejected = {reference + begin, n},
                            .normalizer = 1.0},
                           {.loss = {&sum, 1}, .count = {&count, 1}, .accumulate = true}));
  }
  CHECK(count == 5);
  CHECK(sum / count == doctest::Approx(expected).epsilon(1e-15));
  const double shift = sum / count;
  const pair<double> p = {.policy_chosen = 1, .policy_rejected = 2};
  CHECK(ask(bco{.shift = &shift}, p).value == ask(bco{.shift = shift}, p).value);
}
