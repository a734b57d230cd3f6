// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/launch.cuh>
#include <prefer/core/pair_plan.hpp>

#include <cub/device/device_radix_sort.cuh>

#include <cstddef>
#include <cstdint>

// make_pair_plan on CUDA. In a header of its own, since CUB is slow to compile and most calls have no use for it.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

struct index_list {
  const void* data;
  std::int64_t stride;
  element type;
};

// Entry i belongs to the sample keys[i]; an index out of range goes to the end, where no sample looks.
static __global__ void __launch_bounds__(256)
    plan_keys_kernel(index_list chosen, index_list rejected, std::int64_t samples, std::int64_t count,
                     std::int64_t* keys, std::int64_t* entries) {
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step) {
    const index_list& list = i % 2 == 0 ? chosen : rejected;
    const std::int64_t s = load_index(list.data, list.type, i / 2 * list.stride);
    keys[i] = s < 0 || s >= samples ? samples : s;
    entries[i] = i;
  }
}

// offsets[s] is the first position whose key is not below s.
static __global__ void __launch_bounds__(256)
    plan_offsets_kernel(const std::int64_t* keys, std::int64_t count, std::int64_t samples, std::int64_t* offsets,
                        std::int64_t stride) {
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  for (std::int64_t s = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; s <= samples; s += step) {
    std::int64_t low = 0, high = count;
    while (low < high) {
      const std::int64_t middle = low + (high - low) / 2;
      if (keys[middle] < s)
        low = middle + 1;
      else
        high = middle;
    }
    offsets[s * stride] = low;
  }
}

inline status sort_bytes(std::int64_t count, std::int64_t samples, cudaStream_t stream, std::size_t& bytes) {
  const std::int64_t* in = nullptr;
  std::int64_t* out = nullptr;
  bytes = 0;
  return cuda_status(
      cub::DeviceRadixSort::SortPairs(nullptr, bytes, in, out, in, out, count, 0, bits_for(samples), stream),
      "cub::DeviceRadixSort");
}

inline unsigned plan_grid(std::int64_t items) {
  const std::int64_t blocks = (items + 255) / 256;
  return static_cast<unsigned>(blocks < 1 ? 1 : blocks < 65536 ? blocks : 65536);
}

}  // namespace detail

// Bytes of workspace for make_pair_plan of n pairs on CUDA.
inline std::size_t pair_plan_workspace(std::int64_t n, std::int64_t samples) {
  std::size_t sorting = 0;
  const status s = detail::sort_bytes(2 * n, samples, nullptr, sorting);
  return s.ok() ? detail::scratch_alignment + 3 * detail::scratch_bytes<std::int64_t>(static_cast<std::size_t>(2 * n)) +
                      detail::scratch_bytes<char>(sorting)
                : 0;
}

// The plan of two index lists in device memory, as on the CPU: a stable sort of the uses by sample. Enqueued on the
// stream. An index out of range takes part in nothing (evaluate_indexed reports it).
inline status make_pair_plan(const cuda& exec, const input_view<1, space::device>& chosen,
                             const input_view<1, space::device>& rejected, std::int64_t samples,
                             const view<std::int64_t, 1, space::device>& offsets,
                             const view<std::int64_t, 1, space::device>& entries) {
  const std::int64_t n = chosen.extent[0], count = 2 * n;
  if (samples < 0) return require::fail(errc::bad_extent, "samples", "at least", static_cast<double>(samples), 0);
  if (const status s = require::vector("chosen", chosen, n, "0 or more,", require::holds::indices); !s.ok()) return s;
  if (const status s = require::vector("rejected", rejected, n, "the extent of chosen,", require::holds::indices);
      !s.ok())
    return s;
  if (offsets.extent[0] != samples + 1 || offsets.data == nullptr)
    return require::fail(errc::bad_extent, "offsets", "one more than the number of samples,",
                         static_cast<double>(offsets.extent[0]), static_cast<double>(samples + 1));
  if (entries.extent[0] != count || (entries.data == nullptr && n > 0) || (n > 0 && entries.stride[0] != 1))
    return require::fail(errc::bad_extent, "entries", "contiguous, two per pair,",
                         static_cast<double>(entries.extent[0]), static_cast<double>(count));

  const cudaStream_t stream = exec.stream.stream;
  std::size_t sorting = 0;
  if (const status s = detail::sort_bytes(count, samples, stream, sorting); !s.ok()) return s;
  detail::scratch memory;
  if (const status s = memory.reserve(exec, pair_plan_workspace(n, samples)); !s.ok()) return s;
  const auto length = static_cast<std::size_t>(count);
  auto* const keys = memory.take<std::int64_t>(length);
  auto* const sorted = memory.take<std::int64_t>(length);
  auto* const uses = memory.take<std::int64_t>(length);
  auto* const temporary = memory.take<char>(sorting);
  if (count > 0) {
    detail::plan_keys_kernel<<<detail::plan_grid(count), 256, 0, stream>>>(
        {chosen.data, chosen.stride[0], chosen.type}, {rejected.data, rejected.stride[0], rejected.type}, samples,
        count, keys, uses);
    if (const status s = detail::launch_status("plan_keys"); !s.ok()) return s;
    const cudaError_t e = cub::DeviceRadixSort::SortPairs(temporary, sorting, keys, sorted, uses, entries.data, count,
                                                          0, detail::bits_for(samples), stream);
    if (const status s = detail::cuda_status(e, "cub::DeviceRadixSort"); !s.ok()) return s;
  }
  detail::plan_offsets_kernel<<<detail::plan_grid(samples + 1), 256, 0, stream>>>(sorted, count, samples, offsets.data,
                                                                                  offsets.stride[0]);
  return detail::launch_status("plan_offsets");
}

}  // namespace PREFER_ABI
}  // namespace prefer
