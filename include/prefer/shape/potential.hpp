// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/check_numbers.hpp>
#include <prefer/backend/cpu/map_reduce.hpp>
#include <prefer/backend/row_map_reduce.hpp>
#include <prefer/core/checks.hpp>
#include <prefer/core/math.hpp>

#include <concepts>
#include <cstdint>
#include <type_traits>

// Potential-based reward shaping: rewards that guide, and change no optimal policy.
namespace prefer {

// The reward of a transition from s to s', shaped by any potential Phi:
//
//   bonus = discount Phi(s') - Phi(s),   with Phi(s') = 0 where s' is terminal;   shaped = reward + bonus
//
// Along an episode the discounted bonuses telescope: sum_t discount^t bonus_t = discount^T Phi(s_T) - Phi(s_0), so that
// they depend on no action; optimal policies stay optimal, and Q becomes Q - Phi(s). That takes the discount of the
// learner, a potential of 0 in terminal states (whatever is given there is not looked at), and bonuses that are not
// clipped. An episode that is cut off is not terminal: it goes on in s_T, whose potential is given.
//
// Since potentials are given per transition, they may also change over time (Devlin & Kudenko 2012), or depend on the
// action (look-ahead advice; then the greedy action is that of Q + Phi). Sources: Ng, Harada & Russell 1999, "Policy
// invariance under reward transformations", from summaries; terminal states: Grzes 2017.
struct potential_shaping {
  scalar discount = 0.99;

  constexpr status check() const { return require::from_0_to_1(discount, "discount"); }
};

// n transitions, in any order. Views of one array of potentials that differ by one element make an episode of it.
template <space S>
struct shaping_inputs {
  input_view<1, S> reward = {};          // 0 if not given
  input_view<1, S> potential = {};       // Phi(s)
  input_view<1, S> next_potential = {};  // Phi(s'); not read as a number where s' is terminal, and may be NaN there
  input_view<1, S> terminal = {};        // bool or uint8: whether s' is terminal; nowhere if not given
  input_view<1, S> discount = {};        // each transition's own, instead of the one of all: discount^k for k steps
  input_view<1, S> mask = {};            // bool or uint8: zero leaves a transition out
  input_view<1, S> upstream = {};        // derivatives of an objective by `shaped`; 1 if not given
};
template <space S>
struct shaping_outputs {
  output_view<1, S> shaped = {};
  output_view<1, S> bonus = {};
  // upstream * -1 and upstream * discount, 0 before terminal states: for potentials that are learnt.
  output_view<1, S> grad_potential = {}, grad_next_potential = {};
};

inline namespace PREFER_ABI {
namespace detail {

struct shaping_body {
  scalar discount;
  bool own_discounts;

  static constexpr int inputs = 6, outputs = 4, sums = 1;

  PREFER_HD shaping_body ready(double) const { return *this; }
  template <class V>
  PREFER_HD void operator()(const V (&in)[inputs], V (&out)[outputs], V (&sum)[sums]) const {
    const V &reward = in[0], &potential = in[1], &next = in[2], &terminal = in[3], &upstream = in[5];
    const auto goes_on = terminal == V(0);
    const V factor = math::select(goes_on, own_discounts ? in[4] : discount.as<V>(), V(0));
    const V bonus = factor * math::select(goes_on, next, V(0)) - potential;
    out[0] = reward + bonus;
    out[1] = bonus;
    out[2] = -upstream;
    out[3] = upstream * factor;
    sum[0] = V(0);
  }
};

template <space S>
status check_shaping(const shaping_inputs<S>& in, const shaping_outputs<S>& out) {
  if (!in.potential.given()) return require::fail(errc::missing_input, "potential", "one number per transition");
  if (!in.next_potential.given())
    return require::fail(errc::missing_input, "next_potential", "one number per transition");
  const bool gradient = out.grad_potential.given() || out.grad_next_potential.given();
  if (!gradient && !out.shaped.given() && !out.bonus.given())
    return require::fail(errc::missing_output, "outputs", "at least one output to write");
  if (in.upstream.given() && !gradient)
    return require::fail(errc::unused_input, "upstream", "to be left out, since no gradient is asked for");
  if (in.reward.given() && !out.shaped.given())
    return require::fail(errc::unused_input, "reward", "to be left out, since no shaped reward is asked for");
  const std::int64_t n = in.potential.extent[0];
  if (n < 0) return require::fail(errc::bad_extent, "potential", "at least", static_cast<double>(n), 0);
  require::footprints<7, 4> all;
  status first;
  const auto look = [&](const char* name, const auto& v, require::holds what) {
    if (first.ok() && v.given()) first = require::vector(name, v, n, "one per transition:", what);
  };
  const auto reads = [&](const char* name, const auto& v, require::holds what = require::holds::numbers) {
    look(name, v, what), all.read(name, v);
  };
  const auto writes = [&](const char* name, const auto& v) {
    look(name, v, require::holds::numbers), all.write(name, v);
  };
  reads("potential", in.potential), reads("next_potential", in.next_potential), reads("reward", in.reward);
  reads("terminal", in.terminal, require::holds::flags), reads("discount", in.discount);
  reads("mask", in.mask, require::holds::flags), reads("upstream", in.upstream);
  writes("shaped", out.shaped), writes("bonus", out.bonus);
  writes("grad_potential", out.grad_potential), writes("grad_next_potential", out.grad_next_potential);
  return first.ok() ? all.check() : first;
}

// With content::all NaN, but before terminal states.
inline status check_shaping_content(const cpu& exec, const map_reduce_arguments_of<shaping_body>& a) {
  for (std::int64_t i = 0; exec.content == content::all && i < a.n; ++i)
    for (const int k : {2, 4})
      if (selects(a.mask, i) && read_item<double>(a.in[3], i) == 0 && math::is_nan(read_item<double>(a.in[k], i)))
        return require::fail(errc::not_a_number, k == 2 ? "next_potential" : "discount", "a number, but it is NaN", 0,
                             0, i);
  return first_error(check_numbers(exec, "reward", a.in[0], a.mask, a.n),
                     check_numbers(exec, "potential", a.in[1], a.mask, a.n),
                     check_numbers(exec, "upstream", a.in[5], a.mask, a.n));
}
inline status check_shaping_content(const cuda&, const map_reduce_arguments_of<shaping_body>&) { return {}; }

}  // namespace detail

// Shapes the rewards of n transitions, see potential_shaping; what is not given is not computed.
//
//   shape_rewards<float>(cpu{}, potential_shaping{}, {.reward = {r, T}, .potential = {phi, T},
//                        .next_potential = {phi + 1, T}}, {.shaped = {shaped, T}});
//
// Arithmetic in Compute (float or double). Transitions that are left out get 0. A NaN stays in its transition. One
// pass; nothing is allocated on the CPU; on CUDA one launch, with shape_rewards_workspace(n) bytes of workspace or
// memory in stream order. Errors: discount outside [0, 1] (those of `discount` are not looked at), shapes, types,
// overlap, what is missing or not used, with content::all NaN that would be read; then nothing has been written.
template <class Compute, class Exec>
status shape_rewards(const Exec& exec, const potential_shaping& shaping,
                     const std::type_identity_t<shaping_inputs<Exec::memory>>& in,
                     const std::type_identity_t<shaping_outputs<Exec::memory>>& out) {
  static_assert(std::same_as<Compute, float> || std::same_as<Compute, double>,
                "prefer: shape_rewards<Compute> computes in float or double; the views choose their own types");
  if (const status s = first_error(shaping.check(), detail::check_shaping(in, out)); !s.ok()) return s;
  map_reduce_arguments_of<detail::shaping_body> a;
  a.n = in.potential.extent[0];
  a.in[0] = detail::place_of(in.reward), a.in[1] = detail::place_of(in.potential);
  a.in[2] = detail::place_of(in.next_potential), a.in[3] = detail::place_of(in.terminal);
  a.in[4] = detail::place_of(in.discount), a.in[5] = detail::place_of(in.upstream);
  a.in[5].neutral = 1;
  a.mask = detail::place_of(in.mask);
  a.out[0] = detail::place_of(out.shaped), a.out[1] = detail::place_of(out.bonus);
  a.out[2] = detail::place_of(out.grad_potential), a.out[3] = detail::place_of(out.grad_next_potential);
  a.normalizer = 1.0;
  if (const status s = detail::check_shaping_content(exec, a); !s.ok()) return s;
  return map_reduce<Compute>(exec, detail::shaping_body{shaping.discount, in.discount.given()}, a);
}

// The largest |bonus| of a transition over `distance` that ends at a potential of `next_potential`, if the potential is
// Lipschitz with this constant: lipschitz distance + (1 - discount) |next_potential|, from
// bonus = (Phi(s') - Phi(s)) - (1 - discount) Phi(s'). Before a terminal state next_potential is 0, provided that the
// potential is Lipschitz with its 0 there.
constexpr double bonus_bound(double lipschitz, double discount, double distance, double next_potential) {
  return lipschitz * distance + (1 - discount) * (next_potential < 0 ? -next_potential : next_potential);
}

}  // namespace PREFER_ABI
}  // namespace prefer
