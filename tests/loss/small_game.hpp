// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/pair.hpp>
#include <support/numbers.hpp>

#include <cmath>
#include <cstddef>
#include <vector>

// A small random preference game in long double, whose expectations are sums over all actions: what losses on sampled
// responses must have on average.
namespace prefer_test {

using numbers = std::vector<long double>;

inline numbers log_softmax(const numbers& logits) {
  long double top = -HUGE_VALL, sum = 0;
  for (long double x : logits) top = std::max(top, x);
  for (long double x : logits) sum += std::exp(x - top);
  numbers logp;
  for (long double x : logits) logp.push_back(x - top - std::log(sum));
  return logp;
}

// The derivative by logits of what has derivative g by the log-probabilities logp.
inline numbers to_logits(const numbers& g, const numbers& logp) {
  long double sum = 0;
  for (long double x : g) sum += x;
  numbers d;
  for (std::size_t k = 0; k < g.size(); ++k) d.push_back(g[k] - std::exp(logp[k]) * sum);
  return d;
}

// The derivative of f by each of its arguments, by central differences (error about 1e-12 for f of size 1).
template <class F>
numbers slopes_of(const F& f, numbers at) {
  constexpr long double step = 1e-6L;
  numbers d;
  for (std::size_t k = 0; k < at.size(); ++k) {
    const long double x = at[k];
    at[k] = x + step;
    const long double above = f(at);
    at[k] = x - step;
    d.push_back((above - f(at)) / (2 * step));
    at[k] = x;
  }
  return d;
}

// The gradient by logits of a mean over ordered pairs of actions: slopes(i, j) has the derivatives by both
// log-probabilities and the share of the pair.
struct pair_slopes {
  long double share, chosen, rejected;
};
template <class F>
numbers pair_gradient(const numbers& logp, const F& slopes) {
  numbers by_logp(logp.size(), 0);
  for (std::size_t i = 0; i < logp.size(); ++i)
    for (std::size_t j = 0; j < logp.size(); ++j) {
      const pair_slopes s = slopes(i, j);
      by_logp[i] += s.share * s.chosen, by_logp[j] += s.share * s.rejected;
    }
  return to_logits(by_logp, logp);
}

// Two actions as a pair of responses, in double.
inline prefer::pair<double> pair_of(const numbers& logp, const numbers& log_reference, std::size_t i, std::size_t j) {
  return {.policy_chosen = static_cast<double>(logp[i]),
          .policy_rejected = static_cast<double>(logp[j]),
          .reference_chosen = static_cast<double>(log_reference[i]),
          .reference_rejected = static_cast<double>(log_reference[j])};
}

inline long double distance(const numbers& a, const numbers& b) {
  long double most = 0;
  for (std::size_t k = 0; k < a.size(); ++k) most = std::max(most, std::fabs(a[k] - b[k]));
  return most;
}

struct small_game {
  std::size_t n;
  std::vector<numbers> preference;  // [i][j]: how often i beats j
  numbers logits, log_reference;    // of a policy, not the equilibrium

  small_game(std::size_t actions, std::uint64_t seed) : n(actions), preference(n, numbers(n, 0.5L)) {
    noise random(seed);
    for (std::size_t i = 0; i < n; ++i) {
      logits.push_back(random.uniform(-1, 1));
      log_reference.push_back(random.uniform(-1, 1));
      for (std::size_t j = 0; j < i; ++j) {
        preference[i][j] = random.uniform(0, 1);
        preference[j][i] = 1 - preference[i][j];
      }
    }
    log_reference = log_softmax(log_reference);
  }

  // How often each action beats an opponent who plays exp(logp).
  numbers win_rates(const numbers& logp) const {
    numbers p(n, 0);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) p[i] += preference[i][j] * std::exp(logp[j]);
    return p;
  }

  // pi^(1 - b) reference^b
  numbers mixture(const numbers& logp, long double b) const {
    numbers z;
    for (std::size_t i = 0; i < n; ++i) z.push_back((1 - b) * logp[i] + b * log_reference[i]);
    return log_softmax(z);
  }

  // The policy pi ~ reference e^(win rate against its own mixture / tau), by damped steps.
  numbers equilibrium(long double tau, long double b) const {
    numbers logp = log_reference;
    for (int step = 0; step < 4000; ++step) {
      const numbers p = win_rates(mixture(logp, b));
      numbers z;
      for (std::size_t i = 0; i < n; ++i) z.push_back(0.9L * logp[i] + 0.1L * (log_reference[i] + p[i] / tau));
      logp = log_softmax(z);
    }
    return logp;
  }
};

// In double, as calls take numbers.
inline std::vector<double> rounded(const numbers& x) { return std::vector<double>(x.begin(), x.end()); }

}  // namespace prefer_test
