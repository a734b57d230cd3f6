// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
// expect: prefer: evaluate<Compute> computes in float or double; the views choose their own element types
#include <prefer/loss/dpo.hpp>

#if !defined(PREFER_FAIL)
using compute = float;
#else
using compute = prefer::half;
#endif
prefer::status call(const float* x, float* loss) {
  return prefer::evaluate<compute>(prefer::cpu{}, prefer::dpo{}, {.policy_chosen = {x, 1}}, {.loss = {loss, 1}});
}
