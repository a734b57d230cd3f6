// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/scored.hpp>

#include <cmath>

namespace prefer {

// By how much a share of positives raises a logit: log odds of `training_rate` minus log odds of `true_rate`. A
// classifier trained where positives were up-sampled to training_rate says the logit at true_rate after it is
// subtracted. NaN or infinite if a rate is not inside (0, 1).
inline double prior_shift(double training_rate, double true_rate) {
  const auto log_odds = [](double p) { return std::log(p) - std::log1p(-p); };
  return log_odds(training_rate) - log_odds(true_rate);
}

// Binary cross-entropy on a logit: classifiers, discriminators, reward models of single answers. Labels from 0 to 1.
// With a class weight or a shift for events that are rare (that a person marks an answer with "love", say), trained on
// a sample in which they are not as rare.
//
//   x = score + shift
//   value = -positive_weight label log sigmoid(x) - (1 - label) log sigmoid(-x)
//   d value / d score = (1 - label) sigmoid(x) - positive_weight label sigmoid(-x)
//   output probability: sigmoid(score), mean_probability: its mean
//
// With shift = prior_shift(training_rate, true_rate) the score is the logit at the true rate while it is trained on the
// sample's; with shift 0 it is the sample's, and prior_shift is subtracted when the score is used. The other way to the
// same end is a class weight: positive_weight = e^-shift, and no shift. Both tails are exact. Errors: positive_weight
// must be finite and above 0, shift finite.
// Source: the cross-entropy on up-sampled positives of arXiv 2505.14946 (from summaries); the shift is Bayes' rule.
struct binary_cross_entropy {
  scalar positive_weight = 1.0;
  scalar shift = 0.0;

  constexpr status check() const {
    return first_error(require::positive(positive_weight, "positive_weight"), require::is_finite(shift, "shift"));
  }

  template <class V>
  PREFER_HD scored_term<V> operator()(const scored<V>& s) const {
    const V x = s.score + shift.as<V>();
    const V positive = positive_weight.as<V>() * s.label, negative = V(1) - s.label;
    const auto l = math::logistic(x);
    const V lost = math::select(x < V(0), -math::share(positive, x), math::share(negative, x));
    scored_term<V> t;
    t.value = math::fma(positive + negative, l.log1p_exp, lost);
    t.d_score = negative * l.sigmoid - positive * l.sigmoid_of_minus;
    t.probability = math::sigmoid(s.score);
    return t;
  }
};

}  // namespace prefer
