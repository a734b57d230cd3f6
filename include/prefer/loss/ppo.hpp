// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/action.hpp>
#include <prefer/core/evaluate.hpp>

#include <limits>

namespace prefer {

inline namespace PREFER_ABI {
namespace detail {

// The clipped surrogate of a ratio; d_policy is the derivative by its logarithm.
template <class V>
PREFER_HD action_term<V> clipped_surrogate(const V& advantage, const V& ratio, const V& clip_low, const V& clip_high,
                                           const V& dual_clip) {
  action_term<V> t;
  t.ratio = ratio;
  const auto gains = advantage > V(0);
  const V low = math::select(gains, V(0), V(1) - clip_low);
  const V high = math::select(gains, V(1) + clip_high, dual_clip);
  const auto below = (t.ratio < low);
  const auto above = (t.ratio > high);
  const V bounded = math::select(below, low, math::select(above, high, t.ratio));  // NaN stays NaN
  const decltype(below) cut = below | above;
  t.value = -math::share(advantage, bounded);
  t.d_policy = math::select(cut, V(0), -math::share(advantage, t.ratio));
  // Sums and products: g++ makes one mask of selections of constants, at AVX-512 element by element.
  const V gone = math::select(below, V(1), V(0)) + math::select(above, V(1), V(0));
  t.clipped = gone * math::select(advantage == V(0), V(0), V(1));
  return t;
}

constexpr status check_clips(const scalar& low, const scalar& high) {
  return first_error(require::from_0_to_1(low, "clip_low"), require::not_negative(high, "clip_high"));
}

}  // namespace detail
}  // namespace PREFER_ABI

// The clipped surrogate of proximal policy optimisation (PPO), with two widths (DAPO) and a second bound where the
// advantage A is negative (dual clip).
//
//   ratio = e^(policy - old_policy)
//   value = -A min(ratio, 1 + clip_high)                      A > 0
//         = -A min(max(ratio, 1 - clip_low), dual_clip)       A < 0
//   d value / d policy = -A ratio, and 0 where a bound took over; 0 where A = 0
//
// On a bound the gradient is still there. An action with A = 0 has value 0, whatever its ratio. Outputs ratio and
// clipped. On tokens this is the loss of GRPO and DAPO (0.2, 0.28). Errors: clip_low must be from 0 to 1, clip_high
// finite and not negative, dual_clip at least 1 (infinite: none; 3 where it is used). Source: Schulman et al. 2017,
// arXiv 1707.06347 (eq. 7); Yu et al. 2025, arXiv 2503.14476 (DAPO); the second bound: Ye et al. 2019, arXiv
// 1912.09729, as trainers ship it.
struct ppo {
  scalar clip_low = 0.2;
  scalar clip_high = 0.2;
  scalar dual_clip = std::numeric_limits<double>::infinity();

  constexpr status check() const {
    return first_error(detail::check_clips(clip_low, clip_high),
                       require::that(dual_clip.by_pointer() || dual_clip.value64 >= 1, "dual_clip", dual_clip.value64,
                                     "at least 1, or infinite"));
  }

  template <class V>
  PREFER_HD action_term<V> operator()(const action<V>& a) const {
    return detail::clipped_surrogate(a.advantage, math::exp(a.policy - a.old_policy), clip_low.as<V>(),
                                     clip_high.as<V>(), dual_clip.as<V>());
  }
};

}  // namespace prefer
