// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/scored.hpp>

namespace prefer {

// Reward feedback with a target: a generator is trained to raise a reward until it reaches the target.
//
//   value = max(0, target - score),   d value / d score = -1 where score < target, 0 elsewhere (at the target too)
//
// Several reward models are several calls on one normaliser, or columns of a loss of your own; the published scale
// (1e-3) is a weight. The target means the same for two rewards only if both are standardised. The gradient by the
// reward goes on to the generator through the reward model. Errors: target must be finite.
// Source: Zhang et al. 2024 (IterComp), arXiv 2410.07171, and its released code; ReFL: Xu et al. 2023, arXiv
// 2304.05977.
struct reward_hinge {
  scalar target = 2.0;

  constexpr status check() const { return require::is_finite(target, "target"); }

  template <class V>
  PREFER_HD scored_term<V> operator()(const scored<V>& x) const {
    const V missing = target.as<V>() - x.score;
    const auto satisfied = missing <= V(0);
    scored_term<V> t;
    t.value = math::select(satisfied, V(0), missing);
    t.d_score = math::select(satisfied, V(0), V(-1));
    return t;
  }
};

// A score as a loss, or a penalty.
//
//   value = offset + slope score,   d value / d score = slope
//
// The default, -score, raises a reward for as long as it lasts. slope -1 and offset 1 on the rows of `cosine` is the
// loss 1 - cos to a reference embedding; slope beta on the rows of `gaussian_kl` is a divergence's part of a bound.
// Errors: slope and offset must be finite. Source: ID-Aligner, arXiv 2404.15449 (linear and cosine feedback).
struct reward_linear {
  scalar slope = -1.0;
  scalar offset = 0.0;

  constexpr status check() const {
    return first_error(require::is_finite(slope, "slope"), require::is_finite(offset, "offset"));
  }

  template <class V>
  PREFER_HD scored_term<V> operator()(const scored<V>& x) const {
    const V s = slope.as<V>();
    scored_term<V> t;
    t.value = math::fma(s, x.score, offset.as<V>());
    t.d_score = s;
    return t;
  }
};

}  // namespace prefer
