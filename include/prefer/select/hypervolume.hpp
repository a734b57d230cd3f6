// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/dispatch.hpp>
#include <prefer/backend/cpu/map_reduce.hpp>
#include <prefer/select/detail/volume_points.hpp>
#include <prefer/select/detail/volume_sweep.hpp>
#include <prefer/select/objectives.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

// The hypervolume of sets of samples: the volume of what they dominate, measured from a reference point; and its
// gradient by the rewards.
namespace prefer {

// How it is computed; every choice has the same answer but for rounding.
struct hypervolume {
  // `sweep`: one pass over sorted points, n log n, for up to three objectives. `slices`: exclusive volumes of limited
  // sets, for any number. `automatic`: sweep if K is at most 3, on CUDA if it is at most 2 and groups are large.
  enum class algorithm : std::uint8_t { automatic, sweep, slices };

  prefer::objectives objectives = {};  // directions and nan; the others as they are by default
  algorithm method = algorithm::automatic;
  bool must_bound = false;  // whether a sample that does not exceed the reference in every objective is an error
};

template <space S>
struct hypervolume_inputs {
  objective_samples<S> samples = {};
  input_view<1, S> reference = {};        // [K]: the point that volumes are measured from; finite
  input_view<2, S> group_reference = {};  // or one for each group, [B, K]
};

// Any of them may be left out, not both.
template <space S>
struct hypervolume_outputs {
  output_view<1, S> hypervolume = {};   // [B]
  output_view<2, S> grad_rewards = {};  // [samples, K]: of the hypervolume of the sample's group
};

inline namespace PREFER_ABI {
namespace detail {

// A call on either backend.
struct hypervolume_call {
  volume_table table;
  hypervolume::algorithm method = hypervolume::algorithm::automatic;
  sample_plane volume, grad_rewards;

  int objectives() const { return table.points.count; }
  bool sweeps() const { return objectives() <= 3 && method != hypervolume::algorithm::slices; }
};

inline status check_volume_method(hypervolume::algorithm method, const volume_table& t) {
  if (method > hypervolume::algorithm::slices)
    return require::fail(errc::bad_parameter, "method", "automatic, sweep or slices", static_cast<int>(method));
  if (method == hypervolume::algorithm::sweep && t.points.count > 3)
    return require::fail(errc::bad_parameter, "method", "slices (or automatic) beyond three objectives",
                         static_cast<int>(method));
  return {};
}

template <space S>
status make_hypervolume_call(const hypervolume& o, const hypervolume_inputs<S>& in, const hypervolume_outputs<S>& out,
                             hypervolume_call& c) {
  if (const status s = make_volume_table(o.objectives, in.samples, in.reference, in.group_reference, o.must_bound,
                                         c.table);
      !s.ok())
    return s;
  if (const status s = check_volume_method(o.method, c.table); !s.ok()) return s;
  if (!out.hypervolume.given() && !out.grad_rewards.given())
    return require::fail(errc::missing_output, "outputs", "at least one output to write");
  const objective_table& t = c.table.points;
  if (out.hypervolume.given())
    if (const status s = require::vector("hypervolume", out.hypervolume, t.groups, "the number of groups,",
                                         require::holds::numbers);
        !s.ok())
      return s;
  if (out.grad_rewards.given())
    if (const status s = require::matrix("grad_rewards", out.grad_rewards, t.samples, t.count); !s.ok()) return s;
  require::footprints<7, 2> all;
  read_samples(in.samples, all);
  if (in.reference.given()) all.read(require::footprint_of("reference", in.reference));
  if (in.group_reference.given()) all.read(require::footprint_of("group_reference", in.group_reference));
  if (out.hypervolume.given()) all.write(require::footprint_of("hypervolume", out.hypervolume));
  if (out.grad_rewards.given()) all.write(require::footprint_of("grad_rewards", out.grad_rewards));
  c.method = o.method;
  c.volume = sample_plane_of(out.hypervolume), c.grad_rewards = sample_plane_of(out.grad_rewards);
  return all.check();
}

// With threads, one large set of five or more objectives is cut into so many tasks, each with arrays of its own. The
// front that a task begins with is built before, on one thread, which is most of the work for four objectives.
inline constexpr int volume_tasks = 8;
inline constexpr std::int64_t volume_task_points = 64;  // a smaller set is one task

inline int tasks_of(std::int64_t groups, std::int64_t n, int objectives) {
  return groups == 1 && objectives > 4 && n >= volume_task_points ? volume_tasks : 1;
}
inline int tasks_on(const cpu& exec, int tasks) { return exec.pool || exec.parallel_for ? tasks : 1; }

// A group's points in order, and the arrays to compute with.
struct volume_arrays {
  double *rows, *sorted;  // [n, K]
  double *low, *turned;   // [K]: the reference, and with the objectives in the order of `sorted`
  double* value;          // [n]
  std::int32_t* ids;      // [n]
  ordered_row *order, *other;
};
inline volume_arrays take_volume_arrays(arena& memory, std::int64_t n, int objectives) {
  volume_arrays a;
  a.rows = memory.take<double>(n * objectives), a.sorted = memory.take<double>(n * objectives);
  a.low = memory.take<double>(objectives), a.turned = memory.take<double>(objectives);
  a.value = memory.take<double>(n);
  a.ids = memory.take<std::int32_t>(n);
  a.order = memory.take<ordered_row>(n), a.other = memory.take<ordered_row>(n);
  return a;
}

// Orders n rows by objective `last`, which becomes the last one of `sorted`.
inline void sort_points(const volume_arrays& a, std::int64_t n, int objectives, int last) {
  order_rows(a.rows, n, objectives, last, a.order, a.other);
  const auto turn = [&](const double* from, double* to) {
    for (int k = 0; k < last; ++k) to[k] = from[k];
    for (int k = last + 1; k < objectives; ++k) to[k - 1] = from[k];
    to[objectives - 1] = from[last];
  };
  for (std::int64_t i = 0; i < n; ++i)
    turn(a.rows + std::int64_t{a.order[i].row} * objectives, a.sorted + i * objectives);
  turn(a.low, a.turned);
}

// The part of what points add that one task computes.
struct slices_job {
  const volume_arrays* arrays;
  std::int64_t n;
  int objectives;
  std::int64_t first, last;
  volume_stack stack;
};
struct slices_work {
  template <class Level>
  static inline __attribute__((always_inline)) void run(slices_job& job) {
    job.stack.frame[0].next = job.first;
    volume_of_frames<lane<double, Level>>(job.stack, job.objectives, job.last, job.arrays->value);
  }
};

// Builds the fronts that tasks begin with: the points before the first one of task t, in the first frame of stacks[t].
struct begin_slices_job {
  const volume_arrays* arrays;
  std::int64_t n;
  int objectives, tasks;
  volume_stack* stacks;
};
struct begin_slices_work {
  template <class Level>
  static inline __attribute__((always_inline)) void run(begin_slices_job& job) {
    const int below = job.objectives - 1;
    for (int t = 0; t < job.tasks; ++t) {
      volume_frame& f = job.stacks[t].frame[0];
      f.set.data = job.arrays->sorted, f.set.count = job.n;
      f.begin(job.arrays->turned, job.objectives);
    }
    for (int t = 1; t < job.tasks; ++t) {
      volume_frame &f = job.stacks[t].frame[0], &inner = job.stacks[t].frame[1];
      const point_columns& before = job.stacks[t - 1].frame[0].front;
      f.front.count = before.count;
      for (int k = 0; k < below; ++k) std::copy_n(before.column(k), padded(before.count + 1), f.front.column(k));
      for (std::int64_t i = job.n * (t - 1) / job.tasks; i < job.n * t / job.tasks; ++i) {
        const double* const p = f.set.row(i, job.objectives);
        for (int k = 0; k < below; ++k) f.raised[k] = f.low[k];
        if (limit_front<lane<double, Level>>(f.front, below, p, f.raised, inner.set))
          put_on_front(f.front, below, p, inner.set);
      }
    }
  }
};

// value[i] = what point i adds to the projection of those before it along the last objective.
inline void gains_by_slices(const cpu& exec, isa level, const volume_arrays& a, std::int64_t n, int objectives,
                            arena memory, std::int64_t room, int tasks) {
  volume_stack stacks[volume_tasks];
  for (int t = 0; t < tasks; ++t) stacks[t] = take_stack(memory, room, objectives, false);
  begin_slices_job begin{&a, n, objectives, tasks, stacks};
  run_at<begin_slices_work>(level, begin);
  for_blocks(exec, tasks, tasks * items_per_task, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t t = first; t < last; ++t) {
      slices_job job{&a, n, objectives, n * t / tasks, n * (t + 1) / tasks, stacks[t]};
      run_at<slices_work>(level, job);
    }
  });
}

// A sum of numbers that are not negative: tiles of them, then the tiles.
template <class F>
double sum_in_tiles(std::int64_t n, const F& f) {
  constexpr std::int64_t tile = 512;
  double all = 0;
  for (std::int64_t first = 0; first < n; first += tile) {
    double sum = 0;
    for (std::int64_t i = first; i < n && i < first + tile; ++i) sum += f(i);
    all += sum;
  }
  return all;
}

// What a whole call, or its only group, needs besides volume_arrays.
inline void take_gain_arrays(arena& memory, std::int64_t n, int objectives, bool sweeps, int tasks) {
  if (sweeps) {
    if (objectives == 3) ranked_stairs(memory, n);
    return;
  }
  for (int t = 0; t < tasks; ++t) take_stack(memory, n, objectives, false);
}

struct hypervolume_run {
  const cpu& exec;
  isa level;
  const hypervolume_call& call;
  int tasks;

  void gains(const volume_arrays& a, std::int64_t n, arena memory, std::int64_t room) const {
    const int k = call.objectives();
    if (k == 1) {
      for (std::int64_t i = 0; i < n; ++i) a.value[i] = i == 0 ? 1 : covered;
    } else if (!call.sweeps()) {
      gains_by_slices(exec, level, a, n, k, memory, room, tasks);
    } else if (k == 2) {
      gains_of_two(a.sorted, n, a.turned, a.value);
    } else {
      ranked_stairs stairs(memory, n);
      gains_of_three(a.sorted, n, a.turned, stairs, a.value);
    }
  }

  void write_gradient(const volume_arrays& a, const group_rows& g, std::int64_t n, int objective) const {
    const double sign = call.table.points.minimizes(objective) ? -1 : 1;
    for (std::int64_t i = 0; i < n; ++i)
      if (a.value[i] > 0)
        call.grad_rewards.write(g.first + a.ids[a.order[i].row], objective, sign * a.value[i]);
  }

  void group(std::int64_t b, arena memory) const {
    const group_rows g = call.table.points.group(b);
    const int k = call.objectives();
    const volume_arrays a = take_volume_arrays(memory, g.count, k);
    const bool wants_gradient = call.grad_rewards.data != nullptr;
    const int bad = call.table.first_bad_low(b);
    const double nothing = bad < 0 ? 0 : math::detail::not_a_number<double>();
    if (wants_gradient)
      for (std::int64_t i = 0; i < g.count; ++i)
        for (int j = 0; j < k; ++j) call.grad_rewards.write(g.first + i, j, nothing);
    if (bad >= 0) return call.volume.write(b, 0, nothing);
    const std::int64_t n = gather_points(call.table, b, a.low, a.rows, a.ids);
    for (int last = wants_gradient ? 0 : k - 1; last < k; ++last) {
      sort_points(a, n, k, last);
      gains(a, n, memory, g.count);
      if (wants_gradient) write_gradient(a, g, n, last);
    }
    call.volume.write(b, 0, sum_in_tiles(n, [&](std::int64_t i) {
                             const double* const p = a.sorted + i * k;
                             return a.value[i] > 0 ? a.value[i] * (p[k - 1] - a.turned[k - 1]) : 0.0;
                           }));
  }
};

// Bytes for groups of any sizes that add up to n: linear in n, so that every run of groups has a place of its own,
// which is enough for each of them. `take` takes the arrays of one group of n points.
template <class Take>
struct group_bytes {
  std::size_t per_point = 0, per_group = 0;

  explicit group_bytes(const Take& take) {
    constexpr std::int64_t many = 1 << 20, few = 16;
    const auto bytes = [&](std::int64_t n) {
      arena a;
      take(a, n);
      return a.bytes();
    };
    per_group = bytes(few);
    per_point = (bytes(many) - bytes(0) + many - 1) / many;
  }
  std::size_t before(std::int64_t points, std::int64_t groups) const {
    return (per_point * static_cast<std::size_t>(points) + per_group * static_cast<std::size_t>(groups) +
            arena::alignment - 1) /
           arena::alignment * arena::alignment;
  }
};

// Runs f(group, memory) for all groups of a call, on the caller's threads, with what take(arena, n) measures for each.
template <class Take, class F>
status for_volume_groups(const cpu& exec, const objective_table& t, int objectives, const Take& take, const F& f) {
  if (t.groups == 0) return {};
  if (t.groups == 1) {
    arena measured, memory;
    take(measured, t.per_group);
    if (const status s = lend(exec, measured, memory); !s.ok()) return s;
    f(std::int64_t{0}, memory);
    return {};
  }
  const group_bytes<Take> bytes(take);
  return with_scratch(exec, bytes.before(t.samples, t.groups), [&](void* scratch, const cpu&) {
    const std::int64_t work = t.samples * objectives * 16;
    for_blocks(exec, smaller(t.groups, max_blocks), work, [&](std::int64_t first, std::int64_t last) {
      const std::int64_t blocks = smaller(t.groups, max_blocks);
      const std::int64_t begin = t.groups * first / blocks, end = t.groups * last / blocks;
      if (begin == end) return;
      const arena memory(static_cast<char*>(scratch) + bytes.before(t.group(begin).first, begin));
      for (std::int64_t b = begin; b < end; ++b) f(b, memory);
    });
    return status{};
  });
}

template <class Take>
std::size_t volume_workspace(const Take& take, std::int64_t groups, std::int64_t samples) {
  if (groups == 1) {
    arena a;
    take(a, samples);
    return a.bytes();
  }
  return group_bytes<Take>(take).before(samples, groups) + arena::alignment;
}

// The shapes of a call's samples, whether or not they are right; for sizes of workspaces.
template <space S>
void count_samples(const objective_samples<S>& s, objective_table& t) {
  const auto& flat = s.rewards;
  const auto& grouped = s.reward_groups;
  const auto at_least_0 = [](std::int64_t x) { return x < 0 ? 0 : x; };
  t.groups = at_least_0(flat.given() ? (s.offsets.given() ? s.offsets.extent[0] - 1 : 1) : grouped.extent[0]);
  t.per_group = at_least_0(flat.given() ? flat.extent[0] : grouped.extent[1]);
  t.samples = flat.given() ? t.per_group : t.groups * t.per_group;
  const std::int64_t k = at_least_0(flat.given() ? flat.extent[1] : grouped.extent[2]);
  t.count = static_cast<int>(smaller(k, objectives::most));
  if (s.offsets.given()) t.offsets.data = s.offsets.data;
}

inline auto hypervolume_arrays(std::int64_t groups, int objectives, hypervolume::algorithm method) {
  return [=](arena& memory, std::int64_t n) {
    const bool sweeps = objectives <= 3 && method != hypervolume::algorithm::slices;
    take_volume_arrays(memory, n, objectives);
    take_gain_arrays(memory, n, objectives, sweeps, tasks_of(groups, n, objectives));
  };
}

template <class Exec>
status run_hypervolumes(const Exec&, const hypervolume_call&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}
inline status run_hypervolumes(const cpu& exec, const hypervolume_call& c) {
  isa level;
  if (const status s = resolve_isa(exec, level); !s.ok()) return s;
  if (const status s = check_volume_content(exec, c.table); !s.ok()) return s;
  const objective_table& t = c.table.points;
  const int tasks = tasks_on(exec, tasks_of(t.groups, t.per_group, t.count));
  const hypervolume_run run{exec, level, c, tasks};
  return for_volume_groups(exec, t, t.count, hypervolume_arrays(t.groups, t.count, c.method),
                           [&](std::int64_t b, const arena& memory) { run.group(b, memory); });
}

}  // namespace detail

// Bytes of workspace for hypervolumes on the CPU; the shapes and the method decide.
inline std::size_t hypervolume_workspace(const cpu&, const hypervolume& options,
                                         const hypervolume_inputs<space::host>& in) {
  detail::objective_table t;
  detail::count_samples(in.samples, t);
  if (t.groups == 0 || t.count == 0) return 0;
  return detail::volume_workspace(detail::hypervolume_arrays(t.groups, t.count, options.method), t.groups, t.samples);
}

// The hypervolume of every group S under its reference r, and its derivative by every reward:
//
//   HV(S) = volume of the union over samples z of S of the boxes from r to z
//   d HV / d z_k = area of the facet of z's box that looks along objective k and that no other box covers
//
// Objectives are maximised unless `directions` say otherwise; d HV / d reward has the sign of the direction. Units are
// the product of the rewards' units. A sample that does not exceed r in every objective (one on the reference, say)
// covers nothing and has the gradient 0, or is an error with must_bound; so does one that the mask leaves out, that is
// not feasible (violation > 0), or that holds a NaN (nan_policy: worst and ignore are the same here, reject is an
// error). The volume of no samples is 0. A reward of +infinity makes the volume infinite, and the facets it bounds;
// -infinity never exceeds the reference. Finite volumes that double does not hold become infinite.
//
// The volume has kinks where two samples have an objective in common. There the gradient is the limit of those nearby:
// of samples that share z_k the one that is larger in the first objective (then the second, ...) counts as higher, of
// equal samples the first. So a dominated sample has the gradient 0, equal ones leave it to the first, and always
//
//   sum_i d HV / d z_ik = volume of the projection along k          sum_ik (z_ik - r_k) d HV / d z_ik = K HV
//
// Methods: K = 1 the largest; K = 2 sort and scan, K = 3 sort and sweep over stairs kept in a set of ranks, both
// n log n; from K = 4 on (and with `slices`) exclusive volumes of limited sets (WFG) with raised references: n m for
// K = 4, m being the front of three objectives so far, exponential in K. The gradient is K such passes. Memory is
// O(n K) up to K = 4 and O(n K^2) beyond (times 8 for one set, for its tasks). On CUDA a thread per sample and
// objective looks at all others, n^2 K, from K = 4 on with 64 MB of scratch, or O(n K^2) if one thread needs more; one
// set of two objectives from 4096 samples on is sorted and scanned.
//
// Computed in double; every coordinate difference is rounded once, and sums are of positive numbers but for the area
// that others take from a box: the relative error is some n roundings for K <= 3, and for K >= 4 some roundings of each
// sample's (raised) box. The same bits for any number of threads, whatever groups are in the call.
//
// Errors: shapes, element types, memory that overlaps, what is missing or not used (tolerances, dominance and
// duplicates have no meaning here); on the CPU also offsets, a reference that is not finite, NaN where rejected, a
// sample that must be bounded and is not. On CUDA a group with bad offsets, reference or bounds is NaN and reported
// (with its number), a NaN that is rejected is ignored and reported (with its sample).
//
// Sources: Zitzler, Thiele 1998 (the measure); While, Bradstreet, Barone 2012 (WFG); Beume et al. 2009 (three
// objectives, n log n); Emmerich, Deutz 2014 (facets as the gradient). Raising the reference of a limited set, and the
// gradient at ties, are reconstructed or proposed here.
template <class Exec>
status hypervolumes(const Exec& exec, const hypervolume& options,
                    const std::type_identity_t<hypervolume_inputs<Exec::memory>>& in,
                    const std::type_identity_t<hypervolume_outputs<Exec::memory>>& out) {
  detail::hypervolume_call c;
  if (const status s = detail::make_hypervolume_call(options, in, out, c); !s.ok()) return s;
  return run_hypervolumes(exec, c);
}

}  // namespace PREFER_ABI
}  // namespace prefer
