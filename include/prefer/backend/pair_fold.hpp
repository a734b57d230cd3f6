// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/item.hpp>
#include <prefer/backend/row_map_reduce.hpp>
#include <prefer/core/math.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

// The contract of the primitive `pair_fold`, one for all backends:
//
//   status pair_fold<T>(exec, metric, fold, arguments)
//
// For every query row q (of M) the best of all points p (of N) under each of the fold's scores, which are functions of
// the distance of the rows by a metric of shape/metric.hpp and of one number of each:
//
//   struct fold {
//     static constexpr int scores;
//     // Larger is better; NaN, -inf and the lowest number are never taken. `event` are the pairs to count.
//     template <class V, class Mask>
//     PREFER_HD void operator()(const V& distance, const V& mine, const V& other, V (&score)[scores], Mask& event)
//     const;
//     // Called once per query: the best scores, the points they are of (-1 for none), and how many events.
//     PREFER_HD void finish(std::int64_t query, const pair_best<T, scores>& best) const;
//   };
//
// * T, float or double, is the type of the arithmetic. Distances are sums of differences in the order of coordinates,
//   so that those of near duplicates are as good as those of others, and d(x, y) = d(y, x) bit for bit. Sums outside of
//   the metric's range are taken once more in double.
// * Of equal scores the lowest point is taken: nothing depends on threads, grids or tiles.
// * With `among` the queries are the points (`query` and `mine` are not looked at): `all` pairs a row with itself too,
//   `others` does not, `later` pairs it with later rows only, at half the cost.
// * Rows that the mask leaves out, and rows with a number that is not finite, are no one's point; a query that is
//   one has no best.
// * Each pair costs two vector operations per coordinate (for l2) and lane. Memory: the rows once more in T
//   (pair_fold_workspace), from the workspace or in one allocation; on CUDA a byte per row.
namespace prefer {

enum class pairs_among : std::uint8_t { query_and_point, all, others, later };

struct pair_fold_arguments {
  row_source point, query;
  source other, mine;  // one number per point and per query; 0 if not given
  source mask;         // of points
  std::int64_t points = 0, queries = 0, width = 0;
  pairs_among among = pairs_among::query_and_point;
  const std::uint8_t* stop = nullptr;  // on CUDA: a byte of the device; unless it is 0 nothing is folded

  PREFER_HD bool same() const { return among != pairs_among::query_and_point; }
};

inline namespace PREFER_ABI {

template <class T, int Scores>
struct pair_best {
  T score[Scores];
  std::int64_t at[Scores];
  std::int64_t events;
};

namespace detail {

template <class T>
inline constexpr T no_score = std::numeric_limits<T>::lowest();

template <class T, class Metric, class V>
PREFER_HD auto within_range(const V& sum) {
  return (V(static_cast<T>(Metric::least)) <= sum) & (sum <= V(static_cast<T>(Metric::most)));
}

template <class T, class Metric>
inline constexpr bool has_range = false;
template <class Metric>
requires requires { Metric::least; }
inline constexpr bool has_range<float, Metric> = true;

// Whether a row and its number are finite and selected.
template <class T>
PREFER_HD bool is_point(const row_source& rows, const source& number, const source& mask, std::int64_t width,
                        std::int64_t i) {
  if (!selects(mask, i) || !math::is_finite(read_item<T>(number, i))) return false;
  for (std::int64_t d = 0; d < width; ++d)
    if (!math::is_finite(load_element<T>(rows.data, rows.type, i * rows.row_stride + d * rows.stride))) return false;
  return true;
}

// The distance of two rows, from their elements, in double.
template <class Metric>
PREFER_HD double distance_of(const Metric& metric, const row_source& a, std::int64_t i, const row_source& b,
                             std::int64_t j, std::int64_t width) {
  const auto at = [](const row_source& r, std::int64_t row, std::int64_t d) PREFER_HD_LAMBDA {
    return load_element<double>(r.data, r.type, row * r.row_stride + d * r.stride);
  };
  double sum = 0;
  for (std::int64_t d = 0; d < width; ++d) sum = metric.step(sum, at(a, i, d) - at(b, j, d), d);
  return metric.finish(sum);
}

}  // namespace detail
}  // namespace PREFER_ABI

template <class T, class Exec, class Metric, class Fold>
status pair_fold(const Exec&, const Metric&, const Fold&, const pair_fold_arguments&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}

}  // namespace prefer
