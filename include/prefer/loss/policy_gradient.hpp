// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/action.hpp>
#include <prefer/core/evaluate.hpp>

// Losses whose gradient is the score function times a weight that is a constant to it.
namespace prefer {

inline namespace PREFER_ABI {
namespace detail {

// -weight A policy
template <class V>
PREFER_HD action_term<V> weighted_score(const action<V>& a, const V& weight) {
  action_term<V> t;
  t.d_policy = -math::share(a.advantage, weight);
  t.value = math::share(t.d_policy, a.policy);
  return t;
}

// The old policy's samples seen from the policy, as a constant.
template <class V>
PREFER_HD V constant_ratio(const action<V>& a) {
  return math::exp(math::detach(a.policy - a.old_policy));
}

// The same with the ratio as weight, bounded from above; no gradient where too_far is above 0.
template <class V>
PREFER_HD action_term<V> score_within(const action<V>& a, const V& too_far, const V& ratio_max) {
  const V ratio = constant_ratio(a), weight = math::select(ratio > ratio_max, ratio_max, ratio);
  action_term<V> t = weighted_score(a, math::select(too_far > V(0), V(0), weight));
  t.ratio = ratio;
  t.clipped = math::select(too_far > V(0), V(1), V(0));
  return t;
}

constexpr status check_bound(const scalar& s, const char* name) {
  return require::that(s.by_pointer() || (s.value64 >= 1 && require::finite(s.value64)), name, s.value64,
                       "finite and at least 1");
}

// x between two bounds; NaN stays NaN.
template <class V>
PREFER_HD V between(const V& x, const V& least, const V& most) {
  return math::select(x < least, least, math::select(x > most, most, x));
}

}  // namespace detail
}  // namespace PREFER_ABI

// The policy gradient (REINFORCE), for samples of the policy itself.
//
//   value = -A policy,   d value / d policy = -A
//
// With a baseline in A (RLOO, group means) this is what GPG and RLOO minimise.
// Source: Williams 1992 (from memory).
struct policy_gradient {
  constexpr status check() const { return {}; }

  template <class V>
  PREFER_HD action_term<V> operator()(const action<V>& a) const {
    return detail::weighted_score(a, V(1));
  }
};

// CISPO: the policy gradient with importance weights that are bounded instead of actions that are dropped, so that
// every action keeps its gradient.
//
//   ratio = e^(policy - old_policy),  w = ratio, bounded by ratio_min and ratio_max, a constant to the gradient
//   value = -w A policy,   d value / d policy = -w A
//
// Outputs ratio, and clipped: 1 where a bound took over (the gradient stays). Trainers disagree about what their
// epsilon bounds: TRL and ms-swift the ratio itself from above (ScaleRL uses 5), verl and others 1 - eps_low to 1 +
// eps_high. Here the bounds are bounds of the ratio. Errors: ratio_min must be from 0 to 1, ratio_max at least 1 and
// finite. Source: MiniMax 2025, arXiv 2506.13585 (eq. 4), read in released code.
struct cispo {
  scalar ratio_min = 0.0;
  scalar ratio_max = 5.0;

  constexpr status check() const {
    return first_error(require::from_0_to_1(ratio_min, "ratio_min"), detail::check_bound(ratio_max, "ratio_max"));
  }

  template <class V>
  PREFER_HD action_term<V> operator()(const action<V>& a) const {
    const V ratio = detail::constant_ratio(a), least = ratio_min.as<V>(), most = ratio_max.as<V>();
    action_term<V> t = detail::weighted_score(a, detail::between(ratio, least, most));
    t.ratio = ratio;
    t.clipped = math::select(ratio < least, V(1), V(0)) + math::select(ratio > most, V(1), V(0));
    return t;
  }
};

// TOPR: tapered off-policy REINFORCE. What is good is imitated, however unlikely it has become; what is bad is pushed
// down with a weight that fades as its probability does.
//
//   ratio = e^(policy - old_policy),  w = 1 for A > 0, min(ratio, 1) for A < 0, a constant to the gradient
//   value = -w A policy,   d value / d policy = -w A
//
// Output ratio.
// Source: Le Roux et al. 2025, arXiv 2503.14286, read in released code (ROLL).
struct topr {
  constexpr status check() const { return {}; }

  template <class V>
  PREFER_HD action_term<V> operator()(const action<V>& a) const {
    const V ratio = detail::constant_ratio(a);
    const V tapered = detail::between(ratio, V(0), V(1));
    action_term<V> t = detail::weighted_score(a, math::select(a.advantage > V(0), V(1), tapered));
    t.ratio = ratio;
    return t;
  }
};

// DPPO by total variation: an action has its gradient until its probability itself, not its ratio, has moved too far in
// the direction of its advantage. A rare action may move by a large factor, a likely one may not.
//
//   ratio = e^(policy - old_policy),  w = min(ratio, ratio_max), a constant to the gradient
//   moved = pi - pi_old;  keep where moved <= delta_high (A > 0), moved >= -delta_low (A < 0)
//   value = -w A policy,   d value / d policy = -w A;  both 0 where not kept
//
// Outputs ratio and clipped. Errors: delta_low and delta_high must be from 0 to 1, ratio_max at least 1 and finite.
// Source: arXiv 2602.04879, read in released code (verl).
struct dppo {
  scalar delta_low = 0.2;
  scalar delta_high = 0.2;
  scalar ratio_max = 20.0;

  constexpr status check() const {
    return first_error(require::from_0_to_1(delta_low, "delta_low"), require::from_0_to_1(delta_high, "delta_high"),
                       detail::check_bound(ratio_max, "ratio_max"));
  }

  template <class V>
  PREFER_HD action_term<V> operator()(const action<V>& a) const {
    const V moved = math::exp(math::detach(a.policy)) - math::exp(a.old_policy);
    const V beyond = math::select(a.advantage > V(0), moved - delta_high.as<V>(), -moved - delta_low.as<V>());
    const V too_far = beyond * math::abs(a.advantage);  // above 0; never without an advantage
    return detail::score_within(a, too_far, ratio_max.as<V>());
  }
};

// DPPO by divergence: as dppo, with the divergence of two coins, this action or another, as the distance.
//
//   D = pi_old log(pi_old / pi) + (1 - pi_old) log((1 - pi_old) / (1 - pi))
//   w = min(ratio, ratio_max), a constant to the gradient, where D <= delta or the step leads back (ratio <= 1 for A >
//   0, ratio >= 1 for A < 0) value = -w A policy,   d value / d policy = -w A;  both 0 where not kept
//
// An action that is certain under one policy and not the other is infinitely far. Outputs ratio and clipped. Errors:
// delta_low (A < 0) and delta_high (A > 0) must be finite and not negative, ratio_max at least 1 and finite. Source:
// arXiv 2602.04879 (eq. 12 and 14, as a trainer's documentation quotes them, with its threshold of 0.05); verl's
// logarithms have offsets of 1e-8, these need none.
struct dppo_kl {
  scalar delta_low = 0.05;
  scalar delta_high = 0.05;
  scalar ratio_max = 20.0;

  constexpr status check() const {
    return first_error(require::not_negative(delta_low, "delta_low"), require::not_negative(delta_high, "delta_high"),
                       detail::check_bound(ratio_max, "ratio_max"));
  }

  template <class V>
  PREFER_HD action_term<V> operator()(const action<V>& a) const {
    // Of the other actions: a quotient under one logarithm, since what is compared with delta may be off by a rounding.
    const V policy = math::detach(a.policy), rest = math::abs(math::expm1(policy));
    const V old_rest = math::select(a.old_policy < V(0), -math::expm1(a.old_policy), V(0));
    const V apart =
        math::share(math::exp(a.old_policy), a.old_policy - policy) + math::share(old_rest, math::log(old_rest / rest));
    const V most = math::select(a.advantage > V(0), delta_high.as<V>(), delta_low.as<V>());
    const V moved = policy - a.old_policy, ahead = math::select(a.advantage > V(0), moved, -moved);
    const V beyond = math::select(ahead > V(0), apart, V(0)) - most;
    const V too_far = beyond * math::abs(a.advantage);  // above 0; never without an advantage
    return detail::score_within(a, too_far, ratio_max.as<V>());
  }
};

// ASPO: for actions to be made more likely the importance weight is turned over, so that those that have become
// unlikely are pulled hardest and those that are likely already least.
//
//   ratio = e^(policy - old_policy),  w = 1 / ratio for A > 0, ratio for A <= 0, at most weight_max, a constant to the
//   gradient;  0 where ratio > 1 + clip_high (A > 0) or ratio < 1 - clip_low (A < 0)
//   value = -w A policy,   d value / d policy = -w A
//
// weight_max bounds the weight and keeps the gradient. Outputs ratio, and clipped: 1 where the gradient is 0. The
// released code gives each of two classes of tokens, by entropy, clips of its own (0.2 and 0.4; its mask named
// high-entropy selects the low ones): two calls with masks, or parameters by class. It reports other values, of the
// same gradients. Errors: clip_low must be from 0 to 1, clip_high finite and not negative, weight_max at least 1 and
// finite. Source: arXiv 2510.06062, read in released code.
struct aspo {
  scalar clip_low = 0.2;
  scalar clip_high = 0.2;
  scalar weight_max = 3.0;

  constexpr status check() const {
    return first_error(require::from_0_to_1(clip_low, "clip_low"), require::not_negative(clip_high, "clip_high"),
                       detail::check_bound(weight_max, "weight_max"));
  }

  template <class V>
  PREFER_HD action_term<V> operator()(const action<V>& a) const {
    const V moved = math::detach(a.policy - a.old_policy), ratio = math::exp(moved);
    const V low = math::select(a.advantage < V(0), V(1) - clip_low.as<V>(), V(0));
    const V high = math::select(a.advantage > V(0), V(1) + clip_high.as<V>(), V(detail::unbounded_ratio));
    const V turned = math::exp(math::select(a.advantage > V(0), -moved, moved)), most = weight_max.as<V>();
    // A sum and a product: g++ makes one mask of selections of one constant, at AVX-512 element by element.
    const V clipped = math::select(ratio < low, V(1), V(0)) + math::select(ratio > high, V(1), V(0));
    action_term<V> t = detail::weighted_score(a, math::select(turned > most, most, turned) * (V(1) - clipped));
    t.ratio = ratio;
    t.clipped = clipped;
    return t;
  }
};

// VESPO: the policy gradient with a smooth weight that is 1 on samples of the policy itself, largest near it, and 0 far
// away on either side.
//
//   x = policy - old_policy, bounded by log 1e-8 and 20;  W = e^x
//   w = e^(lambda + k x - lambda W), a constant to the gradient; k, lambda by the sign of A (A = 0 counts as positive)
//   value = -w A policy,   d value / d policy = -w A
//
// It is meant for responses: policy and old_policy are sums over tokens, whose differences the authors' code bounds by
// 20 before it adds them up. Output ratio is e^(policy - old_policy). Errors: all parameters must be finite and above
// 0. Source: arXiv 2602.10693, read in released code.
struct vespo {
  scalar k_positive = 2.0, lambda_positive = 3.0;
  scalar k_negative = 3.0, lambda_negative = 2.0;

  constexpr status check() const {
    return first_error(
        require::positive(k_positive, "k_positive"), require::positive(lambda_positive, "lambda_positive"),
        require::positive(k_negative, "k_negative"), require::positive(lambda_negative, "lambda_negative"));
  }

  template <class V>
  PREFER_HD action_term<V> operator()(const action<V>& a) const {
    const auto loses = a.advantage < V(0);
    const V k = math::select(loses, k_negative.as<V>(), k_positive.as<V>());
    const V lambda = math::select(loses, lambda_negative.as<V>(), lambda_positive.as<V>());
    const V moved = math::detach(a.policy - a.old_policy);
    const V x = detail::between(moved, V(-18.420680743952367), V(20));
    // lambda - lambda W + k x without the difference of two that are nearly equal near x = 0.
    action_term<V> t = detail::weighted_score(a, math::exp(k * x - lambda * math::expm1(x)));
    t.ratio = math::exp(moved);
    return t;
  }
};

}  // namespace prefer
