// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/advantage/group_advantage.cuh>
#include <prefer/advantage/reward_advantage.hpp>
#include <prefer/aggregate/aggregate.cuh>

// The CUDA half of advantage/reward_advantage.hpp: the columns are prepared by a launch of their own.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

template <class Rule>
static __global__ void __launch_bounds__(most_rewards)
    reward_columns_kernel(const Rule rule, const aggregate_arguments a, reward_columns* columns,
                          content_report* report) {
  const int k = static_cast<int>(threadIdx.x);
  if (k < a.rewards) columns->set(rule, a, k);
  __syncthreads();
  if (k != 0) return;
  const int bad = columns->add_up<Rule>(a.rewards);
  if (bad >= 0) report_content(report, errc::bad_label, bad);
}

template <class Rule, class F>
status with_columns(const cuda& exec, const Rule& rule, const aggregate_arguments& a, F f) {
  return with_scratch(exec, sizeof(reward_columns), [&](char* memory, const cuda& rest) -> status {
    auto* const columns = reinterpret_cast<reward_columns*>(memory);
    reward_columns_kernel<<<1, most_rewards, 0, exec.stream.stream>>>(rule, a, columns, exec.report);
    if (const status s = launch_status("reward_advantages"); !s.ok()) return s;
    return f(static_cast<const reward_columns*>(columns), rest);
  });
}

}  // namespace detail

// Bytes of workspace for reward_advantages of N samples in n groups on prefer::cuda.
inline std::size_t reward_advantages_workspace(std::int64_t n, std::int64_t samples) {
  using detail::scratch_alignment, detail::scratch_bytes;
  return 2 * scratch_alignment + scratch_bytes<double>(3 * detail::most_rewards) +
         scratch_bytes<detail::reward_columns>(1) + group_map_workspace(n, samples);
}

}  // namespace PREFER_ABI
}  // namespace prefer
