// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate_rows.hpp>
#include <prefer/core/math.hpp>

// Log-probabilities of diagonal Gaussians, and log-ratios of two, as scores of evaluate_rows: policies over continuous
// actions, diffusion steps given by their means.
namespace prefer {

// Rows of one Gaussian: n x D each. What rows or elements share has stride 0: a sigma of stride 0 within its row is one
// per item, of row stride 0 one per element for all items, of both one number.
template <space S>
struct gaussian_density_rows {
  input_view<2, S> x = {}, mean = {};
  input_view<2, S> sigma = {};  // standard deviations, or their logarithms
};
// One number per element, of a shared sigma too: `sum_rows` adds them up over items, and over elements if the strides
// of its input are changed over.
template <space S>
struct gaussian_density_gradients {
  output_view<2, S> x = {}, mean = {}, sigma = {};
};

// The same of a policy and a reference at the same x.
template <space S>
struct gaussian_ratio_rows {
  input_view<2, S> x = {}, mean = {}, sigma = {};
  input_view<2, S> reference_mean = {}, reference_sigma = {};
};
template <space S>
struct gaussian_ratio_gradients {
  output_view<2, S> mean = {}, sigma = {};  // of the policy
};

inline namespace PREFER_ABI {
namespace detail {

// log N(x; policy) - log N(x; reference) without the logarithms of the sigmas, from the policy's standard residual z
// and the reference's, z + gap: (z + gap)^2 / 2 - z^2 / 2 without subtracting squares.
template <class V>
PREFER_HD V gap_of_squares(const V& z, const V& gap) {
  return gap * (z + V(0.5) * gap);
}

// One over a standard deviation, and its logarithm, from what is stored.
template <class V>
struct gaussian_width {
  V inverse, log;
  PREFER_HD gaussian_width(const V& sigma, bool is_log) {
    inverse = is_log ? math::exp(-sigma) : V(1) / sigma;
    log = is_log ? sigma : math::log(sigma);
  }
};

}  // namespace detail
}  // namespace PREFER_ABI

// The log-probability of x under a diagonal Gaussian.
//
//   z = (x - mean) / sigma,   score = sum over elements of -z^2 / 2 - log sigma - log(2 pi) / 2
//   d score / d mean = z / sigma = -d score / d x,   d score / d sigma = (z^2 - 1) / sigma,   by log sigma z^2 - 1
//
// With log_sigma, `sigma` holds logarithms and its gradient is by them. With mean = true everything is divided by D.
// `reward_linear` with slope 1 makes `losses` the log-probabilities and `loss` their mean; weights are the derivatives
// of an objective by them. Errors: a sigma of 0 makes its item infinite or NaN, one below 0 NaN. Computed in Compute:
// in float, log-sigmas beyond +-88 overflow. Source: the density of the normal distribution; log-sigmas that all states
// share are those of Schulman et al. 2015 and 2017 (TRPO, PPO), arXiv 1502.05477 and 1707.06347.
struct gaussian_logp {
  bool log_sigma = false;
  bool mean = false;

  static constexpr int arrays = 3, gradients = 3, factors = 1;
  template <space S>
  using rows = gaussian_density_rows<S>;
  template <space S>
  using gradient_rows = gaussian_density_gradients<S>;
  template <space S>
  struct item_factors {};
  static constexpr const char* pair_names[2][3] = {{"chosen.x", "chosen.mean", "chosen.sigma"},
                                                   {"rejected.x", "rejected.mean", "rejected.sigma"}};
  static constexpr const char* response_names[1][3] = {{"rows.x", "rows.mean", "rows.sigma"}};
  static constexpr const char* factor_names[1] = {""};
  struct gradient_names {
    static constexpr const char* pair_names[2][3] = {{"grad_chosen.x", "grad_chosen.mean", "grad_chosen.sigma"},
                                                     {"grad_rejected.x", "grad_rejected.mean", "grad_rejected.sigma"}};
    static constexpr const char* response_names[1][3] = {{"grad.x", "grad.mean", "grad.sigma"}};
  };

  constexpr status check() const { return {}; }
  constexpr bool reads(int) const { return true; }
  constexpr bool provides(int) const { return true; }
  template <class Rows, class F>
  static void each_row(const Rows& r, F f) {
    f(r.x), f(r.mean), f(r.sigma);
  }
  template <class Rows, class F>
  static void each_gradient(const Rows& r, F f) {
    each_row(r, f);
  }
  template <class Factors, class F>
  static void each_factor(const Factors&, F) {}

  template <class V>
  PREFER_HD V term(const V (&x)[arrays], const V (&)[factors]) const {
    const detail::gaussian_width<V> width(x[2], log_sigma);
    const V z = (x[0] - x[1]) * width.inverse;
    return V(-0.5) * z * z - (width.log + V(0.918938533204672741780));  // log(2 pi) / 2
  }
  template <class V>
  PREFER_HD void slopes(const V (&x)[arrays], const V (&)[factors], V (&slope)[gradients]) const {
    const V inverse = detail::gaussian_width<V>(x[2], log_sigma).inverse;
    const V z = (x[0] - x[1]) * inverse;
    slope[1] = z * inverse;
    slope[0] = -slope[1];
    slope[2] = (z - V(1)) * (z + V(1)) * (log_sigma ? V(1) : inverse);
  }
};

// The log-ratio of two diagonal Gaussians at the same x, the policy's over the reference's.
//
//   z = (x - mean) / sigma,   gap = (mean - reference_mean + z (sigma - reference_sigma)) / reference_sigma
//   score = sum over elements of gap (z + gap / 2) - log(sigma / reference_sigma)
//   d score / d mean = z / sigma,   d score / d sigma = (z^2 - 1) / sigma,   by log sigma z^2 - 1
//
// This is log N(x; mean, sigma^2) - log N(x; reference) where neither the constants nor nearly equal squares are
// subtracted: policy = reference gives exactly 0, and a policy close to it keeps its digits. With one_sigma both have
// `sigma`, `reference_sigma` is not read, and the derivative by it is that of both, -gap (2 z + gap) / sigma. With
// log_sigma both hold logarithms. With mean = true everything is divided by D.
//
// A loss over pairs or responses sees the score as policy minus reference: `d3po` on chosen and rejected steps, `kto`
// on single ones. Steps that are known by their noise, and guidance, are `denoising_step`, whose score this is with
// one_sigma. Errors: as gaussian_logp. Source: the density of the normal distribution; the form was derived here.
struct gaussian_log_ratio {
  bool log_sigma = false;
  bool one_sigma = false;
  bool mean = false;

  static constexpr int arrays = 5, gradients = 2, factors = 1;
  template <space S>
  using rows = gaussian_ratio_rows<S>;
  template <space S>
  using gradient_rows = gaussian_ratio_gradients<S>;
  template <space S>
  struct item_factors {};
  static constexpr const char* pair_names[2][5] = {
      {"chosen.x", "chosen.mean", "chosen.sigma", "chosen.reference_mean", "chosen.reference_sigma"},
      {"rejected.x", "rejected.mean", "rejected.sigma", "rejected.reference_mean", "rejected.reference_sigma"}};
  static constexpr const char* response_names[1][5] = {
      {"rows.x", "rows.mean", "rows.sigma", "rows.reference_mean", "rows.reference_sigma"}};
  static constexpr const char* factor_names[1] = {""};
  struct gradient_names {
    static constexpr const char* pair_names[2][2] = {{"grad_chosen.mean", "grad_chosen.sigma"},
                                                     {"grad_rejected.mean", "grad_rejected.sigma"}};
    static constexpr const char* response_names[1][2] = {{"grad.mean", "grad.sigma"}};
  };

  constexpr status check() const { return {}; }
  constexpr bool reads(int array) const { return array < 4 || !one_sigma; }
  constexpr bool provides(int) const { return true; }
  template <class Rows, class F>
  static void each_row(const Rows& r, F f) {
    f(r.x), f(r.mean), f(r.sigma), f(r.reference_mean), f(r.reference_sigma);
  }
  template <class Rows, class F>
  static void each_gradient(const Rows& r, F f) {
    f(r.mean), f(r.sigma);
  }
  template <class Factors, class F>
  static void each_factor(const Factors&, F) {}

  template <class V>
  PREFER_HD V term(const V (&x)[arrays], const V (&)[factors]) const {
    const residuals<V> r(*this, x);
    return detail::gap_of_squares(r.z, r.gap) - r.log_growth;
  }
  template <class V>
  PREFER_HD void slopes(const V (&x)[arrays], const V (&)[factors], V (&slope)[gradients]) const {
    const residuals<V> r(*this, x);
    slope[0] = r.z * r.inverse;
    const V by_log = one_sigma ? V(-2) * detail::gap_of_squares(r.z, r.gap) : (r.z - V(1)) * (r.z + V(1));
    slope[1] = by_log * (log_sigma ? V(1) : r.inverse);
  }

 private:
  template <class V>
  struct residuals {
    V inverse;     // 1 / sigma
    V z, gap;      // of the policy, and how far behind the reference's is
    V log_growth;  // log(sigma / reference_sigma)

    PREFER_HD residuals(const gaussian_log_ratio& o, const V (&x)[arrays]) {
      inverse = detail::gaussian_width<V>(x[2], o.log_sigma).inverse;
      z = (x[0] - x[1]) * inverse;
      if (o.one_sigma) {
        gap = (x[1] - x[3]) * inverse;
        log_growth = V(0);
      } else if (o.log_sigma) {
        log_growth = x[2] - x[4];
        gap = (x[1] - x[3]) * math::exp(-x[4]) + z * math::expm1(log_growth);
      } else {
        const V growth = (x[2] - x[4]) / x[4];
        log_growth = math::log1p(growth);
        gap = (x[1] - x[3]) / x[4] + z * growth;
      }
    }
  };
};

}  // namespace prefer
