// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/for_groups.cuh>
#include <prefer/backend/cuda/nearest.cuh>
#include <prefer/shape/detail/samples.cuh>
#include <prefer/shape/lipschitz_constant.hpp>

namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

template <class Metric>
status run_lipschitz_constant(const cuda& exec, const lipschitz_constant& options, const Metric& metric,
                              const sample_values& in, const listed_points& list, const slope_sinks& out) {
  return in.with_type([&](auto zero) {
    constant_call<decltype(zero), Metric> call(options, metric, in, list, out);
    return run_in_memory(exec, call);
  });
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
