// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/view.hpp>

// xtensor 0.26 moved its headers into folders.
#if __has_include(<xtensor/core/xexpression.hpp>)
#include <xtensor/core/xexpression.hpp>
#elif __has_include(<xtensor/xexpression.hpp>)
#include <xtensor/xexpression.hpp>
#else
#error "prefer: <prefer/interop/xtensor.hpp> needs xtensor on the include path"
#endif

#include <cstddef>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>

// Views of xtensor's containers (xtensor, xarray, xtensor_fixed), adaptors (xt::adapt) and strided views, of any
// layout, for the CPU. as_vector, as_matrix and as_tensor take dimension 1, 2 and 3. Nothing is copied: an expression
// that computes its elements is refused at compile time. The number of dimensions of an xarray is known at run time
// only; with another number than asked for, its view has extent -1, which every call refuses as a bad extent, as it
// refuses a negative stride.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

template <class X>
concept xtensor_expression = xt::is_xexpression<X>::value;

template <class X>
concept xtensor_memory = requires(X& x) {
  {x.data() + x.data_offset()};
  x.strides()[0];
  x.shape()[0];
  requires std::is_pointer_v<std::remove_cvref_t<decltype(x.data())>>;
};

// 0 where the number of dimensions is known at run time only.
template <class X>
constexpr std::size_t xtensor_dimension() {
  using shape = std::remove_cvref_t<decltype(std::declval<const X&>().shape())>;
  if constexpr (requires { std::tuple_size<shape>::value; })
    return std::tuple_size<shape>::value;
  else
    return 0;
}

template <int Rank, class X>
auto view_of_xtensor(X& x) {
  static_assert(xtensor_memory<X>,
                "prefer: this xtensor expression computes its elements and has no memory to look at: evaluate it into "
                "a container first");
  if constexpr (xtensor_memory<X>) {
    constexpr std::size_t dimension = xtensor_dimension<X>();
    static_assert(dimension == 0 || dimension == Rank,
                  "prefer: as_vector, as_matrix and as_tensor take an xtensor expression of dimension 1, 2 and 3");
    view<std::remove_pointer_t<std::remove_cvref_t<decltype(x.data())>>, Rank, space::host> v;
    if (x.dimension() != Rank) {
      for (std::int64_t& extent : v.extent) extent = -1;
      return v;
    }
    v.data = x.data() + x.data_offset();
    for (int r = 0; r < Rank; ++r) {
      v.extent[r] = static_cast<std::int64_t>(x.shape()[static_cast<std::size_t>(r)]);
      v.stride[r] = static_cast<std::int64_t>(x.strides()[static_cast<std::size_t>(r)]);
      // xtensor writes stride 0 for a dimension of one element, which says nothing about memory.
      if (v.extent[r] == 1 && v.stride[r] == 0) v.stride[r] = 1;
    }
    return v;
  } else {
    return view<float, Rank, space::host>{};
  }
}

}  // namespace detail

template <class X>
requires detail::xtensor_expression<std::remove_cvref_t<X>>
auto as_vector(X&& x) { return detail::view_of_xtensor<1>(x); }
template <class X>
requires detail::xtensor_expression<std::remove_cvref_t<X>>
auto as_matrix(X&& x) { return detail::view_of_xtensor<2>(x); }
template <class X>
requires detail::xtensor_expression<std::remove_cvref_t<X>>
auto as_tensor(X&& x) { return detail::view_of_xtensor<3>(x); }

}  // namespace PREFER_ABI
}  // namespace prefer
