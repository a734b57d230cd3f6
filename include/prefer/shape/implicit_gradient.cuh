// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/map_reduce.cuh>
#include <prefer/shape/implicit_gradient.hpp>

// The CUDA half of shape/implicit_gradient.hpp: what came of a solve is found on the device.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

static __global__ void solve_report_kernel(const solve_report r) { r.write(); }

inline status write_report(const cuda& exec, const solve_report& r) {
  solve_report_kernel<<<1, 1, 0, exec.stream.stream>>>(r);
  return launch_status("implicit solve");
}

}  // namespace detail

// Bytes of workspace of both calls on CUDA for n parameters in T and m entries of the gradient.
template <class T>
std::size_t implicit_gradient_workspace(const cuda&, const implicit_solve& how, std::int64_t n, std::int64_t m = 0) {
  const std::size_t solve = detail::lent_bytes(detail::solve_memory<T>(nullptr, n, how.iterations).bytes) +
                            map_reduce_workspace<detail::vector_pass>(n);
  const std::size_t chain = map_reduce_workspace<detail::add_direct>(m);
  return solve > chain ? solve : chain;
}

}  // namespace PREFER_ABI
}  // namespace prefer
