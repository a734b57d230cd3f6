// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/matrix_product.hpp>
#include <prefer/backend/matrix_vector.hpp>
#include <support/side.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>

// Products of matrices with vectors and with each other, on either side. Entries are small integers, so that sums are
// exact in every order and type of arithmetic, and answers are compared to the bit.
namespace prefer_test {

// m x n entries of -2 to 2, elements `apart` from each other, rows with a gap between them.
template <class S>
struct whole_matrix {
  std::int64_t m, n, apart, row;
  buffer<S> of;

  whole_matrix(std::int64_t rows, std::int64_t columns, std::int64_t stride, std::uint64_t seed)
      : m(rows), n(columns), apart(stride), row(columns * stride + 1), of(rows * row) {
    noise random(seed);
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t j = 0; j < n; ++j) of.set(i * row + j * apart, std::floor(random.uniform(-2, 3)));
  }
  double get(std::int64_t i, std::int64_t j) { return of.get(i * row + j * apart); }
  template <class Side>
  prefer::row_source on(Side& side) {
    return {side.read(of).data, row, apart, prefer::element_of<S>()};
  }
};

template <class T>
void fill_whole(buffer<T>& x, std::uint64_t seed) {
  noise random(seed);
  for (std::int64_t i = 0; i < x.size(); ++i) x.set(i, std::floor(random.uniform(-2, 3)));
}

inline constexpr std::int64_t vector_shapes[][2] = {{0, 3},   {3, 0},    {1, 1},     {7, 5},    {8, 8},
                                                    {15, 17}, {129, 33}, {20, 1025}, {300, 64}, {2100, 3}};

// Both products in one call, and either alone; `change` changes the execution.
template <class T, class S, class Side, class Change = unchanged_exec>
void check_matrix_vector(std::int64_t stride, const Change& change = {}) {
  for (const auto& shape : vector_shapes) {
    const std::int64_t m = shape[0], n = shape[1], pieces = prefer::detail::matrix_pieces(m);
    INFO(m << " x " << n << ", stride " << stride);
    whole_matrix<S> w(m, n, stride, static_cast<std::uint64_t>(m + n));
    buffer<T> right(n), product(m), alone(m), partial(pieces * n), second(pieces * n);
    fill_whole(right, 3);
    Side side;
    change(side.exec);
    prefer::matrix_vector_arguments<T> a;
    a.rows = m, a.columns = n, a.matrix = w.on(side), a.scale = 0.5;
    const T* const vector = side.read(right).data;
    T* const answer = side.write(product).data;
    a.right = vector, a.product = answer, a.partial = side.write(partial).data;
    prefer::check(matrix_vector(side.exec, a));
    a.product = side.write(alone).data, a.partial = nullptr;
    prefer::check(matrix_vector(side.exec, a));
    a.right = nullptr, a.product = answer, a.partial = side.write(second).data;
    prefer::check(matrix_vector(side.exec, a));
    side.done();
    CHECK((product.intact() && alone.intact() && partial.intact() && second.intact()));
    int wrong = 0;
    for (std::int64_t i = 0; i < m; ++i) {
      double sum = 0;
      for (std::int64_t j = 0; j < n; ++j) sum += w.get(i, j) * right.get(j);
      wrong += product.get(i) != sum || alone.get(i) != sum;
    }
    const std::int64_t piece = prefer::detail::matrix_piece(m);
    for (std::int64_t p = 0; p < pieces; ++p)
      for (std::int64_t j = 0; j < n; ++j) {
        double sum = 0;
        for (std::int64_t i = p * piece; i < std::min(m, p * piece + piece); ++i)
          sum += w.get(i, j) * 0.5 * product.get(i);
        wrong += partial.get(p * n + j) != sum || second.get(p * n + j) != sum;
      }
    for (std::int64_t j = 0; j < n; ++j) {
      double all = 0;
      for (std::int64_t i = 0; i < m; ++i) all += w.get(i, j) * 0.5 * product.get(i);
      wrong += prefer::detail::add_pieces(partial.data(), pieces, n, j) != all;
    }
    CHECK(wrong == 0);
  }
}

inline constexpr std::int64_t product_shapes[][3] = {{0, 3, 2},    {3, 0, 2},     {3, 2, 0},     {1, 1, 1},
                                                     {63, 65, 15}, {64, 64, 128}, {65, 33, 129}, {130, 70, 17}};

// Sides as stored, scaled and exchanged.
template <class T, class S, class Side, class Change = unchanged_exec>
void check_matrix_product(std::int64_t stride, const Change& change = {}) {
  for (const auto& shape : product_shapes) {
    const std::int64_t rows = shape[0], columns = shape[1], inner = shape[2];
    INFO(rows << " x " << columns << " of " << inner << ", stride " << stride);
    whole_matrix<S> x(inner, rows, stride, 5), y(columns, inner, stride, 6);
    buffer<double> scale(1);
    buffer<T> out(rows * columns), gram(rows * rows);
    scale.set(0, 0.5);
    Side side;
    change(side.exec);
    using stored = prefer::detail::stored_side<T>;
    const stored left{x.on(side), side.read(scale).data}, plain{left.matrix};
    const stored right{prefer::detail::transposed(y.on(side))};
    prefer::check(matrix_product(side.exec, left, right,
                                 prefer::matrix_product_shape<T>{rows, columns, inner, side.write(out).data}));
    prefer::check(matrix_product(side.exec, plain, plain,
                                 prefer::matrix_product_shape<T>{rows, rows, inner, side.write(gram).data, true}));
    side.done();
    CHECK((out.intact() && gram.intact()));
    int wrong = 0;
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t j = 0; j < columns; ++j) {
        double sum = 0;
        for (std::int64_t k = 0; k < inner; ++k) sum += 0.5 * x.get(k, i) * y.get(j, k);
        wrong += out.get(i * columns + j) != sum;
      }
      for (std::int64_t j = 0; j < rows; ++j) {
        double sum = 0;
        for (std::int64_t k = 0; k < inner; ++k) sum += x.get(k, i) * x.get(k, j);
        wrong += gram.get(i * rows + j) != sum;
      }
    }
    CHECK(wrong == 0);
  }
}

}  // namespace prefer_test
