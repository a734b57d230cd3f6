// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/map_reduce.hpp>
#include <prefer/backend/gather_sum.hpp>

// gather_sum on the CPU (contract: backend/gather_sum.hpp): samples in blocks, each sample by one thread.
namespace prefer {
inline namespace PREFER_ABI {

template <class T>
status gather_sum(const cpu& exec, const gather_sum_arguments<T>& a) {
  const std::int64_t blocks = detail::smaller(a.samples, detail::max_blocks);
  detail::for_blocks(exec, blocks, a.samples, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t s = a.samples * first / blocks; s < a.samples * last / blocks; ++s) detail::sum_sample(a, s);
  });
  return {};
}

}  // namespace PREFER_ABI
}  // namespace prefer
