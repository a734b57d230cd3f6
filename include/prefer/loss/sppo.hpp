// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/pair.hpp>

namespace prefer {

// Self-play preference optimisation (SPPO) on pairs, with a certain winner ("hard").
//
//   a and c as in dpo
//   value = (a - 1 / (2 beta))^2 + (c + 1 / (2 beta))^2
//   d value / d a = 2 (a - 1 / (2 beta)),   d value / d c = 2 (c + 1 / (2 beta))
//
// At policy = reference the value is 1 / (2 beta^2), 5e5 for the usual beta of 0.001: beyond half precision.
// Errors: beta must be finite and above 0.
// Source: Wu et al. 2024, arXiv 2405.00675, with the winner's probability 1 (there eta = 1 / beta).
struct sppo {
  scalar beta = 0.001;

  constexpr status check() const { return require::positive(beta, "beta"); }

  template <class V>
  PREFER_HD pair_term<V> operator()(const pair<V>& p) const {
    const V b = beta.as<V>();
    const V target = V(0.5) / b;
    const log_ratios<V> ratio(p);
    const V chosen = ratio.chosen - target, rejected = ratio.rejected + target;
    return ratio.term(chosen * chosen + rejected * rejected, chosen + chosen, rejected + rejected, b);
  }
};

}  // namespace prefer
