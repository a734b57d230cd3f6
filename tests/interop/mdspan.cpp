// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/interop/mdspan.hpp>

#include "interop/mdspan_stand_in.hpp"
#include "interop/same_answer.hpp"

#include <type_traits>
#include <vector>

namespace {

using prefer::as_matrix;
using prefer::as_tensor;
using prefer::as_vector;
using prefer::space;
using prefer::view;

// No accessor and no mapping: the three members are enough.
struct bare_matrix {
  const double* p;
  static constexpr int rank() { return 2; }
  int extent(int r) const { return r == 0 ? 2 : 3; }
  int stride(int r) const { return r == 0 ? 1 : 2; }
  const double* data_handle() const { return p; }
};

struct pinned_accessor : stand_in::plain_accessor<float> {};

TEST_CASE("pointer, extents and strides of an mdspan arrive unchanged") {
  float x[60] = {};
  const stand_in::mdspan<float, 1> v{x + 1, {{7}, {3}}};
  static_assert(std::is_same_v<decltype(as_vector(v)), view<float, 1, space::any>>);
  CHECK((as_vector(v).data == x + 1 && as_vector(v).extent[0] == 7 && as_vector(v).stride[0] == 3));

  const stand_in::mdspan<const float, 2> m{x, {{4, 5}, {1, 4}}};
  static_assert(std::is_same_v<decltype(as_matrix(m)), view<const float, 2, space::any>>);
  const auto w = as_matrix(m);
  CHECK((w.data == x && w.extent[0] == 4 && w.extent[1] == 5 && w.stride[0] == 1 && w.stride[1] == 4));

  const stand_in::mdspan<float, 3> t{x, {{3, 4, 5}, {20, 5, 1}}};
  const auto u = as_tensor(t);
  CHECK((u.extent[0] == 3 && u.extent[1] == 4 && u.extent[2] == 5 && u.stride[0] == 20 && u.stride[1] == 5 &&
         u.stride[2] == 1));

  const double y[6] = {};
  const auto b = as_matrix(bare_matrix{y});
  static_assert(std::is_same_v<decltype(as_matrix(bare_matrix{y})), view<const double, 2, space::any>>);
  CHECK((b.data == y && b.extent[0] == 2 && b.extent[1] == 3 && b.stride[0] == 1 && b.stride[1] == 2));
}

TEST_CASE("a mapping that walks backwards starts at its first element and is refused by the call") {
  float x[interop::pairs] = {};
  const int n = interop::pairs;
  const stand_in::mdspan<float, 1> reversed{x, {{n}, {-1}, n - 1}};
  const auto v = as_vector(reversed);
  CHECK(v.data == x + n - 1);
  CHECK(v.stride[0] == -1);
  float loss = -1;
  const auto p = view<float>(x, n);
  const prefer::status s = prefer::evaluate<float>(
      prefer::cpu{}, prefer::dpo{},
      {.policy_chosen = p, .policy_rejected = v, .reference_chosen = p, .reference_rejected = p}, {.loss = {&loss, 1}});
  CHECK(s.code == prefer::errc::bad_stride);
  CHECK(doctest::String(prefer::message(s).text) == "prefer: bad stride: policy_rejected is -1, expected at least 0");
  CHECK(loss == -1);
}

TEST_CASE("an empty mdspan maps nothing") {
  const stand_in::mdspan<float, 2> m{nullptr, {{0, 5}, {5, 1}}};
  CHECK(as_matrix(m).data == nullptr);
  CHECK(as_matrix(m).extent[0] == 0);
}

TEST_CASE_TEMPLATE("DPO through mdspans has the bits of DPO through pointers", T, float, double) {
  const interop::answer<T> expected = interop::raw_answer<T>();
  const int n = interop::pairs;
  std::vector<T> x(interop::pairs * interop::columns), g(interop::pairs * 2);
  for (int c = 0; c < interop::columns; ++c)
    for (std::int64_t i = 0; i < n; ++i)
      x[static_cast<std::size_t>(i * interop::columns + c)] = interop::sample<T>(c, i);
  const auto column = [&](int c) { return stand_in::mdspan<const T, 1>{x.data() + c, {{n}, {interop::columns}}}; };
  const auto gradient = [&](int c) { return stand_in::mdspan<T, 1>{g.data() + c, {{n}, {2}}}; };
  float loss = 0;
  const prefer::status s =
      interop::evaluate_views(as_vector(column(0)), as_vector(column(1)), as_vector(column(2)), as_vector(column(3)),
                              loss, as_vector(gradient(0)), as_vector(gradient(1)));
  REQUIRE(s.ok());
  interop::check_same(
      expected, loss, [&](std::int64_t i) { return g[static_cast<std::size_t>(2 * i)]; },
      [&](std::int64_t i) { return g[static_cast<std::size_t>(2 * i + 1)]; });
}

}  // namespace

// An accessor that knows where its memory is says so once.
template <>
inline constexpr prefer::space prefer::space_of_accessor<pinned_accessor> = prefer::space::host;

namespace {

TEST_CASE("an accessor may name its memory") {
  float x[2] = {};
  const stand_in::mdspan<float, 1, pinned_accessor> v{x, {{2}, {1}}};
  static_assert(std::is_same_v<decltype(as_vector(v)), view<float, 1, space::host>>);
  CHECK(as_vector(v).data == x);
}

}  // namespace
