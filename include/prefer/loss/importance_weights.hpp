// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/segmented_map_reduce.hpp>
#include <prefer/backend/item.hpp>
#include <prefer/backend/row_map_reduce.hpp>
#include <prefer/core/checks.hpp>
#include <prefer/core/evaluate_tokens.hpp>
#include <prefer/core/execution.hpp>
#include <prefer/loss/importance_rules.hpp>

#include <cstdint>
#include <type_traits>

// importance_weights: what each token of a batch of responses counts in a policy loss, because what sampled it and what
// is trained differ, and because of how a loss is averaged over tokens and responses.
namespace prefer {

// N tokens in n responses: response i owns the tokens [offsets[i], offsets[i + 1]).
template <space S>
struct importance_inputs {
  input_view<1, S> policy = {};  // N: log-probabilities of the policy that is trained, or of its copy before the update
  input_view<1, S> sampler = {};    // N: log-probabilities of what drew the tokens
  input_view<1, S> offsets = {};    // n + 1; int32 or int64
  input_view<1, S> advantage = {};  // n; only for rules that read it
  input_view<1, S> mask = {};       // N; bool or uint8: zero leaves the token out
  bool mean_of_tokens = false;      // divide the weights of tokens by the number of their response's tokens
};

template <space S>
struct importance_outputs {
  output_view<1, S> weight = {};           // N; 0 for a token that is left out or dropped
  output_view<1, S> keep = {};             // N; bool or uint8: whether the token's weight is not 0
  output_view<1, S> response_weight = {};  // n; for rules that weigh all tokens of a response alike
  output_view<1, S> mean_log_ratio = {};   // n: of x over the response's tokens; 0 for none
  output_view<1, S> length = {};           // n: how many tokens are selected, dropped ones included
  output_view<1, S> kept = {};             // n: how many of them have a weight that is not 0
};

inline namespace PREFER_ABI {
namespace detail {

template <class Rule>
inline constexpr bool reads_ratios = true;
template <class Rule>
requires requires { Rule::reads_ratios; }
inline constexpr bool reads_ratios<Rule> = Rule::reads_ratios;

struct importance_arguments {
  std::int64_t n = 0;
  segment_source tokens;  // the runs and the mask
  source policy, sampler, advantage;
  sink weight, keep, response_weight, mean_log_ratio, length, kept;
  bool mean_of_tokens = false;
};

inline constexpr const char* one_per_token = "one per token:";
inline constexpr const char* one_per_response = "one per response, one less than offsets:";

// How many tokens there are: what the first vector of tokens that is given says.
template <space S>
std::int64_t importance_tokens(const importance_inputs<S>& in, const importance_outputs<S>& out) {
  for (const auto* v : {&in.policy, &in.mask})
    if (v->given()) return v->extent[0];
  for (const auto* v : {&out.weight, &out.keep})
    if (v->given()) return v->extent[0];
  return 0;
}

template <class Rule, space S>
status check_importance_use(const Rule& rule, const importance_inputs<S>& in, const importance_outputs<S>& out) {
  using require::fail;
  if (reads_ratios<Rule> && !in.policy.given())
    return fail(errc::missing_input, "policy", "one log-probability per token");
  if (reads_ratios<Rule> && !in.sampler.given())
    return fail(errc::missing_input, "sampler", "one log-probability per token");
  if (!in.offsets.given()) return fail(errc::missing_input, "offsets", "where each response begins, and the end");
  if (Rule::reads_advantage && !in.advantage.given())
    return fail(errc::missing_input, "advantage", "one number per response, since this rule reads it");
  const char* unread = "to be left out, since this rule does not read it";
  if (!reads_ratios<Rule> && in.policy.given()) return fail(errc::unused_input, "policy", unread);
  if (!reads_ratios<Rule> && in.sampler.given()) return fail(errc::unused_input, "sampler", unread);
  if (!Rule::reads_advantage && in.advantage.given()) return fail(errc::unused_input, "advantage", unread);
  if (out.response_weight.given() && !rule.per_response())
    return fail(errc::unavailable_output, "response_weight",
                "to be left out, since the tokens of a response have weights of their own");
  if (!reads_ratios<Rule> && out.mean_log_ratio.given())
    return fail(errc::unavailable_output, "mean_log_ratio", "to be left out, since this rule reads no ratios");
  if (!reads_ratios<Rule> && !in.mask.given() && !out.weight.given() && !out.keep.given())
    return fail(errc::missing_input, "mask", "a mask, or an output per token, to say how many tokens there are");
  return out.weight.given() || out.keep.given() || out.response_weight.given() || out.mean_log_ratio.given() ||
                 out.length.given() || out.kept.given()
             ? status{}
             : fail(errc::missing_output, "outputs", "at least one output to write");
}

template <space S>
status check_importance_shapes(const importance_inputs<S>& in, const importance_outputs<S>& out) {
  using require::holds;
  const std::int64_t tokens = importance_tokens(in, out), n = in.offsets.extent[0] - 1;
  if (n < 0 || tokens < 0)
    return require::fail(errc::bad_extent, n < 0 ? "offsets" : "policy", "at least",
                         static_cast<double>(n < 0 ? n + 1 : tokens), n < 0 ? 1 : 0);
  require::footprints<5, 6> all;
  status first;
  const auto look = [&](const char* name, const auto& v, std::int64_t extent, const char* whose, holds what) {
    if (!v.given() || !first.ok()) return;
    first = require::vector(name, v, extent, whose, what);
    if constexpr (std::is_same_v<std::remove_cvref_t<decltype(v)>, input_view<1, S>>)
      all.read(name, v);
    else
      all.write(name, v);
  };
  look("policy", in.policy, tokens, one_per_token, holds::numbers);
  look("sampler", in.sampler, tokens, one_per_token, holds::numbers);
  look("offsets", in.offsets, n + 1, one_per_response, holds::indices);
  look("advantage", in.advantage, n, one_per_response, holds::numbers);
  look("mask", in.mask, tokens, one_per_token, holds::flags);
  look("weight", out.weight, tokens, one_per_token, holds::numbers);
  look("keep", out.keep, tokens, one_per_token, holds::flags);
  look("response_weight", out.response_weight, n, one_per_response, holds::numbers);
  look("mean_log_ratio", out.mean_log_ratio, n, one_per_response, holds::numbers);
  look("length", out.length, n, one_per_response, holds::numbers);
  look("kept", out.kept, n, one_per_response, holds::numbers);
  return first.ok() ? all.check() : first;
}

template <space S>
importance_arguments make_importance_arguments(const importance_inputs<S>& in, const importance_outputs<S>& out) {
  importance_arguments a;
  a.n = in.offsets.extent[0] - 1;
  a.tokens = segments_of(in.offsets, importance_tokens(in, out));
  a.tokens.mask = place_of(in.mask);
  a.policy = place_of(in.policy), a.sampler = place_of(in.sampler), a.advantage = place_of(in.advantage);
  a.weight = place_of(out.weight), a.keep = place_of(out.keep);
  a.response_weight = place_of(out.response_weight), a.mean_log_ratio = place_of(out.mean_log_ratio);
  a.length = place_of(out.length), a.kept = place_of(out.kept);
  a.mean_of_tokens = in.mean_of_tokens;
  return a;
}

// Offsets; with content::all NaN in selected tokens too.
inline status check_importance_content(const cpu& exec, const importance_arguments& a) {
  if (exec.content == content::none) return {};
  if (const status s = check_offsets(a.tokens, a.n, "offsets"); !s.ok() || exec.content != content::all) return s;
  if (const status s = check_tokens(a.policy, a.tokens, {}, "policy", a.n); !s.ok()) return s;
  return check_tokens(a.sampler, a.tokens, {}, "sampler", a.n);
}
inline status check_importance_content(const cuda&, const importance_arguments&) { return {}; }

// The outputs of a response but its tokens'.
PREFER_HD void write_response(const importance_arguments& a, std::int64_t i, const importance_response& r,
                              double weight, double kept) {
  write_item(a.response_weight, i, true, weight, false);
  write_item(a.mean_log_ratio, i, true, r.mean(), false);
  write_item(a.length, i, true, r.count, false);
  write_item(a.kept, i, true, kept, false);
}

// What multiplies the weights of a response's tokens.
PREFER_HD double token_share(const importance_arguments& a, const importance_response& r) {
  return a.mean_of_tokens && r.count > 0 ? 1 / r.count : 1;
}

// x of one selected token; NaN, as from two log-probabilities of -infinity, leaves it out like the mask.
PREFER_HD double log_ratio_of(double policy, double sampler, bool& selected) {
  const double x = policy - sampler;
  selected = !math::is_nan(x);
  return selected ? within_importance_limit(x) : 0;
}

// At most tile_items tokens of a response: x, then weights, and which of them count.
struct importance_tile {
  alignas(64) double x[tile_items], other[tile_items];
  alignas(64) std::uint8_t keep[tile_items];
  int count = 0;

  template <class V>
  inline __attribute__((always_inline)) void load(const importance_arguments& a, std::int64_t first, std::int64_t end,
                                                  isa level) {
    count = static_cast<int>(smaller(tile_items, end - first));
    const int whole = (count + 7) / 8 * 8;
    const bool ratios = a.policy.data != nullptr;
    if (ratios) load_strided(a.policy, first, count, x, level), load_strided(a.sampler, first, count, other, level);
    if (ratios && a.tokens.mask.data == nullptr) {
      for (int i = count; i < whole; ++i) x[i] = other[i] = 0;
      if (all_log_ratios<V>()) {
        for (int i = 0; i < whole; ++i) keep[i] = i < count;
        return;
      }
    }
    for (int i = 0; i < whole; ++i) {
      bool selected = i < count && selects(a.tokens.mask, first + i);
      x[i] = ratios && selected ? log_ratio_of(x[i], other[i], selected) : 0;
      keep[i] = selected;
    }
  }
  // Where none of them is NaN: x of all tokens, by lanes. Else nothing has happened.
  template <class V>
  inline __attribute__((always_inline)) bool all_log_ratios() {
    V spoilt(0);
    for (int g = 0; g < count; g += V::width) spoilt += math::nan_of(V::load(x + g) - V::load(other + g));
    if (math::is_nan(spoilt.sum())) return false;
    const V most(importance_limit);
    for (int g = 0; g < count; g += V::width) {
      const V apart = V::load(x + g) - V::load(other + g);
      math::select(apart < -most, -most, math::select(apart > most, most, apart)).store(x + g);
    }
    return true;
  }
  void store(const importance_arguments& a, std::int64_t first, isa level) const {
    if (a.weight.data != nullptr) store_strided(a.weight, first, count, x, nullptr, false, level);
    for (int i = 0; a.keep.data != nullptr && i < count; ++i) write_flag(a.keep, first + i, x[i] != 0);
  }
};

struct learns_nothing {};

// A rule without its type: the work of all rules that answer with one kind of function and learn alike is compiled
// once.
template <class Function, class Learner>
struct importance_job {
  const void* rule;
  const Learner* learner;
  Function (*function)(const void* rule, const importance_response& r);
  const importance_arguments* arguments;
  std::int64_t first, last;  // responses
};

// A response passes through lanes of double in tiles, once to learn of it and once to weigh its tokens; one that fits
// into a tile is read once.
template <class Function, class Learner>
struct importance_work {
  using job_type = importance_job<Function, Learner>;

  template <class V>
  struct sums {
    V count, sum, learnt, largest;
    sums() : count(0), sum(0), learnt(0), largest(0) {}

    inline __attribute__((always_inline)) void add(const Learner& learner, const importance_tile& t) {
      for (int g = 0; g < t.count; g += V::width) {
        const V x = V::load(t.x + g);
        const auto keep = V::mask::load(t.keep + g);
        sum += x;
        count += select(keep, V(1), V(0));
        if constexpr (requires { learner.learn(x); }) {
          const V own = select(keep, learner.learn(x), V(0)).settled();
          learnt += own;
          largest = math::max(own, largest);
        }
      }
    }
    importance_response response() const {
      importance_response r;
      r.count = count.sum(), r.sum = sum.sum(), r.learnt = learnt.sum();
      alignas(64) double each[V::width];
      largest.store(each);
      for (const double x : each) r.largest = x > r.largest ? x : r.largest;
      return r;
    }
  };

  // Weights into the tile's x; how many are not 0.
  template <class V>
  static inline __attribute__((always_inline)) double weigh(const Function& f, const V& share, importance_tile& t) {
    V kept(0);
    for (int g = 0; g < t.count; g += V::width) {
      const V w = select(V::mask::load(t.keep + g), f(V::load(t.x + g)), V(0));
      kept += select(w == V(0), V(0), V(1));
      (w * share).store(t.x + g);
    }
    return kept.sum();
  }

  template <class Level>
  static inline __attribute__((always_inline)) void run(job_type& job) {
    using V = lane<double, Level>;
    const importance_arguments& a = *job.arguments;
    const bool each = a.weight.data != nullptr || a.keep.data != nullptr || a.kept.data != nullptr;
    importance_tile t;
    for (std::int64_t i = job.first; i < job.last; ++i) {
      const token_range range = range_of(a.tokens, i);
      sums<V> all;
      for (std::int64_t first = range.begin; first < range.end; first += tile_items) {
        t.template load<V>(a, first, range.end, isa_of<Level>);
        all.add(*job.learner, t);
      }
      importance_response r = all.response();
      r.advantage = read_item<double>(a.advantage, i);
      const Function f = job.function(job.rule, r);
      const V share(token_share(a, r));
      double kept = 0;
      for (std::int64_t first = range.begin; each && first < range.end; first += tile_items) {
        if (range.size() > tile_items) t.template load<V>(a, first, range.end, isa_of<Level>);
        kept += weigh(f, share, t);
        t.store(a, first, isa_of<Level>);
      }
      write_response(a, i, r, f(0.0), kept);
    }
  }
};

template <class Exec, class Rule>
status run_importance(const Exec&, const Rule&, const importance_arguments&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}
template <class Function, class Learner>
status run_importance_job(const cpu& exec, const importance_job<Function, Learner>& whole) {
  isa level;
  if (const status s = resolve_isa(exec, level); !s.ok()) return s;
  const std::int64_t n = whole.arguments->n, blocks = smaller(n, max_blocks);
  for_blocks(exec, blocks, whole.arguments->tokens.tokens, [&](std::int64_t first, std::int64_t last) {
    auto job = whole;
    job.first = n * first / blocks, job.last = n * last / blocks;
    run_at<importance_work<Function, Learner>>(level, job);
  });
  return {};
}
template <class Rule>
status run_importance(const cpu& exec, const Rule& rule, const importance_arguments& a) {
  using function = decltype(rule(importance_response{}));
  constexpr auto ask = [](const void* self, const importance_response& r) {
    return (*static_cast<const Rule*>(self))(r);
  };
  if constexpr (requires { rule.learn(0.0); }) {
    return run_importance_job(exec, importance_job<function, Rule>{&rule, &rule, ask, &a, 0, 0});
  } else {
    static constexpr learns_nothing nothing;
    return run_importance_job(exec, importance_job<function, learns_nothing>{&rule, &nothing, ask, &a, 0, 0});
  }
}

}  // namespace detail

// The weights that `rule` (loss/importance_rules.hpp) gives the tokens of n responses, or the responses; what is not
// given is not computed.
//
//   x = policy - sampler, held between -20 and 20; a token whose x is NaN is left out like one that the mask leaves out
//   weight = rule's weight of the token, times 1 / length of its response with mean_of_tokens
//
// They are the `weight` of any policy loss on tokens (evaluate), `keep` its mask or the token_mask of a loss on
// responses (evaluate_tokens), response_weight the weight of the latter. Averages over tokens and responses are these
// weights and a normaliser:
//
//   mean over tokens                      weights as they are; the number of tokens (the default, without drops)
//   mean over responses of token means    mean_of_tokens; the number of responses
//   mean over responses of sums           weights as they are; the number of responses
//   a constant                            weights as they are; the number of responses times the longest length
//
// Arithmetic is in double, sums in an order that depends on the response's length alone: the same bits for any number
// of threads, any grid and any place in the batch. A response is the work of one thread on the CPU, of one block on
// CUDA: one launch, no scratch memory. Returns the first thing that is wrong (shapes, types, parameters, overlap; on
// the CPU offsets too); then nothing has been written. On CUDA a response of bad offsets is reported: its own outputs
// are NaN, its tokens' are not written.
template <class Exec, class Rule>
status importance_weights(const Exec& exec, const Rule& rule,
                          const std::type_identity_t<importance_inputs<Exec::memory>>& in,
                          const std::type_identity_t<importance_outputs<Exec::memory>>& out) {
  if (const status s = rule.check(); !s.ok()) return s;
  if (const status s = detail::check_importance_use(rule, in, out); !s.ok()) return s;
  if (const status s = detail::check_importance_shapes(in, out); !s.ok()) return s;
  const detail::importance_arguments a = detail::make_importance_arguments(in, out);
  if (const status s = detail::check_importance_content(exec, a); !s.ok()) return s;
  return run_importance(exec, rule, a);
}

}  // namespace PREFER_ABI
}  // namespace prefer
