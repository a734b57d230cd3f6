// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/ppo.hpp>

// Losses with one ratio per response, the geometric mean of its tokens'.
namespace prefer {

inline namespace PREFER_ABI {
namespace detail {

// The clipped surrogate of such a ratio; d_policy is the derivative by the mean log-ratio.
template <class V>
PREFER_HD action_term<V> sequence_surrogate(const action<V>& a, const V& length, const V& clip_low,
                                            const V& clip_high) {
  return clipped_surrogate(a.advantage, math::exp((a.policy - a.old_policy) / length), clip_low, clip_high,
                           V(detail::unbounded_ratio));
}

}  // namespace detail
}  // namespace PREFER_ABI

// Group sequence policy optimisation (GSPO): ppo with one ratio per response, the geometric mean of its tokens'.
//
//   ratio = e^((policy - old_policy) / length), with the sums of log-probabilities over the tokens
//   value as in ppo;   d value / d policy = -A ratio / length, and 0 where a bound took over
//
// A response of length 0 counts as one of length 1. From tokens by evaluate_tokens, which counts them; every token of a
// response has the response's derivative. Outputs ratio and clipped. Errors: clip_low must be from 0 to 1, clip_high
// finite and not negative.
// Source: Zheng et al. 2025, arXiv 2507.18071, read in released code.
struct gspo {
  scalar clip_low = 3e-4;
  scalar clip_high = 4e-4;

  constexpr status check() const { return detail::check_clips(clip_low, clip_high); }

  template <class V>
  PREFER_HD action_term<V> operator()(const action<V>& a) const {
    const V length = math::max(a.length, V(1));
    action_term<V> t = detail::sequence_surrogate(a, length, clip_low.as<V>(), clip_high.as<V>());
    t.d_policy = t.d_policy / length;
    return t;
  }
};

// GSPO on tokens: the ratio is the response's and a constant, the gradient each token's own, so that tokens of one
// response may have advantages of their own.
//
//   ratio = column[0], the same for all tokens of a response: e^(mean of policy - old_policy over its tokens)
//   value as in ppo;   d value / d policy = -A ratio, and 0 where a bound took over
//
// The ratio is what importance_weights gives with truncated_importance of the level `geometric`. With one advantage per
// response and each token divided by its response's length this has the gradient of gspo. Of `policy` only the
// derivative is used, not what it is. Outputs ratio and clipped. Errors: clip_low must be from 0 to 1, clip_high finite
// and not negative. Source: Zheng et al. 2025, arXiv 2507.18071 (GSPO-token), read in released code.
struct gspo_token {
  scalar clip_low = 3e-4;
  scalar clip_high = 4e-4;

  constexpr status check() const { return detail::check_clips(clip_low, clip_high); }

  template <class V>
  PREFER_HD action_term<V> operator()(const action<V>& a) const {
    const V none = a.policy - math::detach(a.policy);  // 0, or NaN where the policy is infinite, with its derivative
    const V ratio = a.column[0] * (V(1) + math::select(none == V(0), none, V(0)));
    return detail::clipped_surrogate(a.advantage, ratio, clip_low.as<V>(), clip_high.as<V>(),
                                     V(detail::unbounded_ratio));
  }
};

// LUSPO: gspo times the length of the response, so that the gradient of a token does not fade in long responses.
//
//   ratio = e^((policy - old_policy) / length), with the sums of log-probabilities over the tokens
//   value = length times that of gspo;   d value / d policy = -A ratio, and 0 where a bound took over
//
// A response of length 0 counts as one of length 1. Outputs ratio and clipped. Errors: clip_low must be from 0 to 1,
// clip_high finite and not negative. Source: arXiv 2602.05261, read in released code.
struct luspo {
  scalar clip_low = 2e-3;
  scalar clip_high = 2.5e-3;

  constexpr status check() const { return detail::check_clips(clip_low, clip_high); }

  template <class V>
  PREFER_HD action_term<V> operator()(const action<V>& a) const {
    const V length = math::max(a.length, V(1));
    action_term<V> t = detail::sequence_surrogate(a, length, clip_low.as<V>(), clip_high.as<V>());
    t.value = length * t.value;
    return t;
  }
};

// GMPO: the geometric mean of ratios that were bounded one by one, each on the side that its response's advantage A
// drives it to.
//
//   l = policy - old_policy of a token, bounded by clip from above for A > 0, by -clip from below for A <= 0
//   ratio = e^(mean of l over the tokens);   value = -A ratio
//   d value / d policy = -A ratio / (number of tokens), and 0 for a token whose bound took over
//
// From tokens in two calls: importance_weights with gmpo_bound says which tokens are within their bound (`keep`) and
// how many there are in all (`length`); evaluate_tokens takes the first as token_mask and the second as column[0]. What
// the mask leaves out of column[0] tokens counts as bounded. A response without tokens counts as one of length 1.
// Output ratio. Errors: clip must be finite and not negative. Source: arXiv 2507.20673, read in released code; the form
// with a count in place of the bounded tokens: derived here.
struct gmpo {
  scalar clip = 0.4;

  constexpr status check() const { return require::not_negative(clip, "clip"); }

  template <class V>
  PREFER_HD action_term<V> operator()(const action<V>& a) const {
    const V tokens = math::max(a.column[0], V(1)), bound = clip.as<V>();
    const V bounded = (a.column[0] - a.length) * math::select(a.advantage > V(0), bound, -bound);
    action_term<V> t;
    t.ratio = math::exp(((a.policy - a.old_policy) + bounded) / tokens);
    t.value = -math::share(a.advantage, t.ratio);
    t.d_policy = t.value / tokens;
    return t;
  }
};

}  // namespace prefer
