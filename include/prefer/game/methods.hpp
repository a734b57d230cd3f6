// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/math.hpp>
#include <prefer/core/scalar.hpp>

#include <cstdint>

// One step of each iterative method for preference games, for game/self_play.hpp to run. A method is a value: its
// parameters, and what one step does to one action (V is double or a lane of actions), in logarithms:
//
//   phases                 products with the preference matrix per step, 1 or 2
//   check()                its parameters
//   gap_temperature()      the temperature of the game whose duality gap says that it has converged: a scalar
//   opponent(phase, t, a)  the log-weight of an action in the policy that this phase plays against; only differences
//                          between actions count
//   update(phase, t, wins, normalizer, a)  moves the action; wins = (P opponent)(action), normalizer = log-sum-exp of
//                          the opponent's log-weights
//
// A type of your own with these members runs on both backends. Temperatures may be pointers that are read at execution,
// so that a captured graph sees changes; nobody checks such a number: below 0 or NaN the gap is NaN, and whether a step
// that is given fits it is the caller's. In all of them tau is the temperature, mu the reference,
// pi_t the policy after t steps, eta the step, and terms that are the same for all actions are left out.
namespace prefer {

// A step size: a number, or what the method takes by default.
struct step_size {
  double value = 0;
  bool given = false;
  constexpr step_size() = default;
  constexpr step_size(double x) : value(x), given(true) {}
};

inline namespace PREFER_ABI {

// What is known about an action: logarithms of its probability and of its weight in the reference, and one number that
// is the method's own, 0 at first or what the method's `prepare` makes it.
template <class V>
struct game_action {
  V policy, reference, own;
};

namespace detail {

// (1 - share) x + share y; 0 times -infinity is 0.
template <class V>
PREFER_HD V log_mixture(double share, const V& x, const V& y) {
  if (share == 0) return x;
  if (share == 1) return y;
  return V(1 - share) * x + V(share) * y;
}

constexpr status check_step(const step_size& step, const scalar& temperature) {
  const bool later = temperature.by_pointer();
  return first_error(require::not_negative(temperature, "temperature"),
                     require::that(!step.given || (step.value > 0 && require::finite(step.value)), "step", step.value,
                                   "a finite number above 0"),
                     require::that(later || !step.given || step.value * temperature.value64 <= 1, "step", step.value,
                                   "at most 1 / temperature"),
                     require::that(later || step.given || temperature.value64 > 0, "step", step.value,
                                   "a number of its own, since the default is for a temperature above 0"));
}
constexpr status check_regularized(const step_size& step, const scalar& temperature) {
  return first_error(require::positive(temperature, "temperature"), check_step(step, temperature));
}

// One step of mirror descent on the regularised game, with the policy normalised.
template <class V>
PREFER_HD V descend(double eta, double temperature, const V& gain, double normalizer, const game_action<V>& a) {
  return log_mixture(eta * temperature, a.policy - V(normalizer), a.reference) + V(eta) * gain;
}

// The largest step for which explicit mirror descent is known to contract: see magnetic_mirror_descent.
PREFER_HD double contracting_step(const step_size& step, double temperature) {
  return step.given ? step.value : 4 * temperature / (1 + 4 * temperature * temperature);
}

}  // namespace detail
}  // namespace PREFER_ABI

// Nash-MD: an improvement on the geometric mixture with the reference,
//
//   m_t = (1 - eta_t tau) log pi_t + eta_t tau log mu,   log pi_{t+1} = m_t + eta_t P softmax(m_t).
//
// Default: the decreasing schedule eta_t = 2 / (tau (t + 2)), t = 0, 1, ..., for which KL(pi* | pi_T) <= 8 / (tau^2 (T
// + 1)) with pi* the equilibrium at tau; its first step forgets where it started. A fixed step does NOT end at that
// equilibrium: with b = eta tau the mixture m is the equilibrium at temperature tau / (1 - b), and the policy is
// log pi = log mu + P softmax(m) / tau. `mixture` in [0, 1], if given, replaces the share eta_t tau in the opponent
// only: 0 plays against itself (mirror descent), 1 answers the reference; then m is the equilibrium at tau / (1 -
// mixture). Errors: temperature or step not above 0, step above 1 / temperature, mixture outside [0, 1].
// Source: Munos et al. 2023, arXiv 2312.00886, section 6 and theorem 1.
struct nash_md {
  scalar temperature = 0.1;
  step_size step = {};
  struct share {
    double value = 0;
    bool given = false;
    constexpr share() = default;
    constexpr share(double x) : value(x), given(true) {}
  } mixture = {};

  static constexpr int phases = 1;
  constexpr status check() const {
    return first_error(detail::check_regularized(step, temperature),
                       require::that(!mixture.given || (mixture.value >= 0 && mixture.value <= 1), "mixture",
                                     mixture.value, "from 0 to 1"));
  }
  constexpr scalar gap_temperature() const { return temperature; }
  PREFER_HD double pull(std::int64_t t) const {  // eta tau
    return step.given ? step.value * temperature.as<double>() : 2 / static_cast<double>(t + 2);
  }
  template <class V>
  PREFER_HD V opponent(int, std::int64_t t, const game_action<V>& a) const {
    return detail::log_mixture(mixture.given ? mixture.value : pull(t), a.policy, a.reference);
  }
  template <class V>
  PREFER_HD void update(int, std::int64_t t, const V& wins, double normalizer, game_action<V>& a) const {
    const double eta = pull(t) / temperature.as<double>();
    a.policy = detail::log_mixture(pull(t), a.policy, a.reference) - V(normalizer) + V(eta) * wins;
  }
};

// Mirror descent on the regularised game, which is online IPO and INPO (whose eta is 1 / step):
//
//   log pi_{t+1} = (1 - eta tau) log pi_t + eta tau log mu + eta P pi_t.
//
// Its fixed point is the equilibrium at tau exactly. Default step 4 tau / (1 + 4 tau^2), for which KL(pi* | pi_t) <= (1
// - eta tau)^t KL(pi* | pi_0) (the rate of magnetic_mirror_descent: they are one map). Larger steps may cycle.
// Temperature 0, with a step of its own, is Hedge: the multiplicative weights of tabular SPO and of exact SPPO (whose
// beta is 1 / step). Then only the average converges: with step hedge_step(n, T) the exploitability of the average of T
// iterates from the uniform policy is at most sqrt(ln n / (2 T)); the last iterate cycles. Errors: temperature below 0,
// step not above 0 or above 1 / temperature. Sources: Calandriello et al. 2024, arXiv 2403.08635; Zhang et al. 2024,
// arXiv 2407.00617; Swamy et al. 2024, arXiv 2401.04056; Wu et al. 2024, arXiv 2405.00675.
struct mirror_descent {
  scalar temperature = 0.1;
  step_size step = {};

  static constexpr int phases = 1;
  constexpr status check() const { return detail::check_step(step, temperature); }
  constexpr scalar gap_temperature() const { return temperature; }
  template <class V>
  PREFER_HD V opponent(int, std::int64_t, const game_action<V>& a) const {
    return a.policy;
  }
  template <class V>
  PREFER_HD void update(int, std::int64_t, const V& wins, double normalizer, game_action<V>& a) const {
    const double tau = temperature.as<double>();
    a.policy = detail::descend(detail::contracting_step(step, tau), tau, wins, normalizer, a);
  }
};

inline namespace PREFER_ABI {

// Hedge over T steps in a game of n actions: mirror_descent{.temperature = 0, .step = hedge_step(n, T)}.
inline double hedge_step(std::int64_t actions, std::int64_t steps) {
  return math::sqrt(8 * math::log(static_cast<double>(actions)) / static_cast<double>(steps));
}

}  // namespace PREFER_ABI

// Magnetic mirror descent: the reference pulls implicitly,
//
//   log pi_{t+1} = (log pi_t + eta tau log mu + eta P pi_t) / (1 + eta tau).
//
// It is mirror_descent with step eta / (1 + eta tau). KL(pi* | pi_t) <= (1 + eta tau)^-t KL(pi* | pi_0) for eta <= 4
// tau, the default: a step of the prox inequality leaves eta |P d| |e| <= eta |d| |e| / 2 (1-norms of d = pi_{t+1} -
// pi_t and e = pi_{t+1} - pi*) against |d|^2 / 2 + eta tau |e|^2 / 2, by Pinsker's inequality (derived here). Errors:
// temperature or step not above 0. Source: Sokota et al. 2022, arXiv 2206.05825.
struct magnetic_mirror_descent {
  scalar temperature = 0.1;
  step_size step = {};

  static constexpr int phases = 1;
  constexpr status check() const {
    return first_error(require::positive(temperature, "temperature"),
                       require::that(!step.given || (step.value > 0 && require::finite(step.value)), "step",
                                     step.value, "a finite number above 0"));
  }
  constexpr scalar gap_temperature() const { return temperature; }
  template <class V>
  PREFER_HD V opponent(int, std::int64_t, const game_action<V>& a) const {
    return a.policy;
  }
  template <class V>
  PREFER_HD void update(int, std::int64_t, const V& wins, double normalizer, game_action<V>& a) const {
    const double tau = temperature.as<double>(), eta = step.given ? step.value : 4 * tau;
    a.policy = detail::descend(eta / (1 + eta * tau), tau, wins, normalizer, a);
  }
};

// Extragradient (EGPO): two products a step, the second against the policy that the first would lead to,
//
//   base = (1 - eta tau) log pi_t + eta tau log mu,   half = base + eta P pi_t
//   log pi_{t+1} = base + eta P softmax(half)
//
// Default step 1 / (tau + 2), for which KL(pi* | pi_t) <= (1 - eta tau)^t KL(pi* | pi_0) held in every game tried, at
// any tau: the step does not shrink with the temperature. Errors: temperature or step not above 0, step above 1 /
// temperature. Source: Zhou et al. 2025, arXiv 2503.08942.
struct extragradient {
  scalar temperature = 0.1;
  step_size step = {};

  static constexpr int phases = 2;
  constexpr status check() const { return detail::check_regularized(step, temperature); }
  constexpr scalar gap_temperature() const { return temperature; }
  template <class V>
  PREFER_HD V opponent(int phase, std::int64_t, const game_action<V>& a) const {
    return phase == 0 ? a.policy : a.own;
  }
  template <class V>
  PREFER_HD void update(int phase, std::int64_t, const V& wins, double normalizer, game_action<V>& a) const {
    const double tau = temperature.as<double>(), eta = step.given ? step.value : 1 / (tau + 2);
    if (phase == 0) {
      a.policy = detail::log_mixture(eta * tau, a.policy - V(normalizer), a.reference);  // the base
      a.own = a.policy + V(eta) * wins;
    } else {
      a.policy = a.policy + V(eta) * wins;
    }
  }
};

// Optimistic multiplicative weights (OMWU), with a pull towards the reference when tau > 0: g_t = P pi_t, g_{-1} = 0,
//
//   log pi_{t+1} = (1 - eta tau) log pi_t + eta tau log mu + eta (2 g_t - g_{t-1}).
//
// At temperature 0 (the default) the last iterate tends to the minimax winner when that one has full support and is
// unique; a small step is slow (0.1 has not got far after 4000 steps of a cyclic game of three, 0.5 has). At tau > 0
// the fixed point is the equilibrium at tau, with half of extragradient's products. Errors: temperature below 0, step
// not above 0 or above 1 / temperature. Sources: arXiv 2512.24818; for tau > 0 arXiv 2502.16852 (the placing of the
// pull is reconstructed).
struct optimistic {
  scalar temperature = 0;
  double step = 0.5;

  static constexpr int phases = 1;
  constexpr status check() const { return detail::check_step(step, temperature); }
  constexpr scalar gap_temperature() const { return temperature; }
  template <class V>
  PREFER_HD V opponent(int, std::int64_t, const game_action<V>& a) const {
    return a.policy;
  }
  template <class V>
  PREFER_HD void update(int, std::int64_t, const V& wins, double normalizer, game_action<V>& a) const {
    a.policy = detail::descend(step, temperature.as<double>(), V(2) * wins - a.own, normalizer, a);
    a.own = wins;
  }
};

// Nash-EMA: mirror descent against a moving average of past policies' logits, which starts at the first policy,
//
//   log pi_{t+1} = (1 - eta tau) log pi_t + eta tau log mu + eta P softmax(e_t)
//   e_{t+1} = decay e_t + (1 - decay) log pi_{t+1}
//
// decay 0 is mirror_descent, decay 1 answers the first policy. For decay below 1 the fixed point is the equilibrium at
// tau; slow averages with large steps oscillate. The tabular recursion is reconstructed from the paper's description
// (an average of parameters). Errors: as mirror_descent with temperature above 0, decay outside [0, 1]. Source: Munos
// et al. 2023, arXiv 2312.00886, section 7.
struct nash_ema {
  scalar temperature = 0.1;
  step_size step = {};
  double decay = 0.5;

  static constexpr int phases = 1;
  constexpr status check() const {
    return first_error(detail::check_regularized(step, temperature),
                       require::that(decay >= 0 && decay <= 1, "decay", decay, "from 0 to 1"));
  }
  constexpr scalar gap_temperature() const { return temperature; }
  template <class V>
  PREFER_HD void prepare(game_action<V>& a) const {
    a.own = a.policy;
  }
  template <class V>
  PREFER_HD V opponent(int, std::int64_t, const game_action<V>& a) const {
    return a.own;
  }
  // Both logits are shifted alike, which keeps them small.
  template <class V>
  PREFER_HD void update(int, std::int64_t, const V& wins, double normalizer, game_action<V>& a) const {
    const double tau = temperature.as<double>();
    a.policy = detail::descend(detail::contracting_step(step, tau), tau, wins, normalizer, a);
    a.own = detail::log_mixture(1 - decay, a.own - V(normalizer), a.policy);
  }
};

// The proximal outer loop (MPO, COMAL): `inner_iterations` steps of a regularised method, then the reference moves to
// the policy, and so on. Its limit is an equilibrium of the original game, temperature 0, whose gap is what is
// measured; of the reference only the start remains. Errors: those of the inner method, inner_iterations not above 0.
// Sources: Wang et al. 2024, arXiv 2410.16714; Liu et al. 2024, arXiv 2410.23223.
template <class Inner = extragradient>
struct proximal {
  Inner inner = {};
  std::int64_t inner_iterations = 50;

  static constexpr int phases = Inner::phases;
  constexpr status check() const {
    return first_error(inner.check(), require::that(inner_iterations > 0, "inner_iterations",
                                                    static_cast<double>(inner_iterations), "above 0"));
  }
  constexpr scalar gap_temperature() const { return 0; }
  template <class V>
  PREFER_HD void prepare(game_action<V>& a) const {
    if constexpr (requires { inner.prepare(a); }) inner.prepare(a);
  }
  template <class V>
  PREFER_HD V opponent(int phase, std::int64_t t, const game_action<V>& a) const {
    return inner.opponent(phase, t % inner_iterations, a);
  }
  template <class V>
  PREFER_HD void update(int phase, std::int64_t t, const V& wins, double normalizer, game_action<V>& a) const {
    inner.update(phase, t % inner_iterations, wins, normalizer, a);
    if (phase == phases - 1 && (t + 1) % inner_iterations == 0) a.reference = a.policy;
  }
};

}  // namespace prefer
