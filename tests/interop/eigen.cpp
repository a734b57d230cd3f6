// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/interop/eigen.hpp>
#include <prefer/interop/span.hpp>  // both at once: neither claims the other's types

#include "interop/same_answer.hpp"

#include <type_traits>
#include <vector>

namespace {

using prefer::as_matrix;
using prefer::as_vector;
using prefer::space;
using prefer::view;
using row_major = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

template <class View, class Dense>
void check_vector(const View& v, const Dense& x) {
  REQUIRE(v.extent[0] == x.size());
  for (Eigen::Index i = 0; i < x.size(); ++i) CHECK(v.data + i * v.stride[0] == &x.coeffRef(i));
}

template <class View, class Dense>
void check_matrix(const View& v, const Dense& x) {
  REQUIRE((v.extent[0] == x.rows() && v.extent[1] == x.cols()));
  for (Eigen::Index i = 0; i < x.rows(); ++i)
    for (Eigen::Index j = 0; j < x.cols(); ++j) CHECK(v.data + i * v.stride[0] + j * v.stride[1] == &x.coeffRef(i, j));
}

TEST_CASE("vectors, arrays and their parts") {
  Eigen::VectorXd v(9);
  const Eigen::VectorXd& c = v;
  static_assert(std::is_same_v<decltype(as_vector(v)), view<double, 1, space::host>>);
  static_assert(std::is_same_v<decltype(as_vector(c)), view<const double, 1, space::host>>);
  check_vector(as_vector(v), v);
  check_vector(as_vector(v.segment(2, 4)), v.segment(2, 4));
  check_vector(as_vector(c.tail(3)), c.tail(3));
  static_assert(std::is_same_v<decltype(as_vector(c.tail(3))), view<const double, 1, space::host>>);

  Eigen::Array<float, 1, 5> a;
  check_vector(as_vector(a), a);
  Eigen::RowVector3i r;
  static_assert(std::is_same_v<decltype(as_vector(r)), view<int, 1, space::host>>);
  check_vector(as_vector(r), r);
  check_vector(as_vector(v.transpose()), v.transpose());
  Eigen::Array<bool, Eigen::Dynamic, 1> mask(4);
  check_vector(as_vector(mask), mask);
}

TEST_CASE("rows, columns and diagonals of matrices of either storage order") {
  Eigen::MatrixXf m(4, 6);
  row_major r(4, 6);
  check_vector(as_vector(m.col(2)), m.col(2));
  check_vector(as_vector(m.row(3)), m.row(3));
  check_vector(as_vector(r.col(2)), r.col(2));
  check_vector(as_vector(r.row(3)), r.row(3));
  CHECK(as_vector(m.row(1)).stride[0] == 4);
  CHECK(as_vector(r.row(1)).stride[0] == 1);
  check_vector(as_vector(m.diagonal()), m.diagonal());
  check_vector(as_vector(r.diagonal()), r.diagonal());
}

TEST_CASE("matrices, blocks, maps and references") {
  Eigen::MatrixXf m(4, 6);
  row_major r(4, 6);
  const auto& c = m;
  check_matrix(as_matrix(m), m);
  check_matrix(as_matrix(r), r);
  check_matrix(as_matrix(m.transpose()), m.transpose());
  check_matrix(as_matrix(m.block(1, 2, 2, 3)), m.block(1, 2, 2, 3));
  check_matrix(as_matrix(r.bottomRows(2)), r.bottomRows(2));
  static_assert(std::is_same_v<decltype(as_matrix(c.leftCols(2))), view<const float, 2, space::host>>);
  Eigen::VectorXd v(5);
  check_matrix(as_matrix(v), v);
  check_matrix(as_matrix(v.transpose()), v.transpose());

  double x[60] = {};
  Eigen::Map<row_major, 0, Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>> strided(x, 3, 4, {15, 3});
  check_matrix(as_matrix(strided), strided);
  CHECK((as_matrix(strided).stride[0] == 15 && as_matrix(strided).stride[1] == 3));
  Eigen::Map<const Eigen::VectorXd, 0, Eigen::InnerStride<>> every_third(x, 10, Eigen::InnerStride<>(3));
  static_assert(std::is_same_v<decltype(as_vector(every_third)), view<const double, 1, space::host>>);
  CHECK(as_vector(every_third).stride[0] == 3);

  const Eigen::Ref<Eigen::MatrixXf> whole = m;
  check_matrix(as_matrix(whole), m);
  const Eigen::Ref<const Eigen::VectorXf> column = m.col(1);
  CHECK(as_vector(column).data == m.data() + 4);
}

TEST_CASE("16-bit elements of Eigen are elements of a view") {
  Eigen::Matrix<Eigen::half, Eigen::Dynamic, 1> h(3);
  Eigen::Matrix<Eigen::bfloat16, Eigen::Dynamic, 1> b(3);
  const prefer::input_view<1, space::host> vh = as_vector(h), vb = as_vector(b);
  CHECK(vh.type == prefer::element::f16);
  CHECK(vb.type == prefer::element::bf16);
  // Same bits as the library's own storage types.
  h.setConstant(Eigen::half(-1.5f));
  b.setConstant(Eigen::bfloat16(-1.5f));
  CHECK(prefer::to_float(*static_cast<const prefer::half*>(vh.data)) == -1.5f);
  CHECK(prefer::to_float(*static_cast<const prefer::bfloat16*>(vb.data)) == -1.5f);
}

TEST_CASE_TEMPLATE("DPO through matrix columns and rows has the bits of DPO through pointers", T, float, double) {
  const interop::answer<T> expected = interop::raw_answer<T>();
  Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic> x(interop::pairs, interop::columns);
  Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> y(interop::pairs, interop::columns);
  for (int c = 0; c < interop::columns; ++c)
    for (std::int64_t i = 0; i < interop::pairs; ++i) x(i, c) = y(i, c) = interop::sample<T>(c, i);
  Eigen::Matrix<T, Eigen::Dynamic, 2> g(interop::pairs, 2);
  Eigen::Matrix<T, Eigen::Dynamic, 2, Eigen::RowMajor> h(interop::pairs, 2);
  float loss = 0;
  prefer::status s = interop::evaluate_views(as_vector(x.col(0)), as_vector(x.col(1)), as_vector(x.col(2)),
                                             as_vector(x.col(3)), loss, as_vector(g.col(0)), as_vector(g.col(1)));
  REQUIRE(s.ok());
  interop::check_same(
      expected, loss, [&](std::int64_t i) { return g(i, 0); }, [&](std::int64_t i) { return g(i, 1); });
  // Strided on both sides: the columns of row-major matrices.
  s = interop::evaluate_views(as_vector(y.col(0)), as_vector(y.col(1)), as_vector(y.col(2)), as_vector(y.col(3)), loss,
                              as_vector(h.col(0)), as_vector(h.col(1)));
  REQUIRE(s.ok());
  interop::check_same(
      expected, loss, [&](std::int64_t i) { return h(i, 0); }, [&](std::int64_t i) { return h(i, 1); });
}

TEST_CASE("bfloat16 gradients through Eigen have the bits of the library's own") {
  std::vector<prefer::bfloat16> own(interop::pairs);
  Eigen::Matrix<Eigen::bfloat16, Eigen::Dynamic, 1> eigen(interop::pairs);
  std::vector<float> in[interop::columns];
  for (int c = 0; c < interop::columns; ++c)
    for (std::int64_t i = 0; i < interop::pairs; ++i) in[c].push_back(interop::sample<float>(c, i));
  const prefer::pair_inputs<space::host> inputs{.policy_chosen = as_vector(in[0]),
                                                .policy_rejected = as_vector(in[1]),
                                                .reference_chosen = as_vector(in[2]),
                                                .reference_rejected = as_vector(in[3])};
  REQUIRE(prefer::evaluate<float>(prefer::cpu{}, prefer::dpo{}, inputs, {.grad_policy_chosen = as_vector(own)}).ok());
  REQUIRE(prefer::evaluate<float>(prefer::cpu{}, prefer::dpo{}, inputs, {.grad_policy_chosen = as_vector(eigen)}).ok());
  CHECK(std::memcmp(own.data(), eigen.data(), own.size() * 2) == 0);
}

TEST_CASE("a negative stride is refused by the call") {
  double x[8] = {};
  const Eigen::Map<const Eigen::VectorXd, 0, Eigen::InnerStride<>> backwards(x + 7, 8, Eigen::InnerStride<>(-1));
  const auto v = as_vector(backwards);
  CHECK(v.stride[0] == -1);
  double loss = 0;
  const prefer::status s = prefer::evaluate<double>(
      prefer::cpu{}, prefer::dpo{},
      {.policy_chosen = v, .policy_rejected = v, .reference_chosen = v, .reference_rejected = v}, {.loss = {&loss, 1}});
  CHECK(s.code == prefer::errc::bad_stride);
}

}  // namespace
