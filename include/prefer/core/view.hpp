// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/element.hpp>

#include <concepts>
#include <cstdint>
#include <type_traits>

namespace prefer {

// Where memory can be read: a host view is refused by a CUDA call and a device view by a CPU call, at compile time. Raw
// pointers carry no space and are taken at the caller's word.
enum class space : std::uint8_t { host, device, any };

constexpr bool reachable(space from, space to) { return from == space::any || to == space::any || from == to; }

// A typed, strided view of rank 1 to 3: pointer, extents, strides in elements. Trivially copyable; owns nothing.
template <class T, int Rank = 1, space Space = space::any>
struct view {
  static_assert(Rank >= 1 && Rank <= 3, "prefer: a view has rank 1, 2 or 3");
  static_assert(element_of<T>() != element::none,
                "prefer: elements of a view are double, float, half, bfloat16, int32, int64, uint8 or bool");
  using value_type = T;
  static constexpr int rank = Rank;
  static constexpr prefer::space memory = Space;

  T* data = nullptr;
  std::int64_t extent[Rank] = {};
  std::int64_t stride[Rank] = {};

  constexpr view() = default;

  // {pointer, extents...} is contiguous in row-major order; {pointer, extents..., strides...} is not.
  template <std::integral... I>
  requires(sizeof...(I) == Rank || sizeof...(I) == 2 * Rank) constexpr view(T* pointer, I... sizes) : data(pointer) {
    const std::int64_t all[] = {static_cast<std::int64_t>(sizes)...};
    for (int r = 0; r < Rank; ++r) extent[r] = all[r];
    std::int64_t step = 1;
    for (int r = Rank; r-- > 0;) {
      stride[r] = sizeof...(I) == Rank ? step : all[static_cast<int>(sizeof...(I)) - Rank + r];
      if (r > 0) step *= extent[r];  // the whole size is not needed, and may not fit
    }
  }
};

// The same without the element type in the C++ type: what calls take. `Mutable` views are outputs.
template <bool Mutable, int Rank, space Space>
struct erased_view {
  using pointer_type = std::conditional_t<Mutable, void*, const void*>;
  static constexpr int rank = Rank;

  pointer_type data = nullptr;
  std::int64_t extent[Rank] = {};
  std::int64_t stride[Rank] = {};
  prefer::element type = element::none;

  constexpr erased_view() = default;

  template <class T, std::integral... I>
  requires(sizeof...(I) == Rank || sizeof...(I) == 2 * Rank) constexpr erased_view(T* pointer, I... sizes)
      : erased_view(view<T, Rank, Space>(pointer, sizes...)) {}

  template <class T, space From>
  constexpr erased_view(const view<T, Rank, From>& v) : data(v.data), type(element_of<T>()) {
    static_assert(!(From == space::device && Space == space::host),
                  "prefer: a view of device memory cannot be given to a call on prefer::cpu");
    static_assert(!(From == space::host && Space == space::device),
                  "prefer: a view of host memory cannot be given to a call on prefer::cuda");
    static_assert(!Mutable || !std::is_const_v<T>, "prefer: an output needs a view of non-const elements");
    static_assert(!Mutable || element_of<T>() != element::none);
    for (int r = 0; r < Rank; ++r) {
      extent[r] = v.extent[r];
      stride[r] = v.stride[r];
    }
  }

  // An empty view is how an optional argument says "not given".
  constexpr bool given() const { return type != element::none; }
};

template <int Rank, space Space>
using input_view = erased_view<false, Rank, Space>;
template <int Rank, space Space>
using output_view = erased_view<true, Rank, Space>;

}  // namespace prefer
