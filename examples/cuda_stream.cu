// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
//
// DPO on a CUDA stream: the call enqueues one kernel on memory that you own and returns.
#include <prefer/interop/thrust.cuh>
#include <prefer/loss/dpo.cuh>

#include <thrust/device_vector.h>

#include <cmath>
#include <cstdio>
#include <vector>

int main() {
  const int n = 1 << 12;
  std::vector<float> values(n);
  for (int i = 0; i < n; ++i) values[i] = -10 - 0.001f * i;
  const thrust::device_vector<float> policy_chosen(values.begin(), values.end()), policy_rejected(n, -12.0f),
      reference(n, -11.0f);
  thrust::device_vector<float> grad_chosen(n), grad_rejected(n), loss(1);

  cudaStream_t stream;
  cudaStreamCreate(&stream);
  const prefer::dpo objective{.beta = 0.1};
  thrust::device_vector<std::byte> scratch(prefer::evaluate_workspace(objective, n));
  const prefer::cuda exec{.stream = stream, .workspace = {thrust::raw_pointer_cast(scratch.data()), scratch.size()}};
  prefer::check(prefer::evaluate<float>(exec, objective,
                                        {.policy_chosen = prefer::as_vector(policy_chosen),
                                         .policy_rejected = prefer::as_vector(policy_rejected),
                                         .reference_chosen = prefer::as_vector(reference),
                                         .reference_rejected = prefer::as_vector(reference)},
                                        {.loss = prefer::as_vector(loss),
                                         .grad_policy_chosen = prefer::as_vector(grad_chosen),
                                         .grad_policy_rejected = prefer::as_vector(grad_rejected)}));
  cudaStreamSynchronize(stream);  // yours, when you need the numbers; prefer never does
  cudaStreamDestroy(stream);

  double expected = 0;
  for (float x : values) expected += std::log1p(std::exp(-0.1 * (x + 12.0))) / n;
  const float got = loss[0];
  std::printf("loss %.6f (on the host %.6f), first gradient %.3e\n", got, expected, static_cast<float>(grad_chosen[0]));
  return std::fabs(got - expected) < 1e-5 ? 0 : 1;
}
