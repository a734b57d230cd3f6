// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/check_numbers.hpp>
#include <prefer/backend/cpu/row_reduce.hpp>
#include <prefer/core/checks.hpp>
#include <prefer/logp/logit_rows.hpp>

#include <concepts>
#include <cstdint>
#include <type_traits>

// The geometric mixture of two policies, token by token: whom Nash-MD and IPO-MD sample their opponent's responses
// from.
namespace prefer {

// How much the reference weighs, from 0 (the policy) to 1 (the reference). Munos et al. found 1/8 to 3/8 best.
struct logp_mixture {
  scalar weight = 0.125;

  constexpr status check() const { return require::from_0_to_1(weight, "weight"); }
};

// Logits or log-probabilities, any row strides and alignment; the element types of all three may differ.
template <space S>
struct logp_mixture_inputs {
  input_view<2, S> policy = {};     // [M, V]
  input_view<2, S> reference = {};  // [M, V]
};
template <space S>
struct logp_mixture_outputs {
  output_view<2, S> logp = {};  // [M, V]; may be either of the inputs
};

inline namespace PREFER_ABI {
namespace detail {

// The mixture as a body of row_reduce: a log-softmax of joined columns. T: of the arithmetic on columns.
template <class T>
struct mixture_body {
  static constexpr int sums = 1;  // of e^d
  struct coefficients {
    T shift, log_sum;
  };
  scalar weight = 0.0;
  T own = 1, other = 0;  // what policy and reference are multiplied with

  PREFER_HD mixture_body ready() const {
    mixture_body b = *this;
    b.other = static_cast<T>(weight.as<double>());
    b.own = static_cast<T>(1 - weight.as<double>());
    return b;
  }
  // A weight of 0 leaves out a policy that never does something.
  template <class V>
  PREFER_HD V join(const V& policy, const V& reference) const {
    return math::share(V(own), policy) + math::share(V(other), reference);
  }
  template <class V>
  PREFER_HD V value(const V& z) const {
    return z;
  }
  static PREFER_HD double unit() { return math::detail::format<double>::log2e; }
  template <class V>
  static PREFER_HD void terms(const V& y, V (&term)[sums]) {
    term[0] = math::exp2_decay(y);
  }
  template <class V>
  static PREFER_HD void rebase(V (&sum)[sums], const V& by) {
    sum[0] = sum[0] * math::exp2_decay(by);
  }

  PREFER_HD bool reduces() const { return true; }
  PREFER_HD row_plan begin(std::int64_t) const { return {}; }
  PREFER_HD coefficients finish(std::int64_t, const row_plan&, const row_state<sums>& s, double) const {
    constexpr double inf = math::detail::format<double>::infinity, nan = math::detail::format<double>::nan;
    // An infinite maximum, or none, leaves no distribution. The maximum is one of the columns, and exact in T.
    const bool any = s.max < inf && s.max > -inf;
    return {static_cast<T>(s.max), static_cast<T>(any ? math::log(s.sum[0]) : nan)};
  }
  template <class V>
  static PREFER_HD V slope(const V& z, const V&, const coefficients& c) {
    return (z - V(c.shift)) - V(c.log_sum);
  }
  PREFER_HD T slope_left_out(T z, const coefficients& c) const { return slope(z, T(0), c); }
};

template <bool Mutable, space S>
status check_logits_matrix(const char* name, const erased_view<Mutable, 2, S>& v, const std::int64_t (&shape)[2]) {
  if (!v.given())
    return require::fail(Mutable ? errc::missing_output : errc::missing_input, name, "a matrix of one row per token");
  for (std::int64_t extent : shape)
    if (extent < 0) return require::fail(errc::bad_extent, "policy", "at least", static_cast<double>(extent), 0);
  return require::matrix(name, v, shape[0], shape[1]);
}

template <space S>
status check_mixture(const logp_mixture_inputs<S>& in, const logp_mixture_outputs<S>& out) {
  const std::int64_t(&shape)[2] = in.policy.extent;
  if (const status s = first_error(check_logits_matrix("policy", in.policy, shape),
                                   check_logits_matrix("reference", in.reference, shape),
                                   check_logits_matrix("logp", out.logp, shape));
      !s.ok())
    return s;
  require::footprints<2, 1> all;
  if (!lies_over(out.logp, in.policy)) all.read(require::footprint_of("policy", in.policy));
  if (!lies_over(out.logp, in.reference)) all.read(require::footprint_of("reference", in.reference));
  all.write(require::footprint_of("logp", out.logp));
  return all.check();
}

}  // namespace detail

// Log-probabilities of the geometric mixture of two policies, row by row:
//
//   logp_v = (1 - b) policy_v + b reference_v - log sum_u e^((1 - b) policy_u + b reference_u),   b = weight
//
// Policy and reference may be logits or log-probabilities alike, since a constant per row drops out. Where either has
// -inf the mixture has -inf, unless its weight is 0: then it is not there (b = 0 is the log-softmax of the policy,
// b = 1 that of the reference). A row in which no token has a number, or one has NaN or +inf, is NaN.
//
// This mixes the next token given the same beginning. The product of such mixtures over a response is not the mixture
// of the two probabilities of the response, whose normaliser sums over all responses at once: it is the one-step
// approximation that responses can be sampled from.
//
// Error of logp_v: u (4 |(1 - b) policy_v| + 4 |b reference_v| + 4 |max| + 2 |logp_v| + 4), u the rounding unit of
// Compute, max the largest of the row's (1 - b) policy + b reference; storing rounds once more. Cost: one exponential
// per column; each input is read twice, on the CPU from a cache the second time. Workspace: none on the CPU; on CUDA
// mix_logp_workspace(M, V) bytes, else taken in stream order. Errors: shapes, element types, memory that overlaps (the
// output may be an input's own elements), a weight outside [0, 1]; NaN with content::all.
// Source: Munos et al. 2023, arXiv 2312.00886, section 7 (one-step decoding at test time, from a summary).
template <class Compute, class Exec>
status mix_logp(const Exec& exec, const logp_mixture& options,
                const std::type_identity_t<logp_mixture_inputs<Exec::memory>>& in,
                const std::type_identity_t<logp_mixture_outputs<Exec::memory>>& out) {
  static_assert(std::same_as<Compute, float> || std::same_as<Compute, double>,
                "prefer: mix_logp<Compute> computes in float or double; the views choose their own element types");
  if (const status s = first_error(options.check(), detail::check_mixture(in, out)); !s.ok()) return s;
  row_reduce_arguments a;
  a.items = a.rows = in.policy.extent[0];
  a.columns = in.policy.extent[1];
  a.x = {in.policy.data, in.policy.stride[0], in.policy.stride[1], in.policy.type};
  a.y = {in.reference.data, in.reference.stride[0], in.reference.stride[1], in.reference.type};
  a.gradient = {out.logp.data, out.logp.stride[0], out.logp.stride[1], out.logp.type};
  if (const status s = first_error(detail::check_numbers(exec, "policy", a.x, {}, a.rows, a.columns),
                                   detail::check_numbers(exec, "reference", a.y, {}, a.rows, a.columns));
      !s.ok())
    return s;
  return row_reduce<Compute>(exec, detail::mixture_body<Compute>{options.weight}, a);
}

}  // namespace PREFER_ABI
}  // namespace prefer
