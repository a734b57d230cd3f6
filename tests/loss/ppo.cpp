// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/ppo.hpp>
#include <prefer/core/evaluate_tokens.hpp>
#include <prefer/loss/combine.hpp>
#include <prefer/loss/policy_kl.hpp>

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

TEST_CASE("ppo: golden values, and what every loss promises") { prefer_test::loss_tests<prefer_test::ppo_cases>(); }

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
      const action<double> response{.policy = -9 + mean * length, .old_policy = -9, .advantage = advantage,
                                    .length = length};
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
    }
  CHECK(refused(luspo{.clip_low = 1.5}) == "clip_low");
  CHECK(refused(luspo{.clip_high = not_a_number}) == "clip_high");
  CHECK(refused(gspo_token{.clip_low = -1.0}) == "clip_low");
  CHECK(refused(gspo_token{.clip_high = -1.0}) == "clip_high");
}

TEST_CASE("gmpo with a count of the bounded tokens is the geometric mean of ratios that were bounded one by one") {
  covers("gmpo", "identity");
  const double moved_by[] = {0.1, -0.7, 0.6, -0.2, 0.45}, clip = 0.4;
  for (const double advantage : {1.5, -0.75}) {
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

TEST_CASE("ppo: a bound takes the gradient only where the step would go on in the same direction") {
  covers("ppo", "identity");
  const ppo loss{.clip_low = 0.2, .clip_high = 0.28, .dual_clip = 3.0};
  CHECK(at(loss, moved(std::log(1.3), 2)).d_policy == 0);
  CHECK(at(loss, moved(std::log(1.3), 2)).value == doctest::Approx(-2.56).epsilon(1e-14));
  CHECK(at(loss, moved(std::log(1.3), 2)).clipped == 1);
  CHECK(at(loss, moved(std::log(1.25), 2)).d_policy == doctest::Approx(-2.5).epsilon(1e-14));
  CHECK(at(loss, moved(std::log(0.1), 2)).d_policy == doctest::Approx(-0.2).epsilon(1e-14));  // may come back
  CHECK(at(loss, moved(std::log(0.7), -2)).d_policy == 0);
  CHECK(at(loss, moved(std::log(0.7), -2)).value == doctest::Approx(1.6).epsilon(1e-14));
  CHECK(at(loss, moved(std::log(2.9), -2)).d_policy == doctest::Approx(5.8).epsilon(1e-14));
  CHECK(at(loss, moved(std::log(3.1), -2)).d_policy == 0);
  CHECK(at(loss, moved(std::log(3.1), -2)).value == doctest::Approx(6).epsilon(1e-14));
  // On a bound itself the gradient is there: a ratio of 1 with widths of 0.
  CHECK(at(ppo{.clip_low = 0.0, .clip_high = 0.0}, moved(0, 2)).d_policy == -2);
  CHECK(at(ppo{.clip_low = 0.0, .clip_high = 0.0}, moved(0, -2)).d_policy == 2);
}

TEST_CASE(
    "ppo: an action without advantage contributes nothing however far it moved, bounds hold beyond every ratio, NaN "
    "stays") {
  for (double log_ratio : {0.0, -800.0, 2000.0}) {
    const auto t = at(ppo{}, moved(log_ratio, 0));
    CHECK((t.value == 0 && t.d_policy == 0 && t.clipped == 0));
  }
  CHECK(at(ppo{.clip_high = 0.28}, moved(2000, 1)).value == -1.28);
  CHECK(at(ppo{.clip_high = 0.28}, moved(2000, 1)).d_policy == 0);
  CHECK(at(ppo{.dual_clip = 3.0}, moved(2000, -1)).value == 3);
  CHECK(at<float>(ppo{}, {.policy = 200, .advantage = 1}).value == -1.2f);
  CHECK(std::isnan(at(ppo{}, moved(not_a_number, 1.5)).d_policy));
  CHECK(std::isnan(at(ppo{}, moved(0, not_a_number)).value));
}

TEST_CASE("ppo: bad parameters by name") {
  CHECK(refused(ppo{.clip_low = 1.5}) == "clip_low");
  CHECK(refused(ppo{.clip_low = -0.1}) == "clip_low");
  CHECK(refused(ppo{.clip_high = -0.1}) == "clip_high");
  CHECK(refused(ppo{.clip_high = HUGE_VAL}) == "clip_high");
  CHECK(refused(ppo{.dual_clip = 0.5}) == "dual_clip");
  CHECK(refused(ppo{.dual_clip = not_a_number}) == "dual_clip");
}

TEST_CASE("ppo with a penalty in one pass, by combine: both terms beside their sum") {
  const double policy[] = {-1, -2}, old_policy[] = {-1, -2}, reference[] = {-1, -2 - std::log(2.0)},
               advantage[] = {2, -1};
  double loss = 0, terms[2], grad[2];
  check(evaluate<double>(
      cpu{}, combine(1.0, ppo{}, 0.5, policy_kl{.estimator = kl_estimator::k2}),
      {.policy = {policy, 2}, .old_policy = {old_policy, 2}, .advantage = {advantage, 2}, .reference = {reference, 2}},
      {.loss = {&loss, 1}, .grad_policy = {grad, 2}, .terms = {terms, 2}}));
  const double apart = std::log(2.0);
  CHECK(terms[0] == doctest::Approx(-0.5).epsilon(1e-15));
  CHECK(terms[1] == doctest::Approx(apart * apart / 4).epsilon(1e-14));
  CHECK(loss == doctest::Approx(terms[0] + 0.5 * terms[1]).epsilon(1e-15));
  CHECK(grad[0] == -1);
  CHECK(grad[1] == doctest::Approx((1 + 0.5 * apart) / 2).epsilon(1e-14));
}

TEST_CASE("the fraction of clipped actions and the mean ratio come with the loss") {
  const float policy[] = {-1, -1, -1, -1}, old_policy[] = {-1, -2, -1, -2}, advantage[] = {1, 1, -1, -1};
  float fraction = 0, mean = 0;
  check(evaluate<float>(cpu{}, ppo{},
                        {.policy = {policy, 4}, .old_policy = {old_policy, 4}, .advantage = {advantage, 4}},
                        {.mean_ratio = {&mean, 1}, .clip_fraction = {&fraction, 1}}));
  CHECK(fraction == 0.25f);
  CHECK(mean == doctest::Approx((1 + std::exp(1.0)) / 2).epsilon(1e-6));
}
