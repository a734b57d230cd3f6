// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/outputs.hpp>
#include <prefer/select/detail/present_rows.hpp>
#include <prefer/select/objectives.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

// The best sample of every group under weights and a reference point. With the gains g_k = x_k - z_k of a maximised
// objective over the reference point z, g_k = z_k - x_k of a minimised one, the sample with the largest value of
//   weighted_sum  sum over k of w_k g_k
//   chebyshev     min over k of w_k g_k                                  (weighted Chebyshev distance to z, negated)
//   achievement   min over k of w_k g_k + augmentation * sum over k of w_k g_k  (Wierzbicki 1980; Miettinen
//   1999, 3.4.8)
// is picked; of equal ones that with the lowest number. Chebyshev may pick a sample that is only weakly efficient,
// achievement with positive weights never does; the weighted sum reaches samples on the convex hull only. An objective
// of weight 0 plays no part, whatever its values. Infinite gains are added as they are; opposite infinities are the
// least there is. Values are computed in double.
namespace prefer {

struct scalarization {
  enum class rule : std::uint8_t { weighted_sum, chebyshev, achievement };

  rule value = rule::achievement;
  double augmentation = 1e-3;          // 0 or more; of `achievement` only
  prefer::objectives objectives = {};  // dominance, tolerances and duplicates play no part

  status check() const {
    if (value > rule::achievement)
      return require::that(false, "value", static_cast<double>(value), "weighted_sum, chebyshev or achievement");
    return require::that(augmentation >= 0 && require::finite(augmentation), "augmentation", augmentation,
                         "a finite number, 0 or above");
  }
};

template <space S>
struct scalarized_pick_inputs {
  objective_samples<S> samples = {};  // with constraints only the samples with the least violation are looked at
  // [M, K] numbers, finite and 0 or above: M picks per group. One pick with weights of 1 unless given.
  input_view<2, S> weights = {};
  // [M, K], or [1, K] for all picks: finite numbers, as samples have them (no sign changed). 0 unless given.
  input_view<2, S> reference = {};
};

// Any of them may be left out, not all.
template <space S>
struct scalarized_pick_outputs {
  output_view<2, S> index = {};  // [B, M] int32 or int64: the number of the sample; -1 in a group without any
  output_view<2, S> value = {};  // [B, M] numbers; minus infinity without any
};

inline namespace PREFER_ABI {
namespace detail {

struct pick_call {
  objective_table table;  // without steps
  scalarization::rule rule = scalarization::rule::achievement;
  double augmentation = 0;
  std::int64_t picks = 1;
  const void *weights = nullptr, *reference = nullptr;
  element weights_type = element::none, reference_type = element::none;
  std::int64_t weights_stride[2] = {}, reference_stride[2] = {};
  row_sink index, value;

  PREFER_HD double weight(std::int64_t m, int k) const {
    if (weights == nullptr) return 1;
    return load_element<double>(weights, weights_type, m * weights_stride[0] + k * weights_stride[1]);
  }
  // As a key: more is better.
  PREFER_HD double origin(std::int64_t m, int k) const {
    if (reference == nullptr) return 0;
    const double z = load_element<double>(reference, reference_type, m * reference_stride[0] + k * reference_stride[1]);
    return table.minimizes(k) ? -z : z;
  }
  static PREFER_HD bool is_finite(double x) {
    return !math::is_nan(x) && math::abs(x) < math::detail::infinity<double>();
  }
  PREFER_HD bool good_weight(std::int64_t m, int k) const {
    const double w = weight(m, k);
    return is_finite(w) && w >= 0;
  }
  PREFER_HD bool good_origin(std::int64_t m, int k) const { return is_finite(origin(m, k)); }
};

// The value of one sample or one lane of them: shown the keys of all objectives.
template <class V>
struct scalarized_value {
  V least = V(math::detail::infinity<double>()), sum = V(0);
  bool any = false;

  PREFER_HD void see(const V& key, double origin, double weight) {
    if (!(weight > 0)) return;
    const V gain = (key - V(origin)) * V(weight);
    sum = any ? sum + gain : gain;
    least = any ? math::select(gain < least, gain, least) : gain;
    any = true;
  }
  // Opposite infinities make NaN, which better_pick takes for the least. 0 if all weights are.
  PREFER_HD V of(scalarization::rule rule, double augmentation) const {
    if (rule == scalarization::rule::weighted_sum || !any) return sum;
    if (rule == scalarization::rule::chebyshev || augmentation == 0) return least;
    return least + V(augmentation) * sum;
  }
};

// The best so far of a pick: the largest value, the lowest number on ties.
struct best_pick {
  double value = -math::detail::infinity<double>();
  std::int64_t sample = -1;

  PREFER_HD void see(double x, std::int64_t s) {
    merge({math::is_nan(x) ? -math::detail::infinity<double>() : x, s});
  }
  PREFER_HD void merge(const best_pick& other) {
    const bool better = other.value > value || (other.value == value && other.sample < sample);
    if (other.sample >= 0 && (sample < 0 || better)) *this = other;
  }
};

template <space S>
status check_pick_table(const char* name, const input_view<2, S>& v, std::int64_t rows, std::int64_t count) {
  if (!v.given()) return {};
  if (v.extent[0] == 1) rows = 1;
  return require::matrix(name, v, rows, count);
}

template <space S>
status make_pick_call(const scalarization& options, const scalarized_pick_inputs<S>& in,
                      const scalarized_pick_outputs<S>& out, pick_call& call) {
  using require::holds;
  if (const status s = first_error(options.check(), make_objective_table(options.objectives, in.samples, call.table));
      !s.ok())
    return s;
  call.table.stepped = false;
  if (!out.index.given() && !out.value.given())
    return require::fail(errc::missing_output, "outputs", "at least one output to write");
  const std::int64_t k = call.table.count;
  call.rule = options.value, call.augmentation = options.augmentation;
  call.picks = in.weights.given() ? in.weights.extent[0] : in.reference.given() ? in.reference.extent[0] : 1;
  if (call.picks < 0)
    return require::fail(errc::bad_extent, in.weights.given() ? "weights" : "reference", "at least",
                         static_cast<double>(call.picks), 0);
  if (const status s =
          first_error(in.weights.given() ? require::matrix("weights", in.weights, call.picks, k) : status{},
                      check_pick_table("reference", in.reference, call.picks, k),
                      check_optional("index", out.index, call.table.groups, call.picks, holds::indices),
                      check_optional("value", out.value, call.table.groups, call.picks, holds::numbers));
      !s.ok())
    return s;
  call.weights = in.weights.data, call.weights_type = in.weights.type;
  call.reference = in.reference.data, call.reference_type = in.reference.type;
  for (int r = 0; r < 2; ++r)
    call.weights_stride[r] = in.weights.stride[r], call.reference_stride[r] = in.reference.stride[r];
  if (in.reference.given() && in.reference.extent[0] == 1) call.reference_stride[0] = 0;
  call.index = place_of(out.index), call.value = place_of(out.value);
  require::footprints<7, 2> all;
  read_samples(in.samples, all);
  all.read("weights", in.weights), all.read("reference", in.reference);
  all.write("index", out.index), all.write("value", out.value);
  return all.check();
}

// On the CPU: what is wrong with weights and references.
inline status check_pick_numbers(const pick_call& call) {
  const int count = call.table.count;
  for (std::int64_t i = 0; i < call.picks * count; ++i) {
    const std::int64_t m = i / count;
    const int k = static_cast<int>(i % count);
    if (!call.good_weight(m, k))
      return require::fail(errc::bad_label, "weights", "a finite number, 0 or above", call.weight(m, k), 0, i);
    if (!call.good_origin(m, k))
      return require::fail(errc::bad_label, "reference", "a finite number", call.origin(m, k), 0,
                           call.reference_stride[0] == 0 ? k : i);
  }
  return {};
}

template <class Exec>
status run_scalarized_pick(const Exec&, const pick_call&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}

// On the CPU: values of one tile under the weights of one pick.
template <class T>
struct pick_job {
  const objective_tile<T>* tile;
  const pick_call* call;
  const double *origin, *weight;  // [K]
  double* value;                  // [tile samples]
};
template <class T>
struct pick_work {
  template <class Level>
  static inline __attribute__((always_inline)) void run(pick_job<T>& job) {
    using V = lane<double, Level>;
    const objective_tile<T>& tile = *job.tile;
    for (int i = 0; i < tile.count; i += V::width) {
      scalarized_value<V> value;
      for (int k = 0; k < job.call->table.count; ++k)
        value.see(V::load(tile.keys + k * tile.stride + i), job.origin[k], job.weight[k]);
      value.of(job.call->rule, job.call->augmentation).store(job.value + i);
    }
  }
};

// The memory: the weights and origins of all picks as numbers, and the best of every group and pick.
struct pick_memory {
  double *weight = nullptr, *origin = nullptr;
  best_pick* best = nullptr;

  void carve(arena& memory, const pick_call& call) {
    weight = memory.take<double>(call.picks * call.table.count);
    origin = memory.take<double>(call.picks * call.table.count);
    best = memory.take<best_pick>(call.picks * call.table.groups);
  }
};

template <class T>
std::int64_t pick_of_group(isa level, const pick_call& call, const pick_memory& memory, std::int64_t b) {
  const objective_table& t = call.table;
  const group_rows g = t.group(b);
  best_pick* const best = memory.best + b * call.picks;
  for (std::int64_t m = 0; m < call.picks; ++m) best[m] = {};
  const std::int64_t nan = each_tile<T>(level, t, g, least_violation(t, g), [&](const objective_tile<T>& tile) {
    alignas(64) double value[objective_tile<T>::most];
    for (std::int64_t m = 0; m < call.picks; ++m) {
      pick_job<T> job{&tile, &call, memory.origin + m * t.count, memory.weight + m * t.count, value};
      run_at<pick_work<T>>(level, job);
      each_present(tile, [&](int i) { best[m].see(value[i], g.first + tile.first + i); });
    }
  });
  return nan < 0 ? nan : g.first + nan;
}

inline status run_scalarized_pick(const cpu& exec, const pick_call& call) {
  const objective_table& t = call.table;
  isa level;
  if (const status s = first_error(resolve_isa(exec, level), check_runner(exec)); !s.ok()) return s;
  if (exec.content != content::none)
    if (const status s = check_group_offsets(t); !s.ok()) return s;
  pick_memory memory;
  arena measured;
  memory.carve(measured, call);
  host_scratch scratch;
  if (const status s = scratch.provide(exec.workspace, measured.bytes()); !s.ok()) return s;
  arena all(scratch.data);
  memory.carve(all, call);
  for (std::int64_t m = 0; m < call.picks; ++m)
    for (int k = 0; k < t.count; ++k)
      memory.weight[m * t.count + k] = call.weight(m, k), memory.origin[m * t.count + k] = call.origin(m, k);
  if (exec.content != content::none)
    if (const status s = check_pick_numbers(call); !s.ok()) return s;
  const std::int64_t nan = group_tasks(t).run(exec, [&](std::int64_t first, std::int64_t end, std::int64_t) {
    std::int64_t found = -1;
    for (std::int64_t b = first; b < end; ++b) {
      const std::int64_t at = t.needs_double() ? pick_of_group<double>(level, call, memory, b)
                                               : pick_of_group<float>(level, call, memory, b);
      if (found < 0) found = at;
    }
    return found;
  });
  if (nan >= 0 && t.nan == nan_policy::reject && exec.content != content::none) return nan_sample_of(t, nan);
  for (std::int64_t b = 0; b < t.groups; ++b)
    for (std::int64_t m = 0; m < call.picks; ++m) {
      store_index(call.index, b, m, memory.best[b * call.picks + m].sample);
      store_number(call.value, b, m, memory.best[b * call.picks + m].value);
    }
  return {};
}

}  // namespace detail

// Bytes of workspace of scalarized_picks on the CPU: 16 per pick and objective, 16 per pick and group. 0 for views that
// do not fit together.
template <space S>
std::size_t scalarized_picks_workspace(const cpu&, const scalarization& options, const scalarized_pick_inputs<S>& in,
                                       const scalarized_pick_outputs<S>& out) {
  detail::pick_call call;
  if (!detail::make_pick_call(options, in, out, call).ok()) return 0;
  detail::arena memory;
  detail::pick_memory().carve(memory, call);
  return memory.bytes();
}

template <class Exec>
status scalarized_picks(const Exec& exec, const scalarization& options,
                        const std::type_identity_t<scalarized_pick_inputs<Exec::memory>>& in,
                        const std::type_identity_t<scalarized_pick_outputs<Exec::memory>>& out) {
  detail::pick_call call;
  if (const status s = detail::make_pick_call(options, in, out, call); !s.ok()) return s;
  return run_scalarized_pick(exec, call);
}

}  // namespace PREFER_ABI
}  // namespace prefer
