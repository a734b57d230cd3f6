// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/pair.hpp>

namespace prefer {

// IPO-MD and online IPO: regression of the difference of log-ratios to a preference that may be soft.
//
//   h = a - c, a and c as in dpo;  p = label: the probability that `chosen` beats `rejected`, in whatever order
//   squared:         value = (h - (2 p - 1) / (2 tau))^2,   d value / d h = 2 (h - (2 p - 1) / (2 tau))
//   implementation:  value = tau h^2 - (2 p - 1) (policy_chosen - policy_rejected), tau times that slope by the policy
//   implicit rewards: tau a, tau c
//
// What makes it IPO-MD is where pairs come from: both responses are drawn from pi_m ~ pi^(1-b) mu^b, mu the reference,
// without a gradient. b = 0 is online IPO, pairs of a fixed data set are IPO. The expected gradient of `squared` over
// such pairs, u = log(pi / mu):
//
//   -(4 / tau) sum_y pi_m(y) grad log pi(y) [P(y beats pi_m) - 1/2 - tau (u(y) - E_pi_m u)]
//
// (for b = 0 the last mean drops out). It vanishes where pi ~ mu e^(P(y beats pi_m) / tau): for online IPO that is the
// equilibrium of the game regularised by tau, for IPO-MD pi_m is the equilibrium at tau / (1 - b). Drawing a winner
// with probability p and label 1 has the same mean gradient, and more variance.
//
// `implementation` has the same derivative by the policy up to the factor tau; its derivative by the reference is that
// of its own value. Errors: tau must be finite and above 0; a label outside [0, 1].
// Source: Calandriello et al. 2024, arXiv 2403.08635 (from a summary); the gradient was derived and is tested here.
struct ipo_md {
  enum class form : std::uint8_t { squared, implementation };

  scalar tau = 1.0;
  form value = form::squared;

  constexpr status check() const { return require::positive(tau, "tau"); }

  template <class V>
  PREFER_HD pair_term<V> operator()(const pair<V>& p) const {
    const V t = tau.as<V>();
    const V target = (p.label - V(0.5)) / t;
    const log_ratios<V> ratio(p);
    const V h = ratio.difference();
    if (value == form::squared) {
      const V gap = h - target;
      return ratio.term(gap * gap, gap + gap, -(gap + gap), t);
    }
    const V sign = p.label + p.label - V(1), pull = V(2) * t * h;
    const V cost = t * (h * h) - sign * (p.policy_chosen - p.policy_rejected);
    pair_term<V> term = ratio.term(cost, pull - sign, sign - pull, t);
    term.d_reference_chosen = -pull;
    term.d_reference_rejected = pull;
    return term;
  }
};

}  // namespace prefer
