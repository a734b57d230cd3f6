// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/advantage/group_advantage.hpp>
#include <prefer/backend/cpu/for_groups.hpp>
#include <prefer/core/arena.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

// rank_advantages: advantages from the order of the scores of a group alone, whatever their scale.
namespace prefer {

// N scores in n groups, as in group_advantages.
template <space S>
struct rank_advantage_inputs {
  input_view<1, S> score = {};    // N
  input_view<1, S> offsets = {};  // n + 1; int32 or int64
  input_view<1, S> mask = {};     // N; bool or uint8: zero leaves the score out of its group
  bool exclude_nan = false;       // a score that is NaN is left out, instead of making its group NaN
};

template <space S>
struct rank_advantage_outputs {
  output_view<1, S> advantage = {};  // N; 0 where a score is left out
};

// Where a score stands among the `count` selected ones of its group: how many are smaller, how many equal (itself
// included), and how many of these come before it. -0 is 0; infinite scores are numbers like others.
struct score_place {
  std::int64_t count = 1, below = 0, equal = 1, before = 0;

  PREFER_HD bool best() const { return below + equal == count; }
  PREFER_HD bool worst() const { return below == 0; }
};

inline namespace PREFER_ABI {

// 2 (below + (equal - 1) / 2) / (n - 1) - 1: from -1 for the worst to 1 for the best, equal scores sharing the mean of
// their ranks, so that a group of equal scores, or of one, gets 0 exactly, and every group adds up to 0. Half of it is
// the centred rank of evolution strategies (Salimans et al. 2017, arXiv 1703.03864). Given as scores to
// group_advantages with grpo{} it is PaCo-RL's rank-based GRPO (arXiv 2512.04784, released code, where ties are broken
// by position instead): its ranks are in [0, 1], a shift and half the scale, which only epsilon notices.
struct centred_ranks {
  constexpr status check() const { return {}; }
  PREFER_HD double operator()(const score_place& p) const {
    if (p.count < 2) return 0;
    return static_cast<double>(2 * p.below + p.equal - p.count) / static_cast<double>(p.count - 1);
  }
};

// `best` for the best score of a group, `worst` for the worst, 0 for the others. All that share such a score get it, or
// with `first` the first of them only. A group of equal scores, or of one, gets 0: it has nothing to tell. Source:
// Adv-GRPO (arXiv 2511.20256, released code): its mode "best" is {.best = 1, .worst = 0}, "dpo" is {.first = true}; in
// groups of equal scores these give 1 to all, and 1 and -1 to the second and the first.
struct best_worst {
  static constexpr bool ends_only = true;
  scalar best = 1.0, worst = -1.0;
  bool first = false;

  constexpr status check() const {
    return first_error(require::is_finite(best, "best"), require::is_finite(worst, "worst"));
  }
  PREFER_HD double operator()(const score_place& p) const {
    if (p.equal == p.count || (first && p.before > 0)) return 0;
    return p.best() ? best.as<double>() : p.worst() ? worst.as<double>() : 0;
  }
};

namespace detail {

// Scores as integers that sort alike. What is left out has the last key, NaN that are not the one before it.
struct place_keys {
  static constexpr std::uint64_t spoiled = left_out - 1;
  source score, mask;
  bool exclude_nan = false;

  PREFER_HD std::uint64_t key_of(double x) const {
    if (math::is_nan(x)) return exclude_nan ? left_out : spoiled;
    return sortable(x == 0 ? 0.0 : x);
  }
  PREFER_HD std::uint64_t key(std::int64_t s) const {
    return selects(mask, s) ? key_of(read_item<double>(score, s)) : left_out;
  }
  void fill(std::int64_t first, int count, std::uint64_t* keys) const {
    double x[tile_items];
    load_strided(score, first, count, x);
    for (int i = 0; i < count; ++i) keys[i] = key_of(x[i]);
    for (int i = 0; mask.data != nullptr && i < count; ++i)
      if (!selects(mask, first + i)) keys[i] = left_out;
  }
};

template <class Rule>
struct place_work {
  place_keys keys;
  Rule rule;
  sink out;

  PREFER_HD void write(std::int64_t s, std::uint64_t key, bool spoiled, const score_place& p) const {
    const double answer = key == left_out ? 0 : spoiled ? math::detail::not_a_number<double>() : rule(p);
    write_item(out, s, true, answer, false);
  }

  // Every score against every other.
  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    const auto place = team.places(g, keys);
    const std::int64_t count = team.total(
        g.count, [&](std::int64_t i) PREFER_HD_LAMBDA { return std::int64_t{place(i).key < left_out ? 1 : 0}; });
    const bool spoiled = team.total(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA {
      return std::int64_t{place(i).key == place_keys::spoiled ? 1 : 0};
    }) > 0;
    team.each(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA {
      const std::uint64_t key = place(i).key;
      score_place p{count, 0, 0, 0};
      for (std::int64_t j = 0; j < g.count && key < place_keys::spoiled; ++j) {
        const std::uint64_t other = place(j).key;
        p.below += other < key, p.equal += other == key, p.before += other == key && j < i;
      }
      write(g.first + i, key, spoiled, p);
    });
  }
};

// Every one of up to 64 numbers against every other, by lanes.
struct compare_work {
  static constexpr int most = 64;
  int count;
  alignas(64) double x[most + 8], below[most + 8], equal[most + 8], before[most + 8];

  template <class Level>
  static inline __attribute__((always_inline)) void run(compare_work& w) {
    using V = lane<double, Level>;
    for (int i = 0; i < w.count; i += V::width) {
      const V mine = V::load(w.x + i), place = V::index() + V(static_cast<double>(i));
      V below(0), equal(0), before(0);
      for (int j = 0; j < w.count; ++j) {
        const V other(w.x[j]);
        const V same = select(other == mine, V(1), V(0));
        below += select(other < mine, V(1), V(0)), equal += same;
        before += select(V(static_cast<double>(j)) < place, same, V(0));
      }
      below.store(w.below + i), equal.store(w.equal + i), before.store(w.before + i);
    }
  }
};

// Whether a rule looks at best() and worst() only, and at `equal` and `before` of those.
template <class Rule>
inline constexpr bool looks_at_ends = false;
template <class Rule>
requires requires { Rule::ends_only; }
inline constexpr bool looks_at_ends<Rule> = Rule::ends_only;

// What one thread does on the CPU: short groups are compared, longer ones sorted, in memory of its own up to 1024
// scores and in `room`, if there is one, beyond.
template <class Rule>
class place_thread {
 public:
  place_thread(const place_work<Rule>& work, isa level, ranked* room) : work_(work), level_(level), room_(room) {}

  void run(const group_range& g) {
    if (looks_at_ends<Rule> && g.count > few) return find_ends(g);
    if (g.count <= compare_work::most) return compare(g);
    if (g.count <= sorted_here) return sort(g, some_);
    if (room_ != nullptr) return sort(g, room_ + g.first);
    key_tile tile(g.first + g.count);
    work_(one_thread{&tile}, g);
  }

 private:
  static constexpr int few = 16, sorted_here = 1024;  // a few are compared by lanes as fast as their ends are found
  const place_work<Rule>& work_;
  isa level_;
  ranked* room_;
  ranked some_[sorted_here];
  compare_work w_ = {};

  void compare(const group_range& g) {
    const place_keys& k = work_.keys;
    const int n = static_cast<int>(g.count);
    double y[compare_work::most];
    int kept[compare_work::most];
    load_strided(k.score, g.first, n, y, level_);
    bool spoiled = false;
    w_.count = 0;
    for (int i = 0; i < n; ++i) {
      const bool nan = math::is_nan(y[i]), taken = selects(k.mask, g.first + i) && !(nan && k.exclude_nan);
      spoiled = spoiled || (nan && taken);
      w_.x[w_.count] = y[i], kept[w_.count] = i;
      w_.count += taken ? 1 : 0;
      y[i] = 0;
    }
    if (!spoiled) run_at<compare_work>(level_, w_);
    const auto whole = [](double x) { return static_cast<std::int64_t>(x); };
    for (int i = 0; i < w_.count; ++i)
      y[kept[i]] = spoiled
                       ? math::detail::not_a_number<double>()
                       : work_.rule(score_place{w_.count, whole(w_.below[i]), whole(w_.equal[i]), whole(w_.before[i])});
    store_strided(work_.out, g.first, n, y, nullptr, false, level_);
  }

  // Pieces of a group: f(x) takes the place of each selected score x, 0 that of the others, and each(first, n, those).
  template <class F, class Each>
  void each_piece(const group_range& g, F f, Each each) const {
    const place_keys& k = work_.keys;
    double x[compare_work::most];
    for (std::int64_t first = 0; first < g.count; first += compare_work::most) {
      const int n = static_cast<int>(smaller(compare_work::most, g.count - first));
      load_strided(k.score, g.first + first, n, x, level_);
      for (int i = 0; i < n; ++i) {
        const bool taken = selects(k.mask, g.first + first + i) && !(k.exclude_nan && math::is_nan(x[i]));
        x[i] = taken ? f(x[i]) : 0;
      }
      each(g.first + first, n, x);
    }
  }

  // For rules of the best and the worst: two looks at the scores, no order of the others.
  void find_ends(const group_range& g) {
    double least = 0, most = 0;
    std::int64_t count = 0, low = 0, high = 0;
    bool spoiled = false;
    each_piece(
        g,
        [&](double x) {
          ++count, spoiled = spoiled || math::is_nan(x);
          const bool lower = low == 0 || x < least, higher = high == 0 || x > most;
          low = lower ? 1 : low + (x == least), least = lower ? x : least;
          high = higher ? 1 : high + (x == most), most = higher ? x : most;
          return x;
        },
        [](std::int64_t, int, const double*) {});
    std::int64_t worst = 0, best = 0;
    each_piece(
        g,
        [&](double x) {
          if (spoiled) return math::detail::not_a_number<double>();
          if (x == most) return work_.rule(score_place{count, count - high, high, best++});
          return work_.rule(x == least ? score_place{count, 0, low, worst++} : score_place{count, low, 1, 0});
        },
        [&](std::int64_t first, int n, const double* y) {
          store_strided(work_.out, first, n, y, nullptr, false, level_);
        });
  }

  void sort(const group_range& g, ranked* some) {
    for (std::int64_t i = 0; i < g.count; ++i) some[i] = {work_.keys.key(g.first + i), i};
    std::sort(some, some + g.count);
    std::int64_t count = g.count;
    while (count > 0 && some[count - 1].key == left_out) --count;
    const bool spoiled = count > 0 && some[count - 1].key == place_keys::spoiled;
    for (std::int64_t first = 0, end = 0; first < g.count; first = end) {
      while (end < g.count && some[end].key == some[first].key) ++end;
      for (std::int64_t k = first; k < end; ++k)
        work_.write(g.first + some[k].item, some[k].key, spoiled, {count, first, end - first, k - first});
    }
  }
};

template <class Rule>
status run_places(const cpu& exec, const group_table& t, const place_work<Rule>& work) {
  isa level;
  if (const status s = resolve_isa(exec, level); !s.ok()) return s;
  ranked* room = nullptr;
  if (exec.workspace.data != nullptr || exec.workspace.bytes != 0) {
    arena measured, memory;
    measured.take<ranked>(t.samples);
    if (const status s = lend(exec, measured, memory); !s.ok()) return s;
    room = memory.take<ranked>(t.samples);
  }
  const std::int64_t blocks = smaller(t.groups, max_blocks);
  for_blocks(exec, blocks, t.samples, [&](std::int64_t first, std::int64_t last) {
    place_thread<Rule> thread(work, level, room);
    for (std::int64_t b = t.groups * first / blocks; b < t.groups * last / blocks; ++b) {
      group_range g;
      t.find(b, g);
      thread.run(g);
    }
  });
  return {};
}
template <class Exec, class Rule>
status run_places(const Exec& exec, const group_table& t, const place_work<Rule>& work) {
  return for_groups(exec, t, work);
}

}  // namespace detail

// Bytes of workspace for rank_advantages of N scores on prefer::cpu.
inline std::size_t rank_advantages_workspace(std::int64_t scores) {
  detail::arena memory;
  memory.take<detail::ranked>(scores);
  return memory.bytes();
}

// The advantage that `rule` (centred_ranks, best_worst, or a function of a score_place with check()) gives to each
// score of each group. Comparisons only: the same bits on either backend and for any threads. A NaN makes its group
// NaN, or is left out; scores of no group are not touched. CPU: groups of up to 64 scores are compared pair by pair,
// longer ones sorted; those of more than 1024 need a workspace of rank_advantages_workspace(N) bytes for that, and are
// compared in O(length^2) without one. Rules with `static constexpr bool ends_only = true` (best_worst) are spared
// both. CUDA: one launch that compares pair by pair, O(length^2) per group, which is for groups of up to a few
// thousand. Errors as in group_advantages.
//
//   rank_advantages(cpu{.pool = pool}, centred_ranks{}, {.score = {x, N}, .offsets = {o, n + 1}}, {.advantage = {a,
//   N}});
template <class Exec, class Rule>
status rank_advantages(const Exec& exec, const Rule& rule,
                       const std::type_identity_t<rank_advantage_inputs<Exec::memory>>& in,
                       const std::type_identity_t<rank_advantage_outputs<Exec::memory>>& out) {
  static_assert(std::is_invocable_r_v<double, const Rule&, score_place>,
                "prefer: rank_advantages takes a rule that makes a number of a score_place; other advantages are "
                "group_advantages'");
  constexpr space S = Exec::memory;
  if (const status s = rule.check(); !s.ok()) return s;
  advantage_inputs<S> groups;
  groups.score = in.score, groups.offsets = in.offsets, groups.mask = in.mask, groups.exclude_nan = in.exclude_nan;
  const advantage_outputs<S> outputs{.advantage = out.advantage};
  if (const status s = detail::check_groups(groups, outputs, false); !s.ok()) return s;
  if (!out.advantage.given()) return require::fail(errc::missing_output, "advantage", "one number per score");
  const group_arguments a = detail::make_group_arguments(groups, outputs);
  if (const status s = detail::check_group_content(exec, a); !s.ok()) return s;
  detail::group_table t;
  t.samples = a.scores.tokens, t.groups = a.groups;
  t.offsets = detail::place_of(in.offsets);
  return run_places(exec, t, detail::place_work<Rule>{{a.score, a.scores.mask, in.exclude_nan}, rule, a.out});
}

}  // namespace PREFER_ABI
}  // namespace prefer
