// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/convert.hpp>
#include <prefer/backend/item.hpp>
#include <prefer/backend/outputs.hpp>
#include <prefer/core/checks.hpp>
#include <prefer/core/execution.hpp>
#include <prefer/core/math.hpp>

#include <cstdint>

// Batches of small matrices of different sizes: what matching and its relatives share.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// [B, n, m] as both backends see it; outputs are written through the same type.
struct matrix_batch {
  void* data = nullptr;
  std::int64_t stride[3] = {};
  element type = element::none;

  PREFER_HD std::int64_t place(std::int64_t b, std::int64_t i, std::int64_t j) const {
    return b * stride[0] + i * stride[1] + j * stride[2];
  }
  PREFER_HD double at(std::int64_t b, std::int64_t i, std::int64_t j) const {
    return load_element<double>(data, type, place(b, i, j));
  }
  PREFER_HD void write(std::int64_t b, std::int64_t i, std::int64_t j, double x) const {
    if (data != nullptr) store_element(data, type, place(b, i, j), x, false);
  }
};
template <bool Mutable, space S>
matrix_batch batch_of(const erased_view<Mutable, 3, S>& v) {
  if (!v.given()) return {};
  return {const_cast<void*>(static_cast<const void*>(v.data)), {v.stride[0], v.stride[1], v.stride[2]}, v.type};
}

// B matrices, each with up to n rows and m columns: how many it has.
struct matrix_sizes {
  std::int64_t batch = 0, rows = 0, columns = 0;
  source row_count, column_count;

  static PREFER_HD std::int64_t count_of(const source& s, std::int64_t most, std::int64_t b) {
    if (s.data == nullptr) return most;
    const std::int64_t n = load_index(s.data, s.type, b * s.stride);
    return n >= 0 && n <= most ? n : -1;
  }
  // -1 for a number that is out of range.
  PREFER_HD std::int64_t rows_of(std::int64_t b) const { return count_of(row_count, rows, b); }
  PREFER_HD std::int64_t columns_of(std::int64_t b) const { return count_of(column_count, columns, b); }
  PREFER_HD bool valid(std::int64_t b) const { return rows_of(b) >= 0 && columns_of(b) >= 0; }
};

template <space S>
status make_sizes(const char* name, const std::int64_t (&shape)[3], const input_view<1, S>& rows,
                  const input_view<1, S>& columns, matrix_sizes& sizes) {
  for (const std::int64_t x : shape)
    if (x < 0) return require::fail(errc::bad_extent, name, "at least", static_cast<double>(x), 0);
  sizes = {shape[0], shape[1], shape[2], place_of(rows), place_of(columns)};
  constexpr const char* per_matrix = "one per matrix:";
  return first_error(check_optional("rows", rows, shape[0], per_matrix, require::holds::indices),
                     check_optional("columns", columns, shape[0], per_matrix, require::holds::indices));
}

// On the CPU before anything is written; on CUDA where they are met.
inline status check_sizes(const cpu& exec, const matrix_sizes& sizes) {
  for (std::int64_t b = 0; exec.content != content::none && b < sizes.batch; ++b) {
    const auto fail = [&](const char* name, const source& s) {
      return require::fail(errc::bad_index, name, "from 0 to the extent of the matrices",
                           static_cast<double>(load_index(s.data, s.type, b * s.stride)), 0, b);
    };
    if (sizes.rows_of(b) < 0) return fail("rows", sizes.row_count);
    if (sizes.columns_of(b) < 0) return fail("columns", sizes.column_count);
  }
  return {};
}
inline status check_sizes(const cuda&, const matrix_sizes&) { return {}; }

template <bool Mutable, space S>
status check_batch(const char* name, const erased_view<Mutable, 3, S>& v, const std::int64_t (&shape)[3]) {
  if (!v.given()) return {};
  if (const status s = require::element_type(name, v.type, require::holds::numbers); !s.ok()) return s;
  return require::batch(name, v, shape);
}

// With content::all: no NaN in any of the matrices.
inline status check_numbers(const cpu& exec, const char* name, const matrix_batch& m, const std::int64_t (&shape)[3]) {
  if (exec.content != content::all || m.data == nullptr) return {};
  for (std::int64_t b = 0; b < shape[0]; ++b)
    for (std::int64_t i = 0; i < shape[1]; ++i)
      for (std::int64_t j = 0; j < shape[2]; ++j)
        if (math::is_nan(m.at(b, i, j)))
          return require::fail(errc::not_a_number, name, "numbers, but in this problem one is NaN", 0, 0, b);
  return {};
}
inline status check_numbers(const cuda&, const char*, const matrix_batch&, const std::int64_t (&)[3]) { return {}; }

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
