// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/checks.hpp>

#include <cstdint>

// The checks of a call whose vectors and matrices may be left out.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

template <bool Mutable, space S>
status check_optional(const char* name, const erased_view<Mutable, 1, S>& v, std::int64_t n, const char* whose,
                      require::holds what) {
  return v.given() ? require::vector(name, v, n, whose, what) : status{};
}
template <bool Mutable, space S>
status check_optional(const char* name, const erased_view<Mutable, 2, S>& v, std::int64_t rows, std::int64_t columns,
                      require::holds what) {
  return v.given() ? require::matrix(name, v, rows, columns, what) : status{};
}

// The vectors and matrices of a call one after the other: the first error, and whether an output lies over anything
// else.
template <int Inputs, int Outputs>
struct call_checks {
  status first = {};
  require::footprints<Inputs, Outputs> all = {};

  template <space S>
  void read(const char* name, const input_view<1, S>& v, std::int64_t n, const char* whose, require::holds what) {
    if (first.ok()) first = check_optional(name, v, n, whose, what);
    if (first.ok() && v.given()) all.read(require::footprint_of(name, v));
  }
  template <space S>
  void read(const char* name, const input_view<2, S>& v, std::int64_t rows, std::int64_t columns,
            require::holds what = require::holds::numbers) {
    if (first.ok()) first = check_optional(name, v, rows, columns, what);
    if (first.ok() && v.given()) all.read(require::footprint_of(name, v));
  }
  template <space S>
  void write(const char* name, const output_view<1, S>& v, std::int64_t n, const char* whose, require::holds what) {
    if (first.ok()) first = check_optional(name, v, n, whose, what);
    if (first.ok() && v.given()) all.write(require::footprint_of(name, v));
  }
  template <space S>
  void write(const char* name, const output_view<2, S>& v, std::int64_t rows, std::int64_t columns,
             require::holds what) {
    if (first.ok()) first = check_optional(name, v, rows, columns, what);
    if (first.ok() && v.given()) all.write(require::footprint_of(name, v));
  }
  status check() const { return first.ok() ? all.check() : first; }
};

template <class... View>
status some_output(const View&... v) {
  return (v.given() || ...) ? status{} : require::fail(errc::missing_output, "outputs", "at least one output to write");
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
