// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/sort_ranked.cuh>
#include <prefer/core/evaluate.cuh>
#include <prefer/loss/aot.hpp>

// The CUDA half of loss/aot.hpp: keys, two stable radix sorts, the loss over the sorted batch, and its slopes back.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline constexpr int aot_threads = 256;
inline unsigned aot_grid(std::int64_t n) { return static_cast<unsigned>((n + aot_threads - 1) / aot_threads); }

static __global__ void aot_keys_kernel(const aot_problem p, std::uint64_t* u, std::uint64_t* v, std::int64_t* items) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * aot_threads + threadIdx.x;
  if (i >= p.n) return;
  std::uint64_t key[2];
  p.keys(i, key);
  u[i] = key[0], v[i] = key[1], items[i] = i;
}

static __global__ void aot_unpack_kernel(const std::uint64_t* u, const std::uint64_t* v,
                                         const sorted_batch<space::device> b) {
  const std::int64_t r = static_cast<std::int64_t>(blockIdx.x) * aot_threads + threadIdx.x;
  if (r >= b.n) return;
  b.chosen[r] = from_sortable(u[r]), b.rejected[r] = from_sortable(v[r]);
  b.selected[r] = u[r] != left_out;
  b.slope[r] = 0;
}

static __global__ void aot_route_kernel(const aot_problem p, const sorted_batch<space::device> b,
                                        const std::int64_t* by_u, const std::int64_t* by_v) {
  const std::int64_t r = static_cast<std::int64_t>(blockIdx.x) * aot_threads + threadIdx.x;
  if (r >= p.n) return;
  if (b.selected[r])
    p.route(b.slope[r], by_u[r], by_v[r]);
  else
    p.clear(by_u[r]);
}

}  // namespace detail

// Bytes of workspace for evaluate_aot of n items on CUDA.
inline std::size_t aot_cuda_workspace(std::int64_t n) {
  const auto count = static_cast<std::size_t>(n);
  return detail::scratch_alignment + 10 * detail::scratch_bytes<double>(count) + detail::scratch_bytes<bool>(count) +
         detail::scratch_bytes<char>(detail::sort_bytes(n)) +
         detail::scratch_bytes<char>(evaluate_workspace(bradley_terry{}, n));
}

namespace detail {

inline status run_aot(const cuda& exec, const aot& loss, const aot_problem& p, const aot_inputs<space::device>& in,
                      const aot_outputs<space::device>& out) {
  const cudaStream_t stream = exec.stream.stream;
  const auto n = static_cast<std::size_t>(p.n);
  scratch memory;
  if (const status s = memory.reserve(exec, aot_cuda_workspace(p.n)); !s.ok()) return s;
  std::uint64_t* key[4];
  std::int64_t* item[3];
  for (auto& k : key) k = memory.take<std::uint64_t>(n);
  for (auto& i : item) i = memory.take<std::int64_t>(n);
  sorted_batch<space::device> batch = {};
  batch.n = p.n;
  batch.chosen = memory.take<double>(n), batch.rejected = memory.take<double>(n), batch.slope = memory.take<double>(n);
  batch.selected = memory.take<bool>(n);
  void* const sorting = memory.take<char>(sort_bytes(p.n));
  const std::size_t reducing = evaluate_workspace(bradley_terry{}, p.n);
  cuda inner = exec;
  inner.workspace = {memory.take<char>(reducing), reducing};

  if (p.n > 0) {
    aot_keys_kernel<<<aot_grid(p.n), aot_threads, 0, stream>>>(p, key[0], key[1], item[0]);
    for (int side = 0; side < 2; ++side)
      if (const status s = sort_ranked(exec, sorting, {key[side], item[0]}, {key[2 + side], item[1 + side]}, p.n);
          !s.ok())
        return s;
    aot_unpack_kernel<<<aot_grid(p.n), aot_threads, 0, stream>>>(key[2], key[3], batch);
  }
  if (const status s = batch.evaluate_on(inner, loss, in, out); !s.ok()) return s;
  if (p.n > 0) aot_route_kernel<<<aot_grid(p.n), aot_threads, 0, stream>>>(p, batch, item[1], item[2]);
  return launch_status("aot");
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
