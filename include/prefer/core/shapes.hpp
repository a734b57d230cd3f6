// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/checks.hpp>

#include <cstdint>
#include <type_traits>

// Views of tables, for calls that take them by rank and shape: small problems, many at a time.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

template <class T, int Rank, space S>
view<T, Rank> any_space(const view<T, Rank, S>& v) {
  view<T, Rank> r;
  r.data = v.data;
  for (int i = 0; i < Rank; ++i) r.extent[i] = v.extent[i], r.stride[i] = v.stride[i];
  return r;
}

// An argument has the shape that the call expects; elements of an output do not coincide. One that is not required may
// be empty.
template <class View>
status check_shape(const char* name, const View& v, const std::int64_t (&expected)[View::rank], bool required) {
  if (v.data == nullptr && v.extent[0] == 0 && !required) return {};
  for (int r = 0; r < View::rank; ++r) {
    if (v.extent[r] != expected[r])
      return require::fail(errc::bad_extent, name,
                           "the shape that the other arguments have:", static_cast<double>(v.extent[r]),
                           static_cast<double>(expected[r]));
    const std::int64_t least = !std::is_const_v<typename View::value_type> && expected[r] > 1 ? 1 : 0;
    if (v.stride[r] < least)
      return require::fail(errc::bad_stride, name, "at least", static_cast<double>(v.stride[r]),
                           static_cast<double>(least));
  }
  bool empty = false;
  for (std::int64_t e : expected) empty = empty || e == 0;
  if (v.data == nullptr && !empty)
    return require::fail(errc::null_data, name, "a pointer to its elements, but it is null");
  return {};
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
