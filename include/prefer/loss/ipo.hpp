// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/pair.hpp>

namespace prefer {

// Identity preference optimisation (IPO): regression of the difference of log-ratios to 1 / (2 tau).
//
//   h = a - c, a and c as in dpo;  with length_normalized, h = a / length_chosen - c / length_rejected
//   value = (h - 1 / (2 tau))^2
//   d value / d a = 2 (h - 1 / (2 tau)) (/ length_chosen),   d value / d c = -2 (h - 1 / (2 tau)) (/ length_rejected)
//   implicit rewards: tau times the two terms of h
//
// Lengths are read only with length_normalized, which is what trainers do since the authors advised it; the paper's
// formula has sums. An empty response counts as one token. Errors: tau must be finite and above 0.
// Source: Azar et al. 2023, arXiv 2310.12036, eq. 17.
struct ipo {
  scalar tau = 0.1;
  bool length_normalized = false;

  constexpr status check() const { return require::positive(tau, "tau"); }

  template <class V>
  PREFER_HD pair_term<V> operator()(const pair<V>& p) const {
    const V t = tau.as<V>();
    const V target = V(0.5) / t;
    const log_ratios<V> ratio(p);
    if (!length_normalized) {
      const V gap = ratio.difference() - target;
      return ratio.term(gap * gap, gap + gap, -(gap + gap), t);
    }
    const token_means<V> mean(p, ratio.chosen, ratio.rejected);
    const V gap = mean.difference() - target;
    pair_term<V> term =
        ratio.term(gap * gap, (gap + gap) * mean.inverse_chosen, -(gap + gap) * mean.inverse_rejected, t);
    term.reward_chosen = t * mean.chosen;
    term.reward_rejected = t * mean.rejected;
    return term;
  }
};

}  // namespace prefer
