// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/reward_pair.hpp>

namespace prefer {

// Focal ranking loss of reward models: comparisons that are already won count less.
//
//   d = chosen - rejected - margin,  P = sigmoid(d)
//   value = (1 - 2 max(0, P - 1/2))^gamma (-log P)
//   d value / d chosen = -(1 - P) where d <= 0,  -w [(1 - P) + gamma P (-log P)] with w = (2 - 2 P)^gamma where d > 0
//   d value / d rejected, d margin: the negative
//
// The gradient jumps at d = 0 (from -1/2 to -1.193 for gamma = 2): not for Newton's method. gamma = 0 is Bradley-Terry.
// Exact in both tails: w is formed as e^(gamma (log 2 + log(1 - P))). Errors: gamma must be finite and not negative.
// Source: Cai et al. 2024 (InternLM2), arXiv 2403.17297, and its released training code.
struct focal_ranking {
  scalar gamma = 2.0;

  constexpr status check() const { return require::not_negative(gamma, "gamma"); }

  template <class V>
  PREFER_HD reward_pair_term<V> operator()(const reward_pair<V>& p) const {
    const V g = gamma.as<V>(), log_2 = V(0.693147180559945309417);
    const V d = (p.chosen - p.rejected) - p.margin;
    const auto l = math::logistic(d);
    const auto won = d > V(0);
    const V surprise = l.log1p_exp - math::select(won, V(0), d);     // -log P
    const V log_lost = -(l.log1p_exp + math::select(won, d, V(0)));  // log(1 - P) where d > 0
    const V weight = math::select(won, math::exp(g * (log_2 + log_lost)), V(1));
    const V extra = math::select(won, g * (l.sigmoid * surprise), V(0));
    reward_pair_term<V> t;
    t.value = weight * surprise;
    t.d_chosen = -weight * (l.sigmoid_of_minus + extra);
    t.d_rejected = -t.d_chosen;
    t.d_margin = -t.d_chosen;
    return t;
  }
};

// A barrier that keeps both scores of a comparison between two bounds.
//
//   b(s) = -log(high - s) - log(s - low),   value = b(chosen) + b(rejected)
//   d value / d s = 1 / (high - s) - 1 / (s - low)
//
// Closer to a bound than `edge`, and beyond it, b is continued by its tangent there: value and gradient stay finite and
// an escaped score is pulled back. (The released code clamps the score instead, which leaves it no gradient.) To be
// combined with a ranking loss at a weight of about 0.01 to 0.02. Errors: low must be below high, edge above 0 and
// below half of their distance. Source: Cai et al. 2024 (InternLM2), arXiv 2403.17297; the continuation is this
// library's.
struct score_barrier {
  scalar low = -5.0;
  scalar high = 5.0;
  scalar edge = 1e-3;

  constexpr status check() const {
    const bool known = !low.by_pointer() && !high.by_pointer() && !edge.by_pointer();
    return first_error(require::is_finite(low, "low"), require::is_finite(high, "high"),
                       require::positive(edge, "edge"),
                       require::that(!known || low.value64 < high.value64, "low", low.value64, "below high"),
                       require::that(!known || 2 * edge.value64 < high.value64 - low.value64, "edge", edge.value64,
                                     "below half the distance from low to high"));
  }

  template <class V>
  PREFER_HD reward_pair_term<V> operator()(const reward_pair<V>& p) const {
    const wall<V> chosen(*this, p.chosen), rejected(*this, p.rejected);
    reward_pair_term<V> t;
    t.value = chosen.value + rejected.value;
    t.d_chosen = chosen.slope;
    t.d_rejected = rejected.slope;
    return t;
  }

 private:
  template <class V>
  struct wall {
    V value, slope;

    PREFER_HD wall(const score_barrier& b, const V& s) {
      const V lowest = b.low.as<V>() + b.edge.as<V>(), highest = b.high.as<V>() - b.edge.as<V>();
      const V inside = math::select(s < lowest, lowest, math::select(s > highest, highest, s));
      const V above = inside - b.low.as<V>(), below = b.high.as<V>() - inside;
      slope = V(1) / below - V(1) / above;
      value = math::select(s == inside, V(0), slope * (s - inside)) - (math::log(below) + math::log(above));
    }
  };
};

// The hinge on the difference of two scores: the margin ranking loss, and the triplet loss of unit vectors.
//
//   d = chosen - rejected - margin (input),  value = max(0, target - d)
//   d value / d chosen = -[d < target], d value / d rejected = [d < target]
//
// A triplet loss max(0, |a - p|^2 - |a - n|^2 + m) of unit vectors is twice this loss on the cosines a.p and a.n with
// target m / 2. Errors: target must be finite.
struct score_hinge {
  scalar target = 1.0;

  constexpr status check() const { return require::is_finite(target, "target"); }

  template <class V>
  PREFER_HD reward_pair_term<V> operator()(const reward_pair<V>& p) const {
    const V missing = target.as<V>() - ((p.chosen - p.rejected) - p.margin);
    const auto satisfied = missing <= V(0);
    reward_pair_term<V> t;
    t.value = math::select(satisfied, V(0), missing);
    t.d_chosen = math::select(satisfied, V(0), V(-1));
    t.d_rejected = -t.d_chosen;
    t.d_margin = -t.d_chosen;
    return t;
  }
};

}  // namespace prefer
