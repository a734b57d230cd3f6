// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/row_map_reduce.cuh>
#include <prefer/shape/detail/layers.hpp>

// The CUDA half of shape/detail/layers.hpp.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

template <class Call>
std::size_t map_bytes(const cuda&, const Call& call) {
  return row_workspace<layer_rows>(call.maps());
}

template <class Work>
static __global__ void __launch_bounds__(cuda_threads) column_kernel(const std::int64_t columns, const Work work) {
  const std::int64_t j = static_cast<std::int64_t>(blockIdx.x) * cuda_threads + threadIdx.x;
  if (j < columns) work(j);
}
template <class Work>
status for_columns(const cuda& exec, std::int64_t columns, const Work& work) {
  if (columns == 0) return {};
  const auto blocks = static_cast<unsigned>((columns + cuda_threads - 1) / cuda_threads);
  column_kernel<<<blocks, cuda_threads, 0, exec.stream.stream>>>(columns, work);
  return launch_status("columns of a layer");
}

template <class Call>
std::size_t layer_bytes(const cuda& exec, Call& call) {
  return lent_bytes(carved_bytes(call)) + map_bytes(exec, call);
}
template <class Call>
status run_layer(const cuda& exec, Call& call) {
  return with_scratch(exec, carved_bytes(call), [&](char* memory, const cuda& rest) {
    arena own(memory);
    call.carve(own);
    return call.run(rest);
  });
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
