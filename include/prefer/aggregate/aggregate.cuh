// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/advantage/group_advantage.cuh>
#include <prefer/aggregate/aggregate.hpp>

// The CUDA half of aggregate/aggregate.hpp: one launch, a thread per sample; each block first prepares the columns.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

template <class Rule>
static __global__ void __launch_bounds__(cuda_threads)
    aggregate_kernel(const Rule rule, const aggregate_arguments a, content_report* report) {
  __shared__ reward_columns columns;
  for (int k = static_cast<int>(threadIdx.x); k < a.rewards; k += cuda_threads) columns.set(rule, a, k);
  __syncthreads();
  if (threadIdx.x == 0) {
    const int bad = columns.add_up<Rule>(a.rewards);
    if (bad >= 0 && blockIdx.x == 0) report_content(report, errc::bad_label, bad);
  }
  __syncthreads();
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * cuda_threads;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * cuda_threads + threadIdx.x; i < a.n; i += step) {
    const bool selected = selects(a.mask, i);
    const auto at = [&](int k) PREFER_HD_LAMBDA {
      return load_element<double>(a.reward.data, a.reward.type, i * a.reward.row_stride + k * a.reward.stride);
    };
    const reward_row<double, decltype(at)> row{columns, at, a.rewards};
    const double value = selected ? rule(row) : 0;
    write_item(a.out, i, true, value, false);
    [[maybe_unused]] const double up = read_item<double>(a.upstream, i);
    if constexpr (has_slope<Rule, reward_row<double, decltype(at)>>)
      for (int k = 0; a.gradient.data != nullptr && k < a.rewards; ++k)
        store_element(a.gradient.data, a.gradient.type, i * a.gradient.row_stride + k * a.gradient.stride,
                      selected ? up * rule.slope(row, k, value) : 0, false);
  }
}

template <class Rule>
status run_aggregate(const cuda& exec, const Rule& rule, const aggregate_arguments& a) {
  if (a.n == 0) return {};
  const auto blocks = static_cast<unsigned>(cuda_blocks(a.n));
  aggregate_kernel<Rule><<<blocks, cuda_threads, 0, exec.stream.stream>>>(rule, a, exec.report);
  return launch_status("aggregate");
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
