// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/pair.hpp>
#include <prefer/loss/nll.hpp>

namespace prefer {

// Contrastive preference optimisation (CPO): DPO without a reference, and the likelihood of the chosen response.
//
//   z = beta (policy_chosen - policy_rejected),  p = 1 - label_smoothing
//   value = -p log sigmoid(z) - (1 - p) log sigmoid(-z) - nll_weight policy_chosen / length_chosen
//   d value / d policy_chosen = beta (sigmoid(z) - p) - nll_weight / length_chosen,
//   d value / d policy_rejected = -beta (sigmoid(z) - p)
//   implicit rewards: beta policy
//
// The likelihood is a mean over the response's tokens; with nll_weight = 0 lengths are not read. For other means
// combine cpo{.nll_weight = 0} with `nll`. Errors: beta must be finite and above 0, label_smoothing in [0, 1/2),
// nll_weight finite and not negative. Source: Xu et al. 2024, arXiv 2401.08417.
struct cpo {
  scalar beta = 0.1;
  scalar nll_weight = 1.0;
  scalar label_smoothing = 0.0;

  constexpr status check() const {
    return first_error(require::positive(beta, "beta"), require::not_negative(nll_weight, "nll_weight"),
                       require::below(label_smoothing, 0.5, "label_smoothing", "0 or above and below 0.5"));
  }

  template <class V>
  PREFER_HD pair_term<V> operator()(const pair<V>& p) const {
    const V b = beta.as<V>();
    const auto loss = math::cross_entropy(b * (p.policy_chosen - p.policy_rejected), V(1) - label_smoothing.as<V>());
    const V slope = b * loss.derivative;
    pair_term<V> t = policy_term(loss.value, slope, -slope, b * p.policy_chosen, b * p.policy_rejected);
    if (nll_weight.is_zero()) return t;
    const auto likelihood = nll{}(p);
    t.value = math::fma(nll_weight.as<V>(), likelihood.value, t.value);
    t.d_policy_chosen = math::fma(nll_weight.as<V>(), likelihood.d_policy_chosen, t.d_policy_chosen);
    return t;
  }
};

}  // namespace prefer
