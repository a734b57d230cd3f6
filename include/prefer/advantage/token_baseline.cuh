// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/advantage/token_baseline.hpp>
#include <prefer/backend/cuda/launch.cuh>
#include <prefer/backend/cuda/segmented_map_reduce.cuh>

#include <cstdint>

// The CUDA half of advantage/token_baseline.hpp: a block takes a group, a thread a position of a tile at a time. Sums
// along a response are scans of the block.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// The same from a sum of what came before the block's, which goes on to the end of these.
static __device__ inline double running_sum(double x, double* shared, double& carry) {
  double total;
  const double at = scan_block(x, shared, total) + carry;
  carry += total;
  return at;
}

struct token_baseline_team {
  const token_baseline_arguments& a;
  double* shared;
  content_report* report;

  // A response of bad offsets has no tokens.
  __device__ device_range tokens_of(std::int64_t i) const {
    const device_range r = range_at(a.of_response, i);
    return r.valid ? r : device_range{0, 0, false};
  }
  __device__ double energy_at(std::int64_t t) const {
    const double e = a.energy.data != nullptr ? read_item<double>(a.energy, t)
                     : a.policy.data != nullptr
                         ? score_energy(read_item<double>(a.policy, t), read_item<double>(a.log_square_sum, t))
                         : 1.0;
    const double rho = read_item<double>(a.importance, t);
    return e * (rho * rho);
  }
  __device__ double reward_at(std::int64_t t, bool keep) const {
    return keep && a.reward.data != nullptr ? read_item<double>(a.reward, t) : 0;
  }
  // What is still to come at this thread's token; `to_come` becomes what comes behind the block's.
  __device__ double follow(double reward, double& to_come) const {
    if (a.reward.data == nullptr) return to_come;
    double carry = 0;
    const double at = to_come - (running_sum(reward, shared, carry) - reward);
    to_come -= carry;
    return at;
  }

  // Sets what the responses carry from tile to tile; returns the length of the longest.
  __device__ std::int64_t begin(const device_range& members) const {
    std::int64_t longest = 0;
    for (std::int64_t i = members.begin; i < members.end; ++i) {
      const device_range tokens = tokens_of(i);
      if (!tokens.valid && threadIdx.x == 0) report_content(report, errc::bad_offsets, i);
      longest = tokens.end - tokens.begin > longest ? tokens.end - tokens.begin : longest;
      double sum = 0;
      for (std::int64_t t = tokens.begin + threadIdx.x; a.reward.data != nullptr && t < tokens.end;
           t += segment_threads)
        sum += reward_at(t, selects(a.of_response.mask, t));
      sum = block_sum(sum, shared);
      if (threadIdx.x == 0) a.weight[i] = 0, a.to_come[i] = read_item<double>(a.score, i) + sum;
    }
    __syncthreads();
    return longest;
  }
  // f(response, this thread's token, whether it is selected and there, whether it is there) of each response that
  // reaches `from`, for the whole block.
  template <class F>
  __device__ void each(const device_range& members, std::int64_t from, const F& f) const {
    for (std::int64_t i = members.begin; i < members.end; ++i) {
      const device_range tokens = tokens_of(i);
      if (tokens.end - tokens.begin <= from) continue;
      const std::int64_t t = tokens.begin + from + threadIdx.x;
      const bool inside = t < tokens.end;
      f(i, t, inside && selects(a.of_response.mask, t), inside);
    }
  }
};

static __global__ void __launch_bounds__(segment_threads)
    token_baseline_kernel(const token_baseline rule, const token_baseline_arguments a, content_report* report) {
  __shared__ double shared[segment_threads / 32];
  const token_baseline_team team{a, shared, report};
  for (std::int64_t group = blockIdx.x; group < a.groups; group += gridDim.x) {
    const device_range members = range_at(a.of_group, group);
    if (!members.valid) {
      if (threadIdx.x == 0) report_content(report, errc::bad_offsets, group);
      continue;
    }
    const std::int64_t longest = team.begin(members);
    for (std::int64_t from = 0; from < longest; from += segment_threads) {
      basic_position<double> p;
      team.each(members, from, [&](std::int64_t i, std::int64_t t, bool keep, bool) {
        double carry = a.weight[i], to_come = a.to_come[i];
        const double w = running_sum(keep ? team.energy_at(t) : 0, shared, carry);
        p.add(keep, w, team.follow(team.reward_at(t, keep), to_come));
        __syncthreads();  // all have read what the response carried
        if (threadIdx.x == 0) a.weight[i] = carry;
      });
      p.finish(rule.zero_alone);
      team.each(members, from, [&](std::int64_t i, std::int64_t t, bool keep, bool inside) {
        double to_come = a.to_come[i];
        const double g = team.follow(team.reward_at(t, keep), to_come);
        if (inside) {
          write_item(a.advantage, t, keep, p.advantage(g), false);
          write_item(a.baseline, t, keep, p.baseline(), false);
        }
        __syncthreads();
        if (threadIdx.x == 0) a.to_come[i] = to_come;
      });
      __syncthreads();
    }
  }
}

inline status run_token_baseline(const cuda& exec, const token_baseline& rule, const token_baseline_arguments& a) {
  if (a.groups == 0) return {};
  token_baseline_kernel<<<static_cast<unsigned>(segment_blocks(a.groups)), segment_threads, 0, exec.stream.stream>>>(
      rule, a, exec.report);
  return launch_status("token_baseline_advantages");
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
