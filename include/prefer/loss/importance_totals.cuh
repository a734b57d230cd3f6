// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/map_reduce.cuh>
#include <prefer/loss/importance_totals.hpp>

#include <cstddef>
#include <cstdint>

// The CUDA half of loss/importance_totals.hpp; weights are normalised by the kernel of map_reduce without sums, so
// without scratch memory.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline status run_normalize_importance(const cuda& exec, const normalize_importance_body& body,
                                       const map_reduce_arguments_of<normalize_importance_body>& a) {
  block_exchange exchange = {};
  exchange.report = exec.report;
  return launch_map_reduce<double>(exec, body, a, exchange);
}

}  // namespace detail

// Bytes of workspace for importance_totals of N weights on prefer::cuda.
inline std::size_t importance_totals_workspace(std::int64_t weights) {
  return map_reduce_workspace<detail::importance_totals_body>(weights);
}

}  // namespace PREFER_ABI
}  // namespace prefer
