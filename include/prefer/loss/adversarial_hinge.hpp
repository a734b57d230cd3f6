// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/scored.hpp>

namespace prefer {

// The hinge loss of a discriminator whose score is a reward: references (label 1) above margin, what was generated
// (label 0) below -margin.
//
//   value = label max(0, margin - score) + (1 - label) max(0, margin + score)
//   d value / d score = (1 - label) [score > -margin] - label [score < margin]     (at a corner: 0 of its side)
//
// A score may be infinite; a NaN makes the value NaN.
//
// The mean over as many references as generated ones is the published 1/2 (mean + mean); otherwise give weights.
// Patches are a second call, of weight 0.3, on the same totals (.accumulate). A reward moves when its discriminator
// does: advantages are to be found anew after every update, and a perfect discriminator leaves no differences to learn
// from. The reward itself, 0.7 of the image and 0.3 of the mean patch, is a weighted_sum; the pairwise variant is
// bradley_terry. Errors: margin must be finite and above 0.
// Source: Adv-GRPO (arXiv 2511.20256), released code (margin 1).
struct adversarial_hinge {
  scalar margin = 1.0;

  constexpr status check() const { return require::positive(margin, "margin"); }

  template <class V>
  PREFER_HD scored_term<V> operator()(const scored<V>& x) const {
    const V m = margin.as<V>(), generated = V(1) - x.label;
    const V below = m - x.score, above = m + x.score;
    const auto real_done = below <= V(0), fake_done = above <= V(0);  // NaN are not
    scored_term<V> t;
    t.value = math::select(real_done, V(0), math::share(x.label, below)) +
              math::select(fake_done, V(0), math::share(generated, above));
    t.d_score = math::select(fake_done, V(0), generated) - math::select(real_done, V(0), x.label);
    return t;
  }
};

}  // namespace prefer
