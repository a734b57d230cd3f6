// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/convert.hpp>
#include <prefer/backend/map_reduce.hpp>

#include <cstdint>

// What every primitive does with one item at a time, on either side: is it selected, what are its inputs, where do its
// outputs go.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

PREFER_HD bool selects(const source& mask, std::int64_t i) {
  return mask.data == nullptr || load_element<float>(mask.data, mask.type, i * mask.stride) != 0.0f;
}

// Element i, or what the input is when it is not given.
template <class T>
PREFER_HD T read_item(const source& s, std::int64_t i) {
  return s.data == nullptr ? static_cast<T>(s.neutral) : load_element<T>(s.data, s.type, i * s.stride);
}

// Writes an output that is asked for: x, or 0 for an item that is not selected, which accumulating leaves alone.
template <class T>
PREFER_HD void write_item(const sink& s, std::int64_t i, bool selected, const T& x, bool accumulate) {
  const bool adds = accumulate && !s.fresh;
  if (s.data != nullptr && (selected || !adds))
    store_element(s.data, s.type, i * s.stride, selected ? x : T(0), adds);
}

// The same of an integer or a flag.
PREFER_HD void write_index(const sink& s, std::int64_t i, std::int64_t x) {
  if (s.data != nullptr) store_index(s.data, s.type, i * s.stride, x);
}
PREFER_HD void write_flag(const sink& s, std::int64_t i, bool x) {
  if (s.data != nullptr) static_cast<std::uint8_t*>(s.data)[i * s.stride] = x ? 1 : 0;
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
