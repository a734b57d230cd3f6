// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/math.hpp>

#include <cstdint>

namespace prefer {

// What a tie between two items says (d = r_i - r_j).
enum class tie_model : std::uint8_t {
  half,        // half a win and half a loss
  rao_kupper,  // P(i) = s(d - eta), P(j) = s(-d - eta), P(tie) = (e^(2 eta) - 1) s(d - eta) s(-d - eta); eta > 0 is
               // estimated
  davidson,    // P(i) : P(j) : P(tie) = e^(d/2) : e^(-d/2) : nu; nu > 0 is estimated
};

inline namespace PREFER_ABI {
namespace detail {

// d = r_i - r_j as a / b = e^d and root = sqrt(a b), from ratings of any distance or from the square roots of odds e^r.
template <class V>
struct edge_odds {
  V a, b, root;
};
template <class V>
PREFER_HD edge_odds<V> odds_of_ratings(const V& own, const V& other) {
  const V d = own - other;
  const V root = math::exp(V(-0.5) * math::abs(d));
  const V e = root * root;
  const auto ahead = d > V(0);
  return {math::select(ahead, V(1), e), math::select(ahead, e, V(1)), root};
}
template <class V>
PREFER_HD edge_odds<V> odds_of_roots(const V& own, const V& other) {
  return {own * own, other * other, own * other};
}

// One pair of items with all its games, seen from one of the two. The negative log-likelihood L of the pair is a
// function of d = r_i - r_j and of a tie parameter t (log nu, or eta), jointly convex. Written in a and b, both
// positive and not in danger of overflow, every expression below is a sum of positive terms or a single difference that
// is exact where it cancels.
//
// x and y are the numbers that the model needs of the pair; what is linear in d or t is added per item by the solver:
//   half, Davidson: x = all games                        gradient + (lost - won)/2 per pair, - ties for t
//   Rao-Kupper:     x = won + ties, y = lost + ties      nothing for d, - 2 ties / (1 - e^(-2t)) for t
template <class V>
struct edge_terms {
  V gradient;       // dL/dd
  V curvature;      // d2L/dd2 >= 0
  V cross;          // d2L/dd dt
  V tie_gradient;   // dL/dt
  V tie_curvature;  // d2L/dt2
};

struct bradley_terry_edge {
  static PREFER_HD bradley_terry_edge at(double) { return {}; }
  static PREFER_HD bradley_terry_edge without_ties() { return {}; }
  static constexpr bool has_tie_parameter = false;
  static constexpr bool directed = false;  // x alone is read, and is the same for both items of a pair

  template <class V>
  PREFER_HD edge_terms<V> operator()(const V& x, const V&, const edge_odds<V>& o) const {
    const V a = o.a, b = o.b, s = V(1) / (a + b);
    return {V(0.5) * x * ((a - b) * s), x * ((a * s) * (b * s)), V(0), V(0), V(0)};
  }
  // L - (lost - won) d / 2
  template <class V>
  PREFER_HD V loss(const V& x, const V&, const V& d) const {
    const V distance = math::abs(d);
    return x * (V(0.5) * distance + math::log1p_unit(math::exp(-distance)));
  }
};

struct davidson_edge {
  static PREFER_HD davidson_edge at(double t) { return {math::exp(t)}; }
  static PREFER_HD davidson_edge without_ties() { return {0}; }
  static constexpr bool has_tie_parameter = true;
  static constexpr bool directed = false;
  double nu;

  template <class V>
  PREFER_HD edge_terms<V> operator()(const V& x, const V&, const edge_odds<V>& o) const {
    const V a = o.a, b = o.b, m = V(nu) * o.root;
    const V s = V(1) / (a + b + m);
    const V p = a * s, q = b * s, t = m * s;
    const V half_difference = V(0.5) * ((a - b) * s);
    return {x * half_difference, x * (p * q + V(0.25) * t * (p + q)), -(x * (half_difference * t)), x * t,
            x * (t * (p + q))};
  }
  template <class V>
  PREFER_HD V loss(const V& x, const V&, const V& d) const {
    const V distance = math::abs(d);
    const V root = math::exp(V(-0.5) * distance);
    return x * (V(0.5) * distance + math::log1p(root * (root + V(nu))));
  }
};

struct rao_kupper_edge {
  static PREFER_HD rao_kupper_edge at(double t) { return {math::exp(t), t}; }
  static PREFER_HD rao_kupper_edge without_ties() { return {1, 0}; }
  static constexpr bool has_tie_parameter = true;
  static constexpr bool directed = true;
  double theta;  // e^eta
  double eta;

  template <class V>
  PREFER_HD edge_terms<V> operator()(const V& x, const V& y, const edge_odds<V>& o) const {
    const V a = o.a, b = o.b;
    const V far = V(theta) * b, near = V(theta) * a;
    const V s = V(1) / (a + far), u = V(1) / (b + near);
    const V not_won = far * s, not_lost = near * u;  // s(eta - d), s(eta + d)
    const V one = x * not_won, other = y * not_lost;
    const V bend = one * (a * s), other_bend = other * (b * u);
    return {other - one, bend + other_bend, other_bend - bend, one + other, bend + other_bend};
  }
  template <class V>
  PREFER_HD V loss(const V& x, const V& y, const V& d) const {
    return x * math::softplus(V(eta) - d) + y * math::softplus(V(eta) + d);
  }
};

// The part of L for ties of Rao-Kupper that depends on t alone, per tie: -log(e^(2t) - 1), as value and derivatives.
struct tie_barrier {
  double loss, gradient, curvature;
};
PREFER_HD tie_barrier rao_kupper_barrier(double eta) {
  const double below = -math::expm1(-2 * eta);  // 1 - e^(-2 eta)
  const double gradient = -2 / below;
  return {-(2 * eta + math::log(below)), gradient, 4 * (1 - below) / (below * below)};
}

// The gradient of the loss of one game by d and t, for each of its three outcomes.
template <class V>
struct outcome_scores {
  V win, win_t, loss, loss_t, tie, tie_t;
};
PREFER_HD outcome_scores<double> scores_of(const bradley_terry_edge&, const edge_odds<double>& o) {
  const double s = 1 / (o.a + o.b);
  return {-(o.b * s), 0, o.a * s, 0, 0.5 * ((o.a - o.b) * s), 0};
}
PREFER_HD outcome_scores<double> scores_of(const davidson_edge& e, const edge_odds<double>& o) {
  const double m = e.nu * o.root, s = 1 / (o.a + o.b + m), p = o.a * s, q = o.b * s, t = m * s;
  return {-(q + 0.5 * t), t, p + 0.5 * t, t, 0.5 * ((o.a - o.b) * s), -(p + q)};
}
PREFER_HD outcome_scores<double> scores_of(const rao_kupper_edge& e, const edge_odds<double>& o) {
  const double not_won = e.theta * o.b / (o.a + e.theta * o.b), not_lost = e.theta * o.a / (o.b + e.theta * o.a);
  const double barrier = 2 / math::expm1(-2 * e.eta);
  return {-not_won, not_won, not_lost, not_lost, not_lost - not_won, barrier + not_won + not_lost};
}

// The sum over games of (gradient)(gradient)' : as a curvature of the pair, with its border and corner for t.
struct score_squares {
  double weight, cross, tie;
};
PREFER_HD score_squares squares_of(const outcome_scores<double>& s, double won, double lost, double tied) {
  return {won * (s.win * s.win) + lost * (s.loss * s.loss) + tied * (s.tie * s.tie),
          won * (s.win * s.win_t) + lost * (s.loss * s.loss_t) + tied * (s.tie * s.tie_t),
          won * (s.win_t * s.win_t) + lost * (s.loss_t * s.loss_t) + tied * (s.tie_t * s.tie_t)};
}

// The part of L that is linear in t, or depends on it alone, for `ties` ties.
template <class Edge>
PREFER_HD tie_barrier tie_terms(double t, double ties) {
  if constexpr (Edge::directed) {
    const tie_barrier b = rao_kupper_barrier(t);
    return {ties * b.loss, ties * b.gradient, ties * b.curvature};
  } else {
    return {-ties * t, -ties, 0};
  }
}

// t where equal items tie in a fraction f of their games: a start.
template <class Edge>
PREFER_HD double first_tie_parameter(double fraction) {
  const double f = fraction < 1e-6 ? 1e-6 : fraction > 1 - 1e-6 ? 1 - 1e-6 : fraction;
  return Edge::directed ? math::log((1 + f) / (1 - f)) : math::log(2 * f / (1 - f));
}

// Logistic functions bend by at most the factor e^|t| over a distance t. A step against a gradient g with curvature h
// over this length therefore never overshoots the minimum of the line, and tends to Newton's step g / h:
//   L(x - t) <= L(x) - g t + h (e^t - 1 - t), which is least at t = log(1 + g / h).
PREFER_HD double minorised_step(double gradient, double curvature) {
  const double step = math::log1p(math::abs(gradient) / math::max(curvature, 1e-300));
  return gradient > 0 ? -step : step;
}

// The same along the direction of a Newton step by which no logit changes by more than `reach` = D: the fraction to
// take. The bound gives log(1 + D) / D; but up to D = 1 the whole step still lowers L, by at least 0.28 of what the
// quadratic model promises twice, since (e^D - 1 - D) / D^2 - 1 <= e - 3, and whole steps converge quadratically.
PREFER_HD double damped_fraction(double reach) { return reach > 1 ? math::log1p(reach) / reach : 1; }

// How far a step (in the ratings: `edge` is its largest difference over a pair; in t: `tie`) moves any logit, and the
// most of it that may be taken, so that eta stays above zero and its barrier changes by a bounded factor.
struct step_reach {
  double reach, most;
};
template <class Edge>
PREFER_HD step_reach reach_of(double t, double edge, double tie) {
  const double size = math::abs(tie);
  if constexpr (!Edge::has_tie_parameter) return {edge, 1};
  if constexpr (!Edge::directed) return {math::max(edge, size + 0.5 * edge), 1};
  if (tie >= 0) return {edge + size, 1};
  const double e = math::exp(-t);
  const double barrier = 2 * size * (1 + e) / -math::expm1(-t);
  return {math::max(edge + size, barrier), math::min(1.0, 0.5 * t / size)};
}

// One step of t alone.
template <class Edge>
PREFER_HD double tie_step(double t, double gradient, double curvature) {
  if constexpr (!Edge::directed) return minorised_step(gradient, curvature);
  return math::max(-0.5 * t, math::min(0.5 * t, -gradient / curvature));
}

// A prior on every rating: precision/2 r^2, and `count` wins and losses each against an opponent of rating 0.
struct rating_prior {
  double precision;
  double count;

  PREFER_HD bool given() const { return precision > 0 || count > 0; }
  PREFER_HD double gradient(double r) const { return precision * r + count * math::tanh(0.5 * r); }
  PREFER_HD double curvature(double r) const {
    const auto p = math::logistic(r);
    return precision + 2 * count * (p.sigmoid * p.sigmoid_of_minus);
  }
  PREFER_HD double loss(double r) const {
    return 0.5 * precision * r * r + count * (math::softplus(r) + math::softplus(-r));
  }
};

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
