// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/policy_kl.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace prefer;
using prefer_test::covers;
using prefer_test::refused;

namespace {

template <class V = double, class Loss>
action_term<V> at(const Loss& loss, const action<V>& a) {
  return loss(a);
}

}  // namespace

TEST_CASE("policy_kl: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::policy_kl_cases>();
}

TEST_CASE("unbiased_policy_kl: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::unbiased_policy_kl_cases>();
}

TEST_CASE("the estimators of the divergence average to it, and their slopes to what the page says") {
  for (const char* name : {"policy_kl", "unbiased_policy_kl"}) covers(name, "identity");
  // Two policies over four actions, all actions with their probabilities: expectations without sampling.
  const double p[] = {0.1, 0.2, 0.3, 0.4}, q[] = {0.4, 0.3, 0.2, 0.1}, old[] = {0.25, 0.25, 0.25, 0.25};
  double kl = 0, k1 = 0, k3 = 0, weighted = 0, k1_slope = 0;
  double reverse[4], forward[4], k2_slope[4], k3_slope[4], weighted_slope[4];
  const auto item = [&](int i) {
    return action<double>{.policy = std::log(p[i]), .old_policy = std::log(old[i]), .reference = std::log(q[i])};
  };
  for (int i = 0; i < 4; ++i) {
    kl += p[i] * std::log(p[i] / q[i]);
    k1 += p[i] * at(policy_kl{.estimator = kl_estimator::k1}, item(i)).value;
    k3 += p[i] * at(policy_kl{}, item(i)).value;
    weighted += old[i] * at(unbiased_policy_kl{}, item(i)).value;
    k1_slope += p[i] * at(policy_kl{.estimator = kl_estimator::k1}, item(i)).d_policy;
  }
  CHECK(k1 == doctest::Approx(kl).epsilon(1e-14));
  CHECK(k3 == doctest::Approx(kl).epsilon(1e-14));
  CHECK(weighted == doctest::Approx(kl).epsilon(1e-14));
  CHECK(k1_slope == doctest::Approx(1).epsilon(1e-14));  // times sum of d log p = 0
  // By the logits z of p = softmax(z): d log p_i / d z_j = (i == j) - p_j.
  for (int j = 0; j < 4; ++j) {
    reverse[j] = p[j] * (std::log(p[j] / q[j]) - kl);  // d KL(p || q) / d z_j
    forward[j] = p[j] - q[j];                          // d KL(q || p) / d z_j
    k2_slope[j] = k3_slope[j] = weighted_slope[j] = 0;
    for (int i = 0; i < 4; ++i) {
      const double score = (i == j) - p[j];
      k2_slope[j] += p[i] * at(policy_kl{.estimator = kl_estimator::k2}, item(i)).d_policy * score;
      k3_slope[j] += p[i] * at(policy_kl{}, item(i)).d_policy * score;
      weighted_slope[j] += old[i] * at(unbiased_policy_kl{}, item(i)).d_policy * score;
    }
    CHECK(std::fabs(k2_slope[j] - reverse[j]) < 1e-15);
    CHECK(std::fabs(k3_slope[j] - forward[j]) < 1e-15);
    CHECK(std::fabs(weighted_slope[j] - reverse[j]) < 1e-15);
  }
  const policy_kl mixed{.k2_slope = true};
  CHECK(at(mixed, item(0)).value == at(policy_kl{}, item(0)).value);
  CHECK(at(mixed, item(0)).d_policy == at(policy_kl{.estimator = kl_estimator::k2}, item(0)).d_policy);
  CHECK(refused(policy_kl{.estimator = static_cast<kl_estimator>(7)}) == "estimator");
}

TEST_CASE("k3 near equal policies: every digit where e^-d - 1 + d has none left, in float and double, never below 0") {
  // e^-d - 1 + d = d^2 / 2 - d^3 / 6 + ..., whose terms do not cancel.
  const auto exact = [](long double d) {
    long double sum = 0, power = -d;
    for (int k = 2; k < 30; ++k) sum += power *= -d / k;
    return sum;
  };
  for (double size = 0x1p-30; size < 0.9; size *= 1.7)
    for (const double d : {size, -size}) {
      const auto rounded = static_cast<double>(static_cast<float>(d));
      const auto wide = at(policy_kl{}, {.policy = d}),
                 weighted = at(unbiased_policy_kl{}, {.policy = d, .old_policy = d});
      const auto narrow = at<float>(policy_kl{}, {.policy = static_cast<float>(d)});
      CHECK(std::fabs(wide.value - exact(d)) <= 4e-16L * exact(d));
      CHECK(std::fabs(weighted.value - exact(d)) <= 4e-16L * exact(d));
      CHECK(std::fabs(narrow.value - exact(rounded)) <= 3e-7L * exact(rounded));
      CHECK(std::fabs(wide.d_policy + std::expm1(-static_cast<long double>(d))) <= 4e-16L * std::fabs(d));
      CHECK(wide.value > 0);
    }
  for (const double d : {-30.0, 30.0, 700.0}) CHECK(at(policy_kl{}, {.policy = d}).value > 0);
  CHECK(at(policy_kl{}, {.policy = 0}).value == 0);
}

TEST_CASE("unbiased_policy_kl beyond every ratio: limits, or infinity, and never a difference of infinities") {
  const double none = -HUGE_VAL;
  // Ruled out by the policy: e^(reference - old_policy), at rest. (d ratio as it stands: infinity times 0.)
  const auto gone = at(unbiased_policy_kl{}, {.policy = none, .old_policy = -2, .reference = -3});
  CHECK((gone.ratio == 0 && gone.d_policy == 0));
  CHECK(gone.value == doctest::Approx(std::exp(-1.0)).epsilon(1e-15));
  CHECK(at<float>(unbiased_policy_kl{}, {.policy = -200, .old_policy = -1, .reference = -1}).value == 1);
  for (const auto& lost : {at(unbiased_policy_kl{}, {.policy = -1, .old_policy = -2, .reference = std::nan("")}),
                           at(unbiased_policy_kl{}, {.policy = std::nan(""), .old_policy = -2, .reference = -3})})
    CHECK((std::isnan(lost.value) && std::isnan(lost.d_policy)));
  // Both exponentials overflow: their difference has no number, the value is beyond all.
  const auto beyond = at(unbiased_policy_kl{}, {.policy = -1, .old_policy = -752, .reference = 30});
  CHECK((beyond.value == HUGE_VAL && beyond.d_policy == -HUGE_VAL));
  CHECK(at<float>(unbiased_policy_kl{}, {.policy = -1, .old_policy = -99, .reference = 29}).value == HUGE_VALF);
  // On both sides of where one form takes over from the other.
  for (const double d : {-7.999999, -8.000001, -30.0, -600.0}) {
    const auto t = at(unbiased_policy_kl{}, {.policy = d, .old_policy = -0.5});
    const long double exact = std::exp(d + 0.5L) * (std::expm1(-static_cast<long double>(d)) + d);
    CHECK(std::fabs(t.value - exact) < 1e-15L * exact);
  }
}
