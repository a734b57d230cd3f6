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
// Input `side` of the body is that score; the inputs from there to `computed` (a pair's references) are 0. Output
// `side` of the body, the derivative by the score, goes back to the rows: gradient array g of the side receives
// scale * output * slope[g].
//
//   struct score {
//     static constexpr int arrays, gradients, factors;
//     template <class V> PREFER_HD V term(const V (&x)[arrays], const V (&f)[factors]) const;
//     template <class V> PREFER_HD void slopes(const V (&x)[arrays], const V (&f)[factors], V (&slope)[gradients])
//     const;
//   };
//
// A score may also be a function of several sums over a row (a cosine is one of three). Then there are, instead of
// `term`, the terms of all sums, the function, and numbers `kept` from it that the slopes get as a further argument;
// scale is 1:
//
//     static constexpr int sums, kept;
//     template <class V> PREFER_HD void terms(const V (&x)[arrays], const V (&f)[factors], V (&t)[sums]) const;
//     PREFER_HD double finish(const double (&sum)[sums], double (&keep)[kept]) const;
//     ... slopes(const V (&x)[arrays], const V (&f)[factors], const V (&keep)[kept], V (&slope)[gradients]) const;
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
  int computed = 2 * Sides;  // inputs of the body that are scores or 0

  PREFER_HD bool wants_gradient(int side) const {
    bool wanted = false;
    for (const row_sink& r : gradient[side]) wanted = wanted || r.data != nullptr;
    return wanted;
  }
};

inline namespace PREFER_ABI {
namespace detail {

// Both forms of a score as the general one.
template <class Score>
struct row_sums {
  static constexpr int sums = 1, kept = 1;

  template <class V, int A, int F>
  static PREFER_HD void terms(const Score& score, const V (&x)[A], const V (&f)[F], V (&t)[1]) {
    t[0] = score.term(x, f);
  }
  static PREFER_HD double finish(const Score&, const double (&sum)[1], double (&)[1]) { return sum[0]; }
  template <class V, int A, int F, int G>
  static PREFER_HD void slopes(const Score& score, const V (&x)[A], const V (&f)[F], const V (&)[1], V (&slope)[G]) {
    score.slopes(x, f, slope);
  }
};
template <class Score>
requires requires { Score::sums; }
struct row_sums<Score> {
  static constexpr int sums = Score::sums, kept = Score::kept;

  template <class V, int A, int F>
  static PREFER_HD void terms(const Score& score, const V (&x)[A], const V (&f)[F], V (&t)[sums]) {
    score.terms(x, f, t);
  }
  static PREFER_HD double finish(const Score& score, const double (&sum)[sums], double (&keep)[kept]) {
    return score.finish(sum, keep);
  }
  template <class V, int A, int F, int G>
  static PREFER_HD void slopes(const Score& score, const V (&x)[A], const V (&f)[F], const V (&keep)[kept],
                               V (&slope)[G]) {
    score.slopes(x, f, keep, slope);
  }
};

}  // namespace detail
}  // namespace PREFER_ABI

template <class T, class Exec, class Score, class Body, int Sides>
status row_map_reduce(const Exec&, const Score&, const Body&, const row_arguments<Score, Body, Sides>&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}

}  // namespace prefer
