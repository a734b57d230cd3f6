// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
//
// One call on contiguous rows, for the cost model (tests/cost/check_token_cost.py): token_logp WHAT TYPE ROWS COLUMNS,
// WHAT one of logp, gradient and both.
#include <prefer/logp/token_logp.cuh>

#include <cuda_runtime.h>

#include <cstdlib>
#include <cstring>
#include <string>

namespace {

struct device_memory {
  void* data = nullptr;
  explicit device_memory(std::size_t bytes) {
    if (cudaMalloc(&data, bytes) != cudaSuccess || cudaMemset(data, 0, bytes) != cudaSuccess) std::exit(1);
  }
  device_memory(const device_memory&) = delete;
  ~device_memory() { cudaFree(data); }
};

template <class S>
void call(const std::string& what, std::int64_t m, std::int64_t v, cudaStream_t stream) {
  const auto numbers = static_cast<std::size_t>(m);
  const device_memory logits(static_cast<std::size_t>(m * v) * sizeof(S)), target(numbers * 4), answers(numbers * 12);
  const device_memory upstream(sizeof(float)), scratch(prefer::token_logp_workspace(m, v) + 1);
  const float one = 1;
  cudaMemcpy(upstream.data, &one, sizeof one, cudaMemcpyHostToDevice);
  cudaStreamSynchronize(stream);
  auto* const x = static_cast<S*>(logits.data);
  auto* const y = static_cast<std::int32_t*>(target.data);
  auto* const a = static_cast<float*>(answers.data);
  const auto* const g = static_cast<const float*>(upstream.data);
  const prefer::cuda exec{.stream = stream, .workspace = {scratch.data, prefer::token_logp_workspace(m, v)}};
  if (what == "gradient") {
    prefer::check(prefer::token_logp_gradient<float>(exec, {},
                                                     {.logits = {x, m, v},
                                                      .target = {y, m},
                                                      .logp = {a, m},
                                                      .max = {a + m, m},
                                                      .log_sum = {a + 2 * m, m},
                                                      .grad_logp = {g, m, 0}},
                                                     {.grad_logits = {x, m, v}}));
    return;
  }
  prefer::token_logp_inputs<prefer::space::device> in = {.logits = {x, m, v}, .target = {y, m}};
  prefer::token_logp_outputs<prefer::space::device> out = {
      .logp = {a, m}, .max = {a + m, m}, .log_sum = {a + 2 * m, m}};
  if (what == "both") in.grad_logp = {g, m, 0}, out.grad_logits = {x, m, v};
  prefer::check(prefer::token_logp<float>(exec, {}, in, out));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  const std::int64_t m = std::atoll(argv[3]), v = std::atoll(argv[4]);
  cudaStream_t stream;
  cudaStreamCreate(&stream);
  if (std::strcmp(argv[2], "float") == 0)
    call<float>(argv[1], m, v, stream);
  else
    call<prefer::bfloat16>(argv[1], m, v, stream);
  const int failed = cudaStreamSynchronize(stream) != cudaSuccess;
  cudaStreamDestroy(stream);
  return failed;
}
