// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/select/detail/dominance_tiles.cuh>
#include <prefer/select/non_dominated_ranks.hpp>

#include <cstdint>

// The CUDA half of select/non_dominated_ranks.hpp. Groups [B, N, K] of up to 1024 samples: a block per group peels
// front after front in shared memory, one launch. Others, with nothing looked at from the host: in an order in which
// only what is before a sample can dominate it,
//   rank(b) = 1 + max { rank(a) : a before b, a dominates b },
// tile after tile in one launch; a tile waits for the ranks of those before it, which blocks take in order so that they
// are under way. n^2 / 2 comparisons. `method` plays no part.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline constexpr std::int64_t peeled_samples = 1024;  // at most, of a group
inline constexpr std::size_t peeled_bytes = 40 << 10;

template <class T>
std::size_t peeling_bytes(const objective_table& t) {
  const auto n = static_cast<std::size_t>(t.per_group);
  return n * (static_cast<std::size_t>(t.count) * sizeof(T) + sizeof(double) + 1);
}
template <class T>
bool peels(const objective_table& t) {
  return t.offsets.data == nullptr && t.count <= own_objectives && t.per_group <= peeled_samples &&
         peeling_bytes<T>(t) <= peeled_bytes;
}

// Of a sample that is in no front yet: what dominates it must be gone first. Candidates that do not dominate it, or are
// gone, need no second look, so all rounds together are one pass over the group.
template <class T>
static __global__ void __launch_bounds__(static_cast<int>(peeled_samples))
    peel_kernel(const __grid_constant__ device_samples samples, const pair_rule rule, const std::int64_t most_fronts,
                const rank_sinks out, content_report* report) {
  extern __shared__ __align__(16) unsigned char tile_memory[];
  const objective_table& t = samples.table;
  const int n = static_cast<int>(t.per_group), me = static_cast<int>(threadIdx.x);
  const candidate_tile<T> tile(tile_memory, n);
  auto* const left = reinterpret_cast<std::uint8_t*>(tile.keys + n * t.count);
  for (std::int64_t b = blockIdx.x; b < t.groups; b += gridDim.x) {
    const group_rows g = t.group(b);
    const std::int64_t s = g.first + me;
    const sample_state state = me < n ? t.state_of(g, me) : sample_state::masked;
    if (state == sample_state::not_a_number) samples.report_nan(s, report);
    bool waits = state == sample_state::present;
    own_keys<T> own;
    double violation = 0;
    __syncthreads();
    tile.load(samples, g.first, n, g.first + n);
    if (me < n) left[me] = waits ? 1 : 0;
    __syncthreads();
    if (me < n) {
      own.load(t.count, [&](int k) { return tile.keys[k * n + me]; });
      violation = tile.violation[me];
    }
    std::int64_t rank = -1, round = 0;
    int other = 0;
    while (__syncthreads_or(waits ? 1 : 0) != 0) {
      if (round == most_fronts) {
        if (waits) rank = round;
        break;
      }
      for (; waits && other < n; ++other) {
        if (left[other] == 0 || other == me) continue;
        const relation r = compare_keys<T>(
            rule, [&](int k) { return tile.keys[k * n + other]; }, tile.violation[other], own, violation);
        if (r == relation::dominates || (r == relation::equals && rule.duplicates == duplicates::first && other < me))
          break;
      }
      __syncthreads();
      if (waits && other == n) waits = false, rank = round, left[me] = 0;
      ++round;
    }
    if (me < n) store_index(out.rank, s, rank);
    if (me == 0) store_index(out.fronts, b, round);
  }
}

template <class T>
status peel_groups(const cuda& exec, const device_samples& samples, std::int64_t most_fronts, const rank_sinks& out) {
  const objective_table& t = samples.table;
  if (t.groups == 0) return {};
  const auto threads = static_cast<unsigned>(t.per_group <= 32 ? 32 : (t.per_group + 31) / 32 * 32);
  const auto grid = static_cast<unsigned>(t.groups < 65536 ? t.groups : 65536);
  peel_kernel<T><<<grid, threads, peeling_bytes<T>(t) + 16, exec.stream.stream>>>(samples, pair_rule(t), most_fronts,
                                                                                  out, exec.report);
  return launch_status("peel");
}

// What blocks tell each other.
struct rank_progress {
  unsigned long long next = 0;  // the tile that the next block takes
  unsigned done[1];             // per tile

  static std::size_t bytes(std::int64_t tiles) { return sizeof(rank_progress) + static_cast<std::size_t>(tiles) * 4; }
};

template <class T>
struct rank_search_call {
  position_rows<T> rows;
  pair_rule rule;
  std::int32_t* rank;  // by position
  rank_progress* progress;
};

template <class T, bool Few>
static __global__ void __launch_bounds__(select_threads)
    rank_tiles_kernel(const __grid_constant__ rank_search_call<T> f) {
  extern __shared__ __align__(16) unsigned char tile_memory[];
  __shared__ std::int32_t rank_of[select_threads];  // below 0: not present
  __shared__ std::int64_t taken, block_begin;
  const int rows = tile_rows<T>(f.rows.count), me = static_cast<int>(threadIdx.x);
  const candidate_tile<T> tile(tile_memory, rows);
  for (;;) {
    __syncthreads();
    if (me == 0) taken = static_cast<std::int64_t>(atomicAdd(&f.progress->next, 1ull));
    __syncthreads();
    const std::int64_t nth = taken, begin = nth * select_threads;
    if (begin >= f.rows.n) return;
    const std::int64_t i = begin + me;
    const bool present = i < f.rows.n && f.rows.present[i] != 0;
    const std::int64_t mine = i < f.rows.n ? f.rows.begin[i] : 0;
    if (me == 0) block_begin = mine;
    __syncthreads();
    own_sample<T, Few> own;
    own.load(f.rows, present ? i : 0);
    std::int32_t rank = 0;
    const auto meet = [&](int at) {
      if (rank_of[at] < rank) return;  // also what is not present
      const relation r = own.against(
          f.rule, [&](int k) { return tile.keys[k * rows + at]; }, tile.violation[at]);
      if (r == relation::dominates || (r == relation::equals && f.rule.duplicates == duplicates::first))
        rank = rank_of[at] + 1;
    };
    for (std::int64_t before = block_begin / select_threads; before <= nth; ++before) {
      if (before < nth) {
        if (me == 0)
          while (atomicAdd(f.progress->done + before, 0u) == 0) {
          }
        __syncthreads();
        __threadfence();
      }
      for (int part = 0; part < select_threads; part += rows) {
        const std::int64_t first = before * select_threads + part, c = first + me;
        const int size = static_cast<int>(earlier_of(rows, select_threads - part));
        __syncthreads();
        if (me < size) {
          const bool there = c < f.rows.n && f.rows.present[c] != 0;
          rank_of[me] = there && before < nth ? __ldcg(f.rank + c) : -1;
          if (there) {
            tile.violation[me] = f.rows.violation_at(c);
            for (int k = 0; k < f.rows.count; ++k) tile.keys[k * rows + me] = f.rows.keys[k * f.rows.n + c];
          }
        }
        __syncthreads();
        if (before < nth) {
          for (int at = static_cast<int>(later_of(mine - first, 0)); present && at < size; ++at) meet(at);
          continue;
        }
        // Within the tile ranks are final one after the other.
        for (int at = 0; at < size; ++at) {
          if (me == part + at) rank_of[at] = present ? rank : -1;
          __syncthreads();
          if (present && me > part + at && first + at >= mine) meet(at);
        }
      }
    }
    if (i < f.rows.n) __stcg(f.rank + i, present ? rank : -1);
    __threadfence();
    __syncthreads();
    if (me == 0) atomicExch(f.progress->done + nth, 1u);
  }
}

template <class T>
status rank_tiles(const cuda& exec, const rank_search_call<T>& f) {
  const std::int64_t tiles = (f.rows.n + select_threads - 1) / select_threads;
  if (tiles == 0) return {};
  if (const status s = fill_bytes(exec, f.progress, 0, rank_progress::bytes(tiles)); !s.ok()) return s;
  const auto grid = static_cast<unsigned>(tiles < 1024 ? tiles : 1024);
  const std::size_t bytes = candidate_tile<T>::bytes(f.rows.count);
  if (f.rows.count <= own_objectives)
    rank_tiles_kernel<T, true><<<grid, select_threads, bytes, exec.stream.stream>>>(f);
  else
    rank_tiles_kernel<T, false><<<grid, select_threads, bytes, exec.stream.stream>>>(f);
  return launch_status("rank_tiles");
}

struct write_ranks {
  device_samples samples;
  const std::int64_t* item;
  const std::int32_t* rank;
  std::int64_t most_fronts;
  int* fronts;  // [B], 0 before
  rank_sinks out;

  __device__ void operator()(std::int64_t i) const {
    const std::int64_t s = item[i], b = samples.group_of(s);
    if (b < 0) return;
    const std::int64_t r = rank[i] < most_fronts ? rank[i] : most_fronts;
    store_index(out.rank, s, r);
    const std::int64_t in = r + 1 < most_fronts ? r + 1 : most_fronts;
    if (in > 0) atomicMax(fronts + b, static_cast<int>(in));
  }
};
struct write_front_counts {
  const int* fronts;
  sink out;
  __device__ void operator()(std::int64_t b) const { store_index(out, b, fronts[b]); }
};

template <class T>
struct device_rank_plan {
  long long* owner = nullptr;
  sample_order order;
  position_rows<T> rows;
  std::int32_t* rank = nullptr;
  char* progress = nullptr;
  int* fronts = nullptr;

  void carve(arena& memory, const objective_table& t) {
    if (peels<T>(t)) return;
    owner = t.offsets.data != nullptr ? memory.take<long long>(t.samples) : nullptr;
    order.carve(memory, t.samples);
    rows.carve(memory, t);
    rank = memory.take<std::int32_t>(t.samples);
    const std::int64_t tiles = (t.samples + select_threads - 1) / select_threads;
    progress = memory.take<char>(static_cast<std::int64_t>(rank_progress::bytes(tiles)));
    fronts = memory.take<int>(t.groups);
  }
};

template <class T>
status run_device_ranks(const cuda& exec, const objective_table& t, std::int64_t most_fronts, const rank_sinks& out) {
  if (peels<T>(t)) return peel_groups<T>(exec, device_samples{t}, most_fronts, out);
  device_rank_plan<T> plan;
  const auto carve = [&](arena& memory) { plan.carve(memory, t); };
  return with_carved(exec, carve, [&] {
    const device_samples samples{t, plan.owner};
    status s = find_owners(exec, t, t.groups, t.samples, plan.owner);
    if (s.ok()) s = sort_by_score(exec, samples, plan.order);
    if (s.ok()) s = gather_positions(exec, samples, plan.order.items(), plan.rows);
    const rank_search_call<T> search{plan.rows, pair_rule(t), plan.rank,
                                     reinterpret_cast<rank_progress*>(plan.progress)};
    if (s.ok()) s = rank_tiles(exec, search);
    if (s.ok()) s = fill_bytes(exec, plan.fronts, 0, static_cast<std::size_t>(t.groups) * sizeof(int));
    const write_ranks write{samples, plan.order.items(), plan.rank, most_fronts, plan.fronts, out};
    if (s.ok()) s = each_item(exec, "write_ranks", t.samples, write);
    if (s.ok() && out.fronts.data != nullptr)
      s = each_item(exec, "write_front_counts", t.groups, write_front_counts{plan.fronts, out.fronts});
    return s;
  });
}

inline status run_non_dominated_ranks(const cuda& exec, const objective_table& t, const non_dominated_sorting& options,
                                      const rank_sinks& out) {
  return t.needs_double() ? run_device_ranks<double>(exec, t, options.most_fronts, out)
                          : run_device_ranks<float>(exec, t, options.most_fronts, out);
}

}  // namespace detail

// Bytes of workspace of non_dominated_ranks on CUDA: linear in the elements of the samples. 0 for views that do not fit
// together.
template <space S>
std::size_t non_dominated_ranks_workspace(const cuda&, const non_dominated_sorting& options,
                                          const objective_samples<S>& in) {
  detail::objective_table t;
  if (!detail::make_objective_table(options.objectives, in, t).ok()) return 0;
  const auto bytes = [&](auto key) {
    detail::arena memory;
    detail::device_rank_plan<decltype(key)> plan;
    plan.carve(memory, t);
    return detail::device_bytes(memory);
  };
  return t.needs_double() ? bytes(double{}) : bytes(float{});
}

}  // namespace PREFER_ABI
}  // namespace prefer
