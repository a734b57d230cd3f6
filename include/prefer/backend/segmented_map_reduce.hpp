// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/map_reduce.hpp>

#include <cmath>
#include <cstdint>

// The contract of the primitive `segmented_map_reduce`, one for all backends:
//
//   status segmented_map_reduce(exec, body, arguments)
//
// Like map_reduce (same body, same masks, normaliser, totals and determinism), but each item owns `Segments` runs of
// tokens [begin, end) in token arrays, and an input of the body may be
//   * a number of the item, as in map_reduce,
//   * the sum of a token array over the selected tokens of one of its segments, or
//   * the number of selected tokens of a segment;
// and an output may be written to every token of a segment instead of to the item. Tokens may have weights: a sum is
// then of weighted tokens, and what is written to a token is multiplied by its weight.
//
// * Each token input is read once and each token output written once, in one launch on CUDA. A segment longer than a
//   block of threads is walked by the block in steps; an empty one sums to 0.
// * A token that its segment's mask leaves out may hold anything, NaN included; its outputs are 0 (unchanged when
//   accumulating), as are those of the tokens of an item that the item mask leaves out. Tokens of no segment are
//   untouched.
// * Sums over tokens and the body are computed in double, in an order that depends on the segment's length alone.
// * Offsets that decrease, start below zero or pass the end are not followed: the item is NaN and reported (CUDA), or
//   found before anything is written (CPU).
namespace prefer {

enum class role : std::uint8_t { item, tokens, length };

// What an input or output of the body is, and of which segment.
struct token_role {
  prefer::role role = prefer::role::item;
  int segment = 0;
};

// The runs of one kind of segment: [begin[i], end[i]) within `tokens` tokens, and which of them count.
struct segment_source {
  const void* begin = nullptr;
  const void* end = nullptr;
  std::int64_t begin_stride = 0, end_stride = 0;
  element begin_type = element::none, end_type = element::none;
  source mask;
  source weight;
  std::int64_t tokens = 0;
};

// The segments between n + 1 offsets, one after the other.
template <class Offsets>
segment_source segments_of(const Offsets& offsets, std::int64_t tokens) {
  segment_source s;
  s.begin = offsets.data;
  s.end = static_cast<const char*>(offsets.data) + offsets.stride[0] * size_of(offsets.type);
  s.begin_stride = s.end_stride = offsets.stride[0];
  s.begin_type = s.end_type = offsets.type;
  s.tokens = tokens;
  return s;
}

// Weights by position, on top of a segment's own: discount^k for the k-th token (from 0), times `tail` from where the
// shortest segment of the item has ended.
struct position_weights {
  scalar discount = 1.0;
  scalar tail = 1.0;

  PREFER_HD constexpr bool trivial() const {
    return !discount.is_pointer && discount.value64 == 1 && !tail.is_pointer && tail.value64 == 1;
  }
  PREFER_HD double at(std::int64_t position, std::int64_t shortest) const {
    const double power = ::pow(discount.as<double>(), static_cast<double>(position));
    return position < shortest ? power : power * tail.as<double>();
  }
};

// The part of a kind that has two segments per item: f(names, offsets, ends, mask, weight) of each.
struct two_segments {
  static constexpr int segments = 2;
  template <class X, class F>
  static void each_segment(X& x, F f) {
    static constexpr const char* chosen[] = {"chosen_offsets", "chosen_ends", "chosen_mask", "chosen_weight"};
    static constexpr const char* rejected[] = {"rejected_offsets", "rejected_ends", "rejected_mask", "rejected_weight"};
    f(chosen, x.chosen_offsets, x.chosen_ends, x.chosen_mask, x.chosen_weight);
    f(rejected, x.rejected_offsets, x.rejected_ends, x.rejected_mask, x.rejected_weight);
  }
};

template <int Inputs, int Outputs, int Sums, int Segments>
struct segmented_arguments {
  map_reduce_arguments<Inputs, Outputs, Sums> items;
  segment_source segment[Segments];
  position_weights weights;
};

// A body for segments adds its shape to that of map_reduce:
//   static constexpr int segments;
//   static constexpr token_role input_role(int input), output_role(int output);
template <class Body>
using segmented_arguments_of = segmented_arguments<Body::inputs, Body::outputs, Body::sums, Body::segments>;

template <class Exec, class Body>
status segmented_map_reduce(const Exec&, const Body&, const segmented_arguments_of<Body>&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}

}  // namespace prefer
