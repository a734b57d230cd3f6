// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/aggregate/detail/per_reward.hpp>
#include <prefer/backend/cuda/launch.cuh>

namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

template <class Work>
static __global__ void __launch_bounds__(64) per_reward_kernel(const Work work, const int rewards) {
  if (static_cast<int>(threadIdx.x) < rewards) work(static_cast<int>(threadIdx.x));
  __syncthreads();
  if (threadIdx.x == 0) work.finish();
}

template <class Work>
status per_reward(const cuda& exec, int rewards, const Work& work) {
  per_reward_kernel<Work><<<1, 64, 0, exec.stream.stream>>>(work, rewards);
  return launch_status("per_reward");
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
