// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
// expect: prefer: elements of a view are double, float, half, bfloat16, int32, int64, uint8 or bool
#include <prefer/loss/dpo.hpp>

#if !defined(PREFER_FAIL)
using number = float;
#else
using number = long double;
#endif
prefer::status call(number* x, float* loss) {
  return prefer::evaluate<float>(prefer::cpu{}, prefer::dpo{}, {.policy_chosen = {x, 1}}, {.loss = {loss, 1}});
}
