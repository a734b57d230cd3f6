// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/interop/thrust.cuh>
#include <prefer/loss/dpo.cuh>

#include "interop/same_answer.hpp"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <thrust/copy.h>

#include <type_traits>
#include <vector>

namespace {

using prefer::as_matrix;
using prefer::as_tensor;
using prefer::as_vector;
using prefer::space;
using prefer::view;

struct stream {
  cudaStream_t handle = nullptr;
  stream() { REQUIRE(cudaStreamCreate(&handle) == cudaSuccess); }
  ~stream() { cudaStreamDestroy(handle); }
  void wait() const { REQUIRE(cudaStreamSynchronize(handle) == cudaSuccess); }
};

TEST_CASE("Thrust's vectors and pointers say where their memory is") {
  thrust::device_vector<float> d(7);
  const thrust::device_vector<float>& c = d;
  static_assert(std::is_same_v<decltype(as_vector(d)), view<float, 1, space::device>>);
  static_assert(std::is_same_v<decltype(as_vector(c)), view<const float, 1, space::device>>);
  CHECK((as_vector(d).data == thrust::raw_pointer_cast(d.data()) && as_vector(d).extent[0] == 7 &&
         as_vector(d).stride[0] == 1));
  CHECK(as_vector(c).data == thrust::raw_pointer_cast(d.data()));

  thrust::host_vector<double> h(3);
  static_assert(std::is_same_v<decltype(as_vector(h)), view<double, 1, space::host>>);
  CHECK((as_vector(h).data == h.data() && as_vector(h).extent[0] == 3));

  static_assert(std::is_same_v<decltype(as_vector(std::declval<thrust::universal_vector<float>&>())),
                               view<float, 1, space::any>>);

  const thrust::device_ptr<float> p = d.data();
  static_assert(std::is_same_v<decltype(as_vector(p, 3)), view<float, 1, space::device>>);
  const thrust::device_ptr<const float> q = p;
  static_assert(std::is_same_v<decltype(as_vector(q, 3)), view<const float, 1, space::device>>);
  CHECK((as_vector(p + 1, 3, 2).data == p.get() + 1 && as_vector(p + 1, 3, 2).stride[0] == 2));
  const auto m = as_matrix(p, 2, 3);
  static_assert(std::is_same_v<decltype(as_matrix(p, 2, 3)), view<float, 2, space::device>>);
  CHECK((m.data == p.get() && m.stride[0] == 3 && m.stride[1] == 1));
  CHECK(as_tensor(p, 1, 2, 3).stride[0] == 6);
}

template <class T>
struct device_batch {
  thrust::device_vector<T> in[interop::columns];
  thrust::device_vector<T> gc, gr;
  thrust::device_vector<float> loss;

  device_batch() : gc(interop::pairs), gr(interop::pairs), loss(1) {
    for (int c = 0; c < interop::columns; ++c) {
      std::vector<T> column;
      for (std::int64_t i = 0; i < interop::pairs; ++i) column.push_back(T(interop::sample<float>(c, i)));
      in[c] = column;
    }
  }
  std::vector<T> gradients() const {
    std::vector<T> both(2 * interop::pairs);
    thrust::copy(gc.begin(), gc.end(), both.begin());
    thrust::copy(gr.begin(), gr.end(), both.begin() + interop::pairs);
    return both;
  }
};

TEST_CASE_TEMPLATE("DPO through device vectors has the bits of DPO through pointers", T, float, double, __half,
                   __nv_bfloat16) {
  const stream s;
  device_batch<T> a, b;
  REQUIRE(cudaDeviceSynchronize() == cudaSuccess);  // the batches are filled on another stream
  const auto raw = [](thrust::device_vector<T>& v) { return thrust::raw_pointer_cast(v.data()); };
  const prefer::status by_pointer = prefer::evaluate<float>(prefer::cuda{s.handle}, prefer::dpo{.beta = 0.1},
                                                            {.policy_chosen = {raw(a.in[0]), interop::pairs},
                                                             .policy_rejected = {raw(a.in[1]), interop::pairs},
                                                             .reference_chosen = {raw(a.in[2]), interop::pairs},
                                                             .reference_rejected = {raw(a.in[3]), interop::pairs}},
                                                            {.loss = {thrust::raw_pointer_cast(a.loss.data()), 1},
                                                             .grad_policy_chosen = {raw(a.gc), interop::pairs},
                                                             .grad_policy_rejected = {raw(a.gr), interop::pairs}});
  const prefer::status by_vector =
      prefer::evaluate<float>(prefer::cuda{s.handle}, prefer::dpo{.beta = 0.1},
                              {.policy_chosen = as_vector(b.in[0]),
                               .policy_rejected = as_vector(b.in[1].data(), interop::pairs),
                               .reference_chosen = as_vector(std::as_const(b.in[2])),
                               .reference_rejected = as_vector(b.in[3])},
                              {.loss = as_vector(b.loss),
                               .grad_policy_chosen = as_vector(b.gc),
                               .grad_policy_rejected = as_vector(b.gr.data(), interop::pairs)});
  REQUIRE(by_pointer.ok());
  REQUIRE(by_vector.ok());
  s.wait();
  CHECK(a.loss[0] == b.loss[0]);
  CHECK(a.loss[0] > 0.0f);
  const std::vector<T> x = a.gradients(), y = b.gradients();
  CHECK(std::memcmp(x.data(), y.data(), x.size() * sizeof(T)) == 0);
}

TEST_CASE("CUDA's 16-bit numbers have the bits of the library's own, on the host too") {
  CHECK(prefer::element_of<__half>() == prefer::element::f16);
  CHECK(prefer::element_of<const __nv_bfloat16>() == prefer::element::bf16);
  std::vector<__half> h;
  std::vector<prefer::half> own;
  for (std::int64_t i = 0; i < interop::pairs; ++i) {
    const float x = interop::sample<float>(1, i);
    h.push_back(__float2half(x));
    own.push_back(prefer::to_half(x));
  }
  CHECK(std::memcmp(h.data(), own.data(), 2 * h.size()) == 0);
  float from_cuda = 0, from_own = 0;
  const auto call = [](const auto& v, float& loss) {
    return prefer::evaluate<float>(
        prefer::cpu{}, prefer::dpo{},
        {.policy_chosen = v, .policy_rejected = v, .reference_chosen = v, .reference_rejected = v},
        {.loss = {&loss, 1}});
  };
  REQUIRE(call(as_vector(h), from_cuda).ok());
  REQUIRE(call(as_vector(own), from_own).ok());
  CHECK(interop::same_bits(from_cuda, from_own));
}

}  // namespace
