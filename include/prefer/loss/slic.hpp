// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/pair.hpp>

namespace prefer {

// Sequence likelihood calibration (SLiC-HF): a hinge on log-probabilities, and the likelihood of the chosen response.
//
//   value = max(0, delta - policy_chosen + policy_rejected) - nll_weight policy_chosen
//   d value / d policy_chosen = -[in the hinge] - nll_weight,   d value / d policy_rejected = [in the hinge]
//   implicit rewards: the log-probabilities themselves
//
// Both terms are of whole responses, as in the paper, with the chosen response as the one to be likely. At the corner
// the hinge has slope 0. Errors: delta must be finite, nll_weight finite and not negative.
// Source: Zhao et al. 2023, arXiv 2305.10425.
struct slic {
  scalar delta = 1.0;
  scalar nll_weight = 0.1;

  constexpr status check() const {
    return first_error(require::is_finite(delta, "delta"), require::not_negative(nll_weight, "nll_weight"));
  }

  template <class V>
  PREFER_HD pair_term<V> operator()(const pair<V>& p) const {
    const V weight = nll_weight.as<V>();
    const V missing = delta.as<V>() - (p.policy_chosen - p.policy_rejected);
    const auto satisfied = missing <= V(0);
    const V inside = math::select(satisfied, V(0), V(1));
    return policy_term(math::select(satisfied, V(0), missing) - weight * p.policy_chosen, -inside - weight, inside,
                       p.policy_chosen, p.policy_rejected);
  }
};

}  // namespace prefer
