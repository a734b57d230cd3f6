// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/action.hpp>
#include <prefer/core/evaluate.hpp>

// Estimators of the divergence KL(pi || pi_ref) from one sampled action, as penalties: combine(1.0, ppo{}, 0.04,
// policy_kl{}). All are written so that nothing cancels near pi = pi_ref.
namespace prefer {

enum class kl_estimator : std::uint8_t { k1, k2, k3 };

// The estimators k1, k2, k3 of samples of the policy itself, and their own derivatives.
//
//   d = policy - reference
//   k1: value = d,              d value / d policy = 1
//   k2: value = d^2 / 2,        d value / d policy = d
//   k3: value = e^-d - 1 + d,   d value / d policy = 1 - e^-d
//
// As estimates of the divergence k1 and k3 are unbiased. As losses none has the divergence's gradient but k2 (its
// expected derivative is that of the divergence); k1's is 0 in expectation, k3's is that of the other direction,
// KL(pi_ref || pi). With `k2_slope` the value is the estimator's and the derivative k2's, as verl's "+" does.
// Errors: the estimator must be one of the three.
// Source: Schulman 2020, "Approximating KL divergence"; the derivatives: derived here.
struct policy_kl {
  kl_estimator estimator = kl_estimator::k3;
  bool k2_slope = false;

  constexpr status check() const {
    return require::that(estimator <= kl_estimator::k3, "estimator", static_cast<double>(estimator), "k1, k2 or k3");
  }

  template <class V>
  PREFER_HD action_term<V> operator()(const action<V>& a) const {
    const V d = a.policy - a.reference;
    action_term<V> t;
    t.value = estimator == kl_estimator::k1   ? d
              : estimator == kl_estimator::k2 ? V(0.5) * d * d
                                              : math::expm1_minus(-d);
    t.d_policy = k2_slope || estimator == kl_estimator::k2 ? d
                 : estimator == kl_estimator::k1           ? V(1)
                                                           : -math::expm1(-d);
    return t;
  }
};

// k3 with the weight of the policy against the one that sampled: unbiased, and so is its derivative, when actions come
// from an older policy.
//
//   d = policy - reference,  ratio = e^(policy - old_policy)
//   value = ratio (e^-d - 1 + d),   d value / d policy = ratio d
//
// An action that the policy has ruled out (ratio 0) has the limits: value e^(reference - old_policy), derivative 0.
// Output ratio. Source: DeepSeek-V3.2 (section 3.1, from memory); the derivative: derived here.
struct unbiased_policy_kl {
  constexpr status check() const { return {}; }

  template <class V>
  PREFER_HD action_term<V> operator()(const action<V>& a) const {
    const V d = a.policy - a.reference;
    action_term<V> t;
    t.ratio = math::exp(a.policy - a.old_policy);
    // Far below the reference e^-d has no number where ratio e^-d has one; nor is the rest a difference of infinities.
    const V k3 = math::expm1_minus(-d), near = math::share(k3, t.ratio);
    const V inverse = V(1) / (k3 + (V(1) - d));  // e^d
    const V far = math::exp(a.reference - a.old_policy) * (V(1) + math::share(inverse, d - V(1)));
    t.value = math::select(d < V(-8), far, near);
    const V least(-1e38f);  // of d, since infinity times a ratio of 0 is NaN
    t.d_policy = math::share(math::select(d < least, least, d), t.ratio);
    return t;
  }
};

}  // namespace prefer
