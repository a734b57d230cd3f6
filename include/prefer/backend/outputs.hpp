// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/convert.hpp>
#include <prefer/backend/map_reduce.hpp>
#include <prefer/core/checks.hpp>
#include <prefer/core/execution.hpp>

#include <cstdint>

// Optional vectors of a selection: checks, and as both backends see them.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

template <bool Mutable, space S>
status check_optional(const char* name, const erased_view<Mutable, 1, S>& v, std::int64_t n, const char* whose,
                      require::holds what) {
  return v.given() ? require::vector(name, v, n, whose, what) : status{};
}

// A matrix of indices is checked as any matrix of its shape.
template <bool Mutable, space S>
status check_optional(const char* name, const erased_view<Mutable, 2, S>& v, std::int64_t rows, std::int64_t columns,
                      require::holds what) {
  if (!v.given()) return {};
  if (const status s = require::element_type(name, v.type, what); !s.ok()) return s;
  erased_view<Mutable, 2, S> shape = v;
  shape.type = element::f64;
  return require::matrix(name, shape, rows, columns);
}

template <space S>
source source_of(const input_view<1, S>& v) {
  return v.given() ? source{v.data, v.stride[0], v.type} : source{};
}
template <space S>
sink sink_of(const output_view<1, S>& v) {
  return v.given() ? sink{v.data, v.stride[0], v.type} : sink{};
}

// A matrix of outputs, row by row.
struct sink_rows {
  void* data = nullptr;
  std::int64_t row_stride = 0, stride = 0;
  element type = element::none;

  PREFER_HD std::int64_t at(std::int64_t row, std::int64_t column) const { return row * row_stride + column * stride; }
};
template <space S>
sink_rows sink_of(const output_view<2, S>& v) {
  return v.given() ? sink_rows{v.data, v.stride[0], v.stride[1], v.type} : sink_rows{};
}

PREFER_HD void store_index(const sink& s, std::int64_t at, std::int64_t x) {
  if (s.data != nullptr) store_index(s.data, s.type, at * s.stride, x);
}
PREFER_HD void store_index(const sink_rows& s, std::int64_t row, std::int64_t column, std::int64_t x) {
  if (s.data != nullptr) store_index(s.data, s.type, s.at(row, column), x);
}
PREFER_HD void store_number(const sink& s, std::int64_t at, double x) {
  if (s.data != nullptr) store_element(s.data, s.type, at * s.stride, x, false);
}
PREFER_HD void store_number(const sink_rows& s, std::int64_t row, std::int64_t column, double x) {
  if (s.data != nullptr) store_element(s.data, s.type, s.at(row, column), x, false);
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
