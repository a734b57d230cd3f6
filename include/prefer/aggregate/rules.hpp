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
//     constexpr status check() const;
//     constexpr status check_rewards(std::int64_t k) const;   // may be left out: what depends on the number of rewards
//     // One number per reward, found once per call, which the functions below read as r.state(k).
//     PREFER_HD double prepare(const reward_statistics& all, int k) const;
//     template <class Row> PREFER_HD auto operator()(const Row& r) const;                              // the aggregate
//     template <class Row, class V> PREFER_HD V slope(const Row& r, int k, const V& aggregate) const;  // by r[k]
//   };
//
// A row r has r.count() rewards r[k] (numbers or lanes), weights r.weight(k), and their sum r.weights(). The weights
// are 1 if none are given. A reward whose weight is 0 is not looked at. A NaN makes its sample's aggregate NaN.
namespace prefer {
inline namespace PREFER_ABI {

// Weights and, for rules that learn of the batch, moments of K rewards.
struct reward_statistics {
  int count = 0;
  const moments* of = nullptr;
};

namespace detail {

// Sum over rewards of weight * f(k).
template <class Row, class F>
PREFER_HD auto weighted(const Row& r, F f) {
  typename Row::value sum(0);
  for (int k = 0; k < r.count(); ++k)
    if (r.weight(k) != 0) sum += typename Row::value(r.weight(k)) * f(k);
  return sum;
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

// Log-tamed aggregation: sum_k w_k t_k with t_k = log(1 + r_k) for the rewards that vary too much, r_k for the others.
// Those are the ones whose coefficient of variation over the batch, h_k = S_k / (M_k + epsilon), is above a threshold:
// the mean of all h, their median, or a value. Slope: w_k / (1 + r_k) or w_k. Source: PaCo-GRPO (arXiv 2512.04784),
// equations 2 to 4, which go on to normalise by group (`grpo` of the result). The released code has an epsilon of 1e-6
// and uses the result as the advantage, held between -5 and 5; its median is an addition to the paper.
//
// What follows: one reward, or rewards of equal h, are never tamed by their mean. A reward of negative mean has a
// negative h and is not tamed; one of mean 0 has an h of 0: coefficients of variation are for positive rewards. log(1 +
// r) has no value for r at or below -1: NaN, as the paper has it; `symmetric` takes sign(r) log(1 + |r|) instead, the
// same for r >= 0, with the slope w_k / (1 + |r_k|) (proposed here). Taming keeps the order of a reward but not its
// scale: the larger a reward, the more it is tamed; rewards in [0, 1] change by a factor of 2 at most.
struct log_tamed {
  static constexpr bool learns_batch = true;
  enum class threshold : std::uint8_t { mean, median, value };

  threshold above = threshold::mean;
  scalar value = 0.2;  // for threshold::value
  scalar epsilon = 0.0;
  bool symmetric = false;

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
    return variation(all.of[k]) > limit(all) ? 1 : 0;
  }
  template <class Row>
  PREFER_HD auto operator()(const Row& r) const {
    return detail::weighted(r, [&](int k) PREFER_HD_LAMBDA { return r.state(k) != 0 ? tamed(r[k]) : r[k]; });
  }
  template <class Row, class V>
  PREFER_HD V slope(const Row& r, int k, const V&) const {
    const V w(r.weight(k));
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
    if (above == threshold::median) return (ordered(all, (all.count - 1) / 2) + ordered(all, all.count / 2)) / 2;
    double sum = 0;
    for (int k = 0; k < all.count; ++k) sum += variation(all.of[k]);
    // Coefficients that are all equal are not above their mean, however it is rounded.
    const double mean = sum / all.count, most = ordered(all, all.count - 1);
    return ordered(all, 0) == most ? most : mean;
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

// -1/beta log(sum_k v_k e^(-beta r_k)), v = w / sum w: between the mean (beta to 0) and the smallest reward (beta to
// infinity); slope v_k e^(-beta (r_k - aggregate)), which add up to 1. Weights must not be negative. Source:
// risk-sensitive (entropic) aggregation; RVPO (arXiv 2605.05750) applies it to normalised rewards.
struct soft_min {
  static constexpr bool learns_batch = false;
  scalar beta = 1.0;

  constexpr status check() const { return require::positive(beta, "beta"); }
  PREFER_HD double prepare(const reward_statistics&, int) const { return 0; }
  template <class Row>
  PREFER_HD auto operator()(const Row& r) const {
    using V = typename Row::value;
    const V b(beta.as<double>());
    V least(math::detail::infinity<double>());
    for (int k = 0; k < r.count(); ++k)
      if (r.weight(k) != 0) least = math::select(r[k] < least, r[k], least);
    const V sum = detail::weighted(r, [&](int k) PREFER_HD_LAMBDA { return math::exp(-b * (r[k] - least)); });
    return least - math::log(sum / V(r.weights())) / b;
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

}  // namespace PREFER_ABI
}  // namespace prefer
