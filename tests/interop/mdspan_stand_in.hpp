// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>

// The part of std::mdspan (C++23) that a view needs, for compilers that do not have it yet.
namespace stand_in {

template <class T>
struct plain_accessor {
  using element_type = T;
  using reference = T&;
};

// A mapping with any strides; an extent walked backwards has a negative one and starts at its end.
template <std::size_t Rank>
struct strided_mapping {
  std::array<int, Rank> extents{}, strides{};
  int start = 0;

  template <class... I>
  constexpr int operator()(I... i) const {
    int at = start;
    std::size_t r = 0;
    ((at += static_cast<int>(i) * strides[r++]), ...);
    return at;
  }
};

template <class T, std::size_t Rank, class Accessor = plain_accessor<T>, bool Strided = true>
struct mdspan {
  using element_type = T;
  using index_type = int;
  using accessor_type = Accessor;
  using reference = typename Accessor::reference;

  T* pointer = nullptr;
  strided_mapping<Rank> map;

  static constexpr std::size_t rank() { return Rank; }
  static constexpr bool is_always_strided() { return Strided; }
  constexpr int extent(std::size_t r) const { return map.extents[r]; }
  constexpr int stride(std::size_t r) const { return map.strides[r]; }
  constexpr T* data_handle() const { return pointer; }
  constexpr const strided_mapping<Rank>& mapping() const { return map; }
};

}  // namespace stand_in
