// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/row_map_reduce.cuh>
#include <prefer/backend/cuda/row_reduce.cuh>
#include <prefer/logp/token_divergence.hpp>

// The CUDA half of logp/token_divergence.hpp.
namespace prefer {
inline namespace PREFER_ABI {

// Bytes of workspace for token_divergence and its gradient on prefer::cuda over M rows (or as many as `rows` lists) of
// V logits, whichever statistics are asked for.
inline std::size_t token_divergence_workspace(std::int64_t rows, std::int64_t columns) {
  const std::size_t statistics = row_reduce_workspace<detail::row_normalizer_body<double>>(rows, columns);
  const std::size_t pairs = row_workspace<detail::divergence_body>(rows);
  const auto kept = static_cast<std::size_t>(detail::kept_statistics * rows) * sizeof(double);
  return detail::scratch_alignment + detail::scratch_bytes<char>(kept) + (statistics > pairs ? statistics : pairs);
}

}  // namespace PREFER_ABI
}  // namespace prefer
