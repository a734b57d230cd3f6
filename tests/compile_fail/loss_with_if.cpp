// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
// expect: prefer: a loss decides with math::select(condition, a, b), not with if or ?:
#include <prefer/loss/dpo.hpp>

struct hinge {
  template <class V>
  PREFER_HD prefer::pair_term<V> operator()(const prefer::pair<V>& p) const {
    prefer::pair_term<V> t;
    const V missing = V(1) - p.policy_chosen;
#if !defined(PREFER_FAIL)
    t.value = prefer::math::select(missing > V(0), missing, V(0));
#else
    if (missing > V(0)) t.value = missing;
#endif
    return t;
  }
};

prefer::status call(const float* x, float* loss) {
  return prefer::evaluate<float>(prefer::cpu{}, hinge{}, {.policy_chosen = {x, 1}}, {.loss = {loss, 1}});
}
