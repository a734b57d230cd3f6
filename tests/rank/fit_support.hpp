// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/rank/bradley_terry_fit.hpp>
#include <support/numbers.hpp>

#include <cmath>
#include <cstdint>
#include <vector>

namespace prefer_test {

#include <golden/bradley_terry_fit.inc>

// Comparisons as pairs, in vectors.
struct games {
  std::int64_t items = 0;
  std::vector<std::int32_t> first = {}, second = {};
  std::vector<double> first_wins = {}, second_wins = {}, ties = {};

  void add(std::int64_t i, std::int64_t j, double won, double lost, double tied = 0) {
    first.push_back(static_cast<std::int32_t>(i));
    second.push_back(static_cast<std::int32_t>(j));
    first_wins.push_back(won);
    second_wins.push_back(lost);
    ties.push_back(tied);
  }
  std::int64_t rows() const { return static_cast<std::int64_t>(first.size()); }
  prefer::comparisons<prefer::space::host> pairs(bool with_ties = true) const {
    prefer::comparisons<prefer::space::host> c{.items = items,
                                               .first = {first.data(), rows()},
                                               .second = {second.data(), rows()},
                                               .first_wins = {first_wins.data(), rows()},
                                               .second_wins = {second_wins.data(), rows()}};
    if (with_ties) c.ties = {ties.data(), rows()};
    return c;
  }
  // The same as matrices of doubles.
  std::vector<double> win_matrix() const {
    std::vector<double> w(static_cast<std::size_t>(items * items));
    for (std::size_t k = 0; k < first.size(); ++k) {
      w[static_cast<std::size_t>(first[k] * items + second[k])] += first_wins[k];
      w[static_cast<std::size_t>(second[k] * items + first[k])] += second_wins[k];
    }
    return w;
  }
  std::vector<double> tie_matrix() const {
    std::vector<double> t(static_cast<std::size_t>(items * items));
    for (std::size_t k = 0; k < first.size(); ++k) {
      t[static_cast<std::size_t>(first[k] * items + second[k])] += ties[k];
      t[static_cast<std::size_t>(second[k] * items + first[k])] += ties[k];
    }
    return t;
  }
};

inline games chain(std::int64_t n, double won, double lost, double tied = 0) {
  games g{.items = n};
  for (std::int64_t i = 0; i + 1 < n; ++i) g.add(i, i + 1, won, lost, tied);
  return g;
}
inline games ring(std::int64_t n) {
  games g{.items = n};
  for (std::int64_t i = 0; i < n; ++i)
    g.add(i * 7 % n, (i + 1) * 7 % n, 5 + static_cast<double>(i % 3), 4, static_cast<double>(i % 4));
  return g;
}
inline games star(std::int64_t n) {
  games g{.items = n};
  for (std::int64_t i = 1; i < n; ++i)
    g.add(0, i, static_cast<double>(1 + i % 7), static_cast<double>(1 + i % 5), static_cast<double>(i % 3));
  return g;
}
// Two well-connected blocks with a thin and nearly separable link.
inline games barbell(std::int64_t half) {
  games g{.items = 2 * half};
  for (std::int64_t b = 0; b < 2; ++b)
    for (std::int64_t i = 0; i < half; ++i)
      for (std::int64_t j = 0; j < i; ++j)
        g.add(b * half + i, b * half + j, 3 + static_cast<double>((i * j) % 4), 5, 2);
  g.add(0, half, 499, 1, 1);
  return g;
}
// A ring for connection, then random pairs; 20 games each.
inline games random_graph(std::int64_t n, std::int64_t rows, std::uint64_t seed, double spread = 1) {
  noise random(seed);
  std::vector<double> strength(static_cast<std::size_t>(n));
  for (double& s : strength) s = random.uniform(-spread, spread);
  games g{.items = n};
  for (std::int64_t k = 0; k < rows; ++k) {
    const auto i = k < n ? k : static_cast<std::int64_t>(random.bits() % static_cast<std::uint64_t>(n));
    auto j = k < n ? (k + 1) % n : static_cast<std::int64_t>(random.bits() % static_cast<std::uint64_t>(n));
    if (i == j) j = (j + 1) % n;
    const double p = 1 / (1 + std::exp(strength[static_cast<std::size_t>(j)] - strength[static_cast<std::size_t>(i)]));
    int won = 0, tied = 0;
    for (int game = 0; game < 20; ++game) {
      if (random.uniform(0, 1) < 0.2)
        ++tied;
      else if (random.uniform(0, 1) < p)
        ++won;
    }
    // Nobody loses everything, so that every ring is a cycle of wins both ways.
    g.add(i, j, won + 1, 20 - won - tied + 1, tied);
  }
  return g;
}
inline games full_graph(std::int64_t n, std::uint64_t seed) {
  games all = random_graph(n, n * (n - 1), seed), g{.items = n};
  std::size_t k = 0;
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < i; ++j, ++k) g.add(i, j, all.first_wins[k], all.second_wins[k], all.ties[k]);
  return g;
}

struct fit_result {
  prefer::status status;
  std::vector<double> ratings;
  double tie_parameter = -1, loss = -1, gradient = -1;
  bool converged = false;
  std::int64_t sweeps = -1, newton_steps = -1, cg_iterations = -1;
};

inline fit_result fit(const prefer::bradley_terry_fit& options, const prefer::comparisons<prefer::space::host>& data,
                      std::int64_t items, const prefer::cpu& exec = {}) {
  fit_result r;
  r.ratings.assign(static_cast<std::size_t>(items), -77);
  r.status = prefer::fit_bradley_terry(exec, options, data,
                                       {.ratings = {r.ratings.data(), items},
                                        .tie_parameter = {&r.tie_parameter, 1},
                                        .loss = {&r.loss, 1},
                                        .gradient = {&r.gradient, 1},
                                        .converged = {&r.converged, 1},
                                        .sweeps = {&r.sweeps, 1},
                                        .newton_steps = {&r.newton_steps, 1},
                                        .cg_iterations = {&r.cg_iterations, 1}});
  return r;
}

template <class A, class B>
double distance(const A& a, const B& b, std::size_t n) {
  double worst = 0;
  for (std::size_t i = 0; i < n; ++i)
    worst = std::fmax(worst,
                      static_cast<double>(std::fabs(static_cast<long double>(a[i]) - static_cast<long double>(b[i]))));
  return worst;
}

// An independent fit: the textbook likelihood in long double, in the coordinates of all ratings but the last and the
// tie parameter; exact gradients, differenced curvature, dense elimination, halved steps until the gradient shrinks.
class oracle {
 public:
  oracle(const games& g, prefer::tie_model model)
      : g_(g), model_(model), size_(static_cast<std::size_t>(g.items) - 1 + (estimates() ? 1u : 0u)) {
    x_.assign(size_, 0.0L);
    if (estimates()) x_.back() = model == prefer::tie_model::davidson ? -1.0L : 0.3L;
    for (int k = 0; k < 200 && worst() > 1e-17L; ++k) step();
  }
  bool estimates() const { return model_ != prefer::tie_model::half; }
  long double worst() const { return worst(gradient(x_)); }
  // With sum zero.
  std::vector<long double> ratings() const {
    std::vector<long double> r(x_.begin(), x_.begin() + static_cast<std::ptrdiff_t>(g_.items - 1));
    r.push_back(0);
    long double sum = 0;
    for (long double v : r) sum += v;
    for (long double& v : r) v -= sum / static_cast<long double>(g_.items);
    return r;
  }
  long double tie_parameter() const { return model_ == prefer::tie_model::davidson ? std::exp(x_.back()) : x_.back(); }

  // The gradient of all ratings at given ratings, per game of the item, largest.
  static long double gradient_per_game(const games& g, prefer::tie_model model, const std::vector<double>& ratings,
                                       long double t) {
    std::vector<long double> slope(ratings.size()), played(ratings.size());
    for (std::size_t k = 0; k < g.first.size(); ++k) {
      const auto i = static_cast<std::size_t>(g.first[k]), j = static_cast<std::size_t>(g.second[k]);
      const auto [d, dt] = pair(model, static_cast<long double>(ratings[i]) - ratings[j], t, g.first_wins[k],
                                g.second_wins[k], g.ties[k]);
      slope[i] += d, slope[j] -= d;
      for (auto item : {i, j}) played[item] += g.first_wins[k] + g.second_wins[k] + g.ties[k];
    }
    long double worst = 0;
    for (std::size_t i = 0; i < slope.size(); ++i) worst = std::fmax(worst, std::fabs(slope[i]) / played[i]);
    return worst;
  }

 private:
  using column = std::vector<long double>;
  const games& g_;
  prefer::tie_model model_;
  std::size_t size_;
  column x_;

  struct slopes {
    long double d, t;
  };
  // Derivatives of -won log P(win) - lost log P(loss) - tied log P(tie), from the probabilities.
  static slopes pair(prefer::tie_model model, long double d, long double t, long double won, long double lost,
                     long double tied) {
    if (model == prefer::tie_model::davidson) {
      const long double a = std::exp(d / 2), b = 1 / a, m = std::exp(t), s = a + b + m;
      const long double games = won + lost + tied;
      return {games * (a - b) / (2 * s) - (won - lost) / 2, games * m / s - tied};
    }
    if (model == prefer::tie_model::rao_kupper) {
      const long double win = 1 / (1 + std::exp(t - d)), loss = 1 / (1 + std::exp(t + d)), q = std::exp(2 * t);
      return {-won * (1 - win) + lost * (1 - loss) - tied * (loss - win),
              won * (1 - win) + lost * (1 - loss) - tied * (2 * q / (q - 1) - (1 - win) - (1 - loss))};
    }
    const long double p = 1 / (1 + std::exp(-d));
    return {(won + lost + tied) * p - won - tied / 2, 0};
  }

  column gradient(const column& x) const {
    column g(size_);
    const auto free = static_cast<std::size_t>(g_.items) - 1;
    const auto at = [&](std::size_t i) { return i < free ? x[i] : 0.0L; };
    for (std::size_t k = 0; k < g_.first.size(); ++k) {
      const auto i = static_cast<std::size_t>(g_.first[k]), j = static_cast<std::size_t>(g_.second[k]);
      const slopes s =
          pair(model_, at(i) - at(j), estimates() ? x.back() : 0, g_.first_wins[k], g_.second_wins[k], g_.ties[k]);
      if (i < free) g[i] += s.d;
      if (j < free) g[j] -= s.d;
      if (estimates()) g.back() += s.t;
    }
    return g;
  }
  static long double worst(const column& g) {
    long double w = 0;
    for (long double v : g) w = std::fabs(v) <= w ? w : std::fabs(v);
    return w;
  }

  void step() {
    const column g = gradient(x_);
    std::vector<column> h(size_, column(size_ + 1));
    for (std::size_t j = 0; j < size_; ++j) {
      column up = x_, down = x_;
      const long double e = 1e-5L;
      up[j] += e, down[j] -= e;
      const column a = gradient(up), b = gradient(down);
      for (std::size_t i = 0; i < size_; ++i) h[i][j] = (a[i] - b[i]) / (2 * e);
    }
    for (std::size_t i = 0; i < size_; ++i) h[i][size_] = -g[i];
    for (std::size_t k = 0; k < size_; ++k) {  // positive definite: no pivoting
      for (std::size_t i = k + 1; i < size_; ++i) {
        const long double f = h[i][k] / h[k][k];
        for (std::size_t j = k; f != 0 && j <= size_; ++j) h[i][j] -= f * h[k][j];
      }
    }
    column s(size_);
    for (std::size_t k = size_; k-- > 0;) {
      s[k] = h[k][size_];
      for (std::size_t j = k + 1; j < size_; ++j) s[k] -= h[k][j] * s[j];
      s[k] /= h[k][k];
    }
    for (long double scale = 1; scale > 1e-6L; scale /= 2) {
      column next = x_;
      for (std::size_t i = 0; i < size_; ++i) next[i] += scale * s[i];
      if (model_ == prefer::tie_model::rao_kupper && next.back() <= 0) continue;
      const long double size = worst(gradient(next));
      if (!(size < worst(g)) && scale > 1e-5L && worst(g) > 1e-12L) continue;
      x_ = next;
      return;
    }
  }
};

}  // namespace prefer_test
