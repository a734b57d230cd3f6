// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/pair.hpp>

namespace prefer {

// DPO-positive (DPOP): DPO with a penalty, inside the sigmoid, on chosen responses that became less likely.
//
//   a and c as in dpo,  z = beta (a - c - lambda max(0, -a))
//   value = -log sigmoid(z)
//   d value / d a = -beta sigmoid(-z) (1 + lambda [a < 0]),   d value / d c = beta sigmoid(-z)
//
// Errors: beta must be finite and above 0, lambda finite and not negative.
// Source: Pal et al. 2024, arXiv 2402.13228 (known here from secondary sources).
struct dpop {
  scalar beta = 0.3;
  scalar lambda = 50.0;

  constexpr status check() const {
    return first_error(require::positive(beta, "beta"), require::not_negative(lambda, "lambda"));
  }

  template <class V>
  PREFER_HD pair_term<V> operator()(const pair<V>& p) const {
    const V b = beta.as<V>(), l = lambda.as<V>();
    const log_ratios<V> ratio(p);
    const auto fell = ratio.chosen < V(0);
    const V penalty = math::select(fell, l * ratio.chosen, V(0));
    const auto loss = math::logistic_loss(b * (ratio.difference() + penalty));
    const V slope = b * loss.derivative;
    return ratio.term(loss.value, math::select(fell, slope + l * slope, slope), -slope, b);
  }
};

}  // namespace prefer
