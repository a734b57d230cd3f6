// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/action.hpp>
#include <prefer/core/evaluate.hpp>

namespace prefer {

// SAPO: soft adaptive policy optimisation. A sigmoid gate around ratio 1 in place of a hard clip.
//
//   ratio = e^(policy - old_policy),  x = tau (ratio - 1),  tau by the sign of A (A = 0 counts as negative)
//   value = -A (4 / tau) sigmoid(x)
//   d value / d policy = -4 A ratio sigmoid(x) sigmoid(-x)
//
// At ratio 1 the gradient is -A, that of ppo; it fades exponentially as the ratio grows. Output ratio. Errors: both
// temperatures must be finite and above 0.
// Source: arXiv 2511.20347, read in released code (one trainer's text leaves out the factor 4 / tau that its code has).
struct sapo {
  scalar tau_positive = 1.0;
  scalar tau_negative = 1.05;

  constexpr status check() const {
    return first_error(require::positive(tau_positive, "tau_positive"),
                       require::positive(tau_negative, "tau_negative"));
  }

  template <class V>
  PREFER_HD action_term<V> operator()(const action<V>& a) const {
    const V tau = math::select(a.advantage > V(0), tau_positive.as<V>(), tau_negative.as<V>());
    const V x = a.policy - a.old_policy;
    const math::logistic_parts<V> gate = math::logistic(tau * math::expm1(x));
    action_term<V> t;
    t.ratio = math::exp(x);
    t.value = V(-4) * a.advantage / tau * gate.sigmoid;
    t.d_policy = V(-4) * a.advantage * math::share(gate.sigmoid * gate.sigmoid_of_minus, t.ratio);
    return t;
  }
};

}  // namespace prefer
