// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/map_reduce.cuh>
#include <prefer/select/detail/volume_points.hpp>

#include <cstdint>

// Volumes on CUDA: a thread finds what one sample alone adds, looking at all others of its group; a block adds a
// group's up. Samples lie in columns, with minus infinity for those that do not count.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline constexpr int volume_threads = 64;

// The samples of a call on the device.
struct device_points {
  double* z;        // [K, samples]: maximised, minus infinity if the sample does not count
  int* group_state; // [B]: not 0 if the group has no answer
  std::uint8_t* dominated;  // [samples] or null: those that have no say
  std::int64_t samples;

  __device__ double at(int k, std::int64_t s) const { return z[k * samples + s]; }
  __device__ bool counts(std::int64_t s) const { return at(0, s) > -math::detail::infinity<double>(); }
};

// The group of a sample; -1 for one that belongs to none.
static __device__ inline std::int64_t group_with(const objective_table& t, std::int64_t s) {
  if (t.offsets.data == nullptr) return t.per_group > 0 ? s / t.per_group : -1;
  std::int64_t low = 0, high = t.groups;  // the last group that begins at or before s
  while (low < high) {
    const std::int64_t middle = (low + high) / 2;
    if (load_index(t.offsets.data, t.offsets.type, (middle + 1) * t.offsets.stride) <= s)
      low = middle + 1;
    else
      high = middle;
  }
  if (low >= t.groups) return -1;
  const group_rows g = t.group(low);
  return g.count > 0 && s >= g.first && s < g.first + g.count ? low : -1;
}

static __global__ void clear_groups_kernel(int* state, std::int64_t groups) {
  for (std::int64_t b = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; b < groups;
       b += static_cast<std::int64_t>(gridDim.x) * blockDim.x)
    state[b] = 0;
}

static __global__ void __launch_bounds__(cuda_threads)
    gather_points_kernel(const volume_table t, const device_points p, content_report* report) {
  const objective_table& o = t.points;
  const double nowhere = -math::detail::infinity<double>();
  for (std::int64_t s = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; s < p.samples;
       s += static_cast<std::int64_t>(gridDim.x) * blockDim.x) {
    const std::int64_t b = group_with(o, s);
    bool counts = b >= 0;
    if (counts) {
      const group_rows g = o.group(b);
      const sample_state state = o.state_of(g, s - g.first);
      const bool may = state == sample_state::present && t.may_count(s);
      counts = may && t.first_short(g, b, s - g.first) < 0;
      if (state == sample_state::not_a_number && o.nan == nan_policy::reject)
        report_content(report, errc::not_a_number, s);
      if (t.must_bound && may && !counts) atomicExch(p.group_state + b, 1);
      for (int k = 0; k < o.count; ++k)
        p.z[k * p.samples + s] = counts ? o.key_at<double>(g, s - g.first, k) : nowhere;
    } else {
      for (int k = 0; k < o.count; ++k) p.z[k * p.samples + s] = nowhere;
    }
  }
}

// A sample, those whose company its volume is measured in (those that come before it in descending order of objective
// `last`; all others if `last` is -1) and the objectives that count, which are all but `last`.
struct device_view {
  const device_points& p;
  const group_rows& g;
  std::int64_t self;  // number of the sample
  int count, last;    // objectives of the call

  __device__ int objectives() const { return last < 0 ? count : count - 1; }
  __device__ int objective(int k) const { return last >= 0 && k >= last ? k + 1 : k; }
  __device__ double z(std::int64_t s, int k) const { return p.at(objective(k), s); }

  __device__ bool is_rival(std::int64_t s) const {
    if (s == self || (p.dominated != nullptr && p.dominated[s] != 0)) return false;
    if (last < 0) return true;
    const double mine = p.at(last, self), other = p.at(last, s);
    return other != mine ? other > mine : comes_before(s);
  }
  // Ties as order_rows has them.
  __device__ bool comes_before(std::int64_t s) const {
    for (int k = 0; k < count; ++k) {
      const double mine = p.at(k, self), other = p.at(k, s);
      if (mine != other) return other > mine;
    }
    return s < self;
  }
};

// One objective left, or none.
static __device__ inline double exclusive_length(const device_view& v, double low) {
  double reached = low;
  const double mine = v.z(v.self, 0);
  for (std::int64_t s = v.g.first; s < v.g.first + v.g.count; ++s)
    if (v.z(s, 0) > reached && v.is_rival(s)) reached = v.z(s, 0);
  return mine > reached ? mine - reached : 0;
}
static __device__ inline double first_of_all(const device_view& v) {
  for (std::int64_t s = v.g.first; s < v.g.first + v.g.count; ++s)
    if (v.p.counts(s) && v.is_rival(s)) return 0;
  return 1;
}

// Two objectives: down the stairs that the rivals leave, one pass for each step.
static __device__ inline double exclusive_area(const device_view& v, double low_x, double low_y) {
  const double px = v.z(v.self, 0), py = v.z(v.self, 1);
  const std::int64_t end = v.g.first + v.g.count;
  double under = low_y, area = 0;
  for (std::int64_t s = v.g.first; s < end; ++s)
    if (v.z(s, 0) >= px && v.z(s, 1) > under && v.is_rival(s)) under = v.z(s, 1);
  while (under < py) {
    double left = low_x, top = py;  // the rival that reaches furthest above `under`, and how high its step is
    for (std::int64_t s = v.g.first; s < end; ++s) {
      const double x = v.z(s, 0), y = v.z(s, 1);
      if (!(y > under && x >= left && x > low_x) || !v.is_rival(s)) continue;
      top = x > left ? y : larger_of(top, y);
      left = x;
    }
    const double next = left > low_x ? smaller_of(top, py) : py;
    area += (px - left) * (next - under);
    under = next;
  }
  return area;
}

// Three and more: the set of those that reach into the box, in descending order of the last objective, as the CPU has
// it; then the same recursion. False if one of them covers the box.
static __device__ inline bool limited_rivals(const device_view& v, double* raised, point_rows& limited) {
  const int m = v.objectives();
  const std::int64_t end = v.g.first + v.g.count;
  for (std::int64_t s = v.g.first; s < end; ++s) {
    int exceeded = 0, where = 0;
    for (int k = 0; k < m && exceeded < 2; ++k)
      if (v.z(s, k) < v.z(v.self, k)) ++exceeded, where = k;
    if (exceeded > 1 || !v.is_rival(s)) continue;
    if (exceeded == 0) return false;
    raised[where] = larger_of(raised[where], v.z(s, where));
  }
  limited.count = 0;
  for (std::int64_t s = v.g.first; s < end; ++s) {
    bool reaches = true;
    for (int k = 0; k < m && reaches; ++k) reaches = v.z(s, k) > raised[k];
    if (!reaches || !v.is_rival(s)) continue;
    const double key = smaller_of(v.z(s, m - 1), v.z(v.self, m - 1));
    std::int64_t at = limited.count++;
    for (; at > 0 && limited.row(at - 1, m)[m - 1] < key; --at)
      for (int k = 0; k < m; ++k) limited.row(at, m)[k] = limited.row(at - 1, m)[k];
    for (int k = 0; k < m; ++k) limited.row(at, m)[k] = smaller_of(v.z(s, k), v.z(v.self, k));
  }
  return true;
}

static __device__ inline double exclusive_by_slices(const device_view& v, const volume_table& t, std::int64_t b,
                                                    char* scratch) {
  const int m = v.objectives();
  arena memory(scratch);
  double* const raised = memory.take<double>(m);
  double* const mine = memory.take<double>(m);
  volume_stack stack = take_stack(memory, v.g.count, m, true);
  for (int k = 0; k < m; ++k) raised[k] = t.low(b, v.objective(k)), mine[k] = v.z(v.self, k);
  volume_frame& f = stack.frame[0];
  if (!limited_rivals(v, raised, f.set)) return 0;
  const double box = box_between(raised, mine, m);
  if (!math::is_finite(box)) return box;
  double taken;
  if (!known_volume(f.set, raised, m, stack.stairs, taken)) {
    f.begin(raised, m);
    taken = volume_of_frames<double>(stack, m, f.set.count, nullptr);
  }
  return larger_of(box - taken, 0);
}
inline std::size_t slices_bytes(std::int64_t n, int objectives) {
  arena memory;
  memory.take<double>(objectives), memory.take<double>(objectives);
  take_stack(memory, n, objectives, true);
  return (memory.bytes() + scratch_alignment - 1) / scratch_alignment * scratch_alignment;
}

// What sample v.self adds to its rivals; `scratch` as slices_bytes for three objectives and more.
static __device__ inline double exclusive_of(const device_view& v, const volume_table& t, std::int64_t b,
                                             char* scratch) {
  const int m = v.objectives();
  if (m == 0) return first_of_all(v);
  if (m == 1) return exclusive_length(v, t.low(b, v.objective(0)));
  if (m == 2) return exclusive_area(v, t.low(b, v.objective(0)), t.low(b, v.objective(1)));
  return exclusive_by_slices(v, t, b, scratch);
}

// Threads and the memory of each, for groups of up to so many samples.
struct volume_tier {
  std::int64_t above = -1, most = 0;  // groups of more than `above` and at most `most` samples
  std::int64_t threads = 0;
  std::size_t bytes = 0;  // per thread
};
struct volume_tiers {
  volume_tier tier[3];
  int count = 0;
  std::size_t bytes = 0;  // of the largest, with those of all threads

  // `objectives` are those that count; none needs memory below three.
  volume_tiers(const objective_table& t, int objectives, std::int64_t work) {
    constexpr std::size_t budget = std::size_t{1} << 26;
    constexpr std::int64_t sizes[] = {64, 1024};
    const bool slices = objectives > 2;
    for (const std::int64_t size : sizes)
      if (slices && t.offsets.data != nullptr && size < t.per_group) add(size, objectives, work, budget);
    add(t.per_group, slices ? objectives : 0, work, budget);
  }

 private:
  void add(std::int64_t most, int objectives, std::int64_t work, std::size_t budget) {
    volume_tier& v = tier[count];
    v.above = count > 0 ? tier[count - 1].most : -1;
    v.most = most;
    v.bytes = objectives > 0 ? slices_bytes(most, objectives) : 0;
    const std::int64_t room = v.bytes > 0 ? static_cast<std::int64_t>(budget / v.bytes) : work;
    v.threads = room < 1 ? 1 : room < work ? room : work;
    if (v.threads > volume_threads) v.threads = (v.threads + volume_threads - 1) / volume_threads * volume_threads;
    const std::size_t all = v.bytes * static_cast<std::size_t>(v.threads);
    bytes = all > bytes ? all : bytes;
    ++count;
  }
};

inline unsigned volume_blocks(std::int64_t threads) {
  const std::int64_t blocks = (threads + volume_threads - 1) / volume_threads;
  return static_cast<unsigned>(blocks < 65536 ? blocks : 65536);
}
inline int block_of(std::int64_t threads) {
  return threads < volume_threads ? static_cast<int>(threads) : volume_threads;
}
inline unsigned wide_blocks(std::int64_t items) {
  const std::int64_t blocks = (items + cuda_threads - 1) / cuda_threads;
  return static_cast<unsigned>(blocks < 1 ? 1 : blocks < 4096 ? blocks : 4096);
}

// A group is sound if its offsets and its reference are and nothing that must not lies beyond it.
static __device__ inline bool is_sound(const volume_table& t, const device_points& p, std::int64_t b) {
  return p.group_state[b] == 0 && t.first_bad_low(b) < 0;
}

// Says why a group has no answer.
static __device__ inline void report_group(const volume_table& t, const group_rows& g, std::int64_t b,
                                           content_report* report) {
  report_content(report, g.count < 0 ? errc::bad_offsets : errc::bad_parameter, b);
}

inline void enqueue_gather(const cuda& exec, const volume_table& t, const device_points& p) {
  clear_groups_kernel<<<wide_blocks(t.points.groups), cuda_threads, 0, exec.stream.stream>>>(p.group_state,
                                                                                             t.points.groups);
  gather_points_kernel<<<wide_blocks(p.samples), cuda_threads, 0, exec.stream.stream>>>(t, p, exec.report);
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
