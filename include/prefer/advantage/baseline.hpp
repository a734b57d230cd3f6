// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/advantage/group_advantage.hpp>
#include <prefer/backend/cpu/strided.hpp>
#include <prefer/core/call_checks.hpp>
#include <prefer/core/math.hpp>
#include <prefer/core/scalar.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

// baseline_advantages: scores less a baseline that is no plain mean of their group: the best of the group is known to
// it, and what every score adds to two sums. A rule is a value:
//
//   struct rule {
//     static constexpr bool reads_weight;
//     constexpr status check() const;
//     // What a score adds: `below` is how far it lies below the best of its group, 0 or less; a number or a lane.
//     template <class V> PREFER_HD V weight(const V& weight) const;
//     template <class V> PREFER_HD V term(const V& below, const V& weight) const;
//     // The baseline less the best, from both sums and the second best (below the best; of one score, 0).
//     PREFER_HD double baseline(double terms, double weights, double second) const;
//     // Whether only the best of a group has an advantage.
//     static constexpr bool of_best_only;
//   };
namespace prefer {

// N scores in n groups, as in group_advantages.
template <space S>
struct baseline_inputs {
  input_view<1, S> score = {};    // N
  input_view<1, S> offsets = {};  // n + 1; int32 or int64
  input_view<1, S> weight = {};   // N; only for rules that read it
  input_view<1, S> mask = {};     // N; bool or uint8: zero leaves the score out of its group
  bool exclude_nan = false;       // a score that is NaN is left out, instead of making its group NaN
};

template <space S>
struct baseline_outputs {
  output_view<1, S> advantage = {};  // N; 0 where a score is left out
  output_view<1, S> baseline = {};   // n; 0 of no scores
};

inline namespace PREFER_ABI {

// OPO: x - sum(w x) / sum(w), w the length of each response. It is the baseline of least variance where the squared
// norm of a response's score function grows with its length; w may be those norms, if they are known. w must not be
// negative; where all are 0 the group is NaN. Source: Hao et al. 2025, "On-policy RL with optimal reward baseline"
// (arXiv 2505.23585), as verl ships it.
struct opo {
  static constexpr bool reads_weight = true, of_best_only = false;
  constexpr status check() const { return {}; }
  template <class V>
  PREFER_HD V weight(const V& w) const {
    return w;
  }
  template <class V>
  PREFER_HD V term(const V& below, const V& w) const {
    return w * below;
  }
  PREFER_HD double baseline(double terms, double weights, double) const { return terms / weights; }
};

// The optimal value of a prompt under a penalty of beta KL to the policy that sampled its scores:
//
//   V* = beta log(mean of e^(x / beta))
//
// from the mean (beta to infinity) to the best (beta to 0). A*-PO finds it once, from scores of the reference policy,
// and trains on A = r - V* of one new sample per prompt (a_star_po): that is `baseline`. Exact in both tails: nothing
// overflows, and small differences are not lost in a large beta. (Where one of n scores is far above all others, its
// share of 1 / n carries the roundings of n terms: an error of about 10 n of them, times beta, for n up to 65536.)
// Errors: beta must be finite and above 0. Source:
// Brantley et al. 2025 (arXiv 2505.20686), read in released code, where beta is 0.5 of 8 samples.
struct optimal_value {
  static constexpr bool reads_weight = false, of_best_only = false;
  scalar beta = 0.5;

  constexpr status check() const { return require::positive(beta, "beta"); }
  template <class V>
  PREFER_HD V weight(const V&) const {
    return V(1);
  }
  template <class V>
  PREFER_HD V term(const V& below, const V&) const {
    return math::expm1(below / V(beta.as<double>()));
  }
  PREFER_HD double baseline(double terms, double weights, double) const {
    return beta.as<double>() * math::log1p(terms / weights);
  }
};

// The best score of a group less the second best, for the best alone (the first of equal ones, whose advantage is 0
// then); 0 for all others, and in a group of one. What a group's success is worth where one success is enough (pass at
// k). Source: verl (its estimator "grpo_passk", there divided by the group's deviation if asked for), as notes say.
struct grpo_pass_k {
  static constexpr bool reads_weight = false, of_best_only = true;
  constexpr status check() const { return {}; }
  template <class V>
  PREFER_HD V weight(const V&) const {
    return V(0);
  }
  template <class V>
  PREFER_HD V term(const V&, const V&) const {
    return V(0);
  }
  PREFER_HD double baseline(double, double, double second) const { return second; }
};

namespace detail {

struct baseline_arguments {
  group_arguments groups;
  source weight;
  sink baseline;

  PREFER_HD double score_at(std::int64_t i) const { return read_item<double>(groups.score, i); }
  PREFER_HD bool takes(std::int64_t i, double x) const {
    return selects(groups.scores.mask, i) && !(groups.exclude_nan && math::is_nan(x));
  }
};

// The two best scores of a group, and the place of the first best. One that is not finite spoils the group.
struct best_scores {
  double best = -math::detail::infinity<double>(), second = best;
  std::int64_t at = -1, count = 0;
  bool spoiled = false;

  PREFER_HD void add(double x, std::int64_t place) {
    ++count;
    spoiled = spoiled || !math::is_finite(x);
    if (at < 0 || x > best)
      second = best, best = x, at = place;
    else if (x > second)
      second = x;
  }
  // Those of other places of the group too.
  PREFER_HD void merge(const best_scores& o) {
    count += o.count, spoiled = spoiled || o.spoiled;
    if (o.at < 0) return;
    const bool theirs = at < 0 || o.best > best || (o.best == best && o.at < at);
    const double lesser = at < 0 ? -math::detail::infinity<double>() : theirs ? best : o.best;
    const double next = second > o.second ? second : o.second;
    second = lesser > next ? lesser : next;
    if (theirs) best = o.best, at = o.at;
  }
};

// A group's baseline, less its best score.
struct baseline_of_group {
  best_scores known;
  double below = 0;
  bool of_best_only = false;

  template <class Rule>
  static PREFER_HD baseline_of_group make(const Rule& rule, const best_scores& b, double terms, double weights) {
    baseline_of_group g{b, 0, Rule::of_best_only};
    if (b.count > 0) g.below = rule.baseline(terms, weights, b.count > 1 ? b.second - b.best : 0);
    if (b.spoiled) g.below = math::detail::not_a_number<double>();
    return g;
  }
  PREFER_HD double value() const { return known.count > 0 ? known.best + below : 0; }
  PREFER_HD double advantage(double x, std::int64_t place) const {
    return of_best_only && place != known.at && !known.spoiled ? 0 : (x - known.best) - below;
  }
};

template <class Rule>
struct baseline_job {
  const Rule* rule;
  const baseline_arguments* arguments;
  std::int64_t first, last;  // groups
};

// Scores pass through tiles; one holds as many whole groups as there is room for.
template <class Rule>
struct baseline_work {
  struct tile {
    alignas(64) double x[tile_items + 8], w[tile_items + 8];
    std::uint8_t keep[tile_items + 8];
    int count = 0;

    void load(const baseline_arguments& a, std::int64_t first, std::int64_t end, isa level) {
      count = static_cast<int>(smaller(tile_items, end - first));
      load_strided(a.groups.score, first, count, x, level);
      if (Rule::reads_weight) load_strided(a.weight, first, count, w, level);
      if (a.groups.scores.mask.data == nullptr && !a.groups.exclude_nan)
        std::memset(keep, 1, static_cast<std::size_t>(count));
      else
        for (int i = 0; i < count; ++i) keep[i] = a.takes(first + i, x[i]);
    }
    void best_of(int from, int number, std::int64_t place, best_scores& b) const {
      for (int i = 0; i < number; ++i)
        if (keep[from + i] != 0) b.add(x[from + i], place + i);
    }
    void answer(const baseline_of_group& g, int from, int number, std::int64_t place) {
      for (int i = 0; i < number; ++i) x[from + i] = keep[from + i] != 0 ? g.advantage(x[from + i], place + i) : 0;
    }
    void store(const baseline_arguments& a, std::int64_t first, isa level) const {
      if (a.groups.out.data != nullptr) store_strided(a.groups.out, first, count, x, nullptr, false, level);
    }
  };

  // Which of `number` scores from one on are in a lane, and selected.
  template <class V>
  static inline __attribute__((always_inline)) auto inside(const tile& t, int from, int i, int number) {
    return V::mask::load(t.keep + from + i) & (V::index() + V(static_cast<double>(i)) < V(static_cast<double>(number)));
  }

  // The best of a group and its sums, the scores dealt to the elements of a lane. Only rules whose advantage is the
  // best's need to know which that is, and the second.
  template <class V>
  struct group_pass {
    V most, count, spoil, terms, weights;
    best_scores known;
    group_pass() : most(-math::detail::infinity<double>()), count(0), spoil(0), terms(0), weights(0) {}

    inline __attribute__((always_inline)) void look(const tile& t, int from, int number, std::int64_t place) {
      if (Rule::of_best_only) return t.best_of(from, number, place, known);
      for (int i = 0; i < number; i += V::width) {
        const auto here = inside<V>(t, from, i, number);
        const V x = V::load(t.x + from + i);
        most = math::max(select(here, x, most), most);
        count += select(here, V(1), V(0));
        spoil += select(here, math::nan_of(x) + (x - x), V(0));  // the difference of an infinity is NaN, too
      }
    }
    inline __attribute__((always_inline)) best_scores best() const {
      if (Rule::of_best_only) return known;
      alignas(64) double each[V::width];
      most.store(each);
      best_scores b;
      for (const double x : each) b.best = x > b.best ? x : b.best;
      b.second = b.best, b.at = 0;
      b.count = static_cast<std::int64_t>(count.sum()), b.spoiled = math::is_nan(spoil.sum());
      return b;
    }
    inline __attribute__((always_inline)) void add(const Rule& rule, const tile& t, int from, int number, double best) {
      for (int i = 0; i < number; i += V::width) {
        const auto here = inside<V>(t, from, i, number);
        const V w = Rule::reads_weight ? V::load(t.w + from + i) : V(1);
        terms += select(here, rule.term(V::load(t.x + from + i) - V(best), w), V(0)).settled();
        weights += select(here, rule.weight(w), V(0)).settled();
      }
    }
    // A lane may reach into the next group, whose scores it leaves as they are.
    static inline __attribute__((always_inline)) void answer(const baseline_of_group& g, tile& t, int from, int number,
                                                             std::int64_t place) {
      if (Rule::of_best_only) return t.answer(g, from, number, place);
      for (int i = 0; i < number; i += V::width) {
        const V x = V::load(t.x + from + i), own = (x - V(g.known.best)) - V(g.below);
        const auto in_group = V::index() + V(static_cast<double>(i)) < V(static_cast<double>(number));
        const auto here = inside<V>(t, from, i, number);
        select(in_group, select(here, own, V(0)), x).store(t.x + from + i);
      }
    }
  };

  template <class Level>
  static inline __attribute__((always_inline)) void run(baseline_job<Rule>& job) {
    using V = lane<double, Level>;
    constexpr isa level = isa_of<Level>;
    const baseline_arguments& a = *job.arguments;
    const Rule rule = *job.rule;
    tile t = {};
    const auto finish = [&](std::int64_t g, const best_scores& b, const group_pass<V>& s) PREFER_HD_LAMBDA {
      const auto found = baseline_of_group::make(rule, b, s.terms.sum(), s.weights.sum());
      write_item(a.baseline, g, true, found.value(), false);
      return found;
    };
    for (std::int64_t g = job.first; g < job.last;) {
      const token_range first = range_of(a.groups.scores, g);
      std::int64_t end = first.end, next = g + 1;
      for (; next < job.last; ++next) {
        const std::int64_t further = range_of(a.groups.scores, next).end;
        if (further - first.begin > tile_items) break;
        end = further;
      }
      if (first.size() > tile_items) {
        group_pass<V> s;
        each_tile(a, t, first, level,
                  [&](std::int64_t at) PREFER_HD_LAMBDA { s.look(t, 0, t.count, at - first.begin); });
        const best_scores b = s.best();
        each_tile(a, t, first, level, [&](std::int64_t) PREFER_HD_LAMBDA { s.add(rule, t, 0, t.count, b.best); });
        const auto found = finish(g++, b, s);
        each_tile(a, t, first, level, [&](std::int64_t at) PREFER_HD_LAMBDA {
          s.answer(found, t, 0, t.count, at - first.begin);
          t.store(a, at, level);
        });
        continue;
      }
      t.load(a, first.begin, end, level);
      for (; g < next; ++g) {
        const token_range own = range_of(a.groups.scores, g);
        const int from = static_cast<int>(own.begin - first.begin), number = static_cast<int>(own.size());
        group_pass<V> s;
        s.look(t, from, number, 0);
        const best_scores b = s.best();
        s.add(rule, t, from, number, b.best);
        s.answer(finish(g, b, s), t, from, number, 0);
      }
      t.store(a, first.begin, level);
    }
  }

 private:
  template <class F>
  static inline __attribute__((always_inline)) void each_tile(const baseline_arguments& a, tile& t,
                                                              const token_range& range, isa level, const F& f) {
    for (std::int64_t at = range.begin; at < range.end; at += tile_items) {
      t.load(a, at, range.end, level);
      f(at);
    }
  }
};

template <class Exec, class Rule>
status run_baseline(const Exec&, const Rule&, const baseline_arguments&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}
template <class Rule>
status run_baseline(const cpu& exec, const Rule& rule, const baseline_arguments& a) {
  isa level;
  if (const status s = resolve_isa(exec, level); !s.ok()) return s;
  const std::int64_t n = a.groups.groups, blocks = smaller(n, max_blocks);
  for_blocks(exec, blocks, a.groups.scores.tokens, [&](std::int64_t first, std::int64_t last) {
    baseline_job<Rule> job{&rule, &a, n * first / blocks, n * last / blocks};
    run_at<baseline_work<Rule>>(level, job);
  });
  return {};
}

template <class Rule, space S>
status make_baseline(const Rule& rule, const baseline_inputs<S>& in, const baseline_outputs<S>& out,
                     baseline_arguments& a) {
  using require::holds;
  if (const status s = rule.check(); !s.ok()) return s;
  const advantage_inputs<S> groups{
      .score = in.score, .offsets = in.offsets, .mask = in.mask, .exclude_nan = in.exclude_nan};
  const advantage_outputs<S> outputs{.advantage = out.advantage};
  if (const status s = check_groups(groups, outputs, false); !s.ok()) return s;
  if (in.weight.given() != Rule::reads_weight)
    return in.weight.given()
               ? require::fail(errc::unused_input, "weight", "to be left out, since this rule does not read it")
               : require::fail(errc::missing_input, "weight", "one number per score, since this rule reads it");
  if (const status s = some_output(out.advantage, out.baseline); !s.ok()) return s;
  a.groups = make_group_arguments(groups, outputs);
  call_checks<4, 2> call;
  call.read("score", in.score, a.groups.scores.tokens, one_per_score, holds::numbers);
  call.read("offsets", in.offsets, a.groups.groups + 1, one_per_group, holds::indices);
  call.read("weight", in.weight, a.groups.scores.tokens, one_per_score, holds::numbers);
  call.read("mask", in.mask, a.groups.scores.tokens, one_per_score, holds::flags);
  call.write("advantage", out.advantage, a.groups.scores.tokens, one_per_score, holds::numbers);
  call.write("baseline", out.baseline, a.groups.groups, one_per_group, holds::numbers);
  a.weight = place_of(in.weight), a.baseline = place_of(out.baseline);
  return call.check();
}

}  // namespace detail

// The baseline of each of n groups by `rule` (opo, optimal_value, grpo_pass_k, or one of their shape), and the scores
// less it; what is not given is not computed.
//
//   baseline_advantages(cpu{.pool = pool}, opo{}, {.score = {x, N}, .offsets = {o, n + 1}, .weight = {length, N}},
//                       {.advantage = {a, N}});
//
// A group of equal scores has that score as its baseline and advantages of exactly 0, whatever the number, and so has a
// group of one. A NaN (or infinite) score makes its group NaN. Arithmetic is in double, about the best score, in an
// order that a group's length alone decides: the same bits for any number of threads, any grid and any place in the
// batch. A group is the work of one thread on the CPU; on CUDA of a warp, of a block from 1024 scores on: one launch,
// no scratch memory, each score read up to three times. Returns the first thing that is wrong (shapes, types,
// parameters, overlap; on the CPU offsets too); then nothing has been written. On CUDA a group of bad offsets is
// reported: its baseline is NaN, its advantages are not written.
template <class Exec, class Rule>
status baseline_advantages(const Exec& exec, const Rule& rule,
                           const std::type_identity_t<baseline_inputs<Exec::memory>>& in,
                           const std::type_identity_t<baseline_outputs<Exec::memory>>& out) {
  detail::baseline_arguments a;
  if (const status s = detail::make_baseline(rule, in, out, a); !s.ok()) return s;
  if (const status s = detail::check_group_content(exec, a.groups); !s.ok()) return s;
  return run_baseline(exec, rule, a);
}

}  // namespace PREFER_ABI
}  // namespace prefer
