// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/call_checks.hpp>
#include <prefer/core/math.hpp>
#include <prefer/loss/importance_weights.hpp>

#include <cstdint>
#include <limits>
#include <type_traits>

// FIPO: tokens count by what the update does to the tokens behind them.
namespace prefer {

inline namespace PREFER_ABI {

// Future-KL influence. Below, x = policy - old_policy of a token, held between -20 and 20, and k counts the tokens of
// its response:
//
//   future_k = sum over j >= k of gamma^(j - k) x_j,   gamma = 2^(-1 / half_life)
//   weight_k = e^future_k, held between `least` and `most`
//            and once more between `safe_least` and 1 where A < 0 and e^x > safe_ratio
//
// A token that the mask leaves out adds nothing and takes up its place: its followers are as far away as ever. Tokens
// of a ratio above ratio_max add nothing either (the released code's filter; its 32B script has 10 there and for
// `dual_clip`). The weights are constants of the loss, that of DAPO: `ppo{.clip_low = 0.2, .clip_high = 0.28}` of
// tokens. With least = most = 1 they are 1, and so they are, by the defaults, where nothing behind a token became
// likelier. half_life may be infinite: plain sums.
//
// Errors: half_life must be above 0; 0 <= least <= most, finite; 0 <= safe_least <= 1; safe_ratio and ratio_max above 0
// (infinite: neither is used). Source: FIPO (arXiv 2603.19835), by the documentation of ms-swift; that the second
// bounds are applied to the bounded weight is how its words are read here.
struct fipo {
  scalar half_life = 32.0;
  scalar least = 1.0;
  scalar most = 1.2;
  scalar safe_ratio = 4.0;
  scalar safe_least = 0.8;
  scalar ratio_max = std::numeric_limits<double>::infinity();

  constexpr status check() const {
    return first_error(check_above(half_life, "half_life"), require::not_negative(least, "least"),
                       require::not_negative(most, "most"),
                       require::that(least.by_pointer() || most.by_pointer() || least.value64 <= most.value64, "most",
                                     most.value64, "at least `least`"),
                       check_above(safe_ratio, "safe_ratio"), require::from_0_to_1(safe_least, "safe_least"),
                       check_above(ratio_max, "ratio_max"));
  }
  // Whether it needs advantages.
  constexpr bool has_safe_ratio() const {
    return safe_ratio.by_pointer() || safe_ratio.value64 <= std::numeric_limits<double>::max();
  }

 private:
  static constexpr status check_above(const scalar& s, const char* name) {
    return require::that(s.by_pointer() || s.value64 > 0, name, s.value64, "above 0, or infinite");
  }
};

namespace detail {

// The rule of one call, its scalars read.
struct influence {
  double decay, least, most, safe_from, safe_least, add_up_to;

  explicit PREFER_HD influence(const fipo& f)
      : decay(math::exp(-0.69314718055994530942 / f.half_life.as<double>())),
        least(f.least.as<double>()),
        most(f.most.as<double>()),
        safe_from(math::log(f.safe_ratio.as<double>())),
        safe_least(f.safe_least.as<double>()),
        add_up_to(math::log(f.ratio_max.as<double>())) {}

  PREFER_HD double added(double x) const { return x > add_up_to ? 0 : x; }

  template <class V>
  PREFER_HD V weight(const V& future, const V& x, bool loses) const {
    const V w = held(math::exp(future), V(least), V(most));
    return loses ? math::select(x > V(safe_from), held(w, V(safe_least), V(1)), w) : w;
  }

 private:
  template <class V>
  static PREFER_HD V held(const V& w, const V& low, const V& high) {
    return math::select(w < low, low, math::select(w > high, high, w));
  }
};

}  // namespace detail
}  // namespace PREFER_ABI

// N tokens in n responses: response i owns the tokens [offsets[i], offsets[i + 1]).
template <space S>
struct influence_inputs {
  input_view<1, S> policy = {};      // N: log-probabilities of the policy that is trained
  input_view<1, S> old_policy = {};  // N: of the policy that sampled
  input_view<1, S> offsets = {};     // n + 1; int32 or int64
  input_view<1, S> advantage = {};   // n; not with an infinite safe_ratio
  input_view<1, S> mask = {};        // N; bool or uint8: zero leaves the token out
};

template <space S>
struct influence_outputs {
  output_view<1, S> weight = {};  // N; 0 for a token that is left out
  output_view<1, S> future = {};  // N: the sum that the weight is the exponential of; 0 for a token that is left out
};

inline namespace PREFER_ABI {
namespace detail {

struct influence_arguments {
  importance_arguments tokens;
  sink future;
};

template <space S>
status make_influence(const fipo& rule, const influence_inputs<S>& in, const influence_outputs<S>& out,
                      influence_arguments& a) {
  using require::holds;
  if (const status s = rule.check(); !s.ok()) return s;
  const auto needed = [](const char* name, const auto& v, const char* what) {
    return v.given() ? status{} : require::fail(errc::missing_input, name, what);
  };
  if (const status s = first_error(needed("policy", in.policy, "one log-probability per token"),
                                   needed("old_policy", in.old_policy, "one log-probability per token"),
                                   needed("offsets", in.offsets, "where each response begins, and the end"));
      !s.ok())
    return s;
  if (in.advantage.given() != rule.has_safe_ratio())
    return in.advantage.given()
               ? require::fail(errc::unused_input, "advantage", "to be left out, since safe_ratio is infinite")
               : require::fail(errc::missing_input, "advantage", "one number per response, since safe_ratio is finite");
  if (const status s = some_output(out.weight, out.future); !s.ok()) return s;
  const std::int64_t tokens = in.policy.extent[0], n = in.offsets.extent[0] - 1;
  if (n < 0 || tokens < 0)
    return require::fail(errc::bad_extent, n < 0 ? "offsets" : "policy", "at least",
                         static_cast<double>(n < 0 ? n + 1 : tokens), n < 0 ? 1 : 0);
  call_checks<5, 2> call;
  call.read("policy", in.policy, tokens, one_per_token, holds::numbers);
  call.read("old_policy", in.old_policy, tokens, one_per_token, holds::numbers);
  call.read("offsets", in.offsets, n + 1, one_per_response, holds::indices);
  call.read("advantage", in.advantage, n, one_per_response, holds::numbers);
  call.read("mask", in.mask, tokens, one_per_token, holds::flags);
  call.write("weight", out.weight, tokens, one_per_token, holds::numbers);
  call.write("future", out.future, tokens, one_per_token, holds::numbers);
  a.tokens = make_importance_arguments<S>({.policy = in.policy,
                                           .sampler = in.old_policy,
                                           .offsets = in.offsets,
                                           .advantage = in.advantage,
                                           .mask = in.mask},
                                          {.weight = out.weight});
  a.future = place_of(out.future);
  return call.check();
}

struct influence_job {
  const influence* rule;
  const influence_arguments* arguments;
  std::int64_t first, last;  // responses
};

// A response passes through tiles from its end to its beginning: sums one after the other, weights by lanes.
struct influence_work {
  static constexpr int eight = 8;  // the width of a lane of double

  struct tile {
    importance_tile tokens;
    alignas(64) double future[tile_items];

    // The sums at all tokens, from `behind`, the sum behind the last; returns that at the first. Eights of tokens, from
    // the end, are added up on their own, so that only one sum of each has to wait for the eight behind it.
    template <class V>
    inline __attribute__((always_inline)) double add_up(const influence& rule, const V& power, double behind) {
      const int rest = tokens.count % eight;  // at the beginning
      for (int b = rest; b < tokens.count; b += eight) {
        double sum = 0;
        for (int t = b + eight; t-- > b;) future[t] = sum = rule.added(tokens.x[t]) + rule.decay * sum;
      }
      for (int b = tokens.count - eight; b >= 0; b -= eight) {
        (V::load(future + b) + power * V(behind)).store(future + b);
        behind = future[b];
      }
      for (int t = rest; t-- > 0;) future[t] = behind = rule.added(tokens.x[t]) + rule.decay * behind;
      for (int t = tokens.count; t % eight != 0; ++t) future[t] = 0;
      for (int g = 0; g < tokens.count; g += eight)
        select(V::mask::load(tokens.keep + g), V::load(future + g), V(0)).store(future + g);
      return behind;
    }
  };

  template <class Level>
  static inline __attribute__((always_inline)) void run(influence_job& job) {
    using V = lane<double, Level>;
    const influence_arguments& a = *job.arguments;
    const influence rule = *job.rule;
    static_assert(V::width == eight);
    double powers[eight];  // of the decay, by how far a token of an eight is from the one behind it
    for (int k = eight; k-- > 0;) powers[k] = rule.decay * (k + 1 < eight ? powers[k + 1] : 1);
    const V power = V::load(powers);
    tile t;
    for (std::int64_t i = job.first; i < job.last; ++i) {
      const token_range range = range_of(a.tokens.tokens, i);
      const bool loses = read_item<double>(a.tokens.advantage, i) < 0;
      double behind = 0;
      for (std::int64_t end = range.end; end > range.begin; end -= tile_items) {
        const std::int64_t first = end - smaller(tile_items, end - range.begin);
        t.tokens.load<V>(a.tokens, first, end, isa_of<Level>);
        behind = t.add_up(rule, power, behind);
        if (a.future.data != nullptr)
          store_strided(a.future, first, t.tokens.count, t.future, nullptr, false, isa_of<Level>);
        for (int g = 0; g < t.tokens.count; g += V::width) {
          const V w = rule.weight(V::load(t.future + g), V::load(t.tokens.x + g), loses);
          select(V::mask::load(t.tokens.keep + g), w, V(0)).store(t.tokens.x + g);
        }
        t.tokens.store(a.tokens, first, isa_of<Level>);
      }
    }
  }
};

template <class Exec>
status run_influence(const Exec&, const fipo&, const influence_arguments&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}
inline status run_influence(const cpu& exec, const fipo& rule, const influence_arguments& a) {
  isa level;
  if (const status s = resolve_isa(exec, level); !s.ok()) return s;
  const influence ready(rule);
  const std::int64_t n = a.tokens.n, blocks = smaller(n, max_blocks);
  for_blocks(exec, blocks, a.tokens.tokens.tokens, [&](std::int64_t first, std::int64_t last) {
    influence_job job{&ready, &a, n * first / blocks, n * last / blocks};
    run_at<influence_work>(level, job);
  });
  return {};
}

// Offsets; with content::all NaN in selected tokens too.
inline status check_influence_content(const cpu& exec, const importance_arguments& a) {
  if (exec.content == content::none) return {};
  if (const status s = check_offsets(a.tokens, a.n, "offsets"); !s.ok() || exec.content != content::all) return s;
  if (const status s = check_tokens(a.policy, a.tokens, {}, "policy", a.n); !s.ok()) return s;
  return check_tokens(a.sampler, a.tokens, {}, "old_policy", a.n);
}
inline status check_influence_content(const cuda&, const importance_arguments&) { return {}; }

}  // namespace detail

// The weights that `rule` gives the tokens of n responses, for the `weight` of a loss on tokens; what is not given is
// not computed.
//
//   future_influence(cpu{.pool = pool}, fipo{}, {.policy = {p, N}, .old_policy = {q, N}, .offsets = {o, n + 1},
//                    .advantage = {a, n}}, {.weight = {w, N}});
//
// A token whose x is NaN is left out like one that the mask leaves out. Arithmetic is in double, sums in an order that
// depends on the response's length alone: the same bits for any number of threads, any grid and any place in the batch.
// Each token is read once. A response is the work of one thread on the CPU, of one block on CUDA: one launch, no
// scratch memory. Returns the first thing that is wrong (shapes, types, parameters, overlap; on the CPU offsets too);
// then nothing has been written. On CUDA a response of bad offsets is reported and its tokens are not written.
template <class Exec>
status future_influence(const Exec& exec, const fipo& rule,
                        const std::type_identity_t<influence_inputs<Exec::memory>>& in,
                        const std::type_identity_t<influence_outputs<Exec::memory>>& out) {
  detail::influence_arguments a;
  if (const status s = detail::make_influence(rule, in, out, a); !s.ok()) return s;
  if (const status s = detail::check_influence_content(exec, a.tokens); !s.ok()) return s;
  return run_influence(exec, rule, a);
}

}  // namespace PREFER_ABI
}  // namespace prefer
