// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/map_reduce.cuh>
#include <prefer/backend/cuda/sort_ranked.cuh>
#include <prefer/loss/preference_strength.hpp>

// The CUDA half of loss/preference_strength.hpp: a block of threads per model for its scale, keys and a stable radix
// sort for shares, and a thread per pair for the outputs: one launch where neither is asked for.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline unsigned strength_grid(std::int64_t n) { return static_cast<unsigned>((n + cuda_threads - 1) / cuda_threads); }

// The sum over all selected rewards of a model, of both sides; valid in every thread.
template <class F>
static __device__ double sum_of_model(const strength_problem& p, std::int64_t model, double* shared, F f) {
  double mine = 0;
  for (std::int64_t i = threadIdx.x; i < p.n; i += cuda_threads)
    if (selects(p.mask, i)) mine += f(p.side[0].at(model, i)) + f(p.side[1].at(model, i));
  __shared__ double total;
  const double sum = block_sum(mine, shared);
  if (threadIdx.x == 0) total = sum;
  __syncthreads();
  const double all = total;
  __syncthreads();
  return all;
}

static __global__ void __launch_bounds__(cuda_threads) strength_scale_kernel(const strength_problem p, double* scale) {
  __shared__ double shared[cuda_threads / 32];
  const std::int64_t model = blockIdx.x;
  const double count = sum_of_model(p, model, shared, [](double) { return 1.0; });
  const double mean = sum_of_model(p, model, shared, [](double x) { return x; }) / count;
  const double squares = sum_of_model(p, model, shared, [=](double x) { return (x - mean) * (x - mean); });
  if (threadIdx.x == 0) scale[model] = p.scale_of(squares / count);
}

static __global__ void strength_keys_kernel(const strength_problem p, const ranked_arrays to) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * cuda_threads + threadIdx.x;
  if (i < p.n) to.key[i] = p.key(i), to.item[i] = i;
}

static __global__ void strength_cut_kernel(const strength_problem p, const ranked_arrays sorted,
                                           strength_problem::cuts* cuts) {
  std::int64_t selected = 0, beyond = p.n;  // the first that is left out, by bisection
  while (selected < beyond) {
    const std::int64_t middle = (selected + beyond) / 2;
    if (sorted.key[middle] == left_out)
      beyond = middle;
    else
      selected = middle + 1;
  }
  *cuts = p.cut(selected, [&](std::int64_t k) { return ranked{sorted.key[k], sorted.item[k]}; });
}

static __global__ void strength_kernel(const strength_problem p, const strength_problem::cuts* cuts) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * cuda_threads + threadIdx.x;
  if (i < p.n) p.write(i, cuts == nullptr ? strength_problem::cuts{} : *cuts);
}

}  // namespace detail

// Bytes of workspace on CUDA for M models and N pairs; none is needed without a share and without normalize.
inline std::size_t preference_strength_cuda_workspace(const preference_strength& options, std::int64_t models,
                                                      std::int64_t pairs) {
  using namespace detail;
  std::size_t bytes = scratch_alignment;
  if (options.normalize) bytes += scratch_bytes<double>(static_cast<std::size_t>(models));
  if (options.ranks())
    bytes += 4 * scratch_bytes<std::uint64_t>(static_cast<std::size_t>(pairs)) +
             scratch_bytes<strength_problem::cuts>(1) + scratch_bytes<char>(sort_bytes(pairs));
  return bytes;
}

namespace detail {

inline status rank_on_device(const cuda& exec, const strength_problem& p, scratch& memory,
                             strength_problem::cuts* cuts) {
  const auto n = static_cast<std::size_t>(p.n);
  const ranked_arrays raw = {memory.take<std::uint64_t>(n), memory.take<std::int64_t>(n)};
  const ranked_arrays sorted = {memory.take<std::uint64_t>(n), memory.take<std::int64_t>(n)};
  strength_keys_kernel<<<strength_grid(p.n), cuda_threads, 0, exec.stream.stream>>>(p, raw);
  if (const status s = sort_ranked(exec, memory.take<char>(sort_bytes(p.n)), raw, sorted, p.n); !s.ok()) return s;
  strength_cut_kernel<<<1, 1, 0, exec.stream.stream>>>(p, sorted, cuts);
  return launch_status("preference_strength");
}

inline status run_strength(const cuda& exec, const strength_problem& given) {
  strength_problem p = given;
  const cudaStream_t stream = exec.stream.stream;
  scratch memory;
  strength_problem::cuts* cuts = nullptr;
  if (p.n == 0) return {};
  if (p.options.normalize || p.options.ranks())
    if (const status s = memory.reserve(exec, preference_strength_cuda_workspace(p.options, p.models, p.n)); !s.ok())
      return s;
  if (p.options.normalize) {
    double* const scale = memory.take<double>(static_cast<std::size_t>(p.models));
    strength_scale_kernel<<<static_cast<unsigned>(p.models), cuda_threads, 0, stream>>>(p, scale);
    p.scale = scale;
  }
  if (p.options.ranks()) {
    cuts = memory.take<strength_problem::cuts>(1);
    if (const status s = rank_on_device(exec, p, memory, cuts); !s.ok()) return s;
  }
  strength_kernel<<<strength_grid(p.n), cuda_threads, 0, stream>>>(p, cuts);
  return launch_status("preference_strength");
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
