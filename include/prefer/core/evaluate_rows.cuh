// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/row_map_reduce.cuh>
#include <prefer/core/evaluate_rows.hpp>

namespace prefer {
inline namespace PREFER_ABI {

// Bytes of workspace that evaluate_rows needs on CUDA for n items of this loss.
template <class Loss>
std::size_t evaluate_rows_workspace(const Loss&, std::int64_t n) {
  return row_workspace<detail::loss_body<Loss>>(n);
}

}  // namespace PREFER_ABI
}  // namespace prefer
