// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/segmented_map_reduce.hpp>
#include <prefer/core/kind.hpp>
#include <prefer/core/pair_plan.hpp>

// The kind `pair`: two responses to one prompt, each with log-probabilities under the policy and a reference. DPO and
// its family are losses of this kind.
namespace prefer {
inline namespace PREFER_ABI {

// What a loss sees of one pair. Log-probabilities are natural logarithms of whole responses (sums over their tokens).
template <class V>
struct pair {
  V policy_chosen{}, policy_rejected{};
  V reference_chosen{}, reference_rejected{};
  V label{};                             // probability that `chosen` is the preferred one; 1 if not given
  V margin{};                            // 0 if not given
  V length_chosen{}, length_rejected{};  // in tokens
  V column[4]{};                         // the caller's own
};

// What a loss answers: its value and the partial derivatives it has. A member that is left alone is "not provided", and
// asking for it is an error.
template <class V>
struct pair_term {
  V value{};
  V d_policy_chosen{}, d_policy_rejected{};
  V d_reference_chosen{}, d_reference_rejected{};
  V reward_chosen{}, reward_rejected{};  // implicit rewards
  V part[max_parts]{};                   // the terms of a combination, unweighted
};

// log policy / reference of both responses, and the term of a loss that depends on nothing else.
template <class V>
struct log_ratios {
  V chosen, rejected;

  PREFER_HD explicit log_ratios(const pair<V>& p)
      : chosen(p.policy_chosen - p.reference_chosen), rejected(p.policy_rejected - p.reference_rejected) {}
  PREFER_HD V difference() const { return chosen - rejected; }

  // Value, its derivatives by the two ratios, and the factor of the implicit rewards.
  PREFER_HD pair_term<V> term(const V& value, const V& d_chosen, const V& d_rejected, const V& beta) const {
    pair_term<V> t;
    t.value = value;
    t.d_policy_chosen = d_chosen;
    t.d_policy_rejected = d_rejected;
    t.d_reference_chosen = -d_chosen;
    t.d_reference_rejected = -d_rejected;
    t.reward_chosen = beta * chosen;
    t.reward_rejected = beta * rejected;
    return t;
  }
};

// What a sum over a response is divided by to become a mean: an empty response counts as one token.
template <class V>
PREFER_HD V tokens_of(const V& length) {
  return math::select(length < V(1), V(1), length);
}

// Log-probabilities per token.
template <class V>
struct token_means {
  V inverse_chosen, inverse_rejected;  // 1 / length
  V chosen, rejected;

  PREFER_HD explicit token_means(const pair<V>& p) : token_means(p, p.policy_chosen, p.policy_rejected) {}
  PREFER_HD token_means(const pair<V>& p, const V& sum_chosen, const V& sum_rejected)
      : inverse_chosen(V(1) / tokens_of(p.length_chosen)),
        inverse_rejected(V(1) / tokens_of(p.length_rejected)),
        chosen(sum_chosen * inverse_chosen),
        rejected(sum_rejected * inverse_rejected) {}
  PREFER_HD V difference() const { return chosen - rejected; }
};

// The term of a loss without a reference.
template <class V>
PREFER_HD pair_term<V> policy_term(const V& value, const V& d_chosen, const V& d_rejected, const V& reward_chosen,
                                   const V& reward_rejected) {
  pair_term<V> t;
  t.value = value;
  t.d_policy_chosen = d_chosen;
  t.d_policy_rejected = d_rejected;
  t.reward_chosen = reward_chosen;
  t.reward_rejected = reward_rejected;
  return t;
}

}  // namespace PREFER_ABI

// Vectors over n pairs; each has its own element type and stride.
template <space S>
struct pair_inputs {
  input_view<1, S> policy_chosen = {}, policy_rejected = {};
  input_view<1, S> reference_chosen = {}, reference_rejected = {};
  input_view<1, S> label = {};
  input_view<1, S> margin = {};
  input_view<1, S> length_chosen = {}, length_rejected = {};
  input_view<1, S> weight = {};        // multiplies value and gradient, of any sign; 1 if not given
  input_view<1, S> mask = {};          // bool or uint8: zero leaves the pair out
  prefer::normalizer normalizer = {};  // what sums are divided by; the number of selected pairs if not given
  input_view<1, S> column[4] = {};
};

// Everything is optional and only what is given is written. Gradients are those of `loss`: weighted and normalised.
template <space S>
struct pair_outputs {
  output_view<1, S> loss = {};  // one element: sum of weight * value / normalizer
  output_view<1, S> grad_policy_chosen = {}, grad_policy_rejected = {};
  output_view<1, S> grad_reference_chosen = {}, grad_reference_rejected = {};
  output_view<1, S> losses = {};  // n elements: weight * value
  output_view<1, S> reward_chosen = {}, reward_rejected = {};
  output_view<1, S> reward_margin = {};  // reward_chosen - reward_rejected
  output_view<1, S> accuracy = {};  // one element: pairs with a positive reward margin, ties one half, / normalizer
  output_view<1, S> count = {};     // one element: the number of selected pairs
  output_view<1, S> terms = {};     // one element per loss of a combination: its own weighted mean
  bool accumulate = false;          // add to the outputs instead of overwriting them
};

// The same with one log-probability per token. Pair i owns the tokens [chosen_offsets[i], chosen_offsets[i + 1]) of the
// chosen arrays and likewise of the rejected ones. Responses packed in another order, both in one array say, give where
// they end as well: chosen_offsets then holds n beginnings and chosen_ends n ends.
template <space S>
struct pair_token_inputs {
  input_view<1, S> policy_chosen = {}, policy_rejected = {};        // tokens
  input_view<1, S> reference_chosen = {}, reference_rejected = {};  // tokens
  input_view<1, S> chosen_offsets = {}, rejected_offsets = {};      // int32 or int64
  input_view<1, S> chosen_mask = {}, rejected_mask = {};            // tokens; bool or uint8: zero leaves the token out
  input_view<1, S> chosen_ends = {}, rejected_ends = {};
  input_view<1, S> chosen_weight = {}, rejected_weight = {};  // tokens: multiply log-probabilities, of any sign
  scalar discount = 1.0;                                      // the k-th token counts discount^k
  scalar tail = 1.0;  // weight of tokens behind the end of the shorter response (LD-DPO's alpha)
  input_view<1, S> label = {};
  input_view<1, S> margin = {};
  input_view<1, S> weight = {};
  input_view<1, S> mask = {};
  prefer::normalizer normalizer = {};
  input_view<1, S> column[4] = {};
};

// The same by index: pair i compares the samples chosen[i] and rejected[i] of the N samples in `policy` and
// `reference`.
template <space S>
struct pair_index_inputs {
  input_view<1, S> policy = {}, reference = {};  // N samples
  input_view<1, S> chosen = {}, rejected = {};   // n pairs; int32 or int64
  input_view<1, S> label = {};
  input_view<1, S> margin = {};
  input_view<1, S> length = {};  // N samples
  input_view<1, S> weight = {};
  input_view<1, S> mask = {};
  prefer::normalizer normalizer = {};
  input_view<1, S> column[4] = {};
  pair_plan<S> plan = {};  // of chosen and rejected; needed for gradients
};

template <space S>
struct pair_index_outputs {
  output_view<1, S> loss = {};
  output_view<1, S> grad_policy = {}, grad_reference = {};  // N samples, summed over their pairs in pair order
  output_view<1, S> losses = {};                            // n pairs, as are the rewards
  output_view<1, S> reward_chosen = {}, reward_rejected = {};
  output_view<1, S> reward_margin = {};
  output_view<1, S> accuracy = {};
  output_view<1, S> count = {};
  output_view<1, S> terms = {};
  bool accumulate = false;
};

inline namespace PREFER_ABI {

struct pair_kind : two_segments {
  template <class V>
  using item = pair<V>;
  template <class V>
  using term = pair_term<V>;
  template <space S>
  using inputs = pair_inputs<S>;
  template <space S>
  using outputs = pair_outputs<S>;

  static constexpr input_field input_fields[] = {{"policy_chosen", true},
                                                 {"policy_rejected", true},
                                                 {"reference_chosen", true},
                                                 {"reference_rejected", true},
                                                 {"label", false, 1, content_of::probability},
                                                 {"margin", false, 0},
                                                 {"length_chosen", true},
                                                 {"length_rejected", true},
                                                 {"column[0]", true},
                                                 {"column[1]", true},
                                                 {"column[2]", true},
                                                 {"column[3]", true}};
  static constexpr const char* output_fields[] = {
      "grad_policy_chosen", "grad_policy_rejected", "grad_reference_chosen", "grad_reference_rejected", "losses",
      "reward_chosen",      "reward_rejected",      "reward_margin"};
  static constexpr const char* total_fields[] = {"loss", "count", "accuracy"};
  static constexpr int count_total = 1;  // the one that is not divided by the normaliser
  static constexpr int trained = 2;      // the first outputs, which training asks for together with the loss

  template <space S>
  using index_inputs = pair_index_inputs<S>;
  template <space S>
  using index_outputs = pair_index_outputs<S>;

  // The token form (core/evaluate_tokens.hpp): segment 0 is the chosen response, segment 1 the rejected one.
  template <space S>
  using token_inputs = pair_token_inputs<S>;
  static constexpr token_role input_roles[] = {{role::tokens, 0},
                                               {role::tokens, 1},
                                               {role::tokens, 0},
                                               {role::tokens, 1},
                                               {},
                                               {},
                                               {role::length, 0},
                                               {role::length, 1},
                                               {},
                                               {},
                                               {},
                                               {}};
  static constexpr token_role output_roles[] = {
      {role::tokens, 0}, {role::tokens, 1}, {role::tokens, 0}, {role::tokens, 1}, {}, {}, {}, {}};

  template <class X, class F>
  static void each_token_input(const X& x, F f) {
    static constexpr std::remove_cvref_t<decltype(x.label)> counted = {};  // lengths are
    f(x.policy_chosen), f(x.policy_rejected), f(x.reference_chosen), f(x.reference_rejected);
    f(x.label), f(x.margin), f(counted), f(counted);
    f(x.column[0]), f(x.column[1]), f(x.column[2]), f(x.column[3]);
  }

  // The form from logits (logp/evaluate_logits.hpp): f(policy, reference, gradient by the policy) of each segment. The
  // first input fields are the policy's by segment, then the reference's; the first output fields the gradients.
  template <class In, class Out, class F>
  static void each_logp(In& in, Out& out, F f) {
    f(in.policy_chosen, in.reference_chosen, out.grad_policy_chosen);
    f(in.policy_rejected, in.reference_rejected, out.grad_policy_rejected);
  }

  // The index form (core/evaluate_indexed.hpp): f(view, name, side) with side 0 for what is read at chosen[i], 1 at
  // rejected[i], and -1 for what belongs to the pair.
  template <class X, class F>
  static void each_index_input(const X& x, F f) {
    f(x.policy, "policy", 0), f(x.policy, "policy", 1), f(x.reference, "reference", 0), f(x.reference, "reference", 1);
    f(x.label, "label", -1), f(x.margin, "margin", -1), f(x.length, "length", 0), f(x.length, "length", 1);
    f(x.column[0], "column[0]", -1), f(x.column[1], "column[1]", -1);
    f(x.column[2], "column[2]", -1), f(x.column[3], "column[3]", -1);
  }
  // f(view, name, of_sample) in the order of output_fields; two outputs in a row for the gradient of a sample.
  template <class X, class F>
  static void each_index_output(const X& x, F f) {
    f(x.grad_policy, "grad_policy", true), f(x.grad_policy, "grad_policy", true);
    f(x.grad_reference, "grad_reference", true), f(x.grad_reference, "grad_reference", true);
    f(x.losses, "losses", false), f(x.reward_chosen, "reward_chosen", false);
    f(x.reward_rejected, "reward_rejected", false), f(x.reward_margin, "reward_margin", false);
  }

  // Members in the order of input_fields, for items and for inputs alike.
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class X, class F>
  static PREFER_HD void each_input(X& x, F f) {
    f(x.policy_chosen), f(x.policy_rejected), f(x.reference_chosen), f(x.reference_rejected);
    f(x.label), f(x.margin), f(x.length_chosen), f(x.length_rejected);
    f(x.column[0]), f(x.column[1]), f(x.column[2]), f(x.column[3]);
  }
  // Members in the order of output_fields.
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class X, class F>
  static PREFER_HD void each_output(X& x, F f) {
    f(x.grad_policy_chosen), f(x.grad_policy_rejected), f(x.grad_reference_chosen), f(x.grad_reference_rejected);
    f(x.losses), f(x.reward_chosen), f(x.reward_rejected), f(x.reward_margin);
  }
  // Members in the order of total_fields.
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class X, class F>
  static PREFER_HD void each_total(X& x, F f) {
    f(x.loss), f(x.count), f(x.accuracy);
  }

  // The outputs of one pair, in the order of output_fields; `scale` is weight / normalizer.
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class V, class F>
  static PREFER_HD void emit(const pair<V>&, const pair_term<V>& t, const V& weight, const V& scale, F f) {
    f(t.d_policy_chosen * scale), f(t.d_policy_rejected * scale);
    f(t.d_reference_chosen * scale), f(t.d_reference_rejected * scale);
    f(t.value * weight), f(t.reward_chosen), f(t.reward_rejected), f(t.reward_chosen - t.reward_rejected);
  }
  // Its contribution to the totals, in the order of total_fields.
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class V, class F>
  static PREFER_HD void add_up(const pair<V>&, const pair_term<V>& t, const V& weight, F f) {
    f(t.value * weight), f(V(1)), f(win(t.reward_chosen - t.reward_rejected));
  }
  // The members of a term that a weighted sum of losses adds up.
  static constexpr int derivatives = 5;
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class X, class F>
  static PREFER_HD void each_derivative(X& x, F f) {
    f(x.value), f(x.d_policy_chosen), f(x.d_policy_rejected), f(x.d_reference_chosen), f(x.d_reference_rejected);
  }
};

}  // namespace PREFER_ABI
}  // namespace prefer
