// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/response.hpp>

namespace prefer {

// Diffusion-KTO: desirable and undesirable images, judged by how much better than the reference the policy denoises
// them.
//
//   policy, reference: squared errors |noise - prediction|^2, means over elements;  g = reference - policy
//   z0 = max(0, -baseline), baseline the mean of policy - reference over the batch (`mean_log_ratio`), no gradient
//   y = 2 label - 1,  q = beta y (g - z0),  lambda = lambda_desirable or lambda_undesirable
//   value = lambda (1 - U(q)),   d value / d policy = lambda beta y U'(q)
//   utility U: sigmoid(q);  loss_averse log sigmoid(q);  risk_seeking -log sigmoid(-q)
//   implicit reward: beta g
//
// label must be 0 or 1; between them y scales q and the lambdas mix. Errors: beta must be finite and above 0, the
// lambdas finite and not negative, baseline finite. Source: Li et al. 2024, arXiv 2404.04465, and the official code.
struct diffusion_kto {
  enum class utility { kahneman_tversky, loss_averse, risk_seeking };

  scalar beta = 1000.0;
  scalar baseline = 0.0;
  scalar lambda_desirable = 1.0;
  scalar lambda_undesirable = 1.0;
  utility kind = utility::kahneman_tversky;

  constexpr status check() const {
    return first_error(require::positive(beta, "beta"), require::is_finite(baseline, "baseline"),
                       require::not_negative(lambda_desirable, "lambda_desirable"),
                       require::not_negative(lambda_undesirable, "lambda_undesirable"));
  }

  template <class V>
  PREFER_HD response_term<V> operator()(const response<V>& r) const {
    const V b = beta.as<V>();
    const V g = r.reference - r.policy;
    const V direction = b * (r.label + r.label - V(1));
    const V z = baseline.as<V>();
    const V q = direction * (g - math::select(z > V(0), V(0), -z));
    const auto l = math::logistic(q);
    const V lambda = r.label * lambda_desirable.as<V>() + (V(1) - r.label) * lambda_undesirable.as<V>();
    response_term<V> t;
    V slope;
    if (kind == utility::kahneman_tversky) {
      t.value = lambda * l.sigmoid_of_minus;
      slope = l.sigmoid * l.sigmoid_of_minus;
    } else if (kind == utility::loss_averse) {
      t.value = lambda * (V(1) + (l.log1p_exp - math::select(q < V(0), q, V(0))));
      slope = l.sigmoid_of_minus;
    } else {
      t.value = lambda * (V(1) - (l.log1p_exp + math::select(q < V(0), V(0), q)));
      slope = l.sigmoid;
    }
    t.d_policy = lambda * direction * slope;
    t.d_reference = -t.d_policy;
    t.reward = b * g;
    return t;
  }
};

}  // namespace prefer
