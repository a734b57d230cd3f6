// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/status.hpp>
#include <prefer/core/view.hpp>

#include <cstdint>

// Checks of arguments that every algorithm shares. They look at shapes, types and addresses, never at content.
namespace prefer::require {

constexpr status fail(errc code, const char* argument, const char* expected, double got = 0, double limit = 0,
                      std::int64_t index = -1) {
  status s;
  s.code = code;
  s.argument = argument;
  s.expected = expected;
  s.got = got;
  s.limit = limit;
  s.index = index;
  return s;
}

// What a vector argument may hold.
enum class holds { numbers, totals, flags, indices };

constexpr status element_type(const char* name, element type, holds what) {
  const auto wants = [&](const char* expected) {
    return fail(errc::bad_element, name, expected, static_cast<double>(type));
  };
  switch (what) {
    case holds::numbers:
      return is_floating(type) ? status{} : wants("elements of type double, float, half or bfloat16");
    case holds::totals:
      return type == element::f64 || type == element::f32 ? status{} : wants("elements of type double or float");
    case holds::flags: return is_flag(type) ? status{} : wants("elements of type bool or uint8");
    case holds::indices: return is_index(type) ? status{} : wants("elements of type int32 or int64");
  }
  return {};
}

// A vector of n elements: type, extent, data, stride. Inputs may have stride 0 (one element for all); outputs may not.
template <bool Mutable, space S>
constexpr status vector(const char* name, const erased_view<Mutable, 1, S>& v, std::int64_t n, const char* whose,
                        holds what) {
  if (const status s = element_type(name, v.type, what); !s.ok()) return s;
  if (v.extent[0] != n)
    return fail(errc::bad_extent, name, v.extent[0] < 0 ? "0 or more; the others have" : whose,
                static_cast<double>(v.extent[0]), static_cast<double>(n));
  if (v.data == nullptr && n > 0) return fail(errc::null_data, name, "a pointer to its elements, but it is null");
  const std::int64_t least = Mutable && n > 1 ? 1 : 0;
  if (v.stride[0] < least)
    return fail(errc::bad_stride, name, "at least", static_cast<double>(v.stride[0]), static_cast<double>(least));
  return {};
}

// A matrix of `rows` rows of `columns` elements, numbers unless `what` says otherwise. Rows of an output may interleave
// with those of another, not overlap.
template <bool Mutable, space S>
constexpr status matrix(const char* name, const erased_view<Mutable, 2, S>& v, std::int64_t rows, std::int64_t columns,
                        holds what = holds::numbers) {
  if (const status s = element_type(name, v.type, what); !s.ok()) return s;
  const std::int64_t expected[2] = {rows, columns};
  for (int r = 0; r < 2; ++r)
    if (v.extent[r] != expected[r])
      return fail(errc::bad_extent, name,
                  r == 0 ? "as many rows as the others," : "as many elements per row as the others,",
                  static_cast<double>(v.extent[r]), static_cast<double>(expected[r]));
  if (v.data == nullptr && rows > 0 && columns > 0)
    return fail(errc::null_data, name, "a pointer to its elements, but it is null");
  const std::int64_t within = Mutable && columns > 1 ? 1 : 0;
  if (v.stride[1] < within)
    return fail(errc::bad_stride, name, "at least", static_cast<double>(v.stride[1]), static_cast<double>(within));
  const std::int64_t row = Mutable && rows > 1 ? (columns - 1) * v.stride[1] + 1 : 0;
  if (v.stride[0] < row)
    return fail(errc::bad_stride, name, "rows that do not overlap: at least", static_cast<double>(v.stride[0]),
                static_cast<double>(row));
  return {};
}

// A batch of matrices, of any element type where it is an input. What an output touches lies in the order of its
// indices: elements of a row, rows of a matrix, matrices.
template <bool Mutable, space S>
constexpr status batch(const char* name, const erased_view<Mutable, 3, S>& v, const std::int64_t (&expected)[3]) {
  if (Mutable)
    if (const status s = element_type(name, v.type, holds::numbers); !s.ok()) return s;
  std::int64_t least = Mutable ? 1 : 0;
  const bool empty = expected[0] == 0 || expected[1] == 0 || expected[2] == 0;  // a product may wrap round
  for (int r = 3; r-- > 0;) {
    if (v.extent[r] != expected[r])
      return fail(errc::bad_extent, name, "the shape that the other arguments have:", static_cast<double>(v.extent[r]),
                  static_cast<double>(expected[r]));
    const std::int64_t needed = expected[r] > 1 && !empty ? least : 0;
    if (v.stride[r] < needed)
      return fail(errc::bad_stride, name, "at least", static_cast<double>(v.stride[r]), static_cast<double>(needed));
    if (Mutable && !empty && r > 0) least += (expected[r] - 1) * v.stride[r];
  }
  return v.data == nullptr && !empty ? fail(errc::null_data, name, "a pointer to its elements, but it is null")
                                     : status{};
}

// An extent from 1 to `most`. What is counted comes with its limit: "rewards, at least" and "rewards, at most".
constexpr status one_to(const char* name, std::int64_t n, std::int64_t most, const char* at_least,
                        const char* at_most) {
  if (n < 1) return fail(errc::bad_extent, name, at_least, static_cast<double>(n), 1);
  return n > most ? fail(errc::bad_extent, name, at_most, static_cast<double>(n), static_cast<double>(most)) : status{};
}

// The bytes that a vector touches, for the overlap test.
struct footprint {
  const char* name;
  std::intptr_t begin, end;  // equal for no elements
  std::int64_t step;         // in bytes
  std::int64_t size;         // of one element
  int group = 0;             // outputs of two groups other than 0 may be one vector: each writes elements of its own
};

template <bool Mutable, space S>
footprint footprint_of(const char* name, const erased_view<Mutable, 1, S>& v, int group = 0) {
  const std::int64_t size = size_of(v.type), step = v.stride[0] * size;
  const auto begin = reinterpret_cast<std::intptr_t>(v.data);
  return {name, begin, v.extent[0] > 0 ? begin + (v.extent[0] - 1) * step + size : begin, step, size, group};
}

// By address range, for arrays of any rank.
template <class T, int Rank, space S>
footprint footprint_of(const char* name, const view<T, Rank, S>& v) {
  std::int64_t elements = 1;
  for (int r = 0; r < Rank; ++r)
    elements = v.extent[r] > 0 && elements > 0 ? elements + (v.extent[r] - 1) * v.stride[r] : 0;
  const auto begin = reinterpret_cast<std::intptr_t>(v.data);
  const auto size = static_cast<std::int64_t>(sizeof(T));
  return {name, begin, v.data == nullptr ? begin : begin + elements * size, 0, size};
}

// Of a matrix: its rows take the place of elements.
template <bool Mutable, space S>
footprint footprint_of(const char* name, const erased_view<Mutable, 2, S>& v) {
  const std::int64_t size = size_of(v.type), step = v.stride[0] * size;
  const std::int64_t row = v.extent[1] > 0 ? ((v.extent[1] - 1) * v.stride[1] + 1) * size : 0;
  const auto begin = reinterpret_cast<std::intptr_t>(v.data);
  return {name, begin, v.extent[0] > 0 ? begin + (v.extent[0] - 1) * step + row : begin, step, row};
}

template <bool Mutable, space S>
footprint footprint_of(const char* name, const erased_view<Mutable, 3, S>& v) {
  std::int64_t elements = 1;
  for (int r = 0; r < 3; ++r)
    elements = v.extent[r] > 0 && elements > 0 ? elements + (v.extent[r] - 1) * v.stride[r] : 0;
  const auto begin = reinterpret_cast<std::intptr_t>(v.data);
  return {name, begin, begin + elements * size_of(v.type), 0, size_of(v.type)};
}

// Exact for two vectors of the same stride (the columns of one matrix, say), by address range otherwise.
inline bool overlap(const footprint& a, const footprint& b) {
  if (a.end <= b.begin || b.end <= a.begin || a.begin == a.end || b.begin == b.end) return false;
  if (a.step != b.step || a.step == 0) return true;
  const std::intptr_t shift = ((b.begin - a.begin) % a.step + a.step) % a.step;
  return shift < a.size || a.step - shift < b.size;
}

inline bool may_be_one(const footprint& a, const footprint& b) {
  return a.group != b.group && a.group != 0 && b.group != 0 && a.begin == b.begin && a.end == b.end &&
         a.step == b.step && a.size == b.size;
}

// The vectors of one call, and whether any output shares memory with another of them. They are added as anything with a
// `name`, a `view`, a `group` and `given()`, or as footprints.
template <int Inputs, int Outputs>
struct footprints {
  footprint reads[Inputs];
  footprint writes[Outputs];
  int read_count = 0, write_count = 0;

  void read(const footprint& f) { reads[read_count++] = f; }
  void write(const footprint& f) { writes[write_count++] = f; }
  // A view that may be left out.
  template <class View>
  void read(const char* name, const View& v) {
    if (v.given()) read(footprint_of(name, v));
  }
  template <class View>
  void write(const char* name, const View& v) {
    if (v.given()) write(footprint_of(name, v));
  }
  template <class Listed>
  void read(const Listed& a) {
    if (a.given()) read(footprint_of(a.name, *a.view));
  }
  template <class Listed>
  void write(const Listed& a) {
    if (a.given()) write(footprint_of(a.name, *a.view, a.group));
  }
  status check() const {
    for (int i = 0; i < write_count && i < Outputs; ++i) {  // the second is what compilers see
      for (int j = 0; j < read_count; ++j)
        if (overlap(writes[i], reads[j]))
          return fail(errc::overlap, writes[i].name, "memory of its own, not shared with an input");
      for (int j = 0; j < i; ++j)
        if (overlap(writes[i], writes[j]) && !may_be_one(writes[i], writes[j]))
          return fail(errc::overlap, writes[i].name, "memory of its own, not shared with another output");
    }
    return {};
  }
};

}  // namespace prefer::require
