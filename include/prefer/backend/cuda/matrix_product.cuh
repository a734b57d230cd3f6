// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/launch.cuh>
#include <prefer/backend/matrix_product.hpp>

#include <cstdint>

// matrix_product on CUDA (contract: backend/matrix_product.hpp): a block per 64 x 64 sums, 16 of them in the registers
// of a thread; both sides pass through shared memory.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline constexpr int product_tile_side = 64, product_tile_depth = 16, product_threads = 256, product_thread_side = 4;

// Rows [from, from + 16) of columns [first, first + 64) of a side; zeros beyond the ends.
template <class T, class Side>
__device__ void load_product_tile(const Side& side, std::int64_t from, std::int64_t inner, std::int64_t first,
                                  std::int64_t columns, T (&to)[product_tile_depth][product_tile_side + 1]) {
  for (int e = static_cast<int>(threadIdx.x); e < product_tile_depth * product_tile_side; e += product_threads) {
    const int k = e / product_tile_side, i = e % product_tile_side;
    to[k][i] = from + k < inner && first + i < columns ? side.at(from + k, first + i) : T(0);
  }
}

template <class T, class Left, class Right>
static __global__ void __launch_bounds__(product_threads)
    product_kernel(const Left left, const Right right, const matrix_product_shape<T> s) {
  __shared__ T a[product_tile_depth][product_tile_side + 1], b[product_tile_depth][product_tile_side + 1];
  if (s.symmetric && blockIdx.y < blockIdx.x) return;
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * product_tile_side;
  const std::int64_t column = static_cast<std::int64_t>(blockIdx.y) * product_tile_side;
  const int y = static_cast<int>(threadIdx.x) / 16, x = static_cast<int>(threadIdx.x) % 16;
  T sum[product_thread_side][product_thread_side] = {};
  for (std::int64_t from = 0; from < s.inner; from += product_tile_depth) {
    load_product_tile(left, from, s.inner, row, s.rows, a);
    load_product_tile(right, from, s.inner, column, s.columns, b);
    __syncthreads();
#pragma unroll 4
    for (int k = 0; k < product_tile_depth; ++k)
#pragma unroll
      for (int i = 0; i < product_thread_side; ++i)
#pragma unroll
        for (int j = 0; j < product_thread_side; ++j) sum[i][j] += a[k][y + 16 * i] * b[k][x + 16 * j];
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < product_thread_side; ++i)
#pragma unroll
    for (int j = 0; j < product_thread_side; ++j) {
      const std::int64_t r = row + y + 16 * i, c = column + x + 16 * j;
      if (r >= s.rows || c >= s.columns) continue;
      s.out[r * s.columns + c] = sum[i][j];
      if (s.symmetric && blockIdx.x != blockIdx.y) s.out[c * s.columns + r] = sum[i][j];
    }
}

}  // namespace detail

template <class Left, class Right, class T>
status matrix_product(const cuda& exec, const Left& left, const Right& right, const matrix_product_shape<T>& s) {
  if (s.rows == 0 || s.columns == 0) return {};
  constexpr std::int64_t side = detail::product_tile_side;
  const dim3 grid(static_cast<unsigned>((s.rows + side - 1) / side),
                  static_cast<unsigned>((s.columns + side - 1) / side));
  detail::product_kernel<T><<<grid, detail::product_threads, 0, exec.stream.stream>>>(left, right, s);
  return detail::launch_status("matrix_product");
}

}  // namespace PREFER_ABI
}  // namespace prefer
