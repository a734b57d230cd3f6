// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/segment_pair.hpp>

namespace prefer {

inline namespace PREFER_ABI {
namespace detail {

// What a person answers who compares two scores u: chosen with probability
//   P(z) = (1 - uniform) sigmoid(z) + uniform / 2,  z = beta (u_chosen - u_rejected).
template <class V>
struct stated_preference {
  V value;      // -label log P(z) - (1 - label) log P(-z)
  V slope;      // by u_chosen; by u_rejected it is the negative
  V d_uniform;  // by uniform

  PREFER_HD stated_preference(const scalar& rationality, const scalar& uniform, const V& difference, const V& label) {
    const V b = rationality.as<V>(), z = b * difference, other = V(1) - label;
    const auto l = math::logistic(z);
    const V half_gap = V(0.5) * (l.sigmoid - l.sigmoid_of_minus);  // sigmoid(z) - 1/2
    if (uniform.is_zero()) {
      const auto loss = math::cross_entropy(z, label, l);
      value = loss.value;
      slope = b * loss.derivative;
      d_uniform = half_gap * (math::share(label, V(1) / l.sigmoid) - math::share(other, V(1) / l.sigmoid_of_minus));
      return;
    }
    const auto negative = z < V(0);
    const answer chosen(uniform.as<V>(), math::select(negative, z, V(0)) - l.log1p_exp, l.sigmoid_of_minus);
    const answer rejected(uniform.as<V>(), math::select(negative, V(0), -z) - l.log1p_exp, l.sigmoid);
    value = -(label * chosen.log_probability + other * rejected.log_probability);
    slope = b * (other * rejected.slope - label * chosen.slope);
    d_uniform = half_gap * (label * chosen.inverse_probability - other * rejected.inverse_probability);
  }

 private:
  struct answer {
    V log_probability, inverse_probability;
    V slope;  // of log P(z) by z

    PREFER_HD answer(const V& uniform, const V& log_sigmoid, const V& sigmoid_of_minus) {
      const V guess = math::log(V(0.5) * uniform);
      const V meant = math::log1p(-uniform) + log_sigmoid;
      const auto share = math::logistic(meant - guess);
      log_probability = math::max(guess, meant) + share.log1p_exp;
      inverse_probability = math::exp(-log_probability);
      slope = share.sigmoid * sigmoid_of_minus;
    }
  };
};

constexpr status check_stated_preference(const scalar& beta, const scalar& uniform) {
  return first_error(require::positive(beta, "beta"), require::below(uniform, 1, "uniform", "0 or above and below 1"));
}

template <class V>
PREFER_HD segment_pair_term<V> compare_scores(const scalar& beta, const scalar& uniform, const V& chosen,
                                              const V& rejected, const V& label, V& slope) {
  const stated_preference<V> answer(beta, uniform, chosen - rejected, label);
  segment_pair_term<V> t;
  t.value = answer.value;
  t.d_uniform = answer.d_uniform;
  t.score_chosen = chosen;
  t.score_rejected = rejected;
  slope = answer.slope;
  return t;
}

}  // namespace detail
}  // namespace PREFER_ABI

// Preferences by partial return: a person prefers the segment with the higher sum of rewards.
//
//   u = sum_t r_t per segment,  z = beta (u_chosen - u_rejected),  P(z) = (1 - uniform) sigmoid(z) + uniform / 2
//   value = -label log P(z) - (1 - label) log P(-z)
//   d value / d u_chosen = beta (sigmoid(z) - label) for uniform = 0 = -d value / d u_rejected
//
// label 1/2 is a tie; uniform is the share of answers that are random (output grad_uniform: derivative by it). Rewards
// are summed (evaluate) or come per step with offsets (evaluate_tokens). Errors: beta must be finite and above 0,
// uniform in [0, 1). Source: Christiano et al. 2017, arXiv 1706.03741; as the baseline in Knox et al. 2022.
struct partial_return {
  scalar beta = 1.0;
  scalar uniform = 0.0;

  constexpr status check() const { return detail::check_stated_preference(beta, uniform); }

  template <class V>
  PREFER_HD segment_pair_term<V> operator()(const segment_pair<V>& p) const {
    V slope;
    auto t = detail::compare_scores(beta, uniform, p.reward_chosen, p.reward_rejected, p.label, slope);
    t.d_reward_chosen = slope;
    t.d_reward_rejected = -slope;
    return t;
  }
};

// Preferences by regret: a person prefers the segment that deviates less from optimal behaviour.
//
//   u = -regret = sum_t (Q(s_t, a_t) - V(s_t)) per segment, Q and V those of the optimal policy
//   value as in partial_return;  d value / d Q(s_t, a_t) = slope, d value / d V(s_t) = -slope, slope = d value / d u
//
// Errors: beta must be finite and above 0, uniform in [0, 1).
// Source: Knox et al. 2022, arXiv 2206.02231 (the general form, for stochastic transitions).
struct regret {
  scalar beta = 1.0;
  scalar uniform = 0.0;

  constexpr status check() const { return detail::check_stated_preference(beta, uniform); }

  template <class V>
  PREFER_HD segment_pair_term<V> operator()(const segment_pair<V>& p) const {
    V slope;
    auto t = detail::compare_scores(beta, uniform, p.action_value_chosen - p.value_chosen,
                                    p.action_value_rejected - p.value_rejected, p.label, slope);
    t.d_action_value_chosen = slope;
    t.d_action_value_rejected = -slope;
    t.d_value_chosen = -slope;
    t.d_value_rejected = slope;
    return t;
  }
};

// Preferences by a weighted sum of a segment's reward and of the values of its ends.
//
//   u = reward_weight sum_t r_t + end_weight V(s_T) - start_weight V(s_0) per segment
//   value as in partial_return;  derivatives by the three inputs: the slope times the weight (with its sign), and by
//   the weights: outputs grad_reward_weight, grad_start_weight, grad_end_weight
//
// (1, 1, 1) is minus the regret where transitions are deterministic and nothing is discounted (`deterministic_regret`),
// (1, 0, 0) the partial return. Errors: beta must be finite and above 0, uniform in [0, 1), the weights finite.
// Source: Knox et al. 2022, arXiv 2206.02231.
struct weighted_return {
  scalar reward_weight = 1.0;
  scalar end_weight = 1.0;
  scalar start_weight = 1.0;
  scalar beta = 1.0;
  scalar uniform = 0.0;

  constexpr status check() const {
    return first_error(require::is_finite(reward_weight, "reward_weight"), require::is_finite(end_weight, "end_weight"),
                       require::is_finite(start_weight, "start_weight"),
                       detail::check_stated_preference(beta, uniform));
  }

  template <class V>
  PREFER_HD segment_pair_term<V> operator()(const segment_pair<V>& p) const {
    const V r = reward_weight.as<V>(), end = end_weight.as<V>(), start = start_weight.as<V>();
    V slope;
    auto t = detail::compare_scores(
        beta, uniform, r * p.reward_chosen + (end * p.end_value_chosen - start * p.start_value_chosen),
        r * p.reward_rejected + (end * p.end_value_rejected - start * p.start_value_rejected), p.label, slope);
    t.d_reward_chosen = slope * r;
    t.d_reward_rejected = -(slope * r);
    t.d_end_value_chosen = slope * end;
    t.d_end_value_rejected = -(slope * end);
    t.d_start_value_chosen = -(slope * start);
    t.d_start_value_rejected = slope * start;
    t.d_weight[0] = slope * (p.reward_chosen - p.reward_rejected);
    t.d_weight[1] = -slope * (p.start_value_chosen - p.start_value_rejected);
    t.d_weight[2] = slope * (p.end_value_chosen - p.end_value_rejected);
    return t;
  }
};

// Minus the regret of deterministic transitions: weighted_return with all weights 1.
constexpr weighted_return deterministic_regret(scalar beta = 1.0, scalar uniform = 0.0) {
  return {.beta = beta, .uniform = uniform};
}

}  // namespace prefer
