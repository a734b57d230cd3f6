// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "fit_support.hpp"

#include <prefer/core/thread_pool.hpp>
#include <prefer/rank/bootstrap.hpp>
#include <prefer/rank/standard_errors.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

using namespace prefer;
using namespace prefer_test;

namespace {

struct intervals {
  status answer;
  std::vector<double> lower, upper, se, samples;
  std::int32_t failed = -1;
};

intervals run(const bradley_terry_bootstrap& o, const comparisons<space::host>& data, std::int64_t n,
              const cpu& exec = {}) {
  intervals r;
  for (auto* v : {&r.lower, &r.upper, &r.se}) v->assign(static_cast<std::size_t>(n), -7);
  r.samples.assign(static_cast<std::size_t>(n * o.replicates), -7);
  r.answer = bootstrap_bradley_terry(exec, o, data,
                                     {.lower = {r.lower.data(), n},
                                      .upper = {r.upper.data(), n},
                                      .standard_errors = {r.se.data(), n},
                                      .failed = {&r.failed, 1},
                                      .samples = {r.samples.data(), o.replicates, n}});
  return r;
}

comparisons<space::host> journals() {
  return {.win_matrix = {journals_wins, 4, 4}, .tie_matrix = {journals_ties, 4, 4}};
}

}  // namespace

TEST_CASE("bitwise the same for any number of threads, lanes and order; another seed differs") {
  prefer_test::covers("bootstrap", "threads");
  for (const tie_model model : {tie_model::half, tie_model::rao_kupper, tie_model::davidson}) {
    const bradley_terry_bootstrap o{.fit = {.ties = model}, .replicates = 50, .seed = 3};
    const intervals alone = run(o, journals(), 4);
    CHECK(alone.answer.ok());
    CHECK(alone.failed == 0);
    for (const int threads : {1, 2, 3, 8}) {
      thread_pool pool(threads);
      const intervals r = run(o, journals(), 4, {.pool = pool});
      CHECK(r.samples == alone.samples);
      CHECK(r.lower == alone.lower);
      CHECK(r.se == alone.se);
    }
    auto backwards = [](std::int64_t tasks, auto task) {
      for (std::int64_t i = tasks; i-- > 0;) task(i);
    };
    CHECK(run({.fit = {.ties = model}, .replicates = 50, .seed = 3, .lanes = 3}, journals(), 4,
              {.parallel_for = backwards})
              .samples == alone.samples);
    CHECK(run({.fit = {.ties = model}, .replicates = 50, .seed = 4}, journals(), 4).samples != alone.samples);
  }
}

TEST_CASE("intervals are the percentiles of the samples, and every sample is a fit of as many games") {
  const bradley_terry_bootstrap o{.replicates = 41, .seed = 9, .level = 0.9};
  const intervals r = run(o, journals(), 4);
  for (std::size_t i = 0; i < 4; ++i) {
    std::vector<double> column;
    double sum = 0, squares = 0;
    for (std::size_t b = 0; b < 41; ++b) column.push_back(r.samples[b * 4 + i]);
    std::sort(column.begin(), column.end());
    for (double x : column) sum += x;
    for (double x : column) squares += (x - sum / 41) * (x - sum / 41);
    CHECK(std::fabs(r.lower[i] - column[2]) < 1e-12);  // 5 % of 40 steps
    CHECK(std::fabs(r.upper[i] - column[38]) < 1e-12);
    CHECK(std::fabs(r.se[i] - std::sqrt(squares / 40)) < 1e-14);
  }
  for (std::size_t b = 0; b < 41; ++b)
    CHECK(std::fabs(r.samples[b * 4] + r.samples[b * 4 + 1] + r.samples[b * 4 + 2] + r.samples[b * 4 + 3]) < 1e-12);
}

TEST_CASE("draws have the multinomial's moments: two items, where the rating is the logit of the number of wins") {
  games g{.items = 2};
  g.add(0, 1, 300, 100);
  const bradley_terry_bootstrap o{.replicates = 4000, .seed = 1};
  const intervals r = run(o, g.pairs(false), 2);
  double sum = 0, squares = 0;
  for (std::size_t b = 0; b < 4000; ++b) {
    const double wins = 400 / (1 + std::exp(-2 * r.samples[2 * b]));
    CHECK(std::fabs(wins - std::round(wins)) < 1e-8);
    sum += wins;
    squares += (wins - 300) * (wins - 300);
  }
  CHECK(std::fabs(sum / 4000 - 300) < 4 * std::sqrt(75.0 / 4000));               // four standard errors of the mean
  CHECK(std::fabs(squares / 4000 - 75) < 4 * 75 * std::sqrt(2.0 / 4000) * 1.1);  // and of the variance
}

TEST_CASE("the spread of the replicates is the standard error") {
  prefer_test::covers("bootstrap", "golden");
  const fit_result at = fit({}, journals(), 4);
  std::vector<double> se(4);
  CHECK(standard_errors({}, {.estimate = error_estimate::sandwich}, journals(), {.ratings = {at.ratings.data(), 4}},
                        {.standard_errors = {se.data(), 4}})
            .ok());
  const intervals r = run({.replicates = 2000, .seed = 5}, journals(), 4);
  // Relative error of a standard deviation from 2000: 1 / sqrt(4000) = 1.6 %; four of them, and the second order.
  for (std::size_t i = 0; i < 4; ++i) CHECK(std::fabs(r.se[i] / se[i] - 1) < 0.08);
}

TEST_CASE("replicates that lose the only win are counted and left out; a prior keeps all") {
  games g{.items = 3};
  g.add(0, 1, 20, 20);
  g.add(1, 2, 20, 1);  // item 2 won once: absent from a replicate with probability about 1/e
  const intervals r = run({.replicates = 400, .seed = 2}, g.pairs(false), 3);
  CHECK(r.answer.ok());
  CHECK(r.failed > 400 / std::exp(1.0) - 4 * std::sqrt(400 * 0.37 * 0.63));
  CHECK(r.failed < 400 / std::exp(1.0) + 4 * std::sqrt(400 * 0.37 * 0.63));
  std::int32_t missing = 0;
  for (std::size_t b = 0; b < 400; ++b) missing += std::isnan(r.samples[3 * b]) ? 1 : 0;
  CHECK(missing == r.failed);
  CHECK(std::isfinite(r.lower[2]));
  CHECK(run({.fit = {.prior_precision = 0.1}, .replicates = 400, .seed = 2}, g.pairs(false), 3).failed == 0);
}

TEST_CASE("a weighted game keeps its weight when it is drawn") {
  const games g = random_graph(5, 25, 7);
  const std::vector<double> one(g.first.size(), 1.0), two(g.first.size(), 2.0);
  comparisons<space::host> light = g.pairs(), heavy = g.pairs();
  light.weight = {one.data(), g.rows()};
  heavy.weight = {two.data(), g.rows()};
  const intervals a = run({.replicates = 20, .seed = 4}, light, 5), b = run({.replicates = 20, .seed = 4}, heavy, 5);
  CHECK(a.answer.ok());
  CHECK(distance(a.samples, b.samples, a.samples.size()) < 1e-9);  // all weights alike: the same ratings
}

TEST_CASE("a game without weight is not drawn, whether or not its items met in other games") {
  games with{.items = 3}, without{.items = 3};
  for (games* g : {&with, &without}) g->add(0, 1, 6, 4), g->add(1, 2, 3, 5);
  with.add(0, 1, 7, 9);
  with.add(0, 2, 2, 2);
  const double weight[] = {1, 2, 0, 0};
  comparisons<space::host> a = with.pairs(false), b = without.pairs(false);
  a.weight = {weight, 4};
  b.weight = {weight, 2};
  const bradley_terry_bootstrap o{.fit = {.prior_precision = 1}, .replicates = 8};
  CHECK(run(o, a, 3).samples == run(o, b, 3).samples);
}

TEST_CASE("intervals may be columns of one matrix") {
  const games g = random_graph(6, 20, 3);
  double both[12];
  CHECK(bootstrap_bradley_terry({}, {.replicates = 10}, g.pairs(), {.lower = {both, 6, 2}, .upper = {both + 1, 6, 2}})
            .ok());
  const intervals r = run({.replicates = 10}, g.pairs(), 6);
  for (std::size_t i = 0; i < 6; ++i) CHECK((both[2 * i] == r.lower[i] && both[2 * i + 1] == r.upper[i]));
}

TEST_CASE("workspace and bad arguments of the bootstrap") {
  prefer_test::covers("bootstrap", "bad-argument");
  const games g = random_graph(6, 20, 3);
  const bradley_terry_bootstrap o{.replicates = 10};
  std::vector<double> lower(6);
  const std::size_t bytes = bootstrap_bradley_terry_workspace(cpu{}, o, g.pairs());
  std::vector<unsigned char> memory(bytes + 2, 0xa5);
  CHECK(bootstrap_bradley_terry({.workspace = {memory.data() + 1, bytes}}, o, g.pairs(), {.lower = {lower.data(), 6}})
            .ok());
  CHECK(memory.front() == 0xa5);
  CHECK(memory.back() == 0xa5);
  CHECK(lower == run(o, g.pairs(), 6).lower);

  const auto refused = [&](errc code, const char* argument, const bradley_terry_bootstrap& options,
                           const comparisons<space::host>& data, const bootstrap_outputs<space::host>& out,
                           const cpu& exec = {}) {
    const status s = bootstrap_bradley_terry(exec, options, data, out);
    INFO(message(s).c_str());
    CHECK(s.code == code);
    CHECK(std::string(s.argument) == argument);
  };
  const bootstrap_outputs<space::host> out{.lower = {lower.data(), 6}};
  refused(errc::small_workspace, "workspace", o, g.pairs(), out, {.workspace = {memory.data(), bytes - 1}});
  refused(errc::bad_parameter, "replicates", {.replicates = 0}, g.pairs(), out);
  refused(errc::bad_parameter, "level", {.level = 1}, g.pairs(), out);
  refused(errc::bad_parameter, "lanes", {.lanes = -1}, g.pairs(), out);
  refused(errc::bad_parameter, "prior_precision", {.fit = {.prior_precision = -1}}, g.pairs(), out);
  refused(errc::missing_output, "outputs", o, g.pairs(), {});
  refused(errc::bad_extent, "lower", o, g.pairs(), {.lower = {lower.data(), 5}});
  std::vector<double> samples(60);
  refused(errc::bad_extent, "samples", o, g.pairs(), {.samples = {samples.data(), 9, 6}});
  refused(errc::bad_stride, "samples", o, g.pairs(), {.samples = {samples.data(), 10, 6, 5, 1}});
  refused(errc::overlap, "upper", o, g.pairs(), {.lower = {lower.data(), 6}, .upper = {lower.data(), 6}});
  refused(errc::not_connected, "items", o, chain(6, 1, 0).pairs(false), out);
  refused(errc::not_converged, "gradient", {.fit = {.max_sweeps = 0, .max_newton_steps = 0}}, g.pairs(), out);
  games fraction = g;
  fraction.first_wins[0] = 2.5;
  refused(errc::bad_label, "counts", o, fraction.pairs(), out);
}
