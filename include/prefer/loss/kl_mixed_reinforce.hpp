// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/policy_kl.hpp>

namespace prefer {

// KL-mixed REINFORCE: the policy gradient and a penalty by the divergence from a reference, whose shares add up to 1,
// so that `mix` moves from one to the other without changing the size of the step.
//
//   d = policy - reference,  k(d) the estimator of policy_kl
//   value = -(1 - mix) A policy + mix k(d)
//   d value / d policy = -(1 - mix) A + mix k'(d)
//
// For samples of the policy itself. A is the reward from this action on, less a baseline that is fitted by squared
// error (both the caller's). The paper's divergence is over the whole vocabulary, whose gradient by the logits is
// token_divergence's (logp/token_divergence.hpp), beside policy_gradient with a weight of 1 - mix; of what sampled
// actions alone tell, k2 has the divergence's gradient in expectation, and is the default. mix = 0 is policy_gradient,
// mix = 1 policy_kl.
//
// Errors: mix must be from 0 to 1, the estimator one of the three. Source: MusicRL (arXiv 2402.04229), section 3; the
// estimators and the default of mix are this library's.
struct kl_mixed_reinforce {
  scalar mix = 0.01;
  kl_estimator estimator = kl_estimator::k2;

  constexpr status check() const {
    return first_error(require::from_0_to_1(mix, "mix"), policy_kl{.estimator = estimator}.check());
  }

  template <class V>
  PREFER_HD action_term<V> operator()(const action<V>& a) const {
    const V part = mix.as<V>(), gain = (V(1) - part) * a.advantage;
    const action_term<V> kl = policy_kl{.estimator = estimator}(a);
    action_term<V> t;
    t.value = math::share(part, kl.value) - math::share(gain, a.policy);
    t.d_policy = math::share(part, kl.d_policy) - gain;
    return t;
  }
};

}  // namespace prefer
