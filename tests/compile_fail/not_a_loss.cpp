// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
// expect: prefer: this is not a loss: it needs a const call operator template that takes prefer::pair<V>
#include <prefer/loss/dpo.hpp>

struct nothing {};
#if !defined(PREFER_FAIL)
using loss_type = prefer::dpo;
#else
using loss_type = nothing;
#endif
prefer::status call(const float* x, float* loss) {
  return prefer::evaluate<float>(prefer::cpu{}, loss_type{}, {.policy_chosen = {x, 1}}, {.loss = {loss, 1}});
}
