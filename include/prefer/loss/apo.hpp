// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/pair.hpp>

namespace prefer {

// Anchored preference optimisation, "zero": the chosen response becomes more likely than under the reference, the
// rejected one less.
//
//   x = beta a, y = beta c, a and c as in dpo
//   value = 1 - sigmoid(x) + sigmoid(y)
//   d value / d a = -beta sigmoid(x) sigmoid(-x),   d value / d c = beta sigmoid(y) sigmoid(-y)
//
// Errors: beta must be finite and above 0.
// Source: D'Oosterlinck et al. 2024, arXiv 2408.06266.
struct apo_zero {
  scalar beta = 0.1;

  constexpr status check() const { return require::positive(beta, "beta"); }

  template <class V>
  PREFER_HD pair_term<V> operator()(const pair<V>& p) const {
    const V b = beta.as<V>();
    const log_ratios<V> ratio(p);
    const auto x = math::logistic(b * ratio.chosen), y = math::logistic(b * ratio.rejected);
    return ratio.term(x.sigmoid_of_minus + y.sigmoid, -b * (x.sigmoid * x.sigmoid_of_minus),
                      b * (y.sigmoid * y.sigmoid_of_minus), b);
  }
};

// Anchored preference optimisation, "down": both responses become less likely, the rejected one more so. For data whose
// chosen responses are worse than what the model already says.
//
//   x = beta a, z = beta (a - c)
//   value = sigmoid(x) + 1 - sigmoid(z)
//   d value / d a = beta (sigmoid(x) sigmoid(-x) - sigmoid(z) sigmoid(-z)),   d value / d c = beta sigmoid(z)
//   sigmoid(-z)
//
// Errors: beta must be finite and above 0.
// Source: D'Oosterlinck et al. 2024, arXiv 2408.06266.
struct apo_down {
  scalar beta = 0.1;

  constexpr status check() const { return require::positive(beta, "beta"); }

  template <class V>
  PREFER_HD pair_term<V> operator()(const pair<V>& p) const {
    const V b = beta.as<V>();
    const log_ratios<V> ratio(p);
    const auto x = math::logistic(b * ratio.chosen), z = math::logistic(b * ratio.difference());
    const V steep = z.sigmoid * z.sigmoid_of_minus;
    return ratio.term(x.sigmoid + z.sigmoid_of_minus, b * (x.sigmoid * x.sigmoid_of_minus - steep), b * steep, b);
  }
};

}  // namespace prefer
