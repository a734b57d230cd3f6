// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/call_checks.hpp>
#include <prefer/select/hypervolume_contributions.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

// A few samples that cover much together: greedy selection by hypervolume.
namespace prefer {

struct hypervolume_subset {
  std::int64_t size = 1;               // how many of each group at most, 1 or more
  prefer::objectives objectives = {};  // directions and nan; the others as they are by default
  bool must_bound = false;  // whether a sample that does not exceed the reference in every objective is an error
};

// Any of them may be left out, not all.
template <space S>
struct subset_outputs {
  output_view<2, S> indices = {};      // [B, size] int32 or int64: numbers of samples as they were picked, then -1
  output_view<2, S> gain = {};         // [B, size]: what each pick adds to the hypervolume, then 0
  output_view<1, S> hypervolume = {};  // [B]: of the picks
};

inline namespace PREFER_ABI {
namespace detail {

// A matrix of indices with a row per group.
struct index_plane {
  void* data = nullptr;
  std::int64_t stride[2] = {};
  element type = element::none;

  PREFER_HD void write(std::int64_t b, std::int64_t i, std::int64_t x) const {
    if (data != nullptr) store_index(data, type, b * stride[0] + i * stride[1], x);
  }
};

struct subset_call {
  volume_table table;
  std::int64_t size = 0;
  index_plane indices;
  sample_plane gain, volume;
};

template <space S>
status make_subset_call(const hypervolume_subset& o, const hypervolume_inputs<S>& in, const subset_outputs<S>& out,
                        subset_call& c) {
  if (o.size < 1 || o.size > most_rows)
    return require::fail(errc::bad_parameter, "size", "1 or more, and no more than a group can have",
                         static_cast<double>(o.size));
  if (const status s = make_volume_table(o.objectives, in.samples, in.reference, in.group_reference, o.must_bound,
                                         c.table);
      !s.ok())
    return s;
  if (!out.indices.given() && !out.gain.given() && !out.hypervolume.given())
    return require::fail(errc::missing_output, "outputs", "at least one output to write");
  using require::holds;
  const std::int64_t groups = c.table.points.groups;
  const auto matrix = [&](const char* name, const auto& v, holds what) {
    return check_optional(name, v, groups, o.size, what);
  };
  if (const status s = first_error(matrix("indices", out.indices, holds::indices),
                                   matrix("gain", out.gain, holds::numbers));
      !s.ok())
    return s;
  if (out.hypervolume.given())
    if (const status s = require::vector("hypervolume", out.hypervolume, groups, "the number of groups,",
                                         holds::numbers);
        !s.ok())
      return s;
  require::footprints<7, 3> all;
  read_samples(in.samples, all);
  if (in.reference.given()) all.read(require::footprint_of("reference", in.reference));
  if (in.group_reference.given()) all.read(require::footprint_of("group_reference", in.group_reference));
  if (out.indices.given()) all.write(require::footprint_of("indices", out.indices));
  if (out.gain.given()) all.write(require::footprint_of("gain", out.gain));
  if (out.hypervolume.given()) all.write(require::footprint_of("hypervolume", out.hypervolume));
  c.size = o.size;
  if (out.indices.given()) c.indices = {out.indices.data, {out.indices.stride[0], out.indices.stride[1]},
                                        out.indices.type};
  c.gain = sample_plane_of(out.gain), c.volume = sample_plane_of(out.hypervolume);
  return all.check();
}

// What a sample would add, as it was when so many had been picked: never less than what it adds now.
struct subset_bound {
  double gain;
  std::int32_t row;
  std::int32_t picked;
  // The order of a heap: the largest on top, of equal ones the first.
  friend bool operator<(const subset_bound& a, const subset_bound& b) {
    return a.gain != b.gain ? a.gain < b.gain : a.row > b.row;
  }
};

struct subset_arrays {
  exclusive_arrays exclusive;  // whose points are the picks
  double *rows, *low;
  std::int32_t* ids;
  subset_bound* bound;
};
inline subset_arrays take_subset(arena& memory, std::int64_t n, int objectives) {
  subset_arrays a;
  a.exclusive = take_exclusive(memory, n + 9, objectives);
  a.rows = memory.take<double>(n * objectives), a.low = memory.take<double>(objectives);
  a.ids = memory.take<std::int32_t>(n);
  a.bound = memory.take<subset_bound>(n);
  return a;
}

// Picks as many as the group has slots and samples that add something; pick(slot, row, gain) is told.
template <class Pick>
struct subset_job {
  subset_arrays* arrays;
  std::int64_t n, size;
  int objectives;
  const Pick* pick;
};
template <class Pick>
struct subset_work {
  template <class V>
  static inline __attribute__((always_inline)) double gain_of(const subset_job<Pick>& job, std::int64_t row) {
    const exclusive_arrays& e = job.arrays->exclusive;
    for (int k = 0; k < job.objectives; ++k) e.raised[k] = job.arrays->low[k];
    volume_stack stack = e.stack;
    return exclusive_volume<V>(stack, e.points, job.objectives, job.arrays->rows + row * job.objectives, e.raised);
  }

  template <class Level>
  static inline __attribute__((always_inline)) void run(subset_job<Pick>& job) {
    using V = lane<double, Level>;
    subset_arrays& a = *job.arrays;
    point_columns& picks = a.exclusive.points;
    picks.count = 0;
    for (int k = 0; k < job.objectives; ++k)
      for (int i = 0; i < 8; ++i) picks.column(k)[i] = -math::detail::infinity<double>();
    subset_bound *const begin = a.bound, *end = begin + job.n;
    for (std::int64_t i = 0; i < job.n; ++i) begin[i] = {gain_of<V>(job, i), static_cast<std::int32_t>(i), 0};
    std::make_heap(begin, end);
    for (std::int32_t slot = 0; slot < job.size && begin != end;) {
      std::pop_heap(begin, end);
      subset_bound& best = end[-1];
      if (best.picked != slot) {
        best.gain = gain_of<V>(job, best.row), best.picked = slot;
        std::push_heap(begin, end);
        continue;
      }
      if (!(best.gain > 0)) return;
      put<V>(job, best.row);
      (*job.pick)(slot++, best.row, best.gain);
      --end;
    }
  }

  template <class V>
  static inline __attribute__((always_inline)) void put(const subset_job<Pick>& job, std::int64_t row) {
    exclusive_arrays& e = job.arrays->exclusive;
    const double* const p = job.arrays->rows + row * job.objectives;
    for (int k = 0; k < job.objectives; ++k) e.raised[k] = job.arrays->low[k];
    point_rows& limited = e.stack.frame[0].set;
    if (limit_front<V>(e.points, job.objectives, p, e.raised, limited))
      put_on_front(e.points, job.objectives, p, limited);
  }
};

struct subset_run {
  isa level;
  const subset_call& call;

  void group(std::int64_t b, arena memory) const {
    const volume_table& t = call.table;
    const group_rows g = t.points.group(b);
    subset_arrays a = take_subset(memory, g.count, t.points.count);
    const bool measurable = t.first_bad_low(b) < 0;
    const double nothing = measurable ? 0 : math::detail::not_a_number<double>();
    for (std::int64_t i = 0; i < call.size; ++i)
      call.indices.write(b, i, -1), call.gain.write(b, static_cast<int>(i), nothing);
    call.volume.write(b, 0, nothing);
    if (!measurable) return;
    const std::int64_t n = gather_points(t, b, a.low, a.rows, a.ids);
    double volume = 0;
    const auto pick = [&](std::int64_t slot, std::int64_t row, double gain) {
      call.indices.write(b, slot, g.first + a.ids[row]);
      call.gain.write(b, static_cast<int>(slot), gain);
      volume += gain;
    };
    if (t.points.count == 1) {
      pick_largest(a, n, pick);
    } else {
      subset_job<decltype(pick)> job{&a, n, call.size, t.points.count, &pick};
      run_at<subset_work<decltype(pick)>>(level, job);
    }
    call.volume.write(b, 0, volume);
  }

  // Of one objective the largest covers what all do.
  template <class Pick>
  static void pick_largest(const subset_arrays& a, std::int64_t n, const Pick& pick) {
    std::int64_t best = 0;
    for (std::int64_t i = 1; i < n; ++i)
      if (a.rows[i] > a.rows[best]) best = i;
    if (n > 0) pick(0, best, a.rows[best] - a.low[0]);
  }
};

template <class Exec>
status run_subsets(const Exec&, const subset_call&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}
inline status run_subsets(const cpu& exec, const subset_call& c) {
  isa level;
  if (const status s = resolve_isa(exec, level); !s.ok()) return s;
  if (const status s = check_volume_content(exec, c.table); !s.ok()) return s;
  const int k = c.table.points.count;
  const subset_run run{level, c};
  return for_volume_groups(
      exec, c.table.points, k, [=](arena& memory, std::int64_t n) { take_subset(memory, n, k); },
      [&](std::int64_t b, const arena& memory) { run.group(b, memory); });
}

}  // namespace detail

// Bytes of workspace for hypervolume_subsets on the CPU; the shapes decide.
inline std::size_t hypervolume_subsets_workspace(const cpu&, const hypervolume_subset&,
                                                 const hypervolume_inputs<space::host>& in) {
  detail::objective_table t;
  detail::count_samples(in.samples, t);
  if (t.groups == 0 || t.count == 0) return 0;
  const int k = t.count;
  return detail::volume_workspace([=](detail::arena& memory, std::int64_t n) { detail::take_subset(memory, n, k); },
                                  t.groups, t.samples);
}

// Picks up to `size` samples of every group, one after the other, each the one that adds most to the hypervolume of
// those picked before; ties to the lowest number. It stops when nothing adds anything. The hypervolume is submodular:
// the picks cover at least 1 - (1 - 1/size)^size > 63 % of what the best subset of that size does, and what a sample
// would add never grows, so that one is looked at again only when its last known gain is the largest (lazy greedy).
//
// Which samples count, directions, NaN, units, errors and accuracy are those of hypervolumes. Cost on the CPU: a
// contribution among the picks for each sample once, then for few of them per pick; memory O(n K) up to K = 3, O(n K^2)
// beyond. On CUDA all samples are looked at for every pick, with two launches each.
//
// Sources: Nemhauser, Wolsey, Fisher 1978 (the bound); Minoux 1978 (lazy); Bradstreet, While, Barone 2007 and
// Guerreiro, Fonseca, Paquete 2016 (greedy selection by hypervolume).
template <class Exec>
status hypervolume_subsets(const Exec& exec, const hypervolume_subset& options,
                           const std::type_identity_t<hypervolume_inputs<Exec::memory>>& in,
                           const std::type_identity_t<subset_outputs<Exec::memory>>& out) {
  detail::subset_call c;
  if (const status s = detail::make_subset_call(options, in, out, c); !s.ok()) return s;
  return run_subsets(exec, c);
}

}  // namespace PREFER_ABI
}  // namespace prefer
