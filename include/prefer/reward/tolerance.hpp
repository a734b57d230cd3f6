// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/math.hpp>
#include <prefer/core/scalar.hpp>
#include <prefer/reward/detail/columns.hpp>

#include <cstdint>
#include <type_traits>

namespace prefer {

// A judge's score is right if it is near enough to the truth, an answer if it is the right one.
//
//   reward = accuracy_weight [right] + format_weight format
//   within:  right if |answer - target| < tolerance      equal:  right if answer = target
//
// Strictly: what is off by the tolerance is wrong. Piecewise constant: no gradient. Equal infinities are right. A NaN
// answer or target is wrong for neither rule but NaN. All right or all wrong makes a group without advantages. Weights
// of 0.9 and 0.1 are the convention of EasyR1. Sets are compared by set_rewards. Arithmetic in double: integers beyond
// 2^53 lose their last bits. Errors: weights finite, tolerance above 0; shapes, memory that overlaps. O(N); one launch,
// no workspace. Source: EvoPresent (arXiv 2510.05571) and LLaVA-Critic-R1 (arXiv 2509.00676), as described; no code was
// read.
struct tolerance_reward {
  enum class rule : std::uint8_t { within, equal };

  rule right = rule::within;
  scalar tolerance = 1.0;
  scalar accuracy_weight = 1.0;
  scalar format_weight = 1.0;

  constexpr status check() const {
    return first_error(require::positive(tolerance, "tolerance"),
                       require::is_finite(accuracy_weight, "accuracy_weight"),
                       require::is_finite(format_weight, "format_weight"));
  }

  static constexpr int inputs = 3;  // answer, target, format
  template <class V>
  PREFER_HD V reward(const V (&in)[3]) const {
    // Equal infinities are 0 apart, not NaN.
    const V off = math::select(in[0] == in[1], V(0), in[0] - in[1]), a(accuracy_weight.as<double>());
    const V accuracy = right == rule::equal ? math::select(off == V(0), a, V(0))
                                            : math::select(math::abs(off) < V(tolerance.as<double>()), a, V(0));
    return accuracy + math::fma(V(format_weight.as<double>()), in[2], math::nan_of(off));
  }
};

template <space S>
struct tolerance_inputs {
  input_view<1, S> answer = {};  // N; numbers, integers or flags
  input_view<1, S> target = {};  // N
  input_view<1, S> format = {};  // N; whether the format is right, or how much; 0 if not given
};

inline namespace PREFER_ABI {

template <class Exec>
status tolerance_rewards(const Exec& exec, const tolerance_reward& rule,
                         const std::type_identity_t<tolerance_inputs<Exec::memory>>& in,
                         const std::type_identity_t<reward_outputs<Exec::memory>>& out) {
  if (const status s = rule.check(); !s.ok()) return s;
  detail::reward_call<tolerance_reward, Exec::memory> call;
  call.read("answer", in.answer, "one per item"), call.read("target", in.target, "one per item");
  call.optional("format", in.format, 0);
  if (const status s = call.write(out.reward); !s.ok()) return s;
  return call.run(exec, rule);
}

}  // namespace PREFER_ABI
}  // namespace prefer
