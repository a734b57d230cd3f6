// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
//
// Advantages of groups of one size, for the cost model: groups GRPO|LITE_PPO FLOAT|BFLOAT16 SCORES SIZE. Read by
// tests/cost/check_groups_cost.py.
#include <prefer/advantage/group_advantage.cuh>

#include <cuda_profiler_api.h>
#include <cuda_runtime.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

int main(int count, char** arguments) {
  if (count < 5) return 2;
  const bool learns = std::string(arguments[1]) == "lite_ppo", wide = std::string(arguments[2]) == "float";
  const std::int64_t scores = std::atoll(arguments[3]), size = std::atoll(arguments[4]), groups = scores / size;
  std::vector<float> numbers(static_cast<std::size_t>(scores));
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<float>(i * 7919 % 1009) / 1009;
  std::vector<std::uint16_t> halves(numbers.size());
  for (std::size_t i = 0; i < numbers.size(); ++i) halves[i] = static_cast<std::uint16_t>(0x3f00 + i * 7919 % 127);
  std::vector<std::int32_t> begin(static_cast<std::size_t>(groups + 1));
  for (std::size_t g = 0; g < begin.size(); ++g)
    begin[g] = static_cast<std::int32_t>(g) * static_cast<std::int32_t>(size);
  const std::size_t bytes = numbers.size() * (wide ? 4 : 2);
  void *in = nullptr, *out = nullptr;
  std::int32_t* offsets = nullptr;
  cudaStream_t stream;
  if (cudaStreamCreate(&stream) != cudaSuccess || cudaMalloc(&in, bytes) != cudaSuccess ||
      cudaMalloc(&out, bytes) != cudaSuccess || cudaMalloc(&offsets, begin.size() * sizeof *offsets) != cudaSuccess)
    return 1;
  cudaMemcpy(in, wide ? static_cast<const void*>(numbers.data()) : halves.data(), bytes, cudaMemcpyHostToDevice);
  cudaMemcpy(offsets, begin.data(), begin.size() * sizeof *offsets, cudaMemcpyHostToDevice);
  using prefer::space;
  prefer::advantage_inputs<space::device> inputs{.offsets = {offsets, groups + 1}};
  prefer::advantage_outputs<space::device> outputs;
  if (wide) {
    inputs.score = {static_cast<const float*>(in), scores};
    outputs.advantage = {static_cast<float*>(out), scores};
  } else {
    inputs.score = {static_cast<const prefer::bfloat16*>(in), scores};
    outputs.advantage = {static_cast<prefer::bfloat16*>(out), scores};
  }
  prefer::cuda exec{stream};
  exec.workspace.bytes = prefer::group_advantages_workspace(groups, scores);
  if (cudaMalloc(&exec.workspace.data, exec.workspace.bytes) != cudaSuccess) return 1;
  cudaProfilerStart();
  prefer::check(learns ? prefer::group_advantages(exec, prefer::lite_ppo{}, inputs, outputs)
                       : prefer::group_advantages(exec, prefer::grpo{}, inputs, outputs));
  cudaProfilerStop();
  const int failed = cudaStreamSynchronize(stream) != cudaSuccess;
  cudaFree(in), cudaFree(out), cudaFree(offsets), cudaFree(exec.workspace.data), cudaStreamDestroy(stream);
  return failed;
}
