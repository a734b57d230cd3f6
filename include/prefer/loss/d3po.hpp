// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/pair.hpp>

namespace prefer {

// D3PO (direct preference for denoising diffusion policy optimisation) on one denoising step of two images.
//
//   a, c: log-ratios of the step's Gaussian transition for the two images as in dpo (means over dimensions)
//   clamped to [log(1 - clip), log(1 + clip)];  h = 2 label - 1
//   z = beta h (clamp(a) - clamp(c)),   value = -log sigmoid(z)
//   d value / d a = -beta h sigmoid(-z) where a is inside the range, 0 outside;   d value / d c likewise with +
//
// label is 1 (chosen preferred, the default), 0, or 1/2 for a tie, which teaches nothing. The ratios are clamped as
// logarithms: the official code clamps their exponentials, which overflow. With the defaults the value stays within
// [0.6832, 0.7033]. A response pushed out of the range gets no gradient, on the side where it would help too.
// Step-aware preference optimisation (SPO, Liang et al. 2024, arXiv 2406.04314) is d3po{.beta = 10} on two candidates
// drawn from one state. Errors: beta must be finite and above 0, clip above 0 and below 1.
// Source: Yang et al. 2023, arXiv 2311.13231, algorithm 1 and the official code.
struct d3po {
  scalar beta = 0.1;
  scalar clip = 0.1;

  constexpr status check() const {
    return first_error(require::positive(beta, "beta"), require::positive(clip, "clip"),
                       require::below(clip, 1, "clip", "above 0 and below 1"));
  }

  template <class V>
  PREFER_HD pair_term<V> operator()(const pair<V>& p) const {
    const V low = math::log1p(-clip.as<V>()), high = math::log1p(clip.as<V>());
    const log_ratios<V> ratio(p);
    const V direction = beta.as<V>() * (p.label + p.label - V(1));
    const V chosen = clamped(ratio.chosen, low, high), rejected = clamped(ratio.rejected, low, high);
    const auto loss = math::logistic_loss(direction * (chosen - rejected));
    const V slope = direction * loss.derivative;
    return ratio.term(loss.value, math::select(ratio.chosen == chosen, slope, V(0)),
                      math::select(ratio.rejected == rejected, -slope, V(0)), beta.as<V>());
  }

 private:
  template <class V>
  static PREFER_HD V clamped(const V& x, const V& low, const V& high) {
    return math::select(x < low, low, math::select(x > high, high, x));
  }
};

}  // namespace prefer
