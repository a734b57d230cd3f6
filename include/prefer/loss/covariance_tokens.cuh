// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/advantage/group_advantage.cuh>
#include <prefer/backend/cuda/for_groups.cuh>
#include <prefer/loss/covariance_tokens.hpp>

#include <cstddef>
#include <cstdint>

namespace prefer {
inline namespace PREFER_ABI {

// Bytes of workspace for covariance_tokens of N tokens on prefer::cuda.
inline std::size_t covariance_tokens_workspace(std::int64_t tokens) {
  return detail::lent_bytes(3 * sizeof(double)) + map_reduce_workspace<detail::token_covariance_sums>(tokens);
}

}  // namespace PREFER_ABI
}  // namespace prefer
