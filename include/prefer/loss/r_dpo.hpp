// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/pair.hpp>

namespace prefer {

// DPO regularised by length (R-DPO): the reward of a response is reduced by alpha per token.
//
//   a and c as in dpo,  z = beta (a - c) + alpha (length_chosen - length_rejected)
//   value = -log sigmoid(z)
//   d value / d a = -beta sigmoid(-z),   d value / d c = beta sigmoid(-z)
//
// The sign follows from the objective: maximising E[reward - alpha length] - beta KL makes the reward of a response
// beta log-ratio + alpha length up to a constant, so a chosen response that is longer needs less of a log-ratio.
// Errors: beta must be finite and above 0, alpha finite.
// Source: Park et al. 2024, arXiv 2403.19159 (sign derived here).
struct r_dpo {
  scalar beta = 0.1;
  scalar alpha = 0.01;

  constexpr status check() const {
    return first_error(require::positive(beta, "beta"), require::is_finite(alpha, "alpha"));
  }

  template <class V>
  PREFER_HD pair_term<V> operator()(const pair<V>& p) const {
    const V b = beta.as<V>();
    const log_ratios<V> ratio(p);
    const auto loss =
        math::logistic_loss(b * ratio.difference() + alpha.as<V>() * (p.length_chosen - p.length_rejected));
    const V slope = b * loss.derivative;
    return ratio.term(loss.value, slope, -slope, b);
  }
};

}  // namespace prefer
