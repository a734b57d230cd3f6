// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/execution.hpp>
#include <prefer/core/scalar.hpp>

#include <cstdint>

// The contract of the primitive `map_reduce`, one for all backends:
//
//   status map_reduce<T>(exec, body, arguments)
//
// For every item i in [0, n), selected by the mask or all, read the inputs at i, call the body once, write the outputs
// at i, and add up the body's sums; then write the totals. One pass: each input element is read once, each output
// element written once. T (float or double) is the type of the arithmetic. The body is a value:
//
//   struct body {
//     static constexpr int inputs, outputs, sums;
//     body ready(double normalizer) const;         // called once where the work runs
//     template <class V> PREFER_HD void operator()(const V (&in)[inputs], V (&out)[outputs], V (&sum)[sums]) const;
//   };
//
// * An input without data is the constant `neutral`. An output or total without data is not written.
// * An item that the mask does not select contributes nothing; its outputs are 0. What its inputs hold, NaN included,
//   is irrelevant: masks select, they never multiply.
// * The normaliser divides the totals that ask for it, and `ready` learns it. By default it is the number of selected
//   items, at least 1.
// * With `accumulate`, outputs and totals are added to instead of overwritten; unselected outputs stay as they are.
// * Sums are taken in T inside a fixed tile of items and in double across tiles, in an order that depends on n alone:
//   results are bitwise the same from run to run, for any number of threads and any grid.
// * An input with an index list is gathered: element index[i]. An index outside [0, bound) reads as NaN.
// * A body may also have `errc invalid(const T (&in)[inputs]) const`. On CUDA an item that it does not find ok,
//   or whose index is out of range, becomes NaN and is reported; on the CPU content was checked before.
// * A body may name what is usually asked for together, `static constexpr unsigned usual`: one bit for every sum, then
//   one for every output. The CPU has a loop for it that does not test what is asked for.
// * Nothing is allocated on the CPU. On CUDA scratch memory is the workspace's (map_reduce_workspace bytes), or taken
//   and returned in stream order; there is no synchronisation and one launch.
namespace prefer {

struct source {
  const void* data = nullptr;
  std::int64_t stride = 0;
  element type = element::none;
  float neutral = 0;
  const void* index = nullptr;
  std::int64_t index_stride = 0;
  element index_type = element::none;
  std::int64_t bound = 0;
};

struct sink {
  void* data = nullptr;
  std::int64_t stride = 0;
  element type = element::none;
  bool fresh = false;  // overwritten even when the call accumulates
};

struct total {
  void* data = nullptr;
  element type = element::none;
  bool divided = false;  // by the normaliser
};

template <int Inputs, int Outputs, int Sums>
struct map_reduce_arguments {
  std::int64_t n = 0;
  source in[Inputs];
  source mask;
  sink out[Outputs];
  total sum[Sums];
  prefer::normalizer normalizer;
  bool accumulate = false;
};

template <class Body>
using map_reduce_arguments_of = map_reduce_arguments<Body::inputs, Body::outputs, Body::sums>;

// Chosen by overload; this one says what is missing when a backend is not there.
template <class T, class Exec, class Body>
status map_reduce(const Exec&, const Body&, const map_reduce_arguments_of<Body>&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}

inline namespace PREFER_ABI {
namespace detail {

PREFER_HD constexpr std::int64_t smaller(std::int64_t a, std::int64_t b) { return a < b ? a : b; }

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
