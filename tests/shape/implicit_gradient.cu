// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "implicit_gradient.hpp"

#include <prefer/shape/implicit_gradient.cuh>
#include <support/coverage.hpp>
#include <support/cuda.cuh>

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

using namespace prefer;
using prefer_test::covers;
using prefer_test::device_array;
using prefer_test::quadratic;
using prefer_test::stream;

namespace {

// out_i = sum_k matrix[i row + k column] in_k: what a caller enqueues.
template <class T>
__global__ void multiply(const T* matrix, std::int64_t row, std::int64_t column, std::int64_t rows,
                         std::int64_t columns, view<const T, 1, space::device> in, view<T, 1, space::device> out) {
  for (std::int64_t i = threadIdx.x; i < rows; i += blockDim.x) {
    double sum = 0;
    for (std::int64_t k = 0; k < columns; ++k)
      sum += static_cast<double>(matrix[i * row + k * column]) * static_cast<double>(in.data[k * in.stride[0]]);
    out.data[i * out.stride[0]] = static_cast<T>(sum);
  }
}

template <class T>
struct on_device {
  const quadratic<T>& q;
  stream& at;
  device_array<T> h, cross, outer, direct, gradient, solution;
  device_array<double> residual;
  device_array<std::int32_t> outcome;

  on_device(const quadratic<T>& from, stream& s)
      : q(from),
        at(s),
        h(q.h),
        cross(q.cross),
        outer(q.outer),
        direct(q.direct),
        gradient(static_cast<std::size_t>(q.m)),
        solution(static_cast<std::size_t>(q.n)),
        residual(1),
        outcome(1) {}
  status run(const implicit_solve& how, const workspace& memory) {
    using in_view = view<const T, 1, space::device>;
    using out_view = view<T, 1, space::device>;
    return implicit_gradient<T>(
        cuda{.stream = at.handle, .workspace = memory}, how,
        [&](in_view in, out_view out) {
          multiply<T><<<1, 64, 0, at.handle>>>(h.data, q.n, 1, q.n, q.n, in, out);
          return status{};
        },
        [&](in_view in, out_view out) {
          multiply<T><<<1, 64, 0, at.handle>>>(cross.data, 1, q.m, q.m, q.n, in, out);
          return status{};
        },
        {.outer = {outer.data, q.n}, .direct = {direct.data, q.m}},
        {{gradient.data, q.m}, {solution.data, q.n}, {residual.data, 1}, {outcome.data, 1}});
  }
  void check_gradient(double tolerance) {
    at.wait();
    const auto exact = q.expected();
    const std::vector<T> got = gradient.fetch();
    for (std::size_t k = 0; k < exact.size(); ++k) CHECK(std::fabs(got[k] - exact[k]) < tolerance);
  }
};

template <class T>
void check_all(std::int64_t n, std::int64_t m, double tolerance) {
  for (const auto method :
       {implicit_method::conjugate_gradient, implicit_method::normal_equations, implicit_method::neumann}) {
    stream at;
    const quadratic<T> q(n, m, 1, 2);
    on_device<T> there(q, at);
    const implicit_solve how{.method = method, .iterations = 40, .step = 0.66, .tolerance = tolerance / 100};
    const prefer_test::device_workspace memory(implicit_gradient_workspace<T>(cuda{at.handle}, how, n, m));
    // Products, passes, the report, the chain.
    const int launches = method == implicit_method::conjugate_gradient ? 1 + 40 * (1 + 3) + 4 + 1 + 2
                         : method == implicit_method::normal_equations ? 3 + 40 * (2 + 3) + 4 + 1 + 2
                                                                       : 1 + 40 * (2 + 1) + 4 + 1 + 2;
    prefer_test::enqueues_only("implicit gradient", launches, [&] { check(there.run(how, memory.get())); });
    there.check_gradient(tolerance);
    CHECK((there.residual.fetch()[0] < tolerance && there.outcome.fetch()[0] == 0));
  }
  covers("implicit_gradient", "golden");
  covers("implicit_gradient", "allocation");
}

}  // namespace

TEST_CASE("derivatives through fixed points on CUDA are those of elimination, with nothing decided on the host") {
  check_all<double>(9, 3, 1e-9), check_all<double>(1, 1, 1e-9), check_all<float>(33, 2, 1e-4);
}

TEST_CASE(
    "a captured solve sees the tolerance and the vectors that are there; divergence is an output; errors are named") {
  stream at;
  quadratic<double> q(8, 2, 0.5, 2);
  on_device<double> there(q, at);
  const device_array<double> tolerance(std::vector<double>{0.5});
  const implicit_solve how{.iterations = 30, .tolerance = static_cast<const double*>(tolerance.data)};
  const prefer_test::device_workspace memory(implicit_gradient_workspace<double>(cuda{at.handle}, how, 8, 2));
  const auto graph = prefer_test::capture(at.handle, [&] { check(there.run(how, memory.get())); });
  double before = 1;
  for (const double limit : {0.5, 1e-11}) {
    for (double& v : q.outer) v += 1;
    REQUIRE(cudaMemcpy(there.outer.data, q.outer.data(), 8 * sizeof(double), cudaMemcpyHostToDevice) == cudaSuccess);
    REQUIRE(cudaMemcpy(tolerance.data, &limit, sizeof limit, cudaMemcpyHostToDevice) == cudaSuccess);
    REQUIRE(cudaGraphLaunch(graph, at.handle) == cudaSuccess);
    at.wait();
    const double residual = there.residual.fetch()[0];
    CHECK((residual <= limit && residual < before));
    before = residual / 2;  // the second is far below the first
  }
  there.check_gradient(1e-9);
  cudaGraphExecDestroy(graph);

  const implicit_solve far{.method = implicit_method::neumann, .iterations = 40, .step = 3.0};
  const prefer_test::device_workspace more(implicit_gradient_workspace<double>(cuda{at.handle}, far, 8, 2));
  check(there.run(far, more.get()));
  at.wait();
  CHECK(there.outcome.fetch()[0] == static_cast<std::int32_t>(implicit_outcome::diverged));
  CHECK(there.residual.fetch()[0] > 1);
  const quadratic<double> bent(8, 2, 0.5, 2, true);
  on_device<double> other(bent, at);
  check(other.run({.iterations = 40}, more.get()));
  at.wait();
  CHECK(other.outcome.fetch()[0] == static_cast<std::int32_t>(implicit_outcome::not_definite));
  check(there.run({.iterations = 30}, {}));  // without a workspace: memory in stream order
  there.check_gradient(1e-4);

  const status st = there.run({.iterations = 0}, more.get());
  CHECK((st.code == errc::bad_parameter && std::string(st.argument) == "iterations"));
  CHECK(there.run(far, {more.memory, 16}).code == errc::small_workspace);
  covers("implicit_gradient", "bad-argument");
}
