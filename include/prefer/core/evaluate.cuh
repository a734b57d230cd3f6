// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/map_reduce.cuh>
#include <prefer/core/evaluate.hpp>

namespace prefer {
inline namespace PREFER_ABI {

// Bytes of workspace that evaluate needs on CUDA for n items of this loss.
template <class Loss>
std::size_t evaluate_workspace(const Loss&, std::int64_t n) {
  return map_reduce_workspace<detail::loss_body<Loss>>(n);
}

}  // namespace PREFER_ABI
}  // namespace prefer
