// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/select_tokens.cuh>
#include <prefer/core/evaluate_tokens.cuh>
#include <prefer/logp/evaluate_logits.hpp>
#include <prefer/logp/token_logp_chunks.cuh>

#include <algorithm>

// The CUDA half of logp/evaluate_logits.hpp.
namespace prefer {
inline namespace PREFER_ABI {

// Bytes of workspace that evaluate_logits and evaluate_logits_chunks need on prefer::cuda for M tokens of V logits in n
// items.
template <class Compute, class Loss>
std::size_t evaluate_logits_workspace(const cuda&, const Loss& loss, std::int64_t tokens, std::int64_t columns,
                                      std::int64_t items) {
  const std::size_t own = detail::token_arrays<space::device>::bytes(tokens);
  return detail::scratch_alignment + detail::scratch_bytes<char>(own) +
         std::max(evaluate_tokens_workspace(loss, items), token_logp_chunks_workspace(tokens, columns));
}

}  // namespace PREFER_ABI
}  // namespace prefer
