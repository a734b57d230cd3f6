// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/transition.hpp>
#include <prefer/loss/temporal_difference.hpp>

// Implicit Q-learning (IQL): offline reinforcement learning that never asks a critic about an action the data do not
// have. Three losses over the same steps, one per network: the state value, the action value, the policy. With a
// learnt reward (preferences by partial return, say) `reward` is what the reward model says.
namespace prefer {

// The state value of IQL: expectile regression of V(s) on Q(s, a).
//
//   u = action_value - value,  w = tau where u > 0, 1 - tau where u < 0,  value = w u^2
//   d value / d action_value = 2 w u = -d value / d value (input);  output residual: u
//
// At u = 0 the value and both derivatives are 0, whichever weight is meant. tau = 1/2 is half of least squares; the
// nearer tau is to 1, the nearer V comes to the best action in the data. IQL gives action_value no gradient (it comes
// from a target network): do not ask for it. Errors: tau must be above 0 and below 1.
// Source: Kostrikov et al. 2021, arXiv 2110.06169 (eq. 5, from memory).
struct iql_value {
  scalar tau = 0.7;

  constexpr status check() const {
    return require::that(tau.by_pointer() || (tau.value64 > 0 && tau.value64 < 1), "tau", tau.value64,
                         "above 0 and below 1");
  }

  template <class V>
  PREFER_HD transition_term<V> operator()(const transition<V>& s) const {
    const V high = tau.as<V>();
    const V u = s.action_value - s.value;
    const V pull = math::select(u < V(0), V(1) - high, high) * u;
    transition_term<V> t;
    t.value = pull * u;
    t.d_action_value = pull + pull;
    t.d_value = -t.d_action_value;
    t.residual = u;
    return t;
  }
};

// The action value of IQL (eq. 6): least squares on the value one step ahead, with V(s') of iql_value's network. It
// gives reward and next_value no gradient: do not ask for it. Two critics are two calls.
using iql_q = temporal_difference;

// The policy of IQL: imitation of the data, weighted by how much better than average an action is (advantage-weighted
// regression).
//
//   A = action_value - value,  w = min(e^(beta A), max_weight),  value = -w policy,  d value / d policy = -w
//
// The weight is a constant to the gradient; it is the output advantage_weight. It is formed so that it cannot overflow:
// any advantage gives a number from 0 to max_weight. beta = 0 is behaviour cloning. Errors: beta must be finite and not
// negative, max_weight finite and above 0.
// Source: Kostrikov et al. 2021, arXiv 2110.06169 (eq. 7, from memory); the bound of 100 as in the released code.
struct iql_policy {
  scalar beta = 3.0;
  scalar max_weight = 100.0;

  constexpr status check() const {
    return first_error(require::not_negative(beta, "beta"), require::positive(max_weight, "max_weight"));
  }

  template <class V>
  PREFER_HD transition_term<V> operator()(const transition<V>& s) const {
    const V most = max_weight.as<V>();
    const V grown = math::exp(beta.as<V>() * (s.action_value - s.value));
    const V w = math::select(grown > most, most, grown);  // NaN stays NaN
    transition_term<V> t;
    t.value = -w * s.policy;
    t.d_policy = -w;
    t.advantage_weight = w;
    return t;
  }
};

}  // namespace prefer
