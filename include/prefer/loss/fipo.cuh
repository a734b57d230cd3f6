// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/fipo.hpp>
#include <prefer/loss/importance_weights.cuh>

#include <cstdint>

// The CUDA half of loss/fipo.hpp: a block of threads walks a response from its end, a tile of tokens at a time, and
// adds up by a scan.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// decay^(threadIdx.x % 32 + 1)
static __device__ inline double decay_of_lane(double decay) {
  double power = 1;
  for (unsigned k = threadIdx.x % 32 + 1; k != 0; k /= 2, decay *= decay)
    if (k % 2 == 1) power *= decay;
  return power;
}

// The decayed sum of what the threads from 0 up to this one have, and of `behind`, the sum behind all of them, which
// becomes the sum at the last thread.
static __device__ inline double decayed_sum(double x, double decay, double of_lane, double* shared, double& behind) {
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  double power = decay;  // decay^step
  for (int step = 1; step < 32; step *= 2, power *= power) {
    const double before = __shfl_up_sync(0xffffffffu, x, static_cast<unsigned>(step));
    if (lane >= step) x += power * before;
  }
  __syncthreads();
  if (lane == 31) shared[warp] = x;
  __syncthreads();
  double ahead = 0;
  for (int w = 0; w < segment_threads / 32; ++w) {
    if (w == warp) ahead = behind;
    behind = shared[w] + power * behind;
  }
  return x + of_lane * ahead;
}

static __global__ void __launch_bounds__(segment_threads)
    influence_kernel(const fipo unready, const influence_arguments a, content_report* report) {
  __shared__ double shared[segment_threads / 32];
  const influence rule(unready);
  const double of_lane = decay_of_lane(rule.decay);
  for (std::int64_t i = blockIdx.x; i < a.tokens.n; i += gridDim.x) {
    const device_range range = range_at(a.tokens.tokens, i);
    if (!range.valid) {
      if (threadIdx.x == 0) report_content(report, errc::bad_offsets, i);
      continue;
    }
    const bool loses = read_item<double>(a.tokens.advantage, i) < 0;
    double behind = 0;
    for (std::int64_t end = range.end; end > range.begin; end -= segment_threads) {
      const std::int64_t t = end - 1 - threadIdx.x;
      bool keep = false;
      const double x = t >= range.begin ? log_ratio_at<truncated_importance>(a.tokens, t, keep) : 0;
      const double future = decayed_sum(rule.added(x), rule.decay, of_lane, shared, behind);
      if (t < range.begin) continue;
      write_item(a.future, t, keep, future, false);
      write_item(a.tokens.weight, t, keep, rule.weight(future, x, loses), false);
    }
  }
}

inline status run_influence(const cuda& exec, const fipo& rule, const influence_arguments& a) {
  if (a.tokens.n == 0) return {};
  influence_kernel<<<static_cast<unsigned>(segment_blocks(a.tokens.n)), segment_threads, 0, exec.stream.stream>>>(
      rule, a, exec.report);
  return launch_status("future_influence");
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
