// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/select/hierarchical_comparator.hpp>
#include <prefer/select/pair_filters.hpp>
#include <prefer/select/queries.hpp>
#include <support/side.hpp>

#include <algorithm>

// What says which pairs and queries are worth something, against the definitions, on either side.
namespace prefer_test {

inline constexpr std::int64_t pair_counts[] = {0, 1, 31, 32, 33, 257, 700};

template <class S, class Side>
void check_curation() {
  for (const std::int64_t n : pair_counts) {
    buffer<S> chosen(n, 2), rejected(n), gold_chosen(n), gold_rejected(n, 3), confidence(n, 2);
    buffer<std::uint8_t> judge(n), needs_judge(n);
    buffer<bool> consistent(n);
    buffer<std::int32_t> examples(n);
    noise random(5);
    fill_uniform(chosen, random, -4, 4), fill_uniform(rejected, random, -4, 4);
    fill_uniform(gold_chosen, random, -1, 1), fill_uniform(gold_rejected, random, -1, 1);
    for (std::int64_t i = 0; i < n; ++i) {
      judge.at(i) = i % 3 == 0 ? 2 : 0;
      if (i % 29 == 7) chosen.set(i, not_a_number);
      if (i % 31 == 8) rejected.set(i, chosen.get(i));
      if (i % 37 == 9) gold_chosen.set(i, not_a_number);
    }
    Side side;
    prefer::check(prefer::curate(side.exec, {},
                                 {.chosen = side.read(chosen),
                                  .rejected = side.read(rejected),
                                  .gold_chosen = side.read(gold_chosen),
                                  .gold_rejected = side.read(gold_rejected),
                                  .judge = side.read(judge)},
                                 {.confidence = side.write(confidence),
                                  .examples = side.write(examples),
                                  .needs_judge = side.write(needs_judge),
                                  .consistent = side.write(consistent)}));
    side.done();
    CHECK((confidence.intact() && examples.intact() && needs_judge.intact() && consistent.intact()));
    for (std::int64_t i = 0; i < n; ++i) {
      const double d = chosen.get(i) - rejected.get(i), p = 1 / (1 + std::exp(-d));
      CHECK((std::isnan(d) ? std::isnan(confidence.get(i)) : rounded_right<S>(confidence.get(i), p, 4e-16)));
      CHECK(examples.at(i) == (d > 0 ? std::max(1, static_cast<int>(std::ceil(8 / (1 + std::exp(d))))) : 8));
      CHECK((needs_judge.at(i) != 0) == !(d > 0));
      CHECK(consistent.at(i) == (gold_chosen.get(i) > gold_rejected.get(i) && (d > 0 || judge.at(i) != 0)));
    }
  }
  covers<S>("curate_pairs", "sizes");
}

template <class S, class Side>
void check_consistency() {
  for (const auto& sizes : group_shapes()) {
    ragged_groups groups(sizes);
    const std::int64_t n = groups.samples, count = groups.count();
    buffer<std::uint8_t> predicted(n), label(n), mask(n, 2);
    buffer<bool> kept(n);
    buffer<S> accuracy(count), weight(n);
    noise random(6);
    for (std::int64_t i = 0; i < n; ++i) {
      label.at(i) = static_cast<std::uint8_t>(3 * (i % 2));
      predicted.at(i) = random.uniform(0, 1) < 0.52 ? label.at(i) : label.at(i) == 0 ? 1 : 0;
      mask.at(i) = random.uniform(0, 1) < 0.9;
    }
    Side side;
    prefer::check(prefer::select(
        side.exec, prefer::consistency_filter{},
        {.predicted = side.read(predicted),
         .label = side.read(label),
         .mask = side.read(mask),
         .groups = {.offsets = side.read(groups.offsets)}},
        {.accuracy = side.write(accuracy), .selected = {.mask = side.write(kept), .weight = side.write(weight)}}));
    side.done();
    CHECK((accuracy.intact() && kept.intact() && weight.intact()));
    for (std::int64_t b = 0; b < count; ++b) {
      int all = 0, right = 0;
      const auto is_right = [&](std::int64_t i) {
        return mask.at(i) != 0 && (predicted.at(i) != 0) == (label.at(i) != 0);
      };
      for (std::int64_t i = groups.begin(b); i < groups.end(b); ++i) all += mask.at(i), right += is_right(i) ? 1 : 0;
      const double rate = all > 0 ? static_cast<double>(right) / all : 0;
      CHECK(rounded_right<S>(accuracy.get(b), rate));
      for (std::int64_t i = groups.begin(b); i < groups.end(b); ++i) {
        CHECK(kept.at(i) == (rate >= 0.5 && is_right(i)));
        CHECK(rounded_right<S>(weight.get(i), kept.at(i) ? 1.0 / right : 0));
      }
    }
  }
  covers<S>("consistency_filter", "sizes");
}

template <class S, class Side>
void check_consequence() {
  for (const std::int64_t n : pair_counts) {
    constexpr std::int64_t r = 3, q = 1, row = 5;
    buffer<S> chosen(n * row), rejected(n * row), difference(n), error(n, 2);
    buffer<bool> mask(n);
    noise random(7);
    for (std::int64_t i = 0; i < n * row; ++i) {
      chosen.set(i, i % row < r ? random.uniform(-1, 2) : not_a_number);
      rejected.set(i, i % row < q ? random.uniform(-1, 2) : not_a_number);
    }
    Side side;
    prefer::check(prefer::validate_by_consequence(
        side.exec, {.chosen = side.read(chosen, n, r, row), .rejected = side.read(rejected, n, q, row)},
        {.mask = side.write(mask), .difference = side.write(difference), .standard_error = side.write(error)}));
    side.done();
    CHECK((mask.intact() && difference.intact() && error.intact()));
    for (std::int64_t i = 0; i < n; ++i) {
      long double mean = 0, square = 0;
      for (std::int64_t k = 0; k < r; ++k) mean += chosen.get(i * row + k) / static_cast<long double>(r);
      for (std::int64_t k = 0; k < r; ++k) square += std::pow(chosen.get(i * row + k) - mean, 2) / (r * (r - 1));
      const auto d = static_cast<double>(mean - rejected.get(i * row));
      const auto e = static_cast<double>(std::sqrt(square));
      CHECK((mask.at(i) == (d > 0)));
      CHECK(rounded_right<S>(difference.get(i), d, 1e-15));
      CHECK(rounded_right<S>(error.get(i), e, 1e-15));
    }
  }
  covers<S>("validate_by_consequence", "sizes");
}

template <class S, class Side>
void check_hierarchy() {
  for (const std::int64_t n : pair_counts) {
    constexpr std::int64_t samples = 40, levels = 3, row = 4;
    buffer<S> factors(samples * row), margins(levels), signs(levels, 2), label(n, 2);
    buffer<std::int32_t> first(n), level(n);
    buffer<std::int64_t> second(n, 2);
    buffer<bool> decided(n);
    noise random(8);
    for (std::int64_t i = 0; i < samples * row; ++i) factors.set(i, std::floor(random.uniform(0, 4)));
    factors.set(5, not_a_number);
    for (std::int64_t l = 0; l < levels; ++l) margins.set(l, static_cast<double>(2 - l)), signs.set(l, l == 1 ? -1 : 1);
    for (std::int64_t p = 0; p < n; ++p)
      first.at(p) = static_cast<std::int32_t>(p % samples), second.at(p) = (p * 7 + 1) % samples;
    Side side;
    prefer::check(prefer::compare_hierarchically(
        side.exec,
        {.factors = side.read(factors, samples, levels, row),
         .margins = side.read(margins),
         .signs = side.read(signs),
         .first = side.read(first),
         .second = side.read(second)},
        {.label = side.write(label), .decided = side.write(decided), .level = side.write(level)}));
    side.done();
    CHECK((label.intact() && decided.intact() && level.intact()));
    for (std::int64_t p = 0; p < n; ++p) {
      int by = -1;
      double d = 0;
      for (std::int64_t l = levels; l-- > 0;) {
        const double x = factors.get(first.at(p) * row + l) - factors.get(second.at(p) * row + l);
        if (std::fabs(x) > margins.get(l)) by = static_cast<int>(l), d = x * signs.get(l);
      }
      CHECK(level.at(p) == by);
      CHECK(decided.at(p) == (by >= 0));
      CHECK(label.get(p) == (by < 0 ? 0.5 : d > 0 ? 1 : 0));
    }
  }
  covers<S>("hierarchical_comparator", "sizes");
}

// Votes with some left out, so that there are ties.
template <class S, class Side>
void check_votes() {
  for (const std::int64_t n : pair_counts) {
    constexpr std::int64_t judges = 5;
    buffer<std::uint8_t> votes(n * judges), mask(n * judges), majority(n);
    buffer<S> label(n, 2), share(n);
    buffer<bool> decided(n);
    noise random(12);
    for (std::int64_t i = 0; i < n * judges; ++i)
      votes.at(i) = random.uniform(0, 1) < 0.5 ? 2 : 0, mask.at(i) = random.uniform(0, 1) < 0.6;
    Side side;
    prefer::check(prefer::majority_vote(
        side.exec,
        {.votes = side.read(votes, n, judges, judges), .mask = side.read(mask, n, judges, judges)},
        {.label = side.write(label),
         .majority = side.write(majority),
         .decided = side.write(decided),
         .share = side.write(share)}));
    side.done();
    CHECK((label.intact() && majority.intact() && decided.intact() && share.intact()));
    for (std::int64_t p = 0; p < n; ++p) {
      int first = 0, second = 0;
      for (std::int64_t j = p * judges; j < (p + 1) * judges; ++j)
        if (mask.at(j) != 0) (votes.at(j) != 0 ? first : second) += 1;
      CHECK(label.get(p) == (first > second ? 1 : first < second ? 0 : 0.5));
      CHECK(((majority.at(p) != 0) == (first > second) && decided.at(p) == (first != second)));
      CHECK(rounded_right<S>(share.get(p), first + second == 0 ? 0.5 : static_cast<double>(first) / (first + second)));
    }
  }
  covers<S>("majority_vote", "sizes");
}

template <class S, class Side>
void check_margins() {
  for (const std::int64_t n : pair_counts) {
    constexpr std::int64_t levels = 3, row = 4;
    buffer<S> factors(n * row), margins(levels, 2);
    buffer<bool> mask(n, 3);
    noise random(13);
    for (std::int64_t i = 0; i < n; ++i) {
      mask.at(i) = i % 5 != 3;
      for (std::int64_t l = 0; l < row; ++l)
        factors.set(i * row + l, l == 2 ? 7 : mask.at(i) ? random.uniform(0, 10) : l == 1 ? 90 : not_a_number);
      if (i % 7 == 1) factors.set(i * row, not_a_number);
    }
    std::vector<char> memory(prefer::hierarchical_margins_workspace(levels));
    Side side;
    auto exec = side.exec;
    if constexpr (Side::memory == prefer::space::host) exec.workspace = {memory.data(), memory.size()};
    prefer::check(prefer::hierarchical_margins(
        exec, {.scale = 2.0}, {.factors = side.read(factors, n, levels, row), .mask = side.read(mask)},
        {.margins = side.write(margins)}));
    side.done();
    CHECK(margins.intact());
    for (std::int64_t l = 0; l < levels; ++l) {
      long double sum = 0, square = 0, count = 0;
      const auto there = [&](std::int64_t i) { return mask.at(i) && !std::isnan(factors.get(i * row + l)); };
      for (std::int64_t i = 0; i < n; ++i)
        if (there(i)) sum += factors.get(i * row + l), count += 1;
      for (std::int64_t i = 0; i < n; ++i)
        if (const long double d = there(i) ? factors.get(i * row + l) - sum / count : 0.0L; d != 0) square += d * d;
      const double exact = count > 0 ? static_cast<double>(2 * std::sqrt(square / count)) : 0;
      // Running means of up to 700 numbers below 10.
      CHECK(rounded_right<S>(margins.get(l), exact, 1e-13));
      if (l == 2) CHECK(margins.get(l) == 0);
    }
  }
  covers<S>("hierarchical_margins", "sizes");
}

template <class S, class Side>
void check_queries() {
  for (const std::int64_t n : pair_counts) {
    constexpr std::int64_t models = 3;
    buffer<S> first(models * n), second(models * n), mean(n), off(n, 2), entropy(n);
    noise random(9);
    fill_uniform(first, random, -3, 3), fill_uniform(second, random, -3, 3);
    Side side;
    prefer::check(prefer::query_scores(
        side.exec, {.first = side.read(first, models, n, n), .second = side.read(second, models, n, n)},
        {.mean = side.write(mean), .disagreement = side.write(off), .entropy = side.write(entropy)}));
    side.done();
    CHECK((mean.intact() && off.intact() && entropy.intact()));
    for (std::int64_t i = 0; i < n; ++i) {
      double p[models], average = 0, square = 0, nats = 0;
      for (std::int64_t m = 0; m < models; ++m) {
        p[m] = 1 / (1 + std::exp(second.get(m * n + i) - first.get(m * n + i)));
        average += p[m] / models;
        nats -= (p[m] * std::log(p[m]) + (1 - p[m]) * std::log(1 - p[m])) / models;
      }
      for (const double x : p) square += (x - average) * (x - average) / models;
      const auto right = [](double got, double exact) { return rounded_right<S>(got, exact, 1e-14); };
      CHECK(right(mean.get(i), average));
      CHECK(right(off.get(i), std::sqrt(square)));
      CHECK(right(entropy.get(i), nats));
    }
  }
  covers<S>("query_scores", "sizes");
}

template <class S, class Side>
void check_directions() {
  for (const auto& sizes : group_shapes()) {
    ragged_groups groups(sizes);
    const std::int64_t n = groups.samples, b = groups.count();
    constexpr std::int64_t k = 2;
    buffer<S> rewards(n * k), directions(b * k), score(n, 2);
    noise random(10);
    for (std::int64_t i = 0; i < n * k; ++i) rewards.set(i, std::floor(random.uniform(0, 100)));
    for (std::int64_t i = 0; i < b * k; ++i) directions.set(i, std::floor(random.uniform(-8, 8)) / 8);
    Side side;
    prefer::check(prefer::directional_scores(side.exec,
                                             {.rewards = side.read(rewards, n, k, k),
                                              .directions = side.read(directions, b, k, k),
                                              .groups = {.offsets = side.read(groups.offsets)}},
                                             {.score = side.write(score)}));
    side.done();
    CHECK(score.intact());
    for (std::int64_t g = 0; g < b; ++g)
      for (std::int64_t i = groups.begin(g); i < groups.end(g); ++i)  // exact: small multiples of 1/8
        CHECK(rounded_right<S>(score.get(i), rewards.get(i * k) * directions.get(g * k) +
                                                 rewards.get(i * k + 1) * directions.get(g * k + 1)));
  }
  covers<S>("directional_scores", "sizes");
}

// Features are small integers, so that distances are the same wherever they are computed, and ties are many.
template <class S, class Side>
void check_centers() {
  for (const auto& sizes : group_shapes())
    for (const bool with_labels : {false, true}) {
      ragged_groups groups(sizes);
      const std::int64_t n = groups.samples, b = groups.count();
      constexpr std::int64_t k = 5, d = 2;
      buffer<S> features(n * d), radius(b);
      buffer<double> distance(n);
      buffer<bool> labelled(n), mask(n), chosen(n);
      buffer<std::int32_t> centers(b * k);
      noise random(11);
      for (std::int64_t i = 0; i < n; ++i) {
        mask.at(i) = i % 11 != 3, labelled.at(i) = i % 13 == 5;
        for (std::int64_t j = 0; j < d; ++j)
          features.set(i * d + j, mask.at(i) ? std::floor(random.uniform(0, 9)) : not_a_number);
      }
      Side side;
      prefer::k_center_inputs<Side::memory> in = {.features = side.read(features, n, d, d),
                                                  .mask = side.read(mask),
                                                  .groups = {.offsets = side.read(groups.offsets)}};
      if (with_labels) in.labelled = side.read(labelled);
      prefer::check(prefer::select_centers(side.exec, {.count = k}, in,
                                           {.centers = side.write(centers),
                                            .mask = side.write(chosen),
                                            .radius = side.write(radius),
                                            .distance = side.write(distance)}));
      side.done();
      CHECK((centers.intact() && chosen.intact() && radius.intact() && distance.intact()));
      for (std::int64_t g = 0; g < b; ++g) {
        std::vector<std::int64_t> taken;
        for (std::int64_t i = groups.begin(g); with_labels && i < groups.end(g); ++i)
          if (labelled.at(i) && mask.at(i)) taken.push_back(i);
        const auto far = [&](std::int64_t i) {
          double least = std::numeric_limits<double>::max();
          for (std::int64_t c : taken)
            least = std::min(least, std::hypot(features.get(i * d) - features.get(c * d),
                                               features.get(i * d + 1) - features.get(c * d + 1)));
          return least;
        };
        const auto farthest = [&] {
          std::int64_t best = -1;
          for (std::int64_t i = groups.begin(g); i < groups.end(g); ++i)
            if (mask.at(i) && far(i) > (best < 0 ? 0 : far(best))) best = i;
          return best;
        };
        for (std::int64_t c = 0; c < k; ++c) {
          const std::int64_t next = farthest();
          CHECK(centers.at(g * k + c) == next);
          if (next < 0) continue;
          CHECK(chosen.at(next));
          taken.push_back(next);
        }
        const std::int64_t last = farthest();
        CHECK(rounded_right<S>(radius.get(g), last < 0 ? 0 : far(last)));
      }
    }
  covers<S>("k_center", "sizes");
}

}  // namespace prefer_test
