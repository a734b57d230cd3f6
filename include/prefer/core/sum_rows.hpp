// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/map_reduce.hpp>
#include <prefer/core/checks.hpp>

#include <cstdint>
#include <type_traits>

// sum_rows: the sum of the rows of a matrix, which makes the gradient of what all items share from the gradients of the
// items.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

struct row_sum_problem {
  const void* data = nullptr;
  std::int64_t rows = 0, columns = 0, row_stride = 0, stride = 0;
  element type = element::none;
  sink out;
  bool accumulate = false;

  source row(std::int64_t i) const {
    return {static_cast<const char*>(data) + i * row_stride * size_of(type), stride, type};
  }
  PREFER_HD void write(std::int64_t column, double sum) const {
    store_element(out.data, out.type, column * out.stride, sum, accumulate);
  }
};

template <class Exec>
status run_row_sum(const Exec&, const row_sum_problem&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}

// Columns in tiles, each row after row.
inline status run_row_sum(const cpu& exec, const row_sum_problem& p) {
  const std::int64_t tiles = (p.columns + tile_items - 1) / tile_items;
  for_blocks(exec, tiles, p.rows * p.columns, [&](std::int64_t from, std::int64_t to) {
    double sum[tile_items], x[tile_items];
    for (std::int64_t first = from * tile_items; first < smaller(to * tile_items, p.columns); first += tile_items) {
      const int count = static_cast<int>(smaller(tile_items, p.columns - first));
      for (int k = 0; k < count; ++k) sum[k] = 0;
      for (std::int64_t i = 0; i < p.rows; ++i) {
        load_strided(p.row(i), first, count, x);
        for (int k = 0; k < count; ++k) sum[k] += x[k];
      }
      for (int k = 0; k < count; ++k) p.write(first + k, sum[k]);
    }
  });
  return {};
}

}  // namespace detail

// sum[k] = sum over i of matrix[i, k] for n x D elements, in double and in the order of the rows; with `accumulate` it
// is added to what is there. No rows sum to 0. Returns the first thing that is wrong; then nothing has been written.
// Nothing is allocated; one launch on CUDA.
template <class Exec>
status sum_rows(const Exec& exec, const std::type_identity_t<input_view<2, Exec::memory>>& matrix,
                const std::type_identity_t<output_view<1, Exec::memory>>& sum, bool accumulate = false) {
  if (!matrix.given()) return require::fail(errc::missing_input, "matrix", "the rows to add up");
  if (!sum.given()) return require::fail(errc::missing_output, "sum", "one number per column");
  const std::int64_t n = matrix.extent[0], d = matrix.extent[1];
  if (n < 0 || d < 0)
    return require::fail(errc::bad_extent, "matrix", "at least", static_cast<double>(n < 0 ? n : d), 0);
  if (const status s =
          first_error(require::matrix("matrix", matrix, n, d),
                      require::vector("sum", sum, d, "the number of columns of the matrix,", require::holds::numbers));
      !s.ok())
    return s;
  if (require::overlap(require::footprint_of("matrix", matrix), require::footprint_of("sum", sum)))
    return require::fail(errc::overlap, "sum", "memory of its own, not shared with an input");
  return run_row_sum(exec, detail::row_sum_problem{matrix.data,
                                                   n,
                                                   d,
                                                   matrix.stride[0],
                                                   matrix.stride[1],
                                                   matrix.type,
                                                   {sum.data, sum.stride[0], sum.type},
                                                   accumulate});
}

}  // namespace PREFER_ABI
}  // namespace prefer
