// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/kl_mixed_reinforce.hpp>
#include <prefer/loss/policy_gradient.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace prefer;
using prefer_test::covers;
using prefer_test::refused;

TEST_CASE("kl_mixed_reinforce: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::kl_mixed_reinforce_cases>();
}

TEST_CASE(
    "kl_mixed_reinforce: its ends are the policy gradient and the penalty; at the reference only advantage pulls") {
  covers("kl_mixed_reinforce", "identity");
  for (const kl_estimator k : {kl_estimator::k1, kl_estimator::k2, kl_estimator::k3})
    for (const double policy : {-4.0, -2.5, -0.25}) {
      const action<double> a{.policy = policy, .advantage = -1.5, .reference = -2.5};
      const auto gain = policy_gradient{}(a), kl = policy_kl{.estimator = k}(a);
      const auto none = kl_mixed_reinforce{0.0, k}(a), all = kl_mixed_reinforce{1.0, k}(a),
                 some = kl_mixed_reinforce{0.25, k}(a);
      CHECK((none.value == gain.value && none.d_policy == gain.d_policy));
      CHECK((all.value == kl.value && all.d_policy == kl.d_policy));
      CHECK(some.value == doctest::Approx(0.75 * gain.value + 0.25 * kl.value).epsilon(1e-15));
      CHECK(some.d_policy == doctest::Approx(0.75 * gain.d_policy + 0.25 * kl.d_policy).epsilon(1e-15));
      if (policy == -2.5 && k != kl_estimator::k1) CHECK(some.d_policy == 0.75 * 1.5);
    }
  CHECK(refused(kl_mixed_reinforce{.mix = -0.5}) == "mix");
  CHECK(refused(kl_mixed_reinforce{.mix = 1.5}) == "mix");
  CHECK(refused(kl_mixed_reinforce{.mix = NAN}) == "mix");
  CHECK(refused(kl_mixed_reinforce{.estimator = static_cast<kl_estimator>(3)}) == "estimator");
}

TEST_CASE(
    "kl_mixed_reinforce: with k2 its expected gradient by logits is the mixture of those of value and divergence") {
  // Three actions, enumerated: sum of pi d loss / d logits against (1 - a) d E[A] and a d KL, in closed form.
  const double logit[3] = {0.25, -1, 0.5}, reference[3] = {-1.5, -0.75, -1.25}, advantage[3] = {1, -0.5, 0.25};
  double z = 0, pi[3], expected_gain = 0, divergence = 0;
  for (const double l : logit) z += std::exp(l);
  for (int k = 0; k < 3; ++k) {
    pi[k] = std::exp(logit[k]) / z;
    expected_gain += pi[k] * advantage[k], divergence += pi[k] * (std::log(pi[k]) - reference[k]);
  }
  const double a = 0.25;
  for (int j = 0; j < 3; ++j) {
    double slope = 0;
    for (int k = 0; k < 3; ++k) {
      const auto t = kl_mixed_reinforce{.mix = a}(
          action<double>{.policy = std::log(pi[k]), .advantage = advantage[k], .reference = reference[k]});
      slope += pi[k] * t.d_policy * ((j == k ? 1 : 0) - pi[j]);
    }
    const double by_hand =
        -(1 - a) * pi[j] * (advantage[j] - expected_gain) + a * pi[j] * (std::log(pi[j]) - reference[j] - divergence);
    CHECK(slope == doctest::Approx(by_hand).epsilon(1e-14));
  }
}
