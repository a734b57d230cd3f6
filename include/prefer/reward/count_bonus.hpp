// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/math.hpp>
#include <prefer/core/scalar.hpp>
#include <prefer/reward/detail/columns.hpp>

#include <cstdint>
#include <type_traits>

namespace prefer {

// An intrinsic reward that wears off with the number N of visits, on top of the environment's:
//
//   reward = external_weight external + intrinsic_weight g(intrinsic) N^-decay
//   all:    g(m) = m
//   above:  g(m) = 1 where m > threshold, else 0                               a classifier's probability
//   scaled: g(m) = z where z = (m - mean) / std > threshold, else 0            a ranking model's score
//
// N, at least 1, is what the environment counts: visits within the episode, or in all. Below 1 the item is NaN; so it
// is for a NaN anywhere. Slopes, should a model be trained through it: external_weight, and intrinsic_weight N^-decay
// g'. With the published decay of 3 the second visit is worth an eighth; 0.5 is the usual bonus of exploration. The
// threshold of scaled rewards is -0.5 in the released code: some that are below the mean pass. Mean and deviation may
// be pointers: running moments of the model's scores (merge, core/moments.hpp). Errors: weights, threshold, mean
// finite; decay not negative, std above 0; shapes, memory that overlaps. O(N); one launch, no workspace. Source: ONI
// (arXiv 2410.23022), released code; there intrinsic_weight is 0.4, external_weight 0.1 for the score task and 10 for
// the others.
struct count_bonus {
  enum class rule : std::uint8_t { all, above, scaled };

  rule kept = rule::all;
  scalar external_weight = 1.0;
  scalar intrinsic_weight = 0.4;
  scalar decay = 3.0;
  scalar threshold = 0.5;
  scalar mean = 0.0, std = 1.0;

  constexpr status check() const {
    return first_error(require::is_finite(external_weight, "external_weight"),
                       require::is_finite(intrinsic_weight, "intrinsic_weight"), require::not_negative(decay, "decay"),
                       require::is_finite(threshold, "threshold"), require::is_finite(mean, "mean"),
                       require::positive(std, "std"));
  }

  static constexpr int inputs = 3;  // intrinsic, count, external
  template <class V>
  PREFER_HD V reward(const V (&in)[3]) const {
    const V worn = math::exp(V(-decay.as<double>()) * math::log(in[1]));
    const V share = math::select(in[1] >= V(1), worn, V(math::detail::not_a_number<double>()));
    return math::fma(V(external_weight.as<double>()), in[2],
                     V(intrinsic_weight.as<double>()) * bonus(in[0]) * share + math::nan_of(in[0]));
  }

 private:
  template <class V>
  PREFER_HD V bonus(const V& m) const {
    const V low(threshold.as<double>());
    if (kept == rule::all) return m;
    if (kept == rule::above) return math::select(m > low, V(1), V(0));
    const V z = (m - V(mean.as<double>())) / V(std.as<double>());
    return math::select(z > low, z, V(0));
  }
};

template <space S>
struct count_bonus_inputs {
  input_view<1, S> intrinsic = {};  // N
  input_view<1, S> count = {};      // N; integers or numbers, at least 1
  input_view<1, S> external = {};   // N; 0 if not given
};

inline namespace PREFER_ABI {

template <class Exec>
status count_bonuses(const Exec& exec, const count_bonus& rule,
                     const std::type_identity_t<count_bonus_inputs<Exec::memory>>& in,
                     const std::type_identity_t<reward_outputs<Exec::memory>>& out) {
  if (const status s = rule.check(); !s.ok()) return s;
  detail::reward_call<count_bonus, Exec::memory> call;
  call.read("intrinsic", in.intrinsic, "one reward per item");
  call.read("count", in.count, "one number of visits per item");
  call.optional("external", in.external, 0);
  if (const status s = call.write(out.reward); !s.ok()) return s;
  return call.run(exec, rule);
}

}  // namespace PREFER_ABI
}  // namespace prefer
