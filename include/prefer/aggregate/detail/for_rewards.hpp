// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/execution.hpp>
#include <prefer/core/status.hpp>

// for_rewards(exec, K, work): work(k) for each of at most 64 rewards, in any order, then work.finish() once, when all
// are done. On CUDA one small block.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

template <class Exec, class Work>
status for_rewards(const Exec&, int, const Work&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}
template <class Work>
status for_rewards(const cpu&, int rewards, const Work& work) {
  for (int k = 0; k < rewards; ++k) work(k);
  work.finish();
  return {};
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
