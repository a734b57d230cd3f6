// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/for_groups.hpp>
#include <prefer/backend/cpu/nearest.hpp>
#include <prefer/core/call_checks.hpp>
#include <prefer/core/scalar.hpp>
#include <prefer/core/sortable.hpp>
#include <prefer/shape/detail/samples.hpp>
#include <prefer/shape/metric.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

// The empirical Lipschitz constant of a function from its values at N samples, and who sets it.
namespace prefer {

// How steep values may not look: differences up to `tolerance` are noise. With tolerance 2 e the constant is the
// smallest L for which some L-Lipschitz function passes within e of all values.
struct lipschitz_constant {
  scalar tolerance = 0.0;

  constexpr status check() const { return require::not_negative(tolerance, "tolerance"); }
};

// The pairs of find_neighbor_lipschitz_constant: row i names samples near sample i.
template <space S>
struct neighbor_samples {
  value_samples<S> samples = {};
  input_view<2, S> neighbor = {};  // [N, k]: int32 or int64; below 0 for none
};

// Any of them may be left out, not all.
template <space S>
struct lipschitz_constant_outputs {
  output_view<1, S> constant = {};   // 1; double or float
  output_view<1, S> pair = {};       // 2: the samples that set it, int32 or int64; -1 if there are no two
  output_view<1, S> conflicts = {};  // 1: pairs of equal points whose values differ by more than the tolerance
  output_view<1, S> local = {};      // N: the steepest slope from each sample; 0 for one that is left out or alone
  output_view<1, S> partner = {};    // N: where to; -1 for none
};

inline namespace PREFER_ABI {
namespace detail {

struct slope_sinks {
  sink constant, pair, conflicts, local, partner;
};

// What pair_fold leaves of every sample for the constant.
template <class T>
struct steepest {
  T* slope = nullptr;
  std::int64_t *partner = nullptr, *conflicts = nullptr;

  template <class Memory>
  void carve(Memory& memory, std::int64_t n) {
    slope = memory.template take<T>(n);
    partner = memory.template take<std::int64_t>(n);
    conflicts = memory.template take<std::int64_t>(n);
  }
};

// (|mine - other| - tolerance)+ / distance; equal points conflict, or have slope 0.
template <class T>
struct slope_fold {
  static constexpr int scores = 1;
  scalar tolerance = 0.0;
  steepest<T> kept;
  sink local, partner;

  template <class V, class Mask>
  PREFER_HD void operator()(const V& distance, const V& mine, const V& other, V (&score)[1], Mask& conflict) const {
    const V excess = math::max(math::abs(mine - other) - V(tolerance.as<T>()), V(0));
    conflict = (distance == V(0)) & (V(0) < excess);
    score[0] = math::select(excess == V(0), V(0),
                            math::select(distance == V(0), math::detail::infinity<V>(), excess / distance));
  }
  PREFER_HD void finish(std::int64_t i, const pair_best<T, 1>& best) const {
    kept.slope[i] = best.at[0] < 0 ? T(-1) : best.score[0];
    kept.partner[i] = best.at[0];
    kept.conflicts[i] = best.events;
    write_item(local, i, true, best.at[0] < 0 ? T(0) : best.score[0], false);
    write_index(partner, i, best.at[0]);
  }
};

// The steepest of all, from its elements in double, for for_groups.
template <class T, class Metric>
struct constant_work {
  Metric metric;
  scalar tolerance = 0.0;
  steepest<T> kept;
  row_source point;
  source value;
  std::int64_t width;
  bool counted_twice;
  slope_sinks out;

  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    const ranked best = team.first(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA {
      return ranked{sortable(-static_cast<double>(kept.slope[i])), i};
    });
    const std::int64_t conflicts =
        team.total(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA { return kept.conflicts[i]; });
    team.once([&]() PREFER_HD_LAMBDA {
      const std::int64_t partner = best.item < 0 ? -1 : kept.partner[best.item];
      const std::int64_t first = partner < 0 ? -1 : best.item;
      write_item(out.constant, 0, true, partner < 0 ? 0.0 : slope(first, partner), false);
      write_index(out.pair, 0, first), write_index(out.pair, 1, partner);
      write_index(out.conflicts, 0, counted_twice ? conflicts / 2 : conflicts);
    });
  }
  PREFER_HD double slope(std::int64_t i, std::int64_t j) const {
    const double difference = math::abs(read_item<double>(value, i) - read_item<double>(value, j));
    const double excess = math::max(difference - tolerance.as<double>(), 0.0);
    return excess == 0 ? 0 : excess / distance_of(metric, point, i, point, j, width);
  }
};

// A call, in memory of its own and of pair_fold.
template <class T, class Metric>
struct constant_call {
  slope_fold<T> fold;
  constant_work<T, Metric> work;
  pair_fold_arguments pairs;
  listed_points list;  // if given, the pairs are these

  using value_type = T;

  constant_call(const lipschitz_constant& options, const Metric& metric, const sample_values& in,
                const listed_points& neighbors, const slope_sinks& out)
      : list(neighbors) {
    fold = {options.tolerance, {}, out.local, out.partner};
    pairs.point = in.point, pairs.other = in.value, pairs.mask = in.mask;
    pairs.points = pairs.queries = in.samples, pairs.width = in.width;
    const bool every = out.local.data != nullptr || out.partner.data != nullptr;
    const bool listed = list.index.data != nullptr;
    pairs.among = every || listed ? pairs_among::others : pairs_among::later;
    work = {metric, options.tolerance, {}, in.point, in.value, in.width, every && !listed, out};
  }
  template <class Exec>
  std::size_t inner_bytes(const Exec& exec) const {
    return list.index.data != nullptr ? 0 : pair_fold_workspace<T>(exec, pairs);
  }
  template <class Memory>
  void carve(Memory& memory) {
    fold.kept.carve(memory, pairs.points);
    work.kept = fold.kept;
  }
  template <class Exec>
  status run(const Exec& exec) const {
    const status s = list.index.data != nullptr ? listed_fold<T>(exec, work.metric, fold, list, pairs)
                                                : pair_fold<T>(exec, work.metric, fold, pairs);
    if (!s.ok()) return s;
    group_table all;
    all.samples = all.size = pairs.points, all.groups = 1;
    return for_groups(exec, all, work);
  }
};

inline status check_listed(const cpu& exec, const listed_points& list, std::int64_t samples) {
  if (exec.content == content::none || list.index.data == nullptr) return {};
  for (std::int64_t i = 0; i < samples; ++i)
    for (std::int64_t e = 0; e < list.k; ++e)
      if (list.at(i, e) >= samples)
        return require::fail(errc::bad_index, "neighbor", "below the number of samples",
                             static_cast<double>(list.at(i, e)), static_cast<double>(samples), i);
  return {};
}

template <class Exec, class Metric>
status run_lipschitz_constant(const Exec&, const lipschitz_constant&, const Metric&, const sample_values&,
                              const listed_points&, const slope_sinks&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}
template <class Metric>
status run_lipschitz_constant(const cpu& exec, const lipschitz_constant& options, const Metric& metric,
                              const sample_values& in, const listed_points& list, const slope_sinks& out) {
  if (const status s = first_error(check_finite_samples(exec, in), check_listed(exec, list, in.samples)); !s.ok())
    return s;
  return in.with_type([&](auto zero) {
    constant_call<decltype(zero), Metric> call(options, metric, in, list, out);
    return run_in_memory(exec, call);
  });
}

template <space S>
status make_slope_sinks(const sample_values& in, const value_samples<S>& samples, const input_view<2, S>& neighbor,
                        const lipschitz_constant_outputs<S>& out, listed_points& list, slope_sinks& sinks) {
  using require::holds;
  if (const status s = some_output(out.constant, out.pair, out.conflicts, out.local, out.partner); !s.ok()) return s;
  if (neighbor.extent[1] < 0)
    return require::fail(errc::bad_extent, "neighbor", "neighbours per sample, at least",
                         static_cast<double>(neighbor.extent[1]), 0);
  call_checks<4, 5> call;
  read_samples(samples, call);
  call.read("neighbor", neighbor, in.samples, neighbor.extent[1], holds::indices);
  list = {place_of(neighbor), neighbor.extent[1]};
  call.write("constant", out.constant, 1, "one number,", holds::totals);
  call.write("pair", out.pair, 2, "two samples,", holds::indices);
  call.write("conflicts", out.conflicts, 1, "one number,", holds::indices);
  call.write("local", out.local, in.samples, "the number of samples,", holds::numbers);
  call.write("partner", out.partner, in.samples, "the number of samples,", holds::indices);
  sinks = {place_of(out.constant), place_of(out.pair), place_of(out.conflicts), place_of(out.local),
           place_of(out.partner)};
  return call.check();
}

// All about one call but its arithmetic.
template <class Exec>
struct slope_call {
  sample_values v;
  listed_points list;
  slope_sinks sinks;

  status prepare(const value_samples<Exec::memory>& in, const input_view<2, Exec::memory>& neighbor,
                 const lipschitz_constant_outputs<Exec::memory>& out) {
    const status s = make_sample_values(in, v);
    return s.ok() ? make_slope_sinks(v, in, neighbor, out, list, sinks) : s;
  }
  template <class Metric>
  std::size_t bytes(const Exec& exec, const lipschitz_constant& options, const Metric& metric) const {
    return v.with_type([&](auto zero) {
      constant_call<decltype(zero), Metric> call(options, metric, v, list, sinks);
      return call_bytes(exec, call);
    });
  }
  template <class Metric>
  status run(const Exec& exec, const lipschitz_constant& options, const Metric& metric) const {
    return run_lipschitz_constant(exec, options, metric, v, list, sinks);
  }
};

}  // namespace detail

// Bytes of workspace: 20 or 24 per sample, on the CPU the points once more in the type of the arithmetic, on CUDA a
// byte per sample. 0 for views that do not fit together.
template <class Exec, class Metric>
std::size_t lipschitz_constant_workspace(const Exec& exec, const lipschitz_constant& options, const Metric& metric,
                                         const std::type_identity_t<value_samples<Exec::memory>>& in,
                                         const std::type_identity_t<lipschitz_constant_outputs<Exec::memory>>& out) {
  detail::slope_call<Exec> call;
  return call.prepare(in, {}, out).ok() ? call.bytes(exec, options, metric) : 0;
}

// The steepest slope between two of N samples,
//
//   constant = max over i < j of (|v_i - v_j| - tolerance)+ / d(x_i, x_j),
//
// by a metric of shape/metric.hpp, and the steepest from every sample. It is a lower bound of the Lipschitz constant of
// any function with these values, and the smallest constant that one of them has (see shape/lipschitz_extension.hpp).
//
//   find_lipschitz_constant(cpu{.pool = pool}, {}, metric::l2{}, {.point = {x, N, D}, .value = {v, N}},
//                           {.constant = {&c, 1}, .pair = {who, 2}});
//
// The unit is that of the values per unit of the metric: scale the features first, or use metric::weighted_l2.
// Distances are summed from differences, in float unless points or values are double, so that near duplicates far from
// 0 come out right; `constant` is then the slope of the pair found, in double. Of slopes that are equal the pair with
// the lowest first, then second sample is taken. Equal points with values that differ make the constant infinite and
// are counted in `conflicts`; with equal values their slope is 0.
//
// Samples that are masked out or hold a number that is not finite are left out (with content::all on the CPU the latter
// are an error). Without samples, or with one, the constant is 0. Subgradient by the values: +-1 / d at the pair.
//
// Cost: N^2 D / 2 differences, twice that if `local` or `partner` is asked for. Threads share rows; the result is the
// same for any number of them. lipschitz_constant_workspace bytes of the workspace, or one allocation on the CPU
// and memory in stream order on CUDA; three launches. Errors: shapes, types, overlap, a tolerance
// that is negative; nothing has been written then.
//
// Source: the constant is that of McShane 1934 and Whitney 1934; the noise allowance is as in Malherbe and Vayatis 2017
// and dlib; that it measures a learned reward's smoothness, Blonde et al. 2020 (arXiv 2006.16785).
template <class Exec, class Metric>
status find_lipschitz_constant(const Exec& exec, const lipschitz_constant& options, const Metric& metric,
                               const std::type_identity_t<value_samples<Exec::memory>>& in,
                               const std::type_identity_t<lipschitz_constant_outputs<Exec::memory>>& out) {
  detail::slope_call<Exec> call;
  if (const status s = first_error(options.check(), call.prepare(in, {}, out)); !s.ok()) return s;
  return call.run(exec, options, metric);
}

// Bytes of workspace of find_neighbor_lipschitz_constant: 20 or 24 per sample.
template <class Exec, class Metric>
std::size_t neighbor_lipschitz_constant_workspace(
    const Exec& exec, const lipschitz_constant& options, const Metric& metric,
    const std::type_identity_t<neighbor_samples<Exec::memory>>& in,
    const std::type_identity_t<lipschitz_constant_outputs<Exec::memory>>& out) {
  detail::slope_call<Exec> call;
  return call.prepare(in.samples, in.neighbor, out).ok() ? call.bytes(exec, options, metric) : 0;
}

// The same from each sample to its neighbours alone: N k D differences instead of N^2 D / 2, for N that is too large
// for all pairs. The lists are the caller's: those of find_nearest_neighbors (shape/nearest_neighbors.hpp, exact), or
// of any index, exact or not.
//
//   local_i  = max over listed j of (|v_i - v_j| - tolerance)+ / d(x_i, x_j),    constant = max over i of local_i
//
// `constant` is a lower bound of find_lipschitz_constant's, which it reaches if the steepest pair is listed from
// either side; the steepest pairs of a rough function are mostly near ones. `pair` is {sample, its neighbour}: of equal
// slopes the lowest sample, then the lowest neighbour. `conflicts` counts entries of lists, so a pair that is listed
// from both sides counts twice. Entries below 0, the sample itself, and neighbours that are left out or not finite play
// no part; order and repetition within a list make no difference to slopes.
//
// Two launches on CUDA. Errors: as above, and (on the CPU, unless content is none) a neighbour
// that is no sample; on CUDA it is reported and skipped.
template <class Exec, class Metric>
status find_neighbor_lipschitz_constant(const Exec& exec, const lipschitz_constant& options, const Metric& metric,
                                        const std::type_identity_t<neighbor_samples<Exec::memory>>& in,
                                        const std::type_identity_t<lipschitz_constant_outputs<Exec::memory>>& out) {
  if (!in.neighbor.given()) return require::fail(errc::missing_input, "neighbor", "a list of samples per sample");
  detail::slope_call<Exec> call;
  if (const status s = first_error(options.check(), call.prepare(in.samples, in.neighbor, out)); !s.ok()) return s;
  return call.run(exec, options, metric);
}

}  // namespace PREFER_ABI
}  // namespace prefer
