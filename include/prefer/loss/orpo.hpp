// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/pair.hpp>

namespace prefer {

// Odds ratio preference optimisation (ORPO): the likelihood of the chosen response and the logistic loss of the
// logarithm of the odds ratio.
//
//   u = policy / length (per response),  L(u) = u - log(1 - e^u)    (the log-odds of the mean token)
//   o = L(u_chosen) - L(u_rejected)
//   value = -u_chosen - lambda log sigmoid(o)
//   d value / d policy_chosen = -(1 + lambda sigmoid(-o) L'(u_chosen)) / length_chosen,
//   d value / d policy_rejected = lambda sigmoid(-o) L'(u_rejected) / length_rejected,   L'(u) = 1 / (1 - e^u)
//   implicit rewards: lambda u
//
// L is infinite at u = 0. Above u = -2^-30 it is continued by its tangent, so that value and gradient stay finite and
// belong together. An empty response counts as one token. Errors: lambda must be finite and not negative.
// Source: Hong et al. 2024, arXiv 2403.07691, eq. 6 and 7; the continuation is this library's.
struct orpo {
  scalar lambda = 0.1;

  constexpr status check() const { return require::not_negative(lambda, "lambda"); }

  template <class V>
  PREFER_HD pair_term<V> operator()(const pair<V>& p) const {
    const V l = lambda.as<V>();
    const token_means<V> mean(p);
    const log_odds<V> chosen(mean.chosen), rejected(mean.rejected);
    const auto loss = math::logistic_loss(chosen.value - rejected.value);
    const V slope = l * loss.derivative;
    return policy_term(l * loss.value - mean.chosen, (slope * chosen.slope - V(1)) * mean.inverse_chosen,
                       -(slope * rejected.slope) * mean.inverse_rejected, l * mean.chosen, l * mean.rejected);
  }

 private:
  template <class V>
  struct log_odds {
    V slope, value;

    PREFER_HD explicit log_odds(const V& u) {
      const V limit = V(-0x1p-30);
      const V inside = math::select(u > limit, limit, u);
      slope = V(-1) / math::expm1(inside);
      value = (inside - math::log1mexp(inside)) + math::select(u > limit, slope * (u - inside), V(0));
    }
  };
};

}  // namespace prefer
