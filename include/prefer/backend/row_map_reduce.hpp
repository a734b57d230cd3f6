// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/item.hpp>
#include <prefer/backend/place_of.hpp>

#include <cstdint>
#include <type_traits>

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
// Such a score may also have, each where it needs it:
//
//     void begin(std::int64_t item, T (&f)[factors]) const;     // the item's factors, instead of arrays of them
//     bool reduces() const;                                     // false: the score is saved; the sums are 0
//     double finish(std::int64_t item, sum, keep) const;        // which learns the item
//     static constexpr int answers;                             // keep[0, answers) are inputs of the body as well,
//                                                               // behind the scores
//
// * With an index the row of item i is index[i]; indices ascend strictly. Of an item whose index is out of range or
//   does not ascend no row is touched and the outputs are NaN; on CUDA it is reported.
// * Each row is read once for its score and once more, while it is still in a cache, for the gradient, in one launch on
//   CUDA; only gradients that are given are written. An absent array holds zeros.
// * Rows of items that the mask leaves out are not read; their gradients are 0, unchanged when accumulating.
// * Terms are computed in T, summed in T inside a tile of a row and in double beyond; the body runs in double.
namespace prefer {

template <class Score, class Body, int Sides>
struct row_arguments {
  map_reduce_arguments_of<Body> items;
  row_source row[Sides][Score::arrays];
  row_sink gradient[Sides][Score::gradients];
  source factor[Score::factors];
  source index;
  std::int64_t rows = 0;  // with an index
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

// The row of an item: itself, what the index says, or -1 if that is wrong.
PREFER_HD std::int64_t listed_row(const source& index, std::int64_t rows, std::int64_t item) {
  if (index.data == nullptr) return item;
  const auto at = [&](std::int64_t i) PREFER_HD_LAMBDA { return load_index(index.data, index.type, i * index.stride); };
  const std::int64_t row = at(item);
  return row < 0 || row >= rows || (item > 0 && row <= at(item - 1)) ? -1 : row;
}

// Whether a score finds sums over its rows in this call.
template <class Score>
PREFER_HD bool has_sums(const Score& score) {
  if constexpr (requires { score.reduces(); })
    return score.reduces();
  else
    return true;
}

template <class Score>
inline constexpr int answers_of = 0;
template <class Score>
requires requires { Score::answers; }
inline constexpr int answers_of<Score> = Score::answers;

template <class T, class Score, int Factors>
PREFER_HD void read_factors(const Score& score, const source (&from)[Factors], std::int64_t item, T (&f)[Factors]) {
  if constexpr (requires { score.begin(item, f); })
    score.begin(item, f);
  else
    for (int k = 0; k < Factors; ++k) f[k] = read_item<T>(from[k], item);
}

// Both forms of a score as the general one.
template <class Score>
struct row_sums {
  static constexpr int sums = 1, kept = 1;

  template <class V, int A, int F>
  static PREFER_HD void terms(const Score& score, const V (&x)[A], const V (&f)[F], V (&t)[1]) {
    t[0] = score.term(x, f);
  }
  static PREFER_HD double finish(const Score&, std::int64_t, const double (&sum)[1], double (&)[1]) { return sum[0]; }
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
  static PREFER_HD double finish(const Score& score, std::int64_t item, const double (&sum)[sums],
                                 double (&keep)[kept]) {
    if constexpr (requires { score.finish(item, sum, keep); })
      return score.finish(item, sum, keep);
    else
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
