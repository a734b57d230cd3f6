// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate_rows.hpp>
#include <prefer/core/math.hpp>

namespace prefer {

// Diagonal Gaussians as rows: n x Z each. A prior that all items share has a row stride of 0.
template <space S>
struct gaussian_rows {
  input_view<2, S> mean = {}, log_variance = {};
  input_view<2, S> prior_mean = {}, prior_log_variance = {};
};
// One row per item, of a shared prior too: `sum_rows` adds them up.
template <space S>
struct gaussian_gradients {
  output_view<2, S> mean = {}, log_variance = {};
  output_view<2, S> prior_mean = {}, prior_log_variance = {};
};

// The Kullback-Leibler divergence of a diagonal Gaussian from another as a score of evaluate_rows, for the bound of a
// variational encoder (VPL): `reward_linear` with slope beta makes it the loss beta KL.
//
//   x = log_variance - prior_log_variance,  q = (mean - prior_mean)^2 e^(-prior_log_variance)
//   score = 1/2 sum over dimensions of (e^x - 1 - x) + q
//   d score / d mean = (mean - prior_mean) e^(-prior_log_variance) = -d score / d prior_mean
//   d score / d log_variance = (e^x - 1) / 2,   d score / d prior_log_variance = -((e^x - 1) + q) / 2
//
// Exact where the two are nearly equal: e^x - 1 - x is not formed by subtraction there. With standard_prior the prior
// is N(0, 1), and its two arrays are not read and have no gradient. Computed in Compute: log-variances beyond +-88
// (float) overflow, as the divergence does. Source: Kingma & Welling 2013, arXiv 1312.6114; in VPL: Poddar et al. 2024,
// arXiv 2408.10075, whose control code leaves out the factor 1/2 (its weight 1 is 2 here).
struct gaussian_kl {
  bool standard_prior = false;

  static constexpr bool mean = false;
  static constexpr int arrays = 4, gradients = 4, factors = 1;
  template <space S>
  using rows = gaussian_rows<S>;
  template <space S>
  using gradient_rows = gaussian_gradients<S>;
  template <space S>
  struct item_factors {};
  static constexpr const char* response_names[1][4] = {
      {"rows.mean", "rows.log_variance", "rows.prior_mean", "rows.prior_log_variance"}};
  static constexpr const char* factor_names[1] = {""};
  struct gradient_names {
    static constexpr const char* response_names[1][4] = {
        {"grad.mean", "grad.log_variance", "grad.prior_mean", "grad.prior_log_variance"}};
  };

  constexpr status check() const { return {}; }
  constexpr bool reads(int array) const { return array < 2 || !standard_prior; }
  constexpr bool provides(int gradient) const { return gradient < 2 || !standard_prior; }
  template <class Rows, class F>
  static void each_row(const Rows& r, F f) {
    f(r.mean), f(r.log_variance), f(r.prior_mean), f(r.prior_log_variance);
  }
  template <class Rows, class F>
  static void each_gradient(const Rows& r, F f) {
    each_row(r, f);
  }
  template <class Factors, class F>
  static void each_factor(const Factors&, F) {}

  template <class V>
  PREFER_HD V term(const V (&x)[arrays], const V (&)[factors]) const {
    const V gap = x[0] - x[2];
    return V(0.5) * (math::expm1_minus(x[1] - x[3]) + gap * gap * math::exp(-x[3]));
  }
  template <class V>
  PREFER_HD void slopes(const V (&x)[arrays], const V (&)[factors], V (&slope)[gradients]) const {
    const V gap = x[0] - x[2], pull = gap * math::exp(-x[3]), widen = V(0.5) * math::expm1(x[1] - x[3]);
    slope[0] = pull;
    slope[1] = widen;
    slope[2] = -pull;
    slope[3] = -widen - V(0.5) * gap * pull;
  }
};

}  // namespace prefer
