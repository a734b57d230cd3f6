// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/for_groups.cuh>
#include <prefer/reward/assignment.hpp>

// The CUDA half of reward/assignment.hpp: a block per problem, its state in shared memory.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline constexpr int assignment_threads = 128;

static __global__ void __launch_bounds__(assignment_threads)
    assignment_kernel(const assignment_call call, content_report* report) {
  __shared__ matching_state state;
  __shared__ team_memory<assignment_threads> memory;
  const thread_team<assignment_threads> team{&memory, report};
  for (std::int64_t b = blockIdx.x; b < call.sizes.batch; b += gridDim.x) call.solve(team, b, state);
}

inline status solve_assignments(const cuda& exec, const assignment_call& call) {
  if (call.sizes.batch == 0) return {};
  const auto blocks = static_cast<unsigned>(smaller(call.sizes.batch, 65536));
  assignment_kernel<<<blocks, assignment_threads, 0, exec.stream.stream>>>(call, exec.report);
  return launch_status("assignments");
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
