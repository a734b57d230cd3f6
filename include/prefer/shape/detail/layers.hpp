// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/row_map_reduce.hpp>
#include <prefer/core/call_checks.hpp>
#include <prefer/core/host_scratch.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

// What the calls on the weights of layers share.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// A score for row_map_reduce that only maps the numbers of rows: what it computes is its `slopes`.
template <int Arrays, int Gradients>
struct map_of_rows {
  static constexpr int arrays = Arrays, gradients = Gradients, factors = 1;
  template <class T>
  PREFER_HD void begin(std::int64_t, T (&)[factors]) const {}
  PREFER_HD bool reduces() const { return false; }
  template <class V>
  PREFER_HD V term(const V (&)[arrays], const V (&)[factors]) const {
    return V(0);
  }
};

// A call carves its memory from an arena, `carve(memory)`, and says how many rows its maps over rows have, `maps()`.
template <class Call>
std::size_t carved_bytes(Call& call) {
  arena own;
  call.carve(own);
  return own.bytes();
}
template <class Call>
std::size_t layer_bytes(const cpu&, Call& call) {
  return carved_bytes(call);
}
template <class Call>
status run_layer(const cpu& exec, Call& call) {
  host_scratch scratch;
  if (const status s = scratch.provide(exec.workspace, carved_bytes(call)); !s.ok()) return s;
  arena own(scratch.data);
  call.carve(own);
  return call.run(exec);
}

template <class Call>
std::size_t map_bytes(const cpu&, const Call&) {
  return 0;
}

// work(j) for every column, on whom columns do not depend.
template <class Work>
status for_columns(const cpu& exec, std::int64_t columns, const Work& work) {
  for_blocks(exec, columns, columns * 64, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t j = first; j < last; ++j) work(j);
  });
  return {};
}

// A map over rows, or a sum over them, in the terms of row_map_reduce.
struct layer_rows {
  static constexpr int inputs = 1, outputs = 1, sums = 1;
  PREFER_HD layer_rows ready(double) const { return *this; }
  template <class V>
  PREFER_HD void operator()(const V (&in)[inputs], V (&out)[outputs], V (&sum)[sums]) const {
    out[0] = V(1);
    sum[0] = in[0];
  }
};
template <class Score>
using layer_arguments = row_arguments<Score, layer_rows, 1>;

template <class Score>
layer_arguments<Score> rows_of_layer(std::int64_t rows, std::int64_t columns) {
  layer_arguments<Score> a;
  a.items.n = rows, a.elements = columns;
  a.items.normalizer = 1.0;
  a.computed = 1;
  return a;
}

// The vector that every row meets, as the rows of a matrix.
inline row_source for_every_row(const source& v) { return {v.data, 0, v.stride, v.type}; }

// Outputs may take the place of inputs of the same shape: such an input is not looked at again once it is overwritten.
template <bool A, bool B, int Rank, space S>
bool same_place(const erased_view<A, Rank, S>& a, const erased_view<B, Rank, S>& b) {
  bool same = a.given() && b.given() && a.data == b.data && a.type == b.type;
  for (int r = 0; r < Rank; ++r) same = same && a.extent[r] == b.extent[r] && a.stride[r] == b.stride[r];
  return same;
}

// The checks of a call whose outputs may lie where inputs do.
template <int Inputs, int Outputs>
struct layer_checks {
  status first = {};
  require::footprints<Inputs, Outputs> all = {};
  std::int64_t rows = 0, columns = 0;

  template <space S>
  explicit layer_checks(const input_view<2, S>& weight) : rows(weight.extent[0]), columns(weight.extent[1]) {
    if (!weight.given()) {
      first = require::fail(errc::missing_input, "weight", "a matrix, one row per output of the layer");
    } else if (rows < 0 || columns < 0) {
      first = require::fail(errc::bad_extent, "weight", "at least", static_cast<double>(rows < 0 ? rows : columns), 0);
    }
  }
  void look(const status& s) {
    if (first.ok()) first = s;
  }
  template <bool Mutable, space S>
  void matrix(const char* name, const erased_view<Mutable, 2, S>& v) {
    if (first.ok() && v.given()) first = require::matrix(name, v, rows, columns);
  }
  template <bool Mutable, space S>
  void vector(const char* name, const erased_view<Mutable, 1, S>& v, std::int64_t n, const char* whose,
              require::holds what = require::holds::numbers) {
    if (first.ok()) first = check_optional(name, v, n, whose, what);
  }
  template <bool Mutable, space S>
  void number(const char* name, const erased_view<Mutable, 1, S>& v, require::holds what = require::holds::totals) {
    vector(name, v, 1, "one number,", what);
  }
  // An input, unless its memory is that of the output which may take its place.
  template <int Rank, space S>
  void read(const char* name, const input_view<Rank, S>& v, const output_view<Rank, S>& replaced = {}) {
    if (first.ok() && !same_place(v, replaced)) all.read(name, v);
  }
  template <int Rank, space S>
  void write(const char* name, const output_view<Rank, S>& v) {
    if (first.ok()) all.write(name, v);
  }
  status check() const { return first.ok() ? all.check() : first; }
};

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
