// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/launch.cuh>
#include <prefer/core/sortable.hpp>

#include <cub/device/device_radix_sort.cuh>

// Sorting by keys with places on CUDA: stable, so that ties go to the lowest place if places come in order.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

struct ranked_arrays {
  std::uint64_t* key;
  std::int64_t* item;
};

inline std::size_t sort_bytes(std::int64_t n) {
  std::size_t bytes = 0;
  const std::uint64_t* keys = nullptr;
  const std::int64_t* items = nullptr;
  cub::DeviceRadixSort::SortPairs(nullptr, bytes, keys, static_cast<std::uint64_t*>(nullptr), items,
                                  static_cast<std::int64_t*>(nullptr), n);
  return bytes;
}

// `scratch` has sort_bytes(n) bytes; keys have no bits from `bits` on.
inline status sort_ranked(const cuda& exec, void* scratch, const ranked_arrays& from, const ranked_arrays& to,
                          std::int64_t n, int bits = 64) {
  std::size_t bytes = sort_bytes(n);
  return cuda_status(cub::DeviceRadixSort::SortPairs(scratch, bytes, from.key, to.key, from.item, to.item, n, 0, bits,
                                                     exec.stream.stream),
                     "cub::DeviceRadixSort");
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
