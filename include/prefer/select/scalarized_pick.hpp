// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/select/detail/outputs.hpp>
#include <prefer/select/objectives.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

// The best sample of every group under weights and a reference point. With the gains g_k = x_k - z_k of a maximised
// objective over the reference point z, g_k = z_k - x_k of a minimised one, the sample with the largest value of
//   weighted_sum  sum over k of w_k g_k
//   chebyshev     min over k of w_k g_k                                  (weighted Chebyshev distance to z, negated)
//   achievement   min over k of w_k g_k + augmentation * sum over k of w_k g_k  (Wierzbicki 1980; Miettinen 1999, 3.4.8)
// is picked; of equal ones that with the lowest number. Chebyshev may pick a sample that is only weakly efficient,
// achievement with positive weights never does; the weighted sum reaches samples on the convex hull only. An objective
// of weight 0 plays no part, whatever its values. Infinite gains are added as they are; opposite infinities are the
// least there is. Values are computed in double.
namespace prefer {

struct scalarization {
  enum class rule : std::uint8_t { weighted_sum, chebyshev, achievement };

  rule value = rule::achievement;
  double augmentation = 1e-3;       // 0 or more; of `achievement` only
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
  sink_rows index, value;

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
};

// The value of one sample or one lane of them: shown the keys of all objectives. W is V, or one number for all.
template <class V>
struct scalarized_value {
  V least = V(math::detail::infinity<double>()), sum = V(0);

  template <class W>
  PREFER_HD void see(const V& key, const W& origin, const W& weight) {
    const V gain = (key - V(origin)) * V(weight);
    sum = sum + gain;
    least = math::select(gain < least, gain, least);
  }
  // Infinities of both signs make NaN, which no comparison takes for the largest.
  PREFER_HD V of(scalarization::rule rule, double augmentation) const {
    if (rule == scalarization::rule::weighted_sum) return sum;
    if (rule == scalarization::rule::chebyshev || augmentation == 0) return least;
    return least + V(augmentation) * sum;
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
  if (const status s = first_error(
          in.weights.given() ? require::matrix("weights", in.weights, call.picks, k) : status{},
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
  call.index = sink_of(out.index), call.value = sink_of(out.value);
  require::footprints<7, 2> all;
  read_samples(in.samples, all);
  read_optional(all, "weights", in.weights), read_optional(all, "reference", in.reference);
  write_optional(all, "index", out.index), write_optional(all, "value", out.value);
  return all.check();
}

template <class Exec>
status run_scalarized_pick(const Exec&, const pick_call&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}

}  // namespace detail

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
