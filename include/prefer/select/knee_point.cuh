// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/select/detail/group_reduction.cuh>
#include <prefer/select/knee_point.hpp>

#include <cstdint>

// The CUDA half of select/knee_point.hpp: a pass that finds who takes part, one for the ends of every objective, one
// for the largest distance. The bits of the CPU.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

struct knee_samples {
  knee_call call;
  pick_candidates candidates;

  __device__ group_rows group(std::int64_t b) const { return call.table.group(b); }
  __device__ bool has(std::int64_t b, std::int64_t s) const {
    return candidates.has(call.table, b, s) && call.in_front(s);
  }
};

// The worst and the best of an objective in a front; a slot per objective.
struct knee_range {
  double nadir, ideal;
};
struct find_ranges : knee_samples {
  using value = knee_range;
  double *nadir, *ideal;  // [B, K]

  __device__ knee_range none() const {
    return {math::detail::infinity<double>(), -math::detail::infinity<double>()};
  }
  __device__ knee_range combine(const knee_range& a, const knee_range& b) const {
    return {b.nadir < a.nadir ? b.nadir : a.nadir, b.ideal > a.ideal ? b.ideal : a.ideal};
  }
  __device__ knee_range load(std::int64_t b, const group_rows& g, std::int64_t k, std::int64_t i) const {
    if (!has(b, g.first + i)) return none();
    const double x = call.table.key_at<double>(g, i, static_cast<int>(k));
    return {x, x};
  }
  __device__ void finish(std::int64_t b, const group_rows&, std::int64_t k, const knee_range& x) const {
    nadir[b * call.table.count + k] = x.nadir, ideal[b * call.table.count + k] = x.ideal;
  }
};

struct find_knees : knee_samples {
  using value = knee_answer;
  const double *nadir, *ideal;

  __device__ knee_answer none() const { return {}; }
  __device__ knee_answer combine(knee_answer a, const knee_answer& b) const {
    a.merge(b);
    return a;
  }
  __device__ knee_answer load(std::int64_t b, const group_rows& g, std::int64_t, std::int64_t i) const {
    if (!has(b, g.first + i)) return {};
    const int count = call.table.count;
    const auto key = [&](int k) { return call.table.key_at<double>(g, i, k); };
    return {g.first + i, knee_distance(count, key, nadir + b * count, ideal + b * count)};
  }
  __device__ void finish(std::int64_t b, const group_rows&, std::int64_t, const knee_answer& x) const {
    store_index(call.index, b, x.sample);
    store_number(call.distance, b, x.distance);
  }
};

struct device_knee_plan {
  pick_candidates candidates;
  double *nadir = nullptr, *ideal = nullptr;
  knee_range* ranges = nullptr;
  knee_answer* knees = nullptr;

  void carve(arena& memory, const objective_table& t) {
    candidates.carve(memory, t);
    nadir = memory.take<double>(t.groups * t.count);
    ideal = memory.take<double>(t.groups * t.count);
    ranges = take_parts<find_ranges>(memory, t.samples, t.groups, t.count);
    knees = take_parts<find_knees>(memory, t.samples, t.groups, 1);
  }
};

inline status run_knee_point(const cuda& exec, const knee_call& call) {
  const objective_table& t = call.table;
  device_knee_plan plan;
  const auto carve = [&](arena& memory) { plan.carve(memory, t); };
  return with_carved(exec, carve, [&] {
    status s = plan.candidates.find(exec, t);
    const find_ranges ends{{call, plan.candidates}, plan.nadir, plan.ideal};
    if (s.ok()) s = reduce_groups(exec, "find_ranges", ends, t.samples, t.groups, t.count, plan.ranges);
    const find_knees knees{{call, plan.candidates}, plan.nadir, plan.ideal};
    return s.ok() ? reduce_groups(exec, "find_knees", knees, t.samples, t.groups, 1, plan.knees) : s;
  });
}

}  // namespace detail

// Bytes of workspace of knee_points on CUDA: about one per sample, 16 per group and objective, and of groups of more
// than 8192 samples as much for every 4096 of them. 0 for views that do not fit together.
template <space S>
std::size_t knee_points_workspace(const cuda&, const knee_point& options, const knee_point_inputs<S>& in) {
  detail::objective_table t;
  if (!detail::make_objective_table(options.objectives, in.samples, t).ok()) return 0;
  detail::arena memory;
  detail::device_knee_plan().carve(memory, t);
  return detail::device_bytes(memory);
}

}  // namespace PREFER_ABI
}  // namespace prefer
