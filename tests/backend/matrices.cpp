// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <backend/matrices.hpp>
#include <prefer/backend/cpu/matrix_product.hpp>
#include <prefer/backend/cpu/matrix_vector.hpp>
#include <support/allocations.hpp>

using namespace prefer_test;
using prefer::bfloat16;
using prefer::cpu;
using prefer::half;

TEST_CASE("matrix_vector gives both products at every level: storage types, strides, sizes") {
  for (const prefer::isa level : levels()) {
    const auto at = [=](cpu& exec) { exec.isa = level; };
    for (const std::int64_t stride : {1, 2}) {
      check_matrix_vector<float, float, host_side>(stride, at), check_matrix_vector<float, half, host_side>(stride, at);
      check_matrix_vector<float, bfloat16, host_side>(stride, at);
      check_matrix_vector<double, double, host_side>(stride, at);
    }
    check_matrix_vector<double, float, host_side>(1, at);
  }
}

TEST_CASE("matrix_product gives products of columns and Gram matrices at every level: storage types, strides, sizes") {
  for (const prefer::isa level : levels()) {
    const auto at = [=](cpu& exec) { exec.isa = level; };
    check_matrix_product<float, float, host_side>(1, at), check_matrix_product<double, half, host_side>(2, at);
  }
}

TEST_CASE("products have the same bits for any number of threads, allocate nothing, and a Gram matrix is symmetric") {
  constexpr std::int64_t m = 300, n = 210;
  buffer<float> w(m * n), right(n), product(m), partial(prefer::detail::matrix_pieces(m) * n), gram(n * n);
  noise random(4);
  fill_uniform(w, random, -1, 1), fill_uniform(right, random, -1, 1);
  const prefer::row_source matrix{w.data(), n, 1, prefer::element::f32};
  const auto run = [&](const cpu& exec) {
    const long before = allocation_count();
    prefer::check(prefer::matrix_vector(
        exec, prefer::matrix_vector_arguments<float>{m, n, matrix, right.data(), product.data(), partial.data()}));
    const prefer::detail::stored_side<float> side{matrix};
    prefer::check(
        prefer::matrix_product(exec, side, side, prefer::matrix_product_shape<float>{n, n, m, gram.data(), true}));
    CHECK(allocation_count() == before);
    auto all = product.values();
    for (auto* b : {&partial, &gram})
      for (const double x : b->values()) all.push_back(x);
    return all;
  };
  const std::vector<double> expected = run({});
  for (const int threads : {1, 2, 3, 8}) {
    prefer::thread_pool pool(threads);
    CHECK(run({.pool = pool}) == expected);
  }
  bool symmetric = true;
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < i; ++j) symmetric = symmetric && gram.at(i * n + j) == gram.at(j * n + i);
  CHECK(symmetric);
}
