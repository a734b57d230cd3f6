// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/segmented_map_reduce.cuh>
#include <prefer/core/evaluate_tokens.hpp>

namespace prefer {
inline namespace PREFER_ABI {

// Bytes of workspace that evaluate_tokens needs on CUDA for n pairs of this loss.
template <class Loss>
std::size_t evaluate_tokens_workspace(const Loss&, std::int64_t n) {
  return segmented_workspace<detail::segmented_body<Loss>>(n);
}

}  // namespace PREFER_ABI
}  // namespace prefer
