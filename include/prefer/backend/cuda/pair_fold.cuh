// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/launch.cuh>
#include <prefer/backend/pair_fold.hpp>

#include <cstddef>
#include <cstdint>

// pair_fold on CUDA (contract: backend/pair_fold.hpp): one launch that finds which rows count, one that folds. A block
// has 64 queries, which meet 64 points at a time; their coordinates pass through shared memory in pieces, and every
// thread keeps the sums of 4 times 4 pairs in registers. So each coordinate is read from memory once per 64 pairs.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline constexpr int pair_tile = 64, pair_piece = 16, pair_threads = 256, pair_side = 4;

// A warp per row.
template <class T>
static __global__ void __launch_bounds__(pair_threads)
    find_points_kernel(const row_source rows, const source number, const source mask, std::int64_t width,
                       std::int64_t n, std::uint8_t* counts) {
  const std::int64_t i = (static_cast<std::int64_t>(blockIdx.x) * pair_threads + threadIdx.x) / 32;
  if (i >= n) return;
  bool finite = selects(mask, i) && is_finite(read_item<T>(number, i));
  for (std::int64_t d = threadIdx.x % 32; finite && d < width; d += 32)
    finite = is_finite(load_element<T>(rows.data, rows.type, i * rows.row_stride + d * rows.stride));
  const bool all = __all_sync(0xffffffffu, finite);
  if (threadIdx.x % 32 == 0) counts[i] = all ? 1 : 0;
}

// Coordinates [first, first + pair_piece) of 64 rows, coordinate by coordinate; zeros beyond the ends.
template <class T>
__device__ void load_pair_tile(const row_source& rows, std::int64_t row, std::int64_t n, std::int64_t first,
                               std::int64_t width, T (&to)[pair_piece][pair_tile + 1]) {
  for (int e = static_cast<int>(threadIdx.x); e < pair_tile * pair_piece; e += pair_threads) {
    const int r = e / pair_piece, d = e % pair_piece;
    const bool there = row + r < n && first + d < width;
    to[d][r] =
        there ? load_element<T>(rows.data, rows.type, (row + r) * rows.row_stride + (first + d) * rows.stride) : T(0);
  }
}

// The best of 16 neighbouring threads, which have the same query.
template <class T, int Scores>
__device__ void best_of_threads(pair_best<T, Scores>& best) {
  for (int step = 8; step > 0; step /= 2) {
    for (int k = 0; k < Scores; ++k) {
      const T score = __shfl_xor_sync(0xffffffffu, best.score[k], step);
      const std::int64_t at = __shfl_xor_sync(0xffffffffu, static_cast<long long>(best.at[k]), step);
      const bool better = score > best.score[k] || (score == best.score[k] && at < best.at[k]);
      if (at >= 0 && (best.at[k] < 0 || better)) best.score[k] = score, best.at[k] = at;
    }
    best.events += __shfl_xor_sync(0xffffffffu, static_cast<long long>(best.events), step);
  }
}

template <class T, class Metric, class Fold>
struct pair_fold_block {
  static constexpr int scores = Fold::scores;
  const Metric& metric;
  const Fold& fold;
  const pair_fold_arguments& a;
  const row_source& query;
  std::int64_t first_query;
  int column, row;  // of this thread: points column + 16 b, queries row + q
  pair_best<T, scores> best[pair_side];

  __device__ void begin() {
    for (int q = 0; q < pair_side; ++q) {
      for (int k = 0; k < scores; ++k) best[q].score[k] = no_score<T>, best[q].at[k] = -1;
      best[q].events = 0;
    }
  }

  __device__ void meet(std::int64_t first_point, const std::uint8_t* counts, T (&mine)[pair_piece][pair_tile + 1],
                       T (&theirs)[pair_piece][pair_tile + 1]) {
    T sum[pair_side][pair_side] = {};
    for (std::int64_t first = 0; first < a.width; first += pair_piece) {
      __syncthreads();
      load_pair_tile(query, first_query, a.queries, first, a.width, mine);
      load_pair_tile(a.point, first_point, a.points, first, a.width, theirs);
      __syncthreads();
      const int count = static_cast<int>(a.width - first < pair_piece ? a.width - first : pair_piece);
      for (int d = 0; d < count; ++d)
#pragma unroll
        for (int q = 0; q < pair_side; ++q)
#pragma unroll
          for (int p = 0; p < pair_side; ++p)
            sum[q][p] = metric.step(sum[q][p], mine[d][row + q] - theirs[d][column + 16 * p], first + d);
    }
#pragma unroll
    for (int p = 0; p < pair_side; ++p) {
      const std::int64_t point = first_point + column + 16 * p;
      if (point >= a.points || counts[point] == 0) continue;
      const T other = read_item<T>(a.other, point);
#pragma unroll
      for (int q = 0; q < pair_side; ++q) take(q, point, other, sum[q][p]);
    }
  }

  __device__ void take(int q, std::int64_t point, T other, T sum) {
    const std::int64_t i = first_query + row + q;
    if (i >= a.queries || (a.among == pairs_among::others && point == i) ||
        (a.among == pairs_among::later && point <= i))
      return;
    T distance = metric.finish(sum);
    if constexpr (has_range<T, Metric>)
      if (!within_range<T, Metric>(sum))
        distance = static_cast<T>(distance_of(metric, query, i, a.point, point, a.width));
    T score[scores];
    bool event = false;
    fold(distance, read_item<T>(a.same() ? a.other : a.mine, i), other, score, event);
    for (int k = 0; k < scores; ++k)
      if (score[k] > best[q].score[k]) best[q].score[k] = score[k], best[q].at[k] = point;
    best[q].events += event ? 1 : 0;
  }

  __device__ void finish(const std::uint8_t* counts) {
    for (int q = 0; q < pair_side; ++q) {
      best_of_threads(best[q]);
      const std::int64_t i = first_query + row + q;
      if (column != 0 || i >= a.queries) continue;
      if (counts[i] == 0) {
        for (int k = 0; k < scores; ++k) best[q].at[k] = -1;
        best[q].events = 0;
      }
      fold.finish(i, best[q]);
    }
  }
};

template <class T, class Metric, class Fold>
static __global__ void __launch_bounds__(pair_threads)
    pair_fold_kernel(const Metric metric, const Fold fold, const pair_fold_arguments a, const std::uint8_t* points,
                     const std::uint8_t* queries) {
  __shared__ T mine[pair_piece][pair_tile + 1], theirs[pair_piece][pair_tile + 1];
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * pair_tile;
  const int thread = static_cast<int>(threadIdx.x);
  pair_fold_block<T, Metric, Fold> block{
      metric, fold, a, a.same() ? a.point : a.query, first, thread % 16, thread / 16 * pair_side, {}};
  block.begin();
  for (std::int64_t p = a.among == pairs_among::later ? first : 0; p < a.points; p += pair_tile)
    block.meet(p, points, mine, theirs);
  block.finish(queries);
}

template <class T>
void find_points(cudaStream_t stream, const row_source& rows, const source& number, const source& mask,
                 std::int64_t width, std::int64_t n, std::uint8_t* counts) {
  constexpr std::int64_t per_block = pair_threads / 32;
  if (n > 0)
    find_points_kernel<T><<<static_cast<unsigned>((n + per_block - 1) / per_block), pair_threads, 0, stream>>>(
        rows, number, mask, width, n, counts);
}

// One per row; and one more, since 0 bytes would be no memory.
inline std::size_t row_flags(const pair_fold_arguments& a) {
  return static_cast<std::size_t>(a.same() ? a.points : a.points + a.queries) + 1;
}

}  // namespace detail

// Bytes of workspace of a call on CUDA.
template <class T>
std::size_t pair_fold_workspace(const cuda&, const pair_fold_arguments& a) {
  return detail::lent_bytes(detail::row_flags(a));
}

template <class T, class Metric, class Fold>
status pair_fold(const cuda& exec, const Metric& metric, const Fold& fold, const pair_fold_arguments& a) {
  if (a.queries == 0) return {};
  return with_scratch(exec, detail::row_flags(a), [&](char* scratch, const cuda&) {
    cudaStream_t stream = exec.stream.stream;
    auto* const points = reinterpret_cast<std::uint8_t*>(scratch);
    std::uint8_t* const queries = a.same() ? points : points + a.points;
    detail::find_points<T>(stream, a.point, a.other, a.mask, a.width, a.points, points);
    if (!a.same()) detail::find_points<T>(stream, a.query, a.mine, {}, a.width, a.queries, queries);
    const auto blocks = static_cast<unsigned>((a.queries + detail::pair_tile - 1) / detail::pair_tile);
    detail::pair_fold_kernel<T, Metric, Fold>
        <<<blocks, detail::pair_threads, 0, stream>>>(metric, fold, a, points, queries);
    return detail::launch_status("pair_fold");
  });
}

}  // namespace PREFER_ABI
}  // namespace prefer
