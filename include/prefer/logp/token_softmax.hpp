// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/item.hpp>
#include <prefer/backend/row_reduce.hpp>

#include <cstdint>

// The distribution behind a row of logits: its options, and the body of row_reduce that knows its arithmetic.
namespace prefer {

// What lies between a row of logits x and its distribution p, and what the loss makes of the probability of target y:
//
//   z = x logit_scale / temperature                                            p = softmax(z)
//   z = soft_cap tanh(x logit_scale / soft_cap) / temperature                  if soft_cap is not 0
//   loss = -(1 - label_smoothing) log p_y - label_smoothing mean_v log p_v + z_loss (log sum_v e^z_v)^2
//
// A logit of -inf is a token that cannot be chosen: it has probability 0 whatever the options (a soft cap would give it
// mass), takes no part in the mean and has gradient 0. So is one whose z is further below the largest than a number of
// Compute can say in powers of two (2.3e38 in float): masks of the lowest number. Rows with target ignore_index are
// never read: their outputs and gradients are 0 (argmax: -1). label_smoothing and z_loss change `loss` only. Errors:
// temperature and logit_scale must be above 0, the others 0 or above, label_smoothing at most 1.
struct token_softmax {
  scalar temperature = 1.0;
  scalar logit_scale = 1.0;
  scalar soft_cap = 0.0;
  scalar label_smoothing = 0.0;
  scalar z_loss = 0.0;
  std::int64_t ignore_index = -100;

  constexpr status check() const {
    return first_error(require::positive(temperature, "temperature"), require::positive(logit_scale, "logit_scale"),
                       require::not_negative(soft_cap, "soft_cap"), require::not_negative(z_loss, "z_loss"),
                       require::from_0_to_1(label_smoothing, "label_smoothing"));
  }
};

inline namespace PREFER_ABI {
namespace detail {

// One call as the body sees it.
struct token_arguments {
  static constexpr int upstreams = 4;
  std::int64_t columns = 0;
  std::int64_t first = 0, vocabulary = 0;  // targets are in [0, vocabulary), of which the columns begin at `first`
  bool saved = false;                      // the row's answers are inputs
  bool answers = false;                    // some answer is an output
  source target;
  source upstream[upstreams];  // by logp, loss, entropy, log-sum-exp
  source saved_logp, saved_max, saved_log_sum, saved_entropy, saved_choices;
  sink logp, loss, max, log_sum, entropy, choices, argmax_prob, shard_max, shard_sum, shard_target;
  sink argmax;  // integral
  scalar grad_scale = 1.0;
};

// A row's distribution, in double.
struct token_row {
  double logp, max, log_sum, entropy, choices;
  double mean;  // of log p over the choices
  double argmax_prob;
  std::int64_t argmax;

  static PREFER_HD token_row filled_with(double x) { return {x, x, x, x, x, x, x, -1}; }

  PREFER_HD double log_sum_exp() const { return max + log_sum; }
};

// T: of the arithmetic on columns. Capped: with a soft cap. Full: with the sums that entropy and smoothing need.
template <class T, bool Capped, bool Full>
struct token_body {
  static constexpr int sums = Full ? 4 : 1;  // of e^d, d e^d, d, 1, where d = z - maximum
  static constexpr T most_below = static_cast<T>(sizeof(T) == 4 ? -0x1.fffffep127 : -0x1.fffffffffffffp1023);
  using state = row_state<sums>;

  token_softmax options;
  token_arguments io;
  T inner = 1, outer = 1;  // z = outer x, or outer tanh(inner x)
  T bits = 1;              // log2(e) d z / d x, without a soft cap
  double slope_scale = 1;  // d z / d x, at 0 with a soft cap
  double smoothing = 0, z_loss = 0, grad_scale = 1;

  // What the gradient's columns need: d objective / d z = uniform + p (linear + entropic log p).
  struct coefficients {
    T shift, log_sum;    // a number close to the largest column (with a soft cap: z), and L - z of that
    T linear, entropic;  // divided by the sum of e^d
    T uniform, nothing;  // of tokens that can be chosen, and of the others
    T apart;             // the target's
    T offset = 0;        // of the y of slopes
  };

  PREFER_HD token_body ready() const {
    token_body b = *this;
    const double scale = options.logit_scale.as<double>(), temperature = options.temperature.as<double>();
    const double cap = options.soft_cap.as<double>();
    b.slope_scale = scale / temperature;
    b.bits = static_cast<T>(unit() * b.slope_scale);
    b.inner = static_cast<T>(Capped ? scale / cap : 1);
    b.outer = static_cast<T>(Capped ? cap / temperature : scale / temperature);
    b.smoothing = options.label_smoothing.as<double>();
    b.z_loss = options.z_loss.as<double>();
    b.grad_scale = io.grad_scale.as<double>();
    return b;
  }

  template <class V>
  PREFER_HD V value(const V& x) const {
    if constexpr (Capped) {
      const V lowest = -math::detail::infinity<V>();
      return math::select(x == lowest, lowest, V(outer) * math::tanh(V(inner) * x));
    } else {
      return V(outer) * x;
    }
  }

  // Distances in powers of two: y = d log2(e). One number takes temperature and scale with it.
  static PREFER_HD double unit() { return math::detail::format<double>::log2e; }
  static constexpr bool ascends = !Capped;
  PREFER_HD T column_unit() const { return bits; }

  template <class V>
  PREFER_HD void terms(const V& y, V (&term)[sums], [[maybe_unused]] const V& offset = V(0)) const {
    term[0] = math::exp2_decay(y);
    if constexpr (Full) {
      const auto present = y > -math::detail::infinity<V>();
      const V d = (y - offset) * V(math::detail::format_of<V>::ln2);
      term[1] = math::share(term[0], d);
      term[2] = math::select(present, d, V(0));
      term[3] = math::select(present, V(1), V(0));
    }
  }
  template <class V>
  PREFER_HD void rebase(V (&sum)[sums], const V& by) const {
    const V factor = math::exp2_decay(by);
    if constexpr (Full) {
      const V d = by * V(math::detail::format_of<V>::ln2);
      sum[1] = math::share(factor, sum[1] + d * sum[0]);
      const auto within = by >= V(most_below);  // else what moves is -inf to numbers of T, and no choice
      sum[2] = math::select(within, sum[2] + d * sum[3], V(0));
      sum[3] = math::select(within, sum[3], V(0));
    }
    sum[0] = factor * sum[0];
  }
  template <class V>
  PREFER_HD void divide(V (&sum)[sums], const V& power) const {
    sum[0] = sum[0] / power;
    if constexpr (Full) sum[1] = sum[1] / power;
  }

  PREFER_HD std::int64_t target_of(std::int64_t item) const {
    return load_index(io.target.data, io.target.type, item * io.target.stride);
  }
  PREFER_HD bool has_target() const { return io.target.data != nullptr; }

  PREFER_HD bool reduces() const { return !io.saved; }
  PREFER_HD row_plan begin(std::int64_t item) const {
    row_plan p;
    p.slopes = false;
    for (const source& s : io.upstream) p.slopes = p.slopes || read_item<double>(s, item) != 0;
    p.reduces = !io.saved && (io.answers || p.slopes);
    if (!has_target()) return p;
    const std::int64_t target = target_of(item);
    if (target >= 0 && target < io.vocabulary && target != options.ignore_index) {
      const std::int64_t column = target - io.first;
      p.left_out = column >= 0 && column < io.columns ? column : -1;
      return p;
    }
    p.reduces = p.slopes = false;
    if (target == options.ignore_index) return p;
    p.fill = math::detail::not_a_number<float>();
    p.code = errc::bad_index;
    return p;
  }

  // The distribution of a row from the state of its other tokens and the target's z (-inf: no target). Sums that leave
  // the target out keep log p_y and 1 - p_y exact when p_y is close to 1.
  PREFER_HD token_row distribution(const state& s, std::int64_t target, double z) const {
    constexpr double inf = math::detail::format<double>::infinity, nan = math::detail::format<double>::nan;
    const double ahead = s.max - z;
    const bool target_leads = ahead <= 0;  // e^0 is in the sum once, as the target's or as another's
    const double own = target_leads ? 1.0 : math::exp(-ahead), others = target_leads ? math::exp(ahead) : 1.0;
    const double rest = math::share(others, s.sum[0]);
    token_row r;
    r.max = target_leads ? z : s.max;
    r.log_sum = target_leads ? math::log1p(rest) : math::log(rest + own);
    // A NaN is in the sums; an infinite maximum, or none, leaves no distribution.
    if (!(r.max < inf) || !(r.max > -inf) || math::is_nan(s.sum[0]) || math::is_nan(z)) r.log_sum = nan;
    r.logp = target_leads ? 0.0 - r.log_sum : (z - r.max) - r.log_sum;
    const bool target_first = s.arg < 0 || z > s.max || (target_leads && target < s.arg);
    r.argmax = math::is_nan(r.log_sum) ? -1 : target_first ? target : s.arg;
    r.argmax_prob = math::exp(-r.log_sum);
    r.entropy = r.choices = r.mean = 0;
    if constexpr (Full) {
      const bool present = z > -inf;
      double sum[sums];
      for (int k = 0; k < sums; ++k) sum[k] = s.sum[k];
      rebase_to(*this, r.max, s.max, sum);
      const double behind = present ? z - r.max : 0;
      r.choices = sum[3] + (present ? 1 : 0);
      r.mean = (sum[2] + behind) / r.choices - r.log_sum;
      r.entropy = r.log_sum - (sum[1] + own * behind) / (rest + own);
    }
    return r;
  }

  PREFER_HD token_row saved_row(std::int64_t item) const {
    token_row r = token_row::filled_with(0);
    r.logp = read_item<double>(io.saved_logp, item);
    r.max = read_item<double>(io.saved_max, item);
    r.log_sum = read_item<double>(io.saved_log_sum, item);
    r.entropy = read_item<double>(io.saved_entropy, item);
    const bool counted = io.saved_choices.data != nullptr;
    r.choices = counted ? read_item<double>(io.saved_choices, item) : static_cast<double>(io.vocabulary);
    return r;
  }

  PREFER_HD double loss_of(const token_row& r) const {
    const double all = r.log_sum_exp();
    return math::share(z_loss, all * all) - math::share(1 - smoothing, r.logp) - math::share(smoothing, r.mean);
  }

  PREFER_HD void answer(std::int64_t item, const token_row& r) const {
    write_item(io.logp, item, true, r.logp, false);
    write_item(io.loss, item, true, loss_of(r), false);
    write_item(io.max, item, true, r.max, false);
    write_item(io.log_sum, item, true, r.log_sum + lost_by(io.max, r.max), false);
    write_item(io.entropy, item, true, r.entropy, false);
    write_item(io.choices, item, true, r.choices, false);
    write_item(io.argmax_prob, item, true, r.argmax_prob, false);
    write_index(io.argmax, item, r.argmax);
  }
  PREFER_HD void answer_shard(std::int64_t item, const state& s, double z) const {
    write_item(io.shard_max, item, true, s.max, false);
    write_item(io.shard_sum, item, true, s.sum[0] * math::exp(lost_by(io.shard_max, s.max)), false);
    write_item(io.shard_target, item, true, z, false);
  }

  PREFER_HD coefficients finish(std::int64_t item, const row_plan& plan, const state& s, double z) const {
    constexpr double inf = math::detail::format<double>::infinity, nan = math::detail::format<double>::nan;
    token_row r = token_row::filled_with(plan.code != errc::ok ? nan : 0);
    const double own = plan.left_out < 0 ? -inf : z;
    if (plan.reduces) r = distribution(s, plan.left_out, own);
    if (plan.slopes && io.saved) r = saved_row(item);
    if (io.answers) answer(item, r), answer_shard(item, s, plan.code != errc::ok ? nan : own);
    return plan.slopes ? gradient_of(item, plan, r) : coefficients{};
  }

  // L - z of a number that stands for the largest column.
  PREFER_HD double log_sum_from(T shift, const token_row& r) const {
    return r.log_sum + (r.max - (ascends ? slope_scale : 1) * static_cast<double>(shift));
  }
  // d objective / d z_v = pull p_v
  PREFER_HD coefficients pull_of(const token_row& r, double pull) const {
    coefficients c{};
    c.shift = static_cast<T>(r.max / (ascends ? slope_scale : 1));
    const double log_sum = log_sum_from(c.shift, r);
    c.log_sum = static_cast<T>(log_sum);
    c.linear = static_cast<T>(slope_scale * pull * math::exp(-log_sum));
    c.nothing = static_cast<T>(math::is_nan(r.log_sum) ? math::detail::format<double>::nan : 0);
    return c;
  }
  PREFER_HD coefficients divided(coefficients c, T power, T offset) const {
    c.linear /= power, c.entropic /= power, c.offset = offset;
    return c;
  }

  PREFER_HD coefficients gradient_of(std::int64_t item, const row_plan& plan, const token_row& r) const {
    double g[token_arguments::upstreams];
    for (int k = 0; k < token_arguments::upstreams; ++k) g[k] = read_item<double>(io.upstream[k], item) * grad_scale;
    const double own = g[0] - (1 - smoothing) * g[1];  // of (1 at the target) - p
    const double uniform = -math::share(smoothing * g[1], 1 / r.choices);
    const double others = 2 * math::share(z_loss * g[1], r.log_sum_exp()) + smoothing * g[1] + g[3] -
                          math::share(g[2], r.entropy);  // of p
    coefficients c = pull_of(r, others - own);
    c.entropic = static_cast<T>(-slope_scale * g[2] * math::exp(-log_sum_from(c.shift, r)));
    c.uniform = static_cast<T>(slope_scale * uniform) + c.nothing;
    c.apart = T(0);
    if (plan.left_out >= 0) {
      // own (1 - p_y) without forming the difference.
      const double p = math::exp(r.logp);
      const double rest = math::share(p, others - math::share(g[2], r.logp));
      c.apart = static_cast<T>(slope_scale * (-own * math::expm1(r.logp) + uniform + rest));
    }
    return c;
  }

  // The derivative of the soft cap, over its value at 0: 1 - tanh^2 without the difference.
  template <class V>
  PREFER_HD V cap_slope(const V& x) const {
    const V e = math::exp_decay(V(-2) * math::abs(V(inner) * x));
    const V sum = V(1) + e;
    return V(4) * e / (sum * sum);
  }

  template <class V>
  PREFER_HD V slope(const V& x, const V& y, const coefficients& c) const {
    const V e = math::exp2_decay(y);
    V slope;
    if constexpr (Full) {
      const auto present = y > -math::detail::infinity<V>();  // as in `terms`
      const V d = (y - V(c.offset)) * V(math::detail::format_of<V>::ln2);
      slope = math::share(e, V(c.linear) + V(c.entropic) * (d - V(c.log_sum)));
      slope = slope + math::select(present, V(c.uniform), V(c.nothing));
    } else {
      slope = e * V(c.linear);
    }
    if constexpr (Capped) slope = slope * cap_slope(x);
    return slope;
  }
  PREFER_HD T slope_left_out(T x, const coefficients& c) const {
    if constexpr (Capped)
      return c.apart * cap_slope(x);
    else
      return c.apart;
  }
};

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
