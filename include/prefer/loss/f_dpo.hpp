// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/pair.hpp>

namespace prefer {

// f-DPO with an alpha-divergence: DPO under another regulariser than the reverse Kullback-Leibler divergence.
//
//   s(x) = (e^((alpha - 1) x) - 1) / (alpha - 1), its limit x at alpha = 1;  z = beta (s(a) - s(c)), a and c as in dpo
//   value = -log sigmoid(z)
//   d value / d a = -beta sigmoid(-z) e^((alpha - 1) a),   d value / d c = beta sigmoid(-z) e^((alpha - 1) c)
//
// alpha = 1 is DPO (reverse KL), alpha = 0 the forward KL. s(a) - s(c) is formed without subtracting the two, so that a
// large common part neither cancels nor overflows to NaN; where e^((alpha - 1) x) overflows the loss saturates at 0 or
// infinity. Errors: beta must be finite and above 0, alpha finite.
// Source: Wang et al. 2023, arXiv 2309.16240, with f'(t) = (t^(alpha - 1) - 1) / (alpha - 1).
struct alpha_dpo {
  scalar beta = 0.1;
  scalar alpha = 0.5;

  constexpr status check() const {
    return first_error(require::positive(beta, "beta"), require::is_finite(alpha, "alpha"));
  }

  template <class V>
  PREFER_HD pair_term<V> operator()(const pair<V>& p) const {
    const V b = beta.as<V>(), power = alpha.as<V>() - V(1);
    const log_ratios<V> ratio(p);
    const auto loss = math::logistic_loss(b * math::box_cox_difference(power, ratio.chosen, ratio.rejected));
    const V slope = b * loss.derivative;
    pair_term<V> t = ratio.term(loss.value, math::share(slope, math::exp(power * ratio.chosen)),
                                -math::share(slope, math::exp(power * ratio.rejected)), b);
    t.reward_chosen = b * math::box_cox_difference(power, ratio.chosen, V(0));
    t.reward_rejected = b * math::box_cox_difference(power, ratio.rejected, V(0));
    return t;
  }
};

// f-DPO with the Jensen-Shannon divergence.
//
//   z = beta (log sigmoid(a) - log sigmoid(c)), a and c as in dpo
//   value = -log sigmoid(z)
//   d value / d a = -beta sigmoid(-z) sigmoid(-a),   d value / d c = beta sigmoid(-z) sigmoid(-c)
//   implicit rewards: beta log sigmoid(a) and beta log sigmoid(c), without the constant beta log 2 that would hide them
//
// Errors: beta must be finite and above 0. Source: Wang et al. 2023, arXiv 2309.16240.
struct js_dpo {
  scalar beta = 0.1;

  constexpr status check() const { return require::positive(beta, "beta"); }

  template <class V>
  PREFER_HD pair_term<V> operator()(const pair<V>& p) const {
    const V b = beta.as<V>();
    const log_ratios<V> ratio(p);
    const auto a = math::logistic_loss(ratio.chosen), c = math::logistic_loss(ratio.rejected);
    const auto loss = math::logistic_loss(b * (c.value - a.value));
    const V slope = b * loss.derivative;
    pair_term<V> t = ratio.term(loss.value, -slope * a.derivative, slope * c.derivative, b);
    t.reward_chosen = -b * a.value;
    t.reward_rejected = -b * c.value;
    return t;
  }
};

}  // namespace prefer
