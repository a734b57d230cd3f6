// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/reward/assignment.hpp>
#include <prefer/reward/box_product.hpp>
#include <prefer/reward/box_similarity.hpp>
#include <prefer/reward/count_bonus.hpp>
#include <prefer/reward/critique.hpp>
#include <prefer/reward/matched_criteria.hpp>
#include <prefer/reward/overlong_penalty.hpp>
#include <prefer/reward/set_overlap.hpp>
#include <prefer/reward/set_value.hpp>
#include <prefer/reward/tolerance.hpp>
#include <prefer/reward/trust_weight.hpp>
#include <support/side.hpp>
#include <support/allocations.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

// Rewards by their definitions, in long double, on either side.
namespace prefer_test {

// Results are rounded once to their type after a few roundings in double.
template <class S>
bool is_near(double got, long double exact) {
  return ulps<S>(got, exact) <= (std::is_same_v<S, double> ? 16 : 0.5001);
}

// Element-wise rewards of four columns: drawn, stored with different strides, called, compared.
template <class S, class Side, class Draw, class Call, class Exact>
void check_columns(const char* name, const Draw& draw, const Call& call, const Exact& exact) {
  INFO(std::string(name));
  for (const std::int64_t n : {0, 1, 7, 8, 9, 511, 513, 1030})
    for (const std::int64_t stride : {1, 3}) {
      buffer<S> a(n, stride), b(n), c(n, 2), d(n, stride), reward(n, stride);
      buffer<S>* const columns[] = {&a, &b, &c, &d};
      noise random(static_cast<std::uint64_t>(n + 9));
      for (std::int64_t i = 0; i < n; ++i)
        for (int k = 0; k < 4; ++k) columns[k]->set(i, draw(random, k));
      Side side;
      prefer::check(
          call(side.exec, std::array{side.read(a), side.read(b), side.read(c), side.read(d)}, side.write(reward)));
      side.done();
      for (std::int64_t i = 0; i < n; ++i)
        CHECK(is_near<S>(reward.get(i), exact(std::array<long double, 4>{a.get(i), b.get(i), c.get(i), d.get(i)})));
      CHECK(reward.intact());
    }
  covers<S>(name, "sizes");
}

template <class S, class Side>
void check_tolerance() {
  using prefer::tolerance_reward;
  for (const auto rule : {tolerance_reward::rule::within, tolerance_reward::rule::equal})
    for (const bool formatted : {false, true})
      check_columns<S, Side>(
          "tolerance_reward", [](noise& r, int) { return std::floor(r.uniform(0, 4)); },
          [&](const auto& exec, const auto& c, const auto& reward) {
            prefer::tolerance_inputs<Side::memory> in{.answer = c[0], .target = c[1]};
            if (formatted) in.format = c[2];
            const tolerance_reward by{.right = rule, .tolerance = 2.0, .accuracy_weight = 0.75, .format_weight = 0.25};
            return prefer::tolerance_rewards(exec, by, in, {.reward = reward});
          },
          [&](const auto& x) {
            const bool right = rule == tolerance_reward::rule::equal ? x[0] == x[1] : std::fabs(x[0] - x[1]) < 2;
            return (right ? 0.75L : 0) + (formatted ? x[2] / 4 : 0);
          });
}

template <class S, class Side>
void check_critique() {
  using rule = prefer::critique_reward::rule;
  for (const auto by : {rule::judgement, rule::refine, rule::change, rule::correct})
    for (const bool parsed : {false, true})
      check_columns<S, Side>(
          "critique_reward", [](noise& r, int) { return static_cast<double>(r.bits() >> 20 & 1); },
          [&](const auto& exec, const auto& c, const auto& reward) {
            prefer::critique_inputs<Side::memory> in{.judgement = c[0], .before = c[1]};
            if (by != rule::judgement) in.after = c[2];
            if (parsed) in.parsed = c[3];
            const prefer::critique_reward table{.by = by, .wrong = -0.5, .bonus = 0.25, .kept = 0.125};
            return prefer::critique_rewards(exec, table, in, {.reward = reward});
          },
          [&](const auto& x) -> long double {
            if (x[0] != x[1] || (parsed && x[3] == 0)) return -0.5L;
            if (by == rule::judgement) return 1;
            if (by == rule::refine) return 0.25L + x[2];
            if (by == rule::change) return 0.25L + x[2] - x[1];
            return 0.25L + (x[2] == 0 ? 0 : x[1] == 0 ? 1 : 0.125L);
          });
}

template <class S, class Side>
void check_count_bonus() {
  using rule = prefer::count_bonus::rule;
  for (const auto kept : {rule::all, rule::above, rule::scaled})
    for (const bool external : {false, true})
      check_columns<S, Side>(
          "count_bonus", [](noise& r, int k) { return k == 1 ? std::floor(r.uniform(1, 9)) : r.uniform(0.1, 2); },
          [&](const auto& exec, const auto& c, const auto& reward) {
            prefer::count_bonus_inputs<Side::memory> in{.intrinsic = c[0], .count = c[1]};
            if (external) in.external = c[2];
            const prefer::count_bonus bonus{.kept = kept,
                                            .external_weight = 0.5,
                                            .intrinsic_weight = 0.25,
                                            .decay = 1.5,
                                            .threshold = 0.375,
                                            .mean = 0.25,
                                            .std = 2.0};
            return prefer::count_bonuses(exec, bonus, in, {.reward = reward});
          },
          [&](const auto& x) {
            const long double z = (x[0] - 0.25L) / 2;
            const long double m = kept == rule::all     ? x[0]
                                  : kept == rule::above ? (x[0] > 0.375L ? 1 : 0)
                                                        : (z > 0.375L ? z : 0);
            return 0.25L * m * std::pow(x[1], -1.5L) + (external ? x[2] / 2 : 0);
          });
}

template <class S, class Side>
void check_overlong() {
  for (const long double room : {0.0L, 4.0L, 8.0L})
    for (const bool scored : {false, true})
      check_columns<S, Side>(
          "overlong_penalty", [](noise& r, int k) { return k == 0 ? std::floor(r.uniform(0, 15)) : r.uniform(-1, 1); },
          [&](const auto& exec, const auto& c, const auto& reward) {
            prefer::overlong_inputs<Side::memory> in{.length = c[0]};
            if (scored) in.score = c[1];
            const prefer::overlong_penalty rule{.longest = 10.0, .buffer = static_cast<double>(room), .factor = 0.75};
            return prefer::overlong_penalties(exec, rule, in, {.reward = reward});
          },
          [&](const auto& x) {
            const long double over = x[0] - (10 - room);
            const long double lost = x[0] > 10 ? 1 : over <= 0 || room == 0 ? 0 : over / room;
            return (scored ? x[1] : 0) - 0.75L * lost;
          });
}

template <class S, class Side>
void check_trust() {
  check_columns<S, Side>(
      "trust_weight", [](noise& r, int) { return r.uniform(0, 20); },
      [](const auto& exec, const auto& c, const auto& weight) {
        const prefer::trust_weight rule{.slope = 0.25, .offset = 0.5, .lowest = 0.125, .highest = 1.5};
        return prefer::trust_weights(exec, rule, {.uncertainty = c[0]}, {.weight = weight});
      },
      [](const auto& x) { return std::clamp(std::exp(0.5L - x[0] / 4), 0.125L, 1.5L); });
  // |W f|, W by rows with a gap, or none.
  for (const std::int64_t n : {0, 1, 33, 300}) {
    const std::int64_t width = 5, rows = 3;
    buffer<S> features(n * width), whitening(rows * (width + 2)), length(n, 2), plain(n);
    noise random(3);
    for (std::int64_t i = 0; i < features.size(); ++i) features.set(i, random.uniform(-1, 1));
    for (std::int64_t i = 0; i < whitening.size(); ++i) whitening.set(i, random.uniform(-1, 1));
    Side side;
    const auto f = side.read(features, n, width, width);
    prefer::check(prefer::feature_uncertainty(
        side.exec, {.features = f, .whitening = side.read(whitening, rows, width, width + 2)},
        {.uncertainty = side.write(length)}));
    prefer::check(prefer::feature_uncertainty(side.exec, {.features = f}, {.uncertainty = side.write(plain)}));
    side.done();
    for (std::int64_t i = 0; i < n; ++i) {
      long double white = 0, own = 0;
      for (std::int64_t r = 0; r < rows; ++r) {
        long double x = 0;
        for (std::int64_t d = 0; d < width; ++d)
          x += static_cast<long double>(whitening.get(r * (width + 2) + d)) * features.get(i * width + d);
        white += x * x;
      }
      for (std::int64_t d = 0; d < width; ++d)
        own += std::pow(static_cast<long double>(features.get(i * width + d)), 2.0L);
      CHECK(is_near<S>(length.get(i), std::sqrt(white)));
      CHECK(is_near<S>(plain.get(i), std::sqrt(own)));
    }
    CHECK((length.intact() && plain.intact()));
  }
  covers<S>("feature_uncertainty", "sizes");
}

template <class S, class Side>
void check_sets() {
  using measure = prefer::set_overlap::measure;
  for (const std::int64_t n : {0, 1, 40, 257})
    for (const std::int64_t m : {0, 1, 6})
      for (const auto by : {measure::jaccard, measure::f1})
        for (const bool indicator : {false, true}) {
          const std::int64_t row = m + 1;
          buffer<bool> found(n * row), truth(n * row);
          buffer<S> judge(n, 2), reward(n), overlap(n, 3);
          noise random(5);
          for (std::int64_t i = 0; i < n * row; ++i)
            found.at(i) = random.uniform(0, 1) < 0.5, truth.at(i) = random.uniform(0, 1) < 0.4;
          for (std::int64_t i = 0; i < n; ++i) judge.set(i, std::floor(random.uniform(0, 11)));
          Side side;
          const prefer::set_overlap rule{.by = by, .indicator = indicator, .above = 0.25, .judge_weight = 0.125};
          prefer::check(prefer::set_rewards(
              side.exec, rule,
              {.found = side.read(found, n, m, row), .truth = side.read(truth, n, m, row), .judge = side.read(judge)},
              {.reward = side.write(reward), .overlap = side.write(overlap)}));
          side.done();
          for (std::int64_t i = 0; i < n; ++i) {
            long double both = 0, f = 0, t = 0;
            for (std::int64_t e = 0; e < m; ++e) {
              const bool x = found.at(i * row + e), y = truth.at(i * row + e);
              both += x && y, f += x, t += y;
            }
            const long double exact = f + t == 0 ? 1 : by == measure::f1 ? 2 * both / (f + t) : both / (f + t - both);
            CHECK(is_near<S>(overlap.get(i), exact));
            const long double gained = indicator ? (exact > 0.25L ? 1 : 0) : exact;
            CHECK(is_near<S>(reward.get(i), gained + judge.get(i) / 8.0L));
          }
          CHECK((reward.intact() && overlap.intact()));
        }
  covers<S>("set_overlap", "sizes");
}

// The value of a set by its definition, and what it loses without each sample.
template <class S, class Side>
void check_set_values() {
  for (const auto& sizes : group_shapes())
    for (const bool masked : {false, true})
      for (const std::int64_t vectors : {1, 5}) {
        const std::int64_t k = 3, row = k + 1;
        ragged_groups groups(sizes);
        const std::int64_t n = groups.samples;
        buffer<S> rewards(n * row), weights(vectors * k), value(groups.count()), credit(n, 2);
        buffer<bool> mask(n);
        noise random(8);
        for (std::int64_t i = 0; i < n; ++i) {
          mask.at(i) = !masked || random.uniform(0, 1) < 0.7;
          for (std::int64_t j = 0; j < row; ++j)
            rewards.set(i * row + j, mask.at(i) && j < k ? std::floor(random.uniform(-8, 8)) / 8 : not_a_number);
        }
        for (std::int64_t j = 0; j < vectors * k; ++j) weights.set(j, std::floor(random.uniform(0, 9)) / 8);
        Side side;
        prefer::set_value_inputs<Side::memory> in{.rewards = side.read(rewards, n, k, row),
                                                  .weights = side.read(weights, vectors, k, k),
                                                  .groups = {.offsets = side.read(groups.offsets)}};
        if (masked) in.mask = side.read(mask);
        prefer::check(prefer::set_values(side.exec, in, {.value = side.write(value), .credit = side.write(credit)}));
        side.done();
        const auto worth = [&](std::int64_t b, std::int64_t without) {
          long double sum = 0;
          for (std::int64_t s = 0; s < vectors; ++s) {
            long double most = -HUGE_VALL;
            for (std::int64_t i = groups.begin(b); i < groups.end(b); ++i) {
              long double x = 0;
              for (std::int64_t j = 0; j < k; ++j) x += weights.get(s * k + j) * rewards.get(i * row + j);
              if (mask.at(i) && i != without) most = std::max(most, x);
            }
            sum += most > -HUGE_VALL ? most : 0;
          }
          return sum / static_cast<long double>(vectors);
        };
        for (std::int64_t b = 0; b < groups.count(); ++b) {
          const long double all = worth(b, -1);
          CHECK(is_near<S>(value.get(b), all));
          const std::int64_t few = std::min(groups.end(b), groups.begin(b) + 70);
          for (std::int64_t i = groups.begin(b); i < few; ++i)
            CHECK(is_near<S>(credit.get(i), mask.at(i) ? all - worth(b, i) : 0));
        }
        CHECK((value.intact() && credit.intact()));
      }
  covers<S>("set_value", "sizes");
}

template <class S, class Side>
void check_box_products() {
  for (const auto& sizes : group_shapes())
    for (const bool masked : {false, true}) {
      const std::int64_t k = 3, row = k + 1;
      ragged_groups groups(sizes);
      const std::int64_t n = groups.samples;
      buffer<S> rewards(n * row), weight(k), reward(n, 2);
      buffer<bool> mask(n);
      noise random(8);
      for (std::int64_t i = 0; i < n; ++i) {
        mask.at(i) = !masked || random.uniform(0, 1) < 0.7;
        const double nothing = i % 2 == 0 ? not_a_number : -9;  // what nobody may look at
        for (std::int64_t j = 0; j < row; ++j)
          rewards.set(i * row + j, mask.at(i) && j < k && groups.owns(i) ? random.uniform(-1, 1) : nothing);
      }
      for (std::int64_t j = 0; j < k; ++j) weight.set(j, 0.5 * static_cast<double>(j + 1));
      Side side;
      prefer::box_product_inputs<Side::memory> in{.rewards = side.read(rewards, n, k, row),
                                                  .weight = side.read(weight),
                                                  .groups = {.offsets = side.read(groups.offsets)}};
      if (masked) in.mask = side.read(mask);
      prefer::check(
          prefer::box_products(side.exec, prefer::box_product{.margin = 0.25}, in, {.reward = side.write(reward)}));
      side.done();
      for (std::int64_t b = 0; b < groups.count(); ++b) {
        std::vector<long double> least(k, HUGE_VALL);
        for (std::int64_t i = groups.begin(b); i < groups.end(b); ++i)
          for (std::int64_t j = 0; mask.at(i) && j < k; ++j) {
            long double& l = least[static_cast<std::size_t>(j)];
            l = std::min(l, static_cast<long double>(rewards.get(i * row + j)));
          }
        for (std::int64_t i = groups.begin(b); i < groups.end(b); ++i) {
          long double product = mask.at(i) ? 1 : 0;
          for (std::int64_t j = 0; mask.at(i) && j < k; ++j)
            product *= weight.get(j) * (rewards.get(i * row + j) - least[static_cast<std::size_t>(j)] + 0.25L);
          CHECK(is_near<S>(reward.get(i), product));
        }
      }
      CHECK(reward.intact());
    }
  covers<S>("box_product", "sizes");
}

// A batch of matrices in a buffer, rows with a gap.
template <class T, prefer::space On>
prefer::view<T, 3, On> batch_view(const prefer::view<T, 1, On>& flat, std::int64_t b, std::int64_t n, std::int64_t m,
                                  std::int64_t row) {
  return {flat.data, b, n, m, n * row, row, std::int64_t{1}};
}
template <class T, prefer::space On>
prefer::view<T, 2, On> rows_view(const prefer::view<T, 1, On>& flat, std::int64_t rows, std::int64_t columns) {
  return {flat.data, rows, columns};
}

// The best sum of a matching by trying all, rows one after the other; with `partial` a row may stay alone.
inline long double best_sum(const std::vector<std::vector<double>>& score, bool largest, bool partial) {
  const std::size_t n = score.size(), m = n == 0 ? 0 : score[0].size();
  std::vector<bool> taken(m);
  const std::size_t needed = std::min(n, m);
  std::function<long double(std::size_t, std::size_t)> best = [&](std::size_t i, std::size_t made) -> long double {
    const long double worst = largest ? -HUGE_VALL : HUGE_VALL;
    if (i == n) return partial || made == needed ? 0 : worst;
    long double found = best(i + 1, made);
    for (std::size_t j = 0; j < m; ++j) {
      if (taken[j]) continue;
      taken[j] = true;
      const long double sum = score[i][j] + best(i + 1, made + 1);
      if (largest ? sum > found : sum < found) found = sum;
      taken[j] = false;
    }
    return found;
  };
  return best(0, 0);
}

// Problems of all sizes up to 5 x 6 at once, both goals, with and without a choice, against all matchings: the sum is
// the best, the pairs are one to one and add up to it, the gradient marks them.
template <class S, class Side>
void check_assignments() {
  using rule = prefer::assignment;
  using divisor = rule::divisor;
  const std::int64_t n = 5, m = 6, row = m + 2, batch = (n + 1) * (m + 1);
  for (const auto goal : {rule::goal::largest, rule::goal::smallest})
    for (const bool partial : {false, true})
      for (const auto over : {divisor::none, divisor::rows, divisor::columns, divisor::longer, divisor::pairs}) {
        buffer<S> score(batch * n * row), gradient(batch * n * row), reward(batch, 2), upstream(batch);
        buffer<std::int32_t> rows(batch), columns(batch), column_of(batch * n);
        buffer<std::int64_t> row_of(batch * m);
        noise random(static_cast<std::uint64_t>(over) + 1);
        for (std::int64_t b = 0; b < batch; ++b) {
          rows.at(b) = static_cast<std::int32_t>(b / (m + 1)), columns.at(b) = static_cast<std::int32_t>(b % (m + 1));
          upstream.set(b, 0.5 + static_cast<double>(b % 3));
          for (std::int64_t e = 0; e < n * row; ++e)  // eighths: ties are many
            score.set(b * n * row + e, e / row < rows.at(b) && e % row < columns.at(b)
                                           ? std::floor(random.uniform(-6, 7)) / 8
                                           : not_a_number);
        }
        Side side;
        prefer::check(prefer::assignments(side.exec, rule{.sum = goal, .partial = partial, .over = over},
                                          {.score = batch_view(side.read(score), batch, n, m, row),
                                           .rows = side.read(rows),
                                           .columns = side.read(columns),
                                           .upstream = side.read(upstream)},
                                          {.column_of = rows_view(side.write(column_of), batch, n),
                                           .row_of = rows_view(side.write(row_of), batch, m),
                                           .reward = side.write(reward),
                                           .grad_score = batch_view(side.write(gradient), batch, n, m, row)}));
        side.done();
        for (std::int64_t b = 0; b < batch; ++b) {
          std::vector<std::vector<double>> table;
          for (std::int64_t i = 0; i < rows.at(b); ++i) {
            table.emplace_back();
            for (std::int64_t j = 0; j < columns.at(b); ++j) table.back().push_back(score.get((b * n + i) * row + j));
          }
          long double sum = 0, pairs = 0;
          bool good = true;
          for (std::int64_t i = 0; i < n; ++i) {
            const std::int64_t j = column_of.at(b * n + i);
            if (j < 0) continue;
            good = good && i < rows.at(b) && j < columns.at(b) && row_of.at(b * m + j) == i;
            sum += score.get((b * n + i) * row + j), pairs += 1;
          }
          for (std::int64_t j = 0; j < m; ++j)
            good = good && (row_of.at(b * m + j) < 0 || column_of.at(b * n + row_of.at(b * m + j)) == j);
          CHECK(good);
          CHECK(sum == best_sum(table, goal == rule::goal::largest, partial));
          const long double x = rows.at(b), y = columns.at(b);
          const long double by = over == divisor::none      ? 1
                                 : over == divisor::rows    ? x
                                 : over == divisor::columns ? y
                                 : over == divisor::longer  ? std::max(x, y)
                                                            : pairs;
          CHECK(is_near<S>(reward.get(b), by == 0 ? 0 : sum / by));
          for (std::int64_t i = 0; i < n; ++i)
            for (std::int64_t j = 0; j < m; ++j)
              CHECK(is_near<S>(gradient.get((b * n + i) * row + j),
                               column_of.at(b * n + i) == j && by != 0 ? upstream.get(b) / by : 0));
        }
        CHECK((reward.intact() && column_of.intact() && row_of.intact()));
      }
  covers<S>("assignment", "sizes");
}

// GIoU by areas of intervals, in long double.
inline long double giou_of(const std::array<double, 4>& p, const std::array<double, 4>& g) {
  const auto area = [](long double x0, long double y0, long double x1, long double y1) {
    return std::max(0.0L, x1 - x0) * std::max(0.0L, y1 - y0);
  };
  const long double shared =
      area(std::max(p[0], g[0]), std::max(p[1], g[1]), std::min(p[2], g[2]), std::min(p[3], g[3]));
  const long double either = area(p[0], p[1], p[2], p[3]) + area(g[0], g[1], g[2], g[3]) - shared;
  const long double hull = area(std::min(p[0], g[0]), std::min(p[1], g[1]), std::max(p[2], g[2]), std::max(p[3], g[3]));
  return (either == 0 ? 0 : shared / either) - (hull == 0 ? 0 : (hull - either) / hull);
}

template <class S, class Side>
void check_boxes() {
  const std::int64_t n = 4, m = 3, row = m + 1;
  for (const std::int64_t batch : {0, 1, 30}) {
    buffer<S> predicted(batch * n * 5), target(batch * m * 5), named(batch * n * row), score(batch * n * row),
        giou(batch * n * row);
    noise random(4);
    for (buffer<S>* boxes : {&predicted, &target})
      for (std::int64_t i = 0; i < boxes->size(); ++i) boxes->set(i, std::floor(random.uniform(0, 9)) / 8);
    for (std::int64_t i = 0; i < named.size(); ++i) named.set(i, random.uniform(0, 1));
    Side side;
    const prefer::box_similarity rule{.giou_weight = 2.0, .class_weight = 0.5, .distance_weight = 0.25};
    prefer::check(prefer::box_similarities(side.exec, rule,
                                           {.predicted = batch_view(side.read(predicted), batch, n, 4, 5),
                                            .target = batch_view(side.read(target), batch, m, 4, 5),
                                            .class_score = batch_view(side.read(named), batch, n, m, row)},
                                           {.score = batch_view(side.write(score), batch, n, m, row),
                                            .giou = batch_view(side.write(giou), batch, n, m, row)}));
    side.done();
    for (std::int64_t b = 0; b < batch; ++b)
      for (std::int64_t i = 0; i < n; ++i)
        for (std::int64_t j = 0; j < m; ++j) {
          std::array<double, 4> p, g;
          long double apart = 0;
          for (std::int64_t k = 0; k < 4; ++k) {
            const auto at = static_cast<std::size_t>(k);
            p[at] = predicted.get((b * n + i) * 5 + k), g[at] = target.get((b * m + j) * 5 + k);
            apart += std::fabs(p[at] - g[at]);
          }
          const long double alike = giou_of(p, g),
                            exact = 2 * alike + named.get((b * n + i) * row + j) / 2.0L - apart / 4;
          const double unit = std::ldexp(1.0, -storage<S>::digits);
          CHECK(std::fabs(giou.get((b * n + i) * row + j) - alike) <= unit + 1e-15L);
          CHECK(std::fabs(score.get((b * n + i) * row + j) - exact) <= 4 * unit + 4e-15L);
        }
  }
  covers<S>("box_similarity", "sizes");
}

template <class S, class Side>
void check_matched() {
  const std::int64_t n = 5, m = 4, row = m + 1, batch = 40;
  for (const bool unmatched : {false, true}) {
    buffer<S> quality(batch * n * row), precision(batch), recall(batch, 2), reward(batch);
    buffer<std::int32_t> column_of(batch * n), rows(batch);
    buffer<std::int64_t> columns(batch);
    noise random(6);
    for (std::int64_t b = 0; b < batch; ++b) {
      rows.at(b) = static_cast<std::int32_t>(b % (n + 1)), columns.at(b) = b % (m + 1);
      for (std::int64_t e = 0; e < n * row; ++e) quality.set(b * n * row + e, random.uniform(0.25, 1));
      for (std::int64_t i = 0; i < n; ++i)  // a shift is one to one
        column_of.at(b * n + i) =
            static_cast<std::int32_t>(i < rows.at(b) && i + b % 2 < columns.at(b) ? i + b % 2 : -1);
    }
    Side side;
    prefer::check(prefer::matched_rewards(
        side.exec, prefer::matched_criteria{.low = 0.5, .high = 0.75, .match = 0.5, .count_unmatched = unmatched},
        {.quality = batch_view(side.read(quality), batch, n, m, row),
         .column_of = rows_view(side.read(column_of), batch, n),
         .rows = side.read(rows),
         .columns = side.read(columns)},
        {.precision = side.write(precision), .recall = side.write(recall), .reward = side.write(reward)}));
    side.done();
    for (std::int64_t b = 0; b < batch; ++b) {
      const auto held = [](long double x) { return x < 0.5L ? 0 : x > 0.75L ? 1 : x; };
      long double sum = 0, good = 0, pairs = 0;
      for (std::int64_t i = 0; i < rows.at(b); ++i)
        if (const std::int64_t j = column_of.at(b * n + i); j >= 0) {
          const long double q = quality.get((b * n + i) * row + j);
          sum += held(q), good += q >= 0.5L ? 1 : 0, pairs += 1;
        }
      const long double x = rows.at(b), y = static_cast<long double>(columns.at(b));
      const long double all = unmatched ? std::max(x, y) : pairs, empty = x == 0 && y == 0 ? 1 : 0;
      const bool judged = x > 0 && y > 0;
      const long double p = judged ? (all > 0 ? sum / all : 0) : empty, r = judged ? held(good / y) : empty;
      CHECK(is_near<S>(precision.get(b), p));
      CHECK(is_near<S>(recall.get(b), r));
      CHECK(is_near<S>(reward.get(b), p + r));
    }
    CHECK((precision.intact() && recall.intact() && reward.intact()));
  }
  covers<S>("matched_criteria", "sizes");
}

// The call allocates nothing and gives the same bits for any number of threads; `call(exec, out)` fills `out`.
template <class Call>
void check_threads(const char* name, std::size_t n, const Call& call) {
  std::vector<float> once(n), again(n);
  const long before = allocation_count();
  const prefer::status s = call(prefer::cpu{}, once.data());
  CHECK(allocation_count() == before);
  CHECK(s.ok());
  for (const int threads : {2, 3, 8}) {
    prefer::thread_pool pool(threads);
    prefer::check(call(prefer::cpu{.pool = pool}, again.data()));
    CHECK(once == again);
  }
  covers(name, "threads"), covers(name, "allocation");
}

// Whole numbers from 0 to 9 and numbers from 0 to 1.
inline std::vector<float> digits(std::size_t n) {
  std::vector<float> x(n);
  for (std::size_t i = 0; i < n; ++i) x[i] = static_cast<float>(i * 7 % 10);
  return x;
}
inline std::vector<float> visits(std::size_t n) {
  std::vector<float> x = digits(n);
  for (float& v : x) v += 1;
  return x;
}
inline std::vector<float> shares(std::size_t n) {
  std::vector<float> x(n);
  noise random(2);
  for (float& v : x) v = static_cast<float>(random.uniform(0, 1));
  return x;
}

// f of an element of every storage type.
template <class F>
void each_storage(F f) {
  f(float{}), f(double{}), f(prefer::half{}), f(prefer::bfloat16{});
}

inline std::string text_of(const prefer::status& s) { return prefer::message(s).c_str(); }

}  // namespace prefer_test
