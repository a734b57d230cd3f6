// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/launch.cuh>
#include <prefer/backend/pair_fold.hpp>
#include <prefer/core/arena.hpp>

#include <cstddef>
#include <cstdint>

// pair_fold on CUDA (contract: backend/pair_fold.hpp): one launch that finds which rows count, one that folds. A block
// has 64 queries, which meet 64 points at a time; their coordinates pass through shared memory in pieces, and every
// thread keeps the sums of 4 times 4 pairs in registers. So each coordinate is read from memory once per 64 pairs.
// Few queries would leave a GPU idle: then their points are split into chunks, by the sizes alone, and one launch more
// takes the best of all chunks in their order.
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
  bool finite = selects(mask, i) && math::is_finite(read_item<T>(number, i));
  for (std::int64_t d = threadIdx.x % 32; finite && d < width; d += 32)
    finite = math::is_finite(load_element<T>(rows.data, rows.type, i * rows.row_stride + d * rows.stride));
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

// `of` holds points from elsewhere, whose scores win by value and then by the lowest point.
template <class T, int Scores>
PREFER_HD void merge_best(pair_best<T, Scores>& best, const pair_best<T, Scores>& of) {
  for (int k = 0; k < Scores; ++k) {
    const bool better = of.score[k] > best.score[k] || (of.score[k] == best.score[k] && of.at[k] < best.at[k]);
    if (of.at[k] >= 0 && (best.at[k] < 0 || better)) best.score[k] = of.score[k], best.at[k] = of.at[k];
  }
  best.events += of.events;
}

// The best of `Threads` neighbouring threads, which have the same query.
template <int Threads, class T, int Scores>
__device__ void best_of_threads(pair_best<T, Scores>& best) {
#pragma unroll
  for (int step = Threads / 2; step > 0; step /= 2) {
    pair_best<T, Scores> of;
    for (int k = 0; k < Scores; ++k) {
      of.score[k] = __shfl_xor_sync(0xffffffffu, best.score[k], step);
      of.at[k] = __shfl_xor_sync(0xffffffffu, static_cast<long long>(best.at[k]), step);
    }
    of.events = __shfl_xor_sync(0xffffffffu, static_cast<long long>(best.events), step);
    merge_best(best, of);
  }
}

template <class T, int Scores>
PREFER_HD void clear_best(pair_best<T, Scores>& best) {
  for (int k = 0; k < Scores; ++k) best.score[k] = no_score<T>, best.at[k] = -1;
  best.events = 0;
}

// 64 queries of a block meet points.
template <class T, class Metric>
struct pair_block {
  struct tiles {
    T mine[pair_piece][pair_tile + 1], theirs[pair_piece][pair_tile + 1];
  };
  const Metric& metric;
  const pair_fold_arguments& a;
  const row_source& query;
  std::int64_t first_query;
  int column, row;  // of this thread: points column + 16 b, queries row + q

  __device__ pair_block(const Metric& of, const pair_fold_arguments& arguments, std::int64_t first)
      : metric(of),
        a(arguments),
        query(arguments.same() ? arguments.point : arguments.query),
        first_query(first),
        column(static_cast<int>(threadIdx.x) % 16),
        row(static_cast<int>(threadIdx.x) / 16 * pair_side) {}

  // visit(q, p, point, distance) for the pairs of this thread that count: its query q, and its point p, which is
  // `point`.
  template <class Visit>
  __device__ void meet(std::int64_t first_point, const std::uint8_t* counts, tiles& shared, const Visit& visit) const {
    T sum[pair_side][pair_side] = {};
    for (std::int64_t first = 0; first < a.width; first += pair_piece) {
      __syncthreads();
      load_pair_tile(query, first_query, a.queries, first, a.width, shared.mine);
      load_pair_tile(a.point, first_point, a.points, first, a.width, shared.theirs);
      __syncthreads();
      const int count = static_cast<int>(a.width - first < pair_piece ? a.width - first : pair_piece);
      for (int d = 0; d < count; ++d)
#pragma unroll
        for (int q = 0; q < pair_side; ++q)
#pragma unroll
          for (int p = 0; p < pair_side; ++p)
            sum[q][p] = metric.step(sum[q][p], shared.mine[d][row + q] - shared.theirs[d][column + 16 * p], first + d);
    }
#pragma unroll
    for (int p = 0; p < pair_side; ++p) {
      const std::int64_t point = first_point + column + 16 * p;
      if (point >= a.points || counts[point] == 0) continue;
#pragma unroll
      for (int q = 0; q < pair_side; ++q) {
        const std::int64_t i = first_query + row + q;
        if (i >= a.queries || (a.among == pairs_among::others && point == i) ||
            (a.among == pairs_among::later && point <= i))
          continue;
        visit(q, p, point, distance(i, point, sum[q][p]));
      }
    }
  }

 private:
  __device__ T distance(std::int64_t i, std::int64_t point, T sum) const {
    if constexpr (has_range<T, Metric>)
      if (!within_range<T, Metric>(sum)) return static_cast<T>(distance_of(metric, query, i, a.point, point, a.width));
    return metric.finish(sum);
  }
};

// A chunk of points: tiles [first, last).
struct pair_chunks {
  std::int64_t tiles, chunks;

  PREFER_HD std::int64_t begin(std::int64_t chunk) const { return tiles * chunk / chunks * pair_tile; }
};
// Blocks for some 132 multiprocessors, and at least 4 tiles for each.
inline pair_chunks chunks_of(const pair_fold_arguments& a) {
  const std::int64_t blocks = (a.queries + pair_tile - 1) / pair_tile, tiles = (a.points + pair_tile - 1) / pair_tile;
  const std::int64_t wanted = blocks > 0 ? 264 / blocks : 1, most = tiles / 4;
  const std::int64_t chunks = wanted < most ? wanted : most;
  return {tiles, chunks > 1 ? chunks : 1};
}

// Of one query: what is not counted has no best.
template <class T, class Fold, int Scores>
__device__ void finish_query(const Fold& fold, std::int64_t i, bool counts, pair_best<T, Scores>& best) {
  if (!counts) clear_best(best);
  fold.finish(i, best);
}

// With `partial` a block keeps the best of its chunk there, [chunk, query].
template <class T, class Metric, class Fold>
static __global__ void __launch_bounds__(pair_threads)
    pair_fold_kernel(const Metric metric, const Fold fold, const pair_fold_arguments a, const pair_chunks chunks,
                     const std::uint8_t* points, const std::uint8_t* queries, pair_best<T, Fold::scores>* partial) {
  if (a.stop != nullptr && *a.stop != 0) return;
  constexpr int scores = Fold::scores;
  using block_type = pair_block<T, Metric>;
  __shared__ typename block_type::tiles shared;
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * pair_tile, chunk = blockIdx.y;
  const block_type block(metric, a, first);
  pair_best<T, scores> best[pair_side];
  T mine[pair_side];
  const source& number = a.same() ? a.other : a.mine;
#pragma unroll
  for (int q = 0; q < pair_side; ++q) {
    clear_best(best[q]);
    mine[q] = first + block.row + q < a.queries ? read_item<T>(number, first + block.row + q) : T(0);
  }
  const std::int64_t from = chunks.begin(chunk), last = chunk + 1 < chunks.chunks ? chunks.begin(chunk + 1) : a.points;
  for (std::int64_t p = a.among == pairs_among::later && from < first ? first : from; p < last; p += pair_tile)
    block.meet(p, points, shared, [&](int q, int, std::int64_t point, T distance) {
      T score[scores];
      bool event = false;
      fold(distance, mine[q], read_item<T>(a.other, point), score, event);
#pragma unroll
      for (int k = 0; k < scores; ++k)
        if (score[k] > best[q].score[k]) best[q].score[k] = score[k], best[q].at[k] = point;
      best[q].events += event ? 1 : 0;
    });
#pragma unroll
  for (int q = 0; q < pair_side; ++q) {
    best_of_threads<16>(best[q]);
    const std::int64_t i = first + block.row + q;
    if (block.column != 0 || i >= a.queries) continue;
    if (partial != nullptr)
      partial[chunk * a.queries + i] = best[q];
    else
      finish_query<T>(fold, i, queries[i] != 0, best[q]);
  }
}

template <class T, class Fold>
static __global__ void __launch_bounds__(pair_threads)
    combine_chunks_kernel(const Fold fold, const std::uint8_t* stop, std::int64_t n, std::int64_t chunks,
                          const std::uint8_t* queries, const pair_best<T, Fold::scores>* partial) {
  if (stop != nullptr && *stop != 0) return;
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * pair_threads + threadIdx.x;
  if (i >= n) return;
  pair_best<T, Fold::scores> best = partial[i];
  for (std::int64_t c = 1; c < chunks; ++c) merge_best(best, partial[c * n + i]);
  finish_query<T>(fold, i, queries[i] != 0, best);
}

template <class T>
void find_points(cudaStream_t stream, const row_source& rows, const source& number, const source& mask,
                 std::int64_t width, std::int64_t n, std::uint8_t* counts) {
  constexpr std::int64_t per_block = pair_threads / 32;
  if (n > 0)
    find_points_kernel<T><<<static_cast<unsigned>((n + per_block - 1) / per_block), pair_threads, 0, stream>>>(
        rows, number, mask, width, n, counts);
}

// What a call keeps: which rows count, and the best of every chunk.
template <class T, int Scores>
struct pair_scratch {
  std::uint8_t *points = nullptr, *queries = nullptr;
  pair_best<T, Scores>* partial = nullptr;

  void carve(arena& memory, const pair_fold_arguments& a, std::int64_t chunks) {
    points = memory.take<std::uint8_t>(a.points);
    queries = a.same() ? points : memory.take<std::uint8_t>(a.queries);
    if (chunks > 1) partial = memory.take<pair_best<T, Scores>>(chunks * a.queries);
  }
};

inline constexpr int most_scores = 2;  // of a fold, so that a workspace needs no fold

template <class T>
std::size_t pair_fold_bytes(const pair_fold_arguments& a) {
  arena memory;
  pair_scratch<T, most_scores>{}.carve(memory, a, chunks_of(a).chunks);
  return memory.bytes();
}

template <class T, int Scores>
void find_all_points(cudaStream_t stream, const pair_fold_arguments& a, const pair_scratch<T, Scores>& memory) {
  find_points<T>(stream, a.point, a.other, a.mask, a.width, a.points, memory.points);
  if (!a.same()) find_points<T>(stream, a.query, a.mine, {}, a.width, a.queries, memory.queries);
}

}  // namespace detail

// Bytes of workspace of a call on CUDA.
template <class T>
std::size_t pair_fold_workspace(const cuda&, const pair_fold_arguments& a) {
  return detail::lent_bytes(detail::pair_fold_bytes<T>(a));
}

template <class T, class Metric, class Fold>
status pair_fold(const cuda& exec, const Metric& metric, const Fold& fold, const pair_fold_arguments& a) {
  static_assert(Fold::scores <= detail::most_scores);
  if (a.queries == 0) return {};
  return with_scratch(exec, detail::pair_fold_bytes<T>(a), [&](char* scratch, const cuda&) {
    const cudaStream_t stream = exec.stream.stream;
    const detail::pair_chunks chunks = detail::chunks_of(a);
    detail::arena own(scratch);
    detail::pair_scratch<T, Fold::scores> memory;
    memory.carve(own, a, chunks.chunks);
    detail::find_all_points(stream, a, memory);
    const dim3 grid(static_cast<unsigned>((a.queries + detail::pair_tile - 1) / detail::pair_tile),
                    static_cast<unsigned>(chunks.chunks));
    detail::pair_fold_kernel<T, Metric, Fold><<<grid, detail::pair_threads, 0, stream>>>(
        metric, fold, a, chunks, memory.points, memory.queries, memory.partial);
    if (chunks.chunks > 1) {
      const auto blocks = static_cast<unsigned>((a.queries + detail::pair_threads - 1) / detail::pair_threads);
      detail::combine_chunks_kernel<T, Fold><<<blocks, detail::pair_threads, 0, stream>>>(
          fold, a.stop, a.queries, chunks.chunks, memory.queries, memory.partial);
    }
    return detail::launch_status("pair_fold");
  });
}

}  // namespace PREFER_ABI
}  // namespace prefer
