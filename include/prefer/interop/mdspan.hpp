// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/view.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

// Views of any mdspan: std::mdspan, cuda::std::mdspan, Kokkos's, or whatever has their members extent(r), stride(r) and
// data_handle(). as_vector, as_matrix and as_tensor take rank 1, 2 and 3. Nothing is copied; an mdspan does not say
// where its memory is, so its view goes to either backend. The layout must be strided and the accessor plain: what a
// stride cannot describe is refused at compile time. Negative strides are refused by the call that receives the view.
namespace prefer {

// Where an accessor's memory can be read; to be specialised for an accessor that knows.
template <class Accessor>
inline constexpr space space_of_accessor = space::any;

inline namespace PREFER_ABI {
namespace detail {

template <class X>
concept mdspan_like = requires(const X& x) {
  x.extent(0);
  x.data_handle();
  { X::rank() } -> std::convertible_to<std::size_t>;
};

// Reads and writes elements where they are, not a scaled, conjugated or atomic stand-in.
template <class X>
constexpr bool plain_access() {
  using pointer = std::remove_cvref_t<decltype(std::declval<const X&>().data_handle())>;
  if constexpr (requires {
                  typename X::element_type;
                  typename X::reference;
                })
    return std::is_convertible_v<pointer, typename X::element_type*> &&
           std::is_same_v<typename X::reference, typename X::element_type&>;
  else
    return std::is_pointer_v<pointer>;
}

template <class X>
constexpr bool always_strided() {
  if constexpr (requires { X::is_always_strided(); })
    return X::is_always_strided();
  else
    return requires(const X& x) { x.stride(0); };
}

template <class X>
constexpr space space_of_mdspan() {
  if constexpr (requires { typename X::accessor_type; })
    return space_of_accessor<typename X::accessor_type>;
  else
    return space::any;
}

// The first element, where a mapping does not start at 0 (as when it walks backwards).
template <class X, std::size_t... R>
constexpr std::int64_t offset_of_mdspan(const X& x, std::index_sequence<R...>) {
  if constexpr (requires { x.mapping()(static_cast<typename X::index_type>(R * 0)...); }) {
    const bool empty = ((x.extent(R) == 0) || ...);
    return empty ? 0 : static_cast<std::int64_t>(x.mapping()(static_cast<typename X::index_type>(R * 0)...));
  } else {
    return 0;
  }
}

template <int Rank, class X>
constexpr auto view_of_mdspan(const X& x) {
  static_assert(X::rank() == Rank, "prefer: as_vector, as_matrix and as_tensor take an mdspan of rank 1, 2 and 3");
  static_assert(plain_access<X>(),
                "prefer: this mdspan's accessor computes its elements: a view needs an accessor that refers to memory");
  static_assert(always_strided<X>(),
                "prefer: this mdspan's layout is not strided: a view needs one stride per dimension");
  using T = std::remove_reference_t<decltype(*x.data_handle())>;
  view<T, Rank, space_of_mdspan<X>()> v;
  v.data = x.data_handle() + offset_of_mdspan(x, std::make_index_sequence<Rank>{});
  using rank_type = std::remove_cvref_t<decltype(X::rank())>;
  for (int r = 0; r < Rank; ++r) {
    v.extent[r] = static_cast<std::int64_t>(x.extent(static_cast<rank_type>(r)));
    v.stride[r] = static_cast<std::int64_t>(x.stride(static_cast<rank_type>(r)));
  }
  return v;
}

}  // namespace detail

template <detail::mdspan_like X>
constexpr auto as_vector(const X& x) {
  return detail::view_of_mdspan<1>(x);
}
template <detail::mdspan_like X>
constexpr auto as_matrix(const X& x) {
  return detail::view_of_mdspan<2>(x);
}
template <detail::mdspan_like X>
constexpr auto as_tensor(const X& x) {
  return detail::view_of_mdspan<3>(x);
}

}  // namespace PREFER_ABI
}  // namespace prefer
