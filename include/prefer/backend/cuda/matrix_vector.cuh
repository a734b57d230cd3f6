// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/map_reduce.cuh>
#include <prefer/backend/matrix_vector.hpp>

#include <cstdint>

// matrix_vector on CUDA (contract: backend/matrix_vector.hpp): a warp per row, then a thread per column and piece.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

template <class T, class S>
static __global__ void __launch_bounds__(cuda_threads) row_product_kernel(const matrix_vector_arguments<T> a) {
  if (a.done != nullptr && *a.done) return;
  const std::int64_t i = (static_cast<std::int64_t>(blockIdx.x) * cuda_threads + threadIdx.x) / 32;
  if (i >= a.rows) return;
  const S* const row = static_cast<const S*>(a.matrix.data) + i * a.matrix.row_stride;
  double sum = 0;
  for (std::int64_t from = threadIdx.x % 32; from < a.columns; from += product_tile) {
    const std::int64_t to = smaller(from + product_tile, a.columns);
    T part = 0;
#pragma unroll 4
    for (std::int64_t c = from; c < to; c += 32) part += static_cast<T>(widen(row[c * a.matrix.stride])) * a.right[c];
    sum += static_cast<double>(part);
  }
  for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, step);
  if (threadIdx.x % 32 == 0) a.product[i] = static_cast<T>(sum);
}

template <class T, class S>
static __global__ void __launch_bounds__(cuda_threads) column_product_kernel(const matrix_vector_arguments<T> a) {
  if (a.done != nullptr && *a.done) return;
  const std::int64_t j = static_cast<std::int64_t>(blockIdx.x) * cuda_threads + threadIdx.x;
  if (j >= a.columns) return;
  const std::int64_t piece = matrix_piece(a.rows), pieces = matrix_pieces(a.rows);
  const S* const column = static_cast<const S*>(a.matrix.data) + j * a.matrix.stride;
  const T scale = static_cast<T>(a.scale);
  for (std::int64_t p = blockIdx.y; p < pieces; p += gridDim.y) {
    T sum = 0;
#pragma unroll 4
    for (std::int64_t i = p * piece; i < smaller(p * piece + piece, a.rows); ++i)
      sum += static_cast<T>(widen(column[i * a.matrix.row_stride])) * (a.product[i] * scale);
    a.partial[p * a.columns + j] = sum;
  }
}

}  // namespace detail

template <class T>
status matrix_vector(const cuda& exec, const matrix_vector_arguments<T>& a) {
  if (a.rows == 0) return {};
  constexpr std::int64_t warps = detail::cuda_threads / 32;
  const auto by_rows = static_cast<unsigned>((a.rows + warps - 1) / warps);
  const dim3 by_columns(static_cast<unsigned>((a.columns + detail::cuda_threads - 1) / detail::cuda_threads),
                        static_cast<unsigned>(detail::smaller(detail::matrix_pieces(a.rows), 32768)));
  detail::with_numbers(const_cast<void*>(a.matrix.data), a.matrix.type, [&](auto* p) {
    using S = std::remove_pointer_t<decltype(p)>;
    if (a.right != nullptr)
      detail::row_product_kernel<T, S><<<by_rows, detail::cuda_threads, 0, exec.stream.stream>>>(a);
    if (a.partial != nullptr && a.columns > 0)
      detail::column_product_kernel<T, S><<<by_columns, detail::cuda_threads, 0, exec.stream.stream>>>(a);
  });
  return detail::launch_status("matrix_vector");
}

}  // namespace PREFER_ABI
}  // namespace prefer
