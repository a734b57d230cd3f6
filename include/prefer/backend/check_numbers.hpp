// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/item.hpp>
#include <prefer/backend/row_map_reduce.hpp>
#include <prefer/core/checks.hpp>
#include <prefer/core/math.hpp>

#include <cstdint>

// Looking for NaN before a call on the CPU computes, where no loss says with its fields what is looked at (content.hpp).
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// With content::all: no NaN among the n items of a vector, or the rows of a matrix, that the mask keeps.
inline status check_numbers(const cpu& exec, const char* name, const source& s, const source& mask, std::int64_t n) {
  for (std::int64_t i = 0; exec.content == content::all && s.data != nullptr && i < n; ++i)
    if (selects(mask, i) && math::is_nan(read_item<double>(s, i)))
      return require::fail(errc::not_a_number, name, "a number, but it is NaN", 0, 0, i);
  return {};
}
inline status check_numbers(const cpu& exec, const char* name, const row_source& s, const source& mask, std::int64_t n,
                            std::int64_t columns) {
  for (std::int64_t i = 0; exec.content == content::all && s.data != nullptr && i < n; ++i)
    for (std::int64_t k = 0; selects(mask, i) && k < columns; ++k)
      if (math::is_nan(load_element<double>(s.data, s.type, i * s.row_stride + k * s.stride)))
        return require::fail(errc::not_a_number, name, "numbers, but one of its row is NaN", 0, 0, i);
  return {};
}
inline status check_numbers(const cuda&, const char*, const source&, const source&, std::int64_t) { return {}; }
inline status check_numbers(const cuda&, const char*, const row_source&, const source&, std::int64_t, std::int64_t) {
  return {};
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
