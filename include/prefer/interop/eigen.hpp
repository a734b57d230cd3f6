// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/view.hpp>

#include <Eigen/Core>

#include <cstdint>
#include <type_traits>
#include <utility>

// Views of Eigen's matrices, vectors, arrays, Map, Ref, blocks, rows, columns, diagonals and transposes, of either
// storage order, for the CPU. as_vector takes what has one row or one column at compile time, as_matrix anything of two
// dimensions (rows, columns). Nothing is copied: an expression that computes its elements is refused at compile time, a
// negative stride by the call that receives the view. Eigen::half and Eigen::bfloat16 are elements like any other.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

template <class Derived>
std::true_type derives_from_dense(const Eigen::DenseBase<Derived>*);
template <class X>
concept eigen_dense = requires(const X* x) {
  derives_from_dense(x);
};

template <class X>
constexpr bool eigen_has_memory() {
  return (int(Eigen::internal::traits<X>::Flags) & int(Eigen::DirectAccessBit)) != 0;
}

template <class X>
using eigen_element = std::remove_pointer_t<decltype(std::declval<X&>().data())>;

}  // namespace detail

template <class X>
requires detail::eigen_dense<std::remove_cvref_t<X>>
auto as_vector(X&& x) {
  using dense = std::remove_cvref_t<X>;
  static_assert(dense::IsVectorAtCompileTime,
                "prefer: as_vector takes an Eigen expression with one row or one column at compile time: take .col(j), "
                ".row(i) or as_matrix");
  static_assert(detail::eigen_has_memory<dense>(),
                "prefer: this Eigen expression computes its elements and has no memory to look at: evaluate it into a "
                "variable first");
  using T = detail::eigen_element<std::remove_reference_t<X>>;
  return view<T, 1, space::host>(x.data(), static_cast<std::int64_t>(x.size()),
                                 static_cast<std::int64_t>(x.innerStride()));
}

template <class X>
requires detail::eigen_dense<std::remove_cvref_t<X>>
auto as_matrix(X&& x) {
  using dense = std::remove_cvref_t<X>;
  static_assert(detail::eigen_has_memory<dense>(),
                "prefer: this Eigen expression computes its elements and has no memory to look at: evaluate it into a "
                "variable first");
  using T = detail::eigen_element<std::remove_reference_t<X>>;
  const auto inner = static_cast<std::int64_t>(x.innerStride()), outer = static_cast<std::int64_t>(x.outerStride());
  constexpr bool row_major = dense::IsRowMajor;
  return view<T, 2, space::host>(x.data(), static_cast<std::int64_t>(x.rows()), static_cast<std::int64_t>(x.cols()),
                                 row_major ? outer : inner, row_major ? inner : outer);
}

}  // namespace PREFER_ABI
}  // namespace prefer
