// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/convert.hpp>
#include <prefer/backend/matrix_vector.hpp>
#include <prefer/core/lane.hpp>
#include <prefer/core/math.hpp>

#include <cstdint>

// Some rows of a matrix times a vector, columns [from, to): what products with matrices share on the CPU.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// As many rows at once as there are registers for (under nvcc a lane is an array of numbers, none in a register).
template <class T, class Level>
inline constexpr int product_rows = lane<T, Level>::count < 8 ? 8 / lane<T, Level>::count : 1;

// sum[r] += sum over columns of row[r][c] x[c], in T. With SkipZero an entry whose x is 0 may hold anything.
template <class V, bool SkipZero, int Rows, class S, class T = typename V::element_type>
PREFER_HD void add_row_products(const S* const* row, const T* x, std::int64_t from, std::int64_t to,
                                double (&sum)[Rows]) {
  const std::int64_t whole = from + (to - from) / V::width * V::width;
  V lanes[Rows];
  unrolled<Rows>([&](int r) PREFER_HD_LAMBDA { lanes[r] = V(0); });
  for (std::int64_t c = from; c < whole; c += V::width) {
    const V w = V::load(x + c);
    unrolled<Rows>([&](int r) PREFER_HD_LAMBDA {
      const V entry = V::load(row[r] + c);
      lanes[r] = math::fma(SkipZero ? math::select(w == V(0), V(0), entry) : entry, w, lanes[r]);
    });
  }
  for (int r = 0; r < Rows; ++r) {
    T rest = 0;
    for (std::int64_t c = whole; c < to; ++c)
      rest += SkipZero && x[c] == 0 ? T(0) : static_cast<T>(widen(row[r][c])) * x[c];
    sum[r] += static_cast<double>(lanes[r].sum() + rest);
  }
}

// to[c] += sum over rows of factor[r] row[r][c].
template <class V, int Rows, class S, class T = typename V::element_type>
PREFER_HD void add_rows(const S* const* row, const T (&factor)[Rows], std::int64_t from, std::int64_t to, T* sum) {
  const std::int64_t whole = from + (to - from) / V::width * V::width;
  V lanes[Rows];
  unrolled<Rows>([&](int r) PREFER_HD_LAMBDA { lanes[r] = V(factor[r]); });
  for (std::int64_t c = from; c < whole; c += V::width) {
    V x = V::load(sum + c);
    unrolled<Rows>([&](int r) PREFER_HD_LAMBDA { x = math::fma(V::load(row[r] + c), lanes[r], x); });
    x.store(sum + c);
  }
  for (std::int64_t c = whole; c < to; ++c)
    for (int r = 0; r < Rows; ++r) sum[c] += static_cast<T>(widen(row[r][c])) * factor[r];
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
