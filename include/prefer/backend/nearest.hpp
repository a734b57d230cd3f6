// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/pair_fold.hpp>

#include <cstddef>
#include <cstdint>

// The contracts of two primitives on lists of points, one for all backends, with the arguments of pair_fold.
//
//   status nearest<T>(exec, metric, lists, arguments)
//
// For every query its `k` nearest points, in the caller's memory, nearest first, of equal distances the lowest point
// first; {infinity, -1} where there are fewer, and everywhere for a query that is no point. `among` is not `later`.
// Exact: all pairs, at the cost of pair_fold, and an insertion for each point that is among the k nearest so far. A
// distance that is infinite in T is no one's neighbour. The workspace is pair_fold's.
//
//   status listed_fold<T>(exec, metric, fold, list, arguments)
//
// pair_fold over some pairs: query q meets the points list[q, 0] to list[q, k - 1] (`fold` and ties as there, whatever
// the order of the list; `among` is query_and_point or others). Entries below 0 are empty; those that name no row are
// skipped (and reported, on CUDA). Cost: M k rows, read from where they are; no memory.
namespace prefer {
inline namespace PREFER_ABI {

template <class T>
struct nearest_lists {
  std::int64_t k = 0;
  T* distance = nullptr;          // [M, k]
  std::int64_t* point = nullptr;  // [M, k]
};

struct listed_points {
  row_source index;
  std::int64_t k = 0;

  PREFER_HD std::int64_t at(std::int64_t query, std::int64_t entry) const {
    return detail::load_index(index.data, index.type, query * index.row_stride + entry * index.stride);
  }
};

namespace detail {

// Whether a query meets the row that its list names.
PREFER_HD bool is_listed(const pair_fold_arguments& a, std::int64_t query, std::int64_t point) {
  return point >= 0 && point < a.points && !(a.among == pairs_among::others && point == query);
}

template <class T, int Scores>
PREFER_HD void take_listed(pair_best<T, Scores>& best, const T (&score)[Scores], bool event, std::int64_t point) {
  for (int k = 0; k < Scores; ++k) {
    if (!(score[k] > no_score<T>) || score[k] < best.score[k]) continue;
    if (score[k] == best.score[k] && best.at[k] >= 0 && best.at[k] < point) continue;
    best.score[k] = score[k], best.at[k] = point;
  }
  best.events += event ? 1 : 0;
}

}  // namespace detail
}  // namespace PREFER_ABI

template <class T, class Exec, class Metric>
status nearest(const Exec&, const Metric&, const nearest_lists<T>&, const pair_fold_arguments&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}
template <class T, class Exec, class Metric, class Fold>
status listed_fold(const Exec&, const Metric&, const Fold&, const listed_points&, const pair_fold_arguments&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}

}  // namespace prefer
