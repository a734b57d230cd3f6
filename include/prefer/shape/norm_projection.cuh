// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/row_map_reduce.cuh>
#include <prefer/shape/norm_projection.hpp>

namespace prefer {
inline namespace PREFER_ABI {

// Bytes of workspace that project_norms needs on CUDA for so many rows (or columns).
inline std::size_t project_norms_workspace(std::int64_t lines) {
  return row_workspace<detail::projected_line_body>(lines);
}

}  // namespace PREFER_ABI
}  // namespace prefer
