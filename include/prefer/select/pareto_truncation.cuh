// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/select/detail/sorted_samples.cuh>
#include <prefer/select/pareto_truncation.hpp>

#include <cstdint>

// The CUDA half of select/pareto_truncation.hpp: all samples sorted by group, rank and distance, of which the first of
// every group are kept.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// The ranges of a call as other calls have their groups.
struct truncation_groups {
  truncation_call call;
  __device__ group_rows group(std::int64_t b) const {
    const truncation_call::range g = call.group(b);
    return {g.begin, g.end - g.begin, 0};
  }
};

struct truncation_samples {
  truncation_call call;
  const long long* owner;

  __device__ std::int64_t group_of(std::int64_t s) const { return owner != nullptr ? owner[s] : s / call.group_size; }
  // Those that may not be kept after the others of their group.
  __device__ std::uint64_t group_key(std::int64_t s) const {
    const std::int64_t b = group_of(s);
    return static_cast<std::uint64_t>(b < 0 ? 2 * call.groups : 2 * b + (call.rank_of(s) < 0 ? 1 : 0));
  }
};
struct distance_key {
  truncation_samples samples;
  __device__ std::uint64_t operator()(std::int64_t s) const { return ~ascending_bits(samples.call.distance_of(s)); }
};
struct rank_key {
  truncation_samples samples;
  __device__ std::uint64_t operator()(std::int64_t s) const {
    return static_cast<std::uint64_t>(samples.call.rank_of(s));
  }
};
struct truncation_group_key {
  truncation_samples samples;
  __device__ std::uint64_t operator()(std::int64_t s) const { return samples.group_key(s); }
};

// Where the samples of a group that may be kept begin and end in the order.
struct find_kept {
  truncation_samples samples;
  const std::int64_t* item;
  std::int64_t *begin, *end;  // [B], zeros before
  std::int64_t n;

  __device__ void operator()(std::int64_t i) const {
    const std::uint64_t key = samples.group_key(item[i]);
    if (key % 2 != 0 || static_cast<std::int64_t>(key / 2) == samples.call.groups) return;
    if (i == 0 || samples.group_key(item[i - 1]) != key) begin[key / 2] = i;
    if (i == n - 1 || samples.group_key(item[i + 1]) != key) end[key / 2] = i + 1;
  }
};
// Of every sample of a group.
struct write_kept {
  truncation_samples samples;
  const std::int64_t *item, *begin;

  __device__ void operator()(std::int64_t i) const {
    const truncation_call& call = samples.call;
    const std::int64_t s = item[i], b = samples.group_of(s);
    if (b < 0) return;
    const std::int64_t nth = call.rank_of(s) < 0 ? call.budget : i - begin[b];
    if (call.mask.data != nullptr)
      static_cast<std::uint8_t*>(call.mask.data)[s * call.mask.stride] = nth < call.budget ? 1 : 0;
    if (nth < call.budget) store_index(call.indices, b, nth, s);
  }
};
struct fill_indices {
  truncation_call call;
  const std::int64_t *begin, *end;
  __device__ void operator()(std::int64_t place) const {
    const std::int64_t b = place / call.budget, nth = place % call.budget;
    if (begin[b] + nth >= end[b]) store_index(call.indices, b, nth, -1);
  }
};
struct write_kept_counts {
  truncation_call call;
  const std::int64_t *begin, *end;
  __device__ void operator()(std::int64_t b) const {
    const std::int64_t there = end[b] - begin[b];
    store_index(call.count, b, there < call.budget ? there : call.budget);
  }
};

struct device_truncation_plan {
  long long* owner = nullptr;
  sample_order order;
  std::int64_t *begin = nullptr, *end = nullptr;

  void carve(arena& memory, std::int64_t samples, std::int64_t groups, bool by_offsets) {
    owner = by_offsets ? memory.take<long long>(samples) : nullptr;
    order.carve(memory, samples);
    begin = memory.take<std::int64_t>(groups);
    end = memory.take<std::int64_t>(groups);
  }
};

inline status truncate_sorted(const cuda& exec, const truncation_call& call, device_truncation_plan& plan) {
  const truncation_samples samples{call, plan.owner};
  const std::size_t bytes = static_cast<std::size_t>(call.groups) * sizeof(std::int64_t);
  status s = find_owners(exec, truncation_groups{call}, call.groups, call.samples, plan.owner);
  if (s.ok() && call.distance.data != nullptr) s = plan.order.by(exec, distance_key{samples}, 64);
  if (s.ok()) s = plan.order.by(exec, rank_key{samples}, 64);
  if (s.ok()) s = plan.order.by(exec, truncation_group_key{samples}, bits_for(2 * call.groups));
  if (s.ok()) s = fill_bytes(exec, plan.begin, 0, bytes);
  if (s.ok()) s = fill_bytes(exec, plan.end, 0, bytes);
  const std::int64_t* const item = plan.order.items();
  const find_kept find{samples, item, plan.begin, plan.end, call.samples};
  if (s.ok()) s = each_item(exec, "find_kept", call.samples, find);
  const bool lists = call.indices.data != nullptr;
  if (s.ok() && (lists || call.mask.data != nullptr))
    s = each_item(exec, "write_kept", call.samples, write_kept{samples, item, plan.begin});
  if (s.ok() && lists)
    s = each_item(exec, "fill_indices", call.groups * call.budget, fill_indices{call, plan.begin, plan.end});
  if (s.ok() && call.count.data != nullptr)
    s = each_item(exec, "write_kept_counts", call.groups, write_kept_counts{call, plan.begin, plan.end});
  return s;
}

inline status run_truncation(const cuda& exec, const truncation_call& call) {
  device_truncation_plan plan;
  const auto carve = [&](arena& memory) {
    plan.carve(memory, call.samples, call.groups, call.offsets.data != nullptr);
  };
  return with_carved(exec, carve, [&] { return truncate_sorted(exec, call, plan); });
}

}  // namespace detail

// Bytes of workspace of truncate_fronts on CUDA: linear in the number of samples. 0 for views that do not fit together.
template <space S>
std::size_t truncate_fronts_workspace(const cuda&, const pareto_truncation& options,
                                      const pareto_truncation_inputs<S>& in) {
  const std::int64_t n = in.rank.extent[0] < 0 ? 0 : in.rank.extent[0];
  const std::int64_t groups = in.offsets.given()       ? std::max<std::int64_t>(in.offsets.extent[0] - 1, 0)
                              : options.group_size > 0 ? n / options.group_size
                                                       : 1;
  detail::arena memory;
  detail::device_truncation_plan().carve(memory, n, groups, in.offsets.given());
  return detail::device_bytes(memory);
}

}  // namespace PREFER_ABI
}  // namespace prefer
