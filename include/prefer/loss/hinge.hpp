// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/pair.hpp>

namespace prefer {

// The hinge on the difference of log-ratios, as in RSO (statistical rejection sampling).
//
//   z = beta (a - c), a and c as in dpo
//   value = max(0, margin - z)
//   d value / d a = -beta where z < margin, 0 elsewhere,   d value / d c = -d value / d a
//
// Errors: beta must be finite and above 0, margin finite.
// Source: Liu et al. 2023, arXiv 2309.06657 (hinge-norm); the hinge without a reference is `slic`.
struct hinge {
  scalar beta = 0.05;
  scalar margin = 1.0;

  constexpr status check() const {
    return first_error(require::positive(beta, "beta"), require::is_finite(margin, "margin"));
  }

  template <class V>
  PREFER_HD pair_term<V> operator()(const pair<V>& p) const {
    const V b = beta.as<V>();
    const log_ratios<V> ratio(p);
    const V missing = margin.as<V>() - b * ratio.difference();
    const auto satisfied = missing <= V(0);
    const V slope = math::select(satisfied, V(0), -b);
    return ratio.term(math::select(satisfied, V(0), missing), slope, -slope, b);
  }
};

}  // namespace prefer
