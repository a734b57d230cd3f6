// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/item.hpp>
#include <prefer/backend/row_map_reduce.hpp>
#include <prefer/core/math.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>

// The contract of the primitive `row_reduce`, one for all backends:
//
//   status row_reduce<T>(exec, body, arguments)
//
// For each of M rows of V numbers: the largest value of the row and sums relative to it, in one read of the row; then,
// if a gradient is given, one number per column computed from the row's answer. T (float or double) is the type of the
// arithmetic on columns; what belongs to a whole row is in double. The body is a value:
//
//   struct body {
//     static constexpr int sums;
//     struct coefficients { T ...; };                                  // what the write pass needs of its row
//     body ready() const;                                              // called once where the work runs
//     bool reduces() const;                                            // false: no row of this call has a state
//     row_plan begin(std::int64_t item) const;                         // what is to be done with a row
//     template <class V> V value(const V& x) const;                    // what a column counts as; -inf stays -inf
//     double unit() const;                                             // of distances: y = (value - maximum) unit
//     template <class V> void terms(const V& y, V (&term)[sums]) const;           // y is not far above 0
//     template <class V> void rebase(V (&sum)[sums], const V& by) const;          // sums of y + by
//     coefficients finish(std::int64_t item, const row_plan&, const row_state<sums>&, double left_out) const;
//     template <class V> V slope(const V& x, const V& y, const coefficients& c) const;  // of a column; its y is from
//                                                                                       // c.shift instead of a maximum
//     T slope_left_out(T x, const coefficients&) const;                           // of the column that was left out
//     template <class V> V join(const V& x, const V& y) const;                    // of a body of two matrices
//   };
//
// Where values ascend with columns, a body may say so; then maxima are looked for among columns, c.shift is a column,
// and y = (x - shift) column_unit():
//
//     static constexpr bool ascends = true;
//     T column_unit() const;
//
// A body whose terms hold 2^y may take y + offset instead, where that is cheaper to have; the offset is a small number
// that is the same for all columns. What was added up is then divided by 2^offset, and slopes get other coefficients:
//
//     template <class V> void terms(const V& y, V (&term)[sums], const V& offset = V(0)) const;
//     template <class V> void divide(V (&sum)[sums], const V& power) const;
//     coefficients divided(const coefficients&, T power, T offset) const;
//
// A body may also pick columns of a row, at most a few hundred, and answer them one by one once the row is finished:
//
//     int picks() const;                                               // columns per row, K
//     void answer(std::int64_t item, int k, std::int64_t column, T x, const coefficients&) const;  // column -1: none
//     std::int64_t picked(std::int64_t item, int k) const;             // either they are known: the k-th, or -1
//     T slope_picked(std::int64_t item, int k, T x, const coefficients&) const;  // in place of slope(x)
//     static constexpr int most_kept;                                  // or they are the K largest, K at most that
//
// * A body that has `join` makes its columns of two matrices, which lie apart and may differ in type: what value and
//   slope are given is join(x, y). It leaves no column out, and join(-inf, -inf) is -inf.
// * A plan may leave one column out of the state (the target of a log-probability): `finish` gets its value apart. Of
//   picked columns it is the largest.
// * The K largest are in descending order of x as a T, equal ones in the order of their columns; NaN is not among them,
//   and where there are fewer numbers than K the last columns are -1. Such a body writes no gradient.
// * Two picks may be one column; then slope_picked is the same for both.
// * A plan may say that the row is not read: then the state is that of no columns, and unless it wants slopes too the
//   gradient's row is filled with a constant.
// * terms(-inf) must be zero; y is at most 3 where sums are kept. `finish` writes the outputs of the row; it runs once
//   per row and may run again with the same answer where the write pass is a launch of its own.
// * The row of item i is i, or index[i]: indices ascend strictly. On CUDA a row whose index is out of range or does not
//   ascend is not touched, and its plan's code says so.
// * The state of a row is combined in an order that depends on V alone (and on T and the storage type on CUDA): bitwise
//   the same for any number of rows and threads, any grid and any alignment.
// * The gradient may be the matrix itself, or either of the two. Nothing is allocated on the CPU. On CUDA few long rows
//   need scratch memory, row_reduce_workspace<Body>(M, V) bytes, else none is used; one launch, two for the gradient of
//   few long rows.
namespace prefer {

// The answer of some columns of a row: what is later is merged into what is earlier by `append`.
template <int Sums>
struct row_state {
  double max = -__builtin_huge_val();
  std::int64_t arg = -1;  // the first column that has it
  double sum[Sums] = {};  // relative to max, or to 0 while that is -inf
};

struct row_plan {
  std::int64_t left_out = -1;  // a column
  bool reduces = true;
  bool slopes = true;
  float fill = 0;  // of the gradient, when it has no slopes
  errc code = errc::ok;
};

// Whether an entry of a list is before another: by number, then by column.
template <class T>
PREFER_HD bool precedes(T x, std::int64_t column, T y, std::int64_t other) {
  return x > y || (x == y && column < other);
}

// The largest numbers of some columns, in descending order; free places, at the end, are -inf in no column. Columns
// come in their order, so that of equal numbers the one that is there stays before the one that comes.
inline constexpr std::int64_t no_column = std::int64_t{1} << 62;  // behind all others
template <int Most>
struct row_list {
  double x[Most];
  std::int64_t column[Most];

  row_list() {
    for (int k = 0; k < Most; ++k) x[k] = -__builtin_huge_val(), column[k] = no_column;
  }
  bool full(int size) const { return column[size - 1] != no_column; }
  bool admits(double number, int size) const {
    return number > x[size - 1] || (!full(size) && number >= x[size - 1]);
  }
  // Puts an entry that is admitted in its place; answers the number that falls out.
  double insert(double number, std::int64_t from, int size) {
    const double out = x[size - 1];
    int at = 0;
    for (int count = full(size) ? size : used(size); count > 0;) {
      const int half = (count + 1) / 2;
      const bool behind = x[at + half - 1] >= number;
      at = behind ? at + half : at;
      count = behind ? count - half : half - 1;
    }
    const auto moved = static_cast<std::size_t>(size - 1 - at);
    std::memmove(x + at + 1, x + at, moved * sizeof *x);
    std::memmove(column + at + 1, column + at, moved * sizeof *column);
    x[at] = number, column[at] = from;
    return out;
  }
  int used(int size) const {
    int n = 0;
    while (n < size && column[n] != no_column) ++n;
    return n;
  }
};

// What a chunk of a row leaves: of a body that keeps the largest columns they are in the list and not in the sums.
template <class Body>
struct row_part_state : row_state<Body::sums> {};
template <class Body>
requires(Body::most_kept > 0) struct row_part_state<Body> : row_state<Body::sums> {
  row_list<Body::most_kept> list;
};

struct row_reduce_arguments {
  std::int64_t items = 0, rows = 0, columns = 0;  // items and rows differ with an index only
  row_source x;
  row_source y;  // of a body that joins
  row_sink gradient;
  source index;
  bool arg = false;  // whether the state's arg is looked for
};

inline namespace PREFER_ABI {
namespace detail {

template <class Body>
concept joins_rows = requires(const Body& body, const float& x) {
  body.join(x, x);
};

// Where values ascend with columns, maxima are found among columns.
template <class Body>
inline constexpr bool values_ascend = false;
template <class Body>
requires requires { Body::ascends; }
inline constexpr bool values_ascend<Body> = Body::ascends;
template <class Body, class V>
PREFER_HD V key_of(const Body& body, const V& x) {
  if constexpr (values_ascend<Body>)
    return x;
  else
    return body.value(x);
}
template <class Body, class V>
PREFER_HD V value_of_key(const Body& body, const V& key) {
  if constexpr (values_ascend<Body>)
    return body.value(key);
  else
    return key;
}
template <class Body>
inline constexpr bool takes_offset = requires(const Body& b, double (&sum)[Body::sums]) { b.divide(sum, sum[0]); };
template <class T, class Body>
PREFER_HD T key_unit(const Body& body) {
  if constexpr (values_ascend<Body>)
    return static_cast<T>(body.column_unit());
  else
    return static_cast<T>(body.unit());
}

// The sums of a part, relative to a larger maximum.
template <class Body, class T>
PREFER_HD void rebase_to(const Body& body, T top, T max, T (&sum)[Body::sums]) {
  // Nothing to move: no change, no column yet, or an infinity whose row is NaN anyway.
  if (top == max || !(max > -math::detail::infinity<T>()) || !(top < math::detail::infinity<T>())) return;
  body.rebase(sum, (max - top) * static_cast<T>(body.unit()));
}

template <class Body>
PREFER_HD void append(const Body& body, row_state<Body::sums>& to, const row_state<Body::sums>& part) {
  const double top = math::max(part.max, to.max);
  double moved[Body::sums];
  for (int r = 0; r < Body::sums; ++r) moved[r] = part.sum[r];
  rebase_to(body, top, part.max, moved);
  rebase_to(body, top, to.max, to.sum);
  if (part.max > to.max || to.arg < 0 || (part.max == to.max && part.arg >= 0 && part.arg < to.arg)) to.arg = part.arg;
  to.max = top;
  for (int r = 0; r < Body::sums; ++r) to.sum[r] += moved[r];
}

template <class Body>
inline constexpr bool picks_columns = requires(const Body& b) { b.picked(std::int64_t{}, 0); };
template <class Body>
inline constexpr bool keeps_columns = requires { Body::most_kept; };

// One more number for a state.
template <class T, class Body>
PREFER_HD void append_number(const Body& body, row_state<Body::sums>& to, T x) {
  row_state<Body::sums> one;
  one.max = static_cast<double>(body.value(x));
  body.terms(one.max > -math::detail::infinity<double>() ? 0.0 : one.max, one.sum);
  append(body, to, one);
}

// The row of an item, or -1 if the index is wrong there.
PREFER_HD std::int64_t row_of(const row_reduce_arguments& a, std::int64_t item) {
  return listed_row(a.index, a.rows, item);
}

// What rounding a maximum to its storage loses. It goes to what is relative to the maximum, so that the two always
// belong together.
PREFER_HD double lost_by(const sink& s, double max) {
  const double stored = s.type == element::f32 ? static_cast<double>(static_cast<float>(max)) : max;
  return stored - stored == 0 ? max - stored : 0;
}

// The plan of an item whose row is known.
template <class Body>
PREFER_HD row_plan plan_of(const Body& body, std::int64_t item, std::int64_t row) {
  if (row >= 0) return body.begin(item);
  row_plan nothing;
  nothing.reduces = nothing.slopes = false;
  nothing.code = errc::bad_index;
  return nothing;
}

// How a row is cut into chunks: by its length alone. A chunk is what one thread or one block of threads does.
struct row_chunks {
  std::int64_t columns, size, count;
  PREFER_HD explicit row_chunks(std::int64_t n) : columns(n) {
    constexpr std::int64_t least = 16384, most_chunks = 64, unit = 4096;
    size = (n + most_chunks - 1) / most_chunks;
    size = size < least ? least : (size + unit - 1) / unit * unit;
    count = n < 1 ? 1 : (n + size - 1) / size;
  }
  PREFER_HD std::int64_t begin(std::int64_t chunk) const { return chunk * size; }
  PREFER_HD std::int64_t end(std::int64_t chunk) const {
    return (chunk + 1) * size < columns ? (chunk + 1) * size : columns;
  }
};

}  // namespace detail
}  // namespace PREFER_ABI

template <class T, class Exec, class Body>
status row_reduce(const Exec&, const Body&, const row_reduce_arguments&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}

}  // namespace prefer
