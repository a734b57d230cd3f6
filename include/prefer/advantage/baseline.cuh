// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/advantage/baseline.hpp>
#include <prefer/backend/cuda/segmented_map_reduce.cuh>

#include <cstdint>

// The CUDA half of advantage/baseline.hpp: each warp of a block takes one of its groups, and then the block together
// those that are long.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline constexpr int baseline_threads = 256, baseline_warps = baseline_threads / 32;
inline constexpr std::int64_t baseline_long = 1024;

// What a team of 32 or all threads keeps in shared memory.
struct baseline_memory {
  best_scores best[baseline_warps];
  double terms[baseline_warps], weights[baseline_warps];
};

template <int Threads>
struct baseline_team {
  baseline_memory* memory;

  static constexpr bool one_warp = Threads == 32;
  __device__ static int rank() { return static_cast<int>(threadIdx.x) % Threads; }
  __device__ static int lane() { return rank() % 32; }
  __device__ static int warp() { return rank() / 32; }

  __device__ static best_scores other(const best_scores& b, int step) {
    best_scores o;
    o.best = __shfl_xor_sync(0xffffffffu, b.best, step), o.second = __shfl_xor_sync(0xffffffffu, b.second, step);
    o.at = __shfl_xor_sync(0xffffffffu, static_cast<long long>(b.at), step);
    o.count = __shfl_xor_sync(0xffffffffu, static_cast<long long>(b.count), step);
    o.spoiled = __shfl_xor_sync(0xffffffffu, b.spoiled ? 1 : 0, step) != 0;
    return o;
  }
  __device__ best_scores merged(best_scores b) const {
    for (int step = 16; step > 0; step /= 2) b.merge(other(b, step));
    if constexpr (!one_warp) {
      __syncthreads();
      if (lane() == 0) memory->best[warp()] = b;
      __syncthreads();
      b = memory->best[0];
      for (int w = 1; w < baseline_warps; ++w) b.merge(memory->best[w]);
    }
    return b;
  }
  __device__ double added(double x, double* of_warps) const {
    for (int step = 16; step > 0; step /= 2) x += __shfl_xor_sync(0xffffffffu, x, step);
    if constexpr (!one_warp) {
      __syncthreads();
      if (lane() == 0) of_warps[warp()] = x;
      __syncthreads();
      x = 0;
      for (int w = 0; w < baseline_warps; ++w) x += of_warps[w];
    }
    return x;
  }

  template <class Rule>
  __device__ void run(const Rule& rule, const baseline_arguments& a, std::int64_t group,
                      const device_range& range) const {
    best_scores b;
    for (std::int64_t i = range.begin + rank(); i < range.end; i += Threads)
      if (const double x = a.score_at(i); a.takes(i, x)) b.add(x, i - range.begin);
    b = merged(b);
    double terms = 0, weights = 0;
    for (std::int64_t i = range.begin + rank(); i < range.end; i += Threads) {
      const double x = a.score_at(i);
      if (!a.takes(i, x)) continue;
      const double w = Rule::reads_weight ? read_item<double>(a.weight, i) : 1;
      terms += rule.term(x - b.best, w), weights += rule.weight(w);
    }
    terms = added(terms, memory->terms), weights = added(weights, memory->weights);
    const auto found = baseline_of_group::make(rule, b, terms, weights);
    if (rank() == 0) write_item(a.baseline, group, true, found.value(), false);
    for (std::int64_t i = range.begin + rank(); a.groups.out.data != nullptr && i < range.end; i += Threads) {
      const double x = a.score_at(i);
      write_item(a.groups.out, i, a.takes(i, x), found.advantage(x, i - range.begin), false);
    }
  }
};

template <class Rule>
static __global__ void __launch_bounds__(baseline_threads)
    baseline_kernel(const Rule rule, const baseline_arguments a, content_report* report) {
  __shared__ baseline_memory memory;
  for (std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * baseline_warps; first < a.groups.groups;
       first += static_cast<std::int64_t>(gridDim.x) * baseline_warps) {
    const std::int64_t own = first + threadIdx.x / 32;
    if (own < a.groups.groups) {
      const device_range range = range_at(a.groups.scores, own);
      if (!range.valid && threadIdx.x % 32 == 0) {
        report_content(report, errc::bad_offsets, own);
        write_item(a.baseline, own, true, math::detail::not_a_number<double>(), false);
      }
      if (range.valid && range.end - range.begin < baseline_long) baseline_team<32>{&memory}.run(rule, a, own, range);
    }
    for (std::int64_t g = first; g < first + baseline_warps && g < a.groups.groups; ++g) {
      const device_range range = range_at(a.groups.scores, g);
      if (range.valid && range.end - range.begin >= baseline_long)
        baseline_team<baseline_threads>{&memory}.run(rule, a, g, range);
    }
  }
}

template <class Rule>
status run_baseline(const cuda& exec, const Rule& rule, const baseline_arguments& a) {
  if (a.groups.groups == 0) return {};
  const std::int64_t blocks = (a.groups.groups + baseline_warps - 1) / baseline_warps;
  const unsigned grid = static_cast<unsigned>(blocks < 4096 ? blocks : 4096);
  baseline_kernel<Rule><<<grid, baseline_threads, 0, exec.stream.stream>>>(rule, a, exec.report);
  return launch_status("baseline_advantages");
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
