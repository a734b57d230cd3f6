// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/aggregate/aggregate.cuh>
#include <prefer/aggregate/detail/for_rewards.cuh>
#include <prefer/aggregate/reward_weights.hpp>

// The CUDA half of aggregate/reward_weights.hpp.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

static __global__ void __launch_bounds__(cuda_threads)
    best_rewards_kernel(const aggregate_arguments a, const sink ideal) {
  __shared__ double best[cuda_threads];
  const int k = static_cast<int>(blockIdx.x), own = static_cast<int>(threadIdx.x);
  best[own] = largest_reward(a, k, own, cuda_threads, weight_state::at(ideal, k));
  for (int step = cuda_threads / 2; step > 0; step /= 2) {
    __syncthreads();
    if (own < step && best[own + step] > best[own]) best[own] = best[own + step];
  }
  if (own == 0) weight_state::set(ideal, k, best[0]);
}

inline status run_best_rewards(const cuda& exec, const aggregate_arguments& a, const sink& ideal) {
  best_rewards_kernel<<<static_cast<unsigned>(a.rewards), cuda_threads, 0, exec.stream.stream>>>(a, ideal);
  return launch_status("best_rewards");
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
