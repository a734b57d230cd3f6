// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "support/device.cuh"

#include <prefer/logp/token_logp.cuh>

#include <benchmark/benchmark.h>

#include <cuda_runtime.h>

// Log-probabilities of targets, with and without the gradient in place, on a GPU: time per logit, and as a fraction of
// what a copy of the logits gets per byte.
namespace {

template <class T, bool Gradient>
void token_logp(benchmark::State& state) {
  const std::int64_t vocabulary = state.range(0), rows = state.range(1);
  const auto m = static_cast<std::size_t>(rows);
  const std::size_t bytes = m * static_cast<std::size_t>(vocabulary) * sizeof(T);
  const std::size_t scratch_bytes = prefer::token_logp_workspace(rows, vocabulary);
  bench::device_memory logits(2 * bytes), target(m * sizeof(std::int32_t)), logp(m * sizeof(float));
  bench::device_memory upstream(m * sizeof(float)), scratch(scratch_bytes + 1);
  if (logits.data == nullptr) return state.SkipWithError("no GPU, or not enough memory");
  cudaMemset(upstream.data, 0x3f, m * sizeof(float));  // about 0.75, not zero
  T* const x = static_cast<T*>(logits.data);
  cudaStream_t stream;
  cudaStreamCreate(&stream);
  const prefer::cuda exec{.stream = stream, .workspace = {scratch.data, scratch_bytes}};
  prefer::token_logp_inputs<prefer::space::device> in = {
      .logits = {x, rows, vocabulary}, .target = {static_cast<const std::int32_t*>(target.data), rows}};
  prefer::token_logp_outputs<prefer::space::device> out = {.logp = {static_cast<float*>(logp.data), rows}};
  if (Gradient) {
    in.grad_logp = {static_cast<const float*>(upstream.data), rows};
    out.grad_logits = {x + rows * vocabulary, rows, vocabulary};
  }
  for (auto _ : state) {
    const double kernel =
        bench::best_seconds(stream, [&] { prefer::check(prefer::token_logp<float>(exec, {}, in, out)); });
    const double copy = bench::best_seconds(stream, [&] {
      cudaMemcpyAsync(x + rows * vocabulary, x, bytes, cudaMemcpyDeviceToDevice, stream);
    });
    const double passes = Gradient ? 3 : 1, moved = passes * static_cast<double>(bytes);
    state.SetIterationTime(kernel);
    state.counters["ns_per_item"] = kernel / static_cast<double>(rows * vocabulary) * 1e9;
    state.counters["GB_per_s"] = moved / kernel * 1e-9;
    state.counters["of_copy"] = copy * passes / 2 / kernel;
  }
  cudaStreamDestroy(stream);
}

void sizes(benchmark::internal::Benchmark* b) {
  for (const std::int64_t vocabulary : {32000, 128256})
    for (const std::int64_t rows : {1, 64, 4096}) b->Args({vocabulary, rows});
  b->UseManualTime()->Iterations(1);
}

}  // namespace

BENCHMARK(token_logp<float, false>)->Apply(sizes);
BENCHMARK(token_logp<float, true>)->Apply(sizes);
BENCHMARK(token_logp<prefer::bfloat16, false>)->Apply(sizes);
BENCHMARK(token_logp<prefer::bfloat16, true>)->Apply(sizes);
BENCHMARK_MAIN();
