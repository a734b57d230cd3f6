// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/logp/token_logp.cuh>
#include <prefer/logp/token_logp_chunks.hpp>

#include <algorithm>

// The CUDA half of logp/token_logp_chunks.hpp.
namespace prefer {
inline namespace PREFER_ABI {

// Bytes of workspace for token_logp_chunks on prefer::cuda over M rows of V logits, whatever the size of the chunks.
inline std::size_t token_logp_chunks_workspace(std::int64_t rows, std::int64_t columns) {
  return token_logp_workspace(std::min(rows, detail::many_rows - 1), columns);  // more rows than that need none
}

}  // namespace PREFER_ABI
}  // namespace prefer
