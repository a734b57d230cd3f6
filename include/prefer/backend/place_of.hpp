// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/map_reduce.hpp>
#include <prefer/core/view.hpp>

#include <cstdint>
#include <type_traits>

// The vectors and matrices of a call as primitives take them.
namespace prefer {

struct row_source {
  const void* data = nullptr;
  std::int64_t row_stride = 0, stride = 0;
  element type = element::none;
};
struct row_sink {
  void* data = nullptr;
  std::int64_t row_stride = 0, stride = 0;
  element type = element::none;

  PREFER_HD std::int64_t place(std::int64_t row, std::int64_t column) const {
    return row * row_stride + column * stride;
  }
};

inline namespace PREFER_ABI {
namespace detail {

// Where a vector or a matrix of a call lies, as primitives take it; nowhere if it is not given.
template <int Rank, bool Mutable, space S>
auto place_of(const erased_view<Mutable, Rank, S>& v) {
  using one = std::conditional_t<Mutable, sink, source>;
  using row = std::conditional_t<Mutable, row_sink, row_source>;
  if constexpr (Rank == 1)
    return v.given() ? one{v.data, v.stride[0], v.type} : one{};
  else
    return v.given() ? row{v.data, v.stride[0], v.stride[1], v.type} : row{};
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
