// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/select/hypervolume_contributions.cuh>
#include <prefer/select/hypervolume_subset.hpp>

// The CUDA half of select/hypervolume_subset.hpp: for every pick a thread per sample that looks at those picked before,
// and a block per group that takes the one with the most.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// At first nobody has a say; p.dominated is 0 for those who are picked.
static __global__ void __launch_bounds__(cuda_threads) begin_subset_kernel(const subset_call c, const device_points p) {
  for (std::int64_t s = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; s < p.samples;
       s += static_cast<std::int64_t>(gridDim.x) * blockDim.x)
    p.dominated[s] = 1;
}

static __global__ void __launch_bounds__(volume_threads)
    subset_gain_kernel(const subset_call c, const device_points p, double* gain, char* scratch,
                       const volume_tier tier) {
  const objective_table& o = c.table.points;
  const std::int64_t thread = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  char* const mine = scratch + thread * static_cast<std::int64_t>(tier.bytes);
  for (std::int64_t s = thread; s < p.samples; s += static_cast<std::int64_t>(gridDim.x) * blockDim.x) {
    const std::int64_t b = group_with(o, s);
    if (b < 0) continue;
    const group_rows g = o.group(b);
    if (g.count <= tier.above || g.count > tier.most) continue;
    const bool candidate = is_sound(c.table, p, b) && p.counts(s) && p.dominated[s] != 0;
    gain[s] = candidate ? exclusive_of(device_view{p, g, s, o.count, -1}, c.table, b, mine) : 0;
  }
}

static __global__ void __launch_bounds__(cuda_threads)
    pick_kernel(const subset_call c, const device_points p, const double* gain, const std::int64_t slot, double* volume,
                content_report* report) {
  __shared__ least_share shared[cuda_threads];  // of gains with their sign turned
  for (std::int64_t b = blockIdx.x; b < c.table.points.groups; b += gridDim.x) {
    const group_rows g = c.table.points.group(b);
    const bool sound = g.count >= 0 && is_sound(c.table, p, b);
    least_share mine{0, -1};
    if (sound)
      for (std::int64_t s = g.first + threadIdx.x; s < g.first + g.count; s += cuda_threads)
        if (-gain[s] < mine.x) mine = {-gain[s], s};
    __syncthreads();
    shared[threadIdx.x] = mine;
    for (int half = cuda_threads / 2; half > 0; half /= 2) {
      __syncthreads();
      const least_share other = threadIdx.x < half ? shared[threadIdx.x + half] : mine;
      if (threadIdx.x < half && other < shared[threadIdx.x]) shared[threadIdx.x] = other;
    }
    if (threadIdx.x != 0) continue;
    const least_share best = shared[0];
    const double nothing = math::detail::not_a_number<double>();
    volume[b] = !sound ? nothing : (slot > 0 ? volume[b] : 0) - best.x;
    c.indices.write(b, slot, best.s);
    c.gain.write(b, static_cast<int>(slot), sound ? -best.x : nothing);
    c.volume.write(b, 0, volume[b]);
    if (best.s >= 0) p.dominated[best.s] = 0;
    if (!sound) report_group(c.table, g, b, report);
  }
}

inline std::size_t subset_bytes(const objective_table& t, const volume_tiers& tiers) {
  const auto samples = static_cast<std::size_t>(t.samples), groups = static_cast<std::size_t>(t.groups);
  return scratch_alignment + scratch_bytes<double>(samples * static_cast<std::size_t>(t.count)) +
         scratch_bytes<int>(groups) + scratch_bytes<double>(samples) + scratch_bytes<double>(groups) +
         scratch_bytes<std::uint8_t>(samples) + scratch_bytes<char>(tiers.bytes);
}

inline status run_subsets(const cuda& exec, const subset_call& c) {
  const objective_table& t = c.table.points;
  if (t.groups == 0) return {};
  const volume_tiers tiers(t, t.count, t.samples);
  const auto samples = static_cast<std::size_t>(t.samples), groups = static_cast<std::size_t>(t.groups);
  scratch memory;
  if (const status s = memory.reserve(exec, subset_bytes(t, tiers)); !s.ok()) return s;
  device_points p{};
  p.samples = t.samples;
  p.z = memory.take<double>(samples * static_cast<std::size_t>(t.count));
  p.group_state = memory.take<int>(groups);
  double* const gain = memory.take<double>(samples);
  double* const volume = memory.take<double>(groups);
  p.dominated = memory.take<std::uint8_t>(samples);
  char* const each = memory.take<char>(tiers.bytes);
  const cudaStream_t stream = exec.stream.stream;
  enqueue_gather(exec, c.table, p);
  begin_subset_kernel<<<wide_blocks(t.samples), cuda_threads, 0, stream>>>(c, p);
  const auto blocks = static_cast<unsigned>(t.groups < 65536 ? t.groups : 65536);
  for (std::int64_t slot = 0; slot < c.size; ++slot) {
    for (int i = 0; i < tiers.count && t.samples > 0; ++i) {
      const volume_tier& v = tiers.tier[i];
      subset_gain_kernel<<<volume_blocks(v.threads), block_of(v.threads), 0, stream>>>(c, p, gain, each, v);
    }
    pick_kernel<<<blocks, cuda_threads, 0, stream>>>(c, p, gain, slot, volume, exec.report);
  }
  return launch_status("hypervolume_subsets");
}

}  // namespace detail

// Bytes of workspace on CUDA.
inline std::size_t hypervolume_subsets_workspace(const cuda&, const hypervolume_subset&,
                                                 const hypervolume_inputs<space::device>& in) {
  detail::objective_table t;
  detail::count_samples(in.samples, t);
  return detail::subset_bytes(t, detail::volume_tiers(t, t.count, t.samples));
}

}  // namespace PREFER_ABI
}  // namespace prefer
