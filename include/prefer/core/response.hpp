// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/segmented_map_reduce.hpp>
#include <prefer/core/kind.hpp>

// The kind `response`: one response, judged on its own as desirable or not. KTO and the other unpaired losses are of
// this kind.
namespace prefer {
inline namespace PREFER_ABI {

// What a loss sees of one response. Log-probabilities are natural logarithms of the whole response.
template <class V>
struct response {
  V policy{}, reference{};
  V label{};      // 1: desirable, 0: undesirable (between: a mixture); 1 if not given
  V length{};     // in tokens
  V column[4]{};  // the caller's own
};

// What a loss answers. A member that is left alone is "not provided", and asking for it is an error.
template <class V>
struct response_term {
  V value{};
  V d_policy{}, d_reference{};
  V reward{};           // implicit reward
  V part[max_parts]{};  // the terms of a combination, unweighted
};

}  // namespace PREFER_ABI

// Vectors over n responses; each has its own element type and stride.
template <space S>
struct response_inputs {
  input_view<1, S> policy = {}, reference = {};
  input_view<1, S> label = {};
  input_view<1, S> length = {};
  input_view<1, S> weight = {};        // multiplies value and gradient, of any sign; 1 if not given
  input_view<1, S> mask = {};          // bool or uint8: zero leaves the response out
  prefer::normalizer normalizer = {};  // what sums are divided by; the number of selected responses if not given
  input_view<1, S> column[4] = {};
};

// Everything is optional and only what is given is written. Gradients are those of `loss`: weighted and normalised.
template <space S>
struct response_outputs {
  output_view<1, S> loss = {};  // one element: sum of weight * value / normalizer
  output_view<1, S> grad_policy = {}, grad_reference = {};
  output_view<1, S> losses = {};  // n elements: weight * value
  output_view<1, S> reward = {};
  output_view<1, S> mean_reward = {};  // one element: sum of rewards / normalizer
  output_view<1, S> count = {};        // one element: the number of selected responses
  output_view<1, S> terms = {};        // one element per loss of a combination: its own weighted mean
  bool accumulate = false;             // add to the outputs instead of overwriting them
};

// The same with one log-probability per token: response i owns the tokens [offsets[i], offsets[i + 1]), or
// [offsets[i], ends[i]) if ends are given.
template <space S>
struct response_token_inputs {
  input_view<1, S> policy = {}, reference = {};  // tokens
  input_view<1, S> offsets = {};                 // int32 or int64
  input_view<1, S> token_mask = {};              // tokens; bool or uint8: zero leaves the token out
  input_view<1, S> ends = {};
  input_view<1, S> token_weight = {};  // tokens: multiply log-probabilities, of any sign
  scalar discount = 1.0;               // the k-th token counts discount^k
  input_view<1, S> label = {};
  input_view<1, S> weight = {};
  input_view<1, S> mask = {};
  prefer::normalizer normalizer = {};
  input_view<1, S> column[4] = {};

  static constexpr double tail = 1;  // one segment has no shorter one
};

inline namespace PREFER_ABI {

struct response_kind {
  template <class V>
  using item = response<V>;
  template <class V>
  using term = response_term<V>;
  template <space S>
  using inputs = response_inputs<S>;
  template <space S>
  using outputs = response_outputs<S>;
  template <space S>
  using token_inputs = response_token_inputs<S>;

  static constexpr input_field input_fields[] = {
      {"policy", true},    {"reference", true}, {"label", false, 1, content_of::probability},
      {"length", true},    {"column[0]", true}, {"column[1]", true},
      {"column[2]", true}, {"column[3]", true}};
  static constexpr const char* output_fields[] = {"grad_policy", "grad_reference", "losses", "reward"};
  static constexpr const char* total_fields[] = {"loss", "count", "mean_reward"};
  static constexpr int count_total = 1;  // the one that is not divided by the normaliser
  static constexpr int trained = 1;      // the first outputs, which training asks for together with the loss

  static constexpr int segments = 1;
  static constexpr token_role input_roles[] = {
      {role::tokens, 0}, {role::tokens, 0}, {}, {role::length, 0}, {}, {}, {}, {}};
  static constexpr token_role output_roles[] = {{role::tokens, 0}, {role::tokens, 0}, {}, {}};

  template <class X, class F>
  static void each_token_input(const X& x, F f) {
    static constexpr std::remove_cvref_t<decltype(x.label)> counted = {};  // the length is
    f(x.policy), f(x.reference), f(x.label), f(counted);
    f(x.column[0]), f(x.column[1]), f(x.column[2]), f(x.column[3]);
  }
  // f(names, offsets, ends, mask, weight) of each segment.
  template <class X, class F>
  static void each_segment(X& x, F f) {
    static constexpr const char* names[] = {"offsets", "ends", "token_mask", "token_weight"};
    f(names, x.offsets, x.ends, x.token_mask, x.token_weight);
  }
  // The form from logits (logp/evaluate_logits.hpp): f(policy, reference, gradient by the policy) of each segment. The
  // first input fields are the policy's by segment, then the reference's; the first output fields the gradients.
  template <class In, class Out, class F>
  static void each_logp(In& in, Out& out, F f) {
    f(in.policy, in.reference, out.grad_policy);
  }

  // Members in the order of input_fields, for items and for inputs alike.
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class X, class F>
  static PREFER_HD void each_input(X& x, F f) {
    f(x.policy), f(x.reference), f(x.label), f(x.length);
    f(x.column[0]), f(x.column[1]), f(x.column[2]), f(x.column[3]);
  }
  // Members in the order of output_fields.
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class X, class F>
  static PREFER_HD void each_output(X& x, F f) {
    f(x.grad_policy), f(x.grad_reference), f(x.losses), f(x.reward);
  }
  // Members in the order of total_fields.
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class X, class F>
  static PREFER_HD void each_total(X& x, F f) {
    f(x.loss), f(x.count), f(x.mean_reward);
  }

  // The outputs of one response, in the order of output_fields; `scale` is weight / normalizer.
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class V, class F>
  static PREFER_HD void emit(const response<V>&, const response_term<V>& t, const V& weight, const V& scale, F f) {
    f(t.d_policy * scale), f(t.d_reference * scale), f(t.value * weight), f(t.reward);
  }
  // Its contribution to the totals, in the order of total_fields.
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class V, class F>
  static PREFER_HD void add_up(const response<V>&, const response_term<V>& t, const V& weight, F f) {
    f(t.value * weight), f(V(1)), f(t.reward);
  }
  // The members of a term that a weighted sum of losses adds up.
  static constexpr int derivatives = 3;
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class X, class F>
  static PREFER_HD void each_derivative(X& x, F f) {
    f(x.value), f(x.d_policy), f(x.d_reference);
  }
};

}  // namespace PREFER_ABI
}  // namespace prefer
