// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
// expect: prefer: a view of device memory cannot be given to a call on prefer::cpu
#include <prefer/loss/dpo.hpp>

prefer::status call(prefer::view<const float, 1, prefer::space::device> x, float* loss) {
#if !defined(PREFER_FAIL)
  prefer::view<const float> y(x.data, 1);
#else
  prefer::view<const float, 1, prefer::space::device> y = x;
#endif
  return prefer::evaluate<float>(prefer::cpu{}, prefer::dpo{}, {.policy_chosen = y}, {.loss = {loss, 1}});
}
