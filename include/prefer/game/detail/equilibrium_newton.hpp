// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/arena.hpp>
#include <prefer/game/detail/game_margins.hpp>
#include <prefer/game/detail/solver_team.hpp>

#include <cstdint>

// Newton's method for the regularised equilibrium of one game, on either backend. With margins A, x = log pi, l = log
// mu and the best response log br = l + A pi / tau - lse, the equilibrium is where br = pi. A step solves
//
//   (tau / pi - A) dpi + c = tau (log br - x),   sum dpi = 0,   dx = dpi / pi
//
// The matrix has a positive diagonal and is otherwise antisymmetric, so that every step exists, whatever tau. It is
// scaled by r = sqrt(pi) on both sides, tau - r A r, where actions that have become rare do no harm, and dx is taken
// from the equation itself, dx = log br - x + A dpi / tau - c, which has all its digits for rare actions, too. The size
// of a step is sqrt(sum_i pi_i dx_i^2), with the larger of pi before and after.
//
// A small tau is reached from tau = 1 in stages. A stage that needs a step above 1, or does not settle within a
// dozen, is taken back and a smaller one tried. What rounding leaves of log br - x is about 1e-16 (1 + 1 / tau).
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

struct equilibrium_memory {
  std::int64_t step = 0;
  double* matrix = nullptr;  // of the linear system, with two right sides
  double *reference = nullptr, *x = nullptr, *saved = nullptr, *best = nullptr;  // logarithms
  double *probability = nullptr, *root = nullptr, *change = nullptr;
  double *rest = nullptr, *previous = nullptr;  // log br - x; x before a step
  double *factor = nullptr, *pivot = nullptr;

  static PREFER_HD equilibrium_memory carve(arena& memory, std::int64_t n, const matrix_shape& shape) {
    equilibrium_memory m;
    m.step = shape.step;
    m.matrix = memory.take<double>(shape.rows * shape.step);
    m.reference = memory.take<double>(n), m.x = memory.take<double>(n);
    m.saved = memory.take<double>(n), m.best = memory.take<double>(n);
    m.probability = memory.take<double>(n), m.root = memory.take<double>(n);
    m.change = memory.take<double>(n), m.rest = memory.take<double>(n);
    m.previous = memory.take<double>(n);
    m.factor = memory.take<double>(shape.rows), m.pivot = memory.take<double>(shape.step);
    return m;
  }
};

// x(i, j) -= factor(i) * x(pivot, j).
struct elimination_update {
  const double *factor, *pivot_row;
  std::int64_t column;

  PREFER_HD std::int64_t begin(std::int64_t) const { return column; }
  template <class V, int Rows>
  PREFER_HD void change(V (&x)[Rows], std::int64_t i, std::int64_t j) const {
    const V from = read_value<V>(pivot_row + j);
    for (int r = 0; r < Rows; ++r) x[r] -= V(factor[i + r]) * from;
  }
};

struct equilibrium_result {
  std::int64_t steps = 0;
  double residual = math::detail::infinity<double>();
  double gap = math::detail::infinity<double>();
};

inline constexpr int stage_steps = 12;

template <class Team>
struct equilibrium_newton {
  const Team& team;
  const game_margins& margins;
  equilibrium_memory& m;
  double tau, tolerance;
  std::int64_t most;  // steps
  equilibrium_result result = {};
  std::int64_t size = margins.size;
  double held = 0;  // actions that the last step moved less than it wanted

  // (A weight)_i
  PREFER_HD double gain(std::int64_t i, const double* weight) const {
    double sum = 0;
    for (std::int64_t j = 0; j < size; ++j)
      if (weight[j] != 0) sum += margins.at(i, j) * weight[j];
    return sum;
  }
  PREFER_HD double log_sum_exp(const double* x) const {
    const double top = -team.least(size, [&](std::int64_t i) PREFER_HD_LAMBDA { return -x[i]; }).value;
    return top + math::log(team.total(size, [&](std::int64_t i) PREFER_HD_LAMBDA { return math::exp(x[i] - top); }));
  }
  PREFER_HD void subtract(double* x, double c) const {
    team.each(size, [&](std::int64_t i) PREFER_HD_LAMBDA { x[i] -= c; });
  }
  PREFER_HD void copy(const double* from, double* to) const {
    team.each(size, [&](std::int64_t i) PREFER_HD_LAMBDA { to[i] = from[i]; });
  }

  // x becomes log pi; pi, sqrt(pi), and how far the best response is from it.
  PREFER_HD void evaluate(double at) {
    subtract(m.x, log_sum_exp(m.x));
    team.each(size, [&](std::int64_t i) PREFER_HD_LAMBDA {
      m.probability[i] = math::exp(m.x[i]), m.root[i] = math::exp(0.5 * m.x[i]);
    });
    team.each(size, [&](std::int64_t i)
                        PREFER_HD_LAMBDA { m.rest[i] = m.reference[i] - m.x[i] + gain(i, m.probability) / at; });
    // log sum br, relative to x: sum pi e^rest
    const double top = -team.least(size, [&](std::int64_t i) PREFER_HD_LAMBDA { return -(m.x[i] + m.rest[i]); }).value;
    const double total =
        team.total(size, [&](std::int64_t i) PREFER_HD_LAMBDA { return math::exp(m.x[i] + m.rest[i] - top); });
    subtract(m.rest, top + math::log(total));
  }

  // Remembers the best x so far. The duality gap is 2 tau KL(pi | br).
  PREFER_HD void measure() {
    const double residual = largest_rest();
    if (!(residual < result.residual)) return;
    result.residual = residual;
    result.gap = 2 * tau * team.total(size, [&](std::int64_t i) PREFER_HD_LAMBDA {
      const double d = m.rest[i];
      return math::abs(d) < 1 ? m.probability[i] * math::expm1_minus(d)
                              : math::exp(m.x[i] + d) - m.probability[i] * (1 + d);
    });
    copy(m.x, m.best);
  }

  PREFER_HD void fill(double at) {
    team.each(size, [&](std::int64_t i) PREFER_HD_LAMBDA {
      double* const row = m.matrix + i * m.step;
      for (std::int64_t j = 0; j < size; ++j) row[j] = -m.root[i] * margins.at(i, j) * m.root[j];
      row[i] = at;
      row[size] = m.root[i] * at * m.rest[i];
      row[size + 1] = m.root[i];
    });
  }

  // Gauss and Jordan, the pivot the largest of its column; false if there is none.
  PREFER_HD bool eliminate() {
    for (std::int64_t k = 0; k < size; ++k) {
      const least_entry found = team.least(
          size - k, [&](std::int64_t i) PREFER_HD_LAMBDA { return -math::abs(m.matrix[(k + i) * m.step + k]); });
      if (!(found.value < 0)) return false;
      double *const row = m.matrix + k * m.step, *const other = row + found.index * m.step;
      const double inverse = 1 / other[k];
      team.each(size + 2 - k, [&](std::int64_t j) PREFER_HD_LAMBDA { m.pivot[k + j] = other[k + j] * inverse; });
      team.each(size + 2 - k, [&](std::int64_t j) PREFER_HD_LAMBDA { other[k + j] = row[k + j]; });
      team.each(size, [&](std::int64_t i) PREFER_HD_LAMBDA { m.factor[i] = m.matrix[i * m.step + k]; });
      team.update(matrix_update<elimination_update>{m.matrix, m.step, size, size + 2, {m.factor, m.pivot, k + 1}});
      team.each(size + 2 - k, [&](std::int64_t j) PREFER_HD_LAMBDA { row[k + j] = m.pivot[k + j]; });
    }
    return true;
  }

  // log(pi + dpi): what the step is exact for. But rare actions are moved by dx, as long as they stay rare.
  static PREFER_HD double moved(double x, double dx, double negligible) {
    if (dx < -0.5) return x + dx;
    const double to = x + math::log1p(dx);
    return dx < 0 ? to : math::max(to, math::min(x + dx, negligible));
  }

  // One step of Newton; returns its size, NaN if there is none.
  PREFER_HD double improve(double at) {
    ++result.steps;
    fill(at);
    if (!eliminate()) return math::detail::not_a_number<double>();
    const auto sum = [&](std::int64_t column) PREFER_HD_LAMBDA {
      return team.total(size,
                        [&](std::int64_t i) PREFER_HD_LAMBDA { return m.root[i] * m.matrix[i * m.step + column]; });
    };
    const double shift = sum(size) / sum(size + 1);
    team.each(size, [&](std::int64_t i) PREFER_HD_LAMBDA {
      const double* const row = m.matrix + i * m.step;
      m.change[i] = m.root[i] * (row[size] - shift * row[size + 1]);
    });
    copy(m.x, m.previous);
    const double negligible = math::log(0.1 * at);
    held = team.total(size, [&](std::int64_t i) PREFER_HD_LAMBDA {
      const double dx = m.rest[i] + (gain(i, m.change) - shift) / at;
      m.x[i] = moved(m.x[i], dx, negligible);
      return m.x[i] < m.previous[i] + dx - 0.5 ? 1.0 : 0.0;
    });
    evaluate(at);
    return math::sqrt(team.total(size, [&](std::int64_t i) PREFER_HD_LAMBDA {
      const double change = m.x[i] - m.previous[i];
      return math::max(m.probability[i], math::exp(m.previous[i])) * change * change;
    }));
  }

  PREFER_HD double largest_rest() const {
    return -team.least(size, [&](std::int64_t i) PREFER_HD_LAMBDA { return -math::abs(m.rest[i]); }).value;
  }

  // Close to the equilibrium of a stage, from close to that of the last one? A small step alone does not say so: it
  // hardly sees a rare action that has yet to become rarer, from which smaller temperatures cannot be reached.
  PREFER_HD bool reach(double at) {
    for (int k = 0; k < stage_steps; ++k) {
      const double now = improve(at);
      if (!(now <= 1)) return false;
      if (now <= 0.05 && held == 0 && largest_rest() <= 0.1) return true;
    }
    return false;
  }

  PREFER_HD void descend() {
    double stage = 1, ratio = 0.25;
    evaluate(math::max(tau, stage));
    if (tau < stage && !reach(stage)) return;
    while (stage > tau && ratio < 0.99 && result.steps < most) {
      copy(m.x, m.saved);
      const double next = math::max(tau, stage * ratio);
      evaluate(next);
      if (reach(next)) {
        stage = next, ratio = math::max(ratio * ratio, 0.1);
      } else {
        ratio = math::sqrt(ratio);
        copy(m.saved, m.x);
      }
    }
  }

  // m.reference holds log-weights; leaves log pi in m.best.
  PREFER_HD equilibrium_result solve() {
    subtract(m.reference, log_sum_exp(m.reference));
    copy(m.reference, m.x);
    descend();
    evaluate(tau);
    measure();
    for (int stale = 0; !(result.residual <= tolerance) && stale < 10 && result.steps < most;) {
      const double before = result.residual;
      if (math::is_nan(improve(tau))) return result;
      measure();
      stale = result.residual < 0.5 * before ? 0 : stale + 1;
    }
    return result;
  }
};

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
