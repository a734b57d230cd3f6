// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/action.hpp>
#include <prefer/core/evaluate.hpp>

// Policy losses that pull log-ratios to where they should be, by squares, instead of bounding a ratio.
namespace prefer {

// The policy gradient with a quadratic pull to the policy that sampled, as Kimi k1.5 and DRO have it: for samples of an
// older policy it needs no importance weights.
//
//   l = policy - old_policy
//   value = -A policy + tau l^2 / 2,   d value / d policy = -A + tau l
//
// Its minimum, were each action free, is l = A / tau. On tokens, or on responses with their sums: the square makes a
// difference. Errors: tau must be finite and not negative. Source: Richemond et al. 2024, arXiv 2405.19107 (DRO), and
// Kimi team 2025, arXiv 2501.12599, read in released code (verl, ROLL).
struct dro {
  scalar tau = 0.1;

  constexpr status check() const { return require::not_negative(tau, "tau"); }

  template <class V>
  PREFER_HD action_term<V> operator()(const action<V>& a) const {
    const V moved = a.policy - a.old_policy, pull = tau.as<V>() * moved;
    action_term<V> t;
    t.value = V(0.5) * pull * moved - a.advantage * a.policy;
    t.d_policy = pull - a.advantage;
    return t;
  }
};

// A*-PO: the log-ratio to the reference, regressed on the optimal advantage.
//
//   value = (beta (policy - reference) - A)^2,   d value / d policy = 2 beta (beta (policy - reference) - A)
//
// On responses, with sums of log-probabilities. A = r - V*, where V* = beta_1 log mean e^(r / beta_1) over several
// responses of the reference to the prompt (beta_1 0.5, 8 responses in the released code). Errors: beta must be finite
// and above 0. Source: arXiv 2505.20686, read in released code.
struct a_star_po {
  scalar beta = 1e-3;

  constexpr status check() const { return require::positive(beta, "beta"); }

  template <class V>
  PREFER_HD action_term<V> operator()(const action<V>& a) const {
    const V b = beta.as<V>(), gap = b * (a.policy - a.reference) - a.advantage;
    action_term<V> t;
    t.value = gap * gap;
    t.d_policy = (gap + gap) * b;
    return t;
  }
};

// FlowRL: trajectory balance, so that the policy matches the distribution that rewards describe instead of its mode.
//
//   g = column[0] + policy / length - beta A - reference / length,   w = min(e^(policy - old_policy), weight_max)
//   value = w g^2,   d value / d policy = 2 w g / length;  w is a constant to the gradient
//
// On responses, with sums of log-probabilities; column[0] is log Z of the prompt, which a network learns: its
// derivative is length times that by policy. A is the reward, normalised within its group in the released code. A
// response of length 0 counts as one of length 1, one of weight 0 for nothing, however far its gap. Output ratio.
// Errors: beta must be finite, weight_max finite and above 0. Source: arXiv 2509.15207, read in released code (verl
// recipe).
struct flow_rl {
  scalar beta = 15.0;
  scalar weight_max = 10.0;

  constexpr status check() const {
    return first_error(require::is_finite(beta, "beta"), require::positive(weight_max, "weight_max"));
  }

  template <class V>
  PREFER_HD action_term<V> operator()(const action<V>& a) const {
    const V length = math::max(a.length, V(1));
    const V gap = a.column[0] + (a.policy - a.reference) / length - beta.as<V>() * a.advantage;
    action_term<V> t;
    t.ratio = math::exp(math::detach(a.policy - a.old_policy));
    const V weight = math::select(t.ratio > weight_max.as<V>(), weight_max.as<V>(), t.ratio);
    t.value = math::share(weight, gap * gap);
    t.d_policy = math::share(weight, gap + gap) / length;
    return t;
  }
};

}  // namespace prefer
