// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/strided.hpp>
#include <prefer/backend/map_reduce.hpp>
#include <prefer/backend/row_map_reduce.hpp>

#include <cstddef>
#include <cstdint>

// The contract of the primitive `matrix_product`, one for all backends:
//
//   status matrix_product(exec, left, right, matrix_product_shape<T>)
//
// out[i, j] = sum over k < inner of left(k, i) right(k, j), for i < rows and j < columns: products of columns, so that
// one matrix as both sides gives its Gram matrix. A side is a value that knows its elements:
//
//   PREFER_HD T at(std::int64_t k, std::int64_t i) const;
//   void fill(std::int64_t k, std::int64_t first, int count, T* to, isa level) const;   // of row k; on the CPU
//
// * `symmetric` says that the sides are one matrix, or the product symmetric for another reason: one half is computed,
//   the other is its mirror image to the bit.
// * `out` is contiguous. Sums are in T, in the order of k: the same bits for any number of threads and any grid.
// * Nothing is allocated; one launch on CUDA.
//
// It is for matrices of networks' layers, some thousand rows at most: registers and caches are used, nothing finer.
namespace prefer {

template <class T>
struct matrix_product_shape {
  std::int64_t rows = 0, columns = 0, inner = 0;
  T* out = nullptr;
  bool symmetric = false;
};

inline namespace PREFER_ABI {
namespace detail {

// A stored matrix as a side; rows and columns of `matrix` may be exchanged by its strides. It may be scaled by a number
// that is read where the work runs.
template <class T>
struct stored_side {
  row_source matrix;
  const double* scale = nullptr;

  PREFER_HD T factor() const { return scale == nullptr ? T(1) : static_cast<T>(*scale); }
  PREFER_HD T at(std::int64_t k, std::int64_t i) const {
    return load_element<T>(matrix.data, matrix.type, k * matrix.row_stride + i * matrix.stride) * factor();
  }
  template <class Isa>
  void fill(std::int64_t k, std::int64_t first, int count, T* to, Isa level) const {
    load_strided(source{static_cast<const char*>(matrix.data) + k * matrix.row_stride * size_of(matrix.type),
                        matrix.stride, matrix.type},
                 first, count, to, level);
    for (int c = 0; c < count && scale != nullptr; ++c) to[c] *= factor();
  }
};

inline row_source transposed(const row_source& m) { return {m.data, m.stride, m.row_stride, m.type}; }

}  // namespace detail
}  // namespace PREFER_ABI

template <class Exec, class Left, class Right, class T>
status matrix_product(const Exec&, const Left&, const Right&, const matrix_product_shape<T>&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}

}  // namespace prefer
