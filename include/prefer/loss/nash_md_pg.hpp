// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/response.hpp>

namespace prefer {

// Nash-MD as a policy gradient: responses that the policy drew are pushed up by how often they beat an opponent, less
// what they cost in divergence from the reference.
//
//   label: the probability that the response beats one of the opponent pi_m ~ pi^(1-b) mu^b (logp/logp_mixture.hpp)
//   w = label - 1/2 - tau (policy - reference), a constant to the gradient
//   value = -w policy,   d value / d policy = -w,   reward: w
//
// For a response drawn from the policy pi the expected gradient by the logits of a table is that of
//
//   -P(pi beats pi_m) + tau KL(pi, mu) with pi_m held fixed:   -pi_k (w_k - sum_j pi_j w_j)
//
// with w_k = P(k beats pi_m) - 1/2 - tau log(pi_k / mu_k). The 1/2 changes its variance, not its mean. b = 0 is
// self-play, b = 1 a best response to the reference; pi_m has no gradient. The value is a surrogate: its derivative is
// what counts, and its own size says nothing (mean_reward does). With tau = 0 the reference has no influence, be it
// infinite. Responses drawn from another policy need their importance ratio as `weight`.
//
// From tokens (evaluate_tokens) every token of a response gets the weight of the whole response, which is the gradient
// of the divergence of sequences; with evaluate_to_go the log-ratio from the token on, which has the same mean and less
// variance. A loss that multiplies each token's log-ratio with the same token's log-probability is not that: it loses
// what a token does to the divergence of those behind it (docs/loss/game_losses.md).
//
// Errors: tau must be finite and not negative; a label outside [0, 1].
// Source: Munos et al. 2023, arXiv 2312.00886, section 7 (from a third-party summary); expectation derived and tested
// here.
struct nash_md_pg {
  scalar tau = 0.008;

  constexpr status check() const { return require::not_negative(tau, "tau"); }

  template <class V>
  PREFER_HD response_term<V> operator()(const response<V>& r) const {
    const V log_ratio = math::detach(r.policy) - r.reference;
    const V w = (r.label - V(0.5)) - math::share(tau.as<V>(), log_ratio);
    response_term<V> t;
    t.value = -w * r.policy;
    t.d_policy = -w;
    t.reward = w;
    return t;
  }
};

}  // namespace prefer
