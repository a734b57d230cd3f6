// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/row_reduce.cuh>
#include <prefer/logp/top_k_logp.hpp>

// The CUDA half of logp/top_k_logp.hpp.
namespace prefer {
inline namespace PREFER_ABI {

// Bytes of workspace for top_k_logp on prefer::cuda over M rows (or as many as `rows` lists) of V logits, whatever K. 0
// except for fewer than 256 rows of more than 16384 logits.
inline std::size_t top_k_logp_workspace(std::int64_t rows, std::int64_t columns) {
  return row_reduce_workspace<detail::top_k_body<double, true>>(rows, columns);
}

}  // namespace PREFER_ABI
}  // namespace prefer
