// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
// expect: prefer: an output needs a view of non-const elements
#include <prefer/loss/dpo.hpp>

#if !defined(PREFER_FAIL)
using number = float;
#else
using number = const float;
#endif
prefer::status call(const float* x, number* loss) {
  return prefer::evaluate<float>(prefer::cpu{}, prefer::dpo{}, {.policy_chosen = {x, 1}}, {.loss = {loss, 1}});
}
