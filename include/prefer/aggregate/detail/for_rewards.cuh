// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/aggregate/detail/for_rewards.hpp>
#include <prefer/backend/cuda/launch.cuh>

namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

template <class Work>
static __global__ void __launch_bounds__(64) for_rewards_kernel(const Work work, const int rewards) {
  if (static_cast<int>(threadIdx.x) < rewards) work(static_cast<int>(threadIdx.x));
  __syncthreads();
  if (threadIdx.x == 0) work.finish();
}

template <class Work>
status for_rewards(const cuda& exec, int rewards, const Work& work) {
  for_rewards_kernel<Work><<<1, 64, 0, exec.stream.stream>>>(work, rewards);
  return launch_status("for_rewards");
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
