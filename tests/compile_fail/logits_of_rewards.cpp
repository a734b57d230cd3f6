// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
// expect: prefer: losses of this kind are not of log-probabilities: they have no form from logits
#include <prefer/logp/evaluate_logits.hpp>
#include <prefer/loss/dpo.hpp>
#include <prefer/loss/regret.hpp>

prefer::status call(double* loss) {
#if defined(PREFER_FAIL)
  return prefer::evaluate_logits<float>(prefer::cpu{}, prefer::regret{}, {}, {}, {.loss = {loss, 1}});
#else
  return prefer::evaluate_logits<float>(prefer::cpu{}, prefer::dpo{}, {}, {}, {.loss = {loss, 1}});
#endif
}
