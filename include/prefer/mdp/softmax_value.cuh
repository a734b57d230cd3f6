// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/map_reduce.cuh>
#include <prefer/mdp/bellman.cuh>
#include <prefer/mdp/softmax_value.hpp>

// The CUDA half of mdp/softmax_value.hpp: a thread per state for the values, a block of threads per feature for the
// gradient.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

static __global__ void softmax_value_kernel(const softmax_value_problem p, const view<double, 1, space::device> value) {
  const std::int64_t s = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  double total;
  if (s < p.states) value.data[s * value.stride[0]] = p.soft_value(s, p.best(s), total);
}

static __global__ void __launch_bounds__(cuda_threads)
    softmax_gradient_kernel(const softmax_value_problem p, const view<const double, 1, space::device> upstream,
                            const view<double, 1, space::device> gradient) {
  __shared__ double shared[cuda_threads / 32];
  const std::int64_t f = blockIdx.x;
  double mine = 0;
  for (std::int64_t s = threadIdx.x; s < p.states; s += cuda_threads)
    if (const double g = upstream.data[s * upstream.stride[0]]; g != 0) mine += g * p.slope(s, f);
  const double sum = block_sum(mine, shared);
  if (threadIdx.x == 0) gradient.data[f * gradient.stride[0]] = sum;
}

inline status run_softmax_value(const cuda& exec, const softmax_value_problem& p,
                                const view<double, 1, space::device>& value) {
  if (p.states == 0) return {};
  softmax_value_kernel<<<static_cast<unsigned>((p.states + 127) / 128), 128, 0, exec.stream.stream>>>(p, value);
  return launch_status("softmax_value");
}
inline status run_softmax_gradient(const cuda& exec, const softmax_value_problem& p,
                                   const view<const double, 1, space::device>& upstream,
                                   const view<double, 1, space::device>& gradient) {
  if (p.features == 0) return {};
  softmax_gradient_kernel<<<static_cast<unsigned>(p.features), cuda_threads, 0, exec.stream.stream>>>(p, upstream,
                                                                                                      gradient);
  return launch_status("softmax_value_gradient");
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
