// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/check_numbers.hpp>
#include <prefer/backend/cpu/segmented_map_reduce.hpp>
#include <prefer/backend/cpu/strided.hpp>
#include <prefer/backend/item.hpp>
#include <prefer/backend/row_map_reduce.hpp>
#include <prefer/core/arena.hpp>
#include <prefer/core/call_checks.hpp>
#include <prefer/core/evaluate_tokens.hpp>
#include <prefer/core/execution.hpp>
#include <prefer/core/math.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

// token_baseline_advantages: advantages of tokens against the optimal baseline of their position in the response.
namespace prefer {

inline namespace PREFER_ABI {

// The baseline of least variance at each position (optimal token baseline, OTB). The responses to one prompt are a
// group; i is one of them, t a position, from 0:
//
//   G_i,t = score_i + sum over j >= t of reward_i,j      what is still to come
//   e_i,t = |onehot - p|^2 = 1 - 2 p_y + sum of p^2      the squared norm of the token's score function by the logits
//   W_i,t = sum over j <= t of importance_i,j^2 e_i,j    of the response so far
//   B_t   = sum_i W_i,t G_i,t / sum_i W_i,t              over the responses that have a token at t
//   advantage_i,t = G_i,t - B_t
//
// Where all W are 0, B is the mean. Where only one response has a token at t its baseline is its own G, and its
// advantage 0; with `zero_alone` the baseline is 0 there, as in verl for groups of one and, by choice, for the end of
// the longest response. Source: verl's optimal_token_baseline, read in its code (which adds 1e-8 to the divisor).
struct token_baseline {
  bool zero_alone = false;
};

}  // namespace PREFER_ABI

// N tokens in n responses in m groups: response i owns the tokens [offsets[i], offsets[i + 1]), group g the responses
// [groups[g], groups[g + 1]).
template <space S>
struct token_baseline_inputs {
  input_view<1, S> score = {};           // n: of whole responses; 0 if not given
  input_view<1, S> reward = {};          // N: of tokens; 0 if not given
  input_view<1, S> offsets = {};         // n + 1; int32 or int64
  input_view<1, S> groups = {};          // m + 1; int32 or int64
  input_view<1, S> energy = {};          // N: e, not negative; 1 if there is nothing to find it from
  input_view<1, S> policy = {};          // N: log p_y; with log_square_sum, instead of energy
  input_view<1, S> log_square_sum = {};  // N: log of the sum of p^2
  input_view<1, S> importance = {};      // N: weights of tokens by another sampler; 1 if not given
  input_view<1, S> mask = {};            // N; bool or uint8: zero leaves the token out
};

template <space S>
struct token_baseline_outputs {
  output_view<1, S> advantage = {};  // N; 0 for a token that is left out
  output_view<1, S> baseline = {};   // N: of the token's position; 0 for a token that is left out
};

inline namespace PREFER_ABI {

// Bytes of workspace for token_baseline_advantages of n responses, on either backend.
constexpr std::size_t token_baseline_workspace(std::int64_t responses) {
  return (static_cast<std::size_t>(responses) * 2 * sizeof(double) + 255) / 256 * 256 + 256;
}

namespace detail {

struct token_baseline_arguments {
  std::int64_t groups = 0, responses = 0;
  segment_source of_group, of_response;  // runs of responses; of tokens, with their mask
  source score, reward, energy, policy, log_square_sum, importance;
  sink advantage, baseline;
  double *weight = nullptr, *to_come = nullptr;  // of each response: W before, and G at, the tile that comes next
};

// e of a token with log-probability p, l the log of the sum of all squared probabilities. 1 - 2 p_y + sum of p^2 is the
// square of what the token misses and the squares of the others, none of which is a difference of nearly equal numbers.
template <class V>
PREFER_HD V score_energy(const V& p, const V& l) {
  const V missed = math::expm1(p), others = -math::expm1(p + p - l);
  return missed * missed + math::exp(l) * math::select(others < V(0), V(0), others);
}

// The responses at one position, one after the other, about the first.
template <class V>
struct basic_position {
  V first, weighted, weights, plain, count;
  PREFER_HD basic_position() : first(0), weighted(0), weights(0), plain(0), count(0) {}

  template <class M>
  PREFER_HD void add(const M& here, const V& w, const V& g) {
    first = math::select(here & (count == V(0)), g, first);
    const V d = g - first;
    weighted += math::select(here, w * d, V(0)), weights += math::select(here, w, V(0));
    plain += math::select(here, d, V(0)), count += math::select(here, V(1), V(0));
  }
  // Becomes the answer: the baseline is first + plain.
  PREFER_HD void finish(bool zero_alone) {
    const V some = math::select(count == V(0), V(1), count);
    plain = math::select(weights == V(0), plain / some, weighted / weights);
    if (zero_alone) first = math::select(count == V(1), V(0), first);
  }
  PREFER_HD V advantage(const V& g) const { return (g - first) - plain; }
  PREFER_HD V baseline() const { return first + plain; }
};

struct token_baseline_job {
  const token_baseline* rule;
  const token_baseline_arguments* arguments;
  std::int64_t first, last;  // groups
};

// A group passes through tiles of positions: its responses once to find the baselines, and once to be compared with
// them.
struct token_baseline_work {
  struct tile {
    alignas(64) double e[tile_items], r[tile_items], w[tile_items], g[tile_items];
    alignas(64) double first[tile_items], weighted[tile_items], weights[tile_items], plain[tile_items],
        count[tile_items];
    alignas(64) std::uint8_t keep[tile_items];

    template <class V>
    basic_position<V> at(int k) const {
      basic_position<V> p;
      p.first = V::load(first + k), p.weighted = V::load(weighted + k), p.weights = V::load(weights + k);
      p.plain = V::load(plain + k), p.count = V::load(count + k);
      return p;
    }
    template <class V>
    void set(int k, const basic_position<V>& p) {
      p.first.store(first + k), p.weighted.store(weighted + k), p.weights.store(weights + k);
      p.plain.store(plain + k), p.count.store(count + k);
    }
  };

  static int rounded(int count) { return (count + 7) / 8 * 8; }

  // Which of `count` tokens from `t` on are selected, and their energies.
  template <class V>
  static inline __attribute__((always_inline)) void load(const token_baseline_arguments& a, std::int64_t t, int count,
                                                         tile& to, isa level) {
    for (int k = 0; k < rounded(count); ++k) to.keep[k] = k < count && selects(a.of_response.mask, t + k);
    if (a.energy.data != nullptr) {
      load_strided(a.energy, t, count, to.e, level);
    } else if (a.policy.data != nullptr) {
      load_strided(a.policy, t, count, to.e, level), load_strided(a.log_square_sum, t, count, to.w, level);
      for (int k = 0; k < count; k += V::width) score_energy(V::load(to.e + k), V::load(to.w + k)).store(to.e + k);
    } else {
      for (int k = 0; k < count; ++k) to.e[k] = 1;
    }
    if (a.importance.data == nullptr) return;
    load_strided(a.importance, t, count, to.w, level);
    for (int k = 0; k < count; ++k) to.e[k] *= to.w[k] * to.w[k];
  }
  // What is still to come at each of `count` tokens; returns it behind the last.
  static double follow(const token_baseline_arguments& a, std::int64_t t, int count, double to_come, tile& to,
                       isa level) {
    if (a.reward.data == nullptr) {
      for (int k = 0; k < rounded(count); ++k) to.g[k] = to_come;
      return to_come;
    }
    load_strided(a.reward, t, count, to.r, level);
    for (int k = 0; k < count; ++k) {
      to.g[k] = to_come;
      to_come -= to.keep[k] != 0 ? to.r[k] : 0;
    }
    return to_come;
  }
  static double all_to_come(const token_baseline_arguments& a, std::int64_t i, const token_range& tokens) {
    double sum = 0;
    for (std::int64_t t = tokens.begin; a.reward.data != nullptr && t < tokens.end; ++t)
      if (selects(a.of_response.mask, t)) sum += read_item<double>(a.reward, t);
    return read_item<double>(a.score, i) + sum;
  }

  template <class Level>
  static inline __attribute__((always_inline)) void run(token_baseline_job& job) {
    using V = lane<double, Level>;
    constexpr isa level = isa_of<Level>;
    const token_baseline_arguments& a = *job.arguments;
    const bool zero_alone = job.rule->zero_alone;
    tile t = {};  // lanes reach behind the last token of a response, to what is not kept
    for (std::int64_t group = job.first; group < job.last; ++group) {
      const token_range members = range_of(a.of_group, group);
      std::int64_t longest = 0;
      for (std::int64_t i = members.begin; i < members.end; ++i) {
        const token_range tokens = range_of(a.of_response, i);
        longest = tokens.size() > longest ? tokens.size() : longest;
        a.weight[i] = 0, a.to_come[i] = all_to_come(a, i, tokens);
      }
      for (std::int64_t from = 0; from < longest; from += tile_items) {
        const int width = rounded(static_cast<int>(smaller(tile_items, longest - from)));
        for (int k = 0; k < width; k += V::width) t.template set<V>(k, {});
        // f(response, its first token here, how many there are)
        const auto each = [&](const auto& f) PREFER_HD_LAMBDA {
          for (std::int64_t i = members.begin; i < members.end; ++i) {
            const token_range tokens = range_of(a.of_response, i);
            if (tokens.size() > from)
              f(i, tokens.begin + from, static_cast<int>(smaller(tile_items, tokens.size() - from)));
          }
        };
        each([&](std::int64_t i, std::int64_t at, int count) PREFER_HD_LAMBDA {
          load<V>(a, at, count, t, level);
          double w = a.weight[i];
          for (int k = 0; k < count; ++k) t.w[k] = w += t.keep[k] != 0 ? t.e[k] : 0;
          a.weight[i] = w;
          follow(a, at, count, a.to_come[i], t, level);
          for (int k = 0; k < count; k += V::width) {
            auto p = t.template at<V>(k);
            p.add(V::mask::load(t.keep + k), V::load(t.w + k), V::load(t.g + k));
            t.template set<V>(k, p);
          }
        });
        for (int k = 0; k < width; k += V::width) {
          auto p = t.template at<V>(k);
          p.finish(zero_alone);
          t.template set<V>(k, p);
        }
        each([&](std::int64_t i, std::int64_t at, int count) PREFER_HD_LAMBDA {
          for (int k = 0; k < rounded(count); ++k) t.keep[k] = k < count && selects(a.of_response.mask, at + k);
          a.to_come[i] = follow(a, at, count, a.to_come[i], t, level);
          for (int k = 0; k < count; k += V::width) {
            const auto p = t.template at<V>(k);
            const auto keep = V::mask::load(t.keep + k);
            select(keep, p.advantage(V::load(t.g + k)), V(0)).store(t.w + k);
            select(keep, p.baseline(), V(0)).store(t.e + k);
          }
          if (a.advantage.data != nullptr) store_strided(a.advantage, at, count, t.w, nullptr, false, level);
          if (a.baseline.data != nullptr) store_strided(a.baseline, at, count, t.e, nullptr, false, level);
        });
      }
    }
  }
};

template <class Exec>
status run_token_baseline(const Exec&, const token_baseline&, const token_baseline_arguments&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}
inline status run_token_baseline(const cpu& exec, const token_baseline& rule, const token_baseline_arguments& a) {
  isa level;
  if (const status s = resolve_isa(exec, level); !s.ok()) return s;
  const std::int64_t blocks = smaller(a.groups, max_blocks);
  for_blocks(exec, blocks, a.of_response.tokens, [&](std::int64_t first, std::int64_t last) {
    token_baseline_job job{&rule, &a, a.groups * first / blocks, a.groups * last / blocks};
    run_at<token_baseline_work>(level, job);
  });
  return {};
}

template <space S>
status make_token_baseline(const token_baseline_inputs<S>& in, const token_baseline_outputs<S>& out,
                           token_baseline_arguments& a) {
  using require::fail;
  using require::holds;
  if (!in.score.given() && !in.reward.given())
    return fail(errc::missing_input, "score", "one number per response, or a reward per token");
  if (!in.offsets.given()) return fail(errc::missing_input, "offsets", "where each response begins, and the end");
  if (!in.groups.given())
    return fail(errc::missing_input, "groups", "at which response each group begins, and the end");
  if (in.energy.given() && in.policy.given())
    return fail(errc::unused_input, "policy", "to be left out, since energies are given");
  if (in.policy.given() != in.log_square_sum.given())
    return fail(errc::missing_input, in.policy.given() ? "log_square_sum" : "policy",
                "both, to find energies from, or none");
  if (const status s = some_output(out.advantage, out.baseline); !s.ok()) return s;
  a.responses = in.offsets.extent[0] - 1, a.groups = in.groups.extent[0] - 1;
  if (a.responses < 0 || a.groups < 0)
    return fail(errc::bad_extent, a.responses < 0 ? "offsets" : "groups", "at least",
                static_cast<double>(a.responses < 0 ? a.responses + 1 : a.groups + 1), 1);
  const std::int64_t tokens = out.advantage.given() ? out.advantage.extent[0] : out.baseline.extent[0];
  if (tokens < 0)
    return fail(errc::bad_extent, out.advantage.given() ? "advantage" : "baseline", "at least",
                static_cast<double>(tokens), 0);
  constexpr const char *per_token = "one per token:", *per_response = "one per response, one less than offsets:",
                       *per_group = "one more than groups of responses,";
  call_checks<9, 2> call;
  call.read("score", in.score, a.responses, per_response, holds::numbers);
  call.read("reward", in.reward, tokens, per_token, holds::numbers);
  call.read("offsets", in.offsets, a.responses + 1, per_response, holds::indices);
  call.read("groups", in.groups, a.groups + 1, per_group, holds::indices);
  call.read("energy", in.energy, tokens, per_token, holds::numbers);
  call.read("policy", in.policy, tokens, per_token, holds::numbers);
  call.read("log_square_sum", in.log_square_sum, tokens, per_token, holds::numbers);
  call.read("importance", in.importance, tokens, per_token, holds::numbers);
  call.read("mask", in.mask, tokens, per_token, holds::flags);
  call.write("advantage", out.advantage, tokens, per_token, holds::numbers);
  call.write("baseline", out.baseline, tokens, per_token, holds::numbers);
  a.of_response = segments_of(in.offsets, tokens), a.of_group = segments_of(in.groups, a.responses);
  a.of_response.mask = place_of(in.mask);
  a.score = place_of(in.score), a.reward = place_of(in.reward);
  a.energy = place_of(in.energy), a.policy = place_of(in.policy);
  a.log_square_sum = place_of(in.log_square_sum), a.importance = place_of(in.importance);
  a.importance.neutral = 1;
  a.advantage = place_of(out.advantage), a.baseline = place_of(out.baseline);
  return call.check();
}

// Offsets of both kinds; with content::all NaN in selected tokens and in scores too.
inline status check_token_baseline(const cpu& exec, const token_baseline_arguments& a) {
  if (exec.content == content::none) return {};
  if (const status s = first_error(check_offsets(a.of_response, a.responses, "offsets"),
                                   check_offsets(a.of_group, a.groups, "groups"));
      !s.ok() || exec.content != content::all)
    return s;
  const auto of_tokens = [&](const char* name, const source& s) {
    return check_tokens(s, a.of_response, {}, name, a.responses);
  };
  return first_error(check_numbers(exec, "score", a.score, {}, a.responses), of_tokens("reward", a.reward),
                     of_tokens("energy", a.energy), of_tokens("policy", a.policy),
                     of_tokens("log_square_sum", a.log_square_sum), of_tokens("importance", a.importance));
}
inline status check_token_baseline(const cuda&, const token_baseline_arguments&) { return {}; }

}  // namespace detail

// The advantages of the tokens of n responses in m groups, and the baselines; what is not given is not computed.
//
//   token_baseline_advantages(cpu{.pool = pool, .workspace = memory}, token_baseline{},
//       {.score = {r, n}, .offsets = {o, n + 1}, .groups = {g, m + 1}, .policy = {p, N}, .log_square_sum = {l, N}},
//       {.advantage = {a, N}});
//
// A token that the mask leaves out takes up its position, but is not there to be compared with. Responses that are
// worth the same have advantages of exactly 0 as long as they last; a response whose tokens have no rewards, or only
// the last one, has G without a rounding (else it is off by roundings of the sum of their sizes). A number that is NaN
// makes the positions NaN that it enters: its response's of a score or reward, those from the token on otherwise.
// Energies below 0 are taken as they are. Arithmetic is in double, in an order that the group's responses alone decide:
// the same bits for any number of threads, any grid and any place in the batch. A group is the work of one thread on
// the CPU, of one block on CUDA: one launch. Rewards are read three times, all else twice. Workspace:
// token_baseline_workspace(n) bytes (on CUDA optional: memory in stream order). Returns the first thing that is wrong
// (shapes, types, overlap, workspace; on the CPU offsets too); then nothing has been written. On CUDA groups and
// responses of bad offsets are reported; the group is not followed, the response has no tokens.
template <class Exec>
status token_baseline_advantages(const Exec& exec, const token_baseline& rule,
                                 const std::type_identity_t<token_baseline_inputs<Exec::memory>>& in,
                                 const std::type_identity_t<token_baseline_outputs<Exec::memory>>& out) {
  detail::token_baseline_arguments a;
  if (const status s = detail::make_token_baseline(in, out, a); !s.ok()) return s;
  if (const status s = detail::check_token_baseline(exec, a); !s.ok()) return s;
  const auto bytes = static_cast<std::size_t>(a.responses) * 2 * sizeof(double);
  return with_scratch(exec, bytes, [&](char* memory, const Exec& rest) -> status {
    a.weight = reinterpret_cast<double*>(memory), a.to_come = a.weight + a.responses;
    return run_token_baseline(rest, rule, a);
  });
}

}  // namespace PREFER_ABI
}  // namespace prefer
