// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/arena.hpp>
#include <prefer/game/detail/game_margins.hpp>
#include <prefer/game/detail/solver_team.hpp>

#include <cstdint>

// Pivoting for the minimax winner of one game, on either backend.
//
// With margins A = (P - P') / 2 a policy p is optimal if no action beats it: w = v - A p >= 0 with sum p = 1 and v = 0.
// Of p_i and w_i one is free and the other 0: `plays` says which. Solved for the free ones, y = q + T x, where T is
// antisymmetric whatever plays. A pivot exchanges two pairs, r and s; with u and v the columns r and s,
//
//   T += (v u' - u v') / T_rs,   but T_.r = v / T_rs,   T_.s = - u / T_rs,   T_rs = - 1 / T_rs,   and q likewise
//
// From the policy that plays one action only, q is not yet >= 0; the self-dual parametric method adds t d with d > 0,
// for t so large that q + t d >= 0, and lowers t to 0: where y_r is the first to reach 0, x_r enters, and y_s, the
// first that it drives to 0, leaves with it. (Dantzig's self-dual simplex method; since the game is its own dual,
// variables and prices are one tableau, and half of that is enough.)
//
// Ties are broken as if action k had an advantage b_k over all others, b_0 >> b_1 >> ... > 0 and all too small to write
// down. That makes every pivot unique, which excludes cycles, and the answer: of all minimax winners the one with the
// most mass on action 0, of these the one with the most on action 1, and so on. The advantages are no numbers: their
// coefficients in y are in the tableau, C_ik = T_ik for a k that plays, and -1 for i = k that does not.
//
// Numbers within 1e-13 of 0 count as 0 (margins are scaled to at most 1). Rounding does not matter in the end: the
// answer is certified, and mended, with the margins themselves, and the tableau is made anew where a pivot was small
// and before the end.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline constexpr double pivot_zero = 1e-13;         // of q and of ratios of margins
inline constexpr double pivot_least = 1e-12;        // no entry below this is a pivot
inline constexpr double pivot_small = 1e-5;         // after a pivot below this the tableau is made anew
inline constexpr double pivot_slope_least = 1e-10;  // no slope below this limits t
inline constexpr double pivot_tie = 1e-9;           // of entries of the tableau, relative
inline constexpr std::int64_t pivots_unchecked = 32;
inline constexpr int most_mending = 5;

// Where pivoting came to.
struct pivot_progress {
  std::int64_t pivots = 0, since_build = 0;
  double gap = math::detail::infinity<double>();  // of the best policy so far, in units of the margins
};

// Large tableaus keep a few pivots back, and take them in together: a pivot needs two columns only, and to change the
// whole tableau for each would be waiting for memory.
PREFER_HD int pivots_kept_back(std::int64_t n) { return n < 96 ? 1 : 4; }

struct pivot_tableau {
  std::int64_t size = 0;  // actions
  std::int64_t step = 0;  // of rows
  double* entry = nullptr;
  double *level = nullptr, *slope = nullptr;  // q and d
  double *u = nullptr, *v = nullptr;          // pivots not yet in `entry`: rows of `step` numbers, v / T_rs
  double* exact = nullptr;                    // columns of these pivots
  std::int64_t* pairs = nullptr;              // r and s of these pivots
  int kept = 0, most_kept = 1;
  double *policy = nullptr, *best = nullptr, *payoff = nullptr;
  std::uint8_t *plays = nullptr, *wanted = nullptr, *tied = nullptr;
  std::int64_t start = 0;  // the action that the first tableau plays

  // For up to n actions.
  static PREFER_HD pivot_tableau carve(arena& memory, std::int64_t n, const matrix_shape& shape) {
    pivot_tableau t;
    t.step = shape.step, t.most_kept = pivots_kept_back(n);
    t.entry = memory.take<double>(shape.rows * shape.step);
    t.level = memory.take<double>(n), t.slope = memory.take<double>(n);
    t.u = memory.take<double>(t.most_kept * t.step), t.v = memory.take<double>(t.most_kept * t.step);
    t.exact = memory.take<double>(2 * t.most_kept * t.step), t.pairs = memory.take<std::int64_t>(2 * t.most_kept);
    t.policy = memory.take<double>(n), t.best = memory.take<double>(n), t.payoff = memory.take<double>(n);
    t.plays = memory.take<std::uint8_t>(n), t.wanted = memory.take<std::uint8_t>(n);
    t.tied = memory.take<std::uint8_t>(n);
    return t;
  }

  // Only what is above the diagonal is kept. A pivot makes its own rows and columns anew.
  PREFER_HD double at(std::int64_t i, std::int64_t j) const {
    double x = i < j ? entry[i * step + j] : i == j ? 0 : -entry[j * step + i];
    for (int k = 0; k < kept; ++k) {
      const double *a = u + k * step, *b = v + k * step;
      const std::int64_t r = pairs[2 * k], s = pairs[2 * k + 1];
      if (j == r)
        x = i == r ? 0 : b[i];
      else if (i == r)
        x = -b[j];
      else if (j == s)
        x = i == s ? 0 : -a[i] * b[s];
      else if (i == s)
        x = a[j] * b[s];
      else
        x += b[i] * a[j] - a[i] * b[j];
    }
    return x;
  }
  // The coefficient of advantage k.
  PREFER_HD double advantage(std::int64_t i, std::int64_t k) const {
    return (plays[k] ? at(i, k) : 0) - (i == k && !plays[i] ? 1 : 0);
  }
};

// d of action i: between 1/2 and 3/2, no two alike.
PREFER_HD double pivot_direction(std::int64_t i) {
  auto x = static_cast<std::uint32_t>(i) * 2654435761u;
  x = (x ^ (x >> 15)) * 2246822519u;
  return 0.5 + static_cast<double>(x ^ (x >> 13)) * 0x1p-32;
}

// Takes the pivots kept back into the tableau.
struct pivot_update {
  const double *u, *v;
  std::int64_t step;
  int kept;

  PREFER_HD std::int64_t begin(std::int64_t i) const { return i + 1; }
  template <class V, int Rows>
  PREFER_HD void change(V (&x)[Rows], std::int64_t i, std::int64_t j) const {
    for (int k = 0; k < kept; ++k) {
      const double *a = u + k * step, *b = v + k * step;
      const V to_a = read_value<V>(a + j), to_b = read_value<V>(b + j);
      for (int r = 0; r < Rows; ++r) x[r] += V(b[i + r]) * to_a - V(a[i + r]) * to_b;
    }
  }
};

template <class Team>
struct pivoting {
  const Team& team;
  const game_margins& margins;
  pivot_tableau& t;
  std::int64_t most;  // pivots
  double tolerance;   // in units of the margins
  pivot_progress progress = {};

  // The tableau of the policy that plays `start` only.
  PREFER_HD void build() {
    const std::int64_t n = t.size, c = t.start;
    team.each(n, [&](std::int64_t i) PREFER_HD_LAMBDA {
      double* const row = t.entry + i * t.step;
      for (std::int64_t j = 0; j < n; ++j)
        row[j] = i == c ? -1 : j == c ? 1 : margins.at(c, j) + margins.at(i, c) - margins.at(i, j);
      for (std::int64_t j = n; j < t.step; ++j) row[j] = 0;
      t.level[i] = i == c ? 1 : margins.at(c, i);
      t.slope[i] = pivot_direction(i);
      t.plays[i] = i == c;
    });
    team.each(t.most_kept * t.step, [&](std::int64_t j) PREFER_HD_LAMBDA { t.u[j] = t.v[j] = 0; });
    t.kept = 0;
    progress.since_build = 0;
  }

  // Column r, into the next place for a pivot.
  PREFER_HD const double* load_column(std::int64_t r) {
    double* const u = t.u + t.kept * t.step;
    team.each(t.size, [&](std::int64_t i) PREFER_HD_LAMBDA { u[i] = t.at(i, r); });
    return u;
  }

  // After load_column(r).
  PREFER_HD void pivot(std::int64_t r, std::int64_t s) {
    double *const u = t.u + t.kept * t.step, *const v = t.v + t.kept * t.step;
    const double factor = -1 / u[s];
    const auto exchange = [&](double* x, double x_r, double x_s, std::int64_t i) PREFER_HD_LAMBDA {
      x[i] = i == r ? x_s * factor : i == s ? -x_r * factor : x[i] + (u[i] * factor * x_s - v[i] * x_r);
    };
    const double level_r = t.level[r], level_s = t.level[s], slope_r = t.slope[r], slope_s = t.slope[s];
    team.each(1, [&](std::int64_t) PREFER_HD_LAMBDA {
      t.plays[r] ^= 1, t.plays[s] ^= 1;
      t.pairs[2 * t.kept] = r, t.pairs[2 * t.kept + 1] = s;
    });
    team.each(t.size, [&](std::int64_t i) PREFER_HD_LAMBDA {
      v[i] = i == s ? factor : t.at(i, s) * factor;
      exchange(t.level, level_r, level_s, i), exchange(t.slope, slope_r, slope_s, i);
    });
    if (++t.kept == t.most_kept) take_in();
  }

  // Takes in the pivots kept back.
  PREFER_HD void take_in() {
    const std::int64_t columns = 2 * t.kept;
    team.each(columns * t.size, [&](std::int64_t at) PREFER_HD_LAMBDA {
      const std::int64_t k = at / t.size, i = at % t.size;
      t.exact[k * t.step + i] = t.at(i, t.pairs[k]);
    });
    team.update(matrix_update<pivot_update>{t.entry, t.step, t.size, t.size, {t.u, t.v, t.step, t.kept}});
    t.kept = 0;
    team.each(columns * t.size, [&](std::int64_t at) PREFER_HD_LAMBDA {
      const std::int64_t k = at / t.size, i = at % t.size, j = t.pairs[k];
      if (i < j) t.entry[i * t.step + j] = t.exact[k * t.step + i];
      if (i > j) t.entry[j * t.step + i] = -t.exact[k * t.step + i];
    });
  }

  // The tableau of what plays now, from the margins: exchanges in the order of the actions, each with the partner that
  // makes the largest pivot.
  PREFER_HD void rebuild() {
    const std::int64_t n = t.size;
    team.each(n, [&](std::int64_t i) PREFER_HD_LAMBDA { t.wanted[i] = t.plays[i]; });
    build();
    const auto missing = [&](std::int64_t i) PREFER_HD_LAMBDA { return t.plays[i] != t.wanted[i]; };
    for (std::int64_t r = 0; r < n; ++r) {
      if (!missing(r)) continue;
      const double* const column = load_column(r);
      const least_entry s = team.least(
          n, [&](std::int64_t i) PREFER_HD_LAMBDA { return i > r && missing(i) ? -math::abs(column[i]) : 0.0; });
      if (s.value < -pivot_least) pivot(r, s.index);
    }
  }

  // Among the tied: the one whose key(i, 0), key(i, 1), ... comes first in the order of the alphabet, or -1 if these
  // are not below 0 where they have to be.
  template <class Key>
  PREFER_HD std::int64_t first_of_tied(double count, bool below_zero, const Key& key) {
    for (std::int64_t k = 0; k < t.size && (count > 1 || below_zero); ++k) {
      const double least =
          team.least(t.size, [&](std::int64_t i)
                                 PREFER_HD_LAMBDA { return t.tied[i] ? key(i, k) : math::detail::infinity<double>(); })
              .value;
      if (below_zero && least > pivot_tie) return -1;
      if (least < -pivot_tie) below_zero = false;
      const double limit = least + pivot_tie * (1 + math::abs(least));
      count = team.total(t.size, [&](std::int64_t i) PREFER_HD_LAMBDA {
        if (t.tied[i] && key(i, k) > limit) t.tied[i] = 0;
        return t.tied[i] ? 1.0 : 0.0;
      });
    }
    if (below_zero) return -1;
    return team.least(t.size, [&](std::int64_t i) PREFER_HD_LAMBDA { return t.tied[i] ? -1.0 : 0.0; }).index;
  }

  // The largest t at which a free variable is 0, and which: -1 if none stops t at 0.
  PREFER_HD std::int64_t next_limit(double& now) {
    const least_entry lowest = team.least(t.size, [&](std::int64_t i) PREFER_HD_LAMBDA {
      return t.slope[i] > pivot_slope_least ? t.level[i] / t.slope[i] : 0.0;
    });
    const bool at_zero = !(lowest.value < 0) || t.level[lowest.index] >= -pivot_zero;
    now = at_zero ? 0 : -lowest.value;
    const double count = team.total(t.size, [&](std::int64_t i) PREFER_HD_LAMBDA {
      t.tied[i] = t.slope[i] > pivot_slope_least && t.level[i] + now * t.slope[i] <= pivot_zero;
      return t.tied[i] ? 1.0 : 0.0;
    });
    if (count == 0) return -1;
    return first_of_tied(count, at_zero, [&](std::int64_t i, std::int64_t k) PREFER_HD_LAMBDA {
      return t.advantage(i, k) / t.slope[i];
    });
  }

  // What x_r drives to 0 first at t = now; -1 if nothing. Of those that tie, entries far below the largest are left
  // out: they would be bad pivots.
  PREFER_HD std::int64_t blocking(std::int64_t r, double now) {
    const double* const column = load_column(r);
    const auto entering = [&](std::int64_t i) PREFER_HD_LAMBDA { return -column[i]; };
    const auto height = [&](std::int64_t i) PREFER_HD_LAMBDA { return math::max(t.level[i] + now * t.slope[i], 0.0); };
    const double largest =
        -team.least(t.size, [&](std::int64_t i) PREFER_HD_LAMBDA { return -math::abs(column[i]); }).value;
    const double usable = pivot_least * math::max(1.0, largest);
    const double reach =
        team.least(t.size,
                   [&](std::int64_t i) PREFER_HD_LAMBDA {
                     const double e = entering(i);
                     return e > usable ? (height(i) + pivot_zero) / e : math::detail::infinity<double>();
                   })
            .value;
    if (reach == math::detail::infinity<double>()) return -1;
    const auto ties = [&](std::int64_t i)
                          PREFER_HD_LAMBDA { return entering(i) > usable && height(i) <= reach * entering(i); };
    const double steepest =
        -team.least(t.size, [&](std::int64_t i) PREFER_HD_LAMBDA { return ties(i) ? -entering(i) : 0.0; }).value;
    const double count = team.total(t.size, [&](std::int64_t i) PREFER_HD_LAMBDA {
      t.tied[i] = ties(i) && entering(i) >= pivot_small * steepest;
      return t.tied[i] ? 1.0 : 0.0;
    });
    const double share = 1 / t.slope[r];
    return first_of_tied(count, false, [&](std::int64_t i, std::int64_t k) PREFER_HD_LAMBDA {
      return (t.advantage(i, k) - t.advantage(r, k) * share * t.slope[i]) / entering(i);
    });
  }

  // Pivots until t is 0, or until nothing can be done.
  PREFER_HD void descend() {
    double now = 0;
    while (progress.pivots < most) {
      const std::int64_t r = next_limit(now);
      const std::int64_t s = r < 0 ? -1 : blocking(r, now);
      if (s < 0) return;
      const bool small = math::abs(t.at(r, s)) < pivot_small;
      pivot(r, s);
      ++progress.pivots, ++progress.since_build;
      if (small) rebuild();
    }
  }

  // What every action gains against `policy`; returns the largest gain.
  PREFER_HD double measure() {
    team.each(t.size, [&](std::int64_t i) PREFER_HD_LAMBDA {
      double gain = 0;
      for (std::int64_t j = 0; j < t.size; ++j)
        if (t.policy[j] != 0) gain += margins.at(i, j) * t.policy[j];
      t.payoff[i] = gain;
    });
    return -team.least(t.size, [&](std::int64_t i) PREFER_HD_LAMBDA { return -t.payoff[i]; }).value;
  }
  PREFER_HD void normalize() {
    const double sum = team.total(t.size, [&](std::int64_t i) PREFER_HD_LAMBDA { return t.policy[i]; });
    team.each(t.size, [&](std::int64_t i) PREFER_HD_LAMBDA { t.policy[i] /= sum; });
  }

  // The policy of the tableau, mended as long as that makes it better: the tableau says how the policy answers to the
  // gains that are left on what plays. One that is good enough replaces any before.
  PREFER_HD void certify() {
    team.each(t.size,
              [&](std::int64_t i) PREFER_HD_LAMBDA { t.policy[i] = t.plays[i] ? math::max(t.level[i], 0.0) : 0; });
    for (int round = 0; round < most_mending; ++round) {
      normalize();
      const double gap = measure();
      if (round == 0 && gap <= tolerance) progress.gap = math::detail::infinity<double>();
      if (!(gap < progress.gap)) return;
      progress.gap = gap;
      team.each(t.size, [&](std::int64_t i) PREFER_HD_LAMBDA { t.best[i] = t.policy[i]; });
      if (gap <= 0) return;
      team.each(t.size, [&](std::int64_t i) PREFER_HD_LAMBDA { t.policy[i] = mended(i); });
    }
  }
  PREFER_HD double mended(std::int64_t i) const {
    double p = t.policy[i];
    for (std::int64_t k = 0; k < t.size && t.plays[i]; ++k)
      if (t.plays[k]) p += t.at(i, k) * t.payoff[k];
    return math::max(p, 0.0);
  }

  // The best first action: the one whose worst margin is largest. A Condorcet winner is the answer at once.
  PREFER_HD void choose_start() {
    team.each(t.size, [&](std::int64_t i) PREFER_HD_LAMBDA {
      double worst = 0;
      for (std::int64_t j = 0; j < t.size; ++j)
        if (j != i && margins.at(i, j) < worst) worst = margins.at(i, j);
      t.payoff[i] = worst;
    });
    t.start = team.least(t.size, [&](std::int64_t i) PREFER_HD_LAMBDA { return -t.payoff[i]; }).index;
  }

  // Leaves the policy in `best`.
  PREFER_HD pivot_progress solve() {
    choose_start();
    build();
    for (int again = 0; again < 4; ++again) {
      descend();
      certify();
      if (progress.gap <= tolerance && progress.since_build <= pivots_unchecked) break;
      if (progress.since_build == 0 || progress.pivots >= most) break;
      rebuild();
    }
    return progress;
  }
};

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
