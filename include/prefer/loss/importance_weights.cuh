// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/segmented_map_reduce.cuh>
#include <prefer/loss/importance_weights.hpp>

#include <cstdint>

// The CUDA half of loss/importance_weights.hpp: a block of threads takes one response at a time, strides over its
// tokens to learn of it and back over them to weigh them.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// The largest of what the threads have, none of it below 0; valid in thread 0.
static __device__ inline double block_largest(double x, double* shared) {
  for (int step = 16; step > 0; step /= 2) {
    const double other = __shfl_down_sync(0xffffffffu, x, static_cast<unsigned>(step));
    x = other > x ? other : x;
  }
  __syncthreads();
  if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = x;
  __syncthreads();
  double largest = 0;
  for (int w = 0; threadIdx.x == 0 && w < segment_threads / 32; ++w)
    largest = shared[w] > largest ? shared[w] : largest;
  return largest;
}

template <class Rule>
static __device__ double log_ratio_at(const importance_arguments& a, std::int64_t t, bool& keep) {
  keep = selects(a.tokens.mask, t);
  if constexpr (!reads_ratios<Rule>) return 0;
  return keep ? log_ratio_of(read_item<double>(a.policy, t), read_item<double>(a.sampler, t), keep) : 0;
}

// What the block learns of the tokens [begin, end), for all its threads.
template <class Rule>
static __device__ importance_response learn_response(const Rule& rule, const importance_arguments& a,
                                                     const device_range& range, double* shared,
                                                     importance_response* of_block) {
  importance_response mine;
  for (std::int64_t t = range.begin + threadIdx.x; t < range.end; t += segment_threads) {
    bool keep;
    const double x = log_ratio_at<Rule>(a, t, keep);
    if (!keep) continue;
    mine.count += 1, mine.sum += x;
    if constexpr (requires { rule.learn(x); }) {
      const double own = rule.learn(x);
      mine.learnt += own;
      mine.largest = own > mine.largest ? own : mine.largest;
    }
  }
  importance_response all;
  all.count = block_sum(mine.count, shared), all.sum = block_sum(mine.sum, shared);
  if constexpr (requires { rule.learn(0.0); })
    all.learnt = block_sum(mine.learnt, shared), all.largest = block_largest(mine.largest, shared);
  if (threadIdx.x == 0) *of_block = all;
  __syncthreads();
  return *of_block;
}

template <class Rule>
static __global__ void __launch_bounds__(segment_threads)
    importance_kernel(const Rule rule, const importance_arguments a, content_report* report) {
  __shared__ double shared[segment_threads / 32];
  __shared__ importance_response of_block;
  for (std::int64_t i = blockIdx.x; i < a.n; i += gridDim.x) {
    const device_range range = range_at(a.tokens, i);
    if (!range.valid) {
      if (threadIdx.x == 0) {
        const double nan = math::detail::not_a_number<double>();
        report_content(report, errc::bad_offsets, i);
        write_response(a, i, {nan, nan, nan, nan, nan}, nan, nan);
        write_item(a.mean_log_ratio, i, true, nan, false);
      }
      continue;
    }
    importance_response r = learn_response(rule, a, range, shared, &of_block);
    if (Rule::reads_advantage) r.advantage = read_item<double>(a.advantage, i);
    const auto f = rule(r);
    const double share = token_share(a, r);
    double kept = 0;
    for (std::int64_t t = range.begin + threadIdx.x; t < range.end; t += segment_threads) {
      bool keep;
      const double x = log_ratio_at<Rule>(a, t, keep), w = keep ? f(x) : 0;
      kept += w != 0 ? 1 : 0;
      write_item(a.weight, t, true, w * share, false);
      write_flag(a.keep, t, w != 0);
    }
    const double all_kept = block_sum(kept, shared);
    if (threadIdx.x == 0) write_response(a, i, r, f(0.0), all_kept);
    __syncthreads();
  }
}

template <class Rule>
status run_importance(const cuda& exec, const Rule& rule, const importance_arguments& a) {
  if (a.n == 0) return {};
  importance_kernel<Rule>
      <<<static_cast<unsigned>(segment_blocks(a.n)), segment_threads, 0, exec.stream.stream>>>(rule, a, exec.report);
  return launch_status("importance_weights");
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
