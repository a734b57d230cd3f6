// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/for_groups.cuh>
#include <prefer/shape/step_reward.hpp>

namespace prefer {
inline namespace PREFER_ABI {

// Bytes of workspace that fit_step_model needs on CUDA for K steps and D features.
inline std::size_t fit_step_model_workspace(const cuda&, std::int64_t steps, std::int64_t features) {
  return steps * features > 0 ? detail::lent_bytes(detail::fit_scratch(steps, features)) : 0;
}

}  // namespace PREFER_ABI
}  // namespace prefer
