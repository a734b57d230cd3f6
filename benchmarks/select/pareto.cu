// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "support/device.cuh"

#include <prefer/select/crowding_distance.cuh>
#include <prefer/select/knee_point.cuh>
#include <prefer/select/non_dominated.cuh>
#include <prefer/select/non_dominated_ranks.cuh>
#include <prefer/select/scalarized_pick.cuh>

#include <benchmark/benchmark.h>

#include <cuda_runtime.h>

#include <random>
#include <vector>

// Pareto selection on a GPU: time per sample, and as a fraction of what a copy of the rewards gets per byte. Rewards
// are uniform, or anti-correlated (all samples near the plane where they sum to 0).
namespace {

enum call { set, ranks, crowding, pick, knee };

std::vector<float> draw(std::int64_t samples, std::int64_t k, bool anti_correlated) {
  std::mt19937_64 random(1);
  std::uniform_real_distribution<float> uniform(0, 1);
  std::vector<float> x(static_cast<std::size_t>(samples * k));
  for (std::int64_t i = 0; i < samples; ++i) {
    float* const row = x.data() + i * k;
    float sum = 0;
    for (std::int64_t j = 0; j < k; ++j) sum += row[j] = uniform(random);
    for (std::int64_t j = 0; j < k && anti_correlated; ++j)
      row[j] -= (sum - 0.1f * uniform(random)) / static_cast<float>(k);
  }
  return x;
}

template <call Call>
void pareto(benchmark::State& state) {
  const std::int64_t groups = state.range(0), n = state.range(1), k = state.range(2), samples = groups * n;
  const std::vector<float> points = draw(samples, k, state.range(3) != 0);
  const std::size_t bytes = points.size() * sizeof(float);
  bench::device_memory rewards(2 * bytes), mask(static_cast<std::size_t>(samples)),
      rank(static_cast<std::size_t>(samples) * sizeof(std::int32_t)),
      picked(static_cast<std::size_t>(groups) * sizeof(std::int32_t)),
      distance(static_cast<std::size_t>(samples) * sizeof(float));
  if (rewards.data == nullptr || distance.data == nullptr) return state.SkipWithError("no GPU, or not enough memory");
  auto* const x = static_cast<float*>(rewards.data);
  cudaMemcpy(x, points.data(), bytes, cudaMemcpyHostToDevice);
  cudaStream_t stream;
  cudaStreamCreate(&stream);
  prefer::cuda exec{stream};
  const prefer::objective_samples<prefer::space::device> in{.reward_groups = {x, groups, n, k}};
  const prefer::crowding_inputs<prefer::space::device> crowd{.samples = in};
  const prefer::scalarized_pick_inputs<prefer::space::device> pick_in{.samples = in};
  const prefer::scalarized_pick_outputs<prefer::space::device> pick_out{
      .index = {static_cast<std::int32_t*>(picked.data), groups, 1}};
  const prefer::knee_point_inputs<prefer::space::device> knee_in{.samples = in};
  exec.workspace.bytes = Call == set     ? prefer::non_dominated_workspace(exec, {}, in)
                         : Call == ranks ? prefer::non_dominated_ranks_workspace(exec, {}, in)
                         : Call == pick  ? prefer::scalarized_picks_workspace(exec, {}, pick_in, pick_out)
                         : Call == knee  ? prefer::knee_points_workspace(exec, {}, knee_in)
                                         : prefer::crowding_distances_workspace(exec, {}, crowd);
  bench::device_memory scratch(exec.workspace.bytes + 1);
  exec.workspace.data = scratch.data;
  const auto run = [&] {
    if (Call == set)
      return prefer::non_dominated_set(exec, {}, in, {.mask = {static_cast<std::uint8_t*>(mask.data), samples}});
    if (Call == ranks)
      return prefer::non_dominated_ranks(exec, {}, in, {.rank = {static_cast<std::int32_t*>(rank.data), samples}});
    if (Call == pick) return prefer::scalarized_picks(exec, {}, pick_in, pick_out);
    if (Call == knee)
      return prefer::knee_points(exec, {}, knee_in, {.index = {static_cast<std::int32_t*>(picked.data), groups}});
    return prefer::crowding_distances(exec, {}, crowd, {.distance = {static_cast<float*>(distance.data), samples}});
  };
  for (auto _ : state) {
    const double seconds = bench::best_seconds(stream, [&] { prefer::check(run()); });
    const double copy = bench::best_seconds(
        stream, [&] { cudaMemcpyAsync(x + points.size(), x, bytes, cudaMemcpyDeviceToDevice, stream); });
    state.SetIterationTime(seconds);
    state.counters["ns_per_item"] = seconds / static_cast<double>(samples) * 1e9;
    state.counters["GB_per_s"] = static_cast<double>(bytes) / seconds * 1e-9;
    state.counters["of_copy"] = copy / 2 / seconds;
  }
  cudaStreamDestroy(stream);
}

void sizes(benchmark::internal::Benchmark* b) {
  b->Args({10000, 256, 4, 0})->Args({1, 1000000, 2, 1})->Args({1, 1000000, 3, 0})->Args({1, 1000000, 4, 0});
  b->Args({1, 100000, 8, 1})->UseManualTime()->Iterations(1);
}

}  // namespace

BENCHMARK(pareto<set>)->Apply(sizes);
BENCHMARK(pareto<ranks>)
    ->Args({10000, 256, 4, 0})
    ->Args({1, 10000, 5, 0})
    ->Args({1, 100000, 5, 0})
    ->UseManualTime()
    ->Iterations(1);
BENCHMARK(pareto<crowding>)->Args({1, 1000000, 3, 0})->UseManualTime()->Iterations(1);
BENCHMARK(pareto<pick>)->Args({10000, 256, 4, 0})->Args({1, 1000000, 4, 0})->UseManualTime()->Iterations(1);
BENCHMARK(pareto<knee>)->Args({10000, 256, 4, 0})->Args({1, 1000000, 4, 0})->UseManualTime()->Iterations(1);
BENCHMARK_MAIN();
