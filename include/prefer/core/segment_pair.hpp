// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/segmented_map_reduce.hpp>
#include <prefer/core/kind.hpp>

// The kind `segment_pair`: two segments of trajectories with sums over their steps and state values at their ends, and
// which of them was preferred. Partial return and regret are losses of this kind.
namespace prefer {
inline namespace PREFER_ABI {

// What a loss sees of one comparison. Sums run over the steps (s_t, a_t) of a segment.
template <class V>
struct segment_pair {
  V reward_chosen{}, reward_rejected{};              // sum of r(s_t, a_t)
  V value_chosen{}, value_rejected{};                // sum of V(s_t)
  V action_value_chosen{}, action_value_rejected{};  // sum of Q(s_t, a_t)
  V start_value_chosen{}, start_value_rejected{};    // V of the first state
  V end_value_chosen{}, end_value_rejected{};        // V of the state after the last step; 0 if it is terminal
  V label{};                                         // probability that `chosen` is preferred; 1 if not given
  V column[4]{};                                     // the caller's own
};

// What a loss answers. A member that is left alone is "not provided", and asking for it is an error.
template <class V>
struct segment_pair_term {
  V value{};
  V d_reward_chosen{}, d_reward_rejected{};
  V d_value_chosen{}, d_value_rejected{};
  V d_action_value_chosen{}, d_action_value_rejected{};
  V d_start_value_chosen{}, d_start_value_rejected{};
  V d_end_value_chosen{}, d_end_value_rejected{};
  V score_chosen{}, score_rejected{};  // what is compared: partial return, or minus regret
  V d_uniform{};                       // by the share of uniform responses; summed over the comparisons
  V d_weight[3]{};                     // by the weights of reward, start value and end value; summed
  V part[max_parts]{};                 // the terms of a combination, unweighted
};

}  // namespace PREFER_ABI

// Vectors over n comparisons; each has its own element type and stride.
template <space S>
struct segment_pair_inputs {
  input_view<1, S> reward_chosen = {}, reward_rejected = {};
  input_view<1, S> value_chosen = {}, value_rejected = {};
  input_view<1, S> action_value_chosen = {}, action_value_rejected = {};
  input_view<1, S> start_value_chosen = {}, start_value_rejected = {};
  input_view<1, S> end_value_chosen = {}, end_value_rejected = {};
  input_view<1, S> label = {};
  input_view<1, S> weight = {};        // multiplies value and gradient, of any sign; 1 if not given
  input_view<1, S> mask = {};          // bool or uint8: zero leaves the comparison out
  prefer::normalizer normalizer = {};  // what sums are divided by; the number of selected comparisons if not given
  input_view<1, S> column[4] = {};
};

// Everything is optional and only what is given is written. Gradients are those of `loss`: weighted and normalised.
template <space S>
struct segment_pair_outputs {
  output_view<1, S> loss = {};  // one element: sum of weight * value / normalizer
  output_view<1, S> grad_reward_chosen = {}, grad_reward_rejected = {};
  output_view<1, S> grad_value_chosen = {}, grad_value_rejected = {};
  output_view<1, S> grad_action_value_chosen = {}, grad_action_value_rejected = {};
  output_view<1, S> grad_start_value_chosen = {}, grad_start_value_rejected = {};
  output_view<1, S> grad_end_value_chosen = {}, grad_end_value_rejected = {};
  output_view<1, S> losses = {};  // n elements: weight * value
  output_view<1, S> score_chosen = {}, score_rejected = {};
  output_view<1, S> accuracy = {};      // one element: comparisons whose chosen score is higher, ties one half
  output_view<1, S> count = {};         // one element: the number of selected comparisons
  output_view<1, S> grad_uniform = {};  // one element
  output_view<1, S> grad_reward_weight = {}, grad_start_weight = {}, grad_end_weight = {};  // one element each
  output_view<1, S> terms = {};  // one element per loss of a combination: its own weighted mean
  bool accumulate = false;       // add to the outputs instead of overwriting them
};

// The same with one number per step. Comparison i owns the steps [chosen_offsets[i], chosen_offsets[i + 1]) of the
// chosen arrays and likewise of the rejected ones; with ends, offsets hold n beginnings. Start and end values stay one
// per comparison. A discount weighs the k-th step by discount^k.
template <space S>
struct segment_pair_token_inputs {
  input_view<1, S> reward_chosen = {}, reward_rejected = {};              // steps
  input_view<1, S> value_chosen = {}, value_rejected = {};                // steps
  input_view<1, S> action_value_chosen = {}, action_value_rejected = {};  // steps
  input_view<1, S> start_value_chosen = {}, start_value_rejected = {};
  input_view<1, S> end_value_chosen = {}, end_value_rejected = {};
  input_view<1, S> chosen_offsets = {}, rejected_offsets = {};  // int32 or int64
  input_view<1, S> chosen_mask = {}, rejected_mask = {};        // steps; bool or uint8: zero leaves the step out
  input_view<1, S> chosen_ends = {}, rejected_ends = {};
  input_view<1, S> chosen_weight = {}, rejected_weight = {};  // steps: multiply the sums' terms, of any sign
  scalar discount = 1.0;
  scalar tail = 1.0;  // weight of steps behind the end of the shorter segment
  input_view<1, S> label = {};
  input_view<1, S> weight = {};
  input_view<1, S> mask = {};
  prefer::normalizer normalizer = {};
  input_view<1, S> column[4] = {};
};

inline namespace PREFER_ABI {

struct segment_pair_kind : two_segments {
  template <class V>
  using item = segment_pair<V>;
  template <class V>
  using term = segment_pair_term<V>;
  template <space S>
  using inputs = segment_pair_inputs<S>;
  template <space S>
  using outputs = segment_pair_outputs<S>;
  template <space S>
  using token_inputs = segment_pair_token_inputs<S>;

  static constexpr input_field input_fields[] = {{"reward_chosen", true},
                                                 {"reward_rejected", true},
                                                 {"value_chosen", true},
                                                 {"value_rejected", true},
                                                 {"action_value_chosen", true},
                                                 {"action_value_rejected", true},
                                                 {"start_value_chosen", true},
                                                 {"start_value_rejected", true},
                                                 {"end_value_chosen", true},
                                                 {"end_value_rejected", true},
                                                 {"label", false, 1, content_of::probability},
                                                 {"column[0]", true},
                                                 {"column[1]", true},
                                                 {"column[2]", true},
                                                 {"column[3]", true}};
  static constexpr const char* output_fields[] = {"grad_reward_chosen",
                                                  "grad_reward_rejected",
                                                  "grad_value_chosen",
                                                  "grad_value_rejected",
                                                  "grad_action_value_chosen",
                                                  "grad_action_value_rejected",
                                                  "grad_start_value_chosen",
                                                  "grad_start_value_rejected",
                                                  "grad_end_value_chosen",
                                                  "grad_end_value_rejected",
                                                  "losses",
                                                  "score_chosen",
                                                  "score_rejected"};
  static constexpr const char* total_fields[] = {
      "loss", "count", "accuracy", "grad_uniform", "grad_reward_weight", "grad_start_weight", "grad_end_weight"};
  static constexpr int count_total = 1;  // the one that is not divided by the normaliser
  static constexpr int trained = 2;      // the first outputs, which training asks for together with the loss

  static constexpr token_role input_roles[] = {{role::tokens, 0},
                                               {role::tokens, 1},
                                               {role::tokens, 0},
                                               {role::tokens, 1},
                                               {role::tokens, 0},
                                               {role::tokens, 1},
                                               {},
                                               {},
                                               {},
                                               {},
                                               {},
                                               {},
                                               {},
                                               {},
                                               {}};
  static constexpr token_role output_roles[] = {{role::tokens, 0},
                                                {role::tokens, 1},
                                                {role::tokens, 0},
                                                {role::tokens, 1},
                                                {role::tokens, 0},
                                                {role::tokens, 1},
                                                {},
                                                {},
                                                {},
                                                {},
                                                {},
                                                {},
                                                {}};

  template <class X, class F>
  static void each_token_input(const X& x, F f) {
    each_input(x, f);
  }

  // Members in the order of input_fields, for items and for inputs alike.
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class X, class F>
  static PREFER_HD void each_input(X& x, F f) {
    f(x.reward_chosen), f(x.reward_rejected), f(x.value_chosen), f(x.value_rejected);
    f(x.action_value_chosen), f(x.action_value_rejected), f(x.start_value_chosen), f(x.start_value_rejected);
    f(x.end_value_chosen), f(x.end_value_rejected), f(x.label);
    f(x.column[0]), f(x.column[1]), f(x.column[2]), f(x.column[3]);
  }
  // Members in the order of output_fields.
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class X, class F>
  static PREFER_HD void each_output(X& x, F f) {
    f(x.grad_reward_chosen), f(x.grad_reward_rejected), f(x.grad_value_chosen), f(x.grad_value_rejected);
    f(x.grad_action_value_chosen), f(x.grad_action_value_rejected);
    f(x.grad_start_value_chosen), f(x.grad_start_value_rejected), f(x.grad_end_value_chosen);
    f(x.grad_end_value_rejected), f(x.losses), f(x.score_chosen), f(x.score_rejected);
  }
  // Members in the order of total_fields.
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class X, class F>
  static PREFER_HD void each_total(X& x, F f) {
    f(x.loss), f(x.count), f(x.accuracy), f(x.grad_uniform), f(x.grad_reward_weight), f(x.grad_start_weight);
    f(x.grad_end_weight);
  }

  // The outputs of one comparison, in the order of output_fields; `scale` is weight / normalizer.
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class V, class F>
  static PREFER_HD void emit(const segment_pair<V>&, const segment_pair_term<V>& t, const V& weight, const V& scale,
                             F f) {
    f(t.d_reward_chosen * scale), f(t.d_reward_rejected * scale);
    f(t.d_value_chosen * scale), f(t.d_value_rejected * scale);
    f(t.d_action_value_chosen * scale), f(t.d_action_value_rejected * scale);
    f(t.d_start_value_chosen * scale), f(t.d_start_value_rejected * scale);
    f(t.d_end_value_chosen * scale), f(t.d_end_value_rejected * scale);
    f(t.value * weight), f(t.score_chosen), f(t.score_rejected);
  }
  // Its contribution to the totals, in the order of total_fields.
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class V, class F>
  static PREFER_HD void add_up(const segment_pair<V>&, const segment_pair_term<V>& t, const V& weight, F f) {
    f(t.value * weight), f(V(1)), f(win(t.score_chosen - t.score_rejected)), f(t.d_uniform * weight);
    f(t.d_weight[0] * weight), f(t.d_weight[1] * weight), f(t.d_weight[2] * weight);
  }
  // The members of a term that a weighted sum of losses adds up.
  static constexpr int derivatives = 15;
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class X, class F>
  static PREFER_HD void each_derivative(X& x, F f) {
    f(x.value), f(x.d_reward_chosen), f(x.d_reward_rejected), f(x.d_value_chosen), f(x.d_value_rejected);
    f(x.d_action_value_chosen), f(x.d_action_value_rejected), f(x.d_start_value_chosen), f(x.d_start_value_rejected);
    f(x.d_end_value_chosen), f(x.d_end_value_rejected), f(x.d_uniform);
    f(x.d_weight[0]), f(x.d_weight[1]), f(x.d_weight[2]);
  }
};

}  // namespace PREFER_ABI
}  // namespace prefer
