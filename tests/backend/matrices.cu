// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <backend/matrices.hpp>
#include <prefer/backend/cuda/matrix_product.cuh>
#include <prefer/backend/cuda/matrix_vector.cuh>
#include <support/side.cuh>

using namespace prefer_test;

TEST_CASE("matrix_vector on CUDA gives both products: storage types, strides, sizes") {
  check_matrix_vector<float, float, device_side>(1), check_matrix_vector<float, prefer::half, device_side>(2);
  check_matrix_vector<float, prefer::bfloat16, device_side>(1), check_matrix_vector<double, double, device_side>(2);
}

TEST_CASE("matrix_product on CUDA gives products of columns and Gram matrices: storage types, strides, sizes") {
  check_matrix_product<float, float, device_side>(1), check_matrix_product<double, prefer::half, device_side>(2);
}

TEST_CASE("matrix_vector on CUDA is a launch per product, and none does anything once it is done") {
  device_side side;
  whole_matrix<float> w(20, 30, 1, 2);
  buffer<float> right(30), product(20), partial(prefer::detail::matrix_pieces(20) * 30);
  buffer<bool> done(1);
  fill_whole(right, 3);
  done.at(0) = true;
  device<bool> flag(done);
  prefer::matrix_vector_arguments<float> a;
  a.rows = 20, a.columns = 30, a.matrix = w.on(side), a.right = side.read(right).data;
  a.product = side.write(product).data, a.partial = side.write(partial).data, a.done = flag.data();
  const auto call = [&] { prefer::check(prefer::matrix_vector(side.exec, a)); };
  enqueues_only("matrix_vector", 2, call);
  side.done();
  CHECK((product.untouched() && partial.untouched()));
  done.at(0) = false, flag.send();
  call();
  side.done();
  CHECK((product.get(0) == std::floor(product.get(0)) && !partial.untouched()));
}
