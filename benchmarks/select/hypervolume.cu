// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "support/device.cuh"

#include <prefer/core/random.hpp>
#include <prefer/select/hypervolume_contributions.cuh>

#include <benchmark/benchmark.h>

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <vector>

// Hypervolumes with their gradient and contributions of groups of random samples on a GPU: many small groups, and one
// large set of two objectives, which is sorted. Arguments: groups, samples of each, objectives.
namespace {

struct device_groups {
  std::int64_t groups, samples, objectives;
  bench::device_memory rewards, reference, volume, slope, share;
  device_groups(std::int64_t b, std::int64_t n, std::int64_t k)
      : groups(b),
        samples(n),
        objectives(k),
        rewards(bytes_of(b * n * k)),
        reference(bytes_of(k)),
        volume(bytes_of(b)),
        slope(bytes_of(b * n * k)),
        share(bytes_of(b * n)) {
    std::vector<float> x(static_cast<std::size_t>(b * n * k));
    for (std::size_t i = 0; i < x.size(); ++i)
      x[i] = static_cast<float>(prefer::to_uniform(prefer::draw_pair(1, 1, i).first));
    if (rewards.data != nullptr) cudaMemcpy(rewards.data, x.data(), bytes_of(b * n * k), cudaMemcpyHostToDevice);
  }
  static std::size_t bytes_of(std::int64_t n) { return static_cast<std::size_t>(n) * sizeof(float); }

  prefer::hypervolume_inputs<prefer::space::device> inputs() const {
    return {.samples = {.reward_groups = {static_cast<const float*>(rewards.data), groups, samples, objectives}},
            .reference = {static_cast<const float*>(reference.data), objectives}};
  }
};

// Calls run(exec) with a workspace of `bytes`, and reports the time per group.
template <class Run>
void measure(benchmark::State& state, const device_groups& g, std::size_t bytes, Run run) {
  bench::device_memory scratch(bytes);
  if (g.share.data == nullptr || scratch.data == nullptr) return state.SkipWithError("no GPU, or not enough memory");
  cudaStream_t stream;
  cudaStreamCreate(&stream);
  const prefer::cuda exec{.stream = stream, .workspace = {scratch.data, bytes}};
  for (auto _ : state) {
    const double seconds = bench::best_seconds(stream, [&] { prefer::check(run(exec)); });
    state.SetIterationTime(seconds);
    state.counters["ns_per_group"] = seconds / static_cast<double>(g.groups) * 1e9;
  }
  cudaStreamDestroy(stream);
}

void volume_and_gradient(benchmark::State& state) {
  const device_groups g(state.range(0), state.range(1), state.range(2));
  const std::size_t bytes = prefer::hypervolume_workspace(prefer::cuda{nullptr}, {}, g.inputs());
  measure(state, g, bytes, [&](const prefer::cuda& exec) {
    return prefer::hypervolumes(
        exec, {}, g.inputs(),
        {.hypervolume = {static_cast<float*>(g.volume.data), g.groups},
         .grad_rewards = {static_cast<float*>(g.slope.data), g.groups * g.samples, g.objectives}});
  });
}

void contributions(benchmark::State& state) {
  const device_groups g(state.range(0), state.range(1), state.range(2));
  const std::size_t bytes = prefer::hypervolume_contributions_workspace(prefer::cuda{nullptr}, {}, g.inputs());
  measure(state, g, bytes, [&](const prefer::cuda& exec) {
    return prefer::hypervolume_contributions(
        exec, {}, g.inputs(), {.contribution = {static_cast<float*>(g.share.data), g.groups * g.samples}});
  });
}

void shapes(benchmark::internal::Benchmark* b) {
  for (const std::int64_t k : {2, 3, 4})
    for (const std::int64_t n : {8, 64}) b->Args({1 << 20 >> (n == 8 ? 3 : 6), n, k});
  b->Args({1, 2000, 3})->Args({1, 1000, 5})->UseManualTime()->Iterations(1);
}

}  // namespace

BENCHMARK(volume_and_gradient)->Apply(shapes)->Args({1, 1 << 20, 2});
BENCHMARK(contributions)->Apply(shapes);
BENCHMARK_MAIN();
