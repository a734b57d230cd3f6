// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/segmented_map_reduce.hpp>
#include <prefer/core/kind.hpp>

#include <limits>

// The kind `action`: one decision of a policy that was sampled from an older policy, and how much better than expected
// it was. A token of a response with its own log-probability, a response as a whole with the sum or mean of its
// tokens', or a denoising step. Policy losses are of this kind.
namespace prefer {
inline namespace PREFER_ABI {

// What a loss sees of one action. Probabilities are logarithms.
template <class V>
struct action {
  V policy{};      // log pi(a | s)
  V old_policy{};  // of the policy that sampled it
  V advantage{};   // a constant: no gradient flows through it
  V reference{};   // of the policy to stay close to
  V length{};      // in tokens, where the action is a response
  V column[4]{};   // the caller's own
};

// What a loss answers. A member that is left alone is "not provided", and asking for it is an error.
template <class V>
struct action_term {
  V value{};
  V d_policy{};
  V ratio{};            // pi / pi_old
  V clipped{};          // 1 where clipping took the gradient away, else 0
  V part[max_parts]{};  // the terms of a combination, unweighted
};

}  // namespace PREFER_ABI

// Vectors over n actions; each has its own element type and stride.
template <space S>
struct action_inputs {
  input_view<1, S> policy = {};
  input_view<1, S> old_policy = {};
  input_view<1, S> advantage = {};
  input_view<1, S> reference = {};
  input_view<1, S> length = {};
  input_view<1, S> weight = {};        // multiplies value and gradient, of any sign; 1 if not given
  input_view<1, S> mask = {};          // bool or uint8: zero leaves the action out
  prefer::normalizer normalizer = {};  // what sums are divided by; the number of selected actions if not given
  input_view<1, S> column[4] = {};
};

// Everything is optional and only what is given is written. Gradients are those of `loss`: weighted and normalised.
template <space S>
struct action_outputs {
  output_view<1, S> loss = {};         // one element: sum of weight * value / normalizer
  output_view<1, S> grad_policy = {};  // n elements
  output_view<1, S> losses = {};       // n elements: weight * value
  output_view<1, S> ratio = {};
  output_view<1, S> clipped = {};
  output_view<1, S> mean_ratio = {};     // one element: sum of ratios / normalizer
  output_view<1, S> clip_fraction = {};  // one element: number of clipped actions / normalizer
  output_view<1, S> count = {};          // one element: the number of selected actions
  output_view<1, S> terms = {};          // one element per loss of a combination: its own weighted mean
  bool accumulate = false;               // add to the outputs instead of overwriting them
};

// Actions that are responses, with one log-probability per token: response i owns the tokens [offsets[i],
// offsets[i + 1]), or [offsets[i], ends[i]) if ends are given. Gradients by policy are those of tokens.
template <space S>
struct action_token_inputs {
  input_view<1, S> policy = {}, old_policy = {};  // tokens
  input_view<1, S> advantage = {};                // responses
  input_view<1, S> reference = {};                // tokens
  input_view<1, S> offsets = {};                  // int32 or int64
  input_view<1, S> token_mask = {};               // tokens; bool or uint8: zero leaves the token out
  input_view<1, S> ends = {};
  input_view<1, S> token_weight = {};  // tokens: multiply log-probabilities, of any sign
  scalar discount = 1.0;               // the k-th token counts discount^k
  input_view<1, S> weight = {};        // responses
  input_view<1, S> mask = {};
  prefer::normalizer normalizer = {};
  input_view<1, S> column[4] = {};

  static constexpr double tail = 1;  // one segment has no shorter one
};

inline namespace PREFER_ABI {
namespace detail {

inline constexpr float unbounded_ratio = std::numeric_limits<float>::infinity();

}  // namespace detail

struct action_kind {
  template <class V>
  using item = action<V>;
  template <class V>
  using term = action_term<V>;
  template <space S>
  using inputs = action_inputs<S>;
  template <space S>
  using outputs = action_outputs<S>;
  template <space S>
  using token_inputs = action_token_inputs<S>;

  static constexpr input_field input_fields[] = {{"policy", true},    {"old_policy", true}, {"advantage", true},
                                                 {"reference", true}, {"length", true},     {"column[0]", true},
                                                 {"column[1]", true}, {"column[2]", true},  {"column[3]", true}};
  static constexpr const char* output_fields[] = {"grad_policy", "losses", "ratio", "clipped"};
  static constexpr const char* total_fields[] = {"loss", "count", "mean_ratio", "clip_fraction"};
  static constexpr int count_total = 1;  // the one that is not divided by the normaliser
  static constexpr int trained = 1;      // the first outputs, which training asks for together with the loss

  static constexpr int segments = 1;
  static constexpr token_role input_roles[] = {
      {role::tokens, 0}, {role::tokens, 0}, {}, {role::tokens, 0}, {role::length, 0}, {}, {}, {}, {}};
  static constexpr token_role output_roles[] = {{role::tokens, 0}, {}, {}, {}};

  template <class X, class F>
  static void each_token_input(const X& x, F f) {
    static constexpr std::remove_cvref_t<decltype(x.advantage)> counted = {};  // the length is
    f(x.policy), f(x.old_policy), f(x.advantage), f(x.reference), f(counted);
    f(x.column[0]), f(x.column[1]), f(x.column[2]), f(x.column[3]);
  }
  // f(names, offsets, ends, mask, weight) of each segment.
  template <class X, class F>
  static void each_segment(X& x, F f) {
    static constexpr const char* names[] = {"offsets", "ends", "token_mask", "token_weight"};
    f(names, x.offsets, x.ends, x.token_mask, x.token_weight);
  }

  // Members in the order of input_fields, for items and for inputs alike.
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class X, class F>
  static PREFER_HD void each_input(X& x, F f) {
    f(x.policy), f(x.old_policy), f(x.advantage), f(x.reference), f(x.length);
    f(x.column[0]), f(x.column[1]), f(x.column[2]), f(x.column[3]);
  }
  // Members in the order of output_fields.
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class X, class F>
  static PREFER_HD void each_output(X& x, F f) {
    f(x.grad_policy), f(x.losses), f(x.ratio), f(x.clipped);
  }
  // Members in the order of total_fields.
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class X, class F>
  static PREFER_HD void each_total(X& x, F f) {
    f(x.loss), f(x.count), f(x.mean_ratio), f(x.clip_fraction);
  }

  // The outputs of one action, in the order of output_fields; `scale` is weight / normalizer.
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class V, class F>
  static PREFER_HD void emit(const action<V>&, const action_term<V>& t, const V& weight, const V& scale, F f) {
    f(t.d_policy * scale), f(t.value * weight), f(t.ratio), f(t.clipped);
  }
  // Its contribution to the totals, in the order of total_fields.
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class V, class F>
  static PREFER_HD void add_up(const action<V>&, const action_term<V>& t, const V& weight, F f) {
    f(t.value * weight), f(V(1)), f(t.ratio), f(t.clipped);
  }
  // The members of a term that a weighted sum of losses adds up.
  static constexpr int derivatives = 2;
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class X, class F>
  static PREFER_HD void each_derivative(X& x, F f) {
    f(x.value), f(x.d_policy);
  }
};

}  // namespace PREFER_ABI
}  // namespace prefer
