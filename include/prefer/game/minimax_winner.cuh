// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/game/detail/exact_solver.cuh>
#include <prefer/game/minimax_winner.hpp>

namespace prefer {
inline namespace PREFER_ABI {

inline std::size_t minimax_winner_workspace(const cuda&, std::int64_t batch, std::int64_t n) {
  return detail::solver_device_workspace<detail::minimax_plan<double>>(batch, n);
}

}  // namespace PREFER_ABI
}  // namespace prefer
