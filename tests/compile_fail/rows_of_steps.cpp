// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
// expect: prefer: evaluate_rows takes losses over pair<V>, response<V>, reward_pair<V> or scored<V>
#include <prefer/logp/noise_error.hpp>
#include <prefer/loss/diffusion_dpo.hpp>
#include <prefer/loss/iql.hpp>

prefer::status call(double* loss) {
#if defined(PREFER_FAIL)
  return prefer::evaluate_rows<float>(prefer::cpu{}, prefer::noise_error{}, prefer::iql_value{}, {},
                                      {.loss = {loss, 1}});
#else
  return prefer::evaluate_rows<float>(prefer::cpu{}, prefer::noise_error{}, prefer::diffusion_dpo{}, {},
                                      {.loss = {loss, 1}});
#endif
}
