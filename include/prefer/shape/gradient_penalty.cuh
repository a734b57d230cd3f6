// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate_rows.cuh>
#include <prefer/shape/gradient_penalty.hpp>

namespace prefer {
inline namespace PREFER_ABI {

// Bytes of workspace that penalty_differences needs on CUDA for n samples.
inline std::size_t penalty_differences_workspace(std::int64_t n) { return row_workspace<detail::difference_body>(n); }

}  // namespace PREFER_ABI
}  // namespace prefer
