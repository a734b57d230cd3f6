// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/interop/span.hpp>

#include <thrust/device_ptr.h>
#include <thrust/device_vector.h>
#include <thrust/host_vector.h>
#include <thrust/universal_vector.h>

#include <concepts>
#include <cstdint>
#include <type_traits>

// Views of Thrust's vectors and pointers. thrust::device_vector and device_ptr give views of device memory, which a
// call on prefer::cpu refuses at compile time; universal ones go to either backend; thrust::host_vector is a container
// like any other (interop/span.hpp). Nothing is copied and nothing synchronises.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// A pointer that Thrust tags with where it points to, and the container that has one.
template <class P>
concept thrust_pointer = !std::is_pointer_v<P> && requires(P p) {
  typename P::raw_pointer;
  { thrust::raw_pointer_cast(p) } -> std::convertible_to<const void*>;
};
template <class X>
concept thrust_vector = requires(X& x) {
  requires thrust_pointer<std::remove_cvref_t<decltype(x.data())>>;
  x.size();
};

template <class P>
inline constexpr space space_of_thrust = space::any;
template <class T>
inline constexpr space space_of_thrust<thrust::device_ptr<T>> = space::device;

template <class P>
using thrust_element = std::remove_pointer_t<decltype(thrust::raw_pointer_cast(std::declval<P>()))>;

}  // namespace detail

template <class X>
requires detail::thrust_vector<std::remove_reference_t<X>>
auto as_vector(X&& x) {
  using P = std::remove_cvref_t<decltype(x.data())>;
  return view<detail::thrust_element<P>, 1, detail::space_of_thrust<P>>(thrust::raw_pointer_cast(x.data()),
                                                                        static_cast<std::int64_t>(x.size()));
}

template <detail::thrust_pointer P, std::integral... I>
requires(sizeof...(I) == 1 || sizeof...(I) == 2) auto as_vector(P p, I... sizes) {
  return view<detail::thrust_element<P>, 1, detail::space_of_thrust<P>>(thrust::raw_pointer_cast(p), sizes...);
}
template <detail::thrust_pointer P, std::integral... I>
requires(sizeof...(I) == 2 || sizeof...(I) == 4) auto as_matrix(P p, I... sizes) {
  return view<detail::thrust_element<P>, 2, detail::space_of_thrust<P>>(thrust::raw_pointer_cast(p), sizes...);
}
template <detail::thrust_pointer P, std::integral... I>
requires(sizeof...(I) == 3 || sizeof...(I) == 6) auto as_tensor(P p, I... sizes) {
  return view<detail::thrust_element<P>, 3, detail::space_of_thrust<P>>(thrust::raw_pointer_cast(p), sizes...);
}

}  // namespace PREFER_ABI
}  // namespace prefer
