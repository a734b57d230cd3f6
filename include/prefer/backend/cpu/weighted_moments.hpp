// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/map_reduce.hpp>
#include <prefer/backend/weighted_moments.hpp>

#include <cstdint>

// weighted_moments on the CPU (contract: backend/weighted_moments.hpp).
namespace prefer {
inline namespace PREFER_ABI {

inline status weighted_moments(const cpu& exec, const weighted_moments_arguments& a) {
  const std::int64_t pieces = detail::weighted_pieces(a.n, 1024);
  detail::for_blocks(exec, pieces, a.n, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t p = first; p < last; ++p)
      a.parts[p] = detail::weighted_piece(a, a.n * p / pieces, a.n * (p + 1) / pieces, 1);
  });
  moments all;
  for (std::int64_t p = 0; p < pieces; ++p) all = merge(all, a.parts[p]);
  a.out[0] = all.count, a.out[1] = all.mean, a.out[2] = all.squares;
  return {};
}

}  // namespace PREFER_ABI
}  // namespace prefer
