// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
//
// One call of each loss on contiguous floats, for the cost model: tests/cost/check_cost.py reads what ptxrun counts.
#include <prefer/loss/bradley_terry.cuh>
#include <prefer/loss/dpo.cuh>

#include <cuda_runtime.h>

#include <algorithm>

int main() {
  constexpr std::int64_t n = 1 << 16;
  float* a = nullptr;
  void* scratch = nullptr;
  const std::size_t bytes =
      std::max(prefer::evaluate_workspace(prefer::dpo{}, n), prefer::evaluate_workspace(prefer::bradley_terry{}, n));
  if (cudaMalloc(reinterpret_cast<void**>(&a), (6 * n + 1) * sizeof(float)) != cudaSuccess ||
      cudaMalloc(&scratch, bytes) != cudaSuccess)
    return 1;
  cudaMemset(a, 0, (6 * n + 1) * sizeof(float));
  cudaStream_t stream;
  cudaStreamCreate(&stream);
  const prefer::cuda exec{.stream = stream, .workspace = {scratch, bytes}};
  float* const loss = a + 6 * n;
  prefer::check(prefer::evaluate<float>(
      exec, prefer::dpo{},
      {.policy_chosen = {a, n},
       .policy_rejected = {a + n, n},
       .reference_chosen = {a + 2 * n, n},
       .reference_rejected = {a + 3 * n, n}},
      {.loss = {loss, 1}, .grad_policy_chosen = {a + 4 * n, n}, .grad_policy_rejected = {a + 5 * n, n}}));
  prefer::check(
      prefer::evaluate<float>(exec, prefer::bradley_terry{}, {.chosen = {a, n}, .rejected = {a + n, n}},
                              {.loss = {loss, 1}, .grad_chosen = {a + 2 * n, n}, .grad_rejected = {a + 3 * n, n}}));
  const int failed = cudaStreamSynchronize(stream) != cudaSuccess;
  cudaFree(a), cudaFree(scratch), cudaStreamDestroy(stream);
  return failed;
}
