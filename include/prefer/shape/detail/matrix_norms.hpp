// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/map_reduce.hpp>
#include <prefer/backend/matrix_vector.hpp>
#include <prefer/core/math.hpp>

#include <cstdint>

// Upper bounds of spectral norms that hold in floating point too.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// Sums of |W_ij| along rows and columns and of squares along rows, in double; where they are asked for. Columns come in
// the pieces of matrix_vector, and may be of squares instead, with products with another matrix beside them.
struct norm_sums {
  std::int64_t rows = 0, columns = 0;
  row_source matrix, other;
  bool squared_columns = false;
  double* row_sum = nullptr;      // [rows]
  double* row_squares = nullptr;  // [rows]; both or neither
  double* partial = nullptr;      // [pieces, columns]
  double* products = nullptr;     // [pieces, columns]

  // Adds an entry to the sums of its row, and answers what it adds to that of its column.
  template <class V>
  PREFER_HD V add(const V& x, V& sum, V& squares) const {
    const V size = math::abs(x), square = x * x;
    sum += size, squares += square;
    return squared_columns ? square : size;
  }
  template <class V>
  PREFER_HD V of_column(const V& x) const {
    V sum(0), squares(0);
    return add(x, sum, squares);
  }

  template <class Memory>
  void carve_rows(Memory& memory) {
    row_sum = memory.template take<double>(rows);
    row_squares = memory.template take<double>(rows);
  }
  template <class Memory>
  void carve_columns(Memory& memory) {
    partial = memory.template take<double>(matrix_pieces(rows) * columns);
    if (other.data != nullptr) products = memory.template take<double>(matrix_pieces(rows) * columns);
  }
};

struct norm_sum_job {
  const norm_sums* sums;
  std::int64_t first, last;  // pieces
};
struct norm_sum_work {
  struct tile {
    alignas(64) double x[tile_items];
    alignas(64) double y[tile_items];
  };

  template <class Level>
  static inline __attribute__((always_inline)) void run(norm_sum_job& j) {
    const norm_sums& s = *j.sums;
    const std::int64_t piece = matrix_piece(s.rows);
    tile t;
    for (std::int64_t p = j.first; p < j.last; ++p) {
      double* const columns = s.partial + p * s.columns;
      double* const products = s.products == nullptr ? nullptr : s.products + p * s.columns;
      for (std::int64_t c = 0; c < s.columns; ++c) columns[c] = 0;
      for (std::int64_t c = 0; c < s.columns && products != nullptr; ++c) products[c] = 0;
      for (std::int64_t i = p * piece; i < smaller(p * piece + piece, s.rows); ++i)
        row<Level>(s, i, columns, products, t);
    }
  }
  static void load(const row_source& m, std::int64_t i, std::int64_t first, int count, double* to, isa level) {
    load_strided(source{static_cast<const char*>(m.data) + i * m.row_stride * size_of(m.type), m.stride, m.type}, first,
                 count, to, level);
  }
  template <class Level>
  static inline __attribute__((always_inline)) void row(const norm_sums& s, std::int64_t i, double* columns,
                                                        double* products, tile& t) {
    using V = lane<double, Level>;
    V sum(0), squares(0);
    for (std::int64_t first = 0; first < s.columns; first += tile_items) {
      const int count = static_cast<int>(smaller(tile_items, s.columns - first));
      const int whole = count / V::width * V::width, padded = (count + V::width - 1) / V::width * V::width;
      load(s.matrix, i, first, count, t.x, isa_of<Level>);
      for (int c = count; c < padded; ++c) t.x[c] = 0;
      for (int c = 0; c < padded; c += V::width) {
        const V more = s.add(V::load(t.x + c), sum, squares);
        if (c >= whole) continue;
        double* const to = columns + first + c;
        (V::load(to) + more).store(to);
      }
      for (int c = whole; c < count; ++c) columns[first + c] += s.of_column(t.x[c]);
      if (products == nullptr) continue;
      load(s.other, i, first, count, t.y, isa_of<Level>);
      for (int c = 0; c < count; ++c) products[first + c] += t.x[c] * t.y[c];
    }
    if (s.row_sum != nullptr) s.row_sum[i] = sum.sum(), s.row_squares[i] = squares.sum();
  }
};

template <class Exec>
status add_norms(const Exec&, const norm_sums&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}
inline status add_norms(const cpu& exec, const norm_sums& s) {
  isa level;
  if (const status st = resolve_isa(exec, level); !st.ok()) return st;
  for_blocks(exec, matrix_pieces(s.rows), s.rows * s.columns, [&](std::int64_t first, std::int64_t last) {
    norm_sum_job job{&s, first, last};
    run_at<norm_sum_work>(level, job);
  });
  return {};
}

// One more than the relative error of a sum of so many numbers that are not negative, twice over.
PREFER_HD double sum_slack(std::int64_t terms) { return 1 + static_cast<double>(terms + 64) * 0x1p-52; }

// What is kept of the Gram matrix and its squares: the Frobenius norm of each, and the power of two that brought it
// near 1 before it was squared.
struct gram_norms {
  static constexpr int most = 20;
  double norm[most], scale[most];
};

// The power of two that takes a norm to [1, 2); 1 for 0 and what is not finite.
PREFER_HD double unit_scale(double norm) {
  if (!(norm > 0x1p-900 && norm < 0x1p900)) return 1;
  const auto bits = bits_as<std::uint64_t>(norm) & (std::uint64_t{0x7ff} << 52);
  return 1 / bits_as<double>(bits);
}

// An upper bound of |W| from d matrices G, c G G, ...: each square was computed with an error of at most
// slack |.|_F^2, since | |A|^T |A| | <= |A|_F^2.
PREFER_HD double gram_bound(const gram_norms& g, int doublings, std::int64_t order, std::int64_t inner,
                            double squares) {
  const double slack = static_cast<double>(order + 16) * 0x1p-52, up = 1 + 0x1p-48;
  const double norms_up = 1 + static_cast<double>(order) * static_cast<double>(order) * 0x1p-52;
  double bound = g.norm[doublings - 1] * norms_up;
  for (int l = doublings - 2; l >= 0; --l) {
    const double f = g.norm[l] * g.scale[l] * norms_up;
    bound = math::sqrt(bound + slack * f * f) / g.scale[l] * up;
  }
  return math::sqrt(bound + static_cast<double>(inner + 16) * 0x1p-52 * squares) * up;
}

// Squares may be used where none that matters left the range of double.
PREFER_HD bool squares_in_range(double squares) { return squares > 0x1p-800 && squares < 0x1p800; }

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
