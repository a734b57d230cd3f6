// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/ppo.hpp>
#include <prefer/loss/combine.hpp>
#include <prefer/loss/importance_weights.hpp>
#include <prefer/loss/policy_kl.hpp>

#include <doctest/doctest.h>

#include <algorithm>
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

TEST_CASE("the averages of policy losses, by weights and a normaliser: tokens, responses, a constant") {
  covers("equal_importance", "identity");
  const std::int64_t offsets[] = {0, 2, 5, 6};
  const bool mask[] = {true, true, true, false, true, true};
  const double policy[] = {-1, -2, -3, not_a_number, -1, -4}, old_policy[] = {-1.1, -2, -2.9, not_a_number, -1, -4};
  const double advantage[] = {1, 1, -2, -2, -2, 0.5};
  double of_token[6], weight[6], share[6], losses[6], length[3];
  const importance_inputs<space::host> in{.offsets = {offsets, 4}, .mask = {mask, 6}};
  check(importance_weights(cpu{}, equal_importance{}, in, {.weight = {weight, 6}, .length = {length, 3}}));
  auto shared = in;
  shared.mean_of_tokens = true;
  check(importance_weights(cpu{}, equal_importance{}, shared, {.weight = {share, 6}}));
  for (int t = 0; t < 6; ++t) CHECK(weight[t] == (mask[t] ? 1 : 0));
  CHECK((share[0] == 0.5 && share[2] == 0.5 && share[3] == 0 && share[5] == 1));
  CHECK((length[0] == 2 && length[1] == 2 && length[2] == 1));
  const auto loss = [&](const double* w, prefer::normalizer by) {
    double value = 0;
    action_inputs<space::host> items{.policy = {policy, 6}, .old_policy = {old_policy, 6}, .advantage = {advantage, 6}};
    items.weight = {w, 6}, items.mask = {mask, 6}, items.normalizer = by;
    check(evaluate<double>(cpu{}, ppo{}, items, {.loss = {&value, 1}, .losses = {losses, 6}}));
    return value;
  };
  const double sum = loss(weight, 1.0);
  std::copy(losses, losses + 6, of_token);
  const auto near = [](double x) { return doctest::Approx(x).epsilon(1e-14); };
  CHECK(loss(weight, {}) == near(sum / 5));
  CHECK(loss(weight, 3.0) == near(sum / 3));
  CHECK(loss(weight, 3.0 * 8) == near(sum / 24));
  CHECK(loss(share, 3.0) ==
        near(((of_token[0] + of_token[1]) / 2 + (of_token[2] + of_token[4]) / 2 + of_token[5]) / 3));
  CHECK(importance_weights(cpu{}, equal_importance{}, {.policy = {policy, 6}, .offsets = {offsets, 4}},
                           {.weight = {weight, 6}})
            .code == errc::unused_input);
  CHECK(importance_weights(cpu{}, equal_importance{}, in, {.mean_log_ratio = {length, 3}}).code ==
        errc::unavailable_output);
  CHECK(importance_weights(cpu{}, equal_importance{}, {.offsets = {offsets, 4}}, {.length = {length, 3}}).code ==
        errc::missing_input);
}
