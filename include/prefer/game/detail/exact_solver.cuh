// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/map_reduce.cuh>
#include <prefer/game/detail/exact_solver.hpp>
#include <prefer/game/detail/solver_team.cuh>
#include <prefer/game/game.cuh>

#include <cstddef>
#include <cstdint>

// Batches of games on CUDA: a block of threads solves one game after the other.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline constexpr std::size_t solver_shared_bytes = 46 * 1024;  // of the 48 KiB that every device has
inline constexpr std::int64_t solver_blocks = 264;             // with memory of their own, where that is not enough

template <class Plan>
std::size_t solver_block_bytes(std::int64_t n) {
  arena measured;
  Plan::template carve<solver_block>(measured, n);
  return (measured.bytes() + scratch_alignment - 1) / scratch_alignment * scratch_alignment;
}
template <class Plan>
std::size_t solver_device_workspace(std::int64_t batch, std::int64_t n) {
  const std::size_t bytes = solver_block_bytes<Plan>(n);
  return bytes <= solver_shared_bytes
             ? 0
             : static_cast<std::size_t>(smaller(batch, solver_blocks)) * bytes + scratch_alignment;
}

// The memory of a block: `bytes` of `memory` each, or shared memory without it.
template <class Plan>
static __global__ void __launch_bounds__(solver_threads)
    solve_kernel(const Plan plan, char* memory, std::size_t bytes, content_report* report) {
  extern __shared__ double dynamic_memory[];
  __shared__ double value[solver_warps];
  __shared__ std::int64_t index[solver_warps];
  const solver_block team{value, index};
  arena own(memory == nullptr ? static_cast<void*>(dynamic_memory) : memory + blockIdx.x * bytes);
  typename Plan::memory_type m = Plan::template carve<solver_block>(own, plan.games.width);
  for (std::int64_t b = blockIdx.x; b < plan.games.batch; b += gridDim.x) {
    const game_answer a = plan.solve(team, b, m);
    if (threadIdx.x == 0 && a.good && !a.solved) report_content(report, errc::not_converged, b);
  }
}

template <class Plan>
status solve_games(const cuda& exec, const Plan& plan, const char* measure) {
  const std::int64_t batch = plan.games.batch, n = plan.games.width;
  if (batch == 0) return {};
  const std::size_t bytes = solver_block_bytes<Plan>(n), needed = solver_device_workspace<Plan>(batch, n);
  scratch lent;
  char* memory = nullptr;
  if (needed > 0) {
    if (const status s = lent.reserve(exec, needed); !s.ok()) return s;
    memory = lent.take<char>(needed - scratch_alignment);
  }
  if (const status s = report_games(exec, plan.games); !s.ok()) return s;
  const auto blocks = static_cast<unsigned>(smaller(batch, needed > 0 ? solver_blocks : 65536));
  const std::size_t shared = needed > 0 ? 0 : bytes;
  solve_kernel<Plan><<<blocks, solver_threads, shared, exec.stream.stream>>>(plan, memory, bytes, exec.report);
  return launch_status(measure);
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
