// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/aggregate/aggregate.hpp>

#include <cstdint>

// Rules for the criteria of a judge: several scores of one sample, some of which can spoil it. Called by `aggregate`.
namespace prefer {
inline namespace PREFER_ABI {
// The weighted geometric mean of the least score of each block of criteria, over one or more passes of a judge:
//
//   O_p = (prod_b m_pb^w_b)^(1 / sum w),   m_pb = max(floor, least score of block b in pass p)
//   over_last:  mean_p O_p                 each pass is judged, then averaged
//   over_first: (prod_b (mean_p m_pb)^w_b)^(1 / sum w)
//
// A row has the C criteria of the first pass, then those of the second, and so on; blocks are runs of criteria. A block
// counts as much as the heaviest of its scores (by the weights of its pass, or over all passes for over_first); scores
// of weight 0 are not looked at, so that a pass that failed can be left out; what has no weight at all is left out of
// the means, and a row without any is NaN. A score of 0 makes its pass 0 (a veto) unless there is a floor; a negative
// one NaN.
//
// Slope: by the first of the least scores of a block only: for over_last O_p / m_pb w_b / sum w / P, for over_first the
// mean in place of m_pb; 0 at and below a positive floor, NaN at a score of 0 without one.
//
// By Cauchy and Schwarz over_last <= over_first with two blocks. The spread of the passes, a confidence for free: score
// the passes as samples of their own ([N P, C]), which are groups of P for group_advantages (its `std`).
//
// Errors: passes of at least 1 that divide the number of rewards, blocks that begin within a pass, floor not negative.
// Source: EditScore (arXiv 2509.23909), released code: two blocks, scores over a tenth of their range; weights and the
// floor are additions.
struct min_geometric {
  static constexpr bool learns_batch = false;
  enum class average : std::uint8_t { over_last, over_first };

  std::uint64_t block_begins = 1;  // bit k: a block begins at criterion k of a pass; all bits for blocks of one
  int passes = 1;
  average mean = average::over_last;
  scalar floor = 0.0;

  constexpr status check() const {
    return first_error(require::that(passes >= 1, "passes", passes, "1 or more"),
                       require::not_negative(floor, "floor"));
  }
  constexpr status check_rewards(std::int64_t rewards) const {
    if (rewards % passes != 0)
      return require::that(false, "passes", passes, "a divisor of the number of rewards per sample");
    const std::int64_t criteria = rewards / passes;
    const bool all = block_begins == ~std::uint64_t{0};
    return require::that(all || criteria >= detail::most_rewards || block_begins >> criteria == 0, "block_begins",
                         static_cast<double>(block_begins), "bits of the criteria of one pass only");
  }
  PREFER_HD double prepare(const reward_statistics&, int) const { return 0; }

  template <class Row>
  PREFER_HD auto operator()(const Row& r) const {
    using V = typename Row::value;
    if (mean == average::over_first) return mean_first(r);
    V sum(0);
    const double passes_with_weight = each_pass(r, [&](int p) PREFER_HD_LAMBDA { sum += of_pass(r, p); });
    return sum / V(passes_with_weight);
  }
  template <class Row, class V>
  PREFER_HD V slope(const Row& r, int k, const V& aggregate) const {
    if (r.weight(k) == 0) return V(0);
    const int criteria = r.count() / passes, pass = k / criteria;
    int begin = k % criteria, end = begin + 1;
    while (begin > 0 && !begins(begin)) --begin;
    while (end < criteria && !begins(end)) ++end;
    const bool first = mean == average::over_first;
    const V least = least_of(r, pass, begin, end);
    const V value = first ? aggregate : of_pass(r, pass), level = first ? mean_least(r, begin, end) : least;
    const double sharing = first ? passes_of(r, begin, end) : each_pass(r, [](int) PREFER_HD_LAMBDA {});
    const double share = first ? heaviest(r, begin, end) / weights_of_blocks(r)
                               : heaviest_of_pass(r, pass, begin, end) / weights_of_pass(r, pass);
    const V found = value / level * V(share / sharing) + math::nan_of(least);
    const V low(floor.as<double>());
    V taken = math::select(r[k] == least, found, V(0));
    for (int j = begin; j < k % criteria; ++j)  // an earlier one that is as small takes it
      if (const int other = pass * criteria + j; r.weight(other) != 0)
        taken = math::select(r[other] == least, V(0), taken);
    return math::select(low > V(0), math::select(least <= low, V(0), taken), taken) + math::nan_of(aggregate);
  }

 private:
  PREFER_HD bool begins(int criterion) const { return (block_begins >> criterion & 1) != 0; }

  // f(begin, end) of every block of criteria.
  template <class Row, class F>
  PREFER_HD void each_block(const Row& r, F f) const {
    const int criteria = r.count() / passes;
    for (int begin = 0, end; begin < criteria; begin = end) {
      for (end = begin + 1; end < criteria && !begins(end);) ++end;
      f(begin, end);
    }
  }
  // f(p) of every pass that has any weight; how many those are.
  template <class Row, class F>
  PREFER_HD double each_pass(const Row& r, F f) const {
    double n = 0;
    for (int p = 0; p < passes; ++p)
      if (weights_of_pass(r, p) != 0) f(p), n += 1;
    return n;
  }

  template <class Row>
  PREFER_HD double heaviest_of_pass(const Row& r, int pass, int begin, int end) const {
    double most = 0;
    for (int j = begin; j < end; ++j)
      if (const double w = r.weight(pass * (r.count() / passes) + j); w > most) most = w;
    return most;
  }
  template <class Row>
  PREFER_HD double heaviest(const Row& r, int begin, int end) const {
    double most = 0;
    for (int p = 0; p < passes; ++p)
      if (const double w = heaviest_of_pass(r, p, begin, end); w > most) most = w;
    return most;
  }
  template <class Row>
  PREFER_HD double weights_of_pass(const Row& r, int pass) const {
    double sum = 0;
    each_block(r, [&](int b, int e) PREFER_HD_LAMBDA { sum += heaviest_of_pass(r, pass, b, e); });
    return sum;
  }
  template <class Row>
  PREFER_HD double weights_of_blocks(const Row& r) const {
    double sum = 0;
    each_block(r, [&](int b, int e) PREFER_HD_LAMBDA { sum += heaviest(r, b, e); });
    return sum;
  }
  // Passes in which a block has any weight.
  template <class Row>
  PREFER_HD double passes_of(const Row& r, int begin, int end) const {
    double n = 0;
    for (int p = 0; p < passes; ++p) n += heaviest_of_pass(r, p, begin, end) != 0 ? 1 : 0;
    return n;
  }

  // The least score of a block in a pass; NaN if one of them is.
  template <class Row>
  PREFER_HD auto least_of(const Row& r, int pass, int begin, int end) const {
    using V = typename Row::value;
    V least(math::detail::infinity<double>()), nan(0);
    for (int j = begin; j < end; ++j) {
      const int k = pass * (r.count() / passes) + j;
      if (r.weight(k) == 0) continue;
      least = math::min(r[k], least);
      nan += math::nan_of(r[k]);
    }
    return least + nan;
  }
  template <class V>
  PREFER_HD V held(const V& least) const {
    const V low(floor.as<double>());
    return math::select(least < low, math::select(low > V(0), low, least), least);
  }
  template <class Row>
  PREFER_HD auto of_pass(const Row& r, int pass) const {
    typename Row::value logs(0);
    each_block(r, [&](int b, int e) PREFER_HD_LAMBDA {
      if (const double w = heaviest_of_pass(r, pass, b, e); w != 0)
        logs += typename Row::value(w) * math::log(held(least_of(r, pass, b, e)));
    });
    return math::exp(logs / typename Row::value(weights_of_pass(r, pass)));
  }
  template <class Row>
  PREFER_HD auto mean_least(const Row& r, int begin, int end) const {
    using V = typename Row::value;
    V sum(0);
    for (int p = 0; p < passes; ++p)
      if (heaviest_of_pass(r, p, begin, end) != 0) {
        const V least = held(least_of(r, p, begin, end));
        sum += math::select(least < V(0), V(math::detail::not_a_number<double>()), least);
      }
    return sum / V(passes_of(r, begin, end));
  }
  template <class Row>
  PREFER_HD auto mean_first(const Row& r) const {
    using V = typename Row::value;
    V logs(0);
    each_block(r, [&](int b, int e) PREFER_HD_LAMBDA {
      if (const double w = heaviest(r, b, e); w != 0) logs += V(w) * math::log(mean_least(r, b, e));
    });
    return math::exp(logs / V(weights_of_blocks(r)));
  }
};

// Rubric aggregation: scores s_k in [0, 1] of K criteria with weights w_k become
//
//   g_k = (1 - e^(-c s_k)) / (1 - e^(-c))            saturation: the better, the less is gained (c = 0: g = s)
//   R   = sum_k w_k g_k + sum_(i<j) B_ij g_i g_j     interactions, of criteria whose weights are not 0
//   R  <- R + stretch max(0, R - stretch_above)      more room among the best
//   R  <- veto_reward  if s_k < threshold for any critical k, whatever its weight
//
// in this order. Slope: (w_k + sum_j B_kj g_j) g'_k (1 + stretch where R > stretch_above), g' = c e^(-c s) / (1 -
// e^(-c)); 0 where there is a veto. Scores outside [0, 1] are not held: the formula goes on. A NaN among the scores
// that are looked at makes the sample NaN, veto or not.
//
// Errors: saturation and stretch not negative, the others finite; `critical` has bits of the K criteria only,
// `thresholds` K and `interaction` K x K elements. These two are in the execution space, read only, and no output may
// lie over them (not checked).
// Source: Rubicon (arXiv 2508.12790) publishes the weighted sum, and the rest in words; the functions and their order
// are proposed here.
struct rubric {
  static constexpr bool learns_batch = false;

  std::uint64_t critical = 0;  // bit k: criterion k can veto
  scalar threshold = 0.5;
  view<const double> thresholds = {};  // K, instead of `threshold`
  scalar veto_reward = 0.0;
  scalar saturation = 0.0;
  view<const double, 2> interaction = {};  // [K, K]; what is above the diagonal is read
  scalar stretch = 0.0;
  scalar stretch_above = 1.0;

  constexpr status check() const {
    return first_error(require::is_finite(threshold, "threshold"), require::is_finite(veto_reward, "veto_reward"),
                       require::not_negative(saturation, "saturation"), require::not_negative(stretch, "stretch"),
                       require::is_finite(stretch_above, "stretch_above"));
  }
  constexpr status check_rewards(std::int64_t k) const {
    if (k < detail::most_rewards && critical >> k != 0)
      return require::that(false, "critical", static_cast<double>(critical), "bits of the criteria there are only");
    if (thresholds.data != nullptr)
      if (const status s = require::vector("thresholds", input_view<1, space::any>(thresholds), k,
                                           "one per criterion:", require::holds::totals);
          !s.ok())
        return s;
    return interaction.data != nullptr ? require::matrix("interaction", input_view<2, space::any>(interaction), k, k)
                                       : status{};
  }
  // The threshold of a criterion.
  PREFER_HD double prepare(const reward_statistics&, int k) const {
    return thresholds.data != nullptr ? thresholds.data[k * thresholds.stride[0]] : threshold.as<double>();
  }

  template <class Row>
  PREFER_HD auto operator()(const Row& r) const {
    using V = typename Row::value;
    V sum = detail::weighted(r, [&](int k) PREFER_HD_LAMBDA { return saturated(r[k]); });
    for (int i = 0; interaction.data != nullptr && i < r.count(); ++i)
      if (r.weight(i) != 0) sum += saturated(r[i]) * partners(r, i, i + 1);
    const V above = sum - V(stretch_above.as<double>());
    const V shaped = sum + V(stretch.as<double>()) * math::select(above > V(0), above, V(0));
    return vetoed(r, V(veto_reward.as<double>()), shaped) + nan_among(r);
  }
  template <class Row, class V>
  PREFER_HD V slope(const Row& r, int k, const V& aggregate) const {
    if (r.weight(k) == 0) return V(0);
    const double c = saturation.as<double>();
    const V inner = c == 0 ? V(1) : V(-c / math::expm1(-c)) * math::exp(V(-c) * r[k]);
    V outer(r.weight(k));
    if (interaction.data != nullptr) outer += partners(r, k, 0);
    // The stretched value is above exactly where the value is.
    const V stretched = V(1 + stretch.as<double>());
    const V all = inner * outer * math::select(aggregate > V(stretch_above.as<double>()), stretched, V(1));
    return vetoed(r, V(0), all) + math::nan_of(aggregate);
  }

 private:
  template <class V>
  PREFER_HD V saturated(const V& s) const {
    const double c = saturation.as<double>();
    return c == 0 ? s : math::expm1(V(-c) * s) / V(math::expm1(-c));
  }
  PREFER_HD double interacts(int i, int j) const {
    return interaction.data[(i < j ? i : j) * interaction.stride[0] + (i < j ? j : i) * interaction.stride[1]];
  }
  // What criterion i is multiplied by in its interactions with criteria from `first` on.
  template <class Row>
  PREFER_HD auto partners(const Row& r, int i, int first) const {
    using V = typename Row::value;
    V sum(0);
    for (int j = first; j < r.count(); ++j)
      if (j != i && r.weight(j) != 0) sum += V(interacts(i, j)) * saturated(r[j]);
    return sum;
  }
  PREFER_HD bool is_critical(int k) const { return (critical >> k & 1) != 0; }
  template <class Row, class V>
  PREFER_HD V vetoed(const Row& r, const V& veto, V otherwise) const {
    for (int k = 0; k < r.count() && critical >> k != 0; ++k)
      if (is_critical(k)) otherwise = math::select(r[k] < V(r.state(k)), veto, otherwise);
    return otherwise;
  }
  template <class Row>
  PREFER_HD auto nan_among(const Row& r) const {
    typename Row::value nan(0);
    for (int k = 0; k < r.count(); ++k)
      if (r.weight(k) != 0 || is_critical(k)) nan += math::nan_of(r[k]);
    return nan;
  }
};

}  // namespace PREFER_ABI
}  // namespace prefer
