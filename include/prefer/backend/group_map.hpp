// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/strided.hpp>
#include <prefer/backend/item.hpp>
#include <prefer/backend/segmented_map_reduce.hpp>
#include <prefer/core/math.hpp>
#include <prefer/core/moments.hpp>

#include <concepts>
#include <cstdint>
#include <utility>

// The contract of the primitive `group_map`, one for all backends:
//
//   status group_map(exec, rule, arguments)
//   status group_map(exec, rule, arguments, scores)
//
// N scores lie in n groups, [offsets[i], offsets[i + 1]) each. The rule learns the moments of a group and answers with
// a function, which is then called for every score of the group. It is a value:
//
//   struct rule {
//     PREFER_HD auto operator()(const moments& group) const;                         // or, to learn of the batch too,
//     PREFER_HD auto operator()(const moments& group, const moments& batch) const;   // these two
//     PREFER_HD moments contribution(const moments& group) const;                    // the batch: these, merged
//   };
//   struct function {
//     template <class V> PREFER_HD V operator()(const group_item<V>& item) const;
//   };
//
// A rule may take basic_moments<V> instead, V a double or a lane, and answer with a function whose spread(to) writes
// one function of doubles per group (as basic_line does): then it is called for eight groups at once on the CPU.
//
// Scores that are not stored are given as a value: at(i) is score number i, and on the CPU fill(first, count, to,
// level) writes `count` of them as doubles. A score may be asked for several times.
//
// * Moments are found in two passes, in double, around the first score, and merged over pieces of a long group in an
//   order that depends on the group's length alone: the same bits for any number of threads, any grid and any place in
//   the batch. A group of equal scores has that score as its mean and squares of exactly 0, and so has a batch of them.
//   Otherwise the error of a deviation is at most two units in the last place of a double at the largest score.
// * Scores that the mask leaves out, or that are NaN where those are excluded, may hold anything; they take no part and
//   their outputs are 0. Scores of no group are not read and their outputs not written.
// * A score is read from memory once (groups of up to 1024 scores) or twice, and once more for a rule that learns of
//   the batch; each output is written once.
// * Where the moments of the groups are given beforehand, the rule learns of those, and so do mean, std and count.
// * Offsets that decrease, start below zero or pass the end are found before anything is written (CPU), or not
//   followed and reported (CUDA): nothing of such a group is written but NaN for what it has one number of. A group
//   that overlaps another, behind such offsets, may be NaN too.
// * Nothing is allocated on the CPU. On CUDA scratch memory is the workspace's (group_map_workspace bytes) or taken in
//   stream order.
namespace prefer {
inline namespace PREFER_ABI {

// One score as a rule's function sees it: the score, how far it lies above its group's mean, and its place in the
// group.
template <class V>
struct group_item {
  V score, deviation, index;
};

struct group_arguments {
  std::int64_t groups = 0;
  segment_source scores;  // the runs, and the mask of the scores
  source score;
  bool exclude_nan = false;
  const double* known = nullptr;  // [n, 3]: the moments of the groups, if not those of their scores
  const double* batch = nullptr;  // count, mean, squares, known beforehand
  sink out;                       // [N]
  bool accumulate = false;        // add to `out` instead of overwriting it
  sink mean, std, count;          // [n]: of the selected scores; the population's standard deviation
  double* batch_out = nullptr;    // only the contributions, merged; no group is mapped

  bool writes_groups() const { return mean.data != nullptr || std.data != nullptr || count.data != nullptr; }
};

namespace detail {

template <class Rule>
inline constexpr bool learns_batch = requires(const Rule& r, const moments& m) {
  r.contribution(m);
};

// What a rule can be called with.
template <class Rule, class V>
concept answers = !learns_batch<Rule> && requires(const Rule& r, const basic_moments<V>& m) {
  r(m);
};
template <class Rule, class V>
concept answers_of_batch = requires(const Rule& r, const basic_moments<V>& m, const moments& batch) {
  r(m, batch);
};
template <class Rule, class V>
concept contributes = requires(const Rule& r, const basic_moments<V>& m) {
  r.contribution(m);
};

inline constexpr int groups_at_once = 8;  // in a lane of double

template <class Rule, class V>
requires(answers<Rule, V> || answers_of_batch<Rule, V>) PREFER_HD
    auto function_of(const Rule& rule, const basic_moments<V>& group, [[maybe_unused]] const moments& batch) {
  if constexpr (learns_batch<Rule>)
    return rule(group, batch);
  else
    return rule(group);
}
template <class Rule>
concept advantage_rule = answers<Rule, double> || answers_of_batch<Rule, double>;
template <class Rule>
using function_of_rule = decltype(function_of(std::declval<const Rule&>(), moments{}, moments{}));

// Scores in memory.
struct stored_scores {
  source score;

  PREFER_HD double at(std::int64_t i) const { return read_item<double>(score, i); }
  void fill(std::int64_t first, int count, double* to, isa level) const {
    load_strided(score, first, count, to, level);
  }
};

PREFER_HD moments moments_at(const double* p) { return {p[0], p[1], p[2]}; }

PREFER_HD void write_group(const group_arguments& a, std::int64_t group, const moments& m) {
  write_item(a.mean, group, true, m.mean, false);
  write_item(a.std, group, true, m.std(deviation::population), false);
  write_item(a.count, group, true, m.count, false);
}

}  // namespace detail
}  // namespace PREFER_ABI

template <class Exec, class Rule, class... Scores>
status group_map(const Exec&, const Rule&, const group_arguments&, const Scores&...) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}

}  // namespace prefer
