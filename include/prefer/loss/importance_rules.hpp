// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/checks.hpp>
#include <prefer/core/math.hpp>
#include <prefer/core/scalar.hpp>
#include <prefer/loss/policy_kl.hpp>

#include <cstdint>

// Rules that weigh tokens by how far the policy that is trained and the one that sampled are apart. Below, x is the
// log-ratio of a token, log pi - log pi_sampler, held between -20 and 20, and T the number of selected tokens of its
// response. Weights are constants of every loss: no gradient flows through them.
//
// A rule is a value; whatever has this shape can be given to `importance_weights`:
//
//   struct rule {
//     static constexpr bool reads_advantage = false;
//     constexpr status check() const;                              // of its parameters
//     constexpr bool per_response() const;                         // whether all tokens of a response weigh the same
//     template <class V> PREFER_HD V learn(const V& x) const;      // optional: what `learnt` and `largest` are of
//     PREFER_HD function operator()(const importance_response& r) const;
//   };
//   struct function {
//     template <class V> PREFER_HD V operator()(const V& x) const;  // the weight of a token; 0 drops it
//   };
namespace prefer {

// What the weights of a response are made of: each token's own ratio, their product, or their geometric mean.
enum class importance_level : std::uint8_t { token, sequence, geometric };

inline namespace PREFER_ABI {

// What a rule learns of a response.
struct importance_response {
  double count = 0;      // T
  double sum = 0;        // of x
  double learnt = 0;     // of what the rule's `learn` says of x
  double largest = 0;    // of the same; not below 0
  double advantage = 0;  // of the response, for rules that read it

  PREFER_HD double mean() const { return count > 0 ? sum / count : 0; }
  PREFER_HD double learnt_mean() const { return count > 0 ? learnt / count : 0; }
};

namespace detail {

inline constexpr double importance_limit = 20;

PREFER_HD double within_importance_limit(double x) {
  return x < -importance_limit ? -importance_limit : x > importance_limit ? importance_limit : x;
}

// scale, or scale times a token's own ratio, at most e^most; 0 outside of [low, high], all in logarithms.
struct bounded_ratio {
  double scale = 1, low = -unbounded_ratio, high = unbounded_ratio, most = unbounded_ratio;
  bool by_token = false, binary = false;

  template <class V>
  PREFER_HD V operator()(const V& x) const {
    if (!by_token) return V(scale);
    const auto outside = (x < V(low)) | (x > V(high));
    const V weight = binary ? V(1) : math::exp(math::select(x > V(most), V(most), x));
    return math::select(outside, V(0), weight);
  }
};

// The function of a rule whose ratio is of a token or of the response, by its level.
PREFER_HD bounded_ratio of_level(importance_level level, const importance_response& r, bounded_ratio f) {
  f.by_token = level == importance_level::token;
  if (f.by_token) return f;
  const double x = level == importance_level::sequence ? within_importance_limit(r.sum) : r.mean();
  f.scale = x < f.low || x > f.high ? 0 : f.binary ? 1 : math::exp(x < f.most ? x : f.most);
  return f;
}

// All tokens of a response, or none.
PREFER_HD bounded_ratio all_or_none(bool keep) {
  bounded_ratio f;
  f.scale = keep ? 1 : 0;
  return f;
}

}  // namespace detail

// Every token weighs the same. It reads no log-probabilities: for the shares and lengths of responses alone.
struct equal_importance {
  static constexpr bool reads_advantage = false, reads_ratios = false;
  constexpr status check() const { return {}; }
  constexpr bool per_response() const { return true; }
  PREFER_HD detail::bounded_ratio operator()(const importance_response&) const { return {}; }
};

// Truncated importance sampling (TIS): the ratio, at most `cap`.
//
//   token: min(e^x, cap);   sequence: min(e^(sum of x), cap);   geometric: min(e^(mean of x), cap)
//
// An infinite cap gives the plain ratios: with `geometric` what gspo_token reads. Errors: cap must be above 0, or
// infinite. Source: trainers' code, as notes of it say (verl and OpenRLHF: cap 2; TRL: 3).
struct truncated_importance {
  scalar cap = 2.0;
  importance_level level = importance_level::token;

  static constexpr bool reads_advantage = false;
  constexpr status check() const {
    return require::that(cap.by_pointer() || cap.value64 > 0, "cap", cap.value64, "above 0, or infinite");
  }
  constexpr bool per_response() const { return level != importance_level::token; }
  PREFER_HD detail::bounded_ratio operator()(const importance_response& r) const {
    detail::bounded_ratio f;
    f.most = math::log(cap.as<double>());
    return detail::of_level(level, r, f);
  }
};

// Masked importance sampling: the ratio where it is from ratio_min to ratio_max, 0 elsewhere; with `binary` 1 instead
// of the ratio.
//
//   token, 0.5, 5: IcePop;   sequence, 0, 2 or 3: MIS;   geometric, 0.999, 1.001, binary: the geometric mask
//
// A geometric mean takes a token of ratio 10 and one of 0.1 for equal: see carm. Errors: 0 <= ratio_min <= ratio_max.
// Source: trainers' code (NeMo-RL, TRL, OpenRLHF, slime), as notes of it say.
struct masked_importance {
  scalar ratio_min = 0.5;
  scalar ratio_max = 5.0;
  importance_level level = importance_level::token;
  bool binary = false;

  static constexpr bool reads_advantage = false;
  constexpr status check() const {
    return first_error(
        require::not_negative(ratio_min, "ratio_min"),
        require::that(ratio_max.by_pointer() || ratio_min.by_pointer() || ratio_max.value64 >= ratio_min.value64,
                      "ratio_max", ratio_max.value64, "at least ratio_min"));
  }
  constexpr bool per_response() const { return level != importance_level::token; }
  PREFER_HD detail::bounded_ratio operator()(const importance_response& r) const {
    detail::bounded_ratio f;
    f.low = math::log(ratio_min.as<double>());
    f.high = math::log(ratio_max.as<double>());
    f.binary = binary;
    return detail::of_level(level, r, f);
  }
};

// Coherence-aware masking: 1 where e^(mean of |x|) is at most ratio_max, 0 for all other responses. Unlike in a
// geometric mean, ratios of 10 and 0.1 do not make up for each other. Errors: ratio_max must be at least 1. Source:
// CARM, arXiv 2610.02039, from a summary; the default is this library's.
struct carm {
  scalar ratio_max = 1.05;

  static constexpr bool reads_advantage = false;
  constexpr status check() const {
    return require::that(ratio_max.by_pointer() || ratio_max.value64 >= 1, "ratio_max", ratio_max.value64,
                         "at least 1");
  }
  constexpr bool per_response() const { return true; }
  template <class V>
  PREFER_HD V learn(const V& x) const {
    return math::abs(x);
  }
  PREFER_HD detail::bounded_ratio operator()(const importance_response& r) const {
    return detail::all_or_none(!(r.learnt_mean() > math::log(ratio_max.as<double>())));
  }
};

// Rejection by an estimate of KL(sampler || policy): 1 where it is at most `limit`, 0 elsewhere.
//
//   k1 = -x,   k2 = x^2 / 2,   k3 = e^x - 1 - x
//
// of each token, or of the response: the sum, the mean or the largest over its tokens. Errors: limit must be a number.
// Source: verl (rollout rejection), as notes of it say, where k3 and a mean of 0.001 to 0.01 are usual.
struct divergence_rejection {
  enum class over : std::uint8_t { token, sum, mean, largest };

  kl_estimator estimator = kl_estimator::k3;
  scalar limit = 0.01;
  over of = over::mean;

  struct function {
    bool by_token, keep;
    kl_estimator estimator;
    double limit;
    template <class V>
    PREFER_HD V operator()(const V& x) const {
      if (!by_token) return keep ? V(1) : V(0);
      return math::select(divergence_rejection::estimate(estimator, x) > V(limit), V(0), V(1));
    }
  };

  static constexpr bool reads_advantage = false;
  constexpr status check() const {
    return first_error(
        require::that(estimator <= kl_estimator::k3, "estimator", static_cast<double>(estimator), "k1, k2 or k3"),
        require::that(of <= over::largest, "of", static_cast<double>(of), "one of the four"),
        require::that(limit.by_pointer() || limit.value64 == limit.value64, "limit", limit.value64, "a number"));
  }
  constexpr bool per_response() const { return of != over::token; }
  template <class V>
  PREFER_HD V learn(const V& x) const {
    return estimate(estimator, x);
  }
  PREFER_HD function operator()(const importance_response& r) const {
    const double d = of == over::sum ? r.learnt : of == over::mean ? r.learnt_mean() : r.largest;
    const double most = limit.as<double>();
    return {of == over::token, !(d > most), estimator, most};
  }

  template <class V>
  static PREFER_HD V estimate(kl_estimator estimator, const V& x) {
    return estimator == kl_estimator::k1 ? -x : estimator == kl_estimator::k2 ? V(0.5) * x * x : math::expm1_minus(x);
  }
};

// Drops responses of negative advantage that the policy has already moved away from: 0 where A < 0 and the mean of -x
// exceeds delta, 1 elsewhere. Here x is meant against the policy before the update. Errors: delta must be finite and
// not negative. Source: DeepSeek-V3.2 (section 3.1), as notes say; delta: TRL suggests 0.5, slime has 1e-4.
struct drift_mask {
  scalar delta = 0.5;

  static constexpr bool reads_advantage = true;
  constexpr status check() const { return require::not_negative(delta, "delta"); }
  constexpr bool per_response() const { return true; }
  PREFER_HD detail::bounded_ratio operator()(const importance_response& r) const {
    return detail::all_or_none(!(r.advantage < 0 && -r.mean() > delta.as<double>()));
  }
};

// The tokens that gmpo does not bound: 1 where x <= clip (A > 0) or x >= -clip (A <= 0), 0 elsewhere. Errors: clip must
// be finite and not negative.
struct gmpo_bound {
  scalar clip = 0.4;

  static constexpr bool reads_advantage = true;
  constexpr status check() const { return require::not_negative(clip, "clip"); }
  constexpr bool per_response() const { return false; }
  PREFER_HD detail::bounded_ratio operator()(const importance_response& r) const {
    detail::bounded_ratio f;
    f.by_token = f.binary = true;
    (r.advantage > 0 ? f.high : f.low) = r.advantage > 0 ? clip.as<double>() : -clip.as<double>();
    return f;
  }
};

// Two rules at once: their weights multiplied. A geometric mask and truncated ratios, say:
//
//   importance_product{masked_importance{0.999, 1.001, importance_level::geometric, true}, truncated_importance{}}
//
// At most one of them may have a `learn`.
template <class First, class Second>
struct importance_product {
  First first;
  Second second;

  template <class F, class G>
  struct function {
    F f;
    G g;
    template <class V>
    PREFER_HD V operator()(const V& x) const {
      return f(x) * g(x);
    }
  };

  static constexpr bool reads_advantage = First::reads_advantage || Second::reads_advantage;
  static constexpr bool first_learns = requires(const First& r) { r.learn(0.0); };
  static constexpr bool second_learns = requires(const Second& r) { r.learn(0.0); };
  static_assert(!(first_learns && second_learns), "prefer: one of two importance rules may learn of its own numbers");

  constexpr status check() const { return first_error(first.check(), second.check()); }
  constexpr bool per_response() const { return first.per_response() && second.per_response(); }
  template <class V>
  PREFER_HD V learn(const V& x) const requires(first_learns || second_learns) {
    if constexpr (first_learns)
      return first.learn(x);
    else
      return second.learn(x);
  }
  PREFER_HD auto operator()(const importance_response& r) const {
    return function<decltype(first(r)), decltype(second(r))>{first(r), second(r)};
  }
};
template <class First, class Second>
importance_product(First, Second) -> importance_product<First, Second>;

}  // namespace PREFER_ABI
}  // namespace prefer
