// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/checks.hpp>
#include <prefer/core/status.hpp>
#include <prefer/core/view.hpp>

#include <cstdint>

namespace prefer {

// Comparisons between `items` items, in exactly one of three forms.
//
// Pairs: row k compares items first[k] and second[k]; first won first_wins[k] of their games, second
//   second_wins[k], and ties[k] were tied. With neither second_wins nor ties, first_wins may be left out: every row is
//   then one game that `first` won. The same two items may meet in any number of rows. `weight` multiplies the counts
//   of a row.
// Matrix: win_matrix(i, j) is how often i beat j, tie_matrix(i, j) = tie_matrix(j, i) how often they tied (each tie
//   stands in both triangles and counts once). `items` may be left 0: the extents tell.
// Sparse matrix: the same two matrices, compressed by rows: the entries of row i are k in [row_offsets[i],
//   row_offsets[i + 1]), in column columns[k], with row_wins[k] wins and row_ties[k] ties. Entries may repeat.
//
// Counts and weights are finite and not negative, of any numeric element type; they need not be integers. Indices are
// int32 or int64. A game of an item against itself (a diagonal entry that is not zero) is an error.
template <space Space>
struct comparisons {
  std::int64_t items = 0;

  input_view<1, Space> first = {};
  input_view<1, Space> second = {};
  input_view<1, Space> first_wins = {};
  input_view<1, Space> second_wins = {};
  input_view<1, Space> ties = {};
  input_view<1, Space> weight = {};

  input_view<2, Space> win_matrix = {};
  input_view<2, Space> tie_matrix = {};

  input_view<1, Space> row_offsets = {};
  input_view<1, Space> columns = {};
  input_view<1, Space> row_wins = {};
  input_view<1, Space> row_ties = {};
};

// The three forms, and what the shapes say.
enum class comparison_form : std::uint8_t { pairs, matrix, sparse };
struct comparison_shape {
  comparison_form form = comparison_form::pairs;
  std::int64_t items = 0;
  std::int64_t rows = 0;  // pairs, stored entries of a sparse matrix, or all entries of a matrix
  bool ties = false;
};

namespace require {

constexpr std::int64_t most_items = (std::int64_t{1} << 31) - 1;

template <space S>
constexpr status counts(const char* name, const input_view<1, S>& v, std::int64_t n, const char* whose) {
  if (!v.given()) return {};
  if (is_floating(v.type)) return vector(name, v, n, whose, holds::numbers);
  if (is_flag(v.type)) return vector(name, v, n, whose, holds::flags);
  return vector(name, v, n, whose, holds::indices);
}

template <space S>
constexpr status square(const char* name, const input_view<2, S>& v, std::int64_t n) {
  if (v.extent[0] != n || v.extent[1] != n)
    return fail(errc::bad_extent, name, "the number of items,",
                static_cast<double>(v.extent[0] != n ? v.extent[0] : v.extent[1]), static_cast<double>(n));
  if (v.data == nullptr && n > 0) return fail(errc::null_data, name, "a pointer to its elements, but it is null");
  if (v.stride[0] < 0 || v.stride[1] < 0)
    return fail(errc::bad_stride, name, "at least", static_cast<double>(v.stride[0] < 0 ? v.stride[0] : v.stride[1]),
                0);
  return {};
}

// Refuses a field of another form than the one that is used.
template <int Rank, space S>
constexpr status absent(const char* name, const input_view<Rank, S>& v) {
  if (!v.given()) return {};
  return fail(errc::unused_input, name, "comparisons in one form: pairs, a matrix or a sparse matrix");
}

constexpr status missing(bool given, const char* name, const char* expected) {
  return given ? status{} : fail(errc::missing_input, name, expected);
}

template <space S>
constexpr status pair_columns(const comparisons<S>& c, comparison_shape& shape) {
  shape.form = comparison_form::pairs;
  shape.rows = c.first.extent[0];
  shape.ties = c.ties.given();
  status s = missing(c.first.given(), "first", "an index of an item per comparison");
  if (s.ok()) s = missing(c.second.given(), "second", "an index of an item per comparison");
  if (s.ok() && shape.rows < 0) s = fail(errc::bad_extent, "first", "at least", static_cast<double>(shape.rows), 0);
  if (s.ok()) s = vector("first", c.first, shape.rows, "the extent of first,", holds::indices);
  if (s.ok()) s = vector("second", c.second, shape.rows, "the extent of first,", holds::indices);
  if (s.ok() && (c.second_wins.given() || c.ties.given()))
    s = missing(c.first_wins.given(), "first_wins", "the wins of first, since second_wins or ties are given");
  if (s.ok()) s = counts("first_wins", c.first_wins, shape.rows, "the extent of first,");
  if (s.ok()) s = counts("second_wins", c.second_wins, shape.rows, "the extent of first,");
  if (s.ok()) s = counts("ties", c.ties, shape.rows, "the extent of first,");
  if (s.ok()) s = counts("weight", c.weight, shape.rows, "the extent of first,");
  return s;
}

template <space S>
constexpr status no_pair_columns(const comparisons<S>& c) {
  status s = absent("first", c.first);
  if (s.ok()) s = absent("second", c.second);
  if (s.ok()) s = absent("first_wins", c.first_wins);
  if (s.ok()) s = absent("second_wins", c.second_wins);
  if (s.ok()) s = absent("ties", c.ties);
  if (s.ok()) s = absent("weight", c.weight);
  return s;
}

template <space S>
constexpr status no_sparse_rows(const comparisons<S>& c) {
  status s = absent("row_offsets", c.row_offsets);
  if (s.ok()) s = absent("columns", c.columns);
  if (s.ok()) s = absent("row_wins", c.row_wins);
  if (s.ok()) s = absent("row_ties", c.row_ties);
  return s;
}

template <space S>
constexpr status matrix_form(const comparisons<S>& c, comparison_shape& shape) {
  shape.form = comparison_form::matrix;
  shape.ties = c.tie_matrix.given();
  status s = no_pair_columns(c);
  if (s.ok()) s = no_sparse_rows(c);
  if (s.ok()) s = missing(c.win_matrix.given(), "win_matrix", "the wins, since tie_matrix is given");
  if (!s.ok()) return s;
  if (shape.items == 0) shape.items = c.win_matrix.extent[0];
  if (shape.items < 0 || shape.items > most_items) return {};  // comparison_views refuses it
  shape.rows = shape.items * shape.items;
  s = square("win_matrix", c.win_matrix, shape.items);
  if (s.ok() && c.tie_matrix.given()) s = square("tie_matrix", c.tie_matrix, shape.items);
  return s;
}

template <space S>
constexpr status sparse_form(const comparisons<S>& c, comparison_shape& shape) {
  shape.form = comparison_form::sparse;
  shape.ties = c.row_ties.given();
  status s = no_pair_columns(c);
  if (s.ok()) s = missing(c.row_offsets.given(), "row_offsets", "the offsets of a sparse matrix");
  if (s.ok()) s = missing(c.columns.given(), "columns", "the columns of a sparse matrix");
  if (s.ok()) s = missing(c.row_wins.given(), "row_wins", "the wins of a sparse matrix");
  if (!s.ok()) return s;
  if (shape.items == 0) shape.items = c.row_offsets.extent[0] - 1;
  shape.rows = c.columns.extent[0];
  if (shape.rows < 0) return fail(errc::bad_extent, "columns", "at least", static_cast<double>(shape.rows), 0);
  s = vector("row_offsets", c.row_offsets, shape.items + 1, "one more than the number of items,", holds::indices);
  if (s.ok()) s = vector("columns", c.columns, shape.rows, "the extent of columns,", holds::indices);
  if (s.ok()) s = counts("row_wins", c.row_wins, shape.rows, "the extent of columns,");
  if (s.ok()) s = counts("row_ties", c.row_ties, shape.rows, "the extent of columns,");
  return s;
}

// What can be seen without reading an element; fills `shape`.
template <space S>
constexpr status comparison_views(const comparisons<S>& c, comparison_shape& shape) {
  shape = {};
  shape.items = c.items;
  if (c.items < 0 || c.items > most_items)
    return fail(errc::bad_parameter, "items", "a number of items, 0 to 2147483647", static_cast<double>(c.items));
  status s;
  if (c.win_matrix.given() || c.tie_matrix.given())
    s = matrix_form(c, shape);
  else if (c.row_offsets.given() || c.columns.given() || c.row_wins.given() || c.row_ties.given())
    s = sparse_form(c, shape);
  else
    s = pair_columns(c, shape);
  if (s.ok() && (shape.items < 1 || shape.items > most_items))
    s = fail(errc::bad_parameter, "items", "a number of items, 1 to 2147483647", static_cast<double>(shape.items));
  return s;
}

// The memory of one call; outputs have to keep clear of all others.
class address_ranges {
 public:
  template <bool Mutable, int Rank, space S>
  void read(const erased_view<Mutable, Rank, S>& v) {
    if (v.given()) reads_[read_count_++] = range_of("", v);
  }
  template <bool Mutable, int Rank, space S>
  void write(const char* name, const erased_view<Mutable, Rank, S>& v) {
    if (v.given()) writes_[write_count_++] = range_of(name, v);
  }
  template <space S>
  void read(const comparisons<S>& c) {
    read(c.first), read(c.second), read(c.first_wins), read(c.second_wins), read(c.ties), read(c.weight);
    read(c.win_matrix), read(c.tie_matrix);
    read(c.row_offsets), read(c.columns), read(c.row_wins), read(c.row_ties);
  }
  status check() const {
    for (int i = 0; i < write_count_; ++i) {
      for (int j = 0; j < read_count_; ++j)
        if (overlap(writes_[i], reads_[j]))
          return fail(errc::overlap, writes_[i].name, "memory of its own, not shared with an input");
      for (int j = 0; j < i; ++j)
        if (overlap(writes_[i], writes_[j]))
          return fail(errc::overlap, writes_[i].name, "memory of its own, not shared with another output");
    }
    return {};
  }

 private:
  footprint reads_[16];
  footprint writes_[16];
  int read_count_ = 0, write_count_ = 0;

  template <bool Mutable, space S>
  static footprint range_of(const char* name, const erased_view<Mutable, 1, S>& v) {
    return footprint_of(name, v);
  }
  // A matrix by its first and last byte.
  template <bool Mutable, space S>
  static footprint range_of(const char* name, const erased_view<Mutable, 2, S>& v) {
    const auto begin = reinterpret_cast<std::intptr_t>(v.data);
    const std::int64_t size = size_of(v.type), last = (v.extent[0] - 1) * v.stride[0] + (v.extent[1] - 1) * v.stride[1];
    const bool none = v.extent[0] == 0 || v.extent[1] == 0;
    return {name, begin, none ? begin : begin + (last + 1) * size, 0, size};
  }
};

}  // namespace require
}  // namespace prefer
