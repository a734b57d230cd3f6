// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/logp/token_divergence.hpp>
#include <support/token_call.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

// Two rows of logits, what token_divergence must answer for them by the textbook in long double, and how far it may be
// off.
namespace prefer_test {

using numbers = std::vector<long double>;

inline numbers log_softmax(const std::vector<double>& x, long double temperature) {
  const double max = *std::max_element(x.begin(), x.end());
  long double sum = 0;
  for (double e : x) sum += std::exp((static_cast<long double>(e) - max) / temperature);
  numbers all;
  for (double e : x) all.push_back((static_cast<long double>(e) - max) / temperature - std::log(sum));
  return all;
}

// sum of p log(p / q) over p > 0
inline long double kl_textbook(const numbers& lp, const numbers& lq) {
  long double sum = 0;
  for (std::size_t v = 0; v < lp.size(); ++v)
    if (!std::isinf(lp[v])) sum += std::exp(lp[v]) * (lp[v] - lq[v]);
  return sum;
}
inline numbers log_mixture(const numbers& lp, const numbers& lq, long double beta) {
  numbers lm;
  for (std::size_t v = 0; v < lp.size(); ++v)
    lm.push_back(std::log(beta * std::exp(lp[v]) + (1 - beta) * std::exp(lq[v])));
  return lm;
}

struct divergence_truth {
  long double value = 0, to_p = 0, to_q = 0;
  numbers by_p, by_q;
  numbers size_p, size_q;  // of the gradients' terms, which rounding errors are relative to
  long double depth = 0;   // the largest -log p or -log q that counts
};

inline divergence_truth divergence_textbook(const std::vector<double>& x, const std::vector<double>& y,
                                            const prefer::row_divergence& o) {
  const long double t = o.temperature.as<double>(), beta = o.beta.as<double>();
  const numbers lp = log_softmax(x, t), lq = log_softmax(y, t), lm = log_mixture(lp, lq, beta);
  divergence_truth r;
  const bool mixes = o.mixes(), reverse = o.kind == prefer::divergence_kind::reverse_kl;
  r.to_p = mixes ? kl_textbook(lp, lm) : 0, r.to_q = mixes ? kl_textbook(lq, lm) : 0;
  r.value = mixes ? beta * r.to_p + (1 - beta) * r.to_q : reverse ? kl_textbook(lq, lp) : kl_textbook(lp, lq);
  long double apart = 0;  // sum of |p - q|
  for (std::size_t v = 0; v < lp.size(); ++v) apart += std::fabs(std::exp(lp[v]) - std::exp(lq[v]));
  // What a side gets whose KL to `other` it is (times weight), and what it gets as the other of a KL.
  const auto own = [&](const numbers& l, const numbers& other, long double kl, long double weight, numbers& by,
                       numbers& size) {
    for (std::size_t v = 0; v < l.size(); ++v) {
      const bool none = std::isinf(l[v]) || std::isinf(kl);
      const long double p = none ? 0 : std::exp(l[v]), ratio = none ? 0 : l[v] - other[v];
      by.push_back(none ? 0 : weight * p * (ratio - kl) / t);
      size.push_back(none ? 0 : weight * p * (std::fabs(ratio) + kl + apart) / t);
    }
  };
  const auto as_other = [&](const numbers& l, const numbers& other, numbers& by, numbers& size) {
    for (std::size_t v = 0; v < l.size(); ++v) {
      const long double q = std::exp(l[v]), p = std::exp(other[v]);
      by.push_back((q - p) / t);
      size.push_back((std::fabs(q - p) + std::max(p, q) * apart) / t);
    }
  };
  if (mixes) {
    own(lp, lm, r.to_p, beta, r.by_p, r.size_p), own(lq, lm, r.to_q, 1 - beta, r.by_q, r.size_q);
  } else if (reverse) {
    own(lq, lp, r.value, 1, r.by_q, r.size_q), as_other(lp, lq, r.by_p, r.size_p);
  } else {
    own(lp, lq, r.value, 1, r.by_p, r.size_p), as_other(lq, lp, r.by_q, r.size_q);
  }
  for (const numbers* l : {&lp, &lq})
    for (long double e : *l)
      if (!std::isinf(e)) r.depth = std::max(r.depth, -e);
  return r;
}

// The bound of docs/logp/token_divergence.md in the arithmetic T, relative to the divergence or to a gradient's terms.
template <class T>
long double divergence_bound(const divergence_truth& t, std::size_t columns) {
  const long double limit = storage<T>::digits > 24 ? 708 : 87;
  return std::ldexp(150 + 2 * std::log(static_cast<long double>(columns)) + 4 * std::min(t.depth, limit),
                    -storage<T>::digits);
}
// Probabilities that T does not have.
template <class T>
constexpr long double divergence_floor = storage<T>::digits > 24 ? 1e-300L : 1e-33L;

template <class S>
struct divergence_memory {
  std::int64_t m, v;
  token_matrix<S> p, q, grad_p, grad_q;
  buffer<double> value, p_max, p_log_sum, q_max, q_log_sum, to_p, to_q, upstream;
  buffer<bool> mask;

  divergence_memory(std::int64_t rows, std::int64_t columns, std::int64_t gap = 0, std::int64_t offset = 0,
                    std::int64_t step = 1)
      : m(rows),
        v(columns),
        p(m, v, gap, offset, step),
        q(m, v, gap + 2, offset + 1, step),
        grad_p(m, v, gap, offset + 1, step),
        grad_q(m, v, gap + 1, offset, step),
        value(m),
        p_max(m),
        p_log_sum(m),
        q_max(m),
        q_log_sum(m),
        to_p(m),
        to_q(m),
        upstream(m),
        mask(m) {
    for (std::int64_t i = 0; i < m; ++i) upstream.set(i, 1), mask.at(i) = true;
  }

  prefer::token_divergence_inputs<prefer::space::host> inputs() {
    return {.p_logits = p.read(), .q_logits = q.read(), .mask = mask.read(), .grad_divergence = upstream.read()};
  }
  prefer::token_divergence_outputs<prefer::space::host> outputs(const prefer::row_divergence& o) {
    prefer::token_divergence_outputs<prefer::space::host> out = {.divergence = value.view(),
                                                                 .p_max = p_max.view(),
                                                                 .p_log_sum = p_log_sum.view(),
                                                                 .q_max = q_max.view(),
                                                                 .q_log_sum = q_log_sum.view(),
                                                                 .grad_p_logits = grad_p.view(),
                                                                 .grad_q_logits = grad_q.view()};
    if (o.mixes()) out.p_to_mixture = to_p.view(), out.q_to_mixture = to_q.view();
    return out;
  }
  prefer::token_divergence_gradient_inputs<prefer::space::host> saved(const prefer::row_divergence& o) {
    prefer::token_divergence_gradient_inputs<prefer::space::host> in = {.p_logits = p.read(),
                                                                        .q_logits = q.read(),
                                                                        .mask = mask.read(),
                                                                        .p_max = p_max.read(),
                                                                        .p_log_sum = p_log_sum.read(),
                                                                        .q_max = q_max.read(),
                                                                        .q_log_sum = q_log_sum.read(),
                                                                        .grad_divergence = upstream.read()};
    if (o.mixes())
      in.p_to_mixture = to_p.read(), in.q_to_mixture = to_q.read();
    else
      in.divergence = value.read();
    return in;
  }
  prefer::token_divergence_gradient_outputs<prefer::space::host> gradients() {
    return {.grad_p_logits = grad_p.view(), .grad_q_logits = grad_q.view()};
  }
  divergence_truth truth(std::int64_t i, const prefer::row_divergence& o) {
    return divergence_textbook(p.logits(i), q.logits(i), o);
  }
  bool intact() {
    return p.gaps_intact() && q.gaps_intact() && grad_p.gaps_intact() && grad_q.gaps_intact() && value.intact() &&
           p_max.intact() && p_log_sum.intact() && q_max.intact() && q_log_sum.intact() && to_p.intact() &&
           to_q.intact();
  }
  bool untouched() {
    return grad_p.memory.untouched() && grad_q.memory.untouched() && value.untouched() && p_max.untouched() &&
           p_log_sum.untouched() && q_max.untouched() && q_log_sum.untouched();
  }
  std::vector<unsigned char> all_bytes() {
    std::vector<unsigned char> all;
    for (auto* b : {&value, &p_log_sum, &q_log_sum, &to_p, &to_q})
      all.insert(all.end(), b->bytes().begin(), b->bytes().end());
    for (auto* g : {&grad_p, &grad_q}) all.insert(all.end(), g->memory.bytes().begin(), g->memory.bytes().end());
    return all;
  }
};

// What rounding the statistics to double costs a log-ratio.
constexpr long double saved_statistics = 0x1p-50L;

// The answers and the gradients of row i, which T found, against what they are; `saved`: from saved statistics.
template <class T, class S>
bool divergence_row_is(divergence_memory<S>& c, std::int64_t i, const divergence_truth& t, bool mixes,
                       long double saved = 0) {
  const long double unit = divergence_bound<T>(t, static_cast<std::size_t>(c.v)), floor = divergence_floor<T>;
  const auto near = [&](double got, long double exact) {
    return std::isinf(exact) ? got == HUGE_VAL : got >= 0 && std::fabs(got - exact) <= unit * exact + floor;
  };
  bool right = near(c.value.get(i), t.value);
  if (mixes) right = right && near(c.to_p.get(i), t.to_p) && near(c.to_q.get(i), t.to_q);
  const long double w = c.upstream.get(i);
  const auto gradient = [&](token_matrix<S>& g, const numbers& by, const numbers& size) {
    for (std::size_t v = 0; v < by.size(); ++v) {
      const long double got = g.get(i, static_cast<std::int64_t>(v)), exact = w * by[v];
      right = right &&
              std::fabs(got - exact) <= (unit * size[v] + saved) * std::fabs(w) + rounding<S>(exact) * 1.01L + floor;
    }
  };
  gradient(c.grad_p, t.by_p, t.size_p), gradient(c.grad_q, t.by_q, t.size_q);
  return right;
}

}  // namespace prefer_test
