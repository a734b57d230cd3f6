// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/advantage/group_advantage.cuh>
#include <prefer/aggregate/detail/for_rewards.cuh>
#include <prefer/aggregate/group_covariance.hpp>

// The CUDA half of aggregate/group_covariance.hpp.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

static __global__ void __launch_bounds__(cuda_threads) multiply_kernel(const grouped_product p) {
  const segment_source& scores = p.groups.scores;
  const std::int64_t begin = range_at(scores, 0).begin, end = range_at(scores, p.groups.groups - 1).end;
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * cuda_threads;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * cuda_threads + threadIdx.x; i < scores.tokens;
       i += step)
    if (i >= begin && i < end) p.a[i] *= p.b[i];
}

inline void multiply(const cuda& exec, const grouped_product& p) {
  if (p.groups.groups == 0 || p.groups.scores.tokens == 0) return;
  const auto blocks = static_cast<unsigned>(cuda_blocks(p.groups.scores.tokens));
  multiply_kernel<<<blocks, cuda_threads, 0, exec.stream.stream>>>(p);
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
