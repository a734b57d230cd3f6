// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/response.hpp>

namespace prefer {

// Kahneman-Tversky optimisation (KTO): desirable and undesirable responses, judged on their own against a baseline.
//
//   e = policy - reference,  x = beta (e - max(0, baseline))
//   value = lambda_desirable sigmoid(-x) where label = 1,  lambda_undesirable sigmoid(x) where label = 0
//   d value / d e = beta sigmoid(x) sigmoid(-x) (-lambda_desirable or +lambda_undesirable)
//   implicit reward: beta e
//
// baseline is the mean of e over responses that do not belong to their prompts (x_i, y_(i+1)), averaged over all ranks:
// `mean_log_ratio` computes it. It has no gradient, is clamped at 0 here, and may be a pointer in the execution space.
// baseline = 0 gives APO-zero for unpaired data. A label between 0 and 1 mixes the two. Errors: beta must be finite and
// above 0, the lambdas finite and not negative, baseline finite. Source: Ethayarajh et al. 2024, arXiv 2402.01306.
struct kto {
  scalar beta = 0.1;
  scalar baseline = 0.0;
  scalar lambda_desirable = 1.0;
  scalar lambda_undesirable = 1.0;

  constexpr status check() const {
    return first_error(require::positive(beta, "beta"), require::is_finite(baseline, "baseline"),
                       require::not_negative(lambda_desirable, "lambda_desirable"),
                       require::not_negative(lambda_undesirable, "lambda_undesirable"));
  }

  template <class V>
  PREFER_HD response_term<V> operator()(const response<V>& r) const {
    const V b = beta.as<V>();
    const V e = r.policy - r.reference;
    const V z = baseline.as<V>();
    const auto x = math::logistic(b * (e - math::select(z < V(0), V(0), z)));
    const V desirable = r.label * lambda_desirable.as<V>();
    const V undesirable = (V(1) - r.label) * lambda_undesirable.as<V>();
    response_term<V> t;
    t.value = desirable * x.sigmoid_of_minus + undesirable * x.sigmoid;
    t.d_policy = b * (undesirable - desirable) * (x.sigmoid * x.sigmoid_of_minus);
    t.d_reference = -t.d_policy;
    t.reward = b * e;
    return t;
  }
};

// The log-ratio itself, policy - reference: its mean over mismatched responses is the baseline of `kto`, its mean over
// squared errors that of `diffusion_kto`.
struct mean_log_ratio {
  template <class V>
  PREFER_HD response_term<V> operator()(const response<V>& r) const {
    response_term<V> t;
    t.value = r.policy - r.reference;
    return t;
  }
};

}  // namespace prefer
