// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/map_reduce.cuh>
#include <prefer/shape/potential.hpp>

namespace prefer {
inline namespace PREFER_ABI {

// Bytes of workspace that shape_rewards needs on CUDA for n transitions.
inline std::size_t shape_rewards_workspace(std::int64_t n) { return map_reduce_workspace<detail::shaping_body>(n); }

}  // namespace PREFER_ABI
}  // namespace prefer
