// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/game/methods.hpp>

#include <cmath>
#include <cstdint>
#include <vector>

// The methods as papers write them, with probabilities and products in long double: the oracle of the tests.
namespace prefer_test {

using policy = std::vector<long double>;

inline policy normalized(policy x) {
  long double total = 0;
  for (long double v : x) total += v;
  for (long double& v : x) v /= total;
  return x;
}
template <class T>
policy probabilities(const T* log_weights, const std::vector<std::size_t>& actions) {
  policy p;
  for (std::size_t i : actions) p.push_back(std::exp(static_cast<long double>(log_weights[i])));
  return normalized(p);
}
inline long double divergence(const policy& p, const policy& q) {
  long double sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i) sum += p[i] > 0 ? p[i] * std::log(p[i] / q[i]) : 0;
  return sum;
}
inline std::vector<std::size_t> first_actions(std::int64_t n) {
  std::vector<std::size_t> all(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
  return all;
}

// Preferences between some actions of a table of n.
template <class T>
std::vector<policy> preferences(const T* table, std::int64_t n, const std::vector<std::size_t>& actions) {
  std::vector<policy> p;
  for (std::size_t i : actions) {
    p.emplace_back();
    for (std::size_t j : actions)
      p.back().push_back(static_cast<long double>(table[i * static_cast<std::size_t>(n) + j]));
  }
  return p;
}
inline policy product(const std::vector<policy>& p, const policy& x) {
  policy g(x.size(), 0);
  for (std::size_t i = 0; i < x.size(); ++i)
    for (std::size_t j = 0; j < x.size(); ++j) g[i] += p[i][j] * x[j];
  return g;
}

// What a best response gains against a policy, from both seats, by the definition of the regularised preference.
struct best_answer {
  policy wins, response;
  long double gap, exploitability;
  best_answer(const std::vector<policy>& p, const policy& mu, const policy& x, long double tau)
      : wins(product(p, x)), response(x.size()) {
    long double top = 0, against = 0;
    for (long double w : wins) top = w > top ? w : top;
    for (std::size_t i = 0; i < x.size(); ++i)
      response[i] = tau > 0 ? mu[i] * std::exp((wins[i] - top) / tau) : wins[i] == top;
    response = normalized(response);
    for (std::size_t i = 0; i < x.size(); ++i) against += response[i] * wins[i];
    gap = 2 * (against - (tau > 0 ? tau * (divergence(response, mu) - divergence(x, mu)) : 0)) - 1;
    exploitability = top - 0.5L;
  }
};

struct textbook {
  std::vector<policy> p;  // preferences
  policy mu, now, sum;    // sum of the policies played against
  policy own;             // EMA, or the last product
  std::int64_t t = 0;

  textbook(const std::vector<policy>& preference, const policy& reference, const policy& start)
      : p(preference), mu(reference), now(start), sum(mu.size(), 0), own(mu.size(), 0) {}

  policy against(const policy& x) {
    for (std::size_t i = 0; i < x.size(); ++i) sum[i] += x[i];
    return product(p, x);
  }
  // x^a y^b e^(eta g), normalised.
  static policy moved(const policy& x, long double a, const policy& y, long double b, const policy& g,
                      long double eta) {
    policy r(x.size());
    for (std::size_t i = 0; i < x.size(); ++i)
      r[i] = std::pow(x[i], a) * std::pow(y[i], b) * std::exp(eta * g[i]);
    return normalized(r);
  }
  static policy mixed(const policy& x, const policy& y, long double share) {
    return moved(x, 1 - share, y, share, policy(x.size(), 0), 0);
  }

  void step(const prefer::nash_md& m) {
    const long double tau = m.temperature.as<double>(), eta = m.step.given ? m.step.value : 2 / (tau * (t + 2));
    const policy mixture = mixed(now, mu, m.mixture.given ? m.mixture.value : eta * tau);
    now = moved(now, 1 - eta * tau, mu, eta * tau, against(mixture), eta);
  }
  void step(const prefer::mirror_descent& m) {
    const long double tau = m.temperature.as<double>();
    const long double eta = m.step.given ? m.step.value : 4 * tau / (1 + 4 * tau * tau);
    now = moved(now, 1 - eta * tau, mu, eta * tau, against(now), eta);
  }
  void step(const prefer::magnetic_mirror_descent& m) {
    const long double tau = m.temperature.as<double>(), eta = m.step.given ? m.step.value : 4 * tau;
    now = moved(now, 1 / (1 + eta * tau), mu, eta * tau / (1 + eta * tau), against(now), eta / (1 + eta * tau));
  }
  void step(const prefer::extragradient& m) {
    const long double tau = m.temperature.as<double>(), eta = m.step.given ? m.step.value : 1 / (tau + 2);
    const policy half = moved(now, 1 - eta * tau, mu, eta * tau, product(p, now), eta);
    now = moved(now, 1 - eta * tau, mu, eta * tau, against(half), eta);
  }
  void step(const prefer::optimistic& m) {
    const long double tau = m.temperature.as<double>(), eta = m.step;
    policy g = against(now), ahead(g.size());
    for (std::size_t i = 0; i < g.size(); ++i) ahead[i] = 2 * g[i] - own[i];
    now = moved(now, 1 - eta * tau, mu, eta * tau, ahead, eta);
    own = g;
  }
  void step(const prefer::nash_ema& m) {
    const long double tau = m.temperature.as<double>();
    const long double eta = m.step.given ? m.step.value : 4 * tau / (1 + 4 * tau * tau);
    if (t == 0) own = now;
    now = moved(now, 1 - eta * tau, mu, eta * tau, against(own), eta);
    own = mixed(own, now, 1 - m.decay);
  }
  void step(const prefer::proximal<>& m) {
    step(m.inner);
    if ((t + 1) % m.inner_iterations == 0) mu = now;
  }

  template <class Method>
  void run(const Method& m, std::int64_t steps) {
    if constexpr (requires { m.by_the_book; })
      m.by_the_book(*this, steps);
    else
      for (; steps > 0; --steps, ++t) step(m);
  }
  policy average() const { return normalized(sum); }
};

}  // namespace prefer_test
