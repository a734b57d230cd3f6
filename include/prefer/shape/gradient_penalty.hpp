// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/check_numbers.hpp>
#include <prefer/core/call_checks.hpp>
#include <prefer/core/evaluate_rows.hpp>
#include <prefer/core/math.hpp>
#include <prefer/shape/detail/row_length.hpp>

#include <concepts>
#include <cstdint>
#include <type_traits>

// The gradient penalty of a reward model, a critic or a discriminator: value, gradient by the input gradients, and what
// a caller without second derivatives needs to train with it.
namespace prefer {

// The gradients of a model's output by its input, one row per sample: n x D each.
template <space S>
struct input_gradient_rows {
  input_view<2, S> gradient = {};
};
template <space S>
struct input_gradient_gradients {
  output_view<2, S> gradient = {};
};

// The norm of a row as a score of evaluate_rows: sqrt(|g|^2 + epsilon), with the derivative g / sqrt(|g|^2 + epsilon).
//
// With epsilon 0 the norm has no derivative at g = 0: there it is 0, one of its subgradients. Squares are summed in
// Compute inside a tile: norms whose squares leave its range (1e-19 to 1e19 in float) are 0 or infinite. Errors:
// epsilon must be finite and not negative.
struct gradient_norm {
  scalar epsilon = 0.0;

  static constexpr bool mean = false;
  static constexpr int arrays = 1, gradients = 1, factors = 1, sums = 1, kept = 1;
  template <space S>
  using rows = input_gradient_rows<S>;
  template <space S>
  using gradient_rows = input_gradient_gradients<S>;
  template <space S>
  struct item_factors {};
  static constexpr const char* pair_names[2][1] = {{"chosen.gradient"}, {"rejected.gradient"}};
  static constexpr const char* response_names[1][1] = {{"rows.gradient"}};
  static constexpr const char* factor_names[1] = {""};
  struct gradient_names {
    static constexpr const char* pair_names[2][1] = {{"grad_chosen.gradient"}, {"grad_rejected.gradient"}};
    static constexpr const char* response_names[1][1] = {{"grad.gradient"}};
  };

  constexpr status check() const { return require::not_negative(epsilon, "epsilon"); }
  constexpr bool reads(int) const { return true; }
  constexpr bool provides(int) const { return true; }
  template <class Rows, class F>
  static void each_row(const Rows& r, F f) {
    f(r.gradient);
  }
  template <class Rows, class F>
  static void each_gradient(const Rows& r, F f) {
    f(r.gradient);
  }
  template <class Factors, class F>
  static void each_factor(const Factors&, F) {}

  template <class V>
  PREFER_HD void terms(const V (&x)[arrays], const V (&)[factors], V (&t)[sums]) const {
    t[0] = x[0] * x[0];
  }
  PREFER_HD double finish(const double (&sum)[sums], double (&keep)[kept]) const {
    const detail::length_of_row length(sum[0], epsilon.as<double>());
    keep[0] = length.inverse;
    return length.norm;
  }
  template <class V>
  PREFER_HD void slopes(const V (&x)[arrays], const V (&)[factors], const V (&keep)[kept],
                        V (&slope)[gradients]) const {
    slope[0] = keep[0] * x[0];
  }
};

// The penalty on the norm of a model's gradient by its input, which pulls it to a target, or with one_sided below it.
//
//   d = norm - target,   one-sided max(0, norm - target);   value = coefficient d^2,   d value / d norm = 2 coefficient
//   d
//
// as a loss over single scores. On the rows of `gradient_norm` it is the penalty of a batch, and its gradient by the
// input gradients, [n, D]:
//
//   P = coefficient / n sum_i w_i d_i^2,   dP / d g_i = 2 coefficient / n w_i d_i g_i / |g_i|
//
//   evaluate_rows<float>(cpu{}, gradient_norm{}, gradient_penalty{}, {.rows = {{g, n, D}}},
//                        {.loss = {&p, 1}, .grad = {{by_g, n, D}}, .losses = {each, n}});
//
// At g_i = 0 the gradient is 0. For the one-sided penalty that is its derivative; the two-sided one with a target above
// 0 has a kink there, a maximum: a sample whose gradient is exactly 0 stays stuck, though its value says so
// (coefficient target^2); `gradient_norm{.epsilon = 1e-12}` makes it smooth, but no less stuck. The parameters'
// gradient is sum_i (d g_i / d theta)^T dP / d g_i, a second derivative of the model; without one: penalty_differences.
//
// A model whose penalty is 0 everywhere on a convex set is target-Lipschitz on it; on samples it says so of nothing but
// the samples. With a logit D of norm at most k the reward softplus(D) is k-Lipschitz too. The norm is that of the
// units of the input: scale features first. Errors: target and coefficient must be finite and not negative. Sources:
// Gulrajani et al. 2017 (WGAN-GP), arXiv 1704.00028, equation 3; one-sided: Petzka et al. 2018, arXiv 1709.08894; for
// rewards Blonde et al. 2020, arXiv 2006.16785 (from a summary and the released code, whose defaults these are).
struct gradient_penalty {
  scalar target = 1.0;
  scalar coefficient = 10.0;
  bool one_sided = false;

  constexpr status check() const {
    return first_error(require::not_negative(target, "target"), require::not_negative(coefficient, "coefficient"));
  }
  template <class V>
  PREFER_HD scored_term<V> operator()(const scored<V>& x) const {
    const V above = x.score - target.as<V>(), c = coefficient.as<V>();
    const V d = one_sided ? math::select(above < V(0), V(0), above) : above;
    scored_term<V> t;
    t.value = c * d * d;
    t.d_score = V(2) * c * d;
    return t;
  }
};

// n samples: rows of input gradients, and of the inputs they were taken at.
template <space S>
struct penalty_difference_inputs {
  input_view<2, S> gradient = {};      // [n, D]
  input_view<2, S> x = {};             // [n, D]
  input_view<1, S> weight = {};        // [n] of any sign; 1 if not given
  input_view<1, S> mask = {};          // [n] bool or uint8: zero leaves the sample out
  prefer::normalizer normalizer = {};  // the number of selected samples if not given
};
template <space S>
struct penalty_difference_outputs {
  output_view<2, S> plus = {}, minus = {};  // [n, D]: where the model is to be evaluated
  output_view<1, S> coefficient = {};       // [n]: what its value at plus less that at minus is multiplied with
  output_view<1, S> norm = {};              // [n]: |g|, as `norm` has it
  output_view<1, S> losses = {};            // [n]: weight * penalty, of which the penalty is the mean
};

inline namespace PREFER_ABI {
namespace detail {

// Points on either side of x along its gradient, as what a score spreads over rows.
struct difference_points {
  scalar epsilon, step;

  static constexpr int arrays = 2, gradients = 2, factors = 1, sums = 1, kept = 2, answers = 1;

  template <class T>
  PREFER_HD void begin(std::int64_t, T (&)[factors]) const {}
  template <class V>
  PREFER_HD void terms(const V (&x)[arrays], const V (&)[factors], V (&t)[sums]) const {
    t[0] = x[0] * x[0];
  }
  // Answers |d norm / d g| too, which is below 1 with an epsilon; points are a step away whatever that is.
  PREFER_HD double finish(const double (&sum)[sums], double (&keep)[kept]) const {
    const length_of_row plain(sum[0], 0), smooth(sum[0], epsilon.as<double>());
    keep[0] = plain.norm * smooth.inverse;
    keep[1] = step.as<double>() * plain.inverse;
    return smooth.norm;
  }
  template <class V>
  PREFER_HD void slopes(const V (&x)[arrays], const V (&)[factors], const V (&keep)[kept],
                        V (&slope)[gradients]) const {
    const V h = keep[1] * x[0];
    slope[0] = x[1] + h;
    slope[1] = x[1] - h;
  }
};

// The norm, its slope and the weight in; the points' factor 1, the coefficient, the norm and the penalty out.
struct difference_body {
  gradient_penalty penalty;
  scalar step;
  scalar scale = 1.0;

  static constexpr int inputs = 3, outputs = 4, sums = 1;

  PREFER_HD difference_body ready(double normalizer) const {
    difference_body b = *this;
    b.scale = scalar(1.0 / normalizer);
    return b;
  }
  template <class V>
  PREFER_HD void operator()(const V (&in)[inputs], V (&out)[outputs], V (&sum)[sums]) const {
    const scored_term<V> t = penalty(scored<V>{.score = in[0]});
    out[0] = V(1);
    out[1] = t.d_score * in[1] * in[2] * scale.as<V>() / (V(2) * step.as<V>());
    out[2] = in[0];
    out[3] = in[2] * t.value;
    sum[0] = V(0);
  }
};

template <space S>
status check_penalty_differences(const penalty_difference_inputs<S>& in, const penalty_difference_outputs<S>& out) {
  const auto& g = in.gradient;
  if (!g.given()) return require::fail(errc::missing_input, "gradient", "one row per sample");
  if (!in.x.given()) return require::fail(errc::missing_input, "x", "the inputs that the gradients were taken at");
  if (!out.plus.given() && !out.minus.given() && !out.coefficient.given() && !out.norm.given() && !out.losses.given())
    return require::fail(errc::missing_output, "outputs", "at least one output to write");
  const std::int64_t n = g.extent[0], d = g.extent[1];
  if (n < 0 || d < 0)
    return require::fail(errc::bad_extent, "gradient", "at least", static_cast<double>(n < 0 ? n : d), 0);
  using require::holds;
  const auto vector = [n](const char* name, const auto& v, holds what) {
    return check_optional(name, v, n, same_extent, what);
  };
  const auto matrix = [n, d](const char* name, const auto& v) {
    return v.given() ? require::matrix(name, v, n, d) : status{};
  };
  if (const status s =
          first_error(matrix("gradient", g), matrix("x", in.x), vector("weight", in.weight, holds::numbers),
                      vector("mask", in.mask, holds::flags), matrix("plus", out.plus), matrix("minus", out.minus),
                      vector("coefficient", out.coefficient, holds::numbers), vector("norm", out.norm, holds::numbers),
                      vector("losses", out.losses, holds::numbers));
      !s.ok())
    return s;
  require::footprints<4, 5> all;
  all.read("gradient", g), all.read("x", in.x), all.read("weight", in.weight), all.read("mask", in.mask);
  all.write("plus", out.plus), all.write("minus", out.minus), all.write("coefficient", out.coefficient);
  all.write("norm", out.norm), all.write("losses", out.losses);
  return all.check();
}

}  // namespace detail

// Where to evaluate the model, and with which factors, so that the penalty's gradient by the parameters follows from
// first derivatives: for each sample, with g = its gradient and u = g / |g|,
//
//   plus_i = x_i + step u_i,   minus_i = x_i - step u_i,   coefficient_i = w_i / n d penalty / d |g_i| / (2 step)
//   dP / d theta = sum_i coefficient_i (d D(plus_i) / d theta - d D(minus_i) / d theta) + O(step^2)
//
// since d g_i / d theta along u_i is the derivative of d D(x_i) / d theta along u_i. So: evaluate D at all 2 n points
// and go back from sum_i coefficient_i (D(plus_i) - D(minus_i)), with points and coefficients as constants. Where g is
// 0, or the penalty's derivative is, so is the coefficient; both points are x where g is 0. Samples that the mask
// leaves out: zeros.
//
// `step` is in the units of x. Differences lose about eps |D| / step to rounding and step^2 to curvature: 1e-2 of
// the scale of x in float, 1e-4 in double. Exact for models that are quadratic in x along u; a ReLU network has errors
// where a kink lies between the points. `norm` is the gradient_norm that the penalty is taken of.
//
// Arithmetic in Compute (float or double), norms in double. Each row is read once, each output written once; on
// CUDA one launch (one more counts a mask without a normaliser), with workspace of penalty_differences_workspace(n)
// bytes or memory in stream order. Errors: parameters (step above 0), shapes, types, overlap, with content::all NaN;
// then nothing has been written. Proposed here.
template <class Compute, class Exec>
status penalty_differences(const Exec& exec, const gradient_norm& norm, const gradient_penalty& penalty,
                           const scalar& step, const std::type_identity_t<penalty_difference_inputs<Exec::memory>>& in,
                           const std::type_identity_t<penalty_difference_outputs<Exec::memory>>& out) {
  static_assert(std::same_as<Compute, float> || std::same_as<Compute, double>,
                "prefer: penalty_differences<Compute> computes in float or double; the views choose their own types");
  if (const status s = first_error(norm.check(), penalty.check(), require::positive(step, "step")); !s.ok()) return s;
  if (const status s = detail::check_penalty_differences(in, out); !s.ok()) return s;
  row_arguments<detail::difference_points, detail::difference_body, 1> a;
  a.items.n = in.gradient.extent[0];
  a.items.in[2] = detail::place_of(in.weight);
  a.items.in[2].neutral = 1;
  a.items.mask = detail::place_of(in.mask);
  a.items.normalizer = in.normalizer;
  a.items.out[1] = detail::place_of(out.coefficient);
  a.items.out[2] = detail::place_of(out.norm);
  a.items.out[3] = detail::place_of(out.losses);
  a.elements = in.gradient.extent[1];
  a.computed = 2;
  a.row[0][0] = detail::place_of(in.gradient), a.row[0][1] = detail::place_of(in.x);
  a.gradient[0][0] = detail::place_of(out.plus), a.gradient[0][1] = detail::place_of(out.minus);
  if (const status s =
          first_error(detail::check_numbers(exec, "gradient", a.row[0][0], a.items.mask, a.items.n, a.elements),
                      detail::check_numbers(exec, "x", a.row[0][1], a.items.mask, a.items.n, a.elements),
                      detail::check_numbers(exec, "weight", a.items.in[2], a.items.mask, a.items.n));
      !s.ok())
    return s;
  return row_map_reduce<Compute>(exec, detail::difference_points{norm.epsilon, step},
                                 detail::difference_body{penalty, step}, a);
}

}  // namespace PREFER_ABI
}  // namespace prefer
