// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/pair.hpp>

namespace prefer {

// Binary classifier optimisation (BCO) on pairs: chosen responses are classified as above a shift, rejected ones as
// below.
//
//   x = beta a - shift, y = beta c - shift, a and c as in dpo
//   value = -log sigmoid(x) - log sigmoid(-y)
//   d value / d a = -beta sigmoid(-x),   d value / d c = beta sigmoid(y)
//
// shift is the mean of all implicit rewards so far, without a gradient: `mean_reward` computes it. It may be a pointer
// in the execution space. Errors: beta must be finite and above 0, shift finite.
// Source: Jung et al. 2024, arXiv 2404.04656.
struct bco {
  scalar beta = 0.1;
  scalar shift = 0.0;

  constexpr status check() const {
    return first_error(require::positive(beta, "beta"), require::is_finite(shift, "shift"));
  }

  template <class V>
  PREFER_HD pair_term<V> operator()(const pair<V>& p) const {
    const V b = beta.as<V>(), s = shift.as<V>();
    const log_ratios<V> ratio(p);
    const auto above = math::logistic_loss(b * ratio.chosen - s), below = math::logistic_loss(s - b * ratio.rejected);
    return ratio.term(above.value + below.value, b * above.derivative, -b * below.derivative, b);
  }
};

// The mean implicit reward of a pair, beta (a + c) / 2: what the shift of `bco` averages. With normalizer = 1 and
// accumulate = true its output `loss` is the running sum over all batches, `count` the number of pairs in it.
struct mean_reward {
  scalar beta = 0.1;

  constexpr status check() const { return require::positive(beta, "beta"); }

  template <class V>
  PREFER_HD pair_term<V> operator()(const pair<V>& p) const {
    const log_ratios<V> ratio(p);
    pair_term<V> t;
    t.value = V(0.5) * beta.as<V>() * (ratio.chosen + ratio.rejected);
    return t;
  }
};

}  // namespace prefer
