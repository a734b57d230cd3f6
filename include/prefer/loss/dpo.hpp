// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/pair.hpp>

namespace prefer {

// Direct preference optimisation (DPO), with its conservative form (cDPO), soft labels and an offset.
//
//   a = policy_chosen - reference_chosen,  c = policy_rejected - reference_rejected     (log-ratios, in nats)
//   z = beta (a - c) - margin
//   p = label (1 - 2 label_smoothing) + label_smoothing
//   value = -p log sigmoid(z) - (1 - p) log sigmoid(-z)
//   d value / d a = beta (sigmoid(z) - p),   d value / d c = -beta (sigmoid(z) - p)
//   implicit rewards: beta a and beta c
//
// Inputs are log-probabilities of whole responses (sums over their tokens); label (1 if not given) is the probability
// that `chosen` is the preferred response and margin (0) is ODPO's offset, already multiplied by its factor. Value and
// gradient are exact in both tails: z = +infinity gives 0 and z = -infinity gives infinity with slope -beta.
// At policy = reference the value is log 2 and the slope -beta / 2 (no smoothing, no margin).
// Errors: beta must be finite and above 0, label_smoothing in [0, 1/2).
// Cost: 6 n elements of memory traffic for the loss and both policy gradients.
// Source: Rafailov et al. 2023, arXiv 2305.18290, eq. 7; cDPO: Mitchell 2023, "A note on DPO with noisy preferences";
// offset: Amini et al. 2024, arXiv 2402.10571.
struct dpo {
  scalar beta = 0.1;
  scalar label_smoothing = 0.0;

  constexpr status check() const {
    return first_error(require::positive(beta, "beta"),
                       require::below(label_smoothing, 0.5, "label_smoothing", "0 or above and below 0.5"));
  }

  template <class V>
  PREFER_HD pair_term<V> operator()(const pair<V>& p) const {
    const V b = beta.as<V>();
    const V smoothing = label_smoothing.as<V>();
    const log_ratios<V> ratio(p);
    const V z = b * ratio.difference() - p.margin;
    const auto loss = math::cross_entropy(z, math::fma(p.label, V(1) - (smoothing + smoothing), smoothing));
    const V slope = b * loss.derivative;
    return ratio.term(loss.value, slope, -slope, b);
  }
};

}  // namespace prefer
