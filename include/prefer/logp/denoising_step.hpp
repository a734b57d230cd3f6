// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate_rows.hpp>
#include <prefer/logp/gaussian_logp.hpp>

#include <cmath>

namespace prefer {

// Rows of one denoising step: n x D each.
template <space S>
struct denoising_rows {
  input_view<2, S> state = {};                     // x_t
  input_view<2, S> next = {};                      // x_(t-1), as it was drawn
  input_view<2, S> prediction = {};                // the policy's noise
  input_view<2, S> reference = {};                 // the reference's noise
  input_view<2, S> unconditional_prediction = {};  // with guidance only
  input_view<2, S> unconditional_reference = {};
};

// The Gaussian transition of a denoising step: next ~ N(state_factor state + noise_factor noise, sigma^2).
template <space S>
struct denoising_factors {
  input_view<1, S> state_factor = {}, noise_factor = {}, sigma = {};  // n each; sigma above 0
};

// The log-ratio of one denoising step under the policy and the reference, the score of D3PO and step-aware SPO.
//
//   e = unconditional + guidance (prediction - unconditional), e_ref likewise; without guidance e = prediction
//   m = state_factor state + noise_factor e, m_ref likewise
//   score = mean over elements of log N(next; m, sigma^2) - log N(next; m_ref, sigma^2)
//         = mean of (m - m_ref) (next - (m + m_ref) / 2) / sigma^2
//   d score / d e = noise_factor (next - m) / (sigma^2 D);  times guidance by prediction, 1 - guidance by unconditional
//
// The constants of the two Gaussians cancel before anything is rounded. With mean = false it is the sum, the log-ratio
// of the step itself; the official code of D3PO takes the mean. `ddim_step` gives the factors. Errors: guidance must be
// finite; a sigma of 0 makes its item infinite or NaN. Source: Yang et al. 2023, arXiv 2311.13231, and Song et al.
// 2020, arXiv 2010.02502, eq. 12; the second form was derived for this library.
struct denoising_step {
  scalar guidance = 1.0;
  bool mean = true;

  static constexpr int arrays = 6, gradients = 2, factors = 3;
  template <space S>
  using rows = denoising_rows<S>;
  template <space S>
  using item_factors = denoising_factors<S>;
  static constexpr const char* pair_names[2][6] = {
      {"chosen.state", "chosen.next", "chosen.prediction", "chosen.reference", "chosen.unconditional_prediction",
       "chosen.unconditional_reference"},
      {"rejected.state", "rejected.next", "rejected.prediction", "rejected.reference",
       "rejected.unconditional_prediction", "rejected.unconditional_reference"}};
  static constexpr const char* response_names[1][6] = {{"rows.state", "rows.next", "rows.prediction", "rows.reference",
                                                        "rows.unconditional_prediction",
                                                        "rows.unconditional_reference"}};
  static constexpr const char* factor_names[3] = {"step.state_factor", "step.noise_factor", "step.sigma"};

  constexpr bool guided() const { return guidance.by_pointer() || guidance.value64 != 1; }
  constexpr status check() const { return require::is_finite(guidance, "guidance"); }
  constexpr bool reads(int array) const { return array < 4 || guided(); }
  constexpr bool provides(int gradient) const { return gradient == 0 || guided(); }
  template <class Rows, class F>
  static void each_row(const Rows& r, F f) {
    f(r.state), f(r.next), f(r.prediction), f(r.reference);
    f(r.unconditional_prediction), f(r.unconditional_reference);
  }
  template <class Factors, class F>
  static void each_factor(const Factors& x, F f) {
    f(x.state_factor), f(x.noise_factor), f(x.sigma);
  }

  template <class V>
  PREFER_HD V term(const V (&x)[arrays], const V (&f)[factors]) const {
    const V s = guidance.as<V>();
    const V e = x[4] + s * (x[2] - x[4]), e_ref = x[5] + s * (x[3] - x[5]);
    return detail::gap_of_squares(residual(x, f, e), f[1] * (e - e_ref) / f[2]);
  }
  template <class V>
  PREFER_HD void slopes(const V (&x)[arrays], const V (&f)[factors], V (&slope)[gradients]) const {
    const V s = guidance.as<V>();
    const V e = x[4] + s * (x[2] - x[4]);
    const V by_noise = (f[1] / f[2]) * residual(x, f, e);
    slope[0] = s * by_noise;
    slope[1] = (V(1) - s) * by_noise;
  }

 private:
  // (next - m) / sigma
  template <class V>
  static PREFER_HD V residual(const V (&x)[arrays], const V (&f)[factors], const V& e) {
    return ((x[1] - f[0] * x[0]) - f[1] * e) / f[2];
  }
};

// The transition of DDIM from a cumulative product alpha_bar to the one of the step before (above it), with noise eta
// (1: the ancestral sampler).
//
//   sigma^2 = eta^2 (1 - a_prev) / (1 - a) (1 - a / a_prev)
//   mean of next = sqrt(a_prev) (state - sqrt(1 - a) noise) / sqrt(a) + sqrt(1 - a_prev - sigma^2) noise
//
// Errors: 0 < alpha_bar < alpha_bar_previous < 1 and 0 < eta <= 1 are needed; otherwise sigma is NaN or 0.
// Source: Song et al. 2020, arXiv 2010.02502, eq. 12 and 16.
struct ddim_transition {
  double state_factor, noise_factor, sigma;
};
inline ddim_transition ddim_step(double alpha_bar, double alpha_bar_previous, double eta = 1) {
  const double a = alpha_bar, b = alpha_bar_previous;
  const double share = eta * eta * (1 - a / b) / (1 - a);  // sigma^2 = share (1 - b)
  const double direction = std::sqrt((1 - b) * (share < 1 ? 1 - share : 0));
  return {std::sqrt(b / a), direction - std::sqrt(b / a * (1 - a)), std::sqrt(share * (1 - b))};
}

// The transition of a multi-step consistency sampler, from noise level t to a cumulative product alpha_bar: the
// network's prediction is of the clean sample, in place of the noise, and the next state is that sample with fresh
// noise.
//
//   clean = c_skip state + c_out prediction,   c_skip = d^2 / (t^2 + d^2),   c_out = t / sqrt(t^2 + d^2)
//   next ~ N(sqrt(alpha_bar) clean, 1 - alpha_bar)
//
// d is the deviation of the data. The last step has no noise and no log-probability. Errors: t must be at least 0 and
// alpha_bar below 1; otherwise sigma is NaN or 0. Source: RLCM, arXiv 2404.03673, from notes on released code, which
// takes the mean over elements, 8 steps, and clips ratios at 1e-4.
inline ddim_transition consistency_step(double t, double alpha_bar, double data_deviation = 0.5) {
  const double d = data_deviation, size = std::hypot(t, d), share = d / size;
  return {std::sqrt(alpha_bar) * (share * share), std::sqrt(alpha_bar) * (t / size), std::sqrt(1 - alpha_bar)};
}

}  // namespace prefer
