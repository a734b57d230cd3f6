// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/select/detail/device_scan.cuh>
#include <prefer/select/detail/dominance_tiles.cuh>
#include <prefer/select/non_dominated.hpp>

#include <algorithm>
#include <cstdint>

// The CUDA half of select/non_dominated.hpp. Small groups: every sample against its group, a thread per sample, as it
// lies, in one launch. Large ones in an order in which only what is before a sample can dominate it: for one and two
// objectives a scan, for more first against the best of the group, then what is left against what is left before it.
// A front is not looked at from the host, so launches are as large as if everything were left and blocks without work
// return at once.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// Samples of a group, on average, from which sorting pays.
inline constexpr std::int64_t sorted_from = 1024;
inline constexpr std::int64_t first_candidates = 1024;  // of the first round

inline bool sorts_samples(const objective_table& t, pareto_algorithm method) {
  if (t.count > own_objectives) return true;
  if (method != pareto_algorithm::automatic) return method != pareto_algorithm::all_pairs;
  return t.samples / std::max<std::int64_t>(t.groups, 1) > sorted_from;
}

// Where a search says whether a sample is in the set: in scratch memory, or at once in the mask.
struct set_flags {
  std::uint8_t* at;
  std::int64_t stride;
  bool of_all = true;  // also of samples in no group
  __device__ void put(std::int64_t s, bool in) const { at[s * stride] = in ? 1 : 0; }
};

// A block takes consecutive samples, of one group or of many, and goes through the groups that they are of.
template <class T>
static __global__ void __launch_bounds__(select_threads)
    small_fronts_kernel(const __grid_constant__ device_samples samples, const pair_rule rule, const set_flags flags,
                        content_report* report) {
  extern __shared__ __align__(16) unsigned char tile_memory[];
  __shared__ std::uint8_t present[select_threads];
  __shared__ unsigned long long first_row, end_row;
  const objective_table& t = samples.table;
  const int rows = tile_rows<T>(t.count), me = static_cast<int>(threadIdx.x);
  const candidate_tile<T> tile(tile_memory, rows);
  const auto load = [&](std::int64_t first, std::int64_t end) {
    tile.load(samples, first, rows, end);
    const std::int64_t c = first + me, of = me < rows && c < end ? samples.group_of(c) : -1;
    const group_rows g = of < 0 ? group_rows{} : t.group(of);
    const sample_state state = of < 0 ? sample_state::masked : t.state_of(g, c - g.first);
    if (me < rows) present[me] = state == sample_state::present ? 1 : 0;
    __syncthreads();
    return state;
  };
  const std::int64_t block = rows;  // samples of a block, so that they are a tile of candidates as they are loaded
  for (std::int64_t begin = blockIdx.x * block; begin < t.samples; begin += gridDim.x * block) {
    const std::int64_t s = begin + me;
    const bool mine = me < rows && s < t.samples;
    const std::int64_t b = mine ? samples.group_of(s) : -1;
    const group_rows g = b < 0 ? group_rows{} : t.group(b);
    if (me == 0) first_row = ~0ull, end_row = 0;
    const sample_state state = load(begin, t.samples);
    if (state == sample_state::not_a_number) samples.report_nan(s, report);
    bool in = state == sample_state::present;
    own_keys<T> own;
    double violation = 0;
    if (in) {
      own.load(t.count, [&](int k) { return tile.keys[k * rows + me]; });
      violation = tile.violation[me];
      atomicMin(&first_row, static_cast<unsigned long long>(g.first));
      atomicMax(&end_row, static_cast<unsigned long long>(g.first + g.count));
    }
    __syncthreads();
    const auto last = static_cast<std::int64_t>(end_row);
    for (auto first = static_cast<std::int64_t>(first_row); first < last; first += rows) {
      if (__syncthreads_or(in ? 1 : 0) == 0) break;
      if (first != begin || first != static_cast<std::int64_t>(first_row)) load(first, last);
      const std::int64_t from = later_of(first, g.first), to = earlier_of(first + rows, g.first + g.count);
      for (std::int64_t other = from; in && other < to; ++other) {
        const int j = static_cast<int>(other - first);
        const relation r = compare_keys<T>(
            rule, [&](int k) { return tile.keys[k * rows + j]; }, tile.violation[j], own, violation);
        if (r == relation::none || present[j] == 0 || other == s) continue;
        if (r == relation::dominates ||
            (rule.duplicates != duplicates::keep && (rule.duplicates == duplicates::drop || other < s)))
          in = false;
      }
    }
    __syncthreads();
    if (mine && (b >= 0 || flags.of_all)) flags.put(s, in);
  }
}

template <class T>
status small_fronts(const cuda& exec, const device_samples& samples, const set_flags& flags) {
  if (samples.table.samples == 0) return {};
  const std::int64_t rows = tile_rows<T>(samples.table.count);
  small_fronts_kernel<T><<<select_grid((samples.table.samples + rows - 1) / rows * select_threads), select_threads,
                           candidate_tile<T>::bytes(samples.table.count), exec.stream.stream>>>(
      samples, pair_rule(samples.table), flags, exec.report);
  return launch_status("small_fronts");
}

// Sorted by the first objective, then by the second (of one objective it is the first again): of equal first ones the
// better second comes first, or the worse where only what is better in both counts.
struct pair_key {
  device_samples samples;
  int objective;
  bool rising;
  __device__ std::uint64_t operator()(std::int64_t s) const {
    const std::uint64_t x = ascending_bits(samples.key_at<double>(s, objective));
    return rising ? x : ~x;
  }
};

inline status sort_pairs(const cuda& exec, const device_samples& samples, sample_order& order) {
  const bool strict = samples.table.dominance == dominance::strict;
  status s;
  if (samples.table.count == 2) s = order.by(exec, pair_key{samples, 1, strict}, 64);
  if (s.ok()) s = order.by(exec, pair_key{samples, 0, false}, 64);
  return s.ok() ? sort_by_group(exec, samples, order) : s;
}

// The largest second objective among those before in the group, with its largest first one.
struct stair {
  std::int64_t group = -1;  // where it begins
  double first = 0, second = 0;
};

struct stair_scan {
  using value = stair;
  position_rows<double> rows;
  pair_rule rule;
  const std::int64_t* item;
  set_flags flags;

  __device__ static stair none() { return {}; }
  __device__ static stair combine(const stair& a, const stair& b) {
    if (b.group < 0) return a;
    if (a.group != b.group) return b;
    return a.second > b.second || (a.second == b.second && a.first > b.first) ? a : b;
  }
  __device__ double first_of(std::int64_t i) const { return rows.keys[i]; }
  __device__ double second_of(std::int64_t i) const { return rows.keys[(rows.count - 1) * rows.n + i]; }
  __device__ stair load(std::int64_t i) const {
    return rows.present[i] != 0 ? stair{rows.begin[i], first_of(i), second_of(i)} : stair{};
  }
  __device__ bool twins(std::int64_t a, std::int64_t b) const {
    return a >= 0 && b < rows.n && rows.present[a] != 0 && rows.present[b] != 0 && rows.begin[a] == rows.begin[b] &&
           first_of(a) == first_of(b) && second_of(a) == second_of(b) && rows.violation_at(a) == rows.violation_at(b);
  }
  __device__ void store(std::int64_t i, const stair& before) const {
    bool in = rows.present[i] != 0;
    if (in && before.group == rows.begin[i]) {
      const double x = first_of(i), y = second_of(i);
      in = !(before.second > y || (rule.dominance == dominance::pareto && before.second == y && before.first > x));
    }
    // Who violates more than the first of the group is dominated by it.
    in = in && rows.violation_at(i) == rows.violation_at(rows.begin[i]);
    if (rule.duplicates != duplicates::keep && twins(i - 1, i)) in = false;
    if (rule.duplicates == duplicates::drop && twins(i, i + 1)) in = false;
    flags.put(item[i], in);
  }
  __device__ void finish(const stair&) const {}
};

// One round: positions of a list against those before them in it.
template <class T>
struct front_round {
  position_rows<T> rows;
  pair_rule rule;
  std::int64_t limit;                   // candidates of a group
  const std::int64_t* list = nullptr;   // all positions unless given
  const std::int64_t* size = nullptr;   // of the list
  const std::int64_t* place = nullptr;  // of a position in the list
  std::uint8_t* stays;                  // [n] by position
  std::uint8_t* copied;                 // [n] by position: a copy of it was found

  __device__ std::int64_t length() const { return size != nullptr ? *size : rows.n; }
  __device__ std::int64_t position(std::int64_t j) const { return list != nullptr ? list[j] : j; }
  __device__ std::int64_t begin_of(std::int64_t i) const {
    return place != nullptr ? place[rows.begin[i]] : rows.begin[i];
  }
};

template <class T, bool Few>
static __global__ void __launch_bounds__(select_threads) front_round_kernel(const __grid_constant__ front_round<T> f) {
  extern __shared__ __align__(16) unsigned char tile_memory[];
  __shared__ std::uint8_t present[select_threads];
  __shared__ std::int64_t from[select_threads];
  __shared__ std::int64_t block_begin;
  const int rows = tile_rows<T>(f.rows.count), me = static_cast<int>(threadIdx.x);
  const candidate_tile<T> tile(tile_memory, rows);
  const std::int64_t length = f.length();
  for (std::int64_t begin = static_cast<std::int64_t>(blockIdx.x) * select_threads; begin < length;
       begin += static_cast<std::int64_t>(gridDim.x) * select_threads) {
    const std::int64_t j = begin + me, i = j < length ? f.position(j) : 0;
    bool in = j < length && f.rows.present[i] != 0;
    const std::int64_t mine = j < length ? f.begin_of(i) : 0;
    own_sample<T, Few> own;
    own.load(f.rows, i);
    __syncthreads();
    if (me == 0) block_begin = mine;  // groups come in order
    __syncthreads();
    for (std::int64_t first = block_begin; first < begin + select_threads; first += rows) {
      const bool open = in && first < j && first < mine + f.limit;
      if (__syncthreads_or(open ? 1 : 0) == 0) {
        // Nothing more to meet in this group; a later one of the block may begin further on.
        if (__syncthreads_or(in && first < j && mine > first ? 1 : 0) == 0) break;
        continue;
      }
      const std::int64_t c = first + me;
      if (me < rows && c < length) {
        const std::int64_t at = f.position(c);
        present[me] = f.rows.present[at], from[me] = at;
        tile.violation[me] = f.rows.violation_at(at);
        for (int k = 0; k < f.rows.count; ++k) tile.keys[k * rows + me] = f.rows.keys[k * f.rows.n + at];
      }
      __syncthreads();
      std::int64_t end = earlier_of(first + rows, j);
      if (f.limit < end - mine) end = mine + f.limit;
      for (std::int64_t other = later_of(first, mine); in && other < end; ++other) {
        const int at = static_cast<int>(other - first);
        const relation r = own.against(
            f.rule, [&](int k) { return tile.keys[k * rows + at]; }, tile.violation[at]);
        if (r == relation::none || present[at] == 0 || (r == relation::equals && f.rule.duplicates == duplicates::keep))
          continue;
        in = false;
        if (r == relation::equals) f.copied[from[at]] = 1;
      }
      __syncthreads();
    }
    if (j < length) f.stays[i] = in ? 1 : 0;
  }
}

template <class T>
status run_front_round(const cuda& exec, const front_round<T>& f) {
  const std::size_t bytes = candidate_tile<T>::bytes(f.rows.count);
  const unsigned grid = select_grid(f.rows.n);
  if (f.rows.count <= own_objectives)
    front_round_kernel<T, true><<<grid, select_threads, bytes, exec.stream.stream>>>(f);
  else
    front_round_kernel<T, false><<<grid, select_threads, bytes, exec.stream.stream>>>(f);
  return launch_status("front_round");
}

// Numbers of the items whose flag is set, ascending, and for every item how many are before it.
struct flag_scan {
  using value = std::int64_t;
  const std::uint8_t* flag;
  std::int64_t* place;  // [n + 1]
  std::int64_t* list;   // [n] or null
  std::int64_t n;

  __device__ static std::int64_t none() { return 0; }
  __device__ static std::int64_t combine(std::int64_t a, std::int64_t b) { return a + b; }
  __device__ std::int64_t load(std::int64_t i) const { return flag[i] != 0 ? 1 : 0; }
  __device__ void store(std::int64_t i, std::int64_t before) const {
    place[i] = before;
    if (list != nullptr && flag[i] != 0) list[before] = i;
  }
  __device__ void finish(std::int64_t all) const { place[n] = all; }
};

struct keep_positions {
  const std::int64_t* item;
  const std::uint8_t *stays, *copied;
  bool drops;
  set_flags flags;
  __device__ void operator()(std::int64_t i) const { flags.put(item[i], stays[i] != 0 && !(drops && copied[i] != 0)); }
};

// From flags to the other outputs.
struct write_mask {
  device_samples samples;
  const std::uint8_t* flag;
  const std::int64_t* place;
  front_sinks out;
  content_report* report;

  __device__ void operator()(std::int64_t s) const {
    if (samples.group_of(s) < 0) return;
    if (out.mask.data != nullptr) static_cast<std::uint8_t*>(out.mask.data)[s * out.mask.stride] = flag[s];
    if (out.indices.data == nullptr || flag[s] == 0) return;
    if (place[s] < out.capacity)
      store_index(out.indices.data, out.indices.type, place[s] * out.indices.stride, s);
    else
      report_content(report, errc::bad_extent, s);
  }
};
struct write_set_counts {
  objective_table table;
  const std::int64_t* place;
  front_sinks out;

  __device__ void operator()(std::int64_t b) const {
    const bool last = b == table.groups;
    const group_rows g = last ? group_rows{} : table.group(b);
    const bool known = g.count >= 0;
    if (!last && out.count.data != nullptr)
      store_index(out.count.data, out.count.type, b * out.count.stride,
                  known ? place[g.first + g.count] - place[g.first] : 0);
    if (out.index_offsets.data == nullptr) return;
    std::int64_t at = last ? table.samples : known ? g.first : 0;
    if (!known) {  // from the last group that is
      for (std::int64_t before = b; before > 0;)
        if (const group_rows other = table.group(--before); other.count >= 0) {
          at = other.first + other.count;
          break;
        }
    }
    store_index(out.index_offsets.data, out.index_offsets.type, b * out.index_offsets.stride, place[at]);
  }
};

// The memory of a call on the device.
template <class T>
struct device_front_plan {
  long long* owner = nullptr;
  std::uint8_t* flag = nullptr;  // by sample
  std::int64_t* place = nullptr;
  sample_order order;
  position_rows<T> rows;
  position_rows<double> pairs;  // of one or two objectives
  std::uint8_t *stays = nullptr, *copied = nullptr;
  std::int64_t* list = nullptr;
  stair* stairs = nullptr;
  std::int64_t* totals = nullptr;
  bool sorts = false, scans = false, writes = false;

  // `writes` if more than the mask is asked for.
  void carve(arena& memory, const objective_table& t, pareto_algorithm method, bool writes_more) {
    const std::int64_t n = t.samples;
    sorts = sorts_samples(t, method), scans = sorts && t.count <= 2, writes = writes_more;
    owner = t.offsets.data != nullptr ? memory.take<long long>(n) : nullptr;
    if (sorts || writes) {
      flag = memory.take<std::uint8_t>(n);
      place = memory.take<std::int64_t>(n + 1);
      totals = memory.take<std::int64_t>(scan_tiles(n));
    }
    if (!sorts) return;
    order.carve(memory, n);
    if (scans) {
      pairs.carve(memory, t);
      stairs = memory.take<stair>(scan_tiles(n));
      return;
    }
    rows.carve(memory, t);
    stays = memory.take<std::uint8_t>(n), copied = memory.take<std::uint8_t>(n);
    list = memory.take<std::int64_t>(n);
  }
};

template <class T>
status sorted_fronts(const cuda& exec, const device_samples& samples, device_front_plan<T>& plan) {
  const objective_table& t = samples.table;
  const auto n = static_cast<std::size_t>(t.samples);
  if (n == 0) return {};
  const pair_rule rule(t);
  const set_flags flags{plan.flag, 1};
  if (plan.scans) {
    status s = sort_pairs(exec, samples, plan.order);
    if (s.ok()) s = gather_positions(exec, samples, plan.order.items(), plan.pairs);
    const stair_scan scan{plan.pairs, rule, plan.order.items(), flags};
    return s.ok() ? device_scan(exec, "stair_scan", scan, t.samples, plan.stairs) : s;
  }
  status s = sort_by_score(exec, samples, plan.order);
  if (s.ok()) s = gather_positions(exec, samples, plan.order.items(), plan.rows);
  if (s.ok()) s = fill_bytes(exec, plan.copied, 0, n);
  front_round<T> round{
      .rows = plan.rows, .rule = rule, .limit = first_candidates, .stays = plan.stays, .copied = plan.copied};
  if (s.ok()) s = run_front_round(exec, round);
  const flag_scan compact{plan.stays, plan.place, plan.list, t.samples};
  if (s.ok()) s = device_scan(exec, "flag_scan", compact, t.samples, plan.totals);
  round.limit = t.samples, round.list = plan.list, round.size = plan.place + n, round.place = plan.place;
  if (s.ok()) s = run_front_round(exec, round);
  const keep_positions keep{plan.order.items(), plan.stays, plan.copied, t.duplicates == duplicates::drop, flags};
  return s.ok() ? each_item(exec, "keep_positions", t.samples, keep) : s;
}

template <class T>
status run_fronts(const cuda& exec, const objective_table& t, pareto_algorithm method, const front_sinks& out) {
  const bool more = out.count.data != nullptr || out.indices.data != nullptr || out.index_offsets.data != nullptr;
  device_front_plan<T> plan;
  const auto carve = [&](arena& memory) { plan.carve(memory, t, method, more); };
  return with_carved(exec, carve, [&] {
    const device_samples samples{t, plan.owner};
    status s = find_owners(exec, t, t.groups, t.samples, plan.owner);
    const set_flags flags = plan.flag != nullptr
                                ? set_flags{plan.flag, 1}
                                : set_flags{static_cast<std::uint8_t*>(out.mask.data), out.mask.stride, false};
    if (s.ok()) s = plan.sorts ? sorted_fronts<T>(exec, samples, plan) : small_fronts<T>(exec, samples, flags);
    if (!s.ok() || plan.flag == nullptr) return s;
    const flag_scan scan{plan.flag, plan.place, nullptr, t.samples};
    if (plan.writes) s = device_scan(exec, "flag_scan", scan, t.samples, plan.totals);
    const bool per_sample = out.mask.data != nullptr || out.indices.data != nullptr;
    if (s.ok() && per_sample)
      s = each_item(exec, "write_mask", t.samples, write_mask{samples, plan.flag, plan.place, out, exec.report});
    const bool per_group = out.count.data != nullptr || out.index_offsets.data != nullptr;
    if (s.ok() && per_group)
      s = each_item(exec, "write_set_counts", t.groups + 1, write_set_counts{t, plan.place, out});
    return s;
  });
}

inline status run_non_dominated(const cuda& exec, const objective_table& t, pareto_algorithm method,
                                const front_sinks& out) {
  return t.needs_double() ? run_fronts<double>(exec, t, method, out) : run_fronts<float>(exec, t, method, out);
}

}  // namespace detail

// Bytes of workspace of non_dominated_set on CUDA, whatever outputs are asked for: linear in the elements of the
// samples. 0 for views that do not fit together.
template <space S>
std::size_t non_dominated_workspace(const cuda&, const non_dominated& options, const objective_samples<S>& in) {
  detail::objective_table t;
  if (!detail::make_objective_table(options.objectives, in, t).ok()) return 0;
  const auto bytes = [&](auto key) {
    detail::arena memory;
    detail::device_front_plan<decltype(key)> plan;
    plan.carve(memory, t, options.method, true);
    return detail::device_bytes(memory);
  };
  return t.needs_double() ? bytes(double{}) : bytes(float{});
}

}  // namespace PREFER_ABI
}  // namespace prefer
