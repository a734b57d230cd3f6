// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/check_numbers.hpp>
#include <prefer/backend/cpu/map_reduce.hpp>
#include <prefer/backend/row_map_reduce.hpp>
#include <prefer/core/call_checks.hpp>
#include <prefer/core/checks.hpp>
#include <prefer/core/math.hpp>

#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <type_traits>

// How smooth a value function is when the reward, the dynamics and the policy are: bounds on its gradient; and PURPLE,
// which lowers rewards where the dynamics are not smooth.
namespace prefer {

// Bounds on gradients, in the norm that the penalties use: of the reward by (s, a), of deterministic dynamics
// s' = f(s, a) by (s, a), and of a deterministic policy a = mu(s) by s, the latter two as operator norms.
struct smoothness {
  double reward = 1;    // delta
  double dynamics = 1;  // A
  double policy = 0;    // B
  double discount = 0.99;

  constexpr status check() const {
    return first_error(require::not_negative(reward, "reward"), require::not_negative(dynamics, "dynamics"),
                       require::not_negative(policy, "policy"), require::not_negative(discount, "discount"));
  }
};

// A step count for which a bound is that of an endless process.
inline constexpr std::int64_t endless = std::numeric_limits<std::int64_t>::max();

inline namespace PREFER_ABI {
namespace detail {

// 1 + q + ... + q^(steps - 1)
inline double geometric_sum(double q, std::int64_t steps) {
  if (steps <= 1) return steps < 1 ? 0 : 1;
  if (steps == endless) return q < 1 ? 1 / (1 - q) : q >= 1 ? std::numeric_limits<double>::infinity() : q;
  // By doubling: no difference of nearly equal numbers near q = 1.
  const double half = geometric_sum(q, steps / 2), power = std::pow(q, static_cast<double>(steps / 2));
  const double even = half * (1 + power);
  return steps % 2 == 0 ? even : 1 + q * even;
}

}  // namespace detail

// A bound on |dQ / d(s, a)| that holds for every smooth process: delta sum_{k < steps} (gamma A sqrt(1 + B^2))^k, for
// an endless process delta / (1 - gamma A sqrt(1 + B^2)), infinite where that factor is 1 or above. From
//
//   dQ / dz = dr / dz + gamma (df / dz)^T (dQ' / ds + (dmu / ds)^T dQ' / da)
//
// and the operator norm sqrt(1 + B^2) of s -> (s, mu(s)); attained by rewards and dynamics that both look along (1, B).
// The value of the policy, Q(s, mu(s)), has sqrt(1 + B^2) times the bound. Derived here.
inline double worst_case_value_bound(const smoothness& x, std::int64_t steps = endless) {
  const double factor = x.discount * x.dynamics * math::sqrt(1 + x.policy * x.policy);
  return x.reward == 0 ? 0 : x.reward * detail::geometric_sum(factor, steps);
}

// The bound that Blonde et al. 2020 (arXiv 2006.16785, from a summary and the released code) report:
// delta sqrt(sum_{k < steps} (gamma^2 C)^k), C = A^2 max(1, B^2), for an endless process delta / sqrt(1 - gamma^2 C).
// It holds if the gradients of rewards at different times are orthogonal, so that squares add up without cross terms,
// and not in general: for r = delta s, s' = s and gamma = 0.99 the true gradient is 100 delta, this says 7.09 delta.
inline double decorrelated_value_bound(const smoothness& x, std::int64_t steps = endless) {
  const double b = x.policy > 1 ? x.policy : 1, root = x.discount * x.dynamics * b;
  return x.reward == 0 ? 0 : x.reward * math::sqrt(detail::geometric_sum(root * root, steps));
}

}  // namespace PREFER_ABI

// PURPLE, pessimistic preconditioning: a reward is multiplied by a number that is the smaller the less smooth the
// dynamics are there:
//
//   factor = clamp(exp(-penalty / scale), floor, 1),   reward' = factor reward
//
// `penalty` is that of a forward model's gradient: `gradient_penalty{.target = 9.0, .coefficient = 1.0, .one_sided =
// true}` per sample (`losses`). The released code takes a running standard deviation of the last 10 means of the
// penalty as the scale, floor 0.7, and the gradient of the sum of the model's outputs, in which opposite signs cancel.
// With scale 0 the factor is 1 where the penalty is 0, and floor elsewhere.
//
// Rewards are thought to be 0 or above: a negative one is raised. With `lower_negative` it is divided by the factor
// instead, so that no reward is ever raised (proposed here). The factor is a constant of the gradient: the derivative
// of reward' by reward is the factor, its inverse for what was divided. It multiplies the reward's bound delta, and
// with it both bounds above. Errors: scale must be finite and not negative, floor above 0 and at most 1. Source: Blonde
// et al. 2020, arXiv 2006.16785, from a summary and the released code.
struct pessimistic_preconditioning {
  scalar scale = 1.0;
  scalar floor = 0.7;
  bool lower_negative = false;

  constexpr status check() const {
    const bool inside = floor.by_pointer() || (floor.value64 > 0 && floor.value64 <= 1);
    return first_error(require::not_negative(scale, "scale"),
                       require::that(inside, "floor", floor.value64, "above 0 and at most 1"));
  }
};

// n samples.
template <space S>
struct preconditioning_inputs {
  input_view<1, S> reward = {};
  input_view<1, S> penalty = {};  // 0 or above; what is below counts as 0
  input_view<1, S> mask = {};     // bool or uint8: zero leaves a sample out
};
template <space S>
struct preconditioning_outputs {
  output_view<1, S> reward = {};
  output_view<1, S> factor = {};
};

inline namespace PREFER_ABI {
namespace detail {

struct preconditioning_body {
  pessimistic_preconditioning options;

  static constexpr int inputs = 2, outputs = 2, sums = 1;

  PREFER_HD preconditioning_body ready(double) const { return *this; }
  template <class V>
  PREFER_HD void operator()(const V (&in)[inputs], V (&out)[outputs], V (&sum)[sums]) const {
    const V &reward = in[0], &penalty = in[1], scale = options.scale.as<V>(), floor = options.floor.as<V>();
    const V decay = math::select(penalty <= V(0), V(1), math::exp(-penalty / scale));
    const V factor = math::select(decay < floor, floor, decay);
    const auto divides = reward < V(0);
    out[0] = math::select(divides, options.lower_negative ? reward / factor : reward * factor, reward * factor);
    out[1] = factor;
    sum[0] = V(0);
  }
};

template <space S>
status check_preconditioning(const preconditioning_inputs<S>& in, const preconditioning_outputs<S>& out) {
  if (!in.penalty.given()) return require::fail(errc::missing_input, "penalty", "one number per sample");
  if (!out.reward.given() && !out.factor.given())
    return require::fail(errc::missing_output, "outputs", "at least one output to write");
  if (out.reward.given() != in.reward.given())
    return out.reward.given()
               ? require::fail(errc::missing_input, "reward", "one number per sample")
               : require::fail(errc::unused_input, "reward", "to be left out, since no reward is asked for");
  const std::int64_t n = in.penalty.extent[0];
  if (n < 0) return require::fail(errc::bad_extent, "penalty", "at least", static_cast<double>(n), 0);
  using require::holds;
  const auto look = [n](const char* name, const auto& v, holds what) {
    return check_optional(name, v, n, "one per sample:", what);
  };
  if (const status s =
          first_error(look("penalty", in.penalty, holds::numbers), look("reward", in.reward, holds::numbers),
                      look("mask", in.mask, holds::flags), look("reward", out.reward, holds::numbers),
                      look("factor", out.factor, holds::numbers));
      !s.ok())
    return s;
  require::footprints<3, 2> all;
  all.read("reward", in.reward), all.read("penalty", in.penalty), all.read("mask", in.mask);
  all.write("reward", out.reward), all.write("factor", out.factor);
  return all.check();
}

}  // namespace detail

// Preconditions n rewards, see pessimistic_preconditioning.
//
//   precondition_rewards<float>(cpu{}, {.scale = std}, {.reward = {r, n}, .penalty = {p, n}}, {.reward = {lowered,
//   n}});
//
// Arithmetic in Compute (float or double). Samples that are left out get 0. A NaN stays in its sample. One pass;
// nothing is allocated on the CPU; on CUDA one launch, with precondition_rewards_workspace(n) bytes of workspace or
// memory in stream order. Errors: parameters, shapes, types, overlap, what is missing or not used, with content::all
// NaN; then nothing has been written.
template <class Compute, class Exec>
status precondition_rewards(const Exec& exec, const pessimistic_preconditioning& options,
                            const std::type_identity_t<preconditioning_inputs<Exec::memory>>& in,
                            const std::type_identity_t<preconditioning_outputs<Exec::memory>>& out) {
  static_assert(std::same_as<Compute, float> || std::same_as<Compute, double>,
                "prefer: precondition_rewards<Compute> computes in float or double; views choose their own types");
  if (const status s = first_error(options.check(), detail::check_preconditioning(in, out)); !s.ok()) return s;
  map_reduce_arguments_of<detail::preconditioning_body> a;
  a.n = in.penalty.extent[0];
  a.in[0] = detail::place_of(in.reward), a.in[1] = detail::place_of(in.penalty);
  a.mask = detail::place_of(in.mask);
  a.out[0] = detail::place_of(out.reward), a.out[1] = detail::place_of(out.factor);
  a.normalizer = 1.0;
  if (const status s = first_error(detail::check_numbers(exec, "reward", a.in[0], a.mask, a.n),
                                   detail::check_numbers(exec, "penalty", a.in[1], a.mask, a.n));
      !s.ok())
    return s;
  return map_reduce<Compute>(exec, detail::preconditioning_body{options}, a);
}

}  // namespace PREFER_ABI
}  // namespace prefer
