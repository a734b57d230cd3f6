// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/kind.hpp>
#include <prefer/core/pair_plan.hpp>

// The kind `reward_pair`: two items with a score each, and which of them was preferred. Bradley-Terry and its relatives
// are losses of this kind.
namespace prefer {
inline namespace PREFER_ABI {

// What a loss sees of one comparison. Scores are log-strengths (rewards, ratings / 173.7 for Elo), of any origin.
template <class V>
struct reward_pair {
  V chosen{}, rejected{};
  V label{};      // probability that `chosen` is the preferred one; 1 if not given
  V margin{};     // 0 if not given
  V tie{};        // 1: the comparison ended in a tie; 0 if not given
  V column[4]{};  // the caller's own
};

// What a loss answers. A member that is left alone is "not provided", and asking for it is an error.
template <class V>
struct reward_pair_term {
  V value{};
  V d_chosen{}, d_rejected{};
  V d_margin{};
  V d_tie_parameter{};  // by the parameter that governs ties (eta or log nu); summed over the comparisons
  V part[max_parts]{};  // the terms of a combination, unweighted
};

}  // namespace PREFER_ABI

// Vectors over n comparisons; each has its own element type and stride.
template <space S>
struct reward_pair_inputs {
  input_view<1, S> chosen = {}, rejected = {};
  input_view<1, S> label = {};
  input_view<1, S> margin = {};
  input_view<1, S> tie = {};
  input_view<1, S> weight = {};        // multiplies value and gradient, of any sign; 1 if not given
  input_view<1, S> mask = {};          // bool or uint8: zero leaves the comparison out
  prefer::normalizer normalizer = {};  // what sums are divided by; the number of selected comparisons if not given
  input_view<1, S> column[4] = {};
};

// Everything is optional and only what is given is written. Gradients are those of `loss`: weighted and normalised.
template <space S>
struct reward_pair_outputs {
  output_view<1, S> loss = {};  // one element: sum of weight * value / normalizer
  output_view<1, S> grad_chosen = {}, grad_rejected = {};
  output_view<1, S> grad_margin = {};
  output_view<1, S> losses = {};         // n elements: weight * value
  output_view<1, S> reward_margin = {};  // chosen - rejected
  output_view<1, S> accuracy = {};       // one element: comparisons with chosen > rejected, ties one half, / normalizer
  output_view<1, S> count = {};          // one element: the number of selected comparisons
  output_view<1, S> grad_tie_parameter = {};  // one element
  output_view<1, S> terms = {};               // one element per loss of a combination: its own weighted mean
  bool accumulate = false;                    // add to the outputs instead of overwriting them
};

// The same by index: comparison i is between the samples chosen[i] and rejected[i] of the N samples in `score`.
template <space S>
struct reward_pair_index_inputs {
  input_view<1, S> score = {};                  // N samples
  input_view<1, S> chosen = {}, rejected = {};  // n comparisons; int32 or int64
  input_view<1, S> label = {};
  input_view<1, S> margin = {};
  input_view<1, S> tie = {};
  input_view<1, S> weight = {};
  input_view<1, S> mask = {};
  prefer::normalizer normalizer = {};
  input_view<1, S> column[4] = {};
  pair_plan<S> plan = {};  // of chosen and rejected; needed for gradients
};

template <space S>
struct reward_pair_index_outputs {
  output_view<1, S> loss = {};
  output_view<1, S> grad_score = {};   // N samples, summed over their comparisons in order
  output_view<1, S> grad_margin = {};  // n comparisons, as are the next two
  output_view<1, S> losses = {};
  output_view<1, S> reward_margin = {};
  output_view<1, S> accuracy = {};
  output_view<1, S> count = {};
  output_view<1, S> grad_tie_parameter = {};
  output_view<1, S> terms = {};
  bool accumulate = false;
};

inline namespace PREFER_ABI {

struct reward_pair_kind {
  template <class V>
  using item = reward_pair<V>;
  template <class V>
  using term = reward_pair_term<V>;
  template <space S>
  using inputs = reward_pair_inputs<S>;
  template <space S>
  using outputs = reward_pair_outputs<S>;

  static constexpr input_field input_fields[] = {{"chosen", true},
                                                 {"rejected", true},
                                                 {"label", false, 1, content_of::probability},
                                                 {"margin", false},
                                                 {"tie", false, 0, content_of::probability},
                                                 {"column[0]", true},
                                                 {"column[1]", true},
                                                 {"column[2]", true},
                                                 {"column[3]", true}};
  static constexpr const char* output_fields[] = {"grad_chosen", "grad_rejected", "grad_margin", "losses",
                                                  "reward_margin"};
  static constexpr const char* total_fields[] = {"loss", "count", "accuracy", "grad_tie_parameter"};
  static constexpr int count_total = 1;  // the one that is not divided by the normaliser
  static constexpr int trained = 2;      // the first outputs, which training asks for together with the loss

  template <space S>
  using index_inputs = reward_pair_index_inputs<S>;
  template <space S>
  using index_outputs = reward_pair_index_outputs<S>;

  // The index form (core/evaluate_indexed.hpp): f(view, name, side) with side 0 for what is read at chosen[i], 1 at
  // rejected[i], and -1 for what belongs to the comparison.
  template <class X, class F>
  static void each_index_input(const X& x, F f) {
    f(x.score, "score", 0), f(x.score, "score", 1), f(x.label, "label", -1), f(x.margin, "margin", -1),
        f(x.tie, "tie", -1);
    f(x.column[0], "column[0]", -1), f(x.column[1], "column[1]", -1);
    f(x.column[2], "column[2]", -1), f(x.column[3], "column[3]", -1);
  }
  // f(view, name, of_sample) in the order of output_fields; two outputs in a row for the gradient of a sample.
  template <class X, class F>
  static void each_index_output(const X& x, F f) {
    f(x.grad_score, "grad_score", true), f(x.grad_score, "grad_score", true);
    f(x.grad_margin, "grad_margin", false), f(x.losses, "losses", false), f(x.reward_margin, "reward_margin", false);
  }

#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class X, class F>
  static PREFER_HD void each_input(X& x, F f) {
    f(x.chosen), f(x.rejected), f(x.label), f(x.margin), f(x.tie);
    f(x.column[0]), f(x.column[1]), f(x.column[2]), f(x.column[3]);
  }
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class X, class F>
  static PREFER_HD void each_output(X& x, F f) {
    f(x.grad_chosen), f(x.grad_rejected), f(x.grad_margin), f(x.losses), f(x.reward_margin);
  }
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class X, class F>
  static PREFER_HD void each_total(X& x, F f) {
    f(x.loss), f(x.count), f(x.accuracy), f(x.grad_tie_parameter);
  }
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class V, class F>
  static PREFER_HD void emit(const reward_pair<V>& p, const reward_pair_term<V>& t, const V& weight, const V& scale,
                             F f) {
    f(t.d_chosen * scale), f(t.d_rejected * scale), f(t.d_margin * scale);
    f(t.value * weight), f(p.chosen - p.rejected);
  }
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class V, class F>
  static PREFER_HD void add_up(const reward_pair<V>& p, const reward_pair_term<V>& t, const V& weight, F f) {
    f(t.value * weight), f(V(1)), f(win(p.chosen - p.rejected)), f(t.d_tie_parameter * weight);
  }
  // The members of a term that a weighted sum of losses adds up.
  static constexpr int derivatives = 5;
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class X, class F>
  static PREFER_HD void each_derivative(X& x, F f) {
    f(x.value), f(x.d_chosen), f(x.d_rejected), f(x.d_margin), f(x.d_tie_parameter);
  }
};

}  // namespace PREFER_ABI
}  // namespace prefer
