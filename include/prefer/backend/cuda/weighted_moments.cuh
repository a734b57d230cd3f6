// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/group_map.cuh>
#include <prefer/backend/weighted_moments.hpp>

#include <cstdint>

// weighted_moments on CUDA (contract: backend/weighted_moments.hpp): a block per piece, whose threads take every 128th
// value each, and one block more.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

static __global__ void __launch_bounds__(group_threads) weighted_pieces_kernel(const weighted_moments_arguments a) {
  __shared__ double shared[group_threads][3];
  const std::int64_t piece = blockIdx.x, pieces = gridDim.x;
  const moments mine = weighted_piece(a, a.n * piece / pieces + threadIdx.x, a.n * (piece + 1) / pieces, group_threads);
  const moments all = block_merge(mine, shared);
  if (threadIdx.x == 0) a.parts[piece] = all;
}

static __global__ void __launch_bounds__(group_threads)
    weighted_merge_kernel(const weighted_moments_arguments a, const std::int64_t pieces) {
  __shared__ double shared[group_threads][3];
  moments mine;
  for (std::int64_t p = pieces * threadIdx.x / group_threads; p < pieces * (threadIdx.x + 1) / group_threads; ++p)
    mine = merge(mine, a.parts[p]);
  const moments all = block_merge(mine, shared);
  if (threadIdx.x == 0) a.out[0] = all.count, a.out[1] = all.mean, a.out[2] = all.squares;
}

}  // namespace detail

inline status weighted_moments(const cuda& exec, const weighted_moments_arguments& a) {
  const std::int64_t pieces = detail::weighted_pieces(a.n, 4096);
  const cudaStream_t stream = exec.stream.stream;
  if (pieces > 0)
    detail::weighted_pieces_kernel<<<static_cast<unsigned>(pieces), detail::group_threads, 0, stream>>>(a);
  detail::weighted_merge_kernel<<<1, detail::group_threads, 0, stream>>>(a, pieces);
  return detail::launch_status("weighted_moments");
}

}  // namespace PREFER_ABI
}  // namespace prefer
