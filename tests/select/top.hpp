// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/select/extremes.hpp>
#include <prefer/select/top.hpp>
#include <support/side.hpp>

#include <algorithm>

namespace prefer_test {

// Scores of a sort, with many ties, some NaN, both zeros, and a mask over NaN. Coarse: few different values.
template <class S>
struct scored_samples {
  ragged_groups groups;
  std::int64_t n;
  buffer<S> score;
  buffer<std::uint8_t> mask;

  scored_samples(const std::vector<std::int64_t>& sizes, bool coarse, std::uint64_t seed)
      : groups(sizes), n(groups.samples), score(n, 2, 1), mask(n) {
    noise random(seed);
    for (std::int64_t i = 0; i < n; ++i) {
      mask.at(i) = random.uniform(0, 1) < 0.85 ? 3 : 0;
      const double x = random.uniform(-3, 3);
      score.set(i, coarse ? std::copysign(std::floor(std::fabs(x)), x) : x);
      if (mask.at(i) == 0 || random.uniform(0, 1) < 0.05 || !groups.owns(i)) score.set(i, not_a_number);
    }
  }
  bool there(std::int64_t i) { return mask.at(i) != 0 && !std::isnan(score.get(i)); }
  // Numbers of a group, the best first, by a plain stable sort.
  std::vector<std::int64_t> sorted(std::int64_t b, bool smallest) {
    std::vector<std::int64_t> order;
    for (std::int64_t i = groups.begin(b); i < groups.end(b); ++i)
      if (there(i)) order.push_back(i);
    std::stable_sort(order.begin(), order.end(), [&](std::int64_t i, std::int64_t j) {
      return smallest ? score.get(i) < score.get(j) : score.get(i) > score.get(j);
    });
    return order;
  }
};

template <class S>
struct selection_buffers {
  buffer<bool> mask;
  buffer<S> weight;
  buffer<std::int32_t> count;
  buffer<std::int64_t> indices, begins;

  selection_buffers(std::int64_t n, std::int64_t groups)
      : mask(n), weight(n, 2), count(groups), indices(n, 2), begins(groups + 1) {}
  template <class Side>
  prefer::selection_outputs<Side::memory> outputs(Side& side) {
    return {.mask = side.write(mask),
            .weight = side.write(weight),
            .count = side.write(count),
            .indices = side.write(indices),
            .index_offsets = side.write(begins)};
  }
  // What is selected of each group, in any order.
  void check(ragged_groups& groups, std::vector<std::vector<std::int64_t>> expected) {
    CHECK((mask.intact() && weight.intact() && count.intact() && indices.intact() && begins.intact()));
    std::int64_t at = 0;
    CHECK(begins.at(0) == 0);
    for (std::int64_t b = 0; b < groups.count(); ++b) {
      auto& list = expected[static_cast<std::size_t>(b)];
      std::sort(list.begin(), list.end());
      CHECK(count.at(b) == static_cast<std::int64_t>(list.size()));
      bool listed = true, flagged = true, weighed = true;
      for (std::int64_t i : list) listed = listed && indices.at(at++) == i;
      for (std::int64_t i = groups.begin(b); i < groups.end(b); ++i) {
        const bool in = std::binary_search(list.begin(), list.end(), i);
        flagged = flagged && mask.at(i) == in;
        weighed = weighed && rounded_right<S>(weight.get(i), in ? 1 / static_cast<double>(list.size()) : 0);
      }
      CHECK((listed && flagged && weighed && begins.at(b + 1) == at));
    }
  }
};

template <class S, class Side>
void check_top() {
  std::uint64_t seed = 1;
  for (const auto& sizes : group_shapes())
    for (const bool coarse : {false, true})
      for (const prefer::select_top& options : {prefer::select_top{},
                                                {.count = 3, .smallest = true},
                                                {.count = 40},
                                                {.fraction = 0.3},
                                                {.count = prefer::select_top::all, .threshold = true, .limit = 0.0},
                                                {.count = 0},
                                                {.count = 20, .smallest = true, .threshold = true, .limit = 1.0}}) {
        scored_samples<S> samples(sizes, coarse, ++seed);
        selection_buffers<S> out(samples.n, samples.groups.count());
        std::vector<std::vector<std::int64_t>> expected;
        for (std::int64_t b = 0; b < samples.groups.count(); ++b) {
          auto order = samples.sorted(b, options.smallest);
          if (options.threshold)
            std::erase_if(order, [&](std::int64_t i) {
              const double x = samples.score.get(i), limit = options.limit.value64;
              return options.smallest ? x > limit : x < limit;
            });
          const double part = options.fraction.value64;
          const auto there = order.size();
          std::size_t keep = options.count > 1000 ? there : static_cast<std::size_t>(options.count);
          if (part > 0)
            keep = std::max<std::size_t>(1, static_cast<std::size_t>(std::llround(part * static_cast<double>(there))));
          order.resize(std::min(keep, there));
          expected.push_back(order);
        }
        Side side;
        std::vector<char> memory(prefer::selection_workspace(samples.n, samples.groups.count()));
        if constexpr (Side::memory == prefer::space::host) side.exec.workspace = {memory.data() + 1, memory.size() - 1};
        prefer::check(prefer::select(side.exec, options,
                                     {.score = side.read(samples.score),
                                      .mask = side.read(samples.mask),
                                      .groups = {.offsets = side.read(samples.groups.offsets)}},
                                     out.outputs(side)));
        side.done();
        out.check(samples.groups, expected);
      }
  covers<S>("select_top", "sizes");
}

template <class S, class Side>
void check_extremes() {
  std::uint64_t seed = 90;
  for (const auto& sizes : group_shapes())
    for (const bool with_second : {false, true}) {
      scored_samples<S> samples(sizes, true, ++seed);
      const std::int64_t n = samples.n, groups = samples.groups.count();
      buffer<S> second(n), difference(groups, 2), advantage(n);
      buffer<std::int32_t> chosen(groups);
      buffer<std::int64_t> rejected(groups, 3);
      buffer<bool> pairs(groups);
      noise random(seed);
      for (std::int64_t i = 0; i < n; ++i)
        second.set(i, random.uniform(0, 1) < 0.1 ? not_a_number : random.uniform(0, 1));
      Side side;
      prefer::extreme_inputs<Side::memory> in = {.score = side.read(samples.score),
                                                 .mask = side.read(samples.mask),
                                                 .groups = {.offsets = side.read(samples.groups.offsets)}};
      if (with_second) in.second = side.read(second);
      prefer::check(prefer::select_pairs(
          side.exec, {.gap = 0.5, .best_at_least = 1.0, .second_at_least = 0.5, .second_at_most = 0.75}, in,
          {.chosen = side.write(chosen),
           .rejected = side.write(rejected),
           .mask = side.write(pairs),
           .difference = side.write(difference)}));
      selection_buffers<S> out(n, groups);
      std::vector<char> memory(prefer::selection_workspace(n, groups));
      if constexpr (Side::memory == prefer::space::host) side.exec.workspace = {memory.data(), memory.size()};
      prefer::check(prefer::select(side.exec, prefer::select_branches{.clip = 1.5, .positive = 2.0, .negative = 0.5},
                                   {.score = side.read(samples.score),
                                    .mask = side.read(samples.mask),
                                    .groups = {.offsets = side.read(samples.groups.offsets)}},
                                   {.advantage = side.write(advantage), .selected = out.outputs(side)}));
      side.done();
      CHECK((chosen.intact() && rejected.intact() && pairs.intact() && difference.intact() && advantage.intact()));
      std::vector<std::vector<std::int64_t>> branches;
      for (std::int64_t b = 0; b < groups; ++b) {
        // By definition: the extreme scores of samples with both scores, then the first that has one and passes.
        std::int64_t best = -1, worst = -1;
        double high = -HUGE_VAL, low = HUGE_VAL;
        const auto complete = [&](std::int64_t i) {
          return samples.there(i) && (!with_second || !std::isnan(second.get(i)));
        };
        for (std::int64_t i = samples.groups.begin(b); i < samples.groups.end(b); ++i)
          if (complete(i)) high = std::max(high, samples.score.get(i)), low = std::min(low, samples.score.get(i));
        for (std::int64_t i = samples.groups.end(b); i-- > samples.groups.begin(b);)
          if (complete(i)) {
            if (samples.score.get(i) == high && (!with_second || second.get(i) >= 0.5)) best = i;
            if (samples.score.get(i) == low && (!with_second || second.get(i) <= 0.75)) worst = i;
          }
        const bool pair = best >= 0 && worst >= 0 && high - low > 0.5 && high >= 1;
        CHECK(pairs.at(b) == pair);
        CHECK(chosen.at(b) == (pair ? best : -1));
        CHECK(rejected.at(b) == (pair ? worst : -1));
        CHECK(difference.get(b) == (pair ? high - low : 0));
        std::vector<std::int64_t> kept;
        const auto descending = samples.sorted(b, false), ascending = samples.sorted(b, true);
        if (!descending.empty() && samples.score.get(descending[0]) >= 0.5) kept.push_back(descending[0]);
        if (!ascending.empty() && samples.score.get(ascending[0]) < -0.5) kept.push_back(ascending[0]);
        branches.push_back(kept);
        for (std::int64_t i = samples.groups.begin(b); i < samples.groups.end(b); ++i) {
          const bool is_kept = std::find(kept.begin(), kept.end(), i) != kept.end();
          const double z = is_kept ? std::clamp(samples.score.get(i), -1.5, 1.5) : 0;
          CHECK(advantage.get(i) == (z > 0 ? 2 * z : 0.5 * z));
        }
      }
      out.check(samples.groups, branches);
    }
  covers<S>("extreme_pairs", "sizes"), covers<S>("select_branches", "sizes");
}

}  // namespace prefer_test
