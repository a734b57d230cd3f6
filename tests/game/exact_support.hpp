// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/game/game.hpp>
#include <support/numbers.hpp>

#include <Eigen/Dense>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

// Games for the exact solvers, and what their answers are held against. Oracles work on margins, A = P - 1/2.
namespace prefer_test {

using margins = Eigen::MatrixXd;

enum class game_kind { continuous, small_integers, many_ties, copies, last };

// Antisymmetric, every entry below 1/2 and exact in float if it is an integer's multiple of 1/16.
inline margins random_margins(std::int64_t n, game_kind kind, noise& random) {
  margins a = margins::Zero(n, n);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < i; ++j) {
      double x = random.uniform(-0.5, 0.5);
      if (kind == game_kind::small_integers) x = std::round(x * 6) / 16;
      if (kind == game_kind::many_ties) x = std::round(x * 2.4) / 16;
      a(i, j) = x, a(j, i) = -x;
    }
  if (kind == game_kind::copies)
    for (std::int64_t c = 0; c < n / 3; ++c) {
      const auto from = static_cast<std::int64_t>(random.uniform(0, static_cast<double>(n)));
      const auto to = static_cast<std::int64_t>(random.uniform(0, static_cast<double>(n)));
      a.row(to) = a.row(from).eval(), a.col(to) = a.col(from).eval();
      a(to, to) = 0;
    }
  return a;
}

// Three actions in a cycle: 0 beats 1 by a, 1 beats 2 by b, 2 beats 0 by c.
inline margins cycle_of_three(double a, double b, double c) {
  margins m(3, 3);
  m << 0, a, -c, -a, 0, b, c, -b, 0;
  return m;
}

// Action i beats i + d (round the circle) by margin[d - 1], for n = 2 margins + 1 actions.
inline margins circle(const std::vector<double>& margin) {
  const auto n = static_cast<std::int64_t>(2 * margin.size() + 1);
  margins m = margins::Zero(n, n);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::size_t d = 0; d < margin.size(); ++d) {
      const std::int64_t j = (i + static_cast<std::int64_t>(d) + 1) % n;
      m(i, j) = margin[d], m(j, i) = -margin[d];
    }
  return m;
}

// A batch of games of one size as a table of preferences.
template <class T = double>
struct game_batch {
  std::int64_t count = 0, n = 0;
  std::vector<T> preference = {};

  explicit game_batch(std::int64_t actions) : n(actions) {}
  game_batch(std::initializer_list<margins> all) : n(all.begin()->rows()) {
    for (const margins& a : all) add(a);
  }
  void add(const margins& a) {
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t j = 0; j < n; ++j) preference.push_back(static_cast<T>(0.5 + a(i, j)));
    ++count;
  }
  prefer::games<prefer::space::host, T> view() const { return {.preference = {preference.data(), count, n, n}}; }
  // The margins that are in the table, which are not quite those that were added.
  margins of(std::int64_t b) const {
    margins a(n, n);
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t j = 0; j < n; ++j)
        a(i, j) = 0.5 * (static_cast<double>(at(b, i, j)) - static_cast<double>(at(b, j, i)));
    return a;
  }

 private:
  T at(std::int64_t b, std::int64_t i, std::int64_t j) const {
    return preference[static_cast<std::size_t>((b * n + i) * n + j)];
  }
};

inline Eigen::VectorXd vector_of(const double* p, std::int64_t n) { return Eigen::Map<const Eigen::VectorXd>(p, n); }

// By how much some action beats a policy, in long double.
inline double exploitability_of(const margins& a, const Eigen::VectorXd& p) {
  return static_cast<double>((a.cast<long double>() * p.cast<long double>()).maxCoeff());
}

// Comes p after q in the order of the alphabet, all but rounding?
inline bool lexicographically_above(const Eigen::VectorXd& p, const Eigen::VectorXd& q) {
  for (std::int64_t i = 0; i < p.size(); ++i)
    if (std::fabs(p[i] - q[i]) > 1e-9) return p[i] > q[i];
  return false;
}

// Of all minimax winners the lexicographically largest, by enumeration: a corner of the set of winners is the only
// solution of A_ij p_j = 0, sum p = 1 for its support j and the rows i that are tight, which include the support.
inline Eigen::VectorXd winner_by_enumeration(const margins& a) {
  const std::int64_t n = a.rows();
  Eigen::VectorXd best = Eigen::VectorXd::Constant(n, -1);
  for (unsigned support = 1; support < 1u << n; ++support)
    for (unsigned tight = support; tight < 1u << n; tight = (tight + 1) | support) {
      std::vector<std::int64_t> rows, columns;
      for (std::int64_t i = 0; i < n; ++i) {
        if (tight >> i & 1) rows.push_back(i);
        if (support >> i & 1) columns.push_back(i);
      }
      const auto r = static_cast<std::int64_t>(rows.size()), c = static_cast<std::int64_t>(columns.size());
      Eigen::MatrixXd system(r + 1, c);
      system.topRows(r) = a(rows, columns), system.row(r).setOnes();
      Eigen::VectorXd right = Eigen::VectorXd::Zero(r + 1);
      right[r] = 1;
      const Eigen::FullPivLU<Eigen::MatrixXd> lu(system);
      if (lu.rank() < c) continue;
      const Eigen::VectorXd x = lu.solve(right);
      Eigen::VectorXd p = Eigen::VectorXd::Zero(n);
      p(columns) = x;
      if ((system * x - right).cwiseAbs().maxCoeff() < 1e-10 && p.minCoeff() > -1e-10 && (a * p).maxCoeff() < 1e-10 &&
          lexicographically_above(p, best))
        best = p;
    }
  return best;
}

}  // namespace prefer_test
