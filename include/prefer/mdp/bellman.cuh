// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/launch.cuh>
#include <prefer/mdp/bellman.hpp>

#include <cstdint>

// The CUDA half of mdp/bellman.hpp: one block of threads per process, which sweeps until nothing moves.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline constexpr int bellman_threads = 128;

// The largest of a block's numbers, in every thread; NaN wins. `shared` has one double per thread.
static __device__ inline double block_largest(double x, double* shared) {
  __syncthreads();
  shared[threadIdx.x] = x;
  for (int step = bellman_threads / 2; step > 0; step /= 2) {
    __syncthreads();
    if (static_cast<int>(threadIdx.x) < step) {
      const double y = shared[threadIdx.x + static_cast<unsigned>(step)], mine = shared[threadIdx.x];
      shared[threadIdx.x] = y > mine || y != y ? y : mine;
    }
  }
  __syncthreads();
  return shared[0];
}

template <class Outputs, class Write>
static __global__ void __launch_bounds__(bellman_threads)
    bellman_kernel(const bellman_problem p, const Outputs out, const Write write, double* memory) {
  __shared__ double shared[bellman_threads];
  const std::int64_t size = p.states * p.width;
  for (std::int64_t b = blockIdx.x; b < p.batch; b += gridDim.x) {
    double *old = memory + 2 * b * size, *fresh = old + size;
    for (std::int64_t i = threadIdx.x; i < size; i += bellman_threads) old[i] = 0;
    std::int64_t iterations = 0;
    double residual = 0;
    do {
      __syncthreads();
      double change = 0;
      for (std::int64_t i = threadIdx.x; i < size; i += bellman_threads) {
        fresh[i] = p.backup(b, i / p.width, i % p.width, old);
        const double moved = math::abs(fresh[i] - old[i]);
        change = moved > change || moved != moved ? moved : change;
      }
      residual = block_largest(change, shared);
      double* const swapped = old;
      old = fresh;
      fresh = swapped;
      ++iterations;
    } while (residual > p.stop.tolerance && iterations < p.stop.max_iterations);
    __syncthreads();
    for (std::int64_t s = threadIdx.x; s < p.states; s += bellman_threads) write.state(p, b, s, old);
    if (threadIdx.x == 0) {
      if (out.iterations.data != nullptr) out.iterations.data[b * out.iterations.stride[0]] = iterations;
      if (out.residual.data != nullptr) out.residual.data[b * out.residual.stride[0]] = residual;
    }
  }
}

template <class Outputs, class Write>
status solve_bellman(const cuda& exec, const bellman_problem& p, const Outputs& out, const Write& write) {
  if (p.batch == 0) return {};
  scratch memory;
  if (const status s = memory.reserve(exec, bellman_workspace(p.batch, p.states, p.width)); !s.ok()) return s;
  double* const buffers = memory.take<double>(static_cast<std::size_t>(2 * p.batch * p.states * p.width));
  const auto blocks = static_cast<unsigned>(p.batch < 65536 ? p.batch : 65536);
  bellman_kernel<Outputs, Write><<<blocks, bellman_threads, 0, exec.stream.stream>>>(p, out, write, buffers);
  return launch_status("bellman");
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
