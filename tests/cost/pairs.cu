// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
//
// One call on all pairs of samples, for the cost model: pairs CONSTANT|EXTEND|NEAREST SAMPLES QUERIES COORDINATES. Read
// by tests/cost/check_pairs_cost.py.
#include <prefer/shape/lipschitz_constant.cuh>
#include <prefer/shape/lipschitz_extension.cuh>
#include <prefer/shape/nearest_neighbors.cuh>

#include <cuda_profiler_api.h>
#include <cuda_runtime.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

int main(int count, char** arguments) {
  if (count < 5) return 2;
  const std::string what = arguments[1];
  const std::int64_t n = std::atoll(arguments[2]), m = std::atoll(arguments[3]), width = std::atoll(arguments[4]);
  constexpr std::int64_t k = 8;
  std::vector<float> numbers(static_cast<std::size_t>((n + m) * width + n));
  std::uint64_t state = 1;
  for (float& x : numbers) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    x = static_cast<float>(state >> 40) * 0x1p-24f;
  }
  float *data = nullptr, *out = nullptr;
  std::int32_t* list = nullptr;
  cudaStream_t stream;
  if (cudaStreamCreate(&stream) != cudaSuccess || cudaMalloc(&data, numbers.size() * sizeof(float)) != cudaSuccess ||
      cudaMalloc(&out, static_cast<std::size_t>(n + m) * sizeof(float)) != cudaSuccess ||
      cudaMalloc(&list, static_cast<std::size_t>(n * k) * sizeof *list) != cudaSuccess)
    return 1;
  cudaMemcpy(data, numbers.data(), numbers.size() * sizeof(float), cudaMemcpyHostToDevice);
  using prefer::space;
  const prefer::value_samples<space::device> samples{.point = {data, n, width}, .value = {data + (n + m) * width, n}};
  prefer::extension_inputs<space::device> elsewhere{.samples = samples};
  elsewhere.query = prefer::view<const float, 2, space::device>(data + n * width, m, width);
  const prefer::metric::l2 metric;
  prefer::cuda exec{stream};
  const prefer::lipschitz_constant_outputs<space::device> constant{.constant = {out, 1}};
  const prefer::extension_outputs<space::device> values{.value = {out, m}};
  const prefer::neighbor_inputs<space::device> points{.point = samples.point};
  const prefer::neighbor_outputs<space::device> index{.index = {list, n, k}};
  exec.workspace.bytes = what == "constant" ? prefer::lipschitz_constant_workspace(exec, {}, metric, samples, constant)
                         : what == "extend" ? prefer::lipschitz_extension_workspace(exec, elsewhere, values)
                                            : prefer::nearest_neighbors_workspace(exec, metric, points, index);
  if (cudaMalloc(&exec.workspace.data, exec.workspace.bytes) != cudaSuccess) return 1;
  cudaProfilerStart();
  prefer::check(what == "constant" ? prefer::find_lipschitz_constant(exec, {}, metric, samples, constant)
                : what == "extend" ? prefer::extend(exec, {}, metric, elsewhere, values)
                                   : prefer::find_nearest_neighbors(exec, metric, points, index));
  cudaProfilerStop();
  const int failed = cudaStreamSynchronize(stream) != cudaSuccess;
  cudaFree(data), cudaFree(out), cudaFree(list), cudaFree(exec.workspace.data), cudaStreamDestroy(stream);
  return failed;
}
