// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/math.hpp>
#include <prefer/core/scalar.hpp>
#include <prefer/core/view.hpp>

#include <concepts>

// A kind is what losses of one shape share: the item they see, the term they answer, and the vectors that a call takes
// and fills. A loss belongs to a kind because its call operator takes that kind's item; it declares nothing else.
namespace prefer {

inline constexpr int max_parts = 4;  // losses in one combination

enum class content_of : std::uint8_t { any, probability };

struct input_field {
  const char* name;
  bool required;      // if a loss reads it
  float neutral = 0;  // otherwise: what it is when it is not given
  content_of content = content_of::any;
};

inline namespace PREFER_ABI {

template <class V>
struct pair;
template <class V>
struct reward_pair;
template <class V>
struct response;
template <class V>
struct segment_pair;
template <class V>
struct scored;
template <class V>
struct transition;
template <class V>
struct action;
struct pair_kind;
struct reward_pair_kind;
struct response_kind;
struct segment_pair_kind;
struct scored_kind;
struct transition_kind;
struct action_kind;

// 1 where x > 0, 0 where x < 0, one half at 0; NaN gives 0.
template <class V>
PREFER_HD V win(const V& x) {
  return math::select(x > V(0), V(1), math::select(x == V(0), V(0.5), V(0)));
}

namespace detail {

template <class Loss, template <class> class Item>
concept takes = requires(const Loss& loss, const Item<float>& item) {
  loss(item).value;
};

template <class Loss>
constexpr auto find_kind() {
  if constexpr (takes<Loss, pair>)
    return static_cast<pair_kind*>(nullptr);
  else if constexpr (takes<Loss, reward_pair>)
    return static_cast<reward_pair_kind*>(nullptr);
  else if constexpr (takes<Loss, response>)
    return static_cast<response_kind*>(nullptr);
  else if constexpr (takes<Loss, segment_pair>)
    return static_cast<segment_pair_kind*>(nullptr);
  else if constexpr (takes<Loss, scored>)
    return static_cast<scored_kind*>(nullptr);
  else if constexpr (takes<Loss, transition>)
    return static_cast<transition_kind*>(nullptr);
  else if constexpr (takes<Loss, action>)
    return static_cast<action_kind*>(nullptr);
  else
    static_assert(
        sizeof(Loss) == 0,
        "prefer: this is not a loss: it needs a const call operator template that takes prefer::pair<V>, "
        "reward_pair<V>, response<V>, segment_pair<V>, scored<V>, transition<V> or action<V> and returns the "
        "pair_term<V> (reward_pair_term<V>, ...) that belongs to it");
}

}  // namespace detail

template <class Loss>
using kind_of = std::remove_pointer_t<decltype(detail::find_kind<Loss>())>;

}  // namespace PREFER_ABI

template <class Loss, class Exec>
using inputs_of = typename kind_of<Loss>::template inputs<Exec::memory>;
template <class Loss, class Exec>
using outputs_of = typename kind_of<Loss>::template outputs<Exec::memory>;

}  // namespace prefer
