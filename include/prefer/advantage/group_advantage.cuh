// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/advantage/group_advantage.hpp>
#include <prefer/backend/cuda/group_map.cuh>

// The CUDA half of advantage/group_advantage.hpp.
namespace prefer {
inline namespace PREFER_ABI {
template <int Count, class F>
status with_doubles(const cuda& exec, F f) {
  return with_scratch(exec, Count * sizeof(double), [&](char* memory, const cuda& rest) -> status {
    return f(reinterpret_cast<double*>(memory), rest);
  });
}

// Bytes of workspace for group_advantages and batch_moments of N scores in n groups on prefer::cuda.
inline std::size_t group_advantages_workspace(std::int64_t n, std::int64_t scores) {
  return group_map_workspace(n, scores);
}

}  // namespace PREFER_ABI
}  // namespace prefer
