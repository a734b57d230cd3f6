// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/map_reduce.cuh>
#include <prefer/shape/detail/matrix_norms.hpp>

// The CUDA half of shape/detail/matrix_norms.hpp: a warp per row, then a thread per column and piece.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

static __global__ void __launch_bounds__(cuda_threads) row_norm_kernel(const norm_sums s) {
  const std::int64_t i = (static_cast<std::int64_t>(blockIdx.x) * cuda_threads + threadIdx.x) / 32;
  if (i >= s.rows) return;
  double sum = 0, squares = 0;
  for (std::int64_t c = threadIdx.x % 32; c < s.columns; c += 32) {
    const double x = load_element<double>(s.matrix.data, s.matrix.type, i * s.matrix.row_stride + c * s.matrix.stride);
    s.add(x, sum, squares);
  }
  for (int step = 16; step > 0; step /= 2)
    sum += __shfl_xor_sync(0xffffffffu, sum, step), squares += __shfl_xor_sync(0xffffffffu, squares, step);
  if (threadIdx.x % 32 == 0) s.row_sum[i] = sum, s.row_squares[i] = squares;
}

static __global__ void __launch_bounds__(cuda_threads) column_norm_kernel(const norm_sums s) {
  const std::int64_t j = static_cast<std::int64_t>(blockIdx.x) * cuda_threads + threadIdx.x;
  if (j >= s.columns) return;
  const std::int64_t piece = matrix_piece(s.rows), pieces = matrix_pieces(s.rows);
  for (std::int64_t p = blockIdx.y; p < pieces; p += gridDim.y) {
    double sum = 0, product = 0;
    for (std::int64_t i = p * piece; i < smaller(p * piece + piece, s.rows); ++i) {
      const double x =
          load_element<double>(s.matrix.data, s.matrix.type, i * s.matrix.row_stride + j * s.matrix.stride);
      sum += s.of_column(x);
      if (s.products != nullptr)
        product += x * load_element<double>(s.other.data, s.other.type, i * s.other.row_stride + j * s.other.stride);
    }
    s.partial[p * s.columns + j] = sum;
    if (s.products != nullptr) s.products[p * s.columns + j] = product;
  }
}

inline status add_norms(const cuda& exec, const norm_sums& s) {
  if (s.rows == 0 || s.columns == 0) return {};
  constexpr std::int64_t warps = cuda_threads / 32;
  if (s.row_sum != nullptr)
    row_norm_kernel<<<static_cast<unsigned>((s.rows + warps - 1) / warps), cuda_threads, 0, exec.stream.stream>>>(s);
  const dim3 grid(static_cast<unsigned>((s.columns + cuda_threads - 1) / cuda_threads),
                  static_cast<unsigned>(smaller(matrix_pieces(s.rows), 32768)));
  column_norm_kernel<<<grid, cuda_threads, 0, exec.stream.stream>>>(s);
  return launch_status("matrix norms");
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
