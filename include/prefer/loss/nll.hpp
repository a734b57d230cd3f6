// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/pair.hpp>

namespace prefer {

// Negative log-likelihood of the chosen response, the supervised term of many recipes: combine it with any loss.
//
//   value = -policy_chosen / length_chosen,   d value / d policy_chosen = -1 / length_chosen
//
// With length_normalized = false neither is divided and lengths are not read. An empty response counts as one token.
struct nll {
  bool length_normalized = true;

  template <class V>
  PREFER_HD pair_term<V> operator()(const pair<V>& p) const {
    pair_term<V> t;
    t.d_policy_chosen = V(-1);
    if (length_normalized) t.d_policy_chosen = V(-1) / tokens_of(p.length_chosen);
    t.value = p.policy_chosen * t.d_policy_chosen;
    return t;
  }
};

}  // namespace prefer
