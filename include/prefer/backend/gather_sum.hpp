// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/convert.hpp>
#include <prefer/backend/map_reduce.hpp>
#include <prefer/core/pair_plan.hpp>

#include <cstdint>

// The contract of the primitive `gather_sum`, one for all backends: for every sample, the sum of what its entries of a
// plan point at, even entries into `even` and odd ones into `odd`, taken in double in the plan's order, is written (or
// added) to the output. A sample without entries gets 0 (or nothing).
namespace prefer {

template <class T>
struct gather_sum_arguments {
  std::int64_t samples = 0;
  const std::int64_t* offsets = nullptr;
  std::int64_t offset_stride = 1;
  const std::int64_t* entries = nullptr;
  std::int64_t entry_stride = 1;
  std::int64_t entry_count = 0;
  const T* even = nullptr;
  const T* odd = nullptr;
  sink out;
  bool accumulate = false;
};

inline namespace PREFER_ABI {
namespace detail {

template <class T>
PREFER_HD void sum_sample(const gather_sum_arguments<T>& a, std::int64_t sample) {
  const std::int64_t begin = a.offsets[sample * a.offset_stride], end = a.offsets[(sample + 1) * a.offset_stride];
  double sum = 0;
  for (std::int64_t i = begin; i < end; ++i) {
    if (i < 0 || i >= a.entry_count) continue;  // a plan for other lists is never followed out of bounds
    const std::int64_t entry = a.entries[i * a.entry_stride];
    if (entry < 0 || entry >= a.entry_count) continue;
    sum += static_cast<double>(entry % 2 == 0 ? a.even[entry / 2] : a.odd[entry / 2]);
  }
  store_element(a.out.data, a.out.type, sample * a.out.stride, static_cast<T>(sum), a.accumulate);
}

}  // namespace detail
}  // namespace PREFER_ABI

template <class Exec, class T>
status gather_sum(const Exec&, const gather_sum_arguments<T>&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}

}  // namespace prefer
