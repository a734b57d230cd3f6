// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
//
// One call of group_advantages by GRPO, for the cost model: groups SCORES SIZE TYPE. Read by
// tests/cost/check_groups_cost.py.
#include <prefer/advantage/group_advantage.cuh>

#include <cuda_profiler_api.h>
#include <cuda_runtime.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

int main(int count, char** arguments) {
  if (count < 4) return 2;
  const std::int64_t scores = std::atoll(arguments[1]), size = std::atoll(arguments[2]), groups = scores / size;
  const prefer::element type = arguments[3] == std::string("float") ? prefer::element::f32 : prefer::element::bf16;
  std::vector<std::int32_t> offsets;
  for (std::int64_t g = 0; g <= groups; ++g) offsets.push_back(static_cast<std::int32_t>(g * size));
  // Any bits do, for what is counted does not depend on the scores; these are numbers in either type.
  std::vector<std::uint32_t> bits(static_cast<std::size_t>(scores));
  for (std::size_t i = 0; i < bits.size(); ++i) bits[i] = 0x3f803f80u + static_cast<std::uint32_t>(i * 40503 % 64);
  std::int32_t* starts = nullptr;
  void *in = nullptr, *out = nullptr;
  cudaStream_t stream;
  if (cudaStreamCreate(&stream) != cudaSuccess ||
      cudaMalloc(&starts, offsets.size() * sizeof(std::int32_t)) != cudaSuccess ||
      cudaMalloc(&in, bits.size() * 4) != cudaSuccess || cudaMalloc(&out, bits.size() * 4) != cudaSuccess)
    return 1;
  cudaMemcpy(starts, offsets.data(), offsets.size() * sizeof(std::int32_t), cudaMemcpyHostToDevice);
  cudaMemcpy(in, bits.data(), bits.size() * 4, cudaMemcpyHostToDevice);
  using prefer::space;
  prefer::advantage_inputs<space::device> inputs{.offsets = {starts, groups + 1}};
  prefer::advantage_outputs<space::device> outputs;
  inputs.score.data = in, outputs.advantage.data = out;
  inputs.score.type = outputs.advantage.type = type;
  inputs.score.extent[0] = outputs.advantage.extent[0] = scores;
  inputs.score.stride[0] = outputs.advantage.stride[0] = 1;
  prefer::cuda exec{stream};
  exec.workspace.bytes = prefer::group_advantages_workspace(groups, scores);
  if (cudaMalloc(&exec.workspace.data, exec.workspace.bytes) != cudaSuccess) return 1;
  cudaProfilerStart();
  prefer::check(prefer::group_advantages(exec, prefer::grpo{}, inputs, outputs));
  cudaProfilerStop();
  const int failed = cudaStreamSynchronize(stream) != cudaSuccess;
  cudaFree(starts), cudaFree(in), cudaFree(out), cudaFree(exec.workspace.data), cudaStreamDestroy(stream);
  return failed;
}
