// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/response.hpp>

namespace prefer {

// The score-function gradient (REINFORCE): responses that the policy drew, pushed up or down by their advantages, which
// are the call's `weight`. Any rule that gives samples a number trains a policy through it: select/parrot.hpp, win
// rates (game/win_rate.hpp), rewards less a baseline.
//
//   value = -policy,   d value / d policy = -1        loss = -sum_i weight_i policy_i / normalizer
//
// Each step of a response (evaluate_tokens: tokens, or denoising steps) gets the derivative of the whole response. The
// value is a surrogate: its derivative is what counts. A weight of 0 leaves a finite log-probability without influence;
// where it may be infinite, leave the response out by the mask. Weights are constants to the gradient. Source: Williams
// 1992.
struct reinforce {
  template <class V>
  PREFER_HD response_term<V> operator()(const response<V>& r) const {
    response_term<V> t;
    t.value = -r.policy;
    t.d_policy = V(-1);
    return t;
  }
};

}  // namespace prefer
