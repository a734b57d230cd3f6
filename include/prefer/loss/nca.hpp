// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/pair.hpp>

namespace prefer {

// Noise contrastive alignment (NCA) on pairs: raises the chosen log-ratio and keeps both from growing without bound.
//
//   x = beta a, y = beta c, a and c as in dpo
//   value = -log sigmoid(x) - 1/2 log sigmoid(-x) - 1/2 log sigmoid(-y)
//   d value / d a = beta (sigmoid(x) / 2 - sigmoid(-x)),   d value / d c = beta sigmoid(y) / 2
//
// With both responses equally likely to be drawn the minimum for the chosen one is at x = log 2.
// Errors: beta must be finite and above 0.
// Source: Chen et al. 2024, arXiv 2402.05369 (the preference form of NCA with two responses).
struct nca {
  scalar beta = 0.01;

  constexpr status check() const { return require::positive(beta, "beta"); }

  template <class V>
  PREFER_HD pair_term<V> operator()(const pair<V>& p) const {
    const V b = beta.as<V>(), half = V(0.5);
    const log_ratios<V> ratio(p);
    const V x = b * ratio.chosen;
    const auto chosen = math::logistic_loss(x), rejected = math::logistic_loss(-b * ratio.rejected);
    const V value = (chosen.value + half * chosen.value) + half * (x + rejected.value);  // log s(-x) = log s(x) - x
    return ratio.term(value, b * (half + V(1.5) * chosen.derivative), -b * (half * rejected.derivative), b);
  }
};

}  // namespace prefer
