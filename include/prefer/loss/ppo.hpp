// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/action.hpp>
#include <prefer/core/evaluate.hpp>

#include <limits>

namespace prefer {

// The clipped surrogate of proximal policy optimisation (PPO), with two widths (DAPO) and a second bound where the
// advantage A is negative (dual clip).
//
//   ratio = e^(policy - old_policy)
//   value = -A min(ratio, 1 + clip_high)                      A > 0
//         = -A min(max(ratio, 1 - clip_low), dual_clip)       A < 0
//   d value / d policy = -A ratio, and 0 where a bound took over; 0 where A = 0
//
// On a bound the gradient is still there. An action with A = 0 has value 0, whatever its ratio. Outputs ratio and
// clipped. On tokens: GRPO, DAPO (0.2, 0.28); on responses, with the mean of their tokens' log-probabilities: GSPO
// (clip_low 3e-4, clip_high 4e-4). Errors: clip_low must be from 0 to 1, clip_high finite and not negative, dual_clip
// at least 1 (infinite: none; 3 where it is used).
// Source: Schulman et al. 2017, arXiv 1707.06347 (eq. 7); Yu et al. 2025, arXiv 2503.14476 (DAPO); Zheng et al. 2025,
// arXiv 2507.18071 (GSPO); the second bound: Ye et al. 2019, arXiv 1912.09729, as trainers ship it.
struct ppo {
  scalar clip_low = 0.2;
  scalar clip_high = 0.2;
  scalar dual_clip = std::numeric_limits<double>::infinity();

  constexpr status check() const {
    return first_error(require::that(clip_low.by_pointer() || (clip_low.value64 >= 0 && clip_low.value64 <= 1),
                                     "clip_low", clip_low.value64, "from 0 to 1"),
                       require::not_negative(clip_high, "clip_high"),
                       require::that(dual_clip.by_pointer() || dual_clip.value64 >= 1, "dual_clip", dual_clip.value64,
                                     "at least 1, or infinite"));
  }

  template <class V>
  PREFER_HD action_term<V> operator()(const action<V>& a) const {
    action_term<V> t;
    t.ratio = math::exp(a.policy - a.old_policy);
    const auto gains = a.advantage > V(0);
    const V low = math::select(gains, V(0), V(1) - clip_low.as<V>());
    const V high = math::select(gains, V(1) + clip_high.as<V>(), dual_clip.as<V>());
    const auto below = t.ratio<low, above = t.ratio> high;
    const V bounded = math::select(below, low, math::select(above, high, t.ratio));  // NaN stays NaN
    const decltype(below) cut = below | above;
    t.value = -math::share(a.advantage, bounded);
    t.d_policy = math::select(cut, V(0), -math::share(a.advantage, t.ratio));
    t.clipped = math::select(a.advantage == V(0), V(0), math::select(cut, V(1), V(0)));
    return t;
  }
};

}  // namespace prefer
