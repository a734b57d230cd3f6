// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/row_reduce.cuh>
#include <prefer/logp/logp_mixture.hpp>

// The CUDA half of logp/logp_mixture.hpp.
namespace prefer {
inline namespace PREFER_ABI {

// Bytes of workspace for mix_logp on prefer::cuda over M rows of V logits. 0 except for fewer than 256 rows of more
// than 16384 logits.
inline std::size_t mix_logp_workspace(std::int64_t rows, std::int64_t columns) {
  return row_reduce_workspace<detail::mixture_body<double>>(rows, columns);
}

}  // namespace PREFER_ABI
}  // namespace prefer
