// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>

namespace bench {

struct device_memory {
  void* data = nullptr;
  explicit device_memory(std::size_t bytes) {
    if (cudaMalloc(&data, bytes) == cudaSuccess)
      cudaMemset(data, 0, bytes);
    else
      data = nullptr;
  }
  device_memory(const device_memory&) = delete;
  ~device_memory() { cudaFree(data); }
};

// Seconds between two events on the stream around a call, the best of twenty.
template <class Call>
double best_seconds(cudaStream_t stream, Call call) {
  cudaEvent_t begin, end;
  cudaEventCreate(&begin), cudaEventCreate(&end);
  float best = 1e30f;
  for (int i = 0; i < 20; ++i) {
    cudaEventRecord(begin, stream);
    call();
    cudaEventRecord(end, stream);
    cudaEventSynchronize(end);
    float ms = 0;
    cudaEventElapsedTime(&ms, begin, end);
    best = std::min(best, ms);
  }
  cudaEventDestroy(begin), cudaEventDestroy(end);
  return best * 1e-3;
}

}  // namespace bench
