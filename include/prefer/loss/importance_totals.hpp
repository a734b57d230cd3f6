// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/map_reduce.hpp>
#include <prefer/backend/row_map_reduce.hpp>
#include <prefer/core/call_checks.hpp>
#include <prefer/core/scalar.hpp>

#include <cstdint>
#include <limits>
#include <type_traits>

// What to watch of importance weights, and weights divided by their mean over the batch. Over several processes these
// have the same bits as in one.
namespace prefer {

// How many doubles the totals of a batch are.
inline constexpr int importance_totals_size = 15;

template <space S>
struct importance_totals_inputs {
  input_view<1, S> weight = {};                          // N; from -2^32 to 2^32
  input_view<1, S> mask = {};                            // N; bool or uint8: zero leaves the weight out
  scalar cap = std::numeric_limits<double>::infinity();  // weights from here on count as clipped
};

template <space S>
struct normalize_importance_inputs {
  input_view<1, S> weight = {};  // N
  input_view<1, S> mask = {};    // N; bool or uint8: zero leaves the weight out
  input_view<1, S> totals = {};  // importance_totals_size doubles side by side: of the whole batch
};
template <space S>
struct normalize_importance_outputs {
  output_view<1, S> weight = {};  // N; 0 for a weight that is left out
};

inline namespace PREFER_ABI {

// What the totals of a batch tell.
struct importance_summary {
  double count = 0;             // how many weights there are
  double mean = 0;              // of them; 0 of none
  double effective_size = 0;    // (sum of weights)^2 / sum of squares, from 1 to count; 0 where all weights are 0
  double dropped_fraction = 0;  // how many of them are 0
  double clipped_fraction = 0;  // how many are at the cap or above
};

namespace detail {

// A number up to 2^32 as five whole numbers up to 2^24, and its square as seven: sums of these have no roundings, so
// that they do not depend on their order. What is below 2^-89 (of a square 2^-105) is rounded off.
struct importance_limbs {
  static constexpr int first = 3, weights = 5, squares = 7, size = first + weights + squares;
  static constexpr double weight_unit = 0x1p8, square_unit = 0x1p40, step = 0x1p-24;

  template <int From, int Count, class V>
  static PREFER_HD void split(V x, double unit, V (&sum)[size]) {
    unrolled<Count>([&](auto i) PREFER_HD_LAMBDA {
      constexpr int k = decltype(i)::value;
      const V limb = math::detail::rounded_product(x, V(1 / unit));
      sum[From + k] = limb;
      x = x - limb * V(unit);
      unit *= step;
    });
  }
  static PREFER_HD double join(const double* limb, int count, double unit) {
    for (int k = 1; k < count; ++k) unit *= step;
    double sum = 0;
    for (int k = count; k-- > 0; unit *= 1 / step) sum += limb[k] * unit;
    return sum;
  }
};
static_assert(importance_limbs::size == importance_totals_size);

// Number, zeros, weights at the cap, and the limbs of weights and squares, as sums of map_reduce.
struct importance_totals_body {
  static constexpr int inputs = 1, outputs = 1, sums = importance_limbs::size;
  scalar cap;

  PREFER_HD importance_totals_body ready(double) const { return *this; }
  template <class V>
  PREFER_HD void operator()(const V (&in)[1], V (&out)[1], V (&sum)[sums]) const {
    using limbs = importance_limbs;
    const V w = in[0], x = math::select(math::abs(w) <= V(0x1p32), w, V(math::detail::not_a_number<double>()));
    out[0] = V(0);
    sum[0] = V(1);
    sum[1] = math::select(w == V(0), V(1), V(0));
    sum[2] = math::select(w >= V(cap.as<double>()), V(1), V(0));
    limbs::split<limbs::first, limbs::weights>(x, limbs::weight_unit, sum);
    limbs::split<limbs::first + limbs::weights, limbs::squares>(x * x, limbs::square_unit, sum);
  }
};

inline constexpr const char* one_per_weight = "the number of weights,";
inline constexpr const char* fifteen = "fifteen numbers, that is";

// Doubles side by side.
template <bool Mutable, space S>
status check_importance_totals(const erased_view<Mutable, 1, S>& v) {
  if (v.type != element::f64) return require::fail(errc::bad_element, "totals", "elements of type double");
  if (const status s = require::vector("totals", v, importance_totals_size, fifteen, require::holds::totals); !s.ok())
    return s;
  return v.stride[0] == 1 ? status{}
                          : require::fail(errc::bad_stride, "totals", "exactly", static_cast<double>(v.stride[0]), 1);
}

template <space S>
status check_weight_vector(const input_view<1, S>& weight) {
  if (!weight.given()) return require::fail(errc::missing_input, "weight", "one number per token or response");
  return weight.extent[0] >= 0
             ? status{}
             : require::fail(errc::bad_extent, "weight", "at least", static_cast<double>(weight.extent[0]), 0);
}

// With content::all: no NaN among the weights that the mask selects.
inline status check_weight_content(const cpu& exec, const source& weight, const source& mask, std::int64_t n) {
  for (std::int64_t i = 0; exec.content == content::all && i < n; ++i)
    if (selects(mask, i) && math::is_nan(read_item<double>(weight, i)))
      return require::fail(errc::not_a_number, "weight", "a number, but it is NaN", 0, 0, i);
  return {};
}
inline status check_weight_content(const cuda&, const source&, const source&, std::int64_t) { return {}; }

}  // namespace detail

// The summary of totals, which may be sums of those of several calls.
PREFER_HD importance_summary summary_of_importance(const double* totals) {
  using limbs = detail::importance_limbs;
  const double n = totals[0], least = n > 0 ? n : 1;
  const double sum = limbs::join(totals + limbs::first, limbs::weights, limbs::weight_unit);
  const double squares = limbs::join(totals + limbs::first + limbs::weights, limbs::squares, limbs::square_unit);
  return {n, sum / least, squares == 0 ? 0 : sum * (sum / squares), totals[1] / least, totals[2] / least};
}

namespace detail {

// weight / mean; the totals are read where the work runs.
struct normalize_importance_body {
  static constexpr int inputs = 1, outputs = 1, sums = 1;
  const double* totals;
  double scale = 0;

  PREFER_HD normalize_importance_body ready(double) const {
    const double mean = summary_of_importance(totals).mean;
    return {totals, mean == 0 ? 0 : 1 / mean};
  }
  template <class V>
  PREFER_HD void operator()(const V (&in)[1], V (&out)[1], V (&sum)[1]) const {
    out[0] = in[0] * V(scale);
    sum[0] = V(0);
  }
};

template <class Exec>
status run_normalize_importance(const Exec&, const normalize_importance_body&,
                                const map_reduce_arguments_of<normalize_importance_body>&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}
inline status run_normalize_importance(const cpu& exec, const normalize_importance_body& body,
                                       const map_reduce_arguments_of<normalize_importance_body>& a) {
  return map_reduce<double>(exec, body, a);
}

}  // namespace detail

// The totals of N importance weights (of tokens or of responses), importance_totals_size doubles, from which
// summary_of_importance makes the effective sample size, the mean, and the fractions of dropped and clipped weights.
//
//   double totals[importance_totals_size];
//   importance_totals(cpu{.pool = pool}, {.weight = {w, N}, .cap = 2.0}, {totals, importance_totals_size});
//   over(reduction::sum, totals, importance_totals_size);                  // over processes, or micro-batches: they
//   add up const importance_summary all = summary_of_importance(totals); normalize_importance(cpu{.pool = pool},
//   {.weight = {w, N}, .totals = {totals, 15}}, {.weight = {v, N}});
//
// Sums are kept as whole numbers in doubles, and exact up to 2^29 weights in all: the totals, and with them the summary
// and normalised weights, have the same bits for any split over calls, processes, threads and grids, in any order, on
// either backend. mean and effective_size are the exact ones to about 1e-14, for weights from e^-20 to 2^32; a larger
// one, or NaN, makes both NaN. Weights stored in fewer bits than the cap may be just below it. The largest weight is
// best_rewards' (aggregate/reward_weights.hpp). One launch on CUDA, importance_totals_workspace bytes of workspace or
// memory in stream order. Errors: cap above 0, or infinite; shapes, types, overlap; with content::all NaN.
template <class Exec>
status importance_totals(const Exec& exec, const std::type_identity_t<importance_totals_inputs<Exec::memory>>& in,
                         const std::type_identity_t<output_view<1, Exec::memory>>& totals) {
  using require::holds;
  if (const status s =
          require::that(in.cap.by_pointer() || in.cap.value64 > 0, "cap", in.cap.value64, "above 0, or infinite");
      !s.ok())
    return s;
  if (const status s = detail::check_weight_vector(in.weight); !s.ok()) return s;
  if (!totals.given()) return require::fail(errc::missing_output, "totals", detail::fifteen);
  const std::int64_t n = in.weight.extent[0];
  detail::call_checks<2, 1> call;
  call.read("weight", in.weight, n, detail::one_per_weight, holds::numbers);
  call.read("mask", in.mask, n, detail::one_per_weight, holds::flags);
  if (call.first.ok()) call.first = detail::check_importance_totals(totals);
  call.write("totals", totals, importance_totals_size, detail::fifteen, holds::totals);
  if (const status s = call.check(); !s.ok()) return s;
  map_reduce_arguments_of<detail::importance_totals_body> a;
  a.n = n, a.in[0] = detail::place_of(in.weight), a.mask = detail::place_of(in.mask);
  for (int k = 0; k < importance_totals_size; ++k) a.sum[k] = {static_cast<double*>(totals.data) + k, element::f64};
  a.normalizer = 1.0;  // nothing is divided
  if (const status s = detail::check_weight_content(exec, a.in[0], a.mask, n); !s.ok()) return s;
  return map_reduce<double>(exec, detail::importance_totals_body{in.cap}, a);
}

// weight / mean, the mean that of the totals: weights whose mean over the batch is 1, so that they do not change how
// large a step is (self-normalised importance sampling, after truncation). All are 0 where the mean is. One launch on
// CUDA, which reads the totals when it runs; no workspace. Errors: shapes, types, overlap.
template <class Exec>
status normalize_importance(const Exec& exec, const std::type_identity_t<normalize_importance_inputs<Exec::memory>>& in,
                            const std::type_identity_t<normalize_importance_outputs<Exec::memory>>& out) {
  using require::holds;
  if (const status s = detail::check_weight_vector(in.weight); !s.ok()) return s;
  if (!in.totals.given()) return require::fail(errc::missing_input, "totals", detail::fifteen);
  if (!out.weight.given()) return require::fail(errc::missing_output, "weight", "one number per weight");
  const std::int64_t n = in.weight.extent[0];
  detail::call_checks<3, 1> call;
  call.read("weight", in.weight, n, detail::one_per_weight, holds::numbers);
  call.read("mask", in.mask, n, detail::one_per_weight, holds::flags);
  if (call.first.ok()) call.first = detail::check_importance_totals(in.totals);
  call.read("totals", in.totals, importance_totals_size, detail::fifteen, holds::totals);
  call.write("weight", out.weight, n, detail::one_per_weight, holds::numbers);
  if (const status s = call.check(); !s.ok()) return s;
  map_reduce_arguments_of<detail::normalize_importance_body> a;
  a.n = n, a.in[0] = detail::place_of(in.weight), a.mask = detail::place_of(in.mask);
  a.out[0] = detail::place_of(out.weight);
  a.normalizer = 1.0;
  if (const status s = detail::check_weight_content(exec, a.in[0], a.mask, n); !s.ok()) return s;
  return run_normalize_importance(exec, detail::normalize_importance_body{static_cast<const double*>(in.totals.data)},
                                  a);
}

}  // namespace PREFER_ABI
}  // namespace prefer
