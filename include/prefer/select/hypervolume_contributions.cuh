// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/select/hypervolume.cuh>
#include <prefer/select/hypervolume_contributions.hpp>

// The CUDA half of select/hypervolume_contributions.hpp: a thread per sample, which looks at all others of its group
// (and, among the front, another that looks whether it is dominated); a block per group for the least.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// Samples that count and that another one dominates.
static __global__ void __launch_bounds__(cuda_threads) mark_dominated_kernel(const volume_table t,
                                                                             const device_points p) {
  const int k_count = t.points.count;
  for (std::int64_t s = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; s < p.samples;
       s += static_cast<std::int64_t>(gridDim.x) * blockDim.x) {
    const std::int64_t b = group_with(t.points, s);
    bool dominated = false;
    if (b >= 0 && p.counts(s)) {
      const group_rows g = t.points.group(b);
      for (std::int64_t other = g.first; other < g.first + g.count && !dominated; ++other) {
        bool nowhere_worse = true, better = false;
        for (int k = 0; k < k_count && nowhere_worse; ++k) {
          nowhere_worse = p.at(k, other) >= p.at(k, s);
          better = better || p.at(k, other) > p.at(k, s);
        }
        dominated = nowhere_worse && better;
      }
    }
    p.dominated[s] = dominated ? 1 : 0;
  }
}

static __global__ void __launch_bounds__(volume_threads)
    contribution_kernel(const contribution_call c, const device_points p, double* share, char* scratch,
                        const volume_tier tier) {
  const objective_table& o = c.table.points;
  const std::int64_t thread = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  char* const mine = scratch + thread * static_cast<std::int64_t>(tier.bytes);
  for (std::int64_t s = thread; s < p.samples; s += static_cast<std::int64_t>(gridDim.x) * blockDim.x) {
    const std::int64_t b = group_with(o, s);
    if (b < 0) continue;
    const group_rows g = o.group(b);
    if (g.count <= tier.above || g.count > tier.most) continue;
    const bool sound = is_sound(c.table, p, b);
    double x = sound ? 0 : math::detail::not_a_number<double>();
    const bool dominated = p.dominated != nullptr && p.dominated[s] != 0;
    if (sound && p.counts(s) && !dominated) x = exclusive_of(device_view{p, g, s, o.count, -1}, c.table, b, mine);
    share[s] = x;
    c.contribution.write(s, 0, x);
  }
}

// The lowest number of those with the least, over a group's threads.
struct least_share {
  double x;
  std::int64_t s;
  __device__ bool operator<(const least_share& o) const { return x != o.x ? x < o.x : s < o.s; }
};

static __global__ void __launch_bounds__(cuda_threads)
    least_kernel(const contribution_call c, const device_points p, const double* share, content_report* report) {
  __shared__ least_share shared[cuda_threads];
  const least_share none{math::detail::infinity<double>(), math::detail::bits_as<std::int64_t>(~std::uint64_t{0} >> 1)};
  for (std::int64_t b = blockIdx.x; b < c.table.points.groups; b += gridDim.x) {
    const group_rows g = c.table.points.group(b);
    const bool sound = g.count >= 0 && is_sound(c.table, p, b);
    least_share mine = none;
    if (sound)
      for (std::int64_t s = g.first + threadIdx.x; s < g.first + g.count; s += cuda_threads)
        if (const least_share other{share[s], s}; p.counts(s) && other < mine) mine = other;
    __syncthreads();
    shared[threadIdx.x] = mine;
    for (int half = cuda_threads / 2; half > 0; half /= 2) {
      __syncthreads();
      if (threadIdx.x < half && shared[threadIdx.x + half] < shared[threadIdx.x])
        shared[threadIdx.x] = shared[threadIdx.x + half];
    }
    if (threadIdx.x != 0) continue;
    if (!sound) report_group(c.table, g, b, report);
    if (c.least.data != nullptr)
      store_index(c.least.data, c.least.type, b * c.least.stride, shared[0].s == none.s ? -1 : shared[0].s);
  }
}

inline std::size_t contribution_bytes(const contribution_call& c, const volume_tiers& tiers) {
  const objective_table& t = c.table.points;
  const auto samples = static_cast<std::size_t>(t.samples);
  return scratch_alignment + scratch_bytes<double>(samples * static_cast<std::size_t>(t.count)) +
         scratch_bytes<int>(static_cast<std::size_t>(t.groups)) + scratch_bytes<double>(samples) +
         scratch_bytes<std::uint8_t>(c.filters() ? samples : 0) + scratch_bytes<char>(tiers.bytes);
}

inline status run_contributions(const cuda& exec, const contribution_call& c) {
  const objective_table& t = c.table.points;
  if (t.groups == 0) return {};
  const volume_tiers tiers(t, t.count, t.samples);
  const auto samples = static_cast<std::size_t>(t.samples);
  scratch memory;
  if (const status s = memory.reserve(exec, contribution_bytes(c, tiers)); !s.ok()) return s;
  device_points p{};
  p.samples = t.samples;
  p.z = memory.take<double>(samples * static_cast<std::size_t>(t.count));
  p.group_state = memory.take<int>(static_cast<std::size_t>(t.groups));
  double* const share = memory.take<double>(samples);
  if (c.filters()) p.dominated = memory.take<std::uint8_t>(samples);
  char* const each = memory.take<char>(tiers.bytes);
  enqueue_gather(exec, c.table, p);
  if (c.filters() && t.samples > 0)
    mark_dominated_kernel<<<wide_blocks(t.samples), cuda_threads, 0, exec.stream.stream>>>(c.table, p);
  for (int i = 0; i < tiers.count && t.samples > 0; ++i) {
    const volume_tier& v = tiers.tier[i];
    contribution_kernel<<<volume_blocks(v.threads), block_of(v.threads), 0, exec.stream.stream>>>(c, p, share, each,
                                                                                                   v);
  }
  const auto blocks = static_cast<unsigned>(t.groups < 65536 ? t.groups : 65536);
  least_kernel<<<blocks, cuda_threads, 0, exec.stream.stream>>>(c, p, share, exec.report);
  return launch_status("hypervolume_contributions");
}

}  // namespace detail

// Bytes of workspace on CUDA.
inline std::size_t hypervolume_contributions_workspace(const cuda&, const hypervolume_contribution& options,
                                                       const hypervolume_inputs<space::device>& in) {
  detail::contribution_call c;
  detail::count_samples(in.samples, c.table.points);
  c.among = options.among;
  return detail::contribution_bytes(
      c, detail::volume_tiers(c.table.points, c.table.points.count, c.table.points.samples));
}

}  // namespace PREFER_ABI
}  // namespace prefer
