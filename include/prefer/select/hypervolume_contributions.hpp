// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/call_checks.hpp>
#include <prefer/select/hypervolume.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

// What each sample alone adds to the hypervolume of its set.
namespace prefer {

// `front`: among the non-dominated samples; dominated ones have nothing and influence nobody. `all`: what the
// hypervolume loses without the sample, HV(S) - HV(S \ i); a dominated sample behind it takes some of that.
struct hypervolume_contribution {
  enum class rivals : std::uint8_t { front, all };

  prefer::objectives objectives = {};  // directions and nan; the others as they are by default
  hypervolume::algorithm method = hypervolume::algorithm::automatic;  // sweeps know `front` only
  bool must_bound = false;  // whether a sample that does not exceed the reference in every objective is an error
  rivals among = rivals::front;
};

// Any of them may be left out, not all.
template <space S>
struct contribution_outputs {
  output_view<1, S> contribution = {};  // [samples]
  output_view<1, S> least = {};  // [B] int32 or int64: the number of the sample that counts with the least; -1: none
};

inline namespace PREFER_ABI {
namespace detail {

struct contribution_call {
  volume_table table;
  hypervolume::algorithm method = hypervolume::algorithm::automatic;
  hypervolume_contribution::rivals among = hypervolume_contribution::rivals::front;
  sample_plane contribution;
  sink least;

  int objectives() const { return table.points.count; }
  bool filters() const { return among == hypervolume_contribution::rivals::front; }
};

inline bool sweeps_contributions(int objectives, hypervolume::algorithm method,
                                 hypervolume_contribution::rivals among) {
  return objectives <= 3 && method != hypervolume::algorithm::slices &&
         among == hypervolume_contribution::rivals::front;
}

template <space S>
status make_contribution_call(const hypervolume_contribution& o, const hypervolume_inputs<S>& in,
                              const contribution_outputs<S>& out, contribution_call& c) {
  if (const status s = make_volume_table(o.objectives, in.samples, in.reference, in.group_reference, o.must_bound,
                                         c.table);
      !s.ok())
    return s;
  if (const status s = check_volume_method(o.method, c.table); !s.ok()) return s;
  if (o.among > hypervolume_contribution::rivals::all)
    return require::fail(errc::bad_parameter, "among", "front or all", static_cast<int>(o.among));
  if (o.method == hypervolume::algorithm::sweep && o.among == hypervolume_contribution::rivals::all)
    return require::fail(errc::bad_parameter, "method", "slices (or automatic) among all samples",
                         static_cast<int>(o.method));
  if (!out.contribution.given() && !out.least.given())
    return require::fail(errc::missing_output, "outputs", "at least one output to write");
  const objective_table& t = c.table.points;
  const auto vector = [](const char* name, const auto& v, std::int64_t n, const char* whose, require::holds what) {
    return check_optional(name, v, n, whose, what);
  };
  using require::holds;
  if (const status s =
          first_error(vector("contribution", out.contribution, t.samples, "the number of samples,", holds::numbers),
                      vector("least", out.least, t.groups, "the number of groups,", holds::indices));
      !s.ok())
    return s;
  require::footprints<7, 2> all;
  read_samples(in.samples, all);
  if (in.reference.given()) all.read(require::footprint_of("reference", in.reference));
  if (in.group_reference.given()) all.read(require::footprint_of("group_reference", in.group_reference));
  if (out.contribution.given()) all.write(require::footprint_of("contribution", out.contribution));
  if (out.least.given()) all.write(require::footprint_of("least", out.least));
  c.method = o.method, c.among = o.among;
  c.contribution = sample_plane_of(out.contribution);
  if (out.least.given()) c.least = {out.least.data, out.least.stride[0], out.least.type};
  return all.check();
}

// As tasks_of: here all points are apart from the start.
inline int contribution_tasks(std::int64_t groups, std::int64_t n, bool sweeps) {
  return groups == 1 && !sweeps && n >= volume_task_points ? volume_tasks : 1;
}

// One task's share of the exclusive volumes.
struct exclusive_job {
  const volume_arrays* arrays;
  std::int64_t n;
  int objectives;
  std::int64_t first, last;
  volume_stack stack;
  point_columns points;
  double* raised;
};
struct exclusive_work {
  template <class Level>
  static inline __attribute__((always_inline)) void run(exclusive_job& job) {
    const double nowhere = -math::detail::infinity<double>();
    const int objectives = job.objectives;
    const point_columns& c = job.points;
    for (int k = 0; k < objectives; ++k) {
      for (std::int64_t i = 0; i < job.n; ++i) c.column(k)[i] = job.arrays->sorted[i * objectives + k];
      for (std::int64_t i = job.n; i < padded(job.n); ++i) c.column(k)[i] = nowhere;
    }
    for (std::int64_t i = job.first; i < job.last; ++i) {
      const double* const p = job.arrays->sorted + i * objectives;
      for (int k = 0; k < objectives; ++k) job.raised[k] = job.arrays->turned[k];
      c.column(0)[i] = nowhere;  // it does not see itself
      job.arrays->value[i] = exclusive_volume<lane<double, Level>>(job.stack, c, objectives, p, job.raised);
      c.column(0)[i] = p[0];
    }
  }
};

// value[i] = covered for a point that one of those before it dominates; points differ.
struct front_work {
  template <class Level>
  static inline __attribute__((always_inline)) void run(slices_job& job) {
    using V = lane<double, Level>;
    const int below = job.objectives - 1;
    volume_frame &f = job.stack.frame[0], &inner = job.stack.frame[1];
    f.begin(job.arrays->turned, job.objectives);
    for (std::int64_t i = 0; i < job.n; ++i) {
      const double* const p = job.arrays->sorted + i * job.objectives;
      for (int k = 0; k < below; ++k) f.raised[k] = f.low[k];
      const bool adds = limit_front<V>(f.front, below, p, f.raised, inner.set);
      if (adds) put_on_front(f.front, below, p, inner.set);
      job.arrays->value[i] = adds ? 0 : covered;
    }
  }
};

struct exclusive_arrays {
  volume_stack stack;
  point_columns points;
  double* raised;
};
inline exclusive_arrays take_exclusive(arena& memory, std::int64_t n, int objectives) {
  exclusive_arrays a;
  a.stack = take_stack(memory, n, objectives, true);
  a.points = {memory.take<double>(padded(n) * objectives), padded(n), n};
  a.raised = memory.take<double>(objectives);
  return a;
}

struct contribution_run {
  const cpu& exec;
  isa level;
  const contribution_call& call;
  int tasks;

  bool sweeps() const { return sweeps_contributions(call.objectives(), call.method, call.among); }

  static bool equal(const double* p, const double* q, int objectives) {
    for (int k = 0; k < objectives; ++k)
      if (p[k] != q[k]) return false;
    return true;
  }

  // Keeps the first of equal points in `sorted`, `order` and, if there are others, turns that row's key to 1.
  std::int64_t merge_equal(const volume_arrays& a, std::int64_t n) const {
    const int k = call.objectives();
    std::int64_t kept = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      const double* const p = a.sorted + i * k;
      if (kept > 0 && equal(p, a.sorted + (kept - 1) * k, k)) {
        a.order[kept - 1].key = 1;
        continue;
      }
      keep(a, i, kept++);
      a.order[kept - 1].key = 0;
    }
    return kept;
  }
  void keep(const volume_arrays& a, std::int64_t from, std::int64_t to) const {
    const int k = call.objectives();
    if (from == to) return;
    a.order[to] = a.order[from];
    for (int j = 0; j < k; ++j) a.sorted[to * k + j] = a.sorted[from * k + j];
  }

  // Keeps the points that no other dominates.
  std::int64_t filter(const volume_arrays& a, std::int64_t n, arena memory, std::int64_t room) const {
    const int k = call.objectives();
    if (k == 1) return smaller(n, 1);
    if (k == 2) {
      gains_of_two(a.sorted, n, a.turned, a.value);
    } else if (k == 3) {
      ranked_stairs stairs(memory, room);
      gains_of_three(a.sorted, n, a.turned, stairs, a.value);
    } else {
      slices_job job{&a, n, k, 0, n, take_stack(memory, room, k, true)};
      run_at<front_work>(level, job);
    }
    std::int64_t kept = 0;
    for (std::int64_t i = 0; i < n; ++i)
      if (a.value[i] != covered) keep(a, i, kept++);
    return kept;
  }

  void shares(const volume_arrays& a, std::int64_t n, arena memory, std::int64_t room) const {
    const int k = call.objectives();
    if (k == 1) {
      const double rival = n > 1 ? a.sorted[1] : a.turned[0];
      for (std::int64_t i = 0; i < n; ++i) a.value[i] = i == 0 ? a.sorted[0] - rival : 0;
    } else if (!sweeps()) {
      shares_by_slices(a, n, memory, room);
    } else if (k == 2) {
      shares_of_two(a.sorted, n, a.turned, a.value);
    } else {
      ranked_stairs stairs(memory, room);
      share_boxes boxes = take_share_boxes(memory, room);
      shares_of_three(a.sorted, n, a.turned, stairs, boxes, a.value);
    }
  }

  void shares_by_slices(const volume_arrays& a, std::int64_t n, arena memory, std::int64_t room) const {
    const int k = call.objectives();
    exclusive_arrays own[volume_tasks];
    for (int t = 0; t < tasks; ++t) own[t] = take_exclusive(memory, room, k);
    for_blocks(exec, tasks, tasks * items_per_task, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t t = first; t < last; ++t) {
        exclusive_job job{&a,           n, k, n * t / tasks, n * (t + 1) / tasks, own[t].stack, own[t].points,
                          own[t].raised};
        job.points.count = n;
        run_at<exclusive_work>(level, job);
      }
    });
  }

  void group(std::int64_t b, arena memory) const {
    const group_rows g = call.table.points.group(b);
    const int k = call.objectives();
    const volume_arrays a = take_volume_arrays(memory, g.count, k);
    const bool measurable = call.table.first_bad_low(b) < 0;
    for (std::int64_t i = 0; i < g.count; ++i)
      call.contribution.write(g.first + i, 0, measurable ? 0 : math::detail::not_a_number<double>());
    write_least(b, -1);
    if (!measurable) return;
    const std::int64_t counting = gather_points(call.table, b, a.low, a.rows, a.ids);
    sort_points(a, counting, k, k - 1);
    std::int64_t n = merge_equal(a, counting);
    if (call.filters()) n = filter(a, n, memory, g.count);
    shares(a, n, memory, g.count);
    for (std::int64_t i = 0; i < n; ++i) {
      if (a.order[i].key != 0) a.value[i] = 0;  // another is equal
      call.contribution.write(g.first + a.ids[a.order[i].row], 0, a.value[i]);
    }
    if (call.least.data != nullptr) find_least(a, b, g, n, counting);
  }

  // Of all that count, not only those that were kept: the others have 0.
  void find_least(const volume_arrays& a, std::int64_t b, const group_rows& g, std::int64_t n,
                  std::int64_t counting) const {
    if (counting == 0) return;
    for (std::int64_t i = 0; i < counting; ++i) a.rows[i] = 0;
    for (std::int64_t i = 0; i < n; ++i) a.rows[a.order[i].row] = a.value[i];
    std::int64_t least = 0;
    for (std::int64_t i = 1; i < counting; ++i)
      if (a.rows[i] < a.rows[least]) least = i;
    write_least(b, g.first + a.ids[least]);
  }
  void write_least(std::int64_t b, std::int64_t sample) const {
    if (call.least.data != nullptr) store_index(call.least.data, call.least.type, b * call.least.stride, sample);
  }

  static share_boxes take_share_boxes(arena& memory, std::int64_t n) {
    share_boxes b;
    b.box = memory.take<share_box>(2 * n);
    b.first = memory.take<std::int32_t>(n);
    b.volume = memory.take<double>(n);
    return b;
  }
};

inline auto contribution_arrays(std::int64_t groups, int objectives, hypervolume::algorithm method,
                                hypervolume_contribution::rivals among) {
  return [=](arena& memory, std::int64_t n) {
    take_volume_arrays(memory, n, objectives);
    const std::size_t start = memory.mark();
    if (objectives == 3) {
      ranked_stairs(memory, n);
      contribution_run::take_share_boxes(memory, n);
      memory.release(start);
    }
    if (sweeps_contributions(objectives, method, among)) return;
    for (int t = 0; t < contribution_tasks(groups, n, false); ++t) take_exclusive(memory, n, objectives);
  };
}

template <class Exec>
status run_contributions(const Exec&, const contribution_call&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}
inline status run_contributions(const cpu& exec, const contribution_call& c) {
  isa level;
  if (const status s = resolve_isa(exec, level); !s.ok()) return s;
  if (const status s = check_volume_content(exec, c.table); !s.ok()) return s;
  const objective_table& t = c.table.points;
  const bool sweeps = sweeps_contributions(t.count, c.method, c.among);
  const contribution_run run{exec, level, c, tasks_on(exec, contribution_tasks(t.groups, t.per_group, sweeps))};
  return for_volume_groups(exec, t, t.count, contribution_arrays(t.groups, t.count, c.method, c.among),
                           [&](std::int64_t b, const arena& memory) { run.group(b, memory); });
}

}  // namespace detail

// Bytes of workspace for hypervolume_contributions on the CPU; the shapes and the options decide.
inline std::size_t hypervolume_contributions_workspace(const cpu&, const hypervolume_contribution& options,
                                                       const hypervolume_inputs<space::host>& in) {
  detail::objective_table t;
  detail::count_samples(in.samples, t);
  if (t.groups == 0 || t.count == 0) return 0;
  return detail::volume_workspace(detail::contribution_arrays(t.groups, t.count, options.method, options.among),
                                  t.groups, t.samples);
}

// What each sample alone covers, its exclusive volume:
//
//   contribution_i = HV(S) - HV(S without i)      S: the non-dominated samples (rivals::front) or all (rivals::all)
//
// computed as the volume of what only i covers, never as a difference of two hypervolumes. A dominated sample has 0,
// and so have equal ones, since the others still cover what one does. `least` is the number of the sample with the
// least contribution among those that count (see hypervolumes), ties to the lowest: the one to drop; -1 if none counts.
// A sample with an infinite reward that nothing dominates or equals has an infinite contribution; others are finite.
//
// Which samples count, directions, NaN, units, errors and the accuracy are those of hypervolumes; a contribution's
// error is some roundings of the sample's raised box, which is as small as its neighbours let it be.
//
// Methods: K = 1 the two largest; K = 2 neighbours, K = 3 one sweep that keeps what only one sample covers as boxes,
// both n log n; beyond K = 3, among all, and with `slices`, one limited set per sample (n^2 K / lanes and the volumes
// of these sets). On CUDA a thread per sample looks at all others. Memory as for hypervolumes.
//
// Sources: Emmerich, Fonseca 2011 (three objectives); Bradstreet, While, Barone 2010 (exclusive volumes of limited
// sets); the raised reference is proposed here.
template <class Exec>
status hypervolume_contributions(const Exec& exec, const hypervolume_contribution& options,
                                 const std::type_identity_t<hypervolume_inputs<Exec::memory>>& in,
                                 const std::type_identity_t<contribution_outputs<Exec::memory>>& out) {
  detail::contribution_call c;
  if (const status s = detail::make_contribution_call(options, in, out, c); !s.ok()) return s;
  return run_contributions(exec, c);
}

}  // namespace PREFER_ABI
}  // namespace prefer
