// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/pair.hpp>

namespace prefer {

// INPO, no-regret self-play by regression on pairs: one round moves the policy from pi_t, which drew both responses, to
// the mirror step.
//
//   column[0], column[1]: log pi_t of chosen and rejected
//   s = tau / eta,  f(y) = log(policy / pi_t) + s log(pi_t / reference),  k = f(chosen) - f(rejected)
//   value = (k - (2 label - 1) / (2 eta))^2
//   d value / d policy_chosen = 2 (k - (2 label - 1) / (2 eta)),  by the reference -s times that; rejected: minus those
//   implicit rewards: eta f, which tend to P(y beats pi_t) up to a constant
//
// k is Delta log policy - s Delta log reference - (1 - s) Delta log pi_t, and with label 1 the published
// target 1 / (2 eta). Over pairs from pi_t, either order preferred with its probability, the minimum over tables is
//
//   log pi_{t+1} = (1 - tau / eta) log pi_t + (tau / eta) log mu + P(y beats pi_t) / eta + constant
//
// whose fixed point is the equilibrium of the game regularised by tau. eta is an inverse step: large is slow. Errors:
// eta must be finite and above 0, tau finite and from 0 to eta; a label outside [0, 1].
// Source: Zhang et al. 2024, arXiv 2407.00617, from a re-implementation; its minimum was derived and is tested here.
struct inpo_pair {
  scalar eta = 7.5e-3;
  scalar tau = 2.5e-3;

  constexpr status check() const {
    const bool known = !tau.by_pointer() && !eta.by_pointer();
    return first_error(require::positive(eta, "eta"), require::not_negative(tau, "tau"),
                       require::that(!known || tau.value64 <= eta.value64, "tau", tau.value64, "at most eta"));
  }

  template <class V>
  PREFER_HD pair_term<V> operator()(const pair<V>& p) const {
    const V inverse_step = eta.as<V>(), share = tau.as<V>() / inverse_step;
    const V chosen = (p.policy_chosen - p.column[0]) + share * (p.column[0] - p.reference_chosen);
    const V rejected = (p.policy_rejected - p.column[1]) + share * (p.column[1] - p.reference_rejected);
    const V gap = (chosen - rejected) - (p.label - V(0.5)) / inverse_step;
    pair_term<V> t;
    t.value = gap * gap;
    t.d_policy_chosen = gap + gap;
    t.d_policy_rejected = -(gap + gap);
    t.d_reference_chosen = -share * (gap + gap);
    t.d_reference_rejected = share * (gap + gap);
    t.reward_chosen = inverse_step * chosen;
    t.reward_rejected = inverse_step * rejected;
    return t;
  }
};

}  // namespace prefer
