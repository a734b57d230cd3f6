// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>

namespace prefer {
inline namespace PREFER_ABI {

// A weighted sum of up to four losses of one kind; made by `combine`. A list: the first loss and the rest.
template <class... Losses>
struct combination;

template <>
struct combination<> {
  static constexpr int parts = 0;
  constexpr status check() const { return {}; }
  template <class Kind, int Part, class Item, class Term>
  PREFER_HD void add_to(const Item&, Term&) const {}
};

template <class Loss, class... Rest>
struct combination<Loss, Rest...> {
  static constexpr int parts = 1 + static_cast<int>(sizeof...(Rest));
  static_assert(parts <= max_parts, "prefer: a combination has at most four losses");

  scalar weight;
  Loss loss;
  combination<Rest...> rest;

  constexpr status check() const {
    return first_error(require::is_finite(weight, "weight of combine"), detail::check_parameters(loss), rest.check());
  }

  template <class Item>
  requires requires(const Loss& l, const Item& item) { l(item); }
  PREFER_HD auto operator()(const Item& item) const {
    auto sum = loss(item);
    using V = decltype(sum.value);
    const V w = weight.template as<V>();
    sum.part[0] = sum.value;
    kind_of<Loss>::each_derivative(sum, [&](V& x) PREFER_HD_LAMBDA { x *= w; });
    rest.template add_to<kind_of<Loss>, 1>(item, sum);
    return sum;
  }

  // Adds this list's losses to the sum of those before it.
  template <class Kind, int Part, class Item, class Term>
  PREFER_HD void add_to(const Item& item, Term& sum) const {
    Term term = loss(item);
    using V = decltype(sum.value);
    const V w = weight.template as<V>();
    sum.part[Part] = term.value;
    V mine[Kind::derivatives];
    int k = 0, j = 0;
    Kind::each_derivative(term, [&](V& x) PREFER_HD_LAMBDA { mine[k++] = w * x; });
    Kind::each_derivative(sum, [&](V& x) PREFER_HD_LAMBDA { x += mine[j++]; });
    rest.template add_to<Kind, Part + 1>(item, sum);
  }
};

namespace detail {

template <class Loss, class... Rest>
constexpr combination<Loss, Rest...> prepend(scalar weight, const Loss& loss, const combination<Rest...>& rest) {
  return {weight, loss, rest};
}

}  // namespace detail

constexpr combination<> combine() { return {}; }

// combine(w1, l1, w2, l2, ...): the loss  sum_j w_j value_j  with the gradients of that sum, in one pass over the union
// of the losses' inputs. The weights are numbers or pointers in the execution space, of any sign. Implicit rewards are
// those of the first loss; the output `terms` receives the (weighted and normalised) mean of every single value_j.
//
//   evaluate<float>(exec, combine(1.0, dpo{.beta = 0.1}, 0.2, my_loss{}), {...}, {.loss = ..., .terms = {t, 2}});
template <class Loss, class... More>
constexpr auto combine(scalar weight, const Loss& loss, const More&... more) {
  return detail::prepend(weight, loss, combine(more...));
}

}  // namespace PREFER_ABI
}  // namespace prefer
