// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/pair.hpp>

// Losses as a user would write them.
namespace prefer_test {

// max(0, margin - (policy_chosen - policy_rejected))
struct hinge {
  double margin;

  template <class V>
  PREFER_HD prefer::pair_term<V> operator()(const prefer::pair<V>& p) const {
    const V missing = V(margin) - (p.policy_chosen - p.policy_rejected);
    const auto violated = missing > V(0);
    prefer::pair_term<V> t;
    t.value = prefer::math::select(violated, missing, V(0));
    t.d_policy_chosen = prefer::math::select(violated, V(-1), V(0));
    t.d_policy_rejected = -t.d_policy_chosen;
    return t;
  }
};

// Lanes travel by value through a call that is not inlined.
template <class V>
__attribute__((noinline)) V square_by_value(V x) {
  return x * x;
}

struct squared_by_value {
  template <class V>
  PREFER_HD prefer::pair_term<V> operator()(const prefer::pair<V>& p) const {
    const V d = p.policy_chosen - p.policy_rejected;
    prefer::pair_term<V> t;
    t.value = square_by_value(d);
    t.d_policy_chosen = d + d;
    t.d_policy_rejected = -(d + d);
    return t;
  }
};

// Negative log-likelihood per token: reads a length.
struct mean_nll {
  template <class V>
  PREFER_HD prefer::pair_term<V> operator()(const prefer::pair<V>& p) const {
    prefer::pair_term<V> t;
    t.value = -p.policy_chosen / p.length_chosen;
    t.d_policy_chosen = V(-1) / p.length_chosen;
    return t;
  }
};

}  // namespace prefer_test
