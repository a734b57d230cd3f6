// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/kind.hpp>

// The kind `scored`: one item with one score, judged on its own. Losses that train a generator by a reward model, and
// reward models of a yes-or-no label, are of this kind.
namespace prefer {
inline namespace PREFER_ABI {

// What a loss sees of one item. Its score is a reward, a logit or a similarity.
template <class V>
struct scored {
  V score{};
  V label{};      // probability that the item is a positive one; 1 if not given
  V column[4]{};  // the caller's own
};

// What a loss answers. A member that is left alone is "not provided", and asking for it is an error.
template <class V>
struct scored_term {
  V value{};
  V d_score{};
  V probability{};      // of being a positive item, as the score states it
  V part[max_parts]{};  // the terms of a combination, unweighted
};

}  // namespace PREFER_ABI

// Vectors over n items; each has its own element type and stride.
template <space S>
struct scored_inputs {
  input_view<1, S> score = {};
  input_view<1, S> label = {};
  input_view<1, S> weight = {};        // multiplies value and gradient, of any sign; 1 if not given
  input_view<1, S> mask = {};          // bool or uint8: zero leaves the item out
  prefer::normalizer normalizer = {};  // what sums are divided by; the number of selected items if not given
  input_view<1, S> column[4] = {};
};

// Everything is optional and only what is given is written. Gradients are those of `loss`: weighted and normalised.
template <space S>
struct scored_outputs {
  output_view<1, S> loss = {};  // one element: sum of weight * value / normalizer
  output_view<1, S> grad_score = {};
  output_view<1, S> losses = {};  // n elements: weight * value
  output_view<1, S> probability = {};
  output_view<1, S> mean_probability = {};  // one element: sum of probabilities / normalizer
  output_view<1, S> count = {};             // one element: the number of selected items
  output_view<1, S> terms = {};             // one element per loss of a combination: its own weighted mean
  bool accumulate = false;                  // add to the outputs instead of overwriting them
};

inline namespace PREFER_ABI {

struct scored_kind {
  template <class V>
  using item = scored<V>;
  template <class V>
  using term = scored_term<V>;
  template <space S>
  using inputs = scored_inputs<S>;
  template <space S>
  using outputs = scored_outputs<S>;

  static constexpr input_field input_fields[] = {{"score", true},     {"label", false, 1, content_of::probability},
                                                 {"column[0]", true}, {"column[1]", true},
                                                 {"column[2]", true}, {"column[3]", true}};
  static constexpr const char* output_fields[] = {"grad_score", "losses", "probability"};
  static constexpr const char* total_fields[] = {"loss", "count", "mean_probability"};
  static constexpr int count_total = 1;  // the one that is not divided by the normaliser
  static constexpr int trained = 1;      // the first outputs, which training asks for together with the loss

  // Members in the order of input_fields, for items and for inputs alike.
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class X, class F>
  static PREFER_HD void each_input(X& x, F f) {
    f(x.score), f(x.label);
    f(x.column[0]), f(x.column[1]), f(x.column[2]), f(x.column[3]);
  }
  // Members in the order of output_fields.
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class X, class F>
  static PREFER_HD void each_output(X& x, F f) {
    f(x.grad_score), f(x.losses), f(x.probability);
  }
  // Members in the order of total_fields.
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class X, class F>
  static PREFER_HD void each_total(X& x, F f) {
    f(x.loss), f(x.count), f(x.mean_probability);
  }

  // The outputs of one item, in the order of output_fields; `scale` is weight / normalizer.
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class V, class F>
  static PREFER_HD void emit(const scored<V>&, const scored_term<V>& t, const V& weight, const V& scale, F f) {
    f(t.d_score * scale), f(t.value * weight), f(t.probability);
  }
  // Its contribution to the totals, in the order of total_fields.
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class V, class F>
  static PREFER_HD void add_up(const scored<V>&, const scored_term<V>& t, const V& weight, F f) {
    f(t.value * weight), f(V(1)), f(t.probability);
  }
  // The members of a term that a weighted sum of losses adds up.
  static constexpr int derivatives = 2;
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class X, class F>
  static PREFER_HD void each_derivative(X& x, F f) {
    f(x.value), f(x.d_score);
  }
};

}  // namespace PREFER_ABI
}  // namespace prefer
