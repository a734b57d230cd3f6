// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/kind.hpp>

// The kind `transition`: one step of experience, from a state s by an action a to a state s', with what critics and the
// policy say about it. Offline reinforcement learning (IQL) has losses of this kind.
namespace prefer {
inline namespace PREFER_ABI {

// What a loss sees of one step.
template <class V>
struct transition {
  V policy{};        // log pi(a | s)
  V action_value{};  // Q(s, a)
  V value{};         // V(s)
  V reward{};
  V next_value{};  // V(s')
  V terminal{};    // 1: s' ends the episode; 0 if not given
  V column[4]{};   // the caller's own
};

// What a loss answers. A member that is left alone is "not provided", and asking for it is an error.
template <class V>
struct transition_term {
  V value{};
  V d_policy{}, d_action_value{}, d_value{}, d_reward{}, d_next_value{};
  V residual{};          // what a regression brings to 0
  V advantage_weight{};  // what multiplies the log-probability
  V part[max_parts]{};   // the terms of a combination, unweighted
};

}  // namespace PREFER_ABI

// Vectors over n steps; each has its own element type and stride.
template <space S>
struct transition_inputs {
  input_view<1, S> policy = {};
  input_view<1, S> action_value = {};
  input_view<1, S> value = {};
  input_view<1, S> reward = {};
  input_view<1, S> next_value = {};
  input_view<1, S> terminal = {};
  input_view<1, S> weight = {};        // multiplies value and gradient, of any sign; 1 if not given
  input_view<1, S> mask = {};          // bool or uint8: zero leaves the step out
  prefer::normalizer normalizer = {};  // what sums are divided by; the number of selected steps if not given
  input_view<1, S> column[4] = {};
};

// Everything is optional and only what is given is written. Gradients are those of `loss`: weighted and normalised.
template <space S>
struct transition_outputs {
  output_view<1, S> loss = {};  // one element: sum of weight * value / normalizer
  output_view<1, S> grad_policy = {}, grad_action_value = {}, grad_value = {}, grad_reward = {}, grad_next_value = {};
  output_view<1, S> losses = {};  // n elements: weight * value
  output_view<1, S> residual = {};
  output_view<1, S> advantage_weight = {};
  output_view<1, S> mean_advantage_weight = {};  // one element: sum of advantage weights / normalizer
  output_view<1, S> count = {};                  // one element: the number of selected steps
  output_view<1, S> terms = {};                  // one element per loss of a combination: its own weighted mean
  bool accumulate = false;                       // add to the outputs instead of overwriting them
};

inline namespace PREFER_ABI {

struct transition_kind {
  template <class V>
  using item = transition<V>;
  template <class V>
  using term = transition_term<V>;
  template <space S>
  using inputs = transition_inputs<S>;
  template <space S>
  using outputs = transition_outputs<S>;

  static constexpr input_field input_fields[] = {{"policy", true},     {"action_value", true},
                                                 {"value", true},      {"reward", true},
                                                 {"next_value", true}, {"terminal", false, 0, content_of::probability},
                                                 {"column[0]", true},  {"column[1]", true},
                                                 {"column[2]", true},  {"column[3]", true}};
  static constexpr const char* output_fields[] = {"grad_policy", "grad_action_value", "grad_value",
                                                  "grad_reward", "grad_next_value",   "losses",
                                                  "residual",    "advantage_weight"};
  static constexpr const char* total_fields[] = {"loss", "count", "mean_advantage_weight"};
  static constexpr int count_total = 1;  // the one that is not divided by the normaliser
  static constexpr int trained = 0;      // outputs that training always asks for: every loss has its own

  // Members in the order of input_fields, for items and for inputs alike.
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class X, class F>
  static PREFER_HD void each_input(X& x, F f) {
    f(x.policy), f(x.action_value), f(x.value), f(x.reward), f(x.next_value), f(x.terminal);
    f(x.column[0]), f(x.column[1]), f(x.column[2]), f(x.column[3]);
  }
  // Members in the order of output_fields.
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class X, class F>
  static PREFER_HD void each_output(X& x, F f) {
    f(x.grad_policy), f(x.grad_action_value), f(x.grad_value), f(x.grad_reward), f(x.grad_next_value);
    f(x.losses), f(x.residual), f(x.advantage_weight);
  }
  // Members in the order of total_fields.
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class X, class F>
  static PREFER_HD void each_total(X& x, F f) {
    f(x.loss), f(x.count), f(x.mean_advantage_weight);
  }

  // The outputs of one step, in the order of output_fields; `scale` is weight / normalizer.
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class V, class F>
  static PREFER_HD void emit(const transition<V>&, const transition_term<V>& t, const V& weight, const V& scale, F f) {
    f(t.d_policy * scale), f(t.d_action_value * scale), f(t.d_value * scale), f(t.d_reward * scale);
    f(t.d_next_value * scale), f(t.value * weight), f(t.residual), f(t.advantage_weight);
  }
  // Its contribution to the totals, in the order of total_fields.
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class V, class F>
  static PREFER_HD void add_up(const transition<V>&, const transition_term<V>& t, const V& weight, F f) {
    f(t.value * weight), f(V(1)), f(t.advantage_weight);
  }
  // The members of a term that a weighted sum of losses adds up.
  static constexpr int derivatives = 6;
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class X, class F>
  static PREFER_HD void each_derivative(X& x, F f) {
    f(x.value), f(x.d_policy), f(x.d_action_value), f(x.d_value), f(x.d_reward), f(x.d_next_value);
  }
};

}  // namespace PREFER_ABI
}  // namespace prefer
