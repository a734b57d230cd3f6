// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/sort_ranked.cuh>
#include <prefer/select/detail/volume_kernels.cuh>

#include <cub/device/device_scan.cuh>

#include <cstdint>

// One large set of two objectives on CUDA: points in descending order of one objective, and how far those before each
// reach in the other, which is a scan.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

struct scan_arrays {
  ranked_arrays order, other;
  double *reach, *before;
  void* scratch;
  std::size_t scratch_size;
};

struct larger_number {
  __host__ __device__ double operator()(double a, double b) const { return a < b ? b : a; }
};

inline std::size_t scan_scratch(std::int64_t n) {
  std::size_t bytes = 0;
  cub::DeviceScan::ExclusiveScan(nullptr, bytes, static_cast<const double*>(nullptr), static_cast<double*>(nullptr),
                                 larger_number{}, 0.0, n);
  const std::size_t sort = sort_bytes(n);
  return bytes > sort ? bytes : sort;
}
inline std::size_t scan_bytes(std::int64_t n) {
  const auto count = static_cast<std::size_t>(n);
  return 4 * scratch_bytes<std::uint64_t>(count) + 2 * scratch_bytes<double>(count) +
         scratch_bytes<char>(scan_scratch(n));
}
inline scan_arrays take_scan(scratch& memory, std::int64_t n) {
  const auto count = static_cast<std::size_t>(n);
  scan_arrays a;
  a.order = {memory.take<std::uint64_t>(count), memory.take<std::int64_t>(count)};
  a.other = {memory.take<std::uint64_t>(count), memory.take<std::int64_t>(count)};
  a.reach = memory.take<double>(count), a.before = memory.take<double>(count);
  a.scratch_size = scan_scratch(n);
  a.scratch = memory.take<char>(a.scratch_size);
  return a;
}

// Keys of objective k that sort descending, of the items in their order or, if `fresh`, of all in turn.
static __global__ void __launch_bounds__(cuda_threads)
    scan_keys_kernel(const device_points p, const int k, const bool fresh, const ranked_arrays to) {
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < p.samples;
       i += static_cast<std::int64_t>(gridDim.x) * blockDim.x) {
    if (fresh) to.item[i] = i;
    to.key[i] = ~sortable(p.at(k, to.item[i]) + 0.0);
  }
}
static __global__ void __launch_bounds__(cuda_threads)
    scan_reach_kernel(const device_points p, const int k, const std::int64_t* item, double* reach) {
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < p.samples;
       i += static_cast<std::int64_t>(gridDim.x) * blockDim.x)
    reach[i] = p.at(k, item[i]);
}

// a.other.item: samples in descending order of objective `last`, ties by the other; a.before: how far those before each
// reach in the other, at least minus infinity.
inline status scan_points(const cuda& exec, const device_points& p, int last, const scan_arrays& a) {
  const std::int64_t n = p.samples;
  const unsigned blocks = wide_blocks(n);
  const cudaStream_t stream = exec.stream.stream;
  scan_keys_kernel<<<blocks, cuda_threads, 0, stream>>>(p, 1 - last, true, a.other);
  if (const status s = sort_ranked(exec, a.scratch, a.other, a.order, n); !s.ok()) return s;
  scan_keys_kernel<<<blocks, cuda_threads, 0, stream>>>(p, last, false, a.order);
  if (const status s = sort_ranked(exec, a.scratch, a.order, a.other, n); !s.ok()) return s;
  scan_reach_kernel<<<blocks, cuda_threads, 0, stream>>>(p, 1 - last, a.other.item, a.reach);
  std::size_t bytes = a.scratch_size;
  return cuda_status(cub::DeviceScan::ExclusiveScan(a.scratch, bytes, static_cast<const double*>(a.reach), a.before,
                                                    larger_number{}, -math::detail::infinity<double>(), n, stream),
                     "cub::DeviceScan");
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
