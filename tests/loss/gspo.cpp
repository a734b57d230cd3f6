// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/gspo.hpp>
#include <prefer/core/evaluate_tokens.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>

using namespace prefer;
using prefer_test::covers;
using prefer_test::refused;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

template <class V = double, class Loss>
action_term<V> at(const Loss& loss, const action<V>& a) {
  return loss(a);
}
// An action whose ratio is e^log_ratio.
action<double> moved(double log_ratio, double advantage) {
  return {.policy = -3 + log_ratio, .old_policy = -3, .advantage = advantage, .reference = -3};
}

}  // namespace

TEST_CASE("gspo: golden values, and what every loss promises") { prefer_test::loss_tests<prefer_test::gspo_cases>(); }

TEST_CASE("luspo: golden values, and what every loss promises") { prefer_test::loss_tests<prefer_test::luspo_cases>(); }

TEST_CASE("gspo_token: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::gspo_token_cases>();
}

TEST_CASE("gmpo: golden values, and what every loss promises") { prefer_test::loss_tests<prefer_test::gmpo_cases>(); }

TEST_CASE("luspo is gspo times the length; gspo on tokens is gspo where a response has one advantage") {
  covers("luspo", "identity"), covers("gspo_token", "identity");
  for (const double advantage : {1.5, -0.75, 0.0})
    for (const double mean : {0.0, 0.2, -0.2, 0.04}) {
      const double length = 7;
      const action<double> response{
          .policy = -9 + mean * length, .old_policy = -9, .advantage = advantage, .length = length};
      const auto whole = at(gspo{.clip_low = 0.1, .clip_high = 0.1}, response);
      const auto longer = at(luspo{.clip_low = 0.1, .clip_high = 0.1}, response);
      CHECK(longer.value == length * whole.value);
      CHECK(longer.d_policy == doctest::Approx(length * whole.d_policy).epsilon(1e-15));
      CHECK(longer.clipped == whole.clipped);
      action<double> token{.policy = -1, .advantage = advantage};
      token.column[0] = whole.ratio;
      const auto one = at(gspo_token{.clip_low = 0.1, .clip_high = 0.1}, token);
      CHECK(one.value == whole.value);
      CHECK(one.d_policy / length == doctest::Approx(whole.d_policy).epsilon(1e-15));
      CHECK(one.clipped == whole.clipped);
      token.policy = -HUGE_VAL;  // what the policy is does not matter
      CHECK((at(gspo_token{.clip_low = 0.1, .clip_high = 0.1}, token).value == one.value));
    }
  CHECK(refused(luspo{.clip_low = 1.5}) == "clip_low");
  CHECK(refused(luspo{.clip_high = not_a_number}) == "clip_high");
  CHECK(refused(gspo_token{.clip_low = -1.0}) == "clip_low");
  CHECK(refused(gspo_token{.clip_high = -1.0}) == "clip_high");
}

TEST_CASE("gmpo with a count of the bounded tokens is the geometric mean of ratios that were bounded one by one") {
  covers("gmpo", "identity");
  const double moved_by[] = {0.1, -0.7, 0.6, -0.2, 0.45}, clip = 0.4;
  for (const double advantage : {1.5, 0.25, -0.75}) {
    double mean = 0, kept = 0, sum = 0;
    for (const double l : moved_by) {
      const bool within = advantage > 0 ? l <= clip : l >= -clip;
      mean += (within ? l : advantage > 0 ? clip : -clip) / 5;
      if (within) ++kept, sum += l;
    }
    action<double> a{.policy = sum - 4, .old_policy = -4, .advantage = advantage, .length = kept};
    a.column[0] = 5;
    const auto t = at(gmpo{.clip = clip}, a);
    CHECK(t.ratio == doctest::Approx(std::exp(mean)).epsilon(1e-14));
    CHECK(t.value == doctest::Approx(-advantage * std::exp(mean)).epsilon(1e-14));
    CHECK(t.d_policy == doctest::Approx(-advantage * std::exp(mean) / 5).epsilon(1e-14));
  }
  // Nothing bounded: an unbounded gspo.
  action<double> free{.policy = -1, .old_policy = -2, .advantage = 2, .length = 4};
  free.column[0] = 4;
  CHECK(at(gmpo{}, free).d_policy == at(gspo{.clip_high = 9.0}, free).d_policy);
  CHECK(refused(gmpo{.clip = -0.1}) == "clip");
  CHECK(refused(gmpo{.clip = HUGE_VAL}) == "clip");
}

TEST_CASE("gspo from tokens is ppo on the means of their log-probabilities, and each token has its response's slope") {
  covers("gspo", "identity");
  const double policy[] = {-1, -2, -0.5, -3, -1, -9}, old_policy[] = {-1.1, -1.8, -0.5, -3.2, -1.2, -1};
  const double advantage[] = {1.5, -0.5, 2};
  const std::int64_t offsets[] = {0, 3, 5, 5};
  const bool kept[] = {true, true, false, true, true, true};
  double loss = 0, grad[6] = {}, ratio[3];
  const gspo rule{.clip_low = 0.3, .clip_high = 0.4};
  check(evaluate_tokens(cpu{}, rule,
                        {.policy = {policy, 6},
                         .old_policy = {old_policy, 6},
                         .advantage = {advantage, 3},
                         .offsets = {offsets, 4},
                         .token_mask = {kept, 6}},
                        {.loss = {&loss, 1}, .grad_policy = {grad, 6}, .ratio = {ratio, 3}}));
  const double means[] = {(0.1 - 0.2) / 2, (0.2 + 0.2) / 2, 0};
  const int lengths[] = {2, 2, 1};
  double sum = 0;
  for (int i = 0; i < 3; ++i) {
    const auto t = at(ppo{.clip_low = 0.3, .clip_high = 0.4}, moved(means[i], advantage[i]));
    CHECK(ratio[i] == doctest::Approx(t.ratio).epsilon(1e-14));
    sum += t.value / 3;
    for (std::int64_t k = offsets[i]; k < offsets[i + 1]; ++k)
      CHECK(grad[k] == doctest::Approx(kept[k] ? t.d_policy / lengths[i] / 3 : 0).epsilon(1e-14));
  }
  CHECK(loss == doctest::Approx(sum).epsilon(1e-14));
  CHECK(refused(gspo{.clip_low = 1.5}) == "clip_low");
  CHECK(refused(gspo{.clip_high = -1.0}) == "clip_high");
}
