// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/scalar.hpp>
#include <prefer/shape/detail/samples.hpp>
#include <prefer/shape/metric.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

// Functions with a given Lipschitz constant through, or as near as possible to, the values at N samples.
namespace prefer {

struct lipschitz_extension {
  scalar constant = 1.0;  // L: units of the values per unit of the metric

  constexpr status check() const { return require::positive(constant, "constant"); }
};

// Where to: rows of M other points, or, if not given, the samples themselves.
template <space S>
struct extension_inputs {
  value_samples<S> samples = {};
  input_view<2, S> query = {};  // [M, D]
};

// Any of them may be left out, not all. NaN and -1 for a query that is left out or not finite, and without samples.
template <space S>
struct extension_outputs {
  output_view<1, S> value = {};        // M: (upper + lower) / 2
  output_view<1, S> error = {};        // M: |upper - lower| / 2
  output_view<1, S> upper = {};        // M: min over j of v_j + L d(x, x_j)
  output_view<1, S> lower = {};        // M: max over j of v_j - L d(x, x_j)
  output_view<1, S> upper_index = {};  // M: the sample that sets it, int32 or int64
  output_view<1, S> lower_index = {};  // M
};

inline namespace PREFER_ABI {
namespace detail {

struct extension_sinks {
  sink value, error, upper, lower, upper_index, lower_index;
};

// Finds who sets the envelopes in T, and what they are from the elements in double.
template <class T, class Metric>
struct extension_fold {
  static constexpr int scores = 2;
  Metric metric;
  scalar constant = 1.0;
  row_source point, query;
  source value;
  std::int64_t width = 0;
  extension_sinks out;

  template <class V, class Mask>
  PREFER_HD void operator()(const V& distance, const V&, const V& other, V (&score)[2], Mask&) const {
    const V reach = V(constant.as<T>()) * distance;
    score[0] = -(other + reach), score[1] = other - reach;
  }
  PREFER_HD void finish(std::int64_t i, const pair_best<T, 2>& best) const {
    const double upper = envelope(i, best.at[0], 1), lower = envelope(i, best.at[1], -1);
    write_item(out.value, i, true, (upper + lower) / 2, false);
    write_item(out.error, i, true, math::abs(upper - lower) / 2, false);
    write_item(out.upper, i, true, upper, false), write_item(out.lower, i, true, lower, false);
    write_index(out.upper_index, i, best.at[0]), write_index(out.lower_index, i, best.at[1]);
  }
  PREFER_HD double envelope(std::int64_t i, std::int64_t j, double sign) const {
    if (j < 0) return math::detail::not_a_number<double>();
    const double reach = constant.as<double>() * distance_of(metric, query, i, point, j, width);
    return read_item<double>(value, j) + sign * reach;
  }
};

template <class T, class Metric>
status run_extension(const auto& exec, const lipschitz_extension& options, const Metric& metric, const sample_values& v,
                     const pair_fold_arguments& pairs, const extension_sinks& out) {
  const extension_fold<T, Metric> fold{metric,  options.constant, pairs.point, pairs.same() ? pairs.point : pairs.query,
                                       v.value, v.width,          out};
  return pair_fold<T>(exec, metric, fold, pairs);
}

template <space S>
status make_extension(const extension_inputs<S>& in, const extension_outputs<S>& out, sample_values& v,
                      pair_fold_arguments& pairs, extension_sinks& sinks) {
  using require::holds;
  if (const status s = make_sample_values(in.samples, v); !s.ok()) return s;
  if (const status s = some_output(out.value, out.error, out.upper, out.lower, out.upper_index, out.lower_index);
      !s.ok())
    return s;
  const std::int64_t n = in.query.given() ? in.query.extent[0] : v.samples;
  if (n < 0) return require::fail(errc::bad_extent, "query", "rows, at least", static_cast<double>(n), 0);
  call_checks<4, 6> call;
  read_samples(in.samples, call);
  call.read("query", in.query, n, v.width);
  constexpr const char* per_query = "the number of queries,";
  call.write("value", out.value, n, per_query, holds::numbers);
  call.write("error", out.error, n, per_query, holds::numbers);
  call.write("upper", out.upper, n, per_query, holds::numbers);
  call.write("lower", out.lower, n, per_query, holds::numbers);
  call.write("upper_index", out.upper_index, n, per_query, holds::indices);
  call.write("lower_index", out.lower_index, n, per_query, holds::indices);
  pairs.point = v.point, pairs.other = v.value, pairs.mask = v.mask;
  pairs.query = place_of(in.query);
  pairs.points = v.samples, pairs.queries = n, pairs.width = v.width;
  pairs.among = in.query.given() ? pairs_among::query_and_point : pairs_among::all;
  v.in_double = v.in_double || in.query.type == element::f64;
  sinks = {place_of(out.value), place_of(out.error),       place_of(out.upper),
           place_of(out.lower), place_of(out.upper_index), place_of(out.lower_index)};
  return call.check();
}

}  // namespace detail

// Bytes of workspace: on the CPU points and queries once more in the type of the arithmetic, on CUDA a byte each. 0 for
// views that do not fit together.
template <class Exec>
std::size_t lipschitz_extension_workspace(const Exec& exec,
                                          const std::type_identity_t<extension_inputs<Exec::memory>>& in,
                                          const std::type_identity_t<extension_outputs<Exec::memory>>& out) {
  detail::sample_values v;
  detail::extension_sinks sinks;
  pair_fold_arguments pairs;
  if (!detail::make_extension(in, out, v, pairs, sinks).ok()) return 0;
  return v.with_type([&](auto zero) { return pair_fold_workspace<decltype(zero)>(exec, pairs); });
}

// The envelopes of values v at N samples by a constant L, and the function halfway between them:
//
//   upper(x) = min over j of v_j + L d(x, x_j),   lower(x) = max over j of v_j - L d(x, x_j)
//   value = (upper + lower) / 2,   error = |upper - lower| / 2
//
// upper, lower and value are L-Lipschitz if the metric is one. If the values are (find_lipschitz_constant says at most
// L), all three pass through them, every L-Lipschitz function through them lies between lower and upper, and no guess
// of its value at x can promise less than `error`.
//
// At the samples themselves, with values of any kind, `value` is the nearest L-Lipschitz function in the largest
// deviation: max |value - v| = max over i, j of (|v_i - v_j| - L d_ij)+ / 2, and no L-Lipschitz function has less
// (`error` is then that of the sample, not 0). It needs no iterations. upper is the largest L-Lipschitz function below
// the values, lower the smallest above them.
//
//   extend(cpu{}, lipschitz_extension{.constant = 2.0}, metric::l2{},
//          {.samples = {.point = {x, N, D}, .value = {v, N}}}, {.value = {f, N}});        // project rewards
//
// Subgradient by the values: of upper 1 at upper_index, of lower 1 at lower_index, of value 1/2 at each. Who sets an
// envelope is found in float unless something is double, ties to the lowest sample; what it is, in double.
//
// Samples that are masked out or not finite play no part (with content::all on the CPU the latter are an error).
// Cost: M N D differences. Threads share queries; the result is the same for any number of them.
// lipschitz_extension_workspace bytes of the workspace, or one allocation on the CPU and memory in stream order on
// CUDA; two or three launches. Errors: shapes, types, overlap, a constant that is not positive; nothing has been
// written then.
//
// Sources: McShane 1934, Whitney 1934 (envelopes); Sukharev 1978 and Beliakov 2006 (the central one and its error);
// that it projects in the largest deviation follows from both bounds, and is tested.
template <class Exec, class Metric>
status extend(const Exec& exec, const lipschitz_extension& options, const Metric& metric,
              const std::type_identity_t<extension_inputs<Exec::memory>>& in,
              const std::type_identity_t<extension_outputs<Exec::memory>>& out) {
  detail::sample_values v;
  detail::extension_sinks sinks;
  pair_fold_arguments pairs;
  if (const status s = first_error(options.check(), detail::make_extension(in, out, v, pairs, sinks)); !s.ok())
    return s;
  if (const status s = check_finite_samples(exec, v); !s.ok()) return s;
  return v.with_type(
      [&](auto zero) { return detail::run_extension<decltype(zero)>(exec, options, metric, v, pairs, sinks); });
}

}  // namespace PREFER_ABI
}  // namespace prefer
