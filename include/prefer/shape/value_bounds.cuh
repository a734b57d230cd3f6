// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/map_reduce.cuh>
#include <prefer/shape/value_bounds.hpp>

namespace prefer {
inline namespace PREFER_ABI {

// Bytes of workspace that precondition_rewards needs on CUDA for n samples.
inline std::size_t precondition_rewards_workspace(std::int64_t n) {
  return map_reduce_workspace<detail::preconditioning_body>(n);
}

}  // namespace PREFER_ABI
}  // namespace prefer
