// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/map_reduce.cuh>
#include <prefer/backend/cuda/pair_fold.cuh>
#include <prefer/backend/nearest.hpp>

#include <cstddef>
#include <cstdint>

// nearest and listed_fold on CUDA (contracts: backend/nearest.hpp). Nearest points go through the tiles of pair_fold;
// the distances of a tile then lie in shared memory, where a warp per query looks for those that are less than the
// worst of its list, and puts them into it one after the other, all threads moving what is behind. Listed points: a
// warp per query, a thread per point.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// Puts a point behind those of the list that are as near. By a warp.
template <class T>
__device__ void insert_nearest(T* distance, std::int64_t* point, std::int64_t k, T found, std::int64_t at) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  for (std::int64_t end = k; end > 0; end -= 32) {  // from the back: places end - 32 to end - 1
    const std::int64_t place = end - 32 + lane;
    const bool here = place >= 0;
    const bool moves = here && found < distance[place];
    const bool before = here && place > 0 && found < distance[place - 1];
    const T from = before ? distance[place - 1] : found;
    const std::int64_t of = before ? point[place - 1] : at;
    __syncwarp();
    if (moves) distance[place] = from, point[place] = of;
    __syncwarp();
    if (!__any_sync(0xffffffffu, before)) break;
  }
}

template <class T, class Metric>
static __global__ void __launch_bounds__(pair_threads)
    nearest_kernel(const Metric metric, const nearest_lists<T> lists, const pair_fold_arguments a,
                   const std::uint8_t* points, const std::uint8_t* queries) {
  using block_type = pair_block<T, Metric>;
  constexpr int warps = pair_threads / 32, per_warp = pair_tile / warps;
  __shared__ union memory {
    typename block_type::tiles tiles;
    T distance[pair_tile][pair_tile];
  } shared;
  const T infinite = math::detail::infinity<T>();
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * pair_tile;
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  const auto each_query = [&](auto f) {
    for (int q = warp * per_warp; q < (warp + 1) * per_warp && first + q < a.queries; ++q)
      f(q, lists.distance + (first + q) * lists.k, lists.point + (first + q) * lists.k);
  };
  const auto clear = [&](T* distance, std::int64_t* point) {
    for (std::int64_t e = lane; e < lists.k; e += 32) distance[e] = infinite, point[e] = -1;
    __syncwarp();
  };
  each_query([&](int, T* distance, std::int64_t* point) { clear(distance, point); });
  const block_type block(metric, a, first);
  for (std::int64_t p = 0; p < a.points; p += pair_tile) {
    T mine[pair_side][pair_side];
    for (auto& of : mine)
      for (T& x : of) x = infinite;
    block.meet(p, points, shared.tiles, [&](int q, int b, std::int64_t, T distance) { mine[q][b] = distance; });
    __syncthreads();
#pragma unroll
    for (int q = 0; q < pair_side; ++q)
#pragma unroll
      for (int b = 0; b < pair_side; ++b) shared.distance[block.row + q][block.column + 16 * b] = mine[q][b];
    __syncthreads();
    each_query([&](int q, T* distance, std::int64_t* point) {
      for (int half = 0; half < pair_tile; half += 32) {
        const T found = shared.distance[q][half + lane];
        unsigned nearer = __ballot_sync(0xffffffffu, found < distance[lists.k - 1]);
        for (; nearer != 0; nearer &= nearer - 1) {
          const int from = __ffs(static_cast<int>(nearer)) - 1;
          insert_nearest(distance, point, lists.k, __shfl_sync(0xffffffffu, found, from), p + half + from);
        }
      }
    });
  }
  each_query([&](int q, T* distance, std::int64_t* point) {
    if (queries[first + q] == 0) clear(distance, point);
  });
}

// A warp per query.
template <class T, class Metric, class Fold>
struct listed_warp {
  const Metric& metric;
  const pair_fold_arguments& a;
  const row_source& query;
  std::int64_t i;

  __device__ T at(const row_source& r, std::int64_t row, std::int64_t d) const {
    return load_element<T>(r.data, r.type, row * r.row_stride + d * r.stride);
  }
  __device__ bool counts() const {
    const source& number = a.same() ? a.other : a.mine;
    bool finite = (!a.same() || selects(a.mask, i)) && math::is_finite(read_item<T>(number, i));
    for (std::int64_t d = threadIdx.x % 32; finite && d < a.width; d += 32) finite = math::is_finite(at(query, i, d));
    return __all_sync(0xffffffffu, finite);
  }
  __device__ void meet(const Fold& fold, std::int64_t point, pair_best<T, Fold::scores>& best) const {
    const T other = read_item<T>(a.other, point);
    bool finite = selects(a.mask, point) && math::is_finite(other);
    T sum = 0;
    for (std::int64_t d = 0; finite && d < a.width; ++d) {
      const T x = at(a.point, point, d);
      finite = math::is_finite(x);
      sum = metric.step(sum, at(query, i, d) - x, d);
    }
    if (!finite) return;
    T distance = metric.finish(sum);
    if constexpr (has_range<T, Metric>)
      if (!within_range<T, Metric>(sum))
        distance = static_cast<T>(distance_of(metric, query, i, a.point, point, a.width));
    T score[Fold::scores];
    bool event = false;
    fold(distance, read_item<T>(a.same() ? a.other : a.mine, i), other, score, event);
    take_listed(best, score, event, point);
  }
};

template <class T, class Metric, class Fold>
static __global__ void __launch_bounds__(pair_threads)
    listed_fold_kernel(const Metric metric, const Fold fold, const listed_points list, const pair_fold_arguments a,
                       content_report* report) {
  const std::int64_t i = (static_cast<std::int64_t>(blockIdx.x) * pair_threads + threadIdx.x) / 32;
  if (i >= a.queries) return;
  const listed_warp<T, Metric, Fold> warp{metric, a, a.same() ? a.point : a.query, i};
  pair_best<T, Fold::scores> best;
  clear_best(best);
  const bool counts = warp.counts();
  for (std::int64_t e = threadIdx.x % 32; e < list.k; e += 32) {
    const std::int64_t point = list.at(i, e);
    if (point >= a.points) report_content(report, errc::bad_index, i);
    if (counts && is_listed(a, i, point)) warp.meet(fold, point, best);
  }
  __syncwarp();
  best_of_threads<32>(best);
  if (threadIdx.x % 32 == 0) fold.finish(i, best);
}

}  // namespace detail

template <class T, class Metric>
status nearest(const cuda& exec, const Metric& metric, const nearest_lists<T>& lists, const pair_fold_arguments& a) {
  if (a.queries == 0) return {};
  return with_scratch(exec, detail::pair_fold_bytes<T>(a), [&](char* scratch, const cuda&) {
    const cudaStream_t stream = exec.stream.stream;
    detail::arena own(scratch);
    detail::pair_scratch<T, 1> memory;
    memory.carve(own, a, 1);
    detail::find_all_points(stream, a, memory);
    const auto blocks = static_cast<unsigned>((a.queries + detail::pair_tile - 1) / detail::pair_tile);
    detail::nearest_kernel<T, Metric>
        <<<blocks, detail::pair_threads, 0, stream>>>(metric, lists, a, memory.points, memory.queries);
    return detail::launch_status("nearest");
  });
}

template <class T, class Metric, class Fold>
status listed_fold(const cuda& exec, const Metric& metric, const Fold& fold, const listed_points& list,
                   const pair_fold_arguments& a) {
  if (a.queries == 0) return {};
  constexpr std::int64_t per_block = detail::pair_threads / 32;
  const auto blocks = static_cast<unsigned>((a.queries + per_block - 1) / per_block);
  detail::listed_fold_kernel<T, Metric, Fold>
      <<<blocks, detail::pair_threads, 0, exec.stream.stream>>>(metric, fold, list, a, exec.report);
  return detail::launch_status("listed_fold");
}

}  // namespace PREFER_ABI
}  // namespace prefer
