// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/row_reduce.hpp>
#include <prefer/core/checks.hpp>

#include <concepts>
#include <cstdint>
#include <string_view>
#include <type_traits>

// From logits to log-probabilities of tokens, with entropy and log-sum-exp, and the gradient back to the logits.
namespace prefer {

// What lies between a row of logits x and its distribution p, and what the loss makes of the probability of target y:
//
//   z = x logit_scale / temperature                                            p = softmax(z)
//   z = soft_cap tanh(x logit_scale / soft_cap) / temperature                  if soft_cap is not 0
//   loss = -(1 - label_smoothing) log p_y - label_smoothing mean_v log p_v + z_loss (log sum_v e^z_v)^2
//
// A logit of -inf is a token that cannot be chosen: it has probability 0 whatever the options (a soft cap would give it
// mass), takes no part in the mean and has gradient 0. Rows with target ignore_index are never read: their outputs and
// gradients are 0 (argmax: -1). label_smoothing and z_loss change `loss` only. Errors: temperature and logit_scale must
// be above 0, the others 0 or above, label_smoothing at most 1.
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
                       require::that(label_smoothing.by_pointer() ||
                                         (label_smoothing.value64 >= 0 && label_smoothing.value64 <= 1),
                                     "label_smoothing", label_smoothing.value64, "from 0 to 1"));
  }
};

// A part of the vocabulary, whose other columns are elsewhere (tensor parallel): column v of the logits is token
// first + v of `vocabulary`, and targets are tokens. 0: the logits are all there is.
struct token_shard {
  std::int64_t first = 0, vocabulary = 0;
};

// Derivatives of the caller's objective by the answers of a row, times grad_scale: any sign. Rows where all given ones
// are 0 get a gradient of 0 without being read for it. Stride 0 gives one number to all rows.
template <space S>
struct token_logp_inputs {
  input_view<2, S> logits = {};  // [M, V], any row stride and alignment
  input_view<1, S> target = {};  // [M] int32 or int64; left out: no logp, no loss
  input_view<1, S> rows = {};    // [R] ascending rows of the logits: all other vectors then have R elements
  input_view<1, S> grad_logp = {}, grad_loss = {}, grad_entropy = {}, grad_log_sum_exp = {};
  scalar grad_scale = 1.0;
  token_shard shard = {};
};
template <space S>
struct token_logp_outputs {
  output_view<1, S> logp = {};         // log p_y, not above 0
  output_view<1, S> loss = {};         // see token_softmax
  output_view<1, S> max = {};          // of z; float or double
  output_view<1, S> log_sum = {};      // log-sum-exp minus max; float or double
  output_view<1, S> entropy = {};      // -sum_v p_v log p_v, in nats
  output_view<1, S> choices = {};      // the number of logits that are not -inf; float or double
  output_view<1, S> argmax = {};       // the first v with the largest z; int32 or int64
  output_view<1, S> argmax_prob = {};  // its probability
  output_view<2, S> grad_logits = {};  // [M, V]; may be the logits themselves
  // For combine_token_shards, all float or double: the largest z of the tokens that are not the target, the sum of
  // e^(z - max) over them, and the target's z, -inf if it is not here.
  output_view<1, S> shard_max = {}, shard_sum = {}, shard_target = {};
};

// The same upstream derivatives, with what token_logp answered. `entropy` is needed with grad_entropy only; `choices`
// with label_smoothing, and only where logits are -inf (left out: V).
template <space S>
struct token_logp_gradient_inputs {
  input_view<2, S> logits = {};
  input_view<1, S> target = {};
  input_view<1, S> rows = {};
  input_view<1, S> logp = {}, max = {}, log_sum = {}, entropy = {}, choices = {};
  input_view<1, S> grad_logp = {}, grad_loss = {}, grad_entropy = {}, grad_log_sum_exp = {};
  scalar grad_scale = 1.0;
  token_shard shard = {};
};
template <space S>
struct token_logp_gradient_outputs {
  output_view<2, S> grad_logits = {};
};

// What K shards answered, [K, M] each in the order of their columns, and what that is for the whole vocabulary.
template <space S>
struct token_shard_inputs {
  input_view<2, S> shard_max = {}, shard_sum = {}, shard_target = {};
  input_view<1, S> target = {};  // [M], to know the ignored rows
};
template <space S>
struct token_shard_outputs {
  output_view<1, S> logp = {}, max = {}, log_sum = {};
};

inline namespace PREFER_ABI {
namespace detail {

// One call as the body sees it.
struct token_arguments {
  static constexpr int upstreams = 4;
  std::int64_t columns = 0;
  std::int64_t first = 0, vocabulary = 0;  // targets are in [0, vocabulary), of which the columns begin at `first`
  bool saved = false;    // the row's answers are inputs
  bool answers = false;  // some answer is an output
  source target;
  source upstream[upstreams];  // by logp, loss, entropy, log-sum-exp
  source saved_logp, saved_max, saved_log_sum, saved_entropy, saved_choices;
  sink logp, loss, max, log_sum, entropy, choices, argmax_prob, shard_max, shard_sum, shard_target;
  sink argmax;  // integral
  scalar grad_scale = 1.0;
};

PREFER_HD void write_index(const sink& s, std::int64_t item, std::int64_t x) {
  if (s.data == nullptr) return;
  if (s.type == element::i64)
    static_cast<std::int64_t*>(s.data)[item * s.stride] = x;
  else
    static_cast<std::int32_t*>(s.data)[item * s.stride] = static_cast<std::int32_t>(x);
}

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
  static constexpr int sums = Full ? 4 : 1;  // of e^d, d e^d, d, 1
  using state = row_state<sums>;

  token_softmax options;
  token_arguments io;
  T inner = 1, outer = 1;  // z = outer x, or outer tanh(inner x)
  double slope_scale = 1;  // d z / d x, at 0 with a soft cap
  double smoothing = 0, z_loss = 0, grad_scale = 1;

  // What the gradient's columns need: d objective / d z = uniform + p (linear + entropic log p).
  struct coefficients {
    T shift, log_sum;
    T linear, entropic;  // divided by the sum of e^d
    T uniform, nothing;  // of tokens that can be chosen, and of the others
    T apart;             // the target's
  };

  PREFER_HD token_body ready() const {
    token_body b = *this;
    const double scale = options.logit_scale.as<double>(), temperature = options.temperature.as<double>();
    const double cap = options.soft_cap.as<double>();
    b.slope_scale = scale / temperature;
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

  template <class V>
  PREFER_HD void terms(const V& d, V (&term)[sums]) const {
    term[0] = math::exp_decay(d);
    if constexpr (Full) {
      const auto present = d > -math::detail::infinity<V>();
      term[1] = math::share(term[0], d);
      term[2] = math::select(present, d, V(0));
      term[3] = math::select(present, V(1), V(0));
    }
  }
  template <class V>
  static PREFER_HD void rebase(V (&sum)[sums], const V& by) {
    const V factor = math::exp_decay(by);
    if constexpr (Full) {
      sum[1] = math::share(factor, sum[1] + by * sum[0]);
      sum[2] += by * sum[3];
    }
    sum[0] = factor * sum[0];
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
      rebase_to<token_body>(r.max, s.max, sum);
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
    r.choices =
        io.saved_choices.data != nullptr ? read_item<double>(io.saved_choices, item) : static_cast<double>(io.vocabulary);
    return r;
  }

  PREFER_HD double loss_of(const token_row& r) const {
    const double all = r.log_sum_exp();
    return math::share(z_loss, all * all) - math::share(1 - smoothing, r.logp) - math::share(smoothing, r.mean);
  }

  // What rounding a maximum to its storage loses. It goes to what is relative to the maximum, so that the two always
  // belong together.
  static PREFER_HD double lost_by(const sink& s, double max) {
    const double stored = s.type == element::f32 ? static_cast<double>(static_cast<float>(max)) : max;
    return stored - stored == 0 ? max - stored : 0;
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

  PREFER_HD coefficients gradient_of(std::int64_t item, const row_plan& plan, const token_row& r) const {
    constexpr double nan = math::detail::format<double>::nan;
    double g[token_arguments::upstreams];
    for (int k = 0; k < token_arguments::upstreams; ++k) g[k] = read_item<double>(io.upstream[k], item) * grad_scale;
    const double own = g[0] - (1 - smoothing) * g[1];  // of (1 at the target) - p
    const double uniform = -math::share(smoothing * g[1], 1 / r.choices);
    const double others = 2 * math::share(z_loss * g[1], r.log_sum_exp()) + smoothing * g[1] + g[3] -
                          math::share(g[2], r.entropy);  // of p
    const double linear = others - own;
    const double by_sum = math::exp(-r.log_sum);
    coefficients c;
    c.shift = static_cast<T>(r.max);
    c.log_sum = static_cast<T>(r.log_sum + (r.max - static_cast<double>(c.shift)));
    c.linear = static_cast<T>(slope_scale * linear * by_sum);
    c.entropic = static_cast<T>(-slope_scale * g[2] * by_sum);
    c.nothing = static_cast<T>(math::is_nan(r.log_sum) ? nan : 0);
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
  PREFER_HD V slope(const V& x, const coefficients& c) const {
    const V d = value(x) - V(c.shift);
    const V e = math::exp_decay(d);
    V y;
    if constexpr (Full) {
      const auto present = x > -math::detail::infinity<V>();
      y = math::share(e, V(c.linear) + V(c.entropic) * (d - V(c.log_sum)));
      y = y + math::select(present, V(c.uniform), V(c.nothing));
    } else {
      y = e * V(c.linear);
    }
    if constexpr (Capped) y = y * cap_slope(x);
    return y;
  }
  PREFER_HD T slope_left_out(T x, const coefficients& c) const {
    if constexpr (Capped)
      return c.apart * cap_slope(x);
    else
      return c.apart;
  }
};


// The fields that both calls have, by name: f(name, view) of the upstream derivatives, in the order of the body.
template <class Inputs, class F>
void each_upstream(const Inputs& in, F f) {
  f("grad_logp", in.grad_logp), f("grad_loss", in.grad_loss);
  f("grad_entropy", in.grad_entropy), f("grad_log_sum_exp", in.grad_log_sum_exp);
}
template <class Inputs, class F>
void each_saved(const Inputs& in, F f) {
  f("logp", in.logp), f("max", in.max), f("log_sum", in.log_sum), f("entropy", in.entropy), f("choices", in.choices);
}
template <class Outputs, class F>
void each_answer(const Outputs& out, F f) {
  using require::holds;
  f("logp", out.logp, holds::numbers), f("loss", out.loss, holds::numbers), f("max", out.max, holds::totals);
  f("log_sum", out.log_sum, holds::totals), f("entropy", out.entropy, holds::numbers);
  f("choices", out.choices, holds::totals), f("argmax_prob", out.argmax_prob, holds::numbers);
  f("argmax", out.argmax, holds::indices), f("shard_max", out.shard_max, holds::totals);
  f("shard_sum", out.shard_sum, holds::totals), f("shard_target", out.shard_target, holds::totals);
}

template <class View>
source token_source(const View& v) {
  return v.given() ? source{v.data, v.stride[0], v.type} : source{};
}
template <class View>
sink token_sink(const View& v) {
  return v.given() ? sink{v.data, v.stride[0], v.type} : sink{};
}

// Shapes and memory of one call: inputs, then outputs, then what shares memory.
template <class Inputs, class Outputs>
class token_call {
 public:
  static constexpr bool saved = requires(const Inputs& in) { in.log_sum; };

  token_call(const token_softmax& options, const Inputs& in, const Outputs& out)
      : options_(options), in_(in), out_(out), items_(in.rows.given() ? in.rows.extent[0] : in.logits.extent[0]) {
    each_upstream(in_, [&](const char*, const auto& v) { any_upstream_ = any_upstream_ || v.given(); });
    if constexpr (!saved)
      each_answer(out_, [&](const char*, const auto& v, require::holds) { any_answer_ = any_answer_ || v.given(); });
  }

  status check() const {
    status s = first_error(options_.check(), require::is_finite(in_.grad_scale, "grad_scale"), check_matrices());
    if (s.ok()) s = check_shard();
    if (s.ok()) s = check_vectors();
    if (s.ok()) s = check_needs();
    if constexpr (saved)
      if (s.ok()) s = check_saved();
    return s.ok() ? check_overlap() : s;
  }

  row_reduce_arguments rows() const {
    row_reduce_arguments a;
    const auto& x = in_.logits;
    const auto& g = out_.grad_logits;
    a.items = items_;
    a.rows = x.extent[0];
    a.columns = x.extent[1];
    a.x = {x.data, x.stride[0], x.stride[1], x.type};
    if (g.given()) a.gradient = {g.data, g.stride[0], g.stride[1], g.type};
    a.index = token_source(in_.rows);
    if constexpr (!saved) a.arg = out_.argmax.given();
    return a;
  }
  token_arguments arguments() const {
    token_arguments a;
    a.columns = in_.logits.extent[1];
    a.first = in_.shard.first;
    a.vocabulary = sharded() ? in_.shard.vocabulary : a.columns;
    a.saved = saved;
    a.answers = any_answer_;
    a.target = token_source(in_.target);
    int k = 0;
    each_upstream(in_, [&](const char*, const auto& v) { a.upstream[k++] = token_source(v); });
    a.grad_scale = in_.grad_scale;
    if constexpr (saved) {
      a.saved_logp = token_source(in_.logp), a.saved_max = token_source(in_.max);
      a.saved_log_sum = token_source(in_.log_sum), a.saved_entropy = token_source(in_.entropy);
      a.saved_choices = token_source(in_.choices);
    } else {
      a.logp = token_sink(out_.logp), a.loss = token_sink(out_.loss), a.max = token_sink(out_.max);
      a.log_sum = token_sink(out_.log_sum), a.entropy = token_sink(out_.entropy);
      a.choices = token_sink(out_.choices), a.argmax_prob = token_sink(out_.argmax_prob);
      a.argmax = token_sink(out_.argmax), a.shard_max = token_sink(out_.shard_max);
      a.shard_sum = token_sink(out_.shard_sum), a.shard_target = token_sink(out_.shard_target);
    }
    return a;
  }

  bool sharded() const { return in_.shard.vocabulary != 0; }
  bool smooths() const { return in_.grad_loss.given() && !options_.label_smoothing.is_zero(); }
  // Whether the sums that entropy and smoothing need are wanted.
  bool full() const {
    bool wanted = smooths() || in_.grad_entropy.given();
    if constexpr (!saved)
      wanted = wanted || out_.entropy.given() || out_.choices.given() ||
               (out_.loss.given() && !options_.label_smoothing.is_zero());
    return wanted;
  }

 private:
  const token_softmax& options_;
  const Inputs& in_;
  const Outputs& out_;
  std::int64_t items_;
  bool any_upstream_ = false, any_answer_ = false;

  status check_matrices() const {
    const auto& x = in_.logits;
    if (!x.given()) return require::fail(errc::missing_input, "logits", "a matrix of one row per token");
    for (int r = 0; r < 2; ++r)
      if (x.extent[r] < 0)
        return require::fail(errc::bad_extent, "logits", "at least", static_cast<double>(x.extent[r]), 0);
    if (const status s = require::matrix("logits", x, x.extent[0], x.extent[1]); !s.ok()) return s;
    const auto& g = out_.grad_logits;
    return g.given() ? require::matrix("grad_logits", g, x.extent[0], x.extent[1]) : status{};
  }

  // A shard knows sums and choices; what belongs to the whole distribution comes after combine_token_shards.
  status check_shard() const {
    if (!sharded()) return require::that(in_.shard.first == 0, "shard.first", static_cast<double>(in_.shard.first), "0");
    const std::int64_t most = in_.shard.vocabulary - in_.logits.extent[1];
    if (in_.shard.first < 0 || in_.shard.first > most)
      return require::that(false, "shard.first", static_cast<double>(in_.shard.first),
                           "0 or above, with all columns inside the vocabulary");
    status first;
    if constexpr (!saved)
      each_answer(out_, [&](const char* name, const auto& v, require::holds) {
        const bool partial = name == std::string_view("choices") || std::string_view(name).starts_with("shard_");
        if (first.ok() && v.given() && !partial)
          first = require::fail(errc::unavailable_output, name, "to be left out: a shard does not know it");
      });
    if (!saved && first.ok() && out_.grad_logits.given())
      first = require::fail(errc::unavailable_output, "grad_logits", "to be left out: see token_logp_gradient");
    return first;
  }

  status check_vectors() const {
    static constexpr const char* whose = "one per row of logits (or of rows):";
    status first;
    const auto look = [&](const char* name, const auto& v, require::holds what) {
      if (first.ok() && v.given()) first = require::vector(name, v, items_, whose, what);
    };
    look("rows", in_.rows, require::holds::indices);
    look("target", in_.target, require::holds::indices);
    each_upstream(in_, [&](const char* name, const auto& v) { look(name, v, require::holds::numbers); });
    if constexpr (saved)
      each_saved(in_, [&](const char* name, const auto& v) { look(name, v, require::holds::numbers); });
    else
      each_answer(out_, look);
    return first;
  }

  status check_needs() const {
    if (!any_answer_ && !out_.grad_logits.given())
      return require::fail(errc::missing_output, "outputs", "at least one output to write");
    if (out_.grad_logits.given() && !any_upstream_)
      return require::fail(errc::missing_input, "grad_logp", "the derivative by some answer, for grad_logits");
    status first;
    each_upstream(in_, [&](const char* name, const auto& v) {
      if (first.ok() && v.given() && !out_.grad_logits.given())
        first = require::fail(errc::unused_input, name, "to be left out, since grad_logits is not asked for");
    });
    bool needs_target = in_.grad_logp.given() || in_.grad_loss.given();
    if constexpr (!saved) needs_target = needs_target || out_.logp.given() || out_.loss.given();
    if (first.ok() && needs_target && !in_.target.given())
      first = require::fail(errc::missing_input, "target", "one token per row, for its log-probability");
    return first;
  }

  status check_saved() const {
    const auto need = [](const char* name, const auto& v, bool wanted, bool required) {
      if (v.given() && !wanted)
        return require::fail(errc::unused_input, name, "to be left out, since this gradient does not read it");
      if (!v.given() && required) return require::fail(errc::missing_input, name, "what token_logp answered");
      return status{};
    };
    const bool target = in_.target.given(), entropy = in_.grad_entropy.given();
    return first_error(need("max", in_.max, true, true), need("log_sum", in_.log_sum, true, true),
                       need("logp", in_.logp, target, target), need("entropy", in_.entropy, entropy, entropy),
                       need("choices", in_.choices, smooths(), false));
  }

  status check_overlap() const {
    require::footprints<13, 12> all;
    const auto& x = in_.logits;
    const auto& g = out_.grad_logits;
    const auto reads = [&](const char* name, const auto& v) {
      if (v.given()) all.reads[all.read_count++] = require::footprint_of(name, v);
    };
    const auto writes = [&](const char* name, const auto& v, require::holds = {}) {
      if (v.given()) all.writes[all.write_count++] = require::footprint_of(name, v);
    };
    const bool in_place = g.given() && g.data == x.data && g.type == x.type && g.stride[0] == x.stride[0] &&
                          g.stride[1] == x.stride[1];
    if (!in_place) reads("logits", x);
    reads("target", in_.target), reads("rows", in_.rows);
    each_upstream(in_, reads);
    if constexpr (saved)
      each_saved(in_, reads);
    else
      each_answer(out_, writes);
    writes("grad_logits", g);
    return all.check(false);
  }
};

// Content of a call on the CPU, before anything is written; on CUDA the kernel guards itself.
template <class Exec>
status check_token_content(const Exec&, const token_softmax&, const token_arguments&, const row_reduce_arguments&) {
  return {};
}
inline status check_token_row(const row_reduce_arguments& a, std::int64_t row) {
  for (std::int64_t v = 0; v < a.columns; ++v)
    if (math::is_nan(load_element<double>(a.x.data, a.x.type, row * a.x.row_stride + v * a.x.stride)))
      return require::fail(errc::not_a_number, "logits", "numbers, but this row has a NaN", 0, 0, row);
  return {};
}
inline status check_token_content(const cpu& exec, const token_softmax& options, const token_arguments& io,
                                  const row_reduce_arguments& a) {
  if (exec.content == content::none) return {};
  for (std::int64_t i = 0; i < a.items; ++i) {
    const std::int64_t row = row_of(a, i);
    if (row < 0)
      return require::fail(errc::bad_index, "rows", "ascending rows of the logits",
                           static_cast<double>(load_index(a.index.data, a.index.type, i * a.index.stride)), 0, i);
    const std::int64_t target =
        io.target.data == nullptr ? 0 : load_index(io.target.data, io.target.type, i * io.target.stride);
    if (io.target.data != nullptr && target == options.ignore_index) continue;
    if (io.target.data != nullptr && (target < 0 || target >= io.vocabulary))
      return require::fail(errc::bad_index, "target", "ignore_index, or 0 or above and below the size of the vocabulary",
                           static_cast<double>(target), 0, i);
    if (exec.content == content::all)
      if (const status s = check_token_row(a, row); !s.ok()) return s;
  }
  return {};
}

// The shards of one row, merged in their order.
struct token_merge {
  std::int64_t shards = 0, rows = 0;
  row_source max, sum, own;
  source target;
  std::int64_t ignore_index = 0;
  token_body<double, false, false> body;  // of the outputs

  static PREFER_HD double at(const row_source& x, std::int64_t shard, std::int64_t row) {
    return load_element<double>(x.data, x.type, shard * x.row_stride + row * x.stride);
  }
  PREFER_HD void operator()(std::int64_t row) const {
    row_state<1> all;
    double z = -math::detail::infinity<double>();
    for (std::int64_t k = 0; k < shards; ++k) {
      row_state<1> part;
      part.max = at(max, k, row);
      part.sum[0] = at(sum, k, row);
      append<token_body<double, false, false>>(all, part);
      const double here = at(own, k, row);
      z = here > z || math::is_nan(here) ? here : z;
    }
    const bool ignored =
        target.data != nullptr && load_index(target.data, target.type, row * target.stride) == ignore_index;
    body.answer(row, ignored ? token_row::filled_with(0) : body.distribution(all, -1, z));
  }
};

template <class Exec>
status run_token_merge(const Exec&, const token_merge&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}
inline status run_token_merge(const cpu&, const token_merge& merge) {
  for (std::int64_t i = 0; i < merge.rows; ++i) merge(i);
  return {};
}

template <space S>
status check_token_merge(const token_shard_inputs<S>& in, const token_shard_outputs<S>& out) {
  if (!in.shard_max.given()) return require::fail(errc::missing_input, "shard_max", "one row per shard");
  if (!in.shard_sum.given()) return require::fail(errc::missing_input, "shard_sum", "one row per shard");
  if (!in.shard_target.given()) return require::fail(errc::missing_input, "shard_target", "one row per shard");
  const std::int64_t shards = in.shard_max.extent[0], rows = in.shard_max.extent[1];
  if (shards < 1 || rows < 0)
    return require::fail(errc::bad_extent, "shard_max", "at least", static_cast<double>(shards < 1 ? shards : rows),
                         shards < 1 ? 1 : 0);
  using require::holds;
  static constexpr const char* whose = "one per row of a shard:";
  const auto optional = [&](const char* name, const auto& v, holds what) {
    return v.given() ? require::vector(name, v, rows, whose, what) : status{};
  };
  const status s =
      first_error(require::matrix("shard_max", in.shard_max, shards, rows),
                  require::matrix("shard_sum", in.shard_sum, shards, rows),
                  require::matrix("shard_target", in.shard_target, shards, rows),
                  optional("target", in.target, holds::indices), optional("logp", out.logp, holds::numbers),
                  optional("max", out.max, holds::totals), optional("log_sum", out.log_sum, holds::totals));
  if (!s.ok()) return s;
  if (!out.logp.given() && !out.max.given() && !out.log_sum.given())
    return require::fail(errc::missing_output, "outputs", "at least one output to write");
  require::footprints<4, 3> all;
  const auto reads = [&](const char* name, const auto& v) {
    if (v.given()) all.reads[all.read_count++] = require::footprint_of(name, v);
  };
  const auto writes = [&](const char* name, const auto& v) {
    if (v.given()) all.writes[all.write_count++] = require::footprint_of(name, v);
  };
  reads("shard_max", in.shard_max), reads("shard_sum", in.shard_sum), reads("shard_target", in.shard_target);
  reads("target", in.target);
  writes("logp", out.logp), writes("max", out.max), writes("log_sum", out.log_sum);
  return all.check(false);
}

template <class T, bool Capped, bool Full, class Exec, class Call>
status run_token_call(const Exec& exec, const token_softmax& options, const Call& call) {
  token_body<T, Capped, Full> body;
  body.options = options;
  body.io = call.arguments();
  const row_reduce_arguments rows = call.rows();
  if (const status s = check_token_content(exec, options, body.io, rows); !s.ok()) return s;
  return row_reduce<T>(exec, body, rows);
}

template <class T, class Exec, class Inputs, class Outputs>
status run_token_logp(const Exec& exec, const token_softmax& options, const Inputs& in, const Outputs& out) {
  static_assert(std::same_as<T, float> || std::same_as<T, double>,
                "prefer: token_logp<Compute> computes in float or double; the views choose their own element types");
  const token_call<Inputs, Outputs> call(options, in, out);
  if (const status s = call.check(); !s.ok()) return s;
  const bool capped = !options.soft_cap.is_zero();
  if (call.full())
    return capped ? run_token_call<T, true, true>(exec, options, call)
                  : run_token_call<T, false, true>(exec, options, call);
  return capped ? run_token_call<T, true, false>(exec, options, call)
                : run_token_call<T, false, false>(exec, options, call);
}

}  // namespace detail

// Log-probabilities of the targets of M rows of V logits, and whatever else `out` asks for, in one read of the logits;
// with grad_logits also the gradient of the caller's objective, whose derivatives by the answers are in `in`:
//
//   token_logp<float>(cpu{}, token_softmax{}, {.logits = {x, M, V}, .target = {y, M}}, {.logp = {logp, M}});
//
//   d logp / d z_v = [v = y] - p_v                     d log_sum_exp / d z_v = p_v
//   d entropy / d z_v = -p_v (log p_v + entropy)       d loss / d z_v = p_v (1 + 2 z_loss log_sum_exp)
//                                                          - (1 - label_smoothing) [v = y] - label_smoothing / choices
//
// With a gradient known up to a factor (grad_loss 1 everywhere and grad_scale 1 / M, say) this is forward and backward
// at once: on the CPU a row that fits in a cache is read from memory once. Columns are computed in Compute (float or
// double), rows in double.
//
// Rows: a logit of -inf has probability 0. A NaN or +inf anywhere (without a soft cap, which makes +inf finite), or
// nothing but -inf, makes all answers of the row and its gradient NaN (max may stay a number; argmax is -1). A target
// of -inf has logp -inf. Ignored rows: see token_softmax. Rows that `rows` does not list are neither read nor written.
//
// Error: at most u (150 + 2 log V) |logp| for logp where z = x, u the rounding unit of Compute: relative to logp, not
// to the logits. docs/logp/token_logp.md has the bounds of the other answers and the reasons. Cost: one exponential per
// logit, one more for the gradient. Workspace: none on the CPU; on CUDA token_logp_workspace(M, V) bytes, else taken in
// stream order. Source: online softmax, Milakov and Gimelshein 2018, arXiv 1805.02867; z-loss: Chowdhery et al. 2022,
// arXiv 2204.02311, section 5; the options are those of the language models that use them.
//
// Errors: shapes, element types, memory that overlaps (the gradient may lie over the logits), what is missing or not
// used, parameters. A target that is neither ignore_index nor in [0, V), and rows that do not ascend, are errors on the
// CPU; on CUDA that row's answers (and for a target its gradient) are NaN, and it is reported.
template <class Compute, class Exec>
status token_logp(const Exec& exec, const token_softmax& options,
                  const std::type_identity_t<token_logp_inputs<Exec::memory>>& in,
                  const std::type_identity_t<token_logp_outputs<Exec::memory>>& out) {
  return detail::run_token_logp<Compute>(exec, options, in, out);
}

// The gradient alone, from the logits and what token_logp answered for them: one read and one write, in place if the
// gradient is given the logits' own memory. 1 - p_y is formed from logp, so that it is exact for p_y close to 1.
template <class Compute, class Exec>
status token_logp_gradient(const Exec& exec, const token_softmax& options,
                           const std::type_identity_t<token_logp_gradient_inputs<Exec::memory>>& in,
                           const std::type_identity_t<token_logp_gradient_outputs<Exec::memory>>& out) {
  return detail::run_token_logp<Compute>(exec, options, in, out);
}

// The whole vocabulary from its shards (token_logp with .shard and the shard_ outputs): max, log_sum and logp, merged
// in the order of the shards in double; the same bits on every device that has all shards. Then each shard calls
// token_logp_gradient with its own .shard. Ignored rows are 0 if the targets are given. Error: as that of token_logp,
// plus the rounding of what was stored between. Errors: shapes, types, overlap.
template <class Exec>
status combine_token_shards(const Exec& exec, const token_softmax& options,
                            const std::type_identity_t<token_shard_inputs<Exec::memory>>& in,
                            const std::type_identity_t<token_shard_outputs<Exec::memory>>& out) {
  if (const status s = detail::check_token_merge(in, out); !s.ok()) return s;
  const auto matrix = [](const auto& v) { return row_source{v.data, v.stride[0], v.stride[1], v.type}; };
  detail::token_merge merge;
  merge.shards = in.shard_max.extent[0], merge.rows = in.shard_max.extent[1];
  merge.max = matrix(in.shard_max), merge.sum = matrix(in.shard_sum), merge.own = matrix(in.shard_target);
  merge.target = detail::token_source(in.target);
  merge.ignore_index = options.ignore_index;
  merge.body.io.logp = detail::token_sink(out.logp), merge.body.io.max = detail::token_sink(out.max);
  merge.body.io.log_sum = detail::token_sink(out.log_sum);
  return run_token_merge(exec, merge);
}

}  // namespace PREFER_ABI
}  // namespace prefer
