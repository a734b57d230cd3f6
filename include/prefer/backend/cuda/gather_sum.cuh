// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/launch.cuh>
#include <prefer/backend/gather_sum.hpp>

// gather_sum on CUDA (contract: backend/gather_sum.hpp): one thread per sample, one launch.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

template <class T>
static __global__ void __launch_bounds__(256) gather_sum_kernel(const gather_sum_arguments<T> a) {
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  for (std::int64_t s = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; s < a.samples; s += step)
    sum_sample(a, s);
}

}  // namespace detail

template <class T>
status gather_sum(const cuda& exec, const gather_sum_arguments<T>& a) {
  if (a.samples == 0) return {};
  const std::int64_t blocks = (a.samples + 255) / 256;
  detail::gather_sum_kernel<T>
      <<<static_cast<unsigned>(blocks < 65536 ? blocks : 65536), 256, 0, exec.stream.stream>>>(a);
  return detail::launch_status("gather_sum");
}

}  // namespace PREFER_ABI
}  // namespace prefer
