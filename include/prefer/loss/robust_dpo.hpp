// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/pair.hpp>

namespace prefer {

// Robust DPO: DPO on labels that are wrong with a known probability epsilon, made unbiased.
//
//   a, c: log-ratios of chosen and rejected as in dpo,  z = beta (a - c)
//   value = [(1 - epsilon) (-log sigmoid(z)) - epsilon (-log sigmoid(-z))] / (1 - 2 epsilon)
//         = -log sigmoid(z) - k z  with k = epsilon / (1 - 2 epsilon)
//   d value / d a = -beta (sigmoid(-z) + k),   d value / d c = -d value / d a
//
// Averaged over labels that flip with probability epsilon this is the DPO loss of the clean labels. It has no lower
// bound: its slope tends to -beta k, never to 0. Errors: beta must be finite and above 0, epsilon in [0, 1/2).
// Source: Ray Chowdhury et al. 2024, arXiv 2403.00409; the second form was derived for this library.
struct robust_dpo {
  scalar beta = 0.1;
  scalar epsilon = 0.1;

  constexpr status check() const {
    return first_error(require::positive(beta, "beta"),
                       require::below(epsilon, 0.5, "epsilon", "0 or above and below 0.5"));
  }

  template <class V>
  PREFER_HD pair_term<V> operator()(const pair<V>& p) const {
    const V b = beta.as<V>(), e = epsilon.as<V>();
    const log_ratios<V> ratio(p);
    const V z = b * ratio.difference();
    const V k = e / (V(1) - (e + e));
    const auto loss = math::logistic_loss(z);
    const V slope = b * (loss.derivative - k);
    return ratio.term(loss.value - k * z, slope, -slope, b);
  }
};

}  // namespace prefer
