// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#if __has_include(<xtensor/containers/xtensor.hpp>)
#include <xtensor/containers/xadapt.hpp>
#include <xtensor/containers/xarray.hpp>
#include <xtensor/containers/xfixed.hpp>
#include <xtensor/containers/xtensor.hpp>
#include <xtensor/views/xstrided_view.hpp>
#include <xtensor/views/xview.hpp>
#else
#include <xtensor/xadapt.hpp>
#include <xtensor/xarray.hpp>
#include <xtensor/xfixed.hpp>
#include <xtensor/xstrided_view.hpp>
#include <xtensor/xtensor.hpp>
#include <xtensor/xview.hpp>
#endif

#include <prefer/interop/span.hpp>  // both at once: neither claims the other's types
#include <prefer/interop/xtensor.hpp>

#include "interop/same_answer.hpp"

#include <type_traits>
#include <vector>

namespace {

using prefer::as_matrix;
using prefer::as_tensor;
using prefer::as_vector;
using prefer::space;
using prefer::view;

template <class View, class X>
void check_vector(const View& v, X& x) {
  REQUIRE(v.extent[0] == static_cast<std::int64_t>(x.shape()[0]));
  for (std::size_t i = 0; i < x.shape()[0]; ++i) CHECK(v.data + static_cast<std::int64_t>(i) * v.stride[0] == &x(i));
}
template <class View, class X>
void check_matrix(const View& v, X& x) {
  REQUIRE((v.extent[0] == static_cast<std::int64_t>(x.shape()[0]) &&
           v.extent[1] == static_cast<std::int64_t>(x.shape()[1])));
  for (std::size_t i = 0; i < x.shape()[0]; ++i)
    for (std::size_t j = 0; j < x.shape()[1]; ++j)
      CHECK(v.data + static_cast<std::int64_t>(i) * v.stride[0] + static_cast<std::int64_t>(j) * v.stride[1] ==
            &x(i, j));
}

TEST_CASE("containers of fixed and of run-time dimension") {
  xt::xtensor<double, 1> v = xt::zeros<double>({7});
  const auto& c = v;
  static_assert(std::is_same_v<decltype(as_vector(v)), view<double, 1, space::host>>);
  static_assert(std::is_same_v<decltype(as_vector(c)), view<const double, 1, space::host>>);
  check_vector(as_vector(v), v);
  check_vector(as_vector(c), c);

  xt::xtensor<float, 2> m = xt::zeros<float>({3, 4});
  xt::xtensor<float, 2, xt::layout_type::column_major> n = xt::zeros<float>({3, 4});
  check_matrix(as_matrix(m), m);
  check_matrix(as_matrix(n), n);
  CHECK((as_matrix(n).stride[0] == 1 && as_matrix(n).stride[1] == 3));
  xt::xtensor_fixed<float, xt::xshape<3, 4>> f;
  check_matrix(as_matrix(f), f);

  xt::xarray<float> a = xt::zeros<float>({2, 3, 4});
  const auto t = as_tensor(a);
  CHECK((t.data == a.data() && t.extent[0] == 2 && t.extent[1] == 3 && t.extent[2] == 4));
  CHECK((t.stride[0] == 12 && t.stride[1] == 4 && t.stride[2] == 1));
  xt::xtensor<bool, 1> mask = xt::zeros<bool>({5});
  static_assert(std::is_same_v<decltype(as_vector(mask)), view<bool, 1, space::host>>);
  check_vector(as_vector(mask), mask);
}

TEST_CASE("a dimension of one element keeps a stride") {
  xt::xtensor<float, 2> m = xt::zeros<float>({1, 4});
  CHECK(as_matrix(m).stride[0] == 1);
  xt::xtensor<float, 1> v = xt::zeros<float>({1});
  CHECK(as_vector(v).stride[0] == 1);
}

TEST_CASE("adaptors and strided views refer to the elements they show") {
  std::vector<double> x(24);
  auto adapted = xt::adapt(x, std::array<std::size_t, 2>{4, 6});
  check_matrix(as_matrix(adapted), adapted);
  auto pointed = xt::adapt(x.data(), 24, xt::no_ownership(), std::vector<std::size_t>{24});
  check_vector(as_vector(pointed), pointed);

  xt::xtensor<double, 2> m = xt::zeros<double>({6, 8});
  const auto& c = m;
  auto column = xt::view(m, xt::all(), 3);
  check_vector(as_vector(column), column);
  auto part = xt::view(m, xt::range(1, 6, 2), xt::range(2, 8, 3));
  check_matrix(as_matrix(part), part);
  auto fixed = xt::view(c, 2, xt::range(1, 5));
  static_assert(std::is_same_v<decltype(as_vector(fixed)), view<const double, 1, space::host>>);
  check_vector(as_vector(fixed), fixed);
  auto dynamic = xt::strided_view(m, {xt::range(1, 4), 5});
  check_vector(as_vector(dynamic), dynamic);
  auto transposed = xt::transpose(m);
  check_matrix(as_matrix(transposed), transposed);
}

prefer::status evaluate_all(const prefer::input_view<1, space::host>& v) {
  float loss = 0;
  return prefer::evaluate<float>(
      prefer::cpu{}, prefer::dpo{},
      {.policy_chosen = v, .policy_rejected = v, .reference_chosen = v, .reference_rejected = v}, {.loss = {&loss, 1}});
}

TEST_CASE("what a view cannot be is refused by the call") {
  xt::xarray<float> two = xt::zeros<float>({2, 3});
  CHECK(evaluate_all(as_vector(two)).code == prefer::errc::bad_extent);
  xt::xarray<float> one = xt::zeros<float>({6});
  CHECK(evaluate_all(as_vector(one)).ok());
  auto backwards = xt::view(one, xt::range(5, 0, -1));
  check_vector(as_vector(backwards), backwards);
  CHECK(evaluate_all(as_vector(backwards)).code == prefer::errc::bad_stride);
}

TEST_CASE_TEMPLATE("DPO through xtensor has the bits of DPO through pointers", T, float, double) {
  const interop::answer<T> expected = interop::raw_answer<T>();
  xt::xtensor<T, 2> x = xt::zeros<T>({interop::pairs, std::int64_t{interop::columns}});
  for (int c = 0; c < interop::columns; ++c)
    for (std::int64_t i = 0; i < interop::pairs; ++i) x(i, c) = interop::sample<T>(c, i);
  xt::xarray<T> policy_chosen = xt::view(x, xt::all(), 0);
  xt::xtensor<T, 1> gc = xt::zeros<T>({interop::pairs});
  xt::xarray<T> table = xt::zeros<T>({interop::pairs, std::int64_t{3}});
  auto gr = xt::view(table, xt::all(), 1);
  const auto column = [&](int c) { return as_vector(xt::view(x, xt::all(), c)); };
  float loss = 0;
  const prefer::status s = interop::evaluate_views(as_vector(policy_chosen), column(1), column(2), column(3), loss,
                                                   as_vector(gc), as_vector(gr));
  REQUIRE(s.ok());
  interop::check_same(
      expected, loss, [&](std::int64_t i) { return gc(i); }, [&](std::int64_t i) { return gr(i); });
}

}  // namespace
