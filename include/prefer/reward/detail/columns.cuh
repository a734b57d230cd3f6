// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/map_reduce.cuh>
#include <prefer/reward/detail/columns.hpp>

// The CUDA half of reward/detail/columns.hpp: the kernel of map_reduce without sums, so without scratch memory.
namespace prefer {
inline namespace PREFER_ABI {
template <class Rule>
status map_reward(const cuda& exec, const Rule& rule, const detail::reward_arguments<Rule>& a) {
  detail::block_exchange exchange = {};
  exchange.report = exec.report;
  return detail::launch_map_reduce<double>(exec, detail::reward_body<Rule>{rule}, a, exchange);
}

}  // namespace PREFER_ABI
}  // namespace prefer
