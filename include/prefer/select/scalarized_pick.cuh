// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/select/detail/group_reduction.cuh>
#include <prefer/select/scalarized_pick.hpp>

#include <cstdint>

// The CUDA half of select/scalarized_pick.hpp: a pass that finds who takes part, and one for the largest value of every
// group and pick, by a warp or by blocks. Values may differ from the CPU's by roundings of a product and a sum.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

struct find_picks {
  using value = best_pick;
  pick_call call;
  pick_candidates candidates;
  content_report* report;

  __device__ best_pick none() const { return {}; }
  __device__ best_pick combine(best_pick a, const best_pick& b) const {
    a.merge(b);
    return a;
  }
  __device__ group_rows group(std::int64_t b) const { return call.table.group(b); }
  __device__ best_pick load(std::int64_t b, const group_rows& g, std::int64_t m, std::int64_t i) const {
    best_pick pick;
    if (!candidates.has(call.table, b, g.first + i)) return pick;
    scalarized_value<double> x;
    for (int k = 0; k < call.table.count; ++k)
      x.see(call.table.key_at<double>(g, i, k), call.origin(m, k), call.weight(m, k));
    pick.see(x.of(call.rule, call.augmentation), g.first + i);
    return pick;
  }
  // Which number of a pick is bad, -1 for none.
  __device__ std::int64_t bad_number(std::int64_t m) const {
    const int count = call.table.count;
    for (int k = 0; k < count; ++k) {
      if (!call.good_weight(m, k)) return m * count + k;
      if (!call.good_origin(m, k)) return call.reference_stride[0] == 0 ? k : m * count + k;
    }
    return -1;
  }
  __device__ void finish(std::int64_t b, const group_rows&, std::int64_t m, const best_pick& best) const {
    const std::int64_t bad = bad_number(m);
    if (bad >= 0) report_content(report, errc::bad_label, bad);
    store_index(call.index, b, m, bad >= 0 ? -1 : best.sample);
    store_number(call.value, b, m, bad >= 0 ? math::detail::not_a_number<double>() : best.value);
  }
};

struct device_pick_plan {
  pick_candidates candidates;
  best_pick* parts = nullptr;

  void carve(arena& memory, const pick_call& call) {
    candidates.carve(memory, call.table);
    parts = take_parts<find_picks>(memory, call.table.samples, call.table.groups, call.picks);
  }
};

inline status run_scalarized_pick(const cuda& exec, const pick_call& call) {
  const objective_table& t = call.table;
  device_pick_plan plan;
  const auto carve = [&](arena& memory) { plan.carve(memory, call); };
  return with_carved(exec, carve, [&] {
    if (const status s = plan.candidates.find(exec, t); !s.ok()) return s;
    const find_picks f{call, plan.candidates, exec.report};
    return reduce_groups(exec, "find_picks", f, t.samples, t.groups, call.picks, plan.parts);
  });
}

}  // namespace detail

// Bytes of workspace of scalarized_picks on CUDA: about one per sample, 8 per group, and of groups of more than 8192
// samples 16 for every 4096 of them and pick. 0 for views that do not fit together.
template <space S>
std::size_t scalarized_picks_workspace(const cuda&, const scalarization& options, const scalarized_pick_inputs<S>& in,
                                       const scalarized_pick_outputs<S>& out) {
  detail::pick_call call;
  if (!detail::make_pick_call(options, in, out, call).ok()) return 0;
  detail::arena memory;
  detail::device_pick_plan().carve(memory, call);
  return detail::device_bytes(memory);
}

}  // namespace PREFER_ABI
}  // namespace prefer
