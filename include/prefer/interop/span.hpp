// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/view.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

// Views of pointers, arrays and anything with data() and size(): std::vector, std::array, std::span, a framework's own.
//
//   as_vector(x)                 view<T, 1>: x.size() elements, one after the other
//   as_vector(p, n [, stride])   the same of a pointer
//   as_matrix(p, rows, columns)  view<T, 2>, row-major; as_matrix(p, rows, columns, row_stride, column_stride) is not
//   as_tensor(p, a, b, c)        view<T, 3>, likewise with strides
//
// Nothing is copied, and a view lives no longer than what it looks at. Constness is kept: a view of const elements is
// no output. A container that owns its elements (its constness is theirs) gives a view of host memory; a span, a
// pointer or a built-in array may refer to either memory and is taken at the caller's word.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// Libraries whose containers have data() and size() too, but strides as well, have headers of their own here.
template <class X>
concept strided_container = requires(const X& x) {
  x.strides();
}
|| requires(const X& x) { x.innerStride(); };

template <class X>
concept contiguous_container = !strided_container<X> && requires(X & x) {
  {*x.data()};
  { x.size() } -> std::convertible_to<std::size_t>;
  requires std::is_pointer_v<std::remove_cvref_t<decltype(x.data())>>;
};

// std::vector<bool> and its like.
template <class X>
concept packs_bits = requires {
  requires std::same_as<typename X::value_type, bool>;
  requires !std::is_reference_v<typename X::reference>;
  requires !std::is_pointer_v<typename X::iterator>;
}
&&!strided_container<X> && !contiguous_container<X> && requires(X & x) {
  x.size();
  x.flip();
};

template <class X>
using pointer_of = decltype(std::declval<X&>().data());

// Deep constness is what distinguishes owners from references.
template <class X>
inline constexpr space space_of_container =
    std::same_as<pointer_of<std::remove_const_t<X>>, pointer_of<const X>> ? space::any : space::host;

}  // namespace detail

template <class X>
requires detail::contiguous_container<std::remove_reference_t<X>>
constexpr auto as_vector(X&& x) {
  using container = std::remove_reference_t<X>;
  using T = std::remove_pointer_t<std::remove_cvref_t<detail::pointer_of<container>>>;
  return view<T, 1, detail::space_of_container<container>>(x.data(), static_cast<std::int64_t>(x.size()));
}

template <class X>
requires detail::packs_bits<std::remove_cvref_t<X>>
constexpr auto as_vector(X&&) {
  static_assert(
      sizeof(X) == 0,
      "prefer: this container packs its bool elements into bits, which no view can refer to: use one byte each, "
      "as in std::vector<std::uint8_t>");
}

template <class T, std::size_t N>
constexpr view<T, 1> as_vector(T (&x)[N]) {
  return {x, N};
}
template <class T, std::size_t Rows, std::size_t Columns>
constexpr view<T, 2> as_matrix(T (&x)[Rows][Columns]) {
  return {x[0], Rows, Columns};
}
template <class T, std::size_t A, std::size_t B, std::size_t C>
constexpr view<T, 3> as_tensor(T (&x)[A][B][C]) {
  return {x[0][0], A, B, C};
}

template <class T, std::integral... I>
requires(sizeof...(I) == 1 || sizeof...(I) == 2) constexpr view<T, 1> as_vector(T* p, I... sizes) {
  return {p, sizes...};
}
template <class T, std::integral... I>
requires(sizeof...(I) == 2 || sizeof...(I) == 4) constexpr view<T, 2> as_matrix(T* p, I... sizes) {
  return {p, sizes...};
}
template <class T, std::integral... I>
requires(sizeof...(I) == 3 || sizeof...(I) == 6) constexpr view<T, 3> as_tensor(T* p, I... sizes) {
  return {p, sizes...};
}

}  // namespace PREFER_ABI
}  // namespace prefer
