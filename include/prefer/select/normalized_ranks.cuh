// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/for_groups.cuh>
#include <prefer/select/detail/sorted_samples.cuh>
#include <prefer/select/normalized_ranks.hpp>

#include <cstddef>
#include <cstdint>

// The CUDA half of select/normalized_ranks.hpp: small groups count, large ones are sorted together.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline constexpr std::int64_t counted_ranks = 512;  // samples of a group, on average

struct count_score_ranks {
  score_rank_call call;

  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    const auto place = team.places(g, call.order);
    const std::int64_t n =
        team.total(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA { return place(i).key != left_out ? 1 : 0; });
    team.each(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA {
      const std::uint64_t mine = place(i).key;
      if (mine == left_out) return call.write_unranked(g.first + i);
      std::int64_t less = 0, equal = 0;
      for (std::int64_t j = 0; j < g.count; ++j) {
        const std::uint64_t other = place(j).key;
        less += other < mine ? 1 : 0, equal += other == mine ? 1 : 0;
      }
      call.write(g.first + i, less, equal, n);
    });
  }
};

// Groups as the sort sees them.
struct ranked_groups {
  group_table table;
  __device__ group_rows group(std::int64_t b) const {
    group_range g;
    return table.find(b, g) ? group_rows{g.first, g.count, 0} : group_rows{0, -1, 0};
  }
};
struct ranked_samples {
  group_table table;
  score_rank_call call;
  const long long* owner;

  __device__ std::int64_t group_of(std::int64_t s) const { return owner != nullptr ? owner[s] : s / table.size; }
  // Those without a rank after the others of their group, samples of no group last.
  __device__ std::uint64_t group_key(std::int64_t s) const {
    const std::int64_t b = group_of(s);
    return static_cast<std::uint64_t>(b < 0 ? 2 * table.groups : 2 * b + (call.order.key(s) == left_out ? 1 : 0));
  }
};
struct rank_score_key {
  ranked_samples samples;
  __device__ std::uint64_t operator()(std::int64_t s) const { return samples.call.order.key(s); }
};
struct rank_group_key {
  ranked_samples samples;
  __device__ std::uint64_t operator()(std::int64_t s) const { return samples.group_key(s); }
};

struct write_score_ranks {
  ranked_samples samples;
  const std::int64_t* item;
  std::int64_t n;

  __device__ void operator()(std::int64_t i) const {
    const std::int64_t s = item[i];
    const std::uint64_t group = samples.group_key(s), key = samples.call.order.key(s);
    if (group == static_cast<std::uint64_t>(2 * samples.table.groups)) return;
    if (key == left_out) return samples.call.write_unranked(s);
    const auto same_group = [&](std::int64_t at) { return samples.group_key(item[at]) == group; };
    const auto same = [&](std::int64_t at) { return same_group(at) && samples.call.order.key(item[at]) == key; };
    const std::int64_t first = run_end(i, -1, n, same), last = run_end(i, 1, n, same);
    const std::int64_t begin = run_end(first, -1, n, same_group), end = run_end(last, 1, n, same_group);
    samples.call.write(s, first - begin, last - first + 1, end - begin + 1);
  }
};

struct device_score_rank_plan {
  long long* owner = nullptr;
  sample_order order;

  void carve(arena& memory, const group_table& t) {
    owner = t.offsets.data != nullptr ? memory.take<long long>(t.samples) : nullptr;
    order.carve(memory, t.samples);
  }
};

inline status run_score_ranks(const cuda& exec, const group_table& t, const score_rank_call& call) {
  if (t.samples == 0 || t.groups == 0) return {};
  if (t.samples / t.groups <= counted_ranks) return for_groups(exec, t, count_score_ranks{call});
  device_score_rank_plan plan;
  const auto carve = [&](arena& memory) { plan.carve(memory, t); };
  return with_carved(exec, carve, [&] {
    const ranked_samples samples{t, call, plan.owner};
    status s = find_owners(exec, ranked_groups{t}, t.groups, t.samples, plan.owner);
    if (s.ok()) s = plan.order.by(exec, rank_score_key{samples}, 64);
    if (s.ok()) s = plan.order.by(exec, rank_group_key{samples}, bits_for(2 * t.groups));
    const write_score_ranks write{samples, plan.order.items(), t.samples};
    return s.ok() ? each_item(exec, "write_score_ranks", t.samples, write) : s;
  });
}

}  // namespace detail

// Bytes of workspace of normalized_ranks on CUDA, for any number of samples in so many groups: linear in the samples,
// none where groups are small.
inline std::size_t normalized_ranks_workspace(const cuda&, std::int64_t samples, std::int64_t groups = 1) {
  if (samples <= 0 || groups <= 0 || samples / groups <= detail::counted_ranks) return 0;
  detail::arena memory;
  memory.take<long long>(samples);
  detail::sample_order().carve(memory, samples);
  return detail::device_bytes(memory);
}

}  // namespace PREFER_ABI
}  // namespace prefer
