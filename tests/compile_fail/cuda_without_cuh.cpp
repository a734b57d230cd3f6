// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
// expect: prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc
#include <prefer/loss/dpo.hpp>

#if !defined(PREFER_FAIL)
prefer::status call(const float* x, float* loss) {
  return prefer::evaluate<float>(prefer::cpu{}, prefer::dpo{}, {.policy_chosen = {x, 1}}, {.loss = {loss, 1}});
}
#else
prefer::status call(CUstream_st* stream, const float* x, float* loss) {
  return prefer::evaluate<float>(prefer::cuda{stream}, prefer::dpo{}, {.policy_chosen = {x, 1}}, {.loss = {loss, 1}});
}
#endif
