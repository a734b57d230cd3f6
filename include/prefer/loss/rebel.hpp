// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/pair.hpp>

namespace prefer {

// REBEL: two responses to one prompt (in any order), whose log-ratios to the policy that drew them are to differ as
// their rewards do.
//
//   reference: the policy that drew them;  column[0], column[1]: the rewards or advantages of chosen and rejected
//   g = eta (a - c) - (column[0] - column[1]), a and c as in dpo
//   value = g^2,   d value / d a = 2 eta g,   d value / d c = minus that
//   implicit rewards: eta a, eta c
//
// Rewards are subtracted before anything else: a common part of them does no harm. The paper has 1 / eta where this has
// eta, as does the code for consistency models (RLCM), where a response is a chain of denoising steps and a log-ratio
// the sum over its steps (evaluate_tokens). Errors: eta must be finite and above 0.
// Source: Gao et al. 2024, arXiv 2404.16767 (from memory), and RLCM's released code, as notes of it say.
struct rebel {
  scalar eta = 1.0;

  constexpr status check() const { return require::positive(eta, "eta"); }

  template <class V>
  PREFER_HD pair_term<V> operator()(const pair<V>& p) const {
    const V e = eta.as<V>();
    const log_ratios<V> ratio(p);
    const V gap = e * ratio.difference() - (p.column[0] - p.column[1]), slope = e * (gap + gap);
    return ratio.term(gap * gap, slope, -slope, e);
  }
};

}  // namespace prefer
