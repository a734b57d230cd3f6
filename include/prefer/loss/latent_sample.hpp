// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate_rows.hpp>
#include <prefer/core/math.hpp>
#include <prefer/loss/reward_feedback.hpp>

#include <limits>
#include <type_traits>

namespace prefer {

// A reparametrised sample of a diagonal Gaussian, and its gradient: what a variational encoder (VPL) hands to its
// decoder.
//
//   m = clamp(mean), v = clamp(log_variance) to [-limit, limit],   y = m + e^(v/2) noise,   with mean_only y = m
//   sample = y,   with sphere  sqrt(Z) y / |y|, of norm sqrt(Z) as a standard normal has it in Z dimensions
//
// With g the derivative of a loss by the sample (`upstream`):
//
//   h = g,   with sphere  sqrt(Z) / |y| (g - y (y.g) / |y|^2)
//   grad_mean = h where |mean| <= limit, else 0
//   grad_log_variance = h noise e^(v/2) / 2 where |log_variance| <= limit, else 0
//
// y = 0 has no direction: its sample and gradients are 0 with sphere. The noise is the caller's: standard normal, the
// same for sample and gradient (core/random.hpp). mean_only is for evaluation and reads nothing but the mean.
// Errors: limit must be above 0 (infinite: no clamp). Source: Poddar et al. 2024 (VPL), arXiv 2408.10075, and its
// released code; limit 1 and the sphere are those of its language models.
struct latent_sample {
  bool sphere = false;
  bool mean_only = false;
  scalar limit = std::numeric_limits<double>::infinity();

  constexpr status check() const {
    return require::that(limit.by_pointer() || limit.value64 > 0, "limit", limit.value64, "a number above 0");
  }
};

// n x Z each.
template <space S>
struct latent_inputs {
  input_view<2, S> mean = {}, log_variance = {}, noise = {};
};
template <space S>
struct latent_outputs {
  output_view<2, S> sample = {};
};
template <space S>
struct latent_gradient_inputs {
  input_view<2, S> mean = {}, log_variance = {}, noise = {};
  input_view<2, S> upstream = {};  // the derivative of a loss by the sample
};
template <space S>
struct latent_gradient_outputs {
  output_view<2, S> grad_mean = {}, grad_log_variance = {};
  bool accumulate = false;
};

inline namespace PREFER_ABI {
namespace detail {

// One element before the projection, and what its gradients by mean and log-variance multiply.
template <class V>
struct latent_element {
  V y, by_mean, by_log_variance;

  PREFER_HD latent_element(const latent_sample& o, const V& mean, const V& log_variance, const V& noise) {
    const V limit = o.limit.as<V>();
    const auto clamp = [&](const V& x) PREFER_HD_LAMBDA {
      return math::select(x > limit, limit, math::select(x < -limit, -limit, x));
    };
    const V spread = math::exp(V(0.5) * clamp(log_variance)) * noise;
    y = o.mean_only ? clamp(mean) : clamp(mean) + spread;
    by_mean = math::select(math::abs(mean) > limit, V(0), V(1));
    by_log_variance = math::select(math::abs(log_variance) > limit, V(0), V(0.5) * spread);
  }
};

// The sample as what spreads over rows: a score whose gradient it is.
struct latent_forward {
  latent_sample options;
  double size;  // Z

  static constexpr bool mean = false;
  static constexpr int arrays = 3, gradients = 1, factors = 1, sums = 1, kept = 1;
  template <space S>
  using rows = latent_inputs<S>;
  template <space S>
  using gradient_rows = latent_outputs<S>;
  template <space S>
  struct item_factors {};
  static constexpr const char* response_names[1][3] = {{"mean", "log_variance", "noise"}};
  static constexpr const char* factor_names[1] = {""};
  struct gradient_names {
    static constexpr const char* response_names[1][1] = {{"sample"}};
  };
  constexpr status check() const { return options.check(); }
  constexpr bool reads(int array) const { return array == 0 || !options.mean_only; }
  constexpr bool provides(int) const { return true; }
  template <class Rows, class F>
  static void each_row(const Rows& r, F f) {
    f(r.mean), f(r.log_variance), f(r.noise);
  }
  template <class Rows, class F>
  static void each_gradient(const Rows& r, F f) {
    f(r.sample);
  }
  template <class Factors, class F>
  static void each_factor(const Factors&, F) {}

  template <class V>
  PREFER_HD void terms(const V (&x)[arrays], const V (&)[factors], V (&t)[sums]) const {
    const latent_element<V> e(options, x[0], x[1], x[2]);
    t[0] = e.y * e.y;
  }
  PREFER_HD double finish(const double (&sum)[sums], double (&keep)[kept]) const {
    keep[0] = !options.sphere ? 1 : sum[0] > 0 ? math::sqrt(size / sum[0]) : 0;
    return 0;
  }
  template <class V>
  PREFER_HD void slopes(const V (&x)[arrays], const V (&)[factors], const V (&keep)[kept],
                        V (&slope)[gradients]) const {
    slope[0] = keep[0] * latent_element<V>(options, x[0], x[1], x[2]).y;
  }
};

struct latent_backward {
  latent_sample options;
  double size;

  static constexpr bool mean = false;
  static constexpr int arrays = 4, gradients = 2, factors = 1, sums = 2, kept = 2;
  template <space S>
  using rows = latent_gradient_inputs<S>;
  template <space S>
  using gradient_rows = latent_gradient_outputs<S>;
  template <space S>
  struct item_factors {};
  static constexpr const char* response_names[1][4] = {{"mean", "log_variance", "noise", "upstream"}};
  static constexpr const char* factor_names[1] = {""};
  struct gradient_names {
    static constexpr const char* response_names[1][2] = {{"grad_mean", "grad_log_variance"}};
  };
  constexpr status check() const { return options.check(); }
  constexpr bool reads(int array) const { return array == 0 || array == 3 || !options.mean_only; }
  constexpr bool provides(int gradient) const { return gradient == 0 || !options.mean_only; }
  template <class Rows, class F>
  static void each_row(const Rows& r, F f) {
    f(r.mean), f(r.log_variance), f(r.noise), f(r.upstream);
  }
  template <class Rows, class F>
  static void each_gradient(const Rows& r, F f) {
    f(r.grad_mean), f(r.grad_log_variance);
  }
  template <class Factors, class F>
  static void each_factor(const Factors&, F) {}

  template <class V>
  PREFER_HD void terms(const V (&x)[arrays], const V (&)[factors], V (&t)[sums]) const {
    const latent_element<V> e(options, x[0], x[1], x[2]);
    t[0] = e.y * e.y;
    t[1] = e.y * x[3];
  }
  PREFER_HD double finish(const double (&sum)[sums], double (&keep)[kept]) const {
    keep[0] = !options.sphere ? 1 : sum[0] > 0 ? math::sqrt(size / sum[0]) : 0;
    keep[1] = options.sphere && sum[0] > 0 ? keep[0] * sum[1] / sum[0] : 0;
    return 0;
  }
  template <class V>
  PREFER_HD void slopes(const V (&x)[arrays], const V (&)[factors], const V (&keep)[kept],
                        V (&slope)[gradients]) const {
    const latent_element<V> e(options, x[0], x[1], x[2]);
    const V h = keep[0] * x[3] - keep[1] * e.y;
    slope[0] = h * e.by_mean;
    slope[1] = h * e.by_log_variance;
  }
};

inline constexpr reward_linear spread_rows{.slope = 1.0};

}  // namespace detail

// Draws n samples: {.mean, .log_variance, .noise} -> {.sample}, n x Z each, in Compute (float or double). On CUDA one
// launch; workspace of sample_latent_workspace(n) bytes, or stream-ordered memory. Returns the first thing that is
// wrong; then nothing has been written.
template <class Compute, class Exec>
status sample_latent(const Exec& exec, const latent_sample& options,
                     const std::type_identity_t<latent_inputs<Exec::memory>>& in,
                     const std::type_identity_t<latent_outputs<Exec::memory>>& out) {
  const detail::latent_forward score{options, static_cast<double>(in.mean.extent[1])};
  return evaluate_rows<Compute>(exec, score, detail::spread_rows, {.rows = in, .normalizer = 1.0}, {.grad = out});
}

// The gradients of a loss by mean and log-variance from its derivative by the sample. As sample_latent.
template <class Compute, class Exec>
status sample_latent_gradient(const Exec& exec, const latent_sample& options,
                              const std::type_identity_t<latent_gradient_inputs<Exec::memory>>& in,
                              const std::type_identity_t<latent_gradient_outputs<Exec::memory>>& out) {
  const detail::latent_backward score{options, static_cast<double>(in.mean.extent[1])};
  return evaluate_rows<Compute>(exec, score, detail::spread_rows, {.rows = in, .normalizer = 1.0},
                                {.grad = out, .accumulate = out.accumulate});
}

}  // namespace PREFER_ABI
}  // namespace prefer
