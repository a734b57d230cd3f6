// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/segmented_map_reduce.cuh>
#include <prefer/game/split_reward.hpp>

// The CUDA half of game/split_reward.hpp.
namespace prefer {
inline namespace PREFER_ABI {

// Bytes of workspace for split_rewards of n trajectories on prefer::cuda.
inline std::size_t split_reward_workspace(std::int64_t n) { return segmented_workspace<detail::split_body>(n); }

}  // namespace PREFER_ABI
}  // namespace prefer
