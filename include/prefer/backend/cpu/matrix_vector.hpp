// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/map_reduce.hpp>
#include <prefer/backend/cpu/row_products.hpp>
#include <prefer/backend/matrix_vector.hpp>

#include <cstdint>

// matrix_vector on the CPU (contract: backend/matrix_vector.hpp). Some rows at once meet the vector, and while they are
// in a cache are added up; pieces of rows go to the caller's threads.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

template <class T>
struct matrix_vector_job {
  const matrix_vector_arguments<T>* arguments;
  std::int64_t first, last;  // pieces
};

template <class T>
struct matrix_vector_work {
  using job = matrix_vector_job<T>;

  // Rows that lanes can read.
  static bool in_place(const row_source& w) {
    return w.stride == 1 && (w.type == element_of<T>() || (sizeof(T) == 4 && size_of(w.type) == 2));
  }

  template <class Level>
  static inline __attribute__((always_inline)) void run(job& j) {
    const matrix_vector_arguments<T>& a = *j.arguments;
    const std::int64_t piece = matrix_piece(a.rows);
    for (std::int64_t p = j.first; p < j.last; ++p) {
      T* const sums = a.partial == nullptr ? nullptr : a.partial + p * a.columns;
      if (sums != nullptr)
        for (std::int64_t c = 0; c < a.columns; ++c) sums[c] = 0;
      const std::int64_t end = smaller(p * piece + piece, a.rows);
      if (!in_place(a.matrix)) {
        converted<Level>(a, p * piece, end, sums);
      } else if (a.matrix.type == element_of<T>()) {
        rows<Level, T>(a, p * piece, end, sums);
      } else if constexpr (sizeof(T) == 4) {
        a.matrix.type == element::f16 ? rows<Level, half>(a, p * piece, end, sums)
                                      : rows<Level, bfloat16>(a, p * piece, end, sums);
      }
    }
  }

  template <class Level, class S>
  static inline __attribute__((always_inline)) void rows(const matrix_vector_arguments<T>& a, std::int64_t i,
                                                         std::int64_t end, T* sums) {
    constexpr int at_once = product_rows<T, Level>;
    for (; i + at_once <= end; i += at_once) some_rows<Level, S, at_once>(a, i, sums);
    for (; i < end; ++i) some_rows<Level, S, 1>(a, i, sums);
  }
  template <class Level, class S, int Rows>
  static inline __attribute__((always_inline)) void some_rows(const matrix_vector_arguments<T>& a, std::int64_t i,
                                                              T* sums) {
    using V = lane<T, Level>;
    const S* row[Rows];
    for (int r = 0; r < Rows; ++r) row[r] = static_cast<const S*>(a.matrix.data) + (i + r) * a.matrix.row_stride;
    if (a.right != nullptr) {
      double product[Rows] = {};
      for (std::int64_t from = 0; from < a.columns; from += product_tile)
        add_row_products<V, false, Rows>(row, a.right, from, smaller(from + product_tile, a.columns), product);
      for (int r = 0; r < Rows; ++r) a.product[i + r] = static_cast<T>(product[r]);
    }
    if (sums == nullptr) return;
    T factor[Rows];
    for (int r = 0; r < Rows; ++r) factor[r] = a.product[i + r] * static_cast<T>(a.scale);
    add_rows<V, Rows>(row, factor, 0, a.columns, sums);
  }

  // Rows that lanes cannot read, one by one through a tile; the order of sums is that of rows in place.
  template <class Level>
  static inline __attribute__((always_inline)) void converted(const matrix_vector_arguments<T>& a, std::int64_t i,
                                                              std::int64_t end, T* sums) {
    using V = lane<T, Level>;
    alignas(64) T x[product_tile];
    const T* const row[1] = {x};
    for (; i < end; ++i) {
      const source from_row{static_cast<const char*>(a.matrix.data) + i * a.matrix.row_stride * size_of(a.matrix.type),
                            a.matrix.stride, a.matrix.type};
      double product[1] = {};
      for (int pass = a.right != nullptr ? 0 : 1; pass < (sums != nullptr ? 2 : 1); ++pass) {
        const T factor[1] = {pass == 1 ? a.product[i] * static_cast<T>(a.scale) : T(0)};
        for (std::int64_t from = 0; from < a.columns; from += product_tile) {
          const std::int64_t count = smaller(product_tile, a.columns - from);
          load_strided(from_row, from, static_cast<int>(count), x, isa_of<Level>);
          if (pass == 0)
            add_row_products<V, false, 1>(row, a.right + from, 0, count, product);
          else
            add_rows<V, 1>(row, factor, 0, count, sums + from);
        }
        if (pass == 0) a.product[i] = static_cast<T>(product[0]);
      }
    }
  }
};

}  // namespace detail

template <class T>
status matrix_vector(const cpu& exec, const matrix_vector_arguments<T>& a) {
  isa level;
  if (const status s = resolve_isa(exec, level); !s.ok()) return s;
  detail::for_blocks(exec, detail::matrix_pieces(a.rows), a.rows * a.columns,
                     [&](std::int64_t first, std::int64_t last) {
                       detail::matrix_vector_job<T> job{&a, first, last};
                       detail::run_at<detail::matrix_vector_work<T>>(level, job);
                     });
  return {};
}

}  // namespace PREFER_ABI
}  // namespace prefer
