// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
//
// One call on contiguous rows, for the cost model (tests/cost/check_token_cost.py): token_logp WHAT TYPE ROWS COLUMNS,
// WHAT one of logp, gradient and both for token_logp, dpo and chunks for evaluate_logits. The profiler is on during the
// call, so that what the runtime is asked for is counted.
#include <prefer/logp/evaluate_logits.cuh>
#include <prefer/loss/dpo.cuh>

#include <cuda_profiler_api.h>
#include <cuda_runtime.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

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
  cudaProfilerStart();
  if (what == "gradient") {
    prefer::check(prefer::token_logp_gradient<float>(exec, {},
                                                     {.logits = {x, m, v},
                                                      .target = {y, m},
                                                      .logp = {a, m},
                                                      .max = {a + m, m},
                                                      .log_sum = {a + 2 * m, m},
                                                      .grad_logp = {g, m, 0}},
                                                     {.grad_logits = {x, m, v}}));
  } else {
    prefer::token_logp_inputs<prefer::space::device> in = {.logits = {x, m, v}, .target = {y, m}};
    prefer::token_logp_outputs<prefer::space::device> out = {
        .logp = {a, m}, .max = {a + m, m}, .log_sum = {a + 2 * m, m}};
    if (what == "both") in.grad_logp = {g, m, 0}, out.grad_logits = {x, m, v};
    prefer::check(prefer::token_logp<float>(exec, {}, in, out));
  }
  cudaProfilerStop();
}

// DPO of four pairs, with logits of the reference: value and gradient, which takes the place of the logits; whole, or
// in two chunks whose callbacks leave the buffer as it is.
template <class S>
void call_dpo(bool chunks, std::int64_t m, std::int64_t v, cudaStream_t stream) {
  constexpr std::int64_t pairs = 4;
  std::vector<std::int32_t> bounds;
  for (std::int64_t i = 0; i <= 2 * pairs; ++i) bounds.push_back(static_cast<std::int32_t>(m * i / (2 * pairs)));
  const auto bytes = static_cast<std::size_t>(m * v) * sizeof(S);
  const std::size_t needed = prefer::evaluate_logits_workspace<float>(prefer::cuda{stream}, prefer::dpo{}, m, v, pairs);
  const device_memory logits(bytes), reference(bytes), target(static_cast<std::size_t>(m) * 4), loss(sizeof(double));
  const device_memory scratch(needed), offsets(bounds.size() * 4);
  cudaMemcpy(offsets.data, bounds.data(), bounds.size() * 4, cudaMemcpyHostToDevice);
  cudaStreamSynchronize(stream);
  auto* const x = static_cast<S*>(logits.data);
  const auto* const r = static_cast<const S*>(reference.data);
  const auto* const y = static_cast<const std::int32_t*>(target.data);
  const auto* const o = static_cast<const std::int32_t*>(offsets.data);
  const prefer::cuda exec{.stream = stream, .workspace = {scratch.data, needed}};
  const prefer::pair_token_inputs<prefer::space::device> tokens = {.chosen_offsets = {o, pairs, 2},
                                                                   .rejected_offsets = {o + 1, pairs, 2},
                                                                   .chosen_ends = {o + 1, pairs, 2},
                                                                   .rejected_ends = {o + 2, pairs, 2}};
  const prefer::pair_outputs<prefer::space::device> out = {.loss = {static_cast<double*>(loss.data), 1}};
  auto nothing = [](std::int64_t, std::int64_t) {};
  cudaProfilerStart();
  if (chunks)
    prefer::check(prefer::evaluate_logits_chunks<float>(
        exec, prefer::dpo{},
        {.chunks = {.rows = m, .buffer = {x, m / 2, v}, .logits = nothing, .grad_logits = nothing},
         .reference_logits = nothing,
         .target = {y, m}},
        tokens, out));
  else
    prefer::check(prefer::evaluate_logits<float>(
        exec, prefer::dpo{},
        {.logits = {x, m, v}, .reference_logits = {r, m, v}, .target = {y, m}, .grad_logits = {x, m, v}}, tokens, out));
  cudaProfilerStop();
}

template <class S>
void run(const std::string& what, std::int64_t m, std::int64_t v, cudaStream_t stream) {
  if (what == "dpo" || what == "chunks")
    call_dpo<S>(what == "chunks", m, v, stream);
  else
    call<S>(what, m, v, stream);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  const std::int64_t m = std::atoll(argv[3]), v = std::atoll(argv[4]);
  cudaStream_t stream;
  cudaStreamCreate(&stream);
  if (std::strcmp(argv[2], "float") == 0)
    run<float>(argv[1], m, v, stream);
  else
    run<prefer::bfloat16>(argv[1], m, v, stream);
  const int failed = cudaStreamSynchronize(stream) != cudaSuccess;
  cudaStreamDestroy(stream);
  return failed;
}
