// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/convert.hpp>
#include <prefer/core/math.hpp>
#include <prefer/rank/comparisons.hpp>

#include <cstdint>

// One row of comparisons, read in the same way on both backends.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

struct comparison_row {
  std::int64_t first, second;
  double first_wins, second_wins, ties;  // counts as they were given
  double weight;                         // what a game of this row counts

  PREFER_HD double total() const { return weight * (first_wins + second_wins + ties); }
};

template <space S>
PREFER_HD double number_at(const input_view<1, S>& v, std::int64_t k) {
  return load_element<double>(v.data, v.type, k * v.stride[0]);
}
template <space S>
PREFER_HD double number_at(const input_view<2, S>& v, std::int64_t i, std::int64_t j) {
  return load_element<double>(v.data, v.type, i * v.stride[0] + j * v.stride[1]);
}
template <space S>
PREFER_HD double number_at(const input_view<1, S>& v, std::int64_t k, double absent) {
  return v.type != element::none ? number_at(v, k) : absent;
}
template <space S>
PREFER_HD std::int64_t index_at(const input_view<1, S>& v, std::int64_t k) {
  return load_index(v.data, v.type, k * v.stride[0]);
}

template <space S>
PREFER_HD comparison_row pair_row(const comparisons<S>& c, std::int64_t k) {
  return {index_at(c.first, k),           index_at(c.second, k),   number_at(c.first_wins, k, 1),
          number_at(c.second_wins, k, 0), number_at(c.ties, k, 0), number_at(c.weight, k, 1)};
}

// Entry k of row i of a sparse matrix. Each tie stands in both triangles: half of it here.
template <space S>
PREFER_HD comparison_row sparse_row(const comparisons<S>& c, std::int64_t i, std::int64_t k) {
  return {i, index_at(c.columns, k), number_at(c.row_wins, k), 0, 0.5 * number_at(c.row_ties, k, 0), 1};
}

// Bitwise, so that it holds under -ffast-math: up to the largest finite number, or -0.
PREFER_HD bool is_count(double x) {
  const auto bits = bits_as<std::uint64_t>(x);
  return (bits & 0x7fffffffffffffffull) == 0 || bits < 0x7ff0000000000000ull;
}

// Whether a weight may be squared: the square is then a normal number, or 0 for 0.
PREFER_HD bool has_square(double weight) { return weight == 0 || (weight >= 1e-150 && weight <= 1e150); }

// Whether the two triangles of a matrix of ties disagree. Repeated entries of a sparse matrix may have been added in
// another order.
PREFER_HD bool ties_differ(double one, double other) { return math::abs(one - other) > 1e-9 * (one + other); }

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
