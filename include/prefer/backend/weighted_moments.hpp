// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/item.hpp>
#include <prefer/core/moments.hpp>

#include <cstdint>

// The contract of the primitive `weighted_moments`, one for all backends:
//
//   status weighted_moments(exec, arguments)
//
// The moments of the values that are kept, each counted as often as its weight says (which need not be whole, and not
// be given: once): the count is the sum of the weights. In two passes around the first value within a piece, pieces
// merged in an order that n alone decides. Values that are all equal have squares of exactly 0. Nothing is allocated.
namespace prefer {
inline namespace PREFER_ABI {

inline constexpr std::int64_t weighted_moments_parts = 1024;

struct weighted_moments_arguments {
  std::int64_t n = 0;
  const double* value = nullptr;
  source weight;                       // 0 and above
  const std::uint8_t* keep = nullptr;  // zero leaves the value out
  double* out = nullptr;               // count, mean, squares
  moments* parts = nullptr;            // memory: [weighted_moments_parts]
};

namespace detail {

// How many pieces there are, and where piece p begins.
PREFER_HD std::int64_t weighted_pieces(std::int64_t n, std::int64_t piece) {
  const std::int64_t pieces = (n + piece - 1) / piece;
  return pieces < weighted_moments_parts ? pieces : weighted_moments_parts;
}

// The moments of values number begin, begin + step, ... below end.
PREFER_HD moments weighted_piece(const weighted_moments_arguments& a, std::int64_t begin, std::int64_t end,
                                 std::int64_t step) {
  double pivot = 0, weights = 0, sum = 0, squares = 0;
  for (std::int64_t i = begin; i < end; i += step) {
    const double w = a.keep[i] != 0 ? read_item<double>(a.weight, i) : 0;
    if (w == 0) continue;
    if (weights == 0) pivot = a.value[i];
    weights += w, sum += w * (a.value[i] - pivot);
  }
  if (weights == 0) return {};
  const double apart = sum / weights;
  for (std::int64_t i = begin; i < end; i += step) {
    const double w = a.keep[i] != 0 ? read_item<double>(a.weight, i) : 0;
    const double d = w == 0 ? 0 : (a.value[i] - pivot) - apart;
    squares += w * d * d;
  }
  return {weights, pivot + apart, squares};
}

}  // namespace detail
}  // namespace PREFER_ABI

template <class Exec>
status weighted_moments(const Exec&, const weighted_moments_arguments&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}

}  // namespace prefer
