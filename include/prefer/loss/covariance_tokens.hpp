// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/advantage/group_advantage.hpp>
#include <prefer/backend/check_numbers.hpp>
#include <prefer/backend/cpu/for_groups.hpp>
#include <prefer/backend/cpu/map_reduce.hpp>
#include <prefer/core/call_checks.hpp>
#include <prefer/core/random.hpp>
#include <prefer/loss/ppo.hpp>
#include <prefer/select/detail/score_order.hpp>
#include <prefer/select/selection.hpp>

#include <cstdint>
#include <type_traits>

// covariance_tokens: the few tokens whose log-probability and advantage vary together most, from which the entropy of a
// policy is lost, for a loss that holds them back.
namespace prefer {

// N tokens of any number of responses. Totals are three doubles side by side: how many tokens there are, the sum of
// their log-probabilities and that of their advantages. They add up over micro-batches and processes (a reducer's sum),
// so that all parts take covariances about the same means.
template <space S>
struct covariance_tokens_inputs {
  input_view<1, S> policy = {};      // N: log-probabilities of the policy that is trained
  input_view<1, S> advantage = {};   // N; a stride of 0 is one for all
  input_view<1, S> old_policy = {};  // N: of the policy that sampled; only for rules that read it
  input_view<1, S> mask = {};        // N; bool or uint8: zero leaves the token out
  input_view<1, S> totals = {};      // 3 doubles, if they are known
};

template <space S>
struct covariance_tokens_outputs {
  output_view<1, S> weight = {};      // N: what the rule's loss takes; 0 for a token that is left out
  output_view<1, S> chosen = {};      // N; bool or uint8
  output_view<1, S> covariance = {};  // N; 0 for a token that is left out
  output_view<1, S> count = {};       // one integer: how many are chosen
  output_view<1, S> totals = {};      // 3 doubles: those of this call's tokens, whatever was given
};

inline namespace PREFER_ABI {

// What a rule sees of a token.
struct covarying_token {
  double covariance, advantage, log_ratio;
  std::int64_t index;
};

// Clip-Cov: of the tokens whose covariance lies strictly between `least` and `most` and that ppo does not clip, some at
// random lose their value and gradient: `weight`, for ppo with the same clips, is 0 for them and 1 for the others.
//
// They are a fraction of all selected tokens, rounded down but at least one, or all there are. Random numbers are keyed
// by (seed, token). Errors: fraction must be above 0 and at most 1, least and most finite and in this order, clips as
// in ppo. Source: Cui et al. 2025, arXiv 2505.22617, read in released code (verl).
struct clip_cov {
  static constexpr bool reads_old_policy = true;

  scalar fraction = 2e-4;
  scalar least = 1.0;
  scalar most = 5.0;
  scalar clip_low = 0.2;
  scalar clip_high = 0.2;
  random_seed seed = 0;

  constexpr status check() const {
    return first_error(require::that(fraction.by_pointer() || (fraction.value64 > 0 && fraction.value64 <= 1),
                                     "fraction", fraction.value64, "above 0, at most 1"),
                       require::is_finite(least, "least"), require::is_finite(most, "most"),
                       require::that(least.by_pointer() || most.by_pointer() || least.value64 <= most.value64, "most",
                                     most.value64, "at least `least`"),
                       detail::check_clips(clip_low, clip_high),
                       require::that(!seed.missing(), "seed", 0, "a number, or a pointer that is not null"));
  }
  // The tokens of the lowest keys are chosen; one of left_out never is.
  PREFER_HD std::uint64_t key(const covarying_token& t) const {
    if (!(t.covariance > least.as<double>() && t.covariance < most.as<double>())) return detail::left_out;
    const double ratio = math::exp(t.log_ratio);
    const bool above = t.advantage > 0 && ratio > 1 + clip_high.as<double>();
    const bool below = t.advantage < 0 && ratio < 1 - clip_low.as<double>();
    if (above || below) return detail::left_out;
    return draw_pair(seed.get(), 0x636c69705f636f76u, static_cast<std::uint64_t>(t.index)).first & ~std::uint64_t{1};
  }
  PREFER_HD double weight(bool chosen) const { return chosen ? 0 : 1; }
};

// KL-Cov's choice: the tokens of the largest covariances, a fraction of all selected tokens, rounded down but at least
// one; ties go to the first. `weight`, the column[0] of kl_cov, is 1 for them and 0 for the others. Errors: fraction
// must be above 0 and at most 1. Source as for clip_cov.
struct top_covariance {
  static constexpr bool reads_old_policy = false;

  scalar fraction = 2e-4;

  constexpr status check() const {
    return require::that(fraction.by_pointer() || (fraction.value64 > 0 && fraction.value64 <= 1), "fraction",
                         fraction.value64, "above 0, at most 1");
  }
  PREFER_HD std::uint64_t key(const covarying_token& t) const {
    return math::is_nan(t.covariance) ? detail::left_out : detail::sortable(t.covariance == 0 ? 0.0 : -t.covariance);
  }
  PREFER_HD double weight(bool chosen) const { return chosen ? 1 : 0; }
};

namespace detail {

// The columns of a call, as both backends see them.
struct token_covariance_arguments {
  std::int64_t n = 0;
  source policy, advantage, old_policy, mask;
  const double* totals = nullptr;
  sink weight, chosen, covariance, count, own_totals;
};

// Number, log-probabilities and advantages, as sums of map_reduce.
struct token_covariance_sums {
  static constexpr int inputs = 2, outputs = 1, sums = 3;

  PREFER_HD token_covariance_sums ready(double) const { return *this; }
  template <class V>
  PREFER_HD void operator()(const V (&in)[2], V (&out)[1], V (&sum)[3]) const {
    out[0] = V(0);
    sum[0] = V(1), sum[1] = in[0], sum[2] = in[1];
  }
};

inline map_reduce_arguments_of<token_covariance_sums> arguments_of_totals(const token_covariance_arguments& a,
                                                                          double* to) {
  map_reduce_arguments_of<token_covariance_sums> m;
  m.n = a.n, m.mask = a.mask;
  m.in[0] = a.policy, m.in[1] = a.advantage;
  for (int k = 0; k < 3; ++k) m.sum[k] = {to + k, element::f64};
  m.normalizer = 1.0;  // nothing is divided
  return m;
}

template <class Rule>
struct token_covariance_keys {
  token_covariance_arguments a;
  Rule rule;
  const double* totals;

  struct means {
    double policy, advantage;
  };
  PREFER_HD means found() const {
    const double n = totals[0] > 0 ? totals[0] : 1;
    return {totals[1] / n, totals[2] / n};
  }
  PREFER_HD covarying_token token(const means& m, std::int64_t i, double policy, double advantage, double old) const {
    return {(advantage - m.advantage) * (policy - m.policy), advantage, policy - old, i};
  }
  PREFER_HD covarying_token token(std::int64_t i) const {
    return token(found(), i, read_item<double>(a.policy, i), read_item<double>(a.advantage, i),
                 read_item<double>(a.old_policy, i));
  }
  PREFER_HD std::uint64_t key(std::int64_t i) const { return selects(a.mask, i) ? rule.key(token(i)) : left_out; }
  void fill(std::int64_t first, int count, std::uint64_t* keys) const {
    double policy[tile_items], advantage[tile_items], old[tile_items] = {};
    load_strided(a.policy, first, count, policy), load_strided(a.advantage, first, count, advantage);
    if (Rule::reads_old_policy) load_strided(a.old_policy, first, count, old);
    const means m = found();
    for (int k = 0; k < count; ++k)
      keys[k] = selects(a.mask, first + k) ? rule.key(token(m, first + k, policy[k], advantage[k], old[k])) : left_out;
  }
};

template <class Rule>
struct token_covariance_work {
  token_covariance_keys<Rule> keys;

  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    const auto place = team.places(g, keys);
    const token_covariance_arguments& a = keys.a;
    const auto here = [&](std::int64_t i) PREFER_HD_LAMBDA { return std::int64_t{place(i).key != left_out ? 1 : 0}; };
    const auto selected = [&](std::int64_t i) PREFER_HD_LAMBDA { return std::int64_t{selects(a.mask, i) ? 1 : 0}; };
    const std::int64_t there = team.total(g.count, here), all = team.total(g.count, selected);
    auto n = static_cast<std::int64_t>(keys.rule.fraction.template as<double>() * static_cast<double>(all));
    n = n < 1 ? 1 : n;
    const order_cut cut = n < there ? cut_behind(team, g.count, n, place) : order_cut{{left_out - 1, INT64_MAX}};
    team.each(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA {
      const bool kept = selects(a.mask, i), taken = cut.takes(place(i));
      write_flag(a.chosen, i, taken);
      write_item(a.weight, i, kept, keys.rule.weight(taken), false);
      if (a.covariance.data != nullptr) write_item(a.covariance, i, kept, kept ? keys.token(i).covariance : 0.0, false);
    });
    team.once([&]() PREFER_HD_LAMBDA { write_index(a.count, 0, n < there ? n : there); });
  }
};

inline constexpr const char* number_of_tokens = "the number of tokens,";

template <class Rule, space S>
status make_token_covariance(const Rule& rule, const covariance_tokens_inputs<S>& in,
                             const covariance_tokens_outputs<S>& out, token_covariance_arguments& a) {
  using require::holds;
  if (const status s = rule.check(); !s.ok()) return s;
  if (!in.policy.given()) return require::fail(errc::missing_input, "policy", "one log-probability per token");
  if (!in.advantage.given()) return require::fail(errc::missing_input, "advantage", "one number per token");
  if (in.old_policy.given() != Rule::reads_old_policy)
    return in.old_policy.given()
               ? require::fail(errc::unused_input, "old_policy", "to be left out, since this rule does not read it")
               : require::fail(errc::missing_input, "old_policy", "one log-probability per token, for this rule");
  if (const status s = some_output(out.weight, out.chosen, out.covariance, out.count, out.totals); !s.ok()) return s;
  a.n = in.policy.extent[0];
  if (a.n < 0) return require::fail(errc::bad_extent, "policy", "at least", static_cast<double>(a.n), 0);
  if (in.totals.given())
    if (const status s = check_moments("totals", in.totals); !s.ok()) return s;
  if (out.totals.given())
    if (const status s = check_moments("totals", out.totals); !s.ok()) return s;
  call_checks<5, 5> call;
  call.read("policy", in.policy, a.n, number_of_tokens, holds::numbers);
  call.read("advantage", in.advantage, a.n, number_of_tokens, holds::numbers);
  call.read("old_policy", in.old_policy, a.n, number_of_tokens, holds::numbers);
  call.read("mask", in.mask, a.n, number_of_tokens, holds::flags);
  call.read("totals", in.totals, 3, "", holds::totals);
  call.write("weight", out.weight, a.n, number_of_tokens, holds::numbers);
  call.write("chosen", out.chosen, a.n, number_of_tokens, holds::flags);
  call.write("covariance", out.covariance, a.n, number_of_tokens, holds::numbers);
  call.write("count", out.count, 1, "one element,", holds::indices);
  call.write("totals", out.totals, 3, "", holds::totals);
  a.policy = place_of(in.policy), a.advantage = place_of(in.advantage), a.old_policy = place_of(in.old_policy);
  a.mask = place_of(in.mask);
  a.totals = static_cast<const double*>(in.totals.data);
  a.weight = place_of(out.weight), a.chosen = place_of(out.chosen), a.covariance = place_of(out.covariance);
  a.count = place_of(out.count), a.own_totals = place_of(out.totals);
  return call.check();
}

// With content::all: no NaN among the tokens that the mask selects.
inline status check_token_covariances(const cpu& exec, const token_covariance_arguments& a) {
  return first_error(check_numbers(exec, "policy", a.policy, a.mask, a.n),
                     check_numbers(exec, "advantage", a.advantage, a.mask, a.n),
                     check_numbers(exec, "old_policy", a.old_policy, a.mask, a.n));
}
inline status check_token_covariances(const cuda&, const token_covariance_arguments&) { return {}; }

}  // namespace detail

// The tokens that `rule` (clip_cov, top_covariance) chooses by their covariances; what is not given is not computed.
//
//   covariance = (A - mean A) (policy - mean policy), means over the selected tokens
//
//   covariance_tokens(cpu{.pool = pool}, clip_cov{.seed = step}, {.policy = {p, N}, .advantage = {a, N},
//                     .old_policy = {q, N}}, {.weight = {w, N}});
//   evaluate<float>(cpu{.pool = pool}, ppo{}, {p, q, a of actions, .weight = {w, N}, .normalizer = N}, ...);
//
// A token whose covariance is NaN is never chosen; a NaN among the selected tokens makes all of them NaN. Arithmetic is
// in double: the same bits for any number of threads and any grid. Parts of a batch choose among their own tokens,
// about means that they share by `totals`. Means are found by all threads; the choice is the work of one, on CUDA of
// one block: O(N) for few chosen, else up to 16 passes. On CUDA 2 launches (3 with `totals` in and out), and
// covariance_tokens_workspace bytes or memory in stream order. Returns the first thing that is wrong; then nothing has
// been written.
template <class Exec, class Rule>
status covariance_tokens(const Exec& exec, const Rule& rule,
                         const std::type_identity_t<covariance_tokens_inputs<Exec::memory>>& in,
                         const std::type_identity_t<covariance_tokens_outputs<Exec::memory>>& out) {
  detail::token_covariance_arguments a;
  if (const status s = detail::make_token_covariance(rule, in, out, a); !s.ok()) return s;
  if (const status s = detail::check_token_covariances(exec, a); !s.ok()) return s;
  const auto choose = [&](const double* totals, const Exec& rest) -> status {
    detail::group_table all;
    all.samples = all.size = a.n, all.groups = 1;
    return for_groups(rest, all, detail::token_covariance_work<Rule>{{a, rule, totals}});
  };
  const auto add_up = [&](double* to, const Exec& rest) {
    return map_reduce<double>(rest, detail::token_covariance_sums{}, detail::arguments_of_totals(a, to));
  };
  auto* const own = static_cast<double*>(out.totals.data);
  const auto through = [&](double* to, const Exec& rest) -> status {
    if (const status s = add_up(to, rest); !s.ok()) return s;
    return choose(a.totals != nullptr ? a.totals : to, rest);
  };
  if (own != nullptr) return through(own, exec);
  if (a.totals != nullptr) return choose(a.totals, exec);
  return with_doubles<3>(exec, through);
}

}  // namespace PREFER_ABI
}  // namespace prefer
