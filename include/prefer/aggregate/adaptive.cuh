// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/advantage/group_advantage.cuh>
#include <prefer/aggregate/adaptive.hpp>
#include <prefer/backend/cuda/weighted_moments.cuh>

// The CUDA half of aggregate/adaptive.hpp: a thread per group for what rewards are multiplied by, a thread per sample
// for the rule.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

template <class Rule>
static __global__ void __launch_bounds__(cuda_threads)
    scale_groups_kernel(const Rule rule, const adaptive_arguments a) {
  __shared__ double weights[most_rewards];
  for (int k = static_cast<int>(threadIdx.x); k < a.rewards; k += cuda_threads) {
    weights[k] = read_item<double>(a.weight, k);
    if (blockIdx.x == 0) a.weights[k] = weights[k];
  }
  __syncthreads();
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * cuda_threads;
  for (std::int64_t g = static_cast<std::int64_t>(blockIdx.x) * cuda_threads + threadIdx.x; g < a.groups.groups;
       g += step) {
    group_rewards group = a.of_group(g);
    group.weights = weights;
    for (int k = 0; k < a.rewards; ++k) a.scale[a.cell(g, k)] = rule.scale(group, k);
  }
}

// A block per reward; whole numbers, so that their order does not matter.
static __global__ void __launch_bounds__(cuda_threads) find_active_kernel(const adaptive_arguments a) {
  const int k = static_cast<int>(blockIdx.x);
  std::int64_t active = 0;
  for (std::int64_t first = 0; first < a.groups.groups; first += cuda_threads) {
    const std::int64_t g = first + threadIdx.x;
    active += __syncthreads_count(g < a.groups.groups && a.std[a.cell(g, k)] > 0);
  }
  if (threadIdx.x == 0) a.found_active[k] = share_of(active, a.groups.groups);
}

// The rewards of one sample of group g.
struct adaptive_sample {
  const adaptive_arguments& a;
  std::int64_t i, g;

  PREFER_HD double reward(int k) const {
    return load_element<double>(a.reward.data, a.reward.type, i * a.reward.row_stride + k * a.reward.stride);
  }
  PREFER_HD bool absent(double x) const { return a.groups.exclude_nan && math::is_nan(x); }
  PREFER_HD double deviation(int k) const {
    const double x = reward(k);
    return absent(x) ? 0 : x - a.mean[a.cell(g, k)];
  }
  PREFER_HD double scaled(int k) const { return deviation(k) * a.scale[a.cell(g, k)]; }
  PREFER_HD double present(int k) const { return absent(reward(k)) ? 0 : 1; }
};

template <class Rule>
static __global__ void __launch_bounds__(cuda_threads) map_rewards_kernel(const Rule rule, const adaptive_arguments a) {
  __shared__ double states[most_rewards], weights[most_rewards];
  if (threadIdx.x == 0) prepare_state(rule, a, states);
  for (int k = static_cast<int>(threadIdx.x); k < a.rewards; k += cuda_threads) weights[k] = a.weights[k];
  __syncthreads();
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * cuda_threads;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * cuda_threads + threadIdx.x; i < a.samples; i += step) {
    adaptive_answer<double> answer = {0, 0};
    const std::int64_t g = a.group_at(i);
    const bool inside = g >= 0 && i < a.end(g) && a.end(g) <= a.samples && selects(a.groups.scores.mask, i);
    if (inside) {
      const adaptive_sample at{a, i, g};
      answer = answer_of<double>(rule, adaptive_row<double, adaptive_sample>{at, weights, states, a.rewards});
    }
    const bool kept = inside && !(drops(rule) && answer.companion == 0);
    a.keep[i] = kept;
    a.value[i] = kept ? answer.value : 0;
    a.companion[i] = answer.companion;
  }
}

static __global__ void __launch_bounds__(cuda_threads) multiply_values_kernel(const adaptive_arguments a) {
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * cuda_threads;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * cuda_threads + threadIdx.x; i < a.samples; i += step)
    a.value[i] *= a.companion[i];
}

template <class Rule>
void scale_groups(const cuda& exec, const Rule& rule, const adaptive_arguments& a) {
  const auto blocks = static_cast<unsigned>(cuda_blocks(a.groups.groups > 0 ? a.groups.groups : 1));
  scale_groups_kernel<Rule><<<blocks, cuda_threads, 0, exec.stream.stream>>>(rule, a);
}
inline void find_active(const cuda& exec, const adaptive_arguments& a) {
  find_active_kernel<<<static_cast<unsigned>(a.rewards), cuda_threads, 0, exec.stream.stream>>>(a);
}
template <class Rule>
status map_rewards(const cuda& exec, const Rule& rule, const adaptive_arguments& a) {
  if (a.samples == 0) return {};
  const auto blocks = static_cast<unsigned>(cuda_blocks(a.samples));
  map_rewards_kernel<Rule><<<blocks, cuda_threads, 0, exec.stream.stream>>>(rule, a);
  return launch_status("decoupled_advantages");
}
inline void multiply_values(const cuda& exec, const adaptive_arguments& a) {
  if (a.samples == 0) return;
  multiply_values_kernel<<<static_cast<unsigned>(cuda_blocks(a.samples)), cuda_threads, 0, exec.stream.stream>>>(a);
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
