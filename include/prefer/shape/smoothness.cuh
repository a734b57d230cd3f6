// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/for_groups.cuh>
#include <prefer/core/evaluate_rows.cuh>
#include <prefer/shape/smoothness.hpp>

// The CUDA half of shape/smoothness.hpp: gradients by a thread per element of the actions.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

template <class T>
static __global__ void __launch_bounds__(cuda_threads) difference_gradient_kernel(const difference_gradient job) {
  const std::int64_t all = job.n * job.columns, step = static_cast<std::int64_t>(gridDim.x) * cuda_threads;
  const int order = job.order();
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * cuda_threads + threadIdx.x; i < all; i += step) {
    const std::int64_t t = i / job.columns, column = i % job.columns;
    const auto at = [&](std::int64_t row) {
      return load_element<T>(job.action.data, job.action.type,
                             row * job.action.row_stride + column * job.action.stride);
    };
    T sum = T(0);
    job.each_term<T>(t, [&](int back, T factor) {
      const std::int64_t s = t - back;
      sum += factor * job.distance.difference(at(s), at(s + 1), order == 2 ? at(s + 2) : T(0));
    });
    store_element(job.out.data, job.out.type, t * job.out.row_stride + column * job.out.stride, sum, job.accumulate);
  }
}

template <class T>
status spread_differences(const cuda& exec, const difference_gradient& job) {
  if (job.n * job.columns == 0) return {};
  const auto blocks = static_cast<unsigned>(cuda_blocks(job.n * job.columns));
  difference_gradient_kernel<T><<<blocks, cuda_threads, 0, exec.stream.stream>>>(job);
  return launch_status("temporal smoothness");
}

}  // namespace detail

// Bytes of workspace that temporal_smoothness needs on CUDA for n time steps.
inline std::size_t temporal_smoothness_workspace(const cuda&, std::int64_t n) {
  return (n > 0 ? detail::lent_bytes(detail::smoothness_scratch(n)) : 0) + row_workspace<detail::smoothness_body>(n);
}

}  // namespace PREFER_ABI
}  // namespace prefer
