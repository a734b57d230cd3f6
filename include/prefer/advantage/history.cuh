// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/advantage/group_advantage.cuh>
#include <prefer/advantage/history.hpp>

// The CUDA half of advantage/history.hpp: eight threads per group.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// Which groups have a window: the first, and how many.
struct window_claims {
  unsigned long long* first = nullptr;  // null: each group its own
  unsigned* count = nullptr;
};

static __global__ void __launch_bounds__(group_threads)
    claim_windows_kernel(const history_arguments a, const window_claims claims) {
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * group_threads;
  for (std::int64_t g = static_cast<std::int64_t>(blockIdx.x) * group_threads + threadIdx.x; g < a.groups; g += step)
    if (const std::int64_t w = a.window_of(g); w >= 0) {
      atomicMin(claims.first + w, static_cast<unsigned long long>(g));
      atomicAdd(claims.count + w, 1u);
    }
}

// The selected scores of a group enter window w; only the last of them that fit are written, so that no two threads
// write to one place.
static __device__ inline void push_group(const history_arguments& a, std::int64_t w, const device_range& r) {
  const unsigned team_bits = team<more_threads>::mask(), below = (1u << (threadIdx.x % 32)) - 1;
  long long mine = 0;
  for (std::int64_t i = r.begin + team<more_threads>::lane(); i < r.end; i += more_threads) mine += a.takes(i) ? 1 : 0;
  const std::int64_t all = team<more_threads>::sum(mine);
  std::int64_t before = 0;
  const std::int64_t pushed = a.pushed_to(w) < 0 ? 0 : a.pushed_to(w);
  for (std::int64_t base = r.begin; base < r.end; base += more_threads) {
    const std::int64_t i = base + team<more_threads>::lane();
    const bool takes = i < r.end && a.takes(i);
    const unsigned taken = __ballot_sync(team_bits, takes) & team_bits;
    const std::int64_t nth = before + __popc(taken & below);
    if (takes && all - nth <= a.size) a.push(w, (pushed + nth) % a.size, i);
    before += __popc(taken);
  }
  __syncwarp(team_bits);
  if (team<more_threads>::lane() == 0) a.pushed_to(w) = pushed + all;
  __syncwarp(team_bits);
}

static __global__ void __launch_bounds__(group_threads)
    push_history_kernel(const history_arguments a, const window_claims claims, content_report* report) {
  for (std::int64_t g = team<more_threads>::number(); g < a.groups; g += team<more_threads>::step()) {
    const device_range r = range_at(a.scores, g);
    const std::int64_t w = a.window_of(g);
    if (team<more_threads>::lane() == 0 && (!r.valid || w < 0))
      report_content(report, r.valid ? errc::bad_index : errc::bad_offsets, g);
    if (w < 0 || (claims.first != nullptr && claims.first[w] != static_cast<unsigned long long>(g))) continue;
    if (r.valid) push_group(a, w, r);
    const unsigned groups = claims.first == nullptr ? 1 : claims.count[w];
    unsigned found = 1;
    for (std::int64_t other = g + 1; found < groups && other < a.groups; ++other) {
      if (a.window_of(other) != w) continue;
      ++found;
      if (const device_range next = range_at(a.scores, other); next.valid) push_group(a, w, next);
    }
  }
}

struct ring_scores {
  const row_sink& ring;
  std::int64_t window;
  __device__ double at(std::int64_t i) const {
    return load_element<double>(ring.data, ring.type, window * ring.row_stride + i * ring.stride);
  }
};

static __global__ void __launch_bounds__(group_threads) window_moments_kernel(const history_arguments a) {
  for (std::int64_t g = team<more_threads>::number(); g < a.groups; g += team<more_threads>::step()) {
    const std::int64_t w = a.window_of(g);
    moments m = no_moments();
    const group_arguments all;
    const ring_scores scores{a.ring, w};
    if (w >= 0 && range_at(a.scores, g).valid)
      m = team_scores<more_threads, ring_scores>(all, scores, 0, a.filled(w)).find_moments();
    if (team<more_threads>::lane() == 0) a.answer(g, m);
  }
}

inline std::size_t claim_bytes(std::int64_t windows) {
  const auto k = static_cast<std::size_t>(windows);
  return scratch_bytes<unsigned long long>(k) + scratch_bytes<unsigned>(k);
}

inline status run_history(const cuda& exec, const history_arguments& a) {
  const cudaStream_t stream = exec.stream.stream;
  if (a.groups == 0) return {};
  const auto run = [&](const window_claims& claims) -> status {
    const unsigned grid = group_grid(a.groups, more_threads);
    push_history_kernel<<<grid, group_threads, 0, stream>>>(a, claims, exec.report);
    window_moments_kernel<<<grid, group_threads, 0, stream>>>(a);
    return launch_status("history_moments");
  };
  if (a.window.data == nullptr) return run({});
  return with_scratch(exec, claim_bytes(a.windows), [&](char* scratch, const cuda&) -> status {
    const auto k = static_cast<std::size_t>(a.windows);
    const std::size_t firsts = scratch_bytes<unsigned long long>(k);
    const window_claims claims{reinterpret_cast<unsigned long long*>(scratch),
                               reinterpret_cast<unsigned*>(scratch + firsts)};
    if (const status s = cuda_status(cudaMemsetAsync(scratch, 0xff, firsts, stream), "cudaMemsetAsync"); !s.ok())
      return s;
    if (const status s =
            cuda_status(cudaMemsetAsync(scratch + firsts, 0, k * sizeof(unsigned), stream), "cudaMemsetAsync");
        !s.ok())
      return s;
    claim_windows_kernel<<<group_grid(a.groups, more_threads), group_threads, 0, stream>>>(a, claims);
    return run(claims);
  });
}

}  // namespace detail

// Bytes of workspace for history_moments of N scores in n groups and K windows on prefer::cuda.
inline std::size_t history_moments_workspace(std::int64_t n, std::int64_t scores, std::int64_t windows) {
  const std::size_t batch = group_map_workspace(n, scores);
  const std::size_t claims = detail::scratch_alignment + detail::claim_bytes(windows);
  return 2 * detail::scratch_alignment + (batch > claims ? batch : claims);
}

}  // namespace PREFER_ABI
}  // namespace prefer
