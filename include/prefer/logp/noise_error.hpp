// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate_rows.hpp>

namespace prefer {

// Rows of a noise prediction: n x D each, in any 16-, 32- or 64-bit type.
template <space S>
struct noise_rows {
  input_view<2, S> prediction = {};  // the policy's
  input_view<2, S> reference = {};   // the reference's
  input_view<2, S> noise = {};       // what was added
};

// The excess squared error of a noise prediction over the reference's, the score of Diffusion-DPO, SePPO and
// Diffusion-KTO.
//
//   score = mean over elements of |noise - prediction|^2 - |noise - reference|^2
//         = mean of (prediction - reference) (prediction + reference - 2 noise)
//   d score / d prediction = 2 (prediction - noise) / D
//
// The second form does not subtract two means, whose difference is thousands of times smaller than they are. With
// mean = false it is the sum. prediction = reference gives exactly 0.
struct noise_error {
  bool mean = true;

  static constexpr int arrays = 3, gradients = 1, factors = 1;
  template <space S>
  using rows = noise_rows<S>;
  template <space S>
  struct item_factors {};
  static constexpr const char* pair_names[2][3] = {{"chosen.prediction", "chosen.reference", "chosen.noise"},
                                                   {"rejected.prediction", "rejected.reference", "rejected.noise"}};
  static constexpr const char* response_names[1][3] = {{"rows.prediction", "rows.reference", "rows.noise"}};
  static constexpr const char* factor_names[1] = {""};

  constexpr status check() const { return {}; }
  constexpr bool reads(int) const { return true; }
  constexpr bool provides(int gradient) const { return gradient == 0; }
  template <class Rows, class F>
  static void each_row(const Rows& r, F f) {
    f(r.prediction), f(r.reference), f(r.noise);
  }
  template <class Factors, class F>
  static void each_factor(const Factors&, F) {}

  template <class V>
  PREFER_HD V term(const V (&x)[arrays], const V (&)[factors]) const {
    return (x[0] - x[1]) * ((x[0] - x[2]) + (x[1] - x[2]));
  }
  template <class V>
  PREFER_HD void slopes(const V (&x)[arrays], const V (&)[factors], V (&slope)[gradients]) const {
    const V gap = x[0] - x[2];
    slope[0] = gap + gap;
  }
};

}  // namespace prefer
