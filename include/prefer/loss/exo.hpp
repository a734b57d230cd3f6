// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/pair.hpp>

namespace prefer {

// Efficient exact optimisation (EXO) on pairs: the reverse Kullback-Leibler divergence between the preference that the
// policy implies and the smoothed label.
//
//   q = sigmoid(z), z = beta (a - c), a and c as in dpo
//   value = q log(q / (1 - epsilon)) + (1 - q) log((1 - q) / epsilon)
//   d value / d a = beta q (1 - q) (z - log((1 - epsilon) / epsilon)),   d value / d c = -d value / d a
//
// The minimum, 0, lies at z = log((1 - epsilon) / epsilon). The gradient vanishes in both tails: a badly ordered pair
// hardly moves. Errors: beta must be finite and above 0, epsilon in (0, 1/2).
// Source: Ji et al. 2024, arXiv 2402.00856 (the preference form with two responses).
struct exo {
  scalar beta = 0.1;
  scalar epsilon = 1e-3;

  constexpr status check() const {
    return first_error(require::positive(beta, "beta"), require::positive(epsilon, "epsilon"),
                       require::below(epsilon, 0.5, "epsilon", "above 0 and below 0.5"));
  }

  template <class V>
  PREFER_HD pair_term<V> operator()(const pair<V>& p) const {
    const V b = beta.as<V>(), e = epsilon.as<V>();
    const V log_right = math::log1p(-e), log_wrong = math::log(e);
    const log_ratios<V> ratio(p);
    const V z = b * ratio.difference();
    const auto l = math::logistic(z);
    const V log_q = math::select(z < V(0), z, V(0)) - l.log1p_exp;
    const V log_not_q = math::select(z < V(0), V(0), -z) - l.log1p_exp;
    const V value = math::share(l.sigmoid, log_q - log_right) + math::share(l.sigmoid_of_minus, log_not_q - log_wrong);
    const V gap = math::share(l.sigmoid, z - (log_right - log_wrong));
    const V slope = b * math::share(l.sigmoid_of_minus, gap);
    return ratio.term(value, slope, -slope, b);
  }
};

}  // namespace prefer
