// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/math.hpp>
#include <prefer/core/moments.hpp>
#include <prefer/core/scalar.hpp>
#include <prefer/core/status.hpp>

#include <cstdint>

// Rules that make one number of the K rewards of a sample. A rule is a value:
//
//   struct rule {
//     static constexpr bool learns_batch;   // whether it wants the moments of each reward over the batch
//     static constexpr bool learns_ideal;   // whether it wants an ideal value of each reward; may be left out
//     static constexpr bool takes_negative_weights;   // may be left out: true
//     constexpr status check() const;
//     constexpr status check_rewards(std::int64_t k) const;   // may be left out: what depends on the number of rewards
//     // One number per reward, found once per call, which the functions below read as r.state(k).
//     PREFER_HD double prepare(const reward_statistics& all, int k) const;
//     template <class Row> PREFER_HD auto operator()(const Row& r) const;                              // the aggregate
//     // By r[k]; may be left out, and no gradient is to be had then.
//     template <class Row, class V> PREFER_HD V slope(const Row& r, int k, const V& aggregate) const;
//   };
//
// A row r has r.count() rewards r[k] (numbers or lanes), weights r.weight(k), and their sum r.weights(). The weights
// are 1 if none are given. A reward whose weight is 0 is not looked at; where that leaves none, sums and the soft
// minimum are 0, means and the worst reward NaN. A NaN makes its sample's aggregate NaN.
namespace prefer {
inline namespace PREFER_ABI {

// For rules that learn of the batch the moments of K rewards, for those that learn of ideals that of the reward asked
// for.
struct reward_statistics {
  int count = 0;
  const moments* of = nullptr;
  double ideal = 0;
};

namespace detail {

template <class Rule>
inline constexpr bool learns_ideal = false;
template <class Rule>
requires requires { Rule::learns_ideal; }
inline constexpr bool learns_ideal<Rule> = Rule::learns_ideal;

template <class Rule>
inline constexpr bool takes_negative_weights = true;
template <class Rule>
requires requires { Rule::takes_negative_weights; }
inline constexpr bool takes_negative_weights<Rule> = Rule::takes_negative_weights;

// Sum over rewards of weight * f(k).
template <class Row, class F>
PREFER_HD auto weighted(const Row& r, F f) {
  typename Row::value sum(0);
  for (int k = 0; k < r.count(); ++k)
    if (r.weight(k) != 0) sum += typename Row::value(r.weight(k)) * f(k);
  return sum;
}

// -1/beta log(sum_k v_k e^(-beta r_k)), v the weights times `present` (1 or 0), over their sum; 0 if nothing is
// present. Small beta cost no digits: all terms of the sum have one sign, and the one of the least reward is 0, even if
// it is infinite. Where the least reward has next to no weight that sum is nearly -1, and is taken without the -1
// instead.
template <class Row, class Present>
PREFER_HD auto soft_minimum(const Row& r, const scalar& beta, Present present) {
  using V = typename Row::value;
  const V b(beta.as<double>());
  V least(math::detail::infinity<double>()), weights(0);
  double lightest = math::detail::infinity<double>(), total = 0;
  for (int k = 0; k < r.count(); ++k) {
    if (r.weight(k) == 0) continue;
    const V here = present(k);
    least = math::select(here > V(0), math::select(r[k] < least, r[k], least), least);
    weights += V(r.weight(k)) * here;
    lightest = r.weight(k) < lightest ? r.weight(k) : lightest, total += r.weight(k);
  }
  const auto sum = [&](auto f) PREFER_HD_LAMBDA {
    V all(0);
    for (int k = 0; k < r.count(); ++k) {
      if (r.weight(k) == 0) continue;
      const V above = math::select(r[k] == least, V(0), r[k] - least);
      all += math::select(present(k) > V(0), V(r.weight(k)) * f(-b * above), V(0));
    }
    return all / weights;
  };
  const V missing = sum([](const V& x) PREFER_HD_LAMBDA { return math::expm1(x); });
  V log = math::log1p(missing);
  if (lightest < total / 1024)
    log =
        math::select(missing > V(-0.5), log, math::log(sum([](const V& x) PREFER_HD_LAMBDA { return math::exp(x); })));
  return math::select(weights == V(0), V(0), least - log / b);
}

// How far reward k is ahead of its ideal, as rules that learn ideals weigh it.
template <class Row>
PREFER_HD auto lead(const Row& r, int k) {
  using V = typename Row::value;
  return V(r.weight(k)) * (r[k] - V(r.state(k)));
}

}  // namespace detail

// sum_k w_k r_k; slope w_k.
struct weighted_sum {
  static constexpr bool learns_batch = false;
  constexpr status check() const { return {}; }
  PREFER_HD double prepare(const reward_statistics&, int) const { return 0; }
  template <class Row>
  PREFER_HD auto operator()(const Row& r) const {
    return detail::weighted(r, [&](int k) PREFER_HD_LAMBDA { return r[k]; });
  }
  template <class Row, class V>
  PREFER_HD V slope(const Row& r, int k, const V&) const {
    return V(r.weight(k));
  }
};

// The aggregate of a rule, held between -limit and limit, with a slope of 0 where it is held. NaN stay NaN.
template <class Rule>
struct held {
  static constexpr bool learns_batch = Rule::learns_batch;
  static constexpr bool learns_ideal = detail::learns_ideal<Rule>;
  static constexpr bool takes_negative_weights = detail::takes_negative_weights<Rule>;
  Rule rule = {};
  scalar limit = 5.0;

  constexpr status check() const { return first_error(rule.check(), require::positive(limit, "limit")); }
  constexpr status check_rewards(std::int64_t count) const requires requires { rule.check_rewards(count); }
  { return rule.check_rewards(count); }
  PREFER_HD double prepare(const reward_statistics& all, int k) const { return rule.prepare(all, k); }
  template <class Row>
  PREFER_HD auto operator()(const Row& r) const {
    using V = typename Row::value;
    const V x = rule(r), most(limit.as<double>()), least = -most;
    return math::select(x > most, most, math::select(x < least, least, x));
  }
  template <class Row, class V>
  PREFER_HD V slope(const Row& r, int k, const V& aggregate) const requires requires {
    rule.slope(r, k, aggregate);
  }
  { return math::select(math::abs(aggregate) >= V(limit.as<double>()), V(0), rule.slope(r, k, aggregate)); }
};

// Log-tamed aggregation: sum_k w_k t_k with t_k = log(1 + r_k) for the rewards that vary too much, r_k for the others.
// Those are the ones whose coefficient of variation, h_k = S_k / (M_k + epsilon), is above a threshold: the mean of all
// h, their median, or a value. S_k and M_k are the population's deviation and the mean of reward k over the batch
// (`reward_moments`), or over a running window of batches (`window_moments`). Slope: w_k / (1 + r_k) or w_k. Source:
// PaCo-GRPO (arXiv 2512.04784), equations 2 to 4; the median is the released code's.
//
// paper() goes on to normalise by group: `grpo` of the result. released() is what the code does: an epsilon of 1e-6,
// and the result, held between -5 and 5, is the advantage itself.
//
// "Above" is by more than 1e-12 of the threshold, so that it is not roundings that decide where coefficients are equal
// (of copies on other scales, of flags that are set equally often), nor how a batch lies on processes.
//
// What follows: one reward, or rewards of equal h, are never tamed by their mean. A reward of negative mean has a
// negative h and is not tamed; one of mean 0 has an h of 0: coefficients of variation are for positive rewards. log(1 +
// r) has no value for r at or below -1: NaN, as the paper has it; `symmetric` takes sign(r) log(1 + |r|) instead, the
// same for r >= 0, with the slope w_k / (1 + |r_k|) (proposed here). Taming keeps the order of a reward but not its
// scale: the larger a reward, the more it is tamed; rewards in [0, 1] change by a factor of 2 at most. All K rewards
// count for the threshold, those of weight 0 too. Where a moment is NaN, the mean and the median are, and nothing is
// tamed: leave NaN rewards out of the moments (.exclude_nan).
struct log_tamed {
  static constexpr bool learns_batch = true;
  enum class threshold : std::uint8_t { mean, median, value };

  threshold above = threshold::mean;
  scalar value = 0.2;  // for threshold::value
  scalar epsilon = 0.0;
  bool symmetric = false;

  static constexpr log_tamed paper() { return {}; }
  static constexpr held<log_tamed> released();

  constexpr status check() const {
    return first_error(require::is_finite(value, "value"), require::not_negative(epsilon, "epsilon"));
  }
  // The coefficient of variation; 0 for a mean of 0.
  PREFER_HD double variation(const moments& m) const {
    const double mean = m.mean + epsilon.as<double>();
    return mean == 0 ? 0 : m.std(deviation::population) / mean;
  }
  // 1: tamed.
  PREFER_HD double prepare(const reward_statistics& all, int k) const {
    const double most = limit(all);
    return variation(all.of[k]) - most > 1e-12 * ::fabs(most) ? 1 : 0;
  }
  template <class Row>
  PREFER_HD auto operator()(const Row& r) const {
    return detail::weighted(r, [&](int k) PREFER_HD_LAMBDA { return r.state(k) != 0 ? tamed(r[k]) : r[k]; });
  }
  template <class Row, class V>
  PREFER_HD V slope(const Row& r, int k, const V&) const {
    const V w(r.weight(k));
    if (r.weight(k) == 0) return V(0);
    return r.state(k) != 0 ? math::select(valid(r[k]), w / (V(1) + size(r[k])), nothing<V>()) : w;
  }

 private:
  template <class V>
  static PREFER_HD V nothing() {
    return V(math::detail::not_a_number<double>());
  }
  template <class V>
  PREFER_HD V size(const V& x) const {
    return symmetric ? math::abs(x) : x;
  }
  template <class V>
  PREFER_HD auto valid(const V& x) const {
    return size(x) > V(-1);
  }
  template <class V>
  PREFER_HD V tamed(const V& x) const {
    const V y = math::select(valid(x), math::log1p(size(x)), nothing<V>());
    return symmetric ? math::select(x < V(0), -y, y) : y;
  }
  PREFER_HD double limit(const reward_statistics& all) const {
    if (above == threshold::value) return value.as<double>();
    double sum = 0;
    for (int k = 0; k < all.count; ++k) sum += variation(all.of[k]);
    if (math::is_nan(sum)) return sum;  // the order of the others says nothing then
    if (above == threshold::mean) return sum / all.count;
    return (ordered(all, (all.count - 1) / 2) + ordered(all, all.count / 2)) / 2;
  }
  // The nth smallest coefficient, from 0.
  PREFER_HD double ordered(const reward_statistics& all, int n) const {
    for (int k = 0; k < all.count; ++k) {
      const double h = variation(all.of[k]);
      int below = 0, equal = 0;
      for (int j = 0; j < all.count; ++j) {
        const double other = variation(all.of[j]);
        below += other < h, equal += other == h;
      }
      if (below <= n && n < below + equal) return h;
    }
    return math::detail::not_a_number<double>();
  }
};

constexpr held<log_tamed> log_tamed::released() { return {.rule = {.epsilon = 1e-6}, .limit = 5.0}; }

// -1/beta log(sum_k v_k e^(-beta r_k)), v = w / sum w: between the mean (beta to 0) and the smallest reward (beta to
// infinity); slope v_k e^(-beta (r_k - aggregate)), which add up to 1. Weights must not be negative. Source:
// risk-sensitive (entropic) aggregation; RVPO (arXiv 2605.05750) applies it to normalised rewards.
struct soft_min {
  static constexpr bool learns_batch = false;
  static constexpr bool takes_negative_weights = false;
  scalar beta = 1.0;

  constexpr status check() const { return require::positive(beta, "beta"); }
  PREFER_HD double prepare(const reward_statistics&, int) const { return 0; }
  template <class Row>
  PREFER_HD auto operator()(const Row& r) const {
    using V = typename Row::value;
    return detail::soft_minimum(r, beta, [](int) PREFER_HD_LAMBDA { return V(1); });
  }
  template <class Row, class V>
  PREFER_HD V slope(const Row& r, int k, const V& aggregate) const {
    if (r.weight(k) == 0) return V(0);
    return V(r.weight(k) / r.weights()) * math::exp(-V(beta.as<double>()) * (r[k] - aggregate));
  }
};

// (prod_k r_k^w_k)^(1 / sum w), for rewards of 0 and above: a reward of 0 makes it 0, a negative one NaN. Slope
// w_k / sum w * aggregate / r_k (NaN at 0). Weights must not be negative.
struct geometric_mean {
  static constexpr bool learns_batch = false;
  static constexpr bool takes_negative_weights = false;
  constexpr status check() const { return {}; }
  PREFER_HD double prepare(const reward_statistics&, int) const { return 0; }
  template <class Row>
  PREFER_HD auto operator()(const Row& r) const {
    using V = typename Row::value;
    return math::exp(detail::weighted(r, [&](int k) PREFER_HD_LAMBDA { return math::log(r[k]); }) / V(r.weights()));
  }
  template <class Row, class V>
  PREFER_HD V slope(const Row& r, int k, const V& aggregate) const {
    return r.weight(k) == 0 ? V(0) : V(r.weight(k) / r.weights()) * aggregate / r[k];
  }
};

// sum w / sum_k (w_k / r_k), for rewards of 0 and above: a reward of 0 makes it 0, a negative one NaN. Slope
// w_k / sum w * (aggregate / r_k)^2 (NaN at 0). Weights must not be negative.
struct harmonic_mean {
  static constexpr bool learns_batch = false;
  static constexpr bool takes_negative_weights = false;
  constexpr status check() const { return {}; }
  PREFER_HD double prepare(const reward_statistics&, int) const { return 0; }
  template <class Row>
  PREFER_HD auto operator()(const Row& r) const {
    using V = typename Row::value;
    const V nan(math::detail::not_a_number<double>());
    return V(r.weights()) / detail::weighted(r, [&](int k) PREFER_HD_LAMBDA {
             return math::select(r[k] < V(0), nan, V(1) / math::abs(r[k]));
           });
  }
  template <class Row, class V>
  PREFER_HD V slope(const Row& r, int k, const V& aggregate) const {
    if (r.weight(k) == 0) return V(0);
    const V ratio = aggregate / r[k];
    return V(r.weight(k) / r.weights()) * ratio * ratio;
  }
};

// -max_k w_k (ideal_k - r_k) + mix sum_k w_k r_k: how far the worst reward is behind its ideal; it reaches points of a
// Pareto front that no weighted sum does. `mix` breaks ties (the augmented form). Slope: w_k ([k is the worst] + mix),
// the first of several worst ones. The ideals are the best rewards seen so far (`best_rewards`), or what the caller
// wants; weights must not be negative. Source: Bowman 1976; as a reward, CTWA's repository (arXiv 2602.06869), which
// takes it token by token: here it is of whole samples.
struct tchebycheff {
  static constexpr bool learns_batch = false;
  static constexpr bool takes_negative_weights = false;
  static constexpr bool learns_ideal = true;
  scalar mix = 0.0;

  constexpr status check() const { return require::not_negative(mix, "mix"); }
  PREFER_HD double prepare(const reward_statistics& all, int) const { return all.ideal; }
  template <class Row>
  PREFER_HD auto operator()(const Row& r) const {
    using V = typename Row::value;
    V least(math::detail::infinity<double>()), sum(0);
    bool any = false;
    for (int k = 0; k < r.count(); ++k) {
      if (r.weight(k) == 0) continue;
      const V x = detail::lead(r, k);  // NaN stay: neither comparison holds
      least = math::select(least <= x, least, math::select(x < least, x, x + least));
      sum += V(r.weight(k)) * r[k];
      any = true;
    }
    if (!any) return V(math::detail::not_a_number<double>());
    return mix.is_zero() ? least : least + V(mix.as<double>()) * sum;
  }
  template <class Row, class V>
  PREFER_HD V slope(const Row& r, int k, const V& aggregate) const {
    if (r.weight(k) == 0) return V(0);
    const V own = detail::lead(r, k), w(r.weight(k));
    V worst(1);
    for (int j = 0; j < r.count(); ++j) {
      if (j == k || r.weight(j) == 0) continue;
      const V other = detail::lead(r, j);
      worst = j < k ? math::select(other <= own, V(0), worst) : math::select(other < own, V(0), worst);
    }
    return w * (worst + V(mix.as<double>())) + math::nan_of(aggregate);
  }
};

// -t log(sum_k e^(-w_k (r_k - ideal_k) / t)), t the temperature: tchebycheff with a gradient by every reward, which
// falls off smoothly with how much better than the worst it is. It lies between tchebycheff, its limit for t to 0, and
// t log K below; of one reward it is that. Slope: w_k p_k with p_k = e^((aggregate - w_k (r_k - ideal_k)) / t), which
// add up to 1. What it finds best lies on the Pareto front, and for t small enough every point of the front is best by
// some weights. Weights must not be negative. Source: Lin et al. 2024 (arXiv 2402.19078), for losses, from memory; as a
// reward: here.
struct smooth_tchebycheff {
  static constexpr bool learns_batch = false;
  static constexpr bool takes_negative_weights = false;
  static constexpr bool learns_ideal = true;
  scalar temperature = 0.1;

  constexpr status check() const { return require::positive(temperature, "temperature"); }
  PREFER_HD double prepare(const reward_statistics& all, int) const { return all.ideal; }
  template <class Row>
  PREFER_HD auto operator()(const Row& r) const {
    using V = typename Row::value;
    const V t(temperature.as<double>());
    V least(math::detail::infinity<double>()), others(0), seen(0);
    bool any = false;
    for (int k = 0; k < r.count(); ++k)
      if (r.weight(k) != 0) least = math::min(detail::lead(r, k), least), any = true;
    if (!any) return V(math::detail::not_a_number<double>());
    // The first of the least is the 1 of log1p, so that far worse others take no digit from it.
    for (int k = 0; k < r.count(); ++k) {
      if (r.weight(k) == 0) continue;
      const V x = detail::lead(r, k);
      const auto is_least = x == least;
      const V part = math::select(is_least, V(1), math::exp((least - x) / t));
      others += math::select(is_least, part * seen, part);
      seen = math::select(is_least, V(1), seen);
    }
    return least - t * math::log1p(others);
  }
  template <class Row, class V>
  PREFER_HD V slope(const Row& r, int k, const V& aggregate) const {
    if (r.weight(k) == 0) return V(0);
    return V(r.weight(k)) * math::exp((aggregate - detail::lead(r, k)) / V(temperature.as<double>()));
  }
};

}  // namespace PREFER_ABI
}  // namespace prefer
