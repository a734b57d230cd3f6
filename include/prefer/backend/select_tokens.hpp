// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/item.hpp>
#include <prefer/backend/segmented_map_reduce.hpp>

#include <cstdint>

// The contract of the primitive `select_tokens`, one for all backends:
//
//   status select_tokens(exec, arguments)
//
// Which of M tokens count: those that lie in a segment of a selected item, are selected by the segment's mask and have
// a target other than `ignored`. For each token it writes whether it counts, its target if it counts in a segment that
// is read (else `ignored`), and 0 to the gradient.
//
// * Segments do not share tokens. Those with bad offsets are passed over on CUDA; on the CPU they were checked before.
// * Two launches on CUDA; no scratch memory.
namespace prefer {
inline namespace PREFER_ABI {

template <int Segments>
struct token_selection {
  std::int64_t items = 0, tokens = 0;
  source mask;  // of the items
  segment_source segment[Segments];
  bool read[Segments] = {};
  source target;
  std::int64_t ignored = 0;
  std::int64_t* targets = nullptr;
  std::uint8_t* counts = nullptr;
  double* gradient = nullptr;

  PREFER_HD void clear(std::int64_t token) const {
    targets[token] = ignored;
    counts[token] = 0;
    gradient[token] = 0;
  }
  PREFER_HD void visit(int p, std::int64_t token) const {
    const std::int64_t y = detail::load_index(target.data, target.type, token * target.stride);
    if (y == ignored || !detail::selects(segment[p].mask, token)) return;
    counts[token] = 1;
    if (read[p]) targets[token] = y;
  }
};

}  // namespace PREFER_ABI

template <class Exec, int Segments>
status select_tokens(const Exec&, const token_selection<Segments>&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}

}  // namespace prefer
