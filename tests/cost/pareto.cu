// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
//
// One call of Pareto selection, for the cost model: pareto SET|RANKS GROUPS SAMPLES OBJECTIVES METHOD KIND. Read by
// tests/cost/check_pareto_cost.py.
#include <prefer/select/non_dominated.cuh>
#include <prefer/select/non_dominated_ranks.cuh>

#include <cuda_profiler_api.h>
#include <cuda_runtime.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

int main(int count, char** arguments) {
  if (count < 7) return 2;
  const std::string what = arguments[1], kind = arguments[6];
  const std::int64_t groups = std::atoll(arguments[2]), n = std::atoll(arguments[3]), k = std::atoll(arguments[4]);
  std::vector<float> points(static_cast<std::size_t>(groups * n * k));
  std::uint64_t state = 1;
  for (std::size_t i = 0; i < points.size(); ++i) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    const float u = static_cast<float>(state >> 40) * 0x1p-24f;
    const auto sample = static_cast<float>(i / static_cast<std::size_t>(k));
    points[i] = kind == "chain" ? sample : kind == "front" && i % static_cast<std::size_t>(k) == 1 ? -points[i - 1] : u;
  }
  float* rewards = nullptr;
  std::uint8_t* mask = nullptr;
  std::int32_t* rank = nullptr;
  const auto samples = static_cast<std::size_t>(groups * n);
  const prefer::non_dominated set{.objectives = {.nan = prefer::nan_policy::worst},
                                  .method = static_cast<prefer::pareto_algorithm>(std::atoi(arguments[5]))};
  const prefer::non_dominated_sorting sorting{.objectives = set.objectives};
  cudaStream_t stream;
  if (cudaStreamCreate(&stream) != cudaSuccess || cudaMalloc(&rewards, points.size() * sizeof(float)) != cudaSuccess ||
      cudaMalloc(&mask, samples) != cudaSuccess || cudaMalloc(&rank, samples * sizeof *rank) != cudaSuccess)
    return 1;
  cudaMemcpy(rewards, points.data(), points.size() * sizeof(float), cudaMemcpyHostToDevice);
  const prefer::objective_samples<prefer::space::device> in{.reward_groups = {rewards, groups, n, k}};
  prefer::cuda exec{stream};
  const bool ranks = what == "ranks";
  exec.workspace.bytes =
      ranks ? prefer::non_dominated_ranks_workspace(exec, sorting, in) : prefer::non_dominated_workspace(exec, set, in);
  if (cudaMalloc(&exec.workspace.data, exec.workspace.bytes) != cudaSuccess) return 1;
  cudaProfilerStart();
  prefer::check(ranks ? prefer::non_dominated_ranks(exec, sorting, in, {.rank = {rank, groups * n}})
                      : prefer::non_dominated_set(exec, set, in, {.mask = {mask, groups * n}}));
  cudaProfilerStop();
  const int failed = cudaStreamSynchronize(stream) != cudaSuccess;
  cudaFree(rewards), cudaFree(mask), cudaFree(rank), cudaFree(exec.workspace.data), cudaStreamDestroy(stream);
  return failed;
}
