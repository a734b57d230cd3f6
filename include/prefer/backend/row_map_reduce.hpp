// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/map_reduce.hpp>

#include <cstdint>

// The contract of the primitive `row_map_reduce`, one for all backends:
//
//   status row_map_reduce<T>(exec, score, body, arguments)
//
// Like map_reduce (same body, masks, normaliser, totals and determinism), but the first inputs of the body are scores
// of rows: each item owns one row of D elements per side in each of the score's arrays, and the score of a side is
//
//   scale * sum over elements of score.term(x, f)      x: the arrays' elements, f: the item's factors
//
// Input `side` of the body is that score, input `sides + side` (its reference) is 0. Output `side` of the body, the
// derivative by the score, goes back to the rows: gradient array g of the side receives scale * output * slope[g].
//
//   struct score {
//     static constexpr int arrays, gradients, factors;
//     template <class V> PREFER_HD V term(const V (&x)[arrays], const V (&f)[factors]) const;
//     template <class V> PREFER_HD void slopes(const V (&x)[arrays], const V (&f)[factors], V (&slope)[gradients])
//     const;
//   };
//
// * Each row is read once for its score and once more, while it is still in a cache, for the gradient, in one launch on
//   CUDA; only gradients that are given are written. An absent array holds zeros.
// * Rows of items that the mask leaves out are not read; their gradients are 0, unchanged when accumulating.
// * Terms are computed in T, summed in T inside a tile of a row and in double beyond; the body runs in double.
namespace prefer {

struct row_source {
  const void* data = nullptr;
  std::int64_t row_stride = 0, stride = 0;
  element type = element::none;
};
struct row_sink {
  void* data = nullptr;
  std::int64_t row_stride = 0, stride = 0;
  element type = element::none;
};

template <class Score, class Body, int Sides>
struct row_arguments {
  map_reduce_arguments_of<Body> items;
  row_source row[Sides][Score::arrays];
  row_sink gradient[Sides][Score::gradients];
  source factor[Score::factors];
  std::int64_t elements = 0;
  double scale = 1;

  PREFER_HD bool wants_gradient(int side) const {
    bool wanted = false;
    for (const row_sink& r : gradient[side]) wanted = wanted || r.data != nullptr;
    return wanted;
  }
};

template <class T, class Exec, class Score, class Body, int Sides>
status row_map_reduce(const Exec&, const Score&, const Body&, const row_arguments<Score, Body, Sides>&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}

}  // namespace prefer
