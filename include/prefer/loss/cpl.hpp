// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/pair.hpp>

namespace prefer {

// Contrastive preference learning (CPL): preferences between segments of behaviour, whose score is the discounted sum
// of log-probabilities of its actions.
//
//   A = alpha sum_t discount^t log policy(a_t | s_t) per segment   (policy_*: the sums; evaluate_tokens takes the
//   discount), with relative_to_reference log policy - log reference (CPL-KL)
//   z = A_chosen - bias A_rejected,  z' = A_rejected - bias A_chosen
//   value = -label log sigmoid(z) - (1 - label) log sigmoid(z')
//   d value / d A_chosen = -label sigmoid(-z) + (1 - label) bias sigmoid(-z'),
//   d value / d A_rejected = label bias sigmoid(-z) - (1 - label) sigmoid(-z')
//   implicit rewards: A
//
// bias below 1 breaks the invariance to a common shift, so that what is in the data becomes more likely. With bias = 1
// and a reference it is DPO with beta = alpha. Errors: alpha must be finite and above 0, bias above 0 and at most 1.
// Source: Hejna et al. 2023, arXiv 2310.13639; soft labels as in the official code.
struct cpl {
  scalar alpha = 0.1;
  scalar bias = 0.5;
  bool relative_to_reference = false;

  constexpr status check() const {
    return first_error(
        require::positive(alpha, "alpha"), require::positive(bias, "bias"),
        require::that(bias.by_pointer() || bias.value64 <= 1, "bias", bias.value64, "above 0, at most 1"));
  }

  template <class V>
  PREFER_HD pair_term<V> operator()(const pair<V>& p) const {
    if (!relative_to_reference)
      return answer(alpha.as<V>() * p.policy_chosen, alpha.as<V>() * p.policy_rejected, p.label);
    const log_ratios<V> ratio(p);
    pair_term<V> t = answer(alpha.as<V>() * ratio.chosen, alpha.as<V>() * ratio.rejected, p.label);
    t.d_reference_chosen = -t.d_policy_chosen;
    t.d_reference_rejected = -t.d_policy_rejected;
    return t;
  }

 private:
  template <class V>
  PREFER_HD pair_term<V> answer(const V& chosen, const V& rejected, const V& label) const {
    const V a = alpha.as<V>(), share = bias.as<V>(), other = V(1) - label;
    const auto won = math::logistic_loss(chosen - share * rejected),
               lost = math::logistic_loss(rejected - share * chosen);
    const V by_won = label * won.derivative, by_lost = other * lost.derivative;
    return policy_term(math::share(label, won.value) + math::share(other, lost.value), a * (by_won - share * by_lost),
                       a * (by_lost - share * by_won), chosen, rejected);
  }
};

}  // namespace prefer
