// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/interop/span.hpp>

#include "interop/same_answer.hpp"

#include <array>
#include <memory>
#include <span>
#include <type_traits>
#include <vector>

namespace {

using prefer::as_matrix;
using prefer::as_tensor;
using prefer::as_vector;
using prefer::space;
using prefer::view;

// Not from any library: data() and size() are all that is asked for.
struct block_of_floats {
  float storage[5];
  float* data() { return storage; }
  const float* data() const { return storage; }
  int size() const { return 5; }
};

template <class View>
void check_contiguous(const View& v, const void* data, std::int64_t n) {
  CHECK(v.data == data);
  CHECK(v.extent[0] == n);
  CHECK(v.stride[0] == 1);
}

TEST_CASE("containers that own their elements give host views with their constness") {
  std::vector<double> v(7);
  const std::vector<double>& c = v;
  static_assert(std::is_same_v<decltype(as_vector(v)), view<double, 1, space::host>>);
  static_assert(std::is_same_v<decltype(as_vector(c)), view<const double, 1, space::host>>);
  check_contiguous(as_vector(v), v.data(), 7);
  check_contiguous(as_vector(c), v.data(), 7);

  std::array<std::int64_t, 3> a{};
  static_assert(std::is_same_v<decltype(as_vector(a)), view<std::int64_t, 1, space::host>>);
  check_contiguous(as_vector(a), a.data(), 3);

  block_of_floats b{};
  static_assert(std::is_same_v<decltype(as_vector(b)), view<float, 1, space::host>>);
  check_contiguous(as_vector(b), b.storage, 5);

  std::vector<prefer::bfloat16> h(4);
  check_contiguous(as_vector(h), h.data(), 4);
}

TEST_CASE("spans, pointers and arrays refer to either memory") {
  std::vector<float> v(12);
  static_assert(std::is_same_v<decltype(as_vector(std::span<float>(v))), view<float, 1, space::any>>);
  static_assert(std::is_same_v<decltype(as_vector(std::span<const float>(v))), view<const float, 1, space::any>>);
  static_assert(std::is_same_v<decltype(as_vector(std::span<float, 12>(v))), view<float, 1, space::any>>);
  check_contiguous(as_vector(std::span<float>(v).subspan(2, 5)), v.data() + 2, 5);
  check_contiguous(as_vector(v.data() + 1, 6), v.data() + 1, 6);
  const view<float> every_other = as_vector(v.data(), 6, 2);
  CHECK(every_other.stride[0] == 2);

  float row[4], table[3][4], cube[2][3][4];
  const bool flags[3] = {};
  check_contiguous(as_vector(row), row, 4);
  static_assert(std::is_same_v<decltype(as_vector(flags)), view<const bool>>);
  const view<float, 2> m = as_matrix(table);
  CHECK((m.data == table[0] && m.extent[0] == 3 && m.extent[1] == 4 && m.stride[0] == 4 && m.stride[1] == 1));
  const view<float, 3> t = as_tensor(cube);
  CHECK((t.data == cube[0][0] && t.extent[0] == 2 && t.extent[1] == 3 && t.extent[2] == 4));
  CHECK((t.stride[0] == 12 && t.stride[1] == 4 && t.stride[2] == 1));
}

TEST_CASE("pointers take shapes, with or without strides") {
  double x[24];
  const view<double, 2> rows = as_matrix(x, 4, 6);
  CHECK((rows.stride[0] == 6 && rows.stride[1] == 1));
  const view<double, 2> transposed = as_matrix(x, 6, 4, 1, 6);
  CHECK((transposed.extent[0] == 6 && transposed.stride[0] == 1 && transposed.stride[1] == 6));
  const view<double, 3> t = as_tensor(x, 2, 3, 4);
  CHECK((t.stride[0] == 12 && t.stride[1] == 4 && t.stride[2] == 1));
  const view<double, 3> s = as_tensor(x, 2, 3, 4, 1, 2, 6);
  CHECK((s.stride[0] == 1 && s.stride[1] == 2 && s.stride[2] == 6));
}

TEST_CASE("an empty container is an empty batch") {
  const std::vector<float> none;
  const auto v = as_vector(none);
  CHECK(v.extent[0] == 0);
  float loss = -1;
  const prefer::status s = prefer::evaluate<float>(
      prefer::cpu{}, prefer::dpo{},
      {.policy_chosen = v, .policy_rejected = v, .reference_chosen = v, .reference_rejected = v}, {.loss = {&loss, 1}});
  CHECK(s.ok());
  CHECK(loss == 0);
}

TEST_CASE_TEMPLATE("DPO through containers has the bits of DPO through pointers", T, float, double) {
  const interop::answer<T> expected = interop::raw_answer<T>();
  std::vector<T> in[interop::columns];
  for (int c = 0; c < interop::columns; ++c)
    for (std::int64_t i = 0; i < interop::pairs; ++i) in[c].push_back(interop::sample<T>(c, i));
  std::vector<T> gc(interop::pairs);
  const auto gr = std::make_unique<T[]>(interop::pairs);
  float loss = 0;
  const std::vector<T>& reference = in[2];
  const prefer::status s = interop::evaluate_views(as_vector(in[0]), as_vector(std::span(in[1])), as_vector(reference),
                                                   as_vector(in[3].data(), interop::pairs), loss, as_vector(gc),
                                                   as_vector(std::span(gr.get(), interop::pairs)));
  REQUIRE(s.ok());
  interop::check_same(
      expected, loss, [&](std::int64_t i) { return gc[static_cast<std::size_t>(i)]; },
      [&](std::int64_t i) { return gr[static_cast<std::size_t>(i)]; });
}

}  // namespace
