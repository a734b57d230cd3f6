// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/transition.hpp>

// What trains a critic: least squares on the value one step ahead.
namespace prefer {

// The squared temporal difference of an action value Q(s, a): one step of SARSA, of Q-learning (next_value is then the
// target network's largest Q), of an actor's critic, of IQL.
//
//   u = reward + discount (1 - terminal) next_value - action_value,  value = u^2
//   d value / d action_value = -2 u,  / d reward = 2 u,  / d next_value = 2 discount (1 - terminal) u;  residual: u
//
// Where terminal is 1 next_value may hold anything. The usual critic takes next_value for a constant (semi-gradient):
// ask for grad_action_value alone; with grad_next_value it is the residual gradient. Errors: discount must be from 0 to
// 1. Source: Sutton & Barto, Reinforcement Learning, 2nd edition, equations 6.7 and 11.23.
struct temporal_difference {
  scalar discount = 0.99;

  constexpr status check() const { return require::from_0_to_1(discount, "discount"); }
  template <class V>
  PREFER_HD transition_term<V> operator()(const transition<V>& s) const {
    const V ahead = discount.as<V>() * (V(1) - s.terminal);
    const V u = (s.reward + math::share(ahead, s.next_value)) - s.action_value;
    transition_term<V> t;
    t.value = u * u;
    t.d_reward = u + u;
    t.d_action_value = -t.d_reward;
    t.d_next_value = ahead * t.d_reward;
    t.residual = u;
    return t;
  }
};

// The same of a state value V(s): the critic of PPO and of actor-critic methods. u is the one-step advantage.
//
//   u = reward + discount (1 - terminal) next_value - value,  value = u^2
//   d value / d value (input) = -2 u,  the others as above;  residual: u
struct value_temporal_difference {
  scalar discount = 0.99;

  constexpr status check() const { return temporal_difference{discount}.check(); }
  template <class V>
  PREFER_HD transition_term<V> operator()(const transition<V>& s) const {
    transition<V> now = s;
    now.action_value = s.value;
    transition_term<V> t = temporal_difference{discount}(now);
    t.d_value = t.d_action_value;
    t.d_action_value = V{};
    return t;
  }
};

}  // namespace prefer
