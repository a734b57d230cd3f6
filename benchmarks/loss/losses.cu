// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "support/all_losses.hpp"
#include "support/device.cuh"
#include "support/loss_arrays.hpp"

#include <prefer/core/evaluate.cuh>

#include <benchmark/benchmark.h>

#include <string>

// Every loss, value and gradients in float on a GPU: 2^24 items, as time and as a fraction of what a copy of the same
// bytes gets.
namespace {

template <class Loss>
void sweep(benchmark::State& state, const Loss& loss) {
  constexpr std::int64_t n = std::int64_t{1} << 24;
  const bench::loss_arrays<Loss> call(loss);
  const int count = call.inputs() + call.outputs();
  const std::size_t workspace = prefer::evaluate_workspace(loss, n);
  bench::device_memory arrays(static_cast<std::size_t>(count * n) * sizeof(float)), total(sizeof(float)),
      scratch(workspace);
  if (arrays.data == nullptr) return state.SkipWithError("no GPU, or not enough memory");
  float* const memory = static_cast<float*>(arrays.data);
  const auto array = [&](int i) { return memory + i * n; };
  cudaStream_t stream;
  cudaStreamCreate(&stream);
  const prefer::cuda exec{.stream = stream, .workspace = {scratch.data, workspace}};
  const auto in = call.template make_inputs<prefer::cuda>(n, array);
  const auto out = call.template make_outputs<prefer::cuda>(n, array, static_cast<float*>(total.data));
  for (auto _ : state) {
    const double kernel =
        bench::best_seconds(stream, [&] { prefer::check(prefer::evaluate<float>(exec, loss, in, out)); });
    const std::size_t half = static_cast<std::size_t>(count * n) / 2 * sizeof(float);
    const double copy = bench::best_seconds(
        stream, [&] { cudaMemcpyAsync(memory + count * n / 2, memory, half, cudaMemcpyDeviceToDevice, stream); });
    state.SetIterationTime(kernel);
    state.counters["items_per_second"] = static_cast<double>(n) / kernel;
    state.counters["of_copy"] = copy / kernel;
  }
  cudaStreamDestroy(stream);
}

}  // namespace

int main(int argc, char** argv) {
  bench::each_loss([](const char* name, const auto& loss) {
    benchmark::RegisterBenchmark(name, [=](benchmark::State& state) { sweep(state, loss); })
        ->Iterations(1)
        ->UseManualTime();
  });
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
