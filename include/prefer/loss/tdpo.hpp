// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/pair.hpp>

namespace prefer {

// Token-level DPO (TDPO): DPO with the difference of the responses' sequential Kullback-Leibler divergences as offset.
//
//   column[0] = S_chosen, column[1] = S_rejected: sums over the response's tokens of KL(reference || policy)
//   z = beta ((a - c) - alpha (S_rejected - S_chosen)), a and c as in dpo
//   value = -log sigmoid(z)
//   d value / d a = -beta sigmoid(-z),   d value / d c = beta sigmoid(-z)
//
// TDPO1 has alpha = 1 and differentiates both divergences, TDPO2 only S_rejected. These derivatives need no output of
// their own: d value / d S_rejected = -alpha d value / d a and d value / d S_chosen = alpha d value / d a; by a logit
// of a token, KL(reference || policy) has the derivative policy - reference. Errors: beta must be finite and above 0,
// alpha finite and not negative. Source: Zeng et al. 2024, arXiv 2404.11999.
struct tdpo {
  scalar beta = 0.1;
  scalar alpha = 0.5;

  constexpr status check() const {
    return first_error(require::positive(beta, "beta"), require::not_negative(alpha, "alpha"));
  }

  template <class V>
  PREFER_HD pair_term<V> operator()(const pair<V>& p) const {
    const V b = beta.as<V>();
    const log_ratios<V> ratio(p);
    const auto loss = math::logistic_loss(b * (ratio.difference() - alpha.as<V>() * (p.column[1] - p.column[0])));
    const V slope = b * loss.derivative;
    return ratio.term(loss.value, slope, -slope, b);
  }
};

}  // namespace prefer
