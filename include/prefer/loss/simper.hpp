// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/pair.hpp>

namespace prefer {

// SimPER: the difference of inverse perplexities. It has no parameter.
//
//   p = e^(policy / length) (per response)
//   value = p_rejected - p_chosen
//   d value / d policy_chosen = -p_chosen / length_chosen,   d value / d policy_rejected = p_rejected / length_rejected
//   implicit rewards: p
//
// An empty response counts as one token. Source: Xiao et al. 2025, "SimPER", arXiv 2502.00883.
struct simper {
  template <class V>
  PREFER_HD pair_term<V> operator()(const pair<V>& p) const {
    const token_means<V> mean(p);
    const V chosen = math::exp(mean.chosen), rejected = math::exp(mean.rejected);
    return policy_term(rejected - chosen, -chosen * mean.inverse_chosen, rejected * mean.inverse_rejected, chosen,
                       rejected);
  }
};

}  // namespace prefer
