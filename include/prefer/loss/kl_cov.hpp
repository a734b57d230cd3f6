// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/action.hpp>
#include <prefer/core/evaluate.hpp>

namespace prefer {

// KL-Cov: the ratio times the advantage, unclipped, and a penalty on how far the chosen tokens move.
//
//   x = policy - old_policy,  ratio = e^x,  c = column[0]: 1 for the chosen tokens, 0 for the others
//   value = -A ratio + coefficient c |x|
//   d value / d policy = -A ratio + coefficient c sign(x),   sign(0) = 0
//
// Output ratio. c is what covariance_tokens (loss/covariance_tokens.hpp) with top_covariance writes as `weight`; any
// number weighs the penalty, and c = 0 everywhere is the unclipped surrogate. Errors: coefficient must be finite and
// not negative. Source: Cui et al. 2025, arXiv 2505.22617, read in released code (verl), whose default is 1.
struct kl_cov {
  scalar coefficient = 1.0;

  constexpr status check() const { return require::not_negative(coefficient, "coefficient"); }

  template <class V>
  PREFER_HD action_term<V> operator()(const action<V>& a) const {
    const V x = a.policy - a.old_policy, penalty = coefficient.as<V>() * a.column[0];
    action_term<V> t;
    t.ratio = math::exp(x);
    const V gain = math::share(a.advantage, t.ratio);
    t.value = math::share(penalty, math::abs(x)) - gain;
    t.d_policy = math::select(x > V(0), penalty, math::select(x < V(0), -penalty, V(0))) - gain;
    return t;
  }
};

}  // namespace prefer
