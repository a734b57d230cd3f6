// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/for_groups.cuh>
#include <prefer/backend/cuda/gather_sum.cuh>
#include <prefer/core/pair_plan.cuh>
#include <prefer/shape/detail/samples.cuh>
#include <prefer/shape/extension_gradient.hpp>

namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline std::size_t plan_bytes(const cuda&, const envelope_gradients& g) {
  return pair_plan_workspace(g.queries, g.samples);
}
inline status plan_envelopes(const cuda& exec, const envelope_gradients& g) {
  return make_pair_plan(exec, list_of<space::device>(g.index[0], g.queries),
                        list_of<space::device>(g.index[1], g.queries), g.samples, {g.offsets, g.samples + 1},
                        {g.entries, 2 * g.queries});
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
