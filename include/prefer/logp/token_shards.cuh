// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/launch.cuh>
#include <prefer/logp/token_shards.hpp>

#include <cstdint>

// The CUDA half of logp/token_shards.hpp: one launch, a thread per row.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

static __global__ void token_merge_kernel(const token_merge merge) {
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (row < merge.rows) merge(row);
}

inline status run_token_merge(const cuda& exec, const token_merge& merge) {
  if (merge.rows == 0) return {};
  constexpr std::int64_t threads = 128;
  const auto blocks = static_cast<unsigned>((merge.rows + threads - 1) / threads);
  token_merge_kernel<<<blocks, static_cast<unsigned>(threads), 0, exec.stream.stream>>>(merge);
  return launch_status("combine_token_shards");
}

}  // namespace detail

}  // namespace PREFER_ABI
}  // namespace prefer
