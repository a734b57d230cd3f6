// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/pair.hpp>

namespace prefer {

// SimPO: the logistic loss on mean log-probabilities per token with a target margin, without a reference.
//
//   u = policy / length (per response),  z = beta (u_chosen - u_rejected) - gamma
//   p = 1 - label_smoothing
//   value = -p log sigmoid(z) - (1 - p) log sigmoid(-z)
//   d value / d policy_chosen = beta (sigmoid(z) - p) / length_chosen,
//   d value / d policy_rejected = -beta (sigmoid(z) - p) / length_rejected
//   implicit rewards: beta u
//
// Where a trainer asks for gamma / beta, gamma here is beta times that. An empty response counts as one token.
// Errors: beta must be finite and above 0, gamma finite, label_smoothing in [0, 1/2).
// Source: Meng et al. 2024, arXiv 2405.14734, eq. 6.
struct simpo {
  scalar beta = 2.0;
  scalar gamma = 1.0;
  scalar label_smoothing = 0.0;

  constexpr status check() const {
    return first_error(require::positive(beta, "beta"), require::is_finite(gamma, "gamma"),
                       require::below(label_smoothing, 0.5, "label_smoothing", "0 or above and below 0.5"));
  }

  template <class V>
  PREFER_HD pair_term<V> operator()(const pair<V>& p) const {
    const V b = beta.as<V>();
    const token_means<V> mean(p);
    const auto loss = math::cross_entropy(b * mean.difference() - gamma.as<V>(), V(1) - label_smoothing.as<V>());
    const V slope = b * loss.derivative;
    return policy_term(loss.value, slope * mean.inverse_chosen, -slope * mean.inverse_rejected, b * mean.chosen,
                       b * mean.rejected);
  }
};

// AlphaPO: SimPO with a reward whose shape depends on alpha.
//
//   u = policy / length,  reward(u) = (1 - e^(-alpha u)) / alpha, its limit u at alpha = 0
//   z = beta (reward(u_chosen) - reward(u_rejected)) - gamma,   value = -log sigmoid(z)
//   d value / d policy_chosen = -beta sigmoid(-z) e^(-alpha u_chosen) / length_chosen,
//   d value / d policy_rejected = beta sigmoid(-z) e^(-alpha u_rejected) / length_rejected
//
// The difference of rewards is formed without subtracting the two (see alpha_dpo). Errors: beta must be finite and
// above 0, gamma and alpha finite. Source: Gupta et al. 2025, arXiv 2501.03884.
struct alphapo {
  scalar beta = 2.5;
  scalar gamma = 0.1;
  scalar alpha = 0.25;

  constexpr status check() const {
    return first_error(require::positive(beta, "beta"), require::is_finite(gamma, "gamma"),
                       require::is_finite(alpha, "alpha"));
  }

  template <class V>
  PREFER_HD pair_term<V> operator()(const pair<V>& p) const {
    const V b = beta.as<V>(), power = -alpha.as<V>();
    const token_means<V> mean(p);
    const V z = b * math::box_cox_difference(power, mean.chosen, mean.rejected) - gamma.as<V>();
    const auto loss = math::logistic_loss(z);
    const V slope = b * loss.derivative;
    return policy_term(loss.value, math::share(slope, math::exp(power * mean.chosen)) * mean.inverse_chosen,
                       -math::share(slope, math::exp(power * mean.rejected)) * mean.inverse_rejected,
                       b * math::box_cox_difference(power, mean.chosen, V(0)),
                       b * math::box_cox_difference(power, mean.rejected, V(0)));
  }
};

}  // namespace prefer
