// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/segmented_map_reduce.hpp>
#include <prefer/backend/select_tokens.hpp>

#include <cstdint>

// select_tokens on the CPU (contract: backend/select_tokens.hpp), by the calling thread: it is a few bytes per token,
// beside rows of logits.
namespace prefer {
inline namespace PREFER_ABI {

template <int Segments>
status select_tokens(const cpu&, const token_selection<Segments>& a) {
  for (std::int64_t t = 0; t < a.tokens; ++t) a.clear(t);
  for (std::int64_t i = 0; i < a.items; ++i) {
    if (!detail::selects(a.mask, i)) continue;
    for (int p = 0; p < Segments; ++p) {
      const detail::token_range range = detail::range_of(a.segment[p], i);
      for (std::int64_t t = range.begin; t < range.end; ++t) a.visit(p, t);
    }
  }
  return {};
}

}  // namespace PREFER_ABI
}  // namespace prefer
