// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/outputs.hpp>
#include <prefer/select/detail/present_rows.hpp>
#include <prefer/select/detail/sort_entries.hpp>
#include <prefer/select/objectives.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

// Crowding distance: how far the neighbours of a sample within its front are (Deb et al. 2002, section III-B). With the
// values of a front in objective k sorted,
//   distance(i) = sum over k of (next larger value - next smaller value) / (largest - smallest value) / copies,
// infinite for a sample that has the largest or the smallest value of some objective. As proposed here, so that the
// numbering of samples does not matter, "next" are different values and `copies` is how many samples of the front have
// this value: the mean of the textbook's answers over all orders of equal values. An objective in which all samples of
// the front are equal adds 0. A front of one sample has distance infinity.
// Infinite values count as the limit of a growing number: of -M and M for M to infinity. NaN by the nan_policy.
namespace prefer {

struct crowding {
  // Directions do not change distances; dominance, tolerances and duplicates play no part.
  prefer::objectives objectives = {};
};

template <space S>
struct crowding_inputs {
  objective_samples<S> samples = {};  // `violation` plays no part and is refused
  // [samples] int32 or int64: the fronts, as non_dominated_ranks numbers them; below 0: left out. Unless given, all
  // samples of a group are one front.
  input_view<1, S> rank = {};
};

template <space S>
struct crowding_outputs {
  output_view<1, S> distance = {};  // [samples] double, float, half or bfloat16; 0 for samples that are left out
};

inline namespace PREFER_ABI {
namespace detail {

struct crowding_call {
  objective_table table;  // without steps
  source rank;
  sink distance;

  // The front of a sample by its number in all groups, below 0 for none.
  PREFER_HD std::int64_t front_of(std::int64_t s) const {
    return rank.data == nullptr ? 0 : load_index(rank.data, rank.type, s * rank.stride);
  }
};

// What one objective adds for a value between its neighbours: `copies` samples have it. Halves keep the difference of
// large numbers finite.
PREFER_HD double crowding_term(double smaller, double larger, double smallest, double largest, double copies) {
  const double infinite = math::detail::infinity<double>();
  const int open = (largest == infinite) + (smallest == -infinite);
  if (open > 0) return static_cast<double>((larger == infinite) + (smaller == -infinite)) / open / copies;
  const double range = largest - smallest;
  if (range < infinite) return (larger - smaller) / range / copies;
  return (0.5 * larger - 0.5 * smaller) / (0.5 * largest - 0.5 * smallest) / copies;
}

template <space S>
status make_crowding_call(const crowding& options, const crowding_inputs<S>& in, const crowding_outputs<S>& out,
                          crowding_call& call) {
  using require::holds;
  if (const status s = make_objective_table(options.objectives, in.samples, call.table); !s.ok()) return s;
  if (in.samples.violation.given())
    return require::fail(errc::unused_input, "violation", "to be left out: distances are between objectives");
  call.table.stepped = false;
  call.rank = place_of(in.rank), call.distance = place_of(out.distance);
  if (!out.distance.given()) return require::fail(errc::missing_output, "distance", "the output to write");
  if (const status s = first_error(
          check_optional("rank", in.rank, call.table.samples, "the number of samples,", holds::indices),
          check_optional("distance", out.distance, call.table.samples, "the number of samples,", holds::numbers));
      !s.ok())
    return s;
  require::footprints<6, 1> all;
  read_samples(in.samples, all);
  all.read("rank", in.rank), all.write("distance", out.distance);
  return all.check();
}

// The memory of groups of n samples in all on the CPU.
template <class T>
struct crowding_memory {
  double* distance = nullptr;  // of all samples, unlike the rest, which the groups of a task share
  present_rows<T> present;
  sort_entry *order = nullptr, *spare = nullptr;
  double* sum = nullptr;

  void carve(arena& memory, const objective_table& t) {
    distance = memory.take<double>(t.samples);
    present.carve(memory, t.samples, t.count);
    order = memory.take<sort_entry>(t.samples);
    spare = memory.take<sort_entry>(t.samples);
    sum = memory.take<double>(t.samples);
  }
  crowding_memory part(std::int64_t first) const {
    crowding_memory m = *this;
    m.present = present.part(first);
    m.order += first, m.spare += first, m.sum += first;
    return m;
  }
};

// The distances of one group.
template <class T>
class crowding_search {
 public:
  crowding_search(isa level, const crowding_call& call, const group_rows& g, const crowding_memory<T>& memory)
      : level_(level), call_(call), group_(g), memory_(memory) {}

  // The answer is the first sample of the group that has a NaN, or -1.
  std::int64_t run() {
    double* const distance = memory_.distance + group_.first;
    std::fill_n(distance, group_.count, 0.0);
    memory_.present.gather(level_, call_.table, group_);
    const std::int64_t n = sort_by_front();
    for (std::int64_t i = 0, end; i < n; i = end) {
      const std::uint64_t front = memory_.order[i].key;
      for (end = i + 1; end < n && memory_.order[end].key == front;) ++end;
      measure(i, end);
    }
    for (std::int64_t i = 0; i < n; ++i) {
      const std::int64_t at = memory_.order[i].at;
      distance[memory_.present.index[at]] = memory_.sum[at];
    }
    return memory_.present.first_nan;
  }

 private:
  const isa level_;
  const crowding_call& call_;
  const group_rows& group_;
  crowding_memory<T> memory_;

  // How many samples are in a front.
  std::int64_t sort_by_front() {
    std::int64_t n = 0;
    for (std::int64_t i = 0; i < memory_.present.count; ++i) {
      const std::int64_t front = call_.front_of(group_.first + memory_.present.index[i]);
      if (front >= 0) memory_.order[n++] = {static_cast<std::uint64_t>(front), i};
    }
    if (call_.rank.data != nullptr) sort_by_key(memory_.order, memory_.spare, n);
    return n;
  }

  T value(std::int64_t position, int k) const { return memory_.present.row(memory_.order[position].at)[k]; }

  void measure(std::int64_t first, std::int64_t last) {
    const double alone = last - first == 1 ? math::detail::infinity<double>() : 0;
    for (std::int64_t i = first; i < last; ++i) memory_.sum[memory_.order[i].at] = alone;
    for (int k = 0; k < call_.table.count && last - first > 1; ++k) {
      sort_by_value(first, last, k);
      add_gaps(first, last, k);
    }
  }

  void sort_by_value(std::int64_t first, std::int64_t last, int k) {
    for (std::int64_t i = first; i < last; ++i) memory_.order[i].key = descending(value(i, k));
    if (last - first >= radix_from) return radix_sort(memory_.order + first, memory_.spare + first, last - first);
    // Samples of equal values may come in any order.
    std::sort(memory_.order + first, memory_.order + last,
              [](const sort_entry& a, const sort_entry& b) { return a.key < b.key; });
  }

  void add_gaps(std::int64_t first, std::int64_t last, int k) {
    const double largest = value(first, k), smallest = value(last - 1, k);
    if (!(largest > smallest)) return;
    for (std::int64_t i = first, end; i < last; i = end) {
      for (end = i + 1; end < last && memory_.order[end].key == memory_.order[i].key;) ++end;
      const bool inner = i > first && end < last;
      const double gap =
          inner ? crowding_term(value(end, k), value(i - 1, k), smallest, largest, static_cast<double>(end - i))
                : math::detail::infinity<double>();
      for (std::int64_t j = i; j < end; ++j) memory_.sum[memory_.order[j].at] += gap;
    }
  }
};

template <class T>
status run_crowding_of(const cpu& exec, isa level, const crowding_call& call) {
  crowding_memory<T> memory;
  arena measured;
  memory.carve(measured, call.table);
  host_scratch scratch;
  if (const status s = scratch.provide(exec.workspace, measured.bytes()); !s.ok()) return s;
  arena all(scratch.data);
  memory.carve(all, call.table);
  const objective_table& t = call.table;
  const group_tasks tasks(t);
  const std::int64_t nan = tasks.run(exec, [&](std::int64_t first, std::int64_t end, std::int64_t) {
    const crowding_memory<T> part = memory.part(t.group(first).first);
    std::int64_t found = -1;
    for (std::int64_t b = first; b < end; ++b) {
      const group_rows g = t.group(b);
      const std::int64_t at = crowding_search<T>(level, call, g, part).run();
      if (found < 0 && at >= 0) found = g.first + at;
    }
    return found;
  });
  if (nan >= 0 && t.nan == nan_policy::reject && exec.content != content::none) return nan_sample_of(t, nan);
  tasks.run(exec, [&](std::int64_t first, std::int64_t end, std::int64_t) {
    for (std::int64_t b = first; b < end; ++b) {
      const group_rows g = t.group(b);
      for (std::int64_t s = g.first; s < g.first + g.count; ++s) store_number(call.distance, s, memory.distance[s]);
    }
    return std::int64_t{-1};
  });
  return {};
}

template <class Exec>
status run_crowding(const Exec&, const crowding_call&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}

inline status run_crowding(const cpu& exec, const crowding_call& call) {
  isa level;
  if (const status s = first_error(resolve_isa(exec, level), check_runner(exec)); !s.ok()) return s;
  if (exec.content != content::none)
    if (const status s = check_group_offsets(call.table); !s.ok()) return s;
  return call.table.needs_double() ? run_crowding_of<double>(exec, level, call)
                                   : run_crowding_of<float>(exec, level, call);
}

}  // namespace detail

// Bytes of workspace of crowding_distances on the CPU: linear in the elements of the samples. 0 for views that do not
// fit together.
template <space S>
std::size_t crowding_distances_workspace(const cpu&, const crowding& options, const crowding_inputs<S>& in) {
  detail::objective_table t;
  if (!detail::make_objective_table(options.objectives, in.samples, t).ok()) return 0;
  t.stepped = false;
  detail::arena memory;
  if (t.needs_double())
    detail::crowding_memory<double>().carve(memory, t);
  else
    detail::crowding_memory<float>().carve(memory, t);
  return memory.bytes();
}

template <class Exec>
status crowding_distances(const Exec& exec, const crowding& options,
                          const std::type_identity_t<crowding_inputs<Exec::memory>>& in,
                          const std::type_identity_t<crowding_outputs<Exec::memory>>& out) {
  detail::crowding_call call;
  if (const status s = detail::make_crowding_call(options, in, out, call); !s.ok()) return s;
  return run_crowding(exec, call);
}

}  // namespace PREFER_ABI
}  // namespace prefer
