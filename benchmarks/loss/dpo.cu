// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "support/device.cuh"

#include <prefer/loss/dpo.cuh>

#include <benchmark/benchmark.h>

#include <cuda_runtime.h>

// Loss and both policy gradients of DPO on a GPU, as time and as a fraction of what a copy of the same bytes gets.
namespace {

template <class T>
void dpo(benchmark::State& state) {
  const std::int64_t n = state.range(0);
  const std::size_t bytes = static_cast<std::size_t>(n) * sizeof(T);
  bench::device_memory arrays(6 * bytes), loss(sizeof(float)), scratch(prefer::evaluate_workspace(prefer::dpo{}, n));
  if (arrays.data == nullptr) return state.SkipWithError("no GPU, or not enough memory");
  T* const a = static_cast<T*>(arrays.data);
  cudaStream_t stream;
  cudaStreamCreate(&stream);
  const prefer::cuda exec{.stream = stream, .workspace = {scratch.data, prefer::evaluate_workspace(prefer::dpo{}, n)}};
  for (auto _ : state) {
    const double kernel = bench::best_seconds(stream, [&] {
      prefer::check(prefer::evaluate<float>(exec, prefer::dpo{.beta = 0.1},
                                            {.policy_chosen = {a, n},
                                             .policy_rejected = {a + n, n},
                                             .reference_chosen = {a + 2 * n, n},
                                             .reference_rejected = {a + 3 * n, n}},
                                            {.loss = {static_cast<float*>(loss.data), 1},
                                             .grad_policy_chosen = {a + 4 * n, n},
                                             .grad_policy_rejected = {a + 5 * n, n}}));
    });
    const double copy = bench::best_seconds(
        stream, [&] { cudaMemcpyAsync(a + 3 * n, a, 3 * bytes, cudaMemcpyDeviceToDevice, stream); });
    state.SetIterationTime(kernel);
    state.counters["ns_per_item"] = kernel / static_cast<double>(n) * 1e9;
    state.counters["GB_per_s"] = 6 * static_cast<double>(bytes) / kernel * 1e-9;
    state.counters["of_copy"] = copy / kernel;
  }
  cudaStreamDestroy(stream);
}

}  // namespace

BENCHMARK(dpo<float>)->RangeMultiplier(16)->Range(1 << 8, 1 << 28)->UseManualTime()->Iterations(1);
BENCHMARK(dpo<prefer::bfloat16>)->RangeMultiplier(16)->Range(1 << 8, 1 << 28)->UseManualTime()->Iterations(1);
BENCHMARK_MAIN();
