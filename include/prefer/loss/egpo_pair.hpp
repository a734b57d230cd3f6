// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/pair.hpp>

namespace prefer {

// Online IPO as the extragradient method EGPO takes it: pairs y, y' (chosen and rejected, in any order) of any
// distribution are judged against third responses, of an opponent.
//
//   column[0]: P(y beats the opponent), column[1]: P(y' beats the opponent): of one response, or the mean over several
//   h = a - c, a and c as in dpo
//   value = (h - (column[0] - column[1]) / beta)^2
//   d value / d a = 2 (h - (column[0] - column[1]) / beta),   d value / d c = minus that
//   implicit rewards: beta a, beta c
//
// Its minimum over tables is pi ~ mu e^(P(y beats opponent) / beta), a best response; with the policy itself (without
// its gradient) as opponent and pairs drawn uniformly from n actions, a gradient step of size s on logits is the mirror
// step with eta beta = 4 s / n. Preferences that cancel are subtracted before anything is divided. Errors: beta must be
// finite and above 0; a column is not checked to be a probability.
// Source: Zhou et al. 2025, arXiv 2503.08942 (from its released code).
struct egpo_pair {
  scalar beta = 0.1;

  constexpr status check() const { return require::positive(beta, "beta"); }

  template <class V>
  PREFER_HD pair_term<V> operator()(const pair<V>& p) const {
    const V b = beta.as<V>();
    const log_ratios<V> ratio(p);
    const V gap = ratio.difference() - (p.column[0] - p.column[1]) / b;
    return ratio.term(gap * gap, gap + gap, -(gap + gap), b);
  }
};

}  // namespace prefer
