// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/map_reduce.cuh>
#include <prefer/core/sum_rows.hpp>

// The CUDA half of core/sum_rows.hpp: one launch, one thread per column.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

static __global__ void __launch_bounds__(cuda_threads) row_sum_kernel(const row_sum_problem p) {
  const std::int64_t column = static_cast<std::int64_t>(blockIdx.x) * cuda_threads + threadIdx.x;
  if (column >= p.columns) return;
  double sum = 0;
  for (std::int64_t i = 0; i < p.rows; ++i)
    sum += load_element<double>(p.data, p.type, i * p.row_stride + column * p.stride);
  p.write(column, sum);
}

inline status run_row_sum(const cuda& exec, const row_sum_problem& p) {
  if (p.columns == 0) return {};
  const auto blocks = static_cast<unsigned>((p.columns + cuda_threads - 1) / cuda_threads);
  row_sum_kernel<<<blocks, cuda_threads, 0, exec.stream.stream>>>(p);
  return launch_status("sum_rows");
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
