// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/row_reduce.hpp>
#include <prefer/core/checks.hpp>
#include <prefer/core/execution.hpp>

#include <cstdint>
#include <type_traits>

// What calls on rows of logits have in common: shapes, and content on the CPU.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// Whether an output is an input's own elements, in which case each is read before it is written.
template <class Output, class Logits>
bool lies_over(const Output& g, const Logits& x) {
  return g.given() && g.data == x.data && g.type == x.type && g.stride[0] == x.stride[0] && g.stride[1] == x.stride[1];
}

template <class Logits, class Gradient>
status check_logits(const Logits& x, const Gradient& g) {
  if (!x.given()) return require::fail(errc::missing_input, "logits", "a matrix of one row per token");
  for (int r = 0; r < 2; ++r)
    if (x.extent[r] < 0)
      return require::fail(errc::bad_extent, "logits", "at least", static_cast<double>(x.extent[r]), 0);
  if (const status s = require::matrix("logits", x, x.extent[0], x.extent[1]); !s.ok()) return s;
  return g.given() ? require::matrix("grad_logits", g, x.extent[0], x.extent[1]) : status{};
}

// A vector, if it is given, of what belongs to the rows.
template <class View>
status check_row_vector(const char* name, const View& v, std::int64_t items, require::holds what) {
  return v.given() ? require::vector(name, v, items, "one per row of logits (or of rows):", what) : status{};
}

template <class Logits, class Rows, class Gradient>
row_reduce_arguments logit_rows(const Logits& x, const Rows& rows, const Gradient& g) {
  row_reduce_arguments a;
  a.items = rows.given() ? rows.extent[0] : x.extent[0];
  a.rows = x.extent[0];
  a.columns = x.extent[1];
  a.x = place_of(x), a.gradient = place_of(g), a.index = place_of(rows);
  return a;
}

// A vector's or a matrix's elements [first, first + count) along the first axis, if it is given.
template <bool Mutable, int Rank, space S>
void keep_rows(erased_view<Mutable, Rank, S>& v, std::int64_t first, std::int64_t count) {
  if (!v.given()) return;
  using byte = std::conditional_t<Mutable, char, const char>;
  v.data = static_cast<byte*>(v.data) + first * v.stride[0] * size_of(v.type);
  v.extent[0] = count;
}

// What an item says about its row: what is wrong with it, and whether its logits are read.
struct item_look {
  status wrong = {};
  bool reads = true;
};

inline status check_token(std::int64_t token, std::int64_t vocabulary, const char* name, std::int64_t item) {
  if (token >= 0 && token < vocabulary) return {};
  return require::fail(errc::bad_index, name, "ignore_index, or 0 or above and below the vocabulary's size",
                       static_cast<double>(token), 0, item);
}

inline status bad_listed_row(const row_reduce_arguments& a, std::int64_t item) {
  return require::fail(errc::bad_index, "rows", "ascending rows of the logits",
                       static_cast<double>(load_index(a.index.data, a.index.type, item * a.index.stride)), 0, item);
}

// Looks for NaN in a row of `a`, which is row `number` of the argument `name`.
inline status check_logit_row(const row_reduce_arguments& a, std::int64_t row, std::int64_t number,
                              const char* name = "logits") {
  for (std::int64_t v = 0; v < a.columns; ++v)
    if (math::is_nan(load_element<double>(a.x.data, a.x.type, row * a.x.row_stride + v * a.x.stride)))
      return require::fail(errc::not_a_number, name, "numbers, but this row has a NaN", 0, 0, number);
  return {};
}

// Content of a call on the CPU, before anything is written; on CUDA the kernel guards itself. look(i) is an item_look.
template <class Exec, class Look>
status check_logit_rows(const Exec&, const row_reduce_arguments&, const Look&, const char* = "logits") {
  return {};
}
template <class Look>
status check_logit_rows(const cpu& exec, const row_reduce_arguments& a, const Look& look,
                        const char* name = "logits") {
  if (exec.content == content::none) return {};
  for (std::int64_t i = 0; i < a.items; ++i) {
    const std::int64_t row = row_of(a, i);
    if (row < 0) return bad_listed_row(a, i);
    const item_look seen = look(i);
    if (!seen.wrong.ok()) return seen.wrong;
    if (!seen.reads || exec.content != content::all) continue;
    if (const status s = check_logit_row(a, row, row, name); !s.ok()) return s;
  }
  return {};
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
