// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/pair.hpp>

namespace prefer {

// Diffusion-DPO: DPO on denoising errors, a lower error being a higher likelihood.
//
//   policy_* and reference_*: squared errors |noise - prediction|^2 of the policy and the reference on the noised
//   chosen and rejected image (same time step, same noise), each a mean over its elements z = -(beta / 2)
//   [(policy_chosen - reference_chosen) - (policy_rejected - reference_rejected)] value = -log sigmoid(z) d value / d
//   policy_chosen = (beta / 2) sigmoid(-z) = -d value / d policy_rejected implicit rewards: -(beta / 2) times the two
//   differences
//
// For errors that are sums over D elements use beta / D. z is a small difference times thousands: keep errors in float
// or wider. Errors: beta must be finite and above 0.
// Source: Wallace et al. 2023, arXiv 2311.12908; the factor 1/2 and the mean as in the official code.
struct diffusion_dpo {
  scalar beta = 5000.0;

  constexpr status check() const { return require::positive(beta, "beta"); }

  template <class V>
  PREFER_HD pair_term<V> operator()(const pair<V>& p) const {
    const V b = V(-0.5) * beta.as<V>();
    const log_ratios<V> excess(p);  // of errors: policy minus reference
    const auto loss = math::logistic_loss(b * excess.difference());
    const V slope = b * loss.derivative;
    return excess.term(loss.value, slope, -slope, b);
  }
};

}  // namespace prefer
