// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/pair.hpp>

namespace prefer {

// DPO on log-ratios per token ("sigmoid_norm").
//
//   a and c as in dpo,  z = beta (a / length_chosen - c / length_rejected)
//   value = -log sigmoid(z)
//   d value / d a = -beta sigmoid(-z) / length_chosen,   d value / d c = beta sigmoid(-z) / length_rejected
//   implicit rewards: beta times the log-ratios per token
//
// An empty response counts as one token. Errors: beta must be finite and above 0.
// Source: Lambert et al. 2024 (Tulu 3), arXiv 2411.15124.
struct length_normalized_dpo {
  scalar beta = 5.0;

  constexpr status check() const { return require::positive(beta, "beta"); }

  template <class V>
  PREFER_HD pair_term<V> operator()(const pair<V>& p) const {
    const V b = beta.as<V>();
    const log_ratios<V> ratio(p);
    const token_means<V> mean(p, ratio.chosen, ratio.rejected);
    const auto loss = math::logistic_loss(b * mean.difference());
    const V slope = b * loss.derivative;
    pair_term<V> t = ratio.term(loss.value, slope * mean.inverse_chosen, -slope * mean.inverse_rejected, b);
    t.reward_chosen = b * mean.chosen;
    t.reward_rejected = b * mean.rejected;
    return t;
  }
};

}  // namespace prefer
