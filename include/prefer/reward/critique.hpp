// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/math.hpp>
#include <prefer/core/scalar.hpp>
#include <prefer/reward/detail/columns.hpp>

#include <cstdint>
#include <type_traits>

namespace prefer {

// What a critique of an answer is worth: whether it judges the answer rightly, and what the refined answer is like.
// Judgement, before and after are yes (not 0) or no.
//
//   judgement:  right if judgement = before, else wrong       before: whether the answer was correct
//   refine:     after                                         after: whether the refined one is
//   change:     after - before
//   correct:    1 for (before, after) = (no, yes), `kept` for (yes, yes), else 0
//
// The last three add `bonus` to a critique that judges rightly, and replace by `wrong` the reward of one that does not.
// A critique that cannot be parsed judges wrongly. No gradient. A NaN counts as yes. Errors: the four numbers finite;
// shapes, memory that overlaps. O(N); one launch, no workspace.
// Source: Critique-RL (arXiv 2510.24320), released code (the paper's text has 0 for wrong).
struct critique_reward {
  enum class rule : std::uint8_t { judgement, refine, change, correct };

  rule by = rule::correct;
  scalar right = 1.0;
  scalar wrong = -1.0;
  scalar bonus = 0.2;
  scalar kept = 0.2;

  constexpr status check() const {
    return first_error(require::is_finite(right, "right"), require::is_finite(wrong, "wrong"),
                       require::is_finite(bonus, "bonus"), require::is_finite(kept, "kept"));
  }

  static constexpr int inputs = 4;  // judgement, before, after, parsed
  template <class V>
  PREFER_HD V reward(const V (&in)[4]) const {
    const V judged = truth(in[0]), before = truth(in[1]), after = truth(in[2]);
    const V failed(wrong.as<double>());
    const V value = by == rule::judgement ? V(right.as<double>()) : refinement(before, after) + V(bonus.as<double>());
    // A product: g++ makes one mask of two selections of one constant, at AVX-512 element by element.
    const V rightly = truth(in[3]) * (V(1) - math::abs(judged - before));
    return math::select(rightly > V(0), value, failed);
  }

 private:
  template <class V>
  static PREFER_HD V truth(const V& x) {
    return math::select(x == V(0), V(0), V(1));
  }
  template <class V>
  PREFER_HD V refinement(const V& before, const V& after) const {
    if (by == rule::refine) return after;
    if (by == rule::change) return after - before;
    return after * math::select(before == V(0), V(1), V(kept.as<double>()));
  }
};

template <space S>
struct critique_inputs {
  input_view<1, S> judgement = {};  // N; flags, integers or numbers: what the critique says of the answer
  input_view<1, S> before = {};     // N: what the oracle says of it
  input_view<1, S> after = {};      // N: what the oracle says of the refined one; not read by rule::judgement
  input_view<1, S> parsed = {};     // N: 0 for a critique without a verdict; all have one if not given
};

inline namespace PREFER_ABI {

template <class Exec>
status critique_rewards(const Exec& exec, const critique_reward& rule,
                        const std::type_identity_t<critique_inputs<Exec::memory>>& in,
                        const std::type_identity_t<reward_outputs<Exec::memory>>& out) {
  if (const status s = rule.check(); !s.ok()) return s;
  const bool refines = rule.by != critique_reward::rule::judgement;
  if (!refines && in.after.given())
    return require::fail(errc::unused_input, "after", "to be left out, since the judgement alone counts");
  detail::reward_call<critique_reward, Exec::memory> call;
  call.read("judgement", in.judgement, "one verdict per critique");
  call.read("before", in.before, "one verdict of the oracle per answer");
  if (refines)
    call.read("after", in.after, "one verdict of the oracle per refined answer");
  else
    call.optional("after", in.after, 0);
  call.optional("parsed", in.parsed, 1);
  if (const status s = call.write(out.reward); !s.ok()) return s;
  return call.run(exec, rule);
}

}  // namespace PREFER_ABI
}  // namespace prefer
