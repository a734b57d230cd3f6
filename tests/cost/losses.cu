// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
//
// One call of each loss on contiguous floats, for the cost model: tests/cost/check_cost.py reads what ptxrun counts and
// the line that is printed here.
#include <prefer/core/evaluate.cuh>
#include <support/all_losses.hpp>
#include <support/loss_arrays.hpp>

#include <cuda_runtime.h>

#include <cstdio>

namespace {

constexpr std::int64_t n = 1 << 16;
constexpr int most_arrays = 16;

template <class Loss>
void call(const char* name, const Loss& loss, float* memory, const prefer::cuda& exec) {
  const bench::loss_arrays<Loss> arrays(loss);
  const auto array = [&](int i) { return memory + i * n; };
  prefer::check(
      prefer::evaluate<float>(exec, loss, arrays.template make_inputs<prefer::cuda>(n, array),
                              arrays.template make_outputs<prefer::cuda>(n, array, memory + most_arrays * n)));
  std::printf("%s %d %d\n", name, arrays.inputs(), arrays.outputs());
}

}  // namespace

int main() {
  float* memory = nullptr;
  void* scratch = nullptr;
  const std::size_t bytes = std::size_t{1} << 20;
  if (cudaMalloc(reinterpret_cast<void**>(&memory), (most_arrays * n + 1) * sizeof(float)) != cudaSuccess ||
      cudaMalloc(&scratch, bytes) != cudaSuccess)
    return 1;
  cudaMemset(memory, 0, (most_arrays * n + 1) * sizeof(float));
  cudaStream_t stream;
  cudaStreamCreate(&stream);
  const prefer::cuda exec{.stream = stream, .workspace = {scratch, bytes}};
  bench::each_loss([&](const char* name, const auto& loss) { call(name, loss, memory, exec); });
  const int failed = cudaStreamSynchronize(stream) != cudaSuccess;
  cudaFree(memory), cudaFree(scratch), cudaStreamDestroy(stream);
  return failed;
}
