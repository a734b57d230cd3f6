// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/checks.hpp>
#include <prefer/logp/token_softmax.hpp>

#include <cstdint>

// Log-probabilities of several columns of a row: what candidate_logp and top_k_logp share.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// The options that log-probabilities have; the others make a loss of them.
inline status check_picked_options(const token_softmax& o) {
  static constexpr const char* nothing = "0, since log-probabilities do not depend on it";
  return first_error(o.check(),
                     require::that(o.label_smoothing.is_zero(), "label_smoothing", o.label_smoothing.value64, nothing),
                     require::that(o.z_loss.is_zero(), "z_loss", o.z_loss.value64, nothing));
}

// One call as the bodies see it.
struct picked_arguments {
  std::int64_t columns = 0;
  int picks = 0;
  bool saved = false;     // max and log_sum are inputs
  row_source candidates;  // of indices
  row_source grad_logp;
  source grad_log_sum_exp, saved_max, saved_log_sum;
  row_sink logp, index;
  sink max, log_sum;
  scalar grad_scale = 1.0;
};

// A softmax whose sums are those of token_logp, and which answers K columns of each row.
template <class T, bool Capped>
struct picked_body : token_body<T, Capped, false> {
  using softmax = token_body<T, Capped, false>;
  struct coefficients : softmax::coefficients {
    double max, log_sum;
    double pull;  // d objective / d z_v = pull p_v, of columns that are not candidates
  };

  picked_arguments call;

  PREFER_HD bool reduces() const { return !call.saved; }
  PREFER_HD int picks() const { return call.picks; }

  PREFER_HD static double logp_of(double z, const coefficients& c) { return (z - c.max) - c.log_sum; }

  PREFER_HD void write_logp(std::int64_t item, int k, double logp) const {
    const row_sink& s = call.logp;
    if (s.data != nullptr) store_element(s.data, s.type, item * s.row_stride + k * s.stride, logp, false);
  }

  // The row's answers.
  PREFER_HD coefficients answer_row(std::int64_t item, const token_row& r) const {
    write_item(call.max, item, true, r.max, false);
    write_item(call.log_sum, item, true, r.log_sum + lost_by(call.max, r.max), false);
    coefficients c{};
    c.max = r.max, c.log_sum = r.log_sum;
    return c;
  }
  PREFER_HD token_row row_of_state(const row_plan& plan, const row_state<1>& s, double z) const {
    if (!plan.reduces)
      return token_row::filled_with(plan.code != errc::ok ? math::detail::format<double>::nan : 0);
    return softmax::distribution(s, plan.left_out, plan.left_out < 0 ? -math::detail::infinity<double>() : z);
  }
};

// Columns that are known: entries of `candidates`.
template <class T, bool Capped>
struct candidate_body : picked_body<T, Capped> {
  using base = picked_body<T, Capped>;
  using softmax = typename base::softmax;
  using coefficients = typename base::coefficients;
  using base::call;

  PREFER_HD candidate_body ready() const {
    candidate_body b = *this;
    static_cast<softmax&>(b) = softmax::ready();
    b.grad_scale = call.grad_scale.template as<double>();
    return b;
  }

  PREFER_HD std::int64_t entry(std::int64_t item, int k) const {
    const row_source& s = call.candidates;
    return load_index(s.data, s.type, item * s.row_stride + k * s.stride);
  }
  PREFER_HD bool is_ignored(std::int64_t item, int k) const { return entry(item, k) == this->options.ignore_index; }
  PREFER_HD std::int64_t picked(std::int64_t item, int k) const {
    const std::int64_t column = entry(item, k);
    return column == this->options.ignore_index || column < 0 || column >= call.columns ? -1 : column;
  }
  // The derivative by the log-probability of an entry; 0 if it is ignored.
  PREFER_HD double upstream(std::int64_t item, int k) const {
    const row_source& s = call.grad_logp;
    if (s.data == nullptr || is_ignored(item, k)) return 0;
    return load_element<double>(s.data, s.type, item * s.row_stride + k * s.stride) * this->grad_scale;
  }
  PREFER_HD double upstream_of_sum(std::int64_t item) const {
    return read_item<double>(call.grad_log_sum_exp, item) * this->grad_scale;
  }

  PREFER_HD row_plan begin(std::int64_t item) const {
    row_plan p;
    bool reads = false, slopes = upstream_of_sum(item) != 0;
    for (int k = 0; k < call.picks; ++k) {
      const bool ignored = is_ignored(item, k);
      if (!ignored && picked(item, k) < 0) p.code = errc::bad_index;
      reads = reads || !ignored;
      slopes = slopes || upstream(item, k) != 0;
    }
    const bool usable = reads && p.code == errc::ok;
    p.reduces = usable && !call.saved;
    p.slopes = usable && slopes;
    if (p.code != errc::ok) p.fill = math::detail::not_a_number<float>();
    return p;
  }

  PREFER_HD coefficients finish(std::int64_t item, const row_plan& plan, const row_state<1>& s, double z) const {
    token_row r = token_row::filled_with(0);
    coefficients c{};
    if (call.saved) {
      r.max = read_item<double>(call.saved_max, item);
      r.log_sum = read_item<double>(call.saved_log_sum, item);
    } else {
      r = base::row_of_state(plan, s, z);
      c = base::answer_row(item, r);
    }
    if (!plan.slopes) return c;
    double all = 0;
    for (int k = 0; k < call.picks; ++k) all += upstream(item, k);
    c.pull = upstream_of_sum(item) - all;
    static_cast<typename softmax::coefficients&>(c) = softmax::pull_of(r, c.pull);
    c.max = r.max, c.log_sum = r.log_sum;
    return c;
  }

  PREFER_HD void answer(std::int64_t item, int k, std::int64_t column, T x, const coefficients& c) const {
    const double logp = base::logp_of(static_cast<double>(softmax::value(x)), c);
    constexpr double nan = math::detail::format<double>::nan;
    base::write_logp(item, k, column >= 0 ? logp : is_ignored(item, k) ? 0 : nan);
  }

  // d / d z at a column = own (1 - p) + (pull + own) p; 1 - p without forming the difference.
  PREFER_HD T slope_picked(std::int64_t item, int k, T x, const coefficients& c) const {
    const std::int64_t column = entry(item, k);
    double own = 0;
    for (int j = 0; j < call.picks; ++j)
      if (entry(item, j) == column) own += upstream(item, j);
    const double rest = c.pull + own;
    const double logp = base::logp_of(static_cast<double>(softmax::value(x)), c);
    const double slope = math::share(math::exp(logp), rest) - own * math::expm1(logp);
    const T y = static_cast<T>(this->slope_scale * slope);
    if constexpr (Capped)
      return y * softmax::cap_slope(x);
    else
      return y;
  }
};

// Columns that are found: the K largest of the row.
template <class T, bool Capped>
struct top_k_body : picked_body<T, Capped> {
  static constexpr int most_kept = 64;
  using base = picked_body<T, Capped>;
  using softmax = typename base::softmax;
  using coefficients = typename base::coefficients;
  using base::call;

  PREFER_HD top_k_body ready() const {
    top_k_body b = *this;
    static_cast<softmax&>(b) = softmax::ready();
    return b;
  }
  PREFER_HD row_plan begin(std::int64_t) const {
    row_plan p;
    p.slopes = false;
    return p;
  }
  PREFER_HD coefficients finish(std::int64_t item, const row_plan& plan, const row_state<1>& s, double z) const {
    return base::answer_row(item, base::row_of_state(plan, s, z));
  }
  PREFER_HD void answer(std::int64_t item, int k, std::int64_t column, T x, const coefficients& c) const {
    const bool none = column < 0 || math::is_nan(c.log_sum);
    const double logp = base::logp_of(static_cast<double>(softmax::value(x)), c);
    base::write_logp(item, k, none ? math::detail::format<double>::nan : logp);
    const row_sink& s = call.index;
    if (s.data != nullptr) store_index(s.data, s.type, item * s.row_stride + k * s.stride, none ? -1 : column);
  }
};

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
