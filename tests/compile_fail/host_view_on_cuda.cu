// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
// expect: prefer: a view of host memory cannot be given to a call on prefer::cuda
#include <prefer/loss/dpo.cuh>

prefer::status call(cudaStream_t stream, prefer::view<const float, 1, prefer::space::host> x, float* loss) {
#if !defined(PREFER_FAIL)
  prefer::view<const float> y(x.data, 1);
#else
  prefer::view<const float, 1, prefer::space::host> y = x;
#endif
  return prefer::evaluate<float>(prefer::cuda{stream}, prefer::dpo{}, {.policy_chosen = y}, {.loss = {loss, 1}});
}
