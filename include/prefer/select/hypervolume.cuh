// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/select/detail/volume_scan.cuh>
#include <prefer/select/hypervolume.hpp>

// The CUDA half of select/hypervolume.hpp: a thread per sample (and objective, for the gradient), a block per group for
// the sum; sort and scan for one large set of two objectives.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

static __global__ void __launch_bounds__(volume_threads)
    gains_kernel(const hypervolume_call c, const device_points p, double* term, char* scratch, const volume_tier tier) {
  const objective_table& o = c.table.points;
  const int k = o.count, first = c.grad_rewards.data != nullptr ? 0 : k - 1;
  const std::int64_t thread = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const std::int64_t threads = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  char* const mine = scratch + thread * static_cast<std::int64_t>(tier.bytes);
  for (std::int64_t w = thread; w < p.samples * (k - first); w += threads) {
    const std::int64_t s = w % p.samples, b = group_with(o, s);
    const int last = first + static_cast<int>(w / p.samples);
    if (b < 0) continue;
    const group_rows g = o.group(b);
    if (g.count <= tier.above || g.count > tier.most) continue;
    const bool sound = is_sound(c.table, p, b);
    double gain = sound ? 0 : math::detail::not_a_number<double>();
    if (sound && p.counts(s)) gain = exclusive_of(device_view{p, g, s, k, last}, c.table, b, mine);
    c.grad_rewards.write(s, last, o.minimizes(last) ? -gain : gain);
    if (last == k - 1) term[s] = gain > 0 ? gain * (p.at(last, s) - c.table.low(b, last)) : 0;
  }
}

static __global__ void __launch_bounds__(cuda_threads)
    add_gains_kernel(const hypervolume_call c, const device_points p, const double* term, content_report* report) {
  __shared__ double shared[cuda_threads / 32];
  for (std::int64_t b = blockIdx.x; b < c.table.points.groups; b += gridDim.x) {
    const group_rows g = c.table.points.group(b);
    const bool sound = g.count >= 0 && is_sound(c.table, p, b);
    double sum = 0;
    if (sound)
      for (std::int64_t i = threadIdx.x; i < g.count; i += cuda_threads) sum += term[g.first + i];
    sum = block_sum(sum, shared);
    if (threadIdx.x != 0) continue;
    c.volume.write(b, 0, sound ? sum : math::detail::not_a_number<double>());
    if (!sound) report_group(c.table, g, b, report);
  }
}

// What each sample of one group of two objectives adds along `last`, from how far those before it reach in the other.
static __global__ void __launch_bounds__(cuda_threads)
    scanned_gains_kernel(const hypervolume_call c, const device_points p, const int last, const scan_arrays a,
                         double* term) {
  const objective_table& o = c.table.points;
  const bool sound = is_sound(c.table, p, 0);
  const double low = c.table.low(0, 1 - last);
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < p.samples;
       i += static_cast<std::int64_t>(gridDim.x) * blockDim.x) {
    const std::int64_t s = a.other.item[i];
    const double before = larger_of(a.before[i], low), here = a.reach[i];
    const double gain = !sound ? math::detail::not_a_number<double>() : here > before ? here - before : 0;
    c.grad_rewards.write(s, last, o.minimizes(last) ? -gain : gain);
    term[s] = gain > 0 ? gain * (p.at(last, s) - c.table.low(0, last)) : 0;
  }
}

inline constexpr std::int64_t scan_samples = 4096;  // from here on sorting is faster than looking at all pairs

inline bool may_scan(const objective_table& t) { return t.groups == 1 && t.offsets.data == nullptr && t.count == 2; }
inline bool scans(const objective_table& t, hypervolume::algorithm method) {
  return may_scan(t) && t.samples > 0 &&
         (method == hypervolume::algorithm::sweep ||
          (method == hypervolume::algorithm::automatic && t.samples >= scan_samples));
}

inline status enqueue_scanned_gains(const cuda& exec, const hypervolume_call& c, const device_points& p,
                                    const scan_arrays& a, double* term) {
  for (int last = c.grad_rewards.data != nullptr ? 0 : 1; last < 2; ++last) {
    if (const status s = scan_points(exec, p, last, a); !s.ok()) return s;
    scanned_gains_kernel<<<wide_blocks(p.samples), cuda_threads, 0, exec.stream.stream>>>(c, p, last, a, term);
  }
  return {};
}

inline std::int64_t gains_work(const objective_table& t, bool gradient) { return t.samples * (gradient ? t.count : 1); }

inline std::size_t gains_bytes(const objective_table& t, const volume_tiers& tiers, bool scanned) {
  const auto samples = static_cast<std::size_t>(t.samples);
  return scratch_alignment + scratch_bytes<double>(samples * static_cast<std::size_t>(t.count)) +
         scratch_bytes<int>(static_cast<std::size_t>(t.groups)) + scratch_bytes<double>(samples) +
         (scanned ? scan_bytes(t.samples) : scratch_bytes<char>(tiers.bytes));
}

inline status run_hypervolumes(const cuda& exec, const hypervolume_call& c) {
  const objective_table& t = c.table.points;
  if (c.method == hypervolume::algorithm::sweep && !may_scan(t))
    return require::fail(errc::bad_parameter, "method",
                         "automatic or slices: on CUDA only one group of two objectives is swept",
                         static_cast<int>(c.method));
  if (t.groups == 0) return {};
  const bool scanned = scans(t, c.method);
  const volume_tiers tiers(t, t.count - 1, gains_work(t, c.grad_rewards.data != nullptr));
  const auto samples = static_cast<std::size_t>(t.samples), groups = static_cast<std::size_t>(t.groups);
  const std::size_t columns = samples * static_cast<std::size_t>(t.count);
  scratch memory;
  if (const status s = memory.reserve(exec, gains_bytes(t, tiers, scanned)); !s.ok()) return s;
  device_points p{};
  p.samples = t.samples;
  p.z = memory.take<double>(columns), p.group_state = memory.take<int>(groups);
  double* const term = memory.take<double>(samples);
  enqueue_gather(exec, c.table, p);
  if (scanned) {
    if (const status s = enqueue_scanned_gains(exec, c, p, take_scan(memory, t.samples), term); !s.ok()) return s;
  } else {
    char* const each = memory.take<char>(tiers.bytes);
    for (int i = 0; i < tiers.count && t.samples > 0; ++i) {
      const volume_tier& v = tiers.tier[i];
      gains_kernel<<<volume_blocks(v.threads), block_of(v.threads), 0, exec.stream.stream>>>(c, p, term, each, v);
    }
  }
  const auto blocks = static_cast<unsigned>(t.groups < 65536 ? t.groups : 65536);
  add_gains_kernel<<<blocks, cuda_threads, 0, exec.stream.stream>>>(c, p, term, exec.report);
  return launch_status("hypervolumes");
}

}  // namespace detail

// Bytes of workspace on CUDA, which are enough with and without the gradient.
inline std::size_t hypervolume_workspace(const cuda&, const hypervolume& options,
                                         const hypervolume_inputs<space::device>& in) {
  detail::objective_table t;
  detail::count_samples(in.samples, t);
  return detail::gains_bytes(t, detail::volume_tiers(t, t.count - 1, detail::gains_work(t, true)),
                             detail::scans(t, options.method));
}

}  // namespace PREFER_ABI
}  // namespace prefer
