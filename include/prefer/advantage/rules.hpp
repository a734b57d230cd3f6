// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/transpose.hpp>
#include <prefer/backend/group_map.hpp>
#include <prefer/core/scalar.hpp>

// Rules that turn the scores of a group of responses to one prompt into advantages. Below, x is a score, m, s and n are
// the mean, standard deviation and number of the selected scores of its group, M and S those of the batch. How a rule
// of one's own looks is said in backend/group_map.hpp; whatever has this shape can be given to `group_advantages`.
//
// What all rules share: a group of equal scores, of one score too, has m = x and s = 0 exactly, whatever the number,
// and where something is divided by s its advantages are 0. A NaN (or infinite) score makes its group NaN, and the
// batch where the rule learns of it, unless NaN are excluded. Advantages are constants of the policy gradient; no
// derivative by the scores is given.
namespace prefer {
inline namespace PREFER_ABI {

// scale * deviation + shift. Of lanes: of as many groups.
template <class P>
struct basic_line {
  P scale = P(0), shift = P(0);

  template <class V>
  PREFER_HD V operator()(const group_item<V>& i) const {
    return V(scale) * i.deviation + V(shift);
  }
  // As functions of one group each.
  inline __attribute__((always_inline)) void spread(basic_line<double>* to) const {
    P a = scale, b = shift;
    detail::interleave(a, b);
    a.store(&to[0].scale), b.store(&to[detail::groups_at_once / 2].scale);
  }
  // Of one group: for all elements of a lane.
  template <class V>
  inline __attribute__((always_inline)) basic_line<V> repeated() const {
    return {detail::repeated<V>(&scale), detail::repeated<V>(&shift)};
  }
};
using advantage_line = basic_line<double>;

namespace detail {

// 1 / (s + epsilon), and 0 where all numbers are equal.
template <class V>
PREFER_HD V inverse_deviation(const basic_moments<V>& m, deviation how, const scalar& epsilon) {
  const V variance = m.variance(how);
  return math::select(variance == V(0), V(0), V(1) / (math::sqrt(variance) + V(epsilon.as<double>())));
}

// The moments of a line's values over a group.
template <class V>
PREFER_HD basic_moments<V> moments_of_line(const basic_line<V>& line, const basic_moments<V>& group) {
  return {group.count, line.shift, line.scale * line.scale * group.squares};
}

}  // namespace detail

// (x - m) / (s + epsilon). Source: Shao et al. 2024 (arXiv 2402.03300), section 4.1.2. Defaults: TRL's, that is
// Bessel's correction and 1e-4; verl has 1e-6.
struct grpo {
  scalar epsilon = 1e-4;
  deviation std = deviation::sample;

  constexpr status check() const { return require::not_negative(epsilon, "epsilon"); }
  template <class V>
  PREFER_HD basic_line<V> operator()(const basic_moments<V>& group) const {
    return {detail::inverse_deviation(group, std, epsilon), V(0)};
  }
};

// x - m: GRPO without the division, which favours prompts that are nearly always or nearly never solved. Source: Liu et
// al. 2025 (arXiv 2503.20783); the constant length divisor that belongs to it is the loss's.
struct dr_grpo {
  constexpr status check() const { return {}; }
  template <class V>
  PREFER_HD basic_line<V> operator()(const basic_moments<V>&) const {
    return {V(1), V(0)};
  }
};

// x less the mean of the other scores of the group, which is (x - m) n / (n - 1); 0 in a group of one. Source: Kool et
// al. 2019; Ahmadian et al. 2024 (arXiv 2402.14740).
struct rloo {
  constexpr status check() const { return {}; }
  template <class V>
  PREFER_HD basic_line<V> operator()(const basic_moments<V>& group) const {
    return {math::select(group.count > V(1), group.count / (group.count - V(1)), V(0)), V(0)};
  }
};

// (x - m) / (m + epsilon), for scores that are 0 or 1: an unbiased estimate, up to the factor 1 / n, of the gradient of
// the maximum-likelihood objective truncated at order n - 1 (not n, as often said). A group whose mean is 0 or below
// gets 0: nothing was solved. In a group of one it is 0 too, as is that order's objective. Source: MaxRL, 2026 (arXiv
// 2602.02710); the released code has an epsilon of 1e-6.
struct max_rl {
  scalar epsilon = 0.0;

  constexpr status check() const { return require::not_negative(epsilon, "epsilon"); }
  template <class V>
  PREFER_HD basic_line<V> operator()(const basic_moments<V>& group) const {
    return {math::select(group.mean <= V(0), V(0), V(1) / (group.mean + V(epsilon.as<double>()))), V(0)};
  }
};

// (x - M) / (S + epsilon), whatever the groups. Source: REINFORCE++ (arXiv 2501.03262), reconstructed for scores of
// sequences; a penalty by KL divergence is part of the score there.
struct reinforce_plus_plus {
  scalar epsilon = 1e-8;
  deviation std = deviation::population;

  constexpr status check() const { return require::not_negative(epsilon, "epsilon"); }
  template <class V>
  PREFER_HD basic_moments<V> contribution(const basic_moments<V>& group) const {
    return group;
  }
  template <class V>
  PREFER_HD basic_line<V> operator()(const basic_moments<V>& group, const moments& batch) const {
    const double scale = detail::inverse_deviation(batch, std, epsilon);
    return {V(scale), V(scale) * (group.mean - V(batch.mean))};
  }
};

// (x - m) / (S + epsilon): the mean of the group, the deviation of the batch. Source: Lite PPO (arXiv 2508.08221);
// also TRL's scale_rewards "batch" and PaCo-RL's global_std, each with an epsilon and a deviation of its own.
struct lite_ppo {
  scalar epsilon = 1e-4;
  deviation std = deviation::sample;

  constexpr status check() const { return require::not_negative(epsilon, "epsilon"); }
  template <class V>
  PREFER_HD basic_moments<V> contribution(const basic_moments<V>& group) const {
    return group;
  }
  template <class V>
  PREFER_HD basic_line<V> operator()(const basic_moments<V>&, const moments& batch) const {
    return {V(detail::inverse_deviation(batch, std, epsilon)), V(0)};
  }
};

// (x - m) / p with p the share of the scores of the batch whose group is not all equal: groups that teach nothing do
// not make the step of the others smaller, as if only those had been drawn. 0 where p is 0. A group that is NaN counts
// as one that teaches. Source: GPG (arXiv 2504.02546), its "accurate gradient estimation" B / (B - M), from memory;
// verl's estimator of that name divides by the share of scores that are not 0 instead.
struct gpg {
  constexpr status check() const { return {}; }
  template <class V>
  PREFER_HD basic_moments<V> contribution(const basic_moments<V>& group) const {
    return {group.count, math::select(group.squares == V(0), V(0), V(1)), V(0)};
  }
  template <class V>
  PREFER_HD basic_line<V> operator()(const basic_moments<V>&, const moments& batch) const {
    return {V(batch.mean == 0 ? 0 : 1 / batch.mean), V(0)};
  }
};

// The advantages A of a rule that learns of its group only and answers with a line, normalised once more over the
// batch: (A - mean A) / (deviation of A + epsilon). batch_whitened{dr_grpo{}} is REINFORCE++ with the group's baseline
// (arXiv 2501.03262); batch_whitened{grpo{}} is GDPO of one reward (arXiv 2601.05242).
template <class Rule>
struct batch_whitened {
  Rule rule = {};
  scalar epsilon = 1e-4;
  deviation std = deviation::sample;

  constexpr status check() const { return first_error(rule.check(), require::not_negative(epsilon, "epsilon")); }
  template <class V>
  PREFER_HD basic_moments<V> contribution(const basic_moments<V>& group) const requires detail::answers<Rule, V> {
    return detail::moments_of_line(rule(group), group);
  }
  template <class V>
  PREFER_HD basic_line<V> operator()(const basic_moments<V>& group,
                                     const moments& batch) const requires detail::answers<Rule, V> {
    const basic_line<V> line = rule(group);
    const V scale(detail::inverse_deviation(batch, std, epsilon));
    return {scale * line.scale, scale * (line.shift - V(batch.mean))};
  }
};
template <class Rule>
batch_whitened(Rule) -> batch_whitened<Rule>;

// How calls of several rewards whiten over the batch: (A - M) / (S + epsilon), or over sqrt(S^2 + epsilon), with mean M
// and deviation S of the advantages A of the batch; over tokens if their numbers are given. 0 where S is 0.
struct whitening {
  bool on = true;
  scalar epsilon = 1e-4;
  deviation std = deviation::sample;
  bool under_root = false;

  constexpr status check() const { return require::not_negative(epsilon, "epsilon"); }
  PREFER_HD double scale(const moments& batch) const {
    const double variance = batch.variance(std), e = epsilon.as<double>();
    if (variance == 0) return 0;
    return 1 / (under_root ? ::sqrt(variance + e) : ::sqrt(variance) + e);
  }
};

// The advantages of a rule, held between -limit and limit. NaN stay NaN.
template <class Rule>
struct clipped {
  Rule rule = {};
  scalar limit = 5.0;

  template <class Function>
  struct function {
    Function inner;
    double limit;
    template <class V>
    PREFER_HD V operator()(const group_item<V>& i) const {
      const V x = inner(i), most = V(limit), least = V(-limit);
      return math::select(x > most, most, math::select(x < least, least, x));
    }
    template <class To>
    inline __attribute__((always_inline)) void spread(To* to) const {
      decltype(to->inner) one[detail::groups_at_once];
      inner.spread(one);
      for (int i = 0; i < detail::groups_at_once; ++i) to[i] = {one[i], limit};
    }
  };

  constexpr status check() const { return first_error(rule.check(), require::positive(limit, "limit")); }
  template <class V>
  PREFER_HD auto contribution(const basic_moments<V>& group) const requires detail::contributes<Rule, V> {
    return rule.contribution(group);
  }
  template <class V>
  PREFER_HD auto operator()(const basic_moments<V>& group) const requires detail::answers<Rule, V> {
    return make(rule(group));
  }
  template <class V>
  PREFER_HD auto operator()(const basic_moments<V>& group,
                            const moments& batch) const requires detail::answers_of_batch<Rule, V> {
    return make(rule(group, batch));
  }

 private:
  template <class Function>
  PREFER_HD function<Function> make(const Function& f) const {
    return {f, limit.as<double>()};
  }
};
template <class Rule>
clipped(Rule) -> clipped<Rule>;
template <class Rule>
clipped(Rule, double) -> clipped<Rule>;

}  // namespace PREFER_ABI
}  // namespace prefer
