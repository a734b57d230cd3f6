// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/row_map_reduce.hpp>
#include <prefer/backend/row_reduce.hpp>
#include <prefer/core/math.hpp>

#include <cstdint>

// The arithmetic of divergences between two rows of logits: a body of row_reduce for the statistics of one row, and a
// score of row_map_reduce for what is found and written from both rows. The user's side is logp/token_divergence.hpp.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// The largest logit x of a row, and log sum_v e^((x_v - max) / temperature). Temperature enters behind the maximum, so
// that what all logits have in common is taken off before anything is rounded.
template <class T>
struct row_normalizer_body {
  static constexpr int sums = 1;
  struct coefficients {
    T shift;
  };

  scalar temperature = 1.0;
  source mask;
  sink max, log_sum;
  T scale = 1;

  PREFER_HD row_normalizer_body ready() const {
    row_normalizer_body b = *this;
    b.scale = static_cast<T>(1 / temperature.as<double>());
    return b;
  }
  PREFER_HD bool reduces() const { return true; }
  PREFER_HD row_plan begin(std::int64_t item) const {
    row_plan p;
    p.reduces = selects(mask, item);
    p.slopes = false;
    return p;
  }
  template <class V>
  PREFER_HD V value(const V& x) const {
    return x;
  }
  PREFER_HD double unit() const { return math::detail::format<double>::log2e * static_cast<double>(scale); }
  template <class V>
  PREFER_HD void terms(const V& y, V (&term)[sums]) const {
    term[0] = math::exp2_decay(y);
  }
  template <class V>
  PREFER_HD void rebase(V (&sum)[sums], const V& by) const {
    sum[0] = math::exp2_decay(by) * sum[0];
  }
  PREFER_HD coefficients finish(std::int64_t item, const row_plan& plan, const row_state<sums>& s, double) const {
    constexpr double inf = math::detail::format<double>::infinity, nan = math::detail::format<double>::nan;
    double top = plan.code == errc::ok ? 0 : nan, rest = top;
    if (plan.reduces) {
      top = s.max;
      // A NaN is in the sum; an infinite maximum, or none, leaves no distribution.
      const bool number = s.max < inf && s.max > -inf && !math::is_nan(s.sum[0]);
      rest = number ? math::log(s.sum[0]) + static_cast<double>(scale) * lost_by(max, s.max) : nan;
    }
    write_item(max, item, true, top, false);
    write_item(log_sum, item, true, rest, false);
    return {};
  }
  template <class V>
  PREFER_HD V slope(const V&, const V&, const coefficients&) const {
    return V(0);
  }
  PREFER_HD T slope_left_out(T, const coefficients&) const { return T(0); }
};

// x - y, and what its rounding lost: their sum is exact.
template <class V>
PREFER_HD V difference_of(const V& x, const V& y, V& lost) {
  const V difference = math::detail::opaque(x - y), back = math::detail::opaque(difference - x);
  lost = (x - math::detail::opaque(difference - back)) - (y + back);
  return difference;
}

// t - log(1 + t) for t from -1/2 to 1: log(1 + t) = 2 atanh(s) with s = t / (2 + t), and t - 2 s = s t exactly.
template <class V>
PREFER_HD V minus_log1p(const V& t) {
  const V s = t / (V(2) + t), square = s * s;
  return s * t - (s + s) * square * math::detail::polynomial<typename math::detail::format_of<V>::atanh_terms>(square);
}

// The smaller of two probabilities over the larger, e^y, in forms that keep their digits near y = 0 and at -infinity.
template <class V>
struct probability_ratio {
  V y;           // 0 or below
  V ratio;       // e^y
  V grown;       // e^y - 1
  V of_larger;   // e^y - 1 - y, 0 or above: what a divergence from the larger to the smaller adds up
  V of_smaller;  // 1 - e^y (1 - y), 0 or above: the other way round, over the larger

  PREFER_HD explicit probability_ratio(const V& log_ratio) : y(-math::abs(log_ratio)) {
    const auto near = y > V(-0.34375);
    const V series = y * y * math::detail::polynomial<typename math::detail::format_of<V>::exp_terms>(y);
    ratio = math::exp_decay(y);
    grown = math::select(near, y + series, ratio - V(1));
    of_larger = math::select(near, series, grown - y);
    of_smaller = math::select(near, y * grown - series, math::share(ratio, y) - grown);
  }
};

// The two against their mixture, larger_weight times the larger and the rest of 1 times the smaller.
template <class V>
struct mixture_ratio {
  V t;           // mixture / larger - 1
  V of_larger;   // t - log(1 + t), 0 or above
  V of_smaller;  // the same for the smaller, over the larger

  PREFER_HD mixture_ratio(const probability_ratio<V>& r, const V& larger_weight) : t((V(1) - larger_weight) * r.grown) {
    const V log_mixture = math::log(V(1) + t);
    of_larger = math::select(t > V(-0.5), minus_log1p(t), t - log_mixture);
    const V above = -larger_weight * r.grown / r.ratio;  // mixture / smaller - 1
    of_smaller = math::select(above < V(1), r.ratio * minus_log1p(above),
                              -larger_weight * r.grown - math::share(r.ratio, log_mixture - r.y));
  }
};

// The divergence of the first row's distribution p from the second's q: KL(p || q), or with Mixture
// weight KL(p || m) + (1 - weight) KL(q || m) where m = weight p + (1 - weight) q.
//
// Sums are of terms that cannot be negative, p log(p / q) - p + q and the like, whose corrections add up to nothing.
// What the normalisers lack to make p and q sum to exactly 1 is measured by two more sums and taken out.
template <bool Mixture>
struct divergence_score {
  static constexpr int arrays = 2, gradients = 2, factors = 8, sums = Mixture ? 4 : 3, kept = 9, answers = 4;
  enum factor { scale, max_p, log_sum_p, max_q, log_sum_q, apart, apart_low, weight };
  // The normalisers, corrected, and the divergences are answers.
  enum keep { new_log_sum_p, new_log_sum_q, value_p, value_q, by_sum_p, by_sum_q, log_ratio, slope_p, slope_q };

  scalar temperature = 1.0, weight_of_p = 0.5;
  source max[2], log_sum[2];  // of p and q
  source saved[2];            // value_p and value_q, if they are saved
  bool is_saved = false;

  PREFER_HD bool reduces() const { return !is_saved; }

  // log p - log q = scale (x - y - apart), in two parts.
  template <class T>
  PREFER_HD void begin(std::int64_t item, T (&f)[factors]) const {
    f[scale] = static_cast<T>(1 / temperature.as<double>());
    double top[2], rest[2];
    for (int k = 0; k < 2; ++k) top[k] = read_item<double>(max[k], item), rest[k] = read_item<double>(log_sum[k], item);
    double lost;
    const double gap = difference_of(top[0], top[1], lost),
                 by_rest = (rest[0] - rest[1]) / static_cast<double>(f[scale]);
    f[max_p] = static_cast<T>(top[0]), f[max_q] = static_cast<T>(top[1]);
    f[log_sum_p] = static_cast<T>(rest[0]), f[log_sum_q] = static_cast<T>(rest[1]);
    f[apart] = static_cast<T>(gap + by_rest);
    f[apart_low] = static_cast<T>(((gap - static_cast<double>(f[apart])) + by_rest) + lost);
    f[weight] = static_cast<T>(weight_of_p.as<double>());
  }

  template <class V>
  struct token {
    V log_p, log_q, log_ratio;

    PREFER_HD token(const V (&x)[arrays], const V (&f)[factors]) {
      log_p = f[scale] * (x[0] - f[max_p]) - f[log_sum_p];
      log_q = f[scale] * (x[1] - f[max_q]) - f[log_sum_q];
      // Neither a common offset nor nearness costs digits.
      V lost;
      const V difference = difference_of(x[0], x[1], lost);
      const V small = math::select(math::abs(lost) < math::detail::infinity<V>(), lost, V(0)) - f[apart_low];
      log_ratio = f[scale] * ((difference - f[apart]) + small);
    }
  };

  template <class V>
  PREFER_HD void terms(const V (&x)[arrays], const V (&f)[factors], V (&term)[sums]) const {
    const token<V> c(x, f);
    const probability_ratio<V> r(c.log_ratio);
    const auto p_leads = c.log_ratio >= V(0);
    const V larger = math::exp_decay(math::select(p_leads, c.log_p, c.log_q));
    if constexpr (Mixture) {
      const mixture_ratio<V> m(r, math::select(p_leads, f[weight], V(1) - f[weight]));
      term[0] = math::share(larger, math::select(p_leads, m.of_larger, m.of_smaller));
      term[3] = math::share(larger, math::select(p_leads, m.of_smaller, m.of_larger));
    } else {
      term[0] = math::share(larger, math::select(p_leads, r.of_larger, r.of_smaller));
    }
    term[1] = math::share(larger, math::select(p_leads, r.grown, -r.grown));  // q - p
    term[2] = math::share(larger, math::select(p_leads, V(1), r.ratio));      // p
  }

  PREFER_HD double finish(std::int64_t item, const double (&sum)[sums], double (&k)[kept]) const {
    constexpr double inf = math::detail::format<double>::infinity, nan = math::detail::format<double>::nan;
    for (double& x : k) x = 0;
    k[by_sum_p] = k[by_sum_q] = 1;
    const double rest_p = read_item<double>(log_sum[0], item), rest_q = read_item<double>(log_sum[1], item);
    const double w = weight_of_p.as<double>(), by_logit = 1 / temperature.as<double>();
    double value = 0;
    if (is_saved) {
      k[value_p] = read_item<double>(saved[0], item), k[value_q] = read_item<double>(saved[1], item);
    } else {
      const double grown = sum[1] / sum[2];  // sum of q / sum of p - 1
      k[by_sum_p] = 1 / sum[2], k[by_sum_q] = 1 / (sum[2] + sum[1]);
      k[log_ratio] = math::log1p(grown);
      k[new_log_sum_p] = rest_p + math::log(sum[2]);
      k[new_log_sum_q] = rest_q + math::log(sum[2]) + k[log_ratio];
      value = sum[0] * k[by_sum_p] - surplus(grown, w);
      if constexpr (Mixture) {
        k[value_p] = sum[0] * k[by_sum_p], k[value_q] = sum[3] * k[by_sum_q];
        value = (w * sum[0] + (1 - w) * sum[3]) * k[by_sum_p] - surplus(grown, w);
      }
      value = math::max(value, 0.0);
      if constexpr (!Mixture) k[value_p] = value;
    }
    // An infinite divergence does not change with the logits of p.
    k[slope_p] = Mixture ? w * by_logit : k[value_p] < inf ? by_logit : 0;
    k[slope_q] = Mixture ? (1 - w) * by_logit : by_logit;
    if (math::is_nan(rest_p) || math::is_nan(rest_q)) {
      for (double& x : k) x = nan;
      value = nan;
    }
    return value;
  }

  template <class V>
  PREFER_HD void slopes(const V (&x)[arrays], const V (&f)[factors], const V (&k)[kept], V (&slope)[gradients]) const {
    const token<V> c(x, f);
    const V d = c.log_ratio + k[log_ratio];
    const V p = math::exp_decay(c.log_p) * k[by_sum_p], q = math::exp_decay(c.log_q) * k[by_sum_q];
    if constexpr (Mixture) {
      const probability_ratio<V> r(d);
      const auto p_leads = d >= V(0);
      const mixture_ratio<V> m(r, math::select(p_leads, f[weight], V(1) - f[weight]));
      const V larger = m.of_larger - m.t, smaller = larger + r.y;  // the logarithms of each over the mixture
      slope[0] = math::share(k[slope_p] * p, math::select(p_leads, larger, smaller) - k[value_p]);
      slope[1] = math::share(k[slope_q] * q, math::select(p_leads, smaller, larger) - k[value_q]);
    } else {
      const V near = -d + d * d * math::detail::polynomial<typename math::detail::format_of<V>::exp_terms>(-d);
      slope[0] = math::share(k[slope_p] * p, d - k[value_p]);
      slope[1] = k[slope_q] * math::select(math::abs(d) < V(0.34375), p * near, q - p);
    }
  }

 private:
  // What the sums give for two equal distributions of which one is multiplied by 1 + grown.
  static PREFER_HD double surplus(double grown, double w) {
    if constexpr (!Mixture) return grown - math::log1p(grown);
    const double mixture = math::log1p((1 - w) * grown);
    return (1 - w) * (1 + grown) * (math::log1p(grown) - mixture) - w * mixture;
  }
};

// An item of both passes: its derivative goes back to the rows, its answers to memory.
struct divergence_body {
  // Inputs are the divergence, its score's answers and the upstream derivative.
  static constexpr int inputs = 6, outputs = 6, sums = 1;
  scalar grad_scale = 1.0;

  PREFER_HD divergence_body ready(double) const { return {grad_scale.as<double>()}; }
  template <class V>
  PREFER_HD void operator()(const V (&in)[inputs], V (&out)[outputs], V (&sum)[sums]) const {
    out[0] = in[5] * grad_scale.as<V>();
    for (int k = 0; k < 5; ++k) out[k + 1] = in[k];
    sum[0] = V(0);
  }
};

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
