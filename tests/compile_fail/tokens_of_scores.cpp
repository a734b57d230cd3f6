// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
// expect: prefer: losses of this kind have no form per token
#include <prefer/core/evaluate_tokens.hpp>
#include <prefer/loss/bradley_terry.hpp>
#include <prefer/loss/dpo.hpp>

prefer::status call(double* loss) {
#if defined(PREFER_FAIL)
  return prefer::evaluate_tokens(prefer::cpu{}, prefer::bradley_terry{}, {}, {.loss = {loss, 1}});
#else
  return prefer::evaluate_tokens(prefer::cpu{}, prefer::dpo{}, {}, {.loss = {loss, 1}});
#endif
}
