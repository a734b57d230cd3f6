// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/map_reduce.hpp>
#include <prefer/backend/row_map_reduce.hpp>

#include <cstddef>
#include <cstdint>

// The contract of the primitive `matrix_vector`, one for all backends:
//
//   status matrix_vector(exec, matrix_vector_arguments<T>)
//
// For a matrix W of m rows and n columns, either of
//
//   product[i] = sum_j W_ij right[j]                                      if right is given
//   partial[p, j] = sum over rows i of piece p of W_ij scale product[i]   if partial is given
//
// or both one after the other, for which the CPU reads W once: that is a step of power iteration. Pieces are
// matrix_piece(m) rows each; the sum of the partials over pieces, in double and in their order, is the second product
// (add_pieces). Without `right`, `product` is read.
//
// * T (float or double) is the type of vectors and arithmetic. Sums over columns are taken in T inside a fixed tile and
//   in double across tiles, sums over rows in T inside a piece: the same bits for any number of threads and any grid.
// * W has any storage type and strides; fast where its rows are contiguous, and of type T, or 16-bit for T = float.
// * Nothing is allocated. On CUDA one launch per product; none does anything if *done is true.
namespace prefer {

template <class T>
struct matrix_vector_arguments {
  std::int64_t rows = 0, columns = 0;
  row_source matrix;
  const T* right = nullptr;
  T* product = nullptr;
  T* partial = nullptr;
  double scale = 1;
  const bool* done = nullptr;  // CUDA only
};

inline namespace PREFER_ABI {
namespace detail {

inline constexpr std::int64_t product_tile = 1024;  // columns whose sum is of type T

// Rows of a piece, by the number of rows alone: some sixteen pieces or more for the threads, a short sum in T each.
PREFER_HD std::int64_t matrix_piece(std::int64_t rows) {
  const std::int64_t wanted = ((rows + 15) / 16 + 7) / 8 * 8;
  return wanted < 8 ? 8 : wanted > 128 ? 128 : wanted;
}
PREFER_HD std::int64_t matrix_pieces(std::int64_t rows) { return (rows + matrix_piece(rows) - 1) / matrix_piece(rows); }

template <class T>
PREFER_HD double add_pieces(const T* partial, std::int64_t pieces, std::int64_t columns, std::int64_t j) {
  double sum = 0;
  for (std::int64_t p = 0; p < pieces; ++p) sum += static_cast<double>(partial[p * columns + j]);
  return sum;
}

}  // namespace detail
}  // namespace PREFER_ABI

template <class Exec, class T>
status matrix_vector(const Exec&, const matrix_vector_arguments<T>&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}

}  // namespace prefer
