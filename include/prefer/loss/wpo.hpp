// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/pair.hpp>

#include <limits>

namespace prefer {

// The weights of weighted preference optimisation (WPO): pairs count by how probable their responses are under the
// policy that is trained, so that pairs of another policy resemble its own. They are read from `losses` and given to
// any loss over pairs as `weight`.
//
//   m = mean over the tokens of a response of log pi(token) - log sum_v pi(v)^2  (the sum is over the vocabulary)
//   losses: min(e^(m_chosen + m_rejected), max_weight);   reward_chosen, reward_rejected: each response's own e^m
//
// policy_* are log-probabilities, reference_* the second term (of the same policy, not of a reference), both summed
// over a response, or per token with evaluate_tokens, which also counts the lengths. With aligned = false the second
// term is left out and not read. It makes 1 the weight of a typical sample of the policy, whatever its entropy is;
// weights may exceed 1. A weight is a constant to the loss it multiplies: there is no gradient. An empty response
// weighs 1. No loss that sorts a batch (aot) can take weights of pairs. Errors: max_weight must be above 0 (infinite:
// no bound). Source: Zhou et al. 2024, arXiv 2406.11827; the formula is from notes on it, not from its text.
struct wpo_weight {
  bool aligned = true;
  scalar max_weight = std::numeric_limits<double>::infinity();

  constexpr status check() const {
    return require::that(max_weight.by_pointer() || max_weight.value64 > 0, "max_weight", max_weight.value64,
                         "a number above 0");
  }

  template <class V>
  PREFER_HD pair_term<V> operator()(const pair<V>& p) const {
    V chosen = p.policy_chosen, rejected = p.policy_rejected;
    if (aligned) {
      chosen -= p.reference_chosen;
      rejected -= p.reference_rejected;
    }
    const token_means<V> mean(p, chosen, rejected);
    const V most = max_weight.as<V>(), both = math::exp(mean.chosen + mean.rejected);
    pair_term<V> t;
    t.value = math::select(both > most, most, both);  // NaN stays NaN
    t.reward_chosen = math::exp(mean.chosen);
    t.reward_rejected = math::exp(mean.rejected);
    return t;
  }
};

}  // namespace prefer
