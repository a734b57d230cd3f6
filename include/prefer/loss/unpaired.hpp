// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/response.hpp>

namespace prefer {

// Binary classifier optimisation (BCO) for unpaired data: desirable responses are classified as above a shift,
// undesirable ones as below.
//
//   e = policy - reference,  x = beta e - shift
//   value = -label log sigmoid(x) - (1 - label) log sigmoid(-x),   d value / d e = beta (sigmoid(x) - label)
//
// shift is the running mean of all rewards beta e so far (output mean_reward, accumulated), without a gradient; it may
// be a pointer in the execution space. Errors: beta must be finite and above 0, shift finite.
// Source: Jung et al. 2024, arXiv 2404.04656.
struct bco_unpaired {
  scalar beta = 0.1;
  scalar shift = 0.0;

  constexpr status check() const {
    return first_error(require::positive(beta, "beta"), require::is_finite(shift, "shift"));
  }

  template <class V>
  PREFER_HD response_term<V> operator()(const response<V>& r) const {
    const V b = beta.as<V>();
    const V reward = b * (r.policy - r.reference);
    const auto loss = math::cross_entropy(reward - shift.as<V>(), r.label);
    response_term<V> t;
    t.value = loss.value;
    t.d_policy = b * loss.derivative;
    t.d_reference = -t.d_policy;
    t.reward = reward;
    return t;
  }
};

// Self-play preference optimisation (SPPO) with an estimated probability of winning.
//
//   e = policy - reference,  label: the probability that the response beats the current policy's
//   value = (e - (label - 1/2) / beta)^2,   d value / d e = 2 (e - (label - 1/2) / beta)
//
// Errors: beta must be finite and above 0. Source: Wu et al. 2024, arXiv 2405.00675 (there eta = 1 / beta).
struct sppo_soft {
  scalar beta = 0.001;

  constexpr status check() const { return require::positive(beta, "beta"); }

  template <class V>
  PREFER_HD response_term<V> operator()(const response<V>& r) const {
    const V b = beta.as<V>();
    const V e = r.policy - r.reference;
    const V gap = e - (r.label - V(0.5)) / b;
    response_term<V> t;
    t.value = gap * gap;
    t.d_policy = gap + gap;
    t.d_reference = -t.d_policy;
    t.reward = b * e;
    return t;
  }
};

}  // namespace prefer
