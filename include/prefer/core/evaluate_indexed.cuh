// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/gather_sum.cuh>
#include <prefer/core/evaluate.cuh>
#include <prefer/core/evaluate_indexed.hpp>

namespace prefer {
inline namespace PREFER_ABI {

// Bytes of workspace that evaluate_indexed<Compute> needs on CUDA for n pairs.
template <class Compute, class Loss>
std::size_t evaluate_indexed_workspace(const cuda&, const Loss& loss, std::int64_t n) {
  return detail::scratch_alignment + detail::scratch_bytes<char>(4 * detail::column_bytes<Compute>(n)) +
         evaluate_workspace(loss, n);
}

}  // namespace PREFER_ABI
}  // namespace prefer
