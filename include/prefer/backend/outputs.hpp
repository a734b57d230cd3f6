// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/convert.hpp>
#include <prefer/backend/place_of.hpp>
#include <prefer/core/call_checks.hpp>
#include <prefer/core/execution.hpp>

#include <cstdint>

// Writing outputs that may be left out.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

PREFER_HD void store_index(const sink& s, std::int64_t at, std::int64_t x) {
  if (s.data != nullptr) store_index(s.data, s.type, at * s.stride, x);
}
PREFER_HD void store_index(const row_sink& s, std::int64_t row, std::int64_t column, std::int64_t x) {
  if (s.data != nullptr) store_index(s.data, s.type, s.place(row, column), x);
}
PREFER_HD void store_number(const sink& s, std::int64_t at, double x) {
  if (s.data != nullptr) store_element(s.data, s.type, at * s.stride, x, false);
}
PREFER_HD void store_number(const row_sink& s, std::int64_t row, std::int64_t column, double x) {
  if (s.data != nullptr) store_element(s.data, s.type, s.place(row, column), x, false);
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
