// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/matrix_product.cuh>
#include <prefer/shape/aol.hpp>
#include <prefer/shape/detail/layers.cuh>

// The CUDA half of shape/aol.hpp: a thread per column between the products.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

template <class T>
static __global__ void __launch_bounds__(cuda_threads) aol_column_kernel(const aol_columns<T> work) {
  const std::int64_t j = static_cast<std::int64_t>(blockIdx.x) * cuda_threads + threadIdx.x;
  if (j < work.order) work(j);
}
template <class T>
status for_columns(const cuda& exec, const aol_columns<T>& work) {
  if (work.order == 0) return {};
  const auto blocks = static_cast<unsigned>((work.order + cuda_threads - 1) / cuda_threads);
  aol_column_kernel<<<blocks, cuda_threads, 0, exec.stream.stream>>>(work);
  return launch_status("rescale_aol");
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
