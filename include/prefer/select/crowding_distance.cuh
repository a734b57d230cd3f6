// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/select/crowding_distance.hpp>
#include <prefer/select/detail/sorted_samples.cuh>

#include <cstdint>

// The CUDA half of select/crowding_distance.hpp: per objective the samples sorted by group, front and value, in which a
// thread per sample looks for where its value and its front begin and end. The same bits as on the CPU.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

struct front_key {
  device_samples samples;
  source rank;
  __device__ std::int64_t front_of(std::int64_t s) const {
    return rank.data == nullptr ? 0 : load_index(rank.data, rank.type, s * rank.stride);
  }
  // Those in no front come last.
  __device__ std::uint64_t operator()(std::int64_t s) const { return static_cast<std::uint64_t>(front_of(s)); }
};
struct value_key {
  device_samples samples;
  int objective;
  __device__ std::uint64_t operator()(std::int64_t s) const {
    return ~ascending_bits(samples.key_at<double>(s, objective));
  }
};

struct add_gaps {
  device_samples samples;
  front_key front;
  const std::int64_t* item;
  double* sum;  // by sample
  int objective;
  std::int64_t n;

  __device__ double value(std::int64_t i) const { return samples.key_at<double>(item[i], objective); }
  __device__ void operator()(std::int64_t i) const {
    const std::int64_t s = item[i];
    if (objective == 0) sum[s] = 0;
    const std::uint64_t group = samples.group_key(s);
    const std::int64_t rank = front.front_of(s);
    if (group % 2 != 0 || rank < 0 || group == static_cast<std::uint64_t>(2 * samples.table.groups)) return;
    const auto same_front = [&](std::int64_t at) {
      return samples.group_key(item[at]) == group && front.front_of(item[at]) == rank;
    };
    const double mine = value(i);
    const std::int64_t run = run_end(i, -1, n, [&](std::int64_t at) { return same_front(at) && value(at) == mine; });
    const std::int64_t last = run_end(i, 1, n, [&](std::int64_t at) { return same_front(at) && value(at) == mine; });
    const std::int64_t begin = run_end(run, -1, n, same_front), end = run_end(last, 1, n, same_front);
    if (begin == end) {
      sum[s] = math::detail::infinity<double>();
      return;
    }
    const double largest = value(begin), smallest = value(end);
    if (!(largest > smallest)) return;
    sum[s] += run > begin && last < end ? crowding_term(value(last + 1), value(run - 1), smallest, largest,
                                                        static_cast<double>(last - run + 1))
                                        : math::detail::infinity<double>();
  }
};

struct write_distances {
  device_samples samples;
  const double* sum;
  sink out;
  content_report* report;
  __device__ void operator()(std::int64_t s) const {
    if (samples.group_of(s) < 0) return;
    samples.report_nan(s, report);
    store_number(out, s, sum[s]);
  }
};

struct device_crowding_plan {
  long long* owner = nullptr;
  sample_order order;
  double* sum = nullptr;

  void carve(arena& memory, const objective_table& t) {
    owner = t.offsets.data != nullptr ? memory.take<long long>(t.samples) : nullptr;
    order.carve(memory, t.samples);
    sum = memory.take<double>(t.samples);
  }
};

inline status run_crowding(const cuda& exec, const crowding_call& call) {
  const objective_table& t = call.table;
  device_crowding_plan plan;
  const auto carve = [&](arena& memory) { plan.carve(memory, t); };
  return with_carved(exec, carve, [&] {
    const device_samples samples{t, plan.owner};
    const front_key front{samples, call.rank};
    status s = find_owners(exec, t, t.groups, t.samples, plan.owner);
    for (int k = 0; k < t.count && s.ok(); ++k) {
      s = plan.order.by(exec, value_key{samples, k}, 64);
      if (s.ok() && call.rank.data != nullptr) s = plan.order.by(exec, front, 64);
      if (s.ok()) s = sort_by_group(exec, samples, plan.order);
      const add_gaps gaps{samples, front, plan.order.items(), plan.sum, k, t.samples};
      if (s.ok()) s = each_item(exec, "add_gaps", t.samples, gaps);
    }
    const write_distances write{samples, plan.sum, call.distance, exec.report};
    return s.ok() ? each_item(exec, "write_distances", t.samples, write) : s;
  });
}

}  // namespace detail

// Bytes of workspace of crowding_distances on CUDA: linear in the number of samples. 0 for views that do not fit
// together.
template <space S>
std::size_t crowding_distances_workspace(const cuda&, const crowding& options, const crowding_inputs<S>& in) {
  detail::objective_table t;
  if (!detail::make_objective_table(options.objectives, in.samples, t).ok()) return 0;
  detail::arena memory;
  detail::device_crowding_plan().carve(memory, t);
  return detail::device_bytes(memory);
}

}  // namespace PREFER_ABI
}  // namespace prefer
