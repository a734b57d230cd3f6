// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/logp/token_softmax.hpp>

#include <cmath>
#include <cstdint>

// The golden rows of logits (tests/golden/tokens.py).
namespace prefer_test {

struct golden_logits {
  long double logits[6];
  int target;
  long double options[5], upstream[4];
  long double answer[6];  // logp, loss, log-sum-exp, entropy, choices, largest p
  long double gradient[6];

  double logit(std::int64_t v) const { return static_cast<double>(logits[v]); }
  prefer::token_softmax softmax() const {
    const auto x = [&](int k) { return static_cast<double>(options[k]); };
    return {.temperature = x(0), .logit_scale = x(1), .soft_cap = x(2), .label_smoothing = x(3), .z_loss = x(4)};
  }
};

inline const golden_logits golden_rows_of_logits[] = {
#include <golden_token_logp.inc>
};

}  // namespace prefer_test
