// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/pair.hpp>

namespace prefer {

// DiscoPOP: the log-ratio modulated loss, a mixture of the logistic and the exponential loss.
//
//   z = beta (a - c), a and c as in dpo,  m = sigmoid(z / tau)
//   value = (1 - m) (-log sigmoid(z)) + m e^-z
//   d value / d z = m (1 - m) / tau (e^-z + log sigmoid(z)) - (1 - m) sigmoid(-z) - m e^-z,
//   d value / d a = beta d value / d z = -d value / d c
//
// Not convex around z = 0. m e^-z is taken as one exponential, so that z far below 0 gives no infinity times 0.
// Errors: beta and tau must be finite and above 0.
// Source: Lu et al. 2024, arXiv 2406.08414.
struct discopop {
  scalar beta = 0.05;
  scalar tau = 0.05;

  constexpr status check() const { return first_error(require::positive(beta, "beta"), require::positive(tau, "tau")); }

  template <class V>
  PREFER_HD pair_term<V> operator()(const pair<V>& p) const {
    const V b = beta.as<V>(), t = tau.as<V>();
    const log_ratios<V> ratio(p);
    const V z = b * ratio.difference();
    const V modulation = z / t;
    const auto m = math::logistic(modulation);
    const auto loss = math::logistic_loss(z);
    const V exponential = math::exp((math::min(modulation, V(0)) - m.log1p_exp) - z);  // m e^-z
    const V logistic = math::share(m.sigmoid_of_minus, loss.value);                    // (1 - m) (-log sigmoid(z))
    const V modulated = math::share(m.sigmoid_of_minus, exponential) - math::share(m.sigmoid, logistic);
    const V slope = b * (modulated / t + m.sigmoid_of_minus * loss.derivative - exponential);
    return ratio.term(logistic + exponential, slope, -slope, b);
  }
};

}  // namespace prefer
