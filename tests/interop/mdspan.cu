// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/interop/mdspan.hpp>
#include <prefer/loss/dpo.cuh>

#include "interop/same_answer.hpp"

#include <cuda/mdspan>
#include <cuda/std/array>
#include <cuda/std/mdspan>
#include <cuda_runtime.h>

#include <type_traits>
#include <vector>

namespace {

using prefer::as_matrix;
using prefer::as_tensor;
using prefer::as_vector;
using prefer::space;
using prefer::view;
namespace md = cuda::std;

template <class T, class Layout = md::layout_right>
using matrix = md::mdspan<T, md::dextents<int, 2>, Layout>;

TEST_CASE("cuda::std::mdspan of every strided layout arrives unchanged") {
  float x[60] = {};
  const md::mdspan<float, md::dextents<std::int64_t, 1>> v(x, 7);
  static_assert(std::is_same_v<decltype(as_vector(v)), view<float, 1, space::any>>);
  CHECK((as_vector(v).data == x && as_vector(v).extent[0] == 7 && as_vector(v).stride[0] == 1));

  const auto right = as_matrix(matrix<const float>(x, 4, 5));
  static_assert(std::is_same_v<decltype(as_matrix(matrix<const float>(x, 4, 5))), view<const float, 2, space::any>>);
  CHECK((right.extent[0] == 4 && right.extent[1] == 5 && right.stride[0] == 5 && right.stride[1] == 1));
  const auto left = as_matrix(matrix<float, md::layout_left>(x, 4, 5));
  CHECK((left.extent[0] == 4 && left.extent[1] == 5 && left.stride[0] == 1 && left.stride[1] == 4));

  using extents = md::extents<int, 3, md::dynamic_extent, 5>;
  const md::layout_stride::mapping<extents> mapping(extents(4), md::array<int, 3>{20, 5, 1});
  const auto t = as_tensor(md::mdspan<float, extents, md::layout_stride>(x, mapping));
  CHECK((t.data == x && t.extent[0] == 3 && t.extent[1] == 4 && t.extent[2] == 5));
  CHECK((t.stride[0] == 20 && t.stride[1] == 5 && t.stride[2] == 1));

  const cuda::restrict_mdspan<float, md::dextents<int, 1>> restricted(x, 9);
  CHECK((as_vector(restricted).data == x && as_vector(restricted).extent[0] == 9));
}

TEST_CASE("DPO on device memory through mdspans has the bits of DPO through pointers") {
  const int n = interop::pairs;
  std::vector<float> host(static_cast<std::size_t>(n) * interop::columns);
  for (int c = 0; c < interop::columns; ++c)
    for (int i = 0; i < n; ++i) host[static_cast<std::size_t>(c * n + i)] = interop::sample<float>(c, i);
  float* memory = nullptr;  // inputs, then two sets of gradients and losses
  const std::size_t answer = 2 * static_cast<std::size_t>(n) + 1;
  REQUIRE(cudaMalloc(&memory, (host.size() + 2 * answer) * sizeof(float)) == cudaSuccess);
  cudaStream_t stream = nullptr;
  REQUIRE(cudaStreamCreate(&stream) == cudaSuccess);
  REQUIRE(cudaMemcpyAsync(memory, host.data(), host.size() * sizeof(float), cudaMemcpyHostToDevice, stream) ==
          cudaSuccess);
  float* const a = memory + host.size();
  float* const b = a + answer;

  const matrix<const float> in(memory, interop::columns, n);
  const auto row = [&](int c) {
    return as_vector(md::mdspan<const float, md::dextents<int, 1>>(in.data_handle() + c * n, n));
  };
  const auto out = [&](float* p) { return as_vector(md::mdspan<float, md::dextents<int, 1>>(p, n)); };
  const prefer::status by_pointer = prefer::evaluate<float>(
      prefer::cuda{stream}, prefer::dpo{.beta = 0.1},
      {.policy_chosen = {memory, n},
       .policy_rejected = {memory + n, n},
       .reference_chosen = {memory + 2 * n, n},
       .reference_rejected = {memory + 3 * n, n}},
      {.loss = {a + 2 * n, 1}, .grad_policy_chosen = {a, n}, .grad_policy_rejected = {a + n, n}});
  const prefer::status by_mdspan = prefer::evaluate<float>(
      prefer::cuda{stream}, prefer::dpo{.beta = 0.1},
      {.policy_chosen = row(0), .policy_rejected = row(1), .reference_chosen = row(2), .reference_rejected = row(3)},
      {.loss = {b + 2 * n, 1}, .grad_policy_chosen = out(b), .grad_policy_rejected = out(b + n)});
  REQUIRE(by_pointer.ok());
  REQUIRE(by_mdspan.ok());
  std::vector<float> answers(2 * answer);
  REQUIRE(cudaMemcpyAsync(answers.data(), a, answers.size() * sizeof(float), cudaMemcpyDeviceToHost, stream) ==
          cudaSuccess);
  REQUIRE(cudaStreamSynchronize(stream) == cudaSuccess);
  CHECK(std::memcmp(answers.data(), answers.data() + answer, answer * sizeof(float)) == 0);
  CHECK(answers[answer - 1] > 0);
  REQUIRE(cudaFree(memory) == cudaSuccess);
  REQUIRE(cudaStreamDestroy(stream) == cudaSuccess);
}

}  // namespace
