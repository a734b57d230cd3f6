// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/math.hpp>
#include <prefer/core/scalar.hpp>
#include <prefer/reward/detail/columns.hpp>

#include <type_traits>

namespace prefer {

// A penalty for answers that come near the longest length that is allowed, instead of a cut: it grows over the last
// `buffer` tokens, so that a sound answer of a few tokens too many is not judged as a wrong one.
//
//   reward = score - factor min(1, max(0, length - (longest - buffer)) / buffer)
//
// At longest - buffer nothing is lost yet, from `longest` on the whole factor. A buffer of 0: the factor is lost beyond
// `longest`, all at once. Piecewise linear in the length, which is no function of the policy's parameters: no gradient.
// NaN in a length or score makes its reward NaN. Arithmetic in double. Errors: longest finite and not negative, buffer
// from 0 to longest, factor finite and not negative; shapes, memory that overlaps. O(N); one launch, no workspace.
// Source: DAPO (arXiv 2503.14476), equation 13, where longest is 20480, buffer 4096 and the factor 1; trainers keep the
// factor, and have no bound below where answers cannot be longer than `longest`.
struct overlong_penalty {
  scalar longest = 20480.0;
  scalar buffer = 4096.0;
  scalar factor = 1.0;

  constexpr status check() const {
    return first_error(require::not_negative(longest, "longest"), require::not_negative(buffer, "buffer"),
                       require::that(longest.by_pointer() || buffer.by_pointer() || buffer.value64 <= longest.value64,
                                     "buffer", buffer.value64, "at most `longest`"),
                       require::not_negative(factor, "factor"));
  }

  static constexpr int inputs = 2;  // length, score
  template <class V>
  PREFER_HD V reward(const V (&in)[2]) const {
    const double room = buffer.as<double>();
    const V most(longest.as<double>()), over = in[0] - (most - V(room));
    const V soft = over / V(room > 0 ? room : 1), lost = math::select(soft < V(0), V(0), soft);
    const V share = math::select(in[0] > most, V(1), room > 0 ? lost : V(0));
    return in[1] - (V(factor.as<double>()) * share + math::nan_of(in[0]));
  }
};

template <space S>
struct overlong_inputs {
  input_view<1, S> length = {};  // N; numbers or integers: tokens of each answer
  input_view<1, S> score = {};   // N; 0 if not given: the penalty alone
};

inline namespace PREFER_ABI {

template <class Exec>
status overlong_penalties(const Exec& exec, const overlong_penalty& rule,
                          const std::type_identity_t<overlong_inputs<Exec::memory>>& in,
                          const std::type_identity_t<reward_outputs<Exec::memory>>& out) {
  if (const status s = rule.check(); !s.ok()) return s;
  detail::reward_call<overlong_penalty, Exec::memory> call;
  call.read("length", in.length, "one per item");
  call.optional("score", in.score, 0);
  if (const status s = call.write(out.reward); !s.ok()) return s;
  return call.run(exec, rule);
}

}  // namespace PREFER_ABI
}  // namespace prefer
