// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "fit_support.hpp"

#include <prefer/core/thread_pool.hpp>
#include <prefer/rank/standard_errors.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <string>

using namespace prefer;
using namespace prefer_test;

namespace {

struct errors {
  status answer;
  std::vector<double> se, covariance;
  double tie = -1;
};

errors find(const bradley_terry_errors& o, const comparisons<space::host>& data, const fit_result& at,
            const cpu& exec = {}) {
  const auto n = static_cast<std::int64_t>(at.ratings.size());
  errors e;
  e.se.assign(at.ratings.size(), -7);
  e.covariance.assign(at.ratings.size() * at.ratings.size(), -7);
  e.answer =
      standard_errors(exec, o, data, {.ratings = {at.ratings.data(), n}, .tie_parameter = {&at.tie_parameter, 1}},
                      {.standard_errors = {e.se.data(), n},
                       .covariance = {e.covariance.data(), n, n},
                       .tie_standard_error = {&e.tie, 1}});
  return e;
}

// Both ways to solve: factorised, and by conjugate gradients. Errors of a few 1e-2 to 1e-12 relative: the fit stops at
// 1e-12, and so do the conjugate gradients.
void check_both(bradley_terry_errors o, const comparisons<space::host>& data, const long double* expected,
                std::size_t n, double tie = -1) {
  const fit_result at = fit(o.fit, data, static_cast<std::int64_t>(n));
  REQUIRE(at.status.ok());
  for (const std::int64_t dense : {1024, 0}) {
    CAPTURE(dense);
    o.dense_items = dense;
    const errors e = find(o, data, at);
    INFO(message(e.answer).c_str());
    CHECK(e.answer.ok());
    for (std::size_t i = 0; i < n; ++i) {
      CAPTURE(i);
      CHECK(std::fabs(e.se[i] - static_cast<double>(expected[i])) <= 2e-11 * static_cast<double>(expected[i]));
      CHECK(std::fabs(e.covariance[i * n + i] - e.se[i] * e.se[i]) < 1e-14);
    }
    if (tie >= 0)
      CHECK(std::fabs(e.tie - tie) < 2e-11 * tie);
    else
      CHECK(std::isnan(e.tie));
  }
}

}  // namespace

TEST_CASE("golden: errors of the citations, against an anchor and with sum zero, by both estimates") {
  prefer_test::covers("standard_errors", "golden");
  const comparisons<space::host> journals{.win_matrix = {journals_wins, 4, 4}};
  check_both({.fit = {.anchor = 0}}, journals, journals_errors, 4);
  check_both({.fit = {.anchor = 0}, .estimate = error_estimate::sandwich}, journals, journals_sandwich, 4);
  check_both({}, journals, journals_zero_sum_errors, 4);
  const double published[] = {0, 0.102545, 0.060589, 0.070830};
  CHECK(distance(journals_errors, published, 4) < 5.1e-7);
  check_both({.fit = {.anchor = 6}}, {.win_matrix = {baseball_wins, 7, 7}}, baseball_errors, 7);
}

TEST_CASE("golden: errors of tie models and with priors") {
  const comparisons<space::host> data{.win_matrix = {journals_wins, 4, 4}, .tie_matrix = {journals_ties, 4, 4}};
  const auto sandwich = error_estimate::sandwich;
  check_both({}, data, half_errors, 4);
  check_both({.estimate = sandwich}, data, half_sandwich, 4);
  // The library reports the error of log nu and of eta, as the table does.
  check_both({.fit = {.ties = tie_model::rao_kupper}}, data, rao_kupper_errors, 4,
             static_cast<double>(rao_kupper_tie_errors[0]));
  check_both({.fit = {.ties = tie_model::rao_kupper}, .estimate = sandwich}, data, rao_kupper_sandwich, 4,
             static_cast<double>(rao_kupper_tie_errors[1]));
  check_both({.fit = {.ties = tie_model::davidson}}, data, davidson_errors, 4,
             static_cast<double>(davidson_tie_errors[0]));
  check_both({.fit = {.ties = tie_model::davidson}, .estimate = sandwich}, data, davidson_sandwich, 4,
             static_cast<double>(davidson_tie_errors[1]));
  const fit_result ridge = fit({.ties = tie_model::davidson, .prior_precision = 2}, data, 4);
  for (const std::int64_t dense : {1024, 0}) {
    const errors e =
        find({.fit = {.ties = tie_model::davidson, .prior_precision = 2}, .dense_items = dense}, data, ridge);
    CHECK(distance(e.se, ridge_errors, 4) < 1e-11);
    const bradley_terry_fit pseudo{.ties = tie_model::davidson, .pseudo_count = 1.5};
    CHECK(distance(find({.fit = pseudo, .dense_items = dense}, data, fit(pseudo, data, 4)).se, pseudo_errors, 4) <
          1e-11);
    const bradley_terry_fit both{.ties = tie_model::davidson, .prior_precision = 0.5, .pseudo_count = 3};
    CHECK(distance(find({.fit = both, .dense_items = dense}, data, fit(both, data, 4)).se, both_priors_errors, 4) <
          1e-11);
  }
}

TEST_CASE("a newcomer with 40 games among a million has the error of 40 games") {
  const comparisons<space::host> data{.win_matrix = {newcomer_wins, 5, 5}};
  check_both({}, data, newcomer_errors, 5);
  check_both({.estimate = error_estimate::sandwich}, data, newcomer_sandwich, 5);
  check_both({.fit = {.anchor = 0}}, data, newcomer_anchor_errors, 5);
  // Against item 0, which everyone knows well: 1 / sqrt(40 p q). Others' games do not enter.
  const double p = 21.0 / 40, q = 19.0 / 40;
  const errors known = find({.fit = {.anchor = 0}}, data, fit({.anchor = 0}, data, 5));
  CHECK(std::fabs(known.se[4] - 1 / std::sqrt(40 * p * q)) < 1e-11);
  std::vector<double> more(newcomer_wins, newcomer_wins + 25);
  for (std::size_t i = 0; i < 4; ++i)
    for (std::size_t j = 0; j < 4; ++j) more[i * 5 + j] *= 1000;
  const comparisons<space::host> billion{.win_matrix = {more.data(), 5, 5}};
  for (const auto estimate : {error_estimate::hessian, error_estimate::sandwich})
    CHECK(std::fabs(find({.fit = {.anchor = 0}, .estimate = estimate}, billion, fit({.anchor = 0}, billion, 5)).se[4] -
                    known.se[4]) < 1e-10);
}

TEST_CASE("the curvature behind the errors is the second difference of the loss") {
  const games g = random_graph(7, 25, 3);
  for (const tie_model model : {tie_model::half, tie_model::rao_kupper, tie_model::davidson}) {
    const fit_result at = fit({.ties = model, .prior_precision = 0.5}, g.pairs(), 7);
    // With a prior the covariance is the inverse of the curvature, so it times that curvature, differenced here, is
    // one. Ties are held at their estimate by reading the border out of the joint covariance: skip it by the half
    // model.
    if (model != tie_model::half) continue;
    const errors e = find({.fit = {.ties = model, .prior_precision = 0.5}}, g.pairs(), at);
    const auto slope = [&](std::vector<long double> r, std::size_t i) {
      long double s = 0.5L * r[i];
      for (std::size_t k = 0; k < g.first.size(); ++k) {
        const auto a = static_cast<std::size_t>(g.first[k]), b = static_cast<std::size_t>(g.second[k]);
        if (a != i && b != i) continue;
        const long double games_played = g.first_wins[k] + g.second_wins[k] + g.ties[k];
        const long double x = games_played / (1 + std::exp(r[b] - r[a])) - g.first_wins[k] - g.ties[k] / 2;
        s += a == i ? x : -x;
      }
      return s;
    };
    const std::vector<long double> r(at.ratings.begin(), at.ratings.end());
    for (std::size_t i = 0; i < 7; ++i)
      for (std::size_t j = 0; j < 7; ++j) {
        long double product = 0;
        for (std::size_t k = 0; k < 7; ++k) {
          auto up = r, down = r;
          up[k] += 1e-5L, down[k] -= 1e-5L;
          product += (slope(up, i) - slope(down, i)) / 2e-5L * e.covariance[k * 7 + j];
        }
        CHECK(std::fabs(static_cast<double>(product) - (i == j ? 1 : 0)) < 1e-8);  // second differences
      }
  }
}

TEST_CASE(
    "contrasts do not depend on the gauge; large sparse graphs by conjugate gradients agree with the factorisation") {
  const games g = random_graph(300, 700, 9);
  for (const tie_model model : {tie_model::half, tie_model::davidson})
    for (const auto estimate : {error_estimate::hessian, error_estimate::sandwich}) {
      const fit_result at = fit({.ties = model}, g.pairs(), 300);
      const errors dense = find({.fit = {.ties = model}, .estimate = estimate}, g.pairs(), at);
      const errors sparse = find({.fit = {.ties = model}, .estimate = estimate, .dense_items = 0}, g.pairs(), at);
      const errors anchored = find({.fit = {.ties = model, .anchor = 5}, .estimate = estimate}, g.pairs(), at);
      CHECK(distance(dense.covariance, sparse.covariance, 90000) < 1e-11);
      const auto contrast = [](const errors& e, std::size_t i, std::size_t j) {
        return e.covariance[i * 300 + i] + e.covariance[j * 300 + j] - 2 * e.covariance[i * 300 + j];
      };
      for (std::size_t i = 0; i < 300; i += 7) {
        CHECK(std::fabs(contrast(dense, i, 11) - contrast(anchored, i, 11)) < 1e-11);
        CHECK(std::fabs(anchored.se[i] * anchored.se[i] - contrast(dense, i, 5)) < 1e-11);
      }
      CHECK(anchored.se[5] < 1e-8);
      // Requested items only, by threads.
      const std::int64_t wanted[] = {299, 0, 17};
      double se[3];
      thread_pool pool(3);
      CHECK(standard_errors(
                {.pool = pool}, {.fit = {.ties = model}, .estimate = estimate, .dense_items = 0}, g.pairs(),
                {.ratings = {at.ratings.data(), 300}, .tie_parameter = {&at.tie_parameter, 1}, .items = {wanted, 3}},
                {.standard_errors = {se, 3}})
                .ok());
      for (std::size_t k = 0; k < 3; ++k) CHECK(se[k] == sparse.se[static_cast<std::size_t>(wanted[k])]);
    }
}

TEST_CASE("weights enter the curvature once and the sandwich squared") {
  const games g = random_graph(9, 40, 13);
  std::vector<double> two(g.first.size(), 2.0);
  comparisons<space::host> weighted = g.pairs();
  weighted.weight = {two.data(), g.rows()};
  const fit_result at = fit({}, g.pairs(), 9);
  for (const std::int64_t dense : {1024, 0}) {
    const errors plain = find({.dense_items = dense}, g.pairs(), at),
                 heavy = find({.dense_items = dense}, weighted, at);
    const errors robust = find({.estimate = error_estimate::sandwich, .dense_items = dense}, g.pairs(), at);
    const errors heavy_robust = find({.estimate = error_estimate::sandwich, .dense_items = dense}, weighted, at);
    for (std::size_t i = 0; i < 9; ++i) {
      CHECK(std::fabs(heavy.se[i] * std::sqrt(2.0) - plain.se[i]) < 1e-12);  // as if there were twice the games
      CHECK(std::fabs(heavy_robust.se[i] - robust.se[i]) < 1e-12);           // but there are not
    }
  }
}

TEST_CASE("the same bits for any number of threads and any order of tasks, solved both ways") {
  covers("standard_errors", "threads");
  const games g = random_graph(60, 300, 5);
  const fit_result at = fit({}, g.pairs(), 60);
  auto backwards = [](std::int64_t tasks, auto task) {
    while (tasks-- > 0) task(tasks);
  };
  for (const std::int64_t dense : {1024, 0}) {
    const bradley_terry_errors o{.estimate = error_estimate::sandwich, .dense_items = dense};
    const errors alone = find(o, g.pairs(), at);
    REQUIRE(alone.answer.ok());
    const auto same = [&](const cpu& exec) {
      const errors e = find(o, g.pairs(), at, exec);
      CHECK(e.answer.ok());
      CHECK(e.se == alone.se);
      CHECK(e.covariance == alone.covariance);
    };
    for (int threads : {1, 2, 3, 8}) {
      thread_pool pool(threads);
      same({.pool = pool});
    }
    same({.parallel_for = backwards});
  }
}

TEST_CASE("blocks with many games that hang together by one: the error of the link, in closed form") {
  // At equal ratings a game has a curvature of 1/4, and on a chain variances add up.
  for (const double heavy : {1e3, 1e6, 1e9, 1e12}) {
    CAPTURE(heavy);
    games g{.items = 4};
    g.add(0, 1, heavy, heavy);
    g.add(1, 2, 1, 1);
    g.add(2, 3, heavy, heavy);
    fit_result at;
    at.ratings.assign(4, 0);
    for (const std::int64_t dense : {1024, 0}) {
      const errors e = find({.fit = {.anchor = 0}, .dense_items = dense}, g.pairs(false), at);
      INFO(message(e.answer).c_str());
      REQUIRE(e.answer.ok());
      CHECK(std::fabs(e.se[1] / std::sqrt(2 / heavy) - 1) < 1e-12);
      CHECK(std::fabs(e.se[2] / std::sqrt(2 + 2 / heavy) - 1) < 1e-12);
      CHECK(std::fabs(e.se[3] / std::sqrt(2 + 4 / heavy) - 1) < 1e-12);
    }
  }
}

TEST_CASE("an error that double precision cannot find is refused, not made up") {
  games g{.items = 2};
  g.add(0, 1, 1, 1);
  fit_result at;
  at.ratings = {0, 2000};  // the curvature underflows
  for (const std::int64_t dense : {1024, 0}) {
    const errors e = find({.dense_items = dense}, g.pairs(false), at);
    CHECK(e.answer.code == errc::bad_parameter);
    CHECK(std::string(e.answer.argument) == "ratings");
    CHECK(e.se[0] == -7);
    at.ratings[1] = 700;  // that of the only pair is e^-700
    CHECK(std::fabs(find({.dense_items = dense}, g.pairs(false), at).se[0] / (std::exp(350.0) / std::sqrt(8.0)) - 1) <
          1e-12);
    at.ratings[1] = 2000;
  }
  // Thin blocks, 1e10 games against one: rounding keeps the residual of the conjugate gradients from 1e-12.
  noise random(5);
  games thin{.items = 30};
  for (std::int64_t block = 0; block < 30; block += 10)
    for (std::int64_t i = 0; i < 10; ++i)
      for (std::int64_t j = 0; j < i; ++j) {
        const double count = 1e10 * std::floor(random.uniform(1, 10));
        if (j + 1 == i || random.uniform(0, 1) < 0.4) thin.add(block + i, block + j, count, count);
      }
  thin.add(3, 14, 1, 1);
  thin.add(17, 22, 1, 1);
  at.ratings.assign(30, 0);
  for (double& r : at.ratings) r = random.uniform(-0.5, 0.5);
  const errors cg = find({.dense_items = 0}, thin.pairs(false), at);
  CHECK(cg.answer.code == errc::not_converged);
  CHECK(cg.se[0] == -7);
  CHECK(find({}, thin.pairs(false), at).answer.ok());

  const double small[] = {1e-200};
  comparisons<space::host> weighted = g.pairs(false);
  weighted.weight = {small, 1};
  at.ratings = {0, 0};
  const errors tiny = find({.estimate = error_estimate::sandwich}, weighted, at);  // its square is 0
  CHECK(tiny.answer.code == errc::bad_label);
  CHECK(std::string(tiny.answer.argument) == "weight");
  CHECK(find({}, weighted, at).answer.ok());
}

TEST_CASE("workspace and bad arguments of the errors") {
  prefer_test::covers("standard_errors", "bad-argument");
  const games g = random_graph(20, 60, 17);
  const fit_result at = fit({.ties = tie_model::davidson}, g.pairs(), 20);
  const bradley_terry_errors o{
      .fit = {.ties = tie_model::davidson}, .estimate = error_estimate::sandwich, .dense_items = 0};
  const fitted_ratings<space::host> good{.ratings = {at.ratings.data(), 20}, .tie_parameter = {&at.tie_parameter, 1}};
  std::vector<double> se(20);
  const std::size_t bytes = standard_errors_workspace(cpu{}, o, g.pairs(), good);
  std::vector<unsigned char> memory(bytes + 2, 0xa5);
  CHECK(standard_errors({.workspace = {memory.data() + 1, bytes}}, o, g.pairs(), good,
                        {.standard_errors = {se.data(), 20}})
            .ok());
  CHECK(memory.front() == 0xa5);
  CHECK(memory.back() == 0xa5);
  CHECK(se == find(o, g.pairs(), at).se);

  const auto refused = [&](errc code, const char* argument, const bradley_terry_errors& options,
                           const comparisons<space::host>& data, const fitted_ratings<space::host>& in,
                           const error_outputs<space::host>& out, const cpu& exec = {}) {
    const status s = standard_errors(exec, options, data, in, out);
    INFO(message(s).c_str());
    CHECK(s.code == code);
    CHECK(std::string(s.argument) == argument);
  };
  const error_outputs<space::host> out{.standard_errors = {se.data(), 20}};
  refused(errc::small_workspace, "workspace", o, g.pairs(), good, out, {.workspace = {memory.data(), bytes - 1}});
  refused(errc::missing_output, "outputs", o, g.pairs(), good, {});
  refused(errc::missing_input, "ratings", o, g.pairs(), {}, out);
  refused(errc::missing_input, "tie_parameter", o, g.pairs(), {.ratings = {at.ratings.data(), 20}}, out);
  const double minus = -1;
  refused(errc::bad_parameter, "tie_parameter", o, g.pairs(),
          {.ratings = {at.ratings.data(), 20}, .tie_parameter = {&minus, 1}}, out);
  std::vector<double> infinite = at.ratings;
  infinite[3] = std::numeric_limits<double>::infinity();
  refused(errc::not_a_number, "ratings", o, g.pairs(),
          {.ratings = {infinite.data(), 20}, .tie_parameter = {&at.tie_parameter, 1}}, out);
  const std::int32_t wanted[] = {3, 20};
  refused(errc::bad_index, "items", o, g.pairs(),
          {.ratings = {at.ratings.data(), 20}, .tie_parameter = {&at.tie_parameter, 1}, .items = {wanted, 2}},
          {.standard_errors = {se.data(), 2}});
  refused(errc::bad_extent, "standard_errors", o, g.pairs(), good, {.standard_errors = {se.data(), 19}});
  std::vector<double> covariance(400);
  refused(errc::bad_extent, "covariance", o, g.pairs(), good, {.covariance = {covariance.data(), 20, 19}});
  refused(errc::bad_stride, "covariance", o, g.pairs(), good, {.covariance = {covariance.data(), 20, 20, 3, 1}});
  refused(errc::overlap, "standard_errors", o, g.pairs(), good,
          {.standard_errors = {const_cast<double*>(at.ratings.data()), 20}});
  refused(errc::bad_parameter, "tolerance", {.fit = o.fit, .tolerance = 0}, g.pairs(), good, out);
  refused(errc::bad_parameter, "dense_items", {.fit = o.fit, .dense_items = -1}, g.pairs(), good, out);
  refused(errc::not_connected, "items", {}, chain(20, 1, 0).pairs(false), good, out);
}
