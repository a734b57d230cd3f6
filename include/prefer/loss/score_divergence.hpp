// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate_rows.hpp>
#include <prefer/core/math.hpp>

namespace prefer {

// Rows of score functions at noised samples x_t: n x D each.
template <space S>
struct score_rows {
  input_view<2, S> divergence = {};  // y: the generator's score less the reference's
  input_view<2, S> residual = {};    // e: the generator's score less grad log q(x_t | x_0), which is -noise / sigma
};
template <space S>
struct score_row_gradients {
  output_view<2, S> divergence = {};
  output_view<2, S> residual = {};
};

// The score-divergence regulariser as a score of evaluate_rows: how the generator is kept near a reference diffusion by
// their scores alone, with the distance d(y) = sqrt(|y|^2 + c^2) - c (pseudo-Huber).
//
//   rho = sqrt(|y|^2 + c^2)
//   score = -d'(y).e = -y.e / rho
//   d score / d e = -y / rho,   d score / d y = -(e / rho - y (y.e) / rho^3)
//
// The loss is `reward_linear` (value the score itself, weights w(t) as the call's weight), an explicit reward another
// loss beside it: Diff-Instruct* has a reward weight of 100, and one of 7.5 for guidance; with none it is score
// implicit matching. The generator's score comes from a network of its own that stands still in this step, the gradient
// goes on to the generator through x_t.
//
// c, above 0, keeps y = 0 finite; a large c makes c times the score the inner product -y.e. Sums over D make w grow
// with resolution. Squares are summed in Compute inside a tile: norms whose squares leave its range (1e-19 to 1e19 in
// float) count as 0, or make the item NaN. Errors: c must be finite and above 0. Source: Diff-Instruct*, arXiv
// 2410.20898: weights read in its repository, the distance from a description, the form of the loss from memory; the
// default of c is this library's.
struct score_divergence {
  scalar c = 1.0;

  static constexpr bool mean = false;
  static constexpr int arrays = 2, gradients = 2, factors = 1, sums = 2, kept = 2;
  template <space S>
  using rows = score_rows<S>;
  template <space S>
  using gradient_rows = score_row_gradients<S>;
  template <space S>
  struct item_factors {};
  static constexpr const char* pair_names[2][2] = {{"chosen.divergence", "chosen.residual"},
                                                   {"rejected.divergence", "rejected.residual"}};
  static constexpr const char* response_names[1][2] = {{"rows.divergence", "rows.residual"}};
  static constexpr const char* factor_names[1] = {""};
  struct gradient_names {
    static constexpr const char* pair_names[2][2] = {{"grad_chosen.divergence", "grad_chosen.residual"},
                                                     {"grad_rejected.divergence", "grad_rejected.residual"}};
    static constexpr const char* response_names[1][2] = {{"grad.divergence", "grad.residual"}};
  };

  constexpr status check() const { return require::positive(c, "c"); }
  constexpr bool reads(int) const { return true; }
  constexpr bool provides(int) const { return true; }
  template <class Rows, class F>
  static void each_row(const Rows& r, F f) {
    f(r.divergence), f(r.residual);
  }
  template <class Rows, class F>
  static void each_gradient(const Rows& r, F f) {
    f(r.divergence), f(r.residual);
  }
  template <class Factors, class F>
  static void each_factor(const Factors&, F) {}

  template <class V>
  PREFER_HD void terms(const V (&x)[arrays], const V (&)[factors], V (&t)[sums]) const {
    t[0] = x[0] * x[1], t[1] = x[0] * x[0];
  }
  // Keeps 1 / rho and y.e / rho^3.
  PREFER_HD double finish(const double (&sum)[sums], double (&keep)[kept]) const {
    const double floor = c.as<double>(), inverse = 1 / math::sqrt(sum[1] + floor * floor), along = sum[0] * inverse;
    keep[0] = inverse, keep[1] = along * inverse * inverse;
    return -along;
  }
  template <class V>
  PREFER_HD void slopes(const V (&x)[arrays], const V (&)[factors], const V (&keep)[kept],
                        V (&slope)[gradients]) const {
    slope[0] = keep[1] * x[0] - keep[0] * x[1];
    slope[1] = -keep[0] * x[0];
  }
};

}  // namespace prefer
