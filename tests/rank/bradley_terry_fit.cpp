// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "fit_support.hpp"

#include <prefer/core/thread_pool.hpp>
#include <support/allocations.hpp>
#include <support/buffer.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <string>

using namespace prefer;
using namespace prefer_test;

namespace {

constexpr tie_model all_models[] = {tie_model::half, tie_model::rao_kupper, tie_model::davidson};

// The fit stops at 1e-12 of a game per game; divided by the curvature per game, 1/4 at most and 1/20 where these sets
// are lopsided.
constexpr double golden_error = 2e-11;

template <std::size_t N>
comparisons<space::host> matrix_of(const double (&wins)[N], std::int64_t n) {
  return {.win_matrix = {wins, n, n}};
}

std::string text(const status& s) { return message(s).c_str(); }

// Expects an error and that nothing was written.
void refuses(errc code, const char* argument, const bradley_terry_fit& o, const comparisons<space::host>& data,
             std::int64_t items, std::int64_t index = -1, const cpu& exec = {}) {
  const fit_result r = fit(o, data, items, exec);
  INFO(text(r.status));
  CHECK(r.status.code == code);
  CHECK(std::string(r.status.argument) == argument);
  CHECK(r.status.index == index);
  CHECK(r.sweeps == -1);
  CHECK(r.gradient == -1);
  for (double x : r.ratings) CHECK(x == -77);
}

}  // namespace

TEST_CASE("golden: citations, the 1987 American League and choix's triangle") {
  prefer_test::covers("bradley_terry_fit", "golden");
  const fit_result journals = fit({.anchor = 0}, matrix_of(journals_wins, 4), 4);
  CHECK(journals.status.ok());
  CHECK(journals.converged);
  CHECK(distance(journals.ratings, journals_ratings, 4) < golden_error);
  CHECK(std::fabs(journals.loss - static_cast<double>(journals_loss[0])) < 1e-9);
  // As published (BradleyTerry2, from Stigler and Agresti), at the digits that are printed.
  const double published[] = {0, -2.949072, -0.479570, 0.268954};
  CHECK(distance(journals.ratings, published, 4) < 5.01e-7);

  const fit_result baseball = fit({.anchor = 6}, matrix_of(baseball_wins, 7), 7);
  CHECK(distance(baseball.ratings, baseball_ratings, 7) < golden_error);
  CHECK(std::fabs(baseball.loss - static_cast<double>(baseball_loss[0])) < 1e-10);
  const double agresti[] = {1.5814, 1.4364, 1.2945, 1.2476, 1.1077, 0.6839, 0};
  CHECK(distance(baseball.ratings, agresti, 7) < 5.1e-5);

  const std::int32_t winner[] = {0, 0, 1, 2}, loser[] = {1, 1, 2, 0};
  const fit_result triangle = fit({}, {.items = 3, .first = {winner, 4}, .second = {loser, 4}}, 3);
  CHECK(distance(triangle.ratings, choix_ratings, 3) < golden_error);
  const double choix[] = {0.419617624, -0.419617624, 0};
  CHECK(distance(triangle.ratings, choix, 3) < 1e-9);
}

TEST_CASE("golden: the three tie models, and priors") {
  comparisons<space::host> data = matrix_of(journals_wins, 4);
  data.tie_matrix = {journals_ties, 4, 4};
  const auto check_model = [&](tie_model model, const long double* ratings, long double loss) {
    const fit_result r = fit({.ties = model}, data, 4);
    CHECK(r.status.ok());
    CHECK(distance(r.ratings, ratings, 4) < golden_error);
    CHECK(std::fabs(r.loss - static_cast<double>(loss)) < 1e-9);
    return r.tie_parameter;
  };
  CHECK(std::isnan(check_model(tie_model::half, half_ratings, half_loss[0])));
  CHECK(std::fabs(check_model(tie_model::rao_kupper, rao_kupper_ratings, rao_kupper_loss[0]) -
                  static_cast<double>(rao_kupper_tie[0])) < golden_error);
  CHECK(std::fabs(check_model(tie_model::davidson, davidson_ratings, davidson_loss[0]) -
                  static_cast<double>(davidson_tie[0])) < golden_error);

  const fit_result ridge = fit({.ties = tie_model::davidson, .prior_precision = 2}, data, 4);
  CHECK(distance(ridge.ratings, ridge_ratings, 4) < golden_error);
  CHECK(std::fabs(ridge.tie_parameter - static_cast<double>(ridge_tie[0])) < golden_error);
  const fit_result pseudo = fit({.ties = tie_model::davidson, .pseudo_count = 1.5}, data, 4);
  CHECK(distance(pseudo.ratings, pseudo_ratings, 4) < golden_error);
  const fit_result both = fit({.ties = tie_model::davidson, .prior_precision = 0.5, .pseudo_count = 3}, data, 4);
  CHECK(distance(both.ratings, both_priors_ratings, 4) < golden_error);
}

TEST_CASE("two items in closed form, with and without ties") {
  games g{.items = 2};
  g.add(0, 1, 50, 30, 20);
  const double logit_win = std::log(50.0 / 50), logit_loss = std::log(30.0 / 70);
  const fit_result rk = fit({.ties = tie_model::rao_kupper}, g.pairs(), 2);
  CHECK(std::fabs(rk.ratings[0] - rk.ratings[1] - 0.5 * (logit_win - logit_loss)) < 1e-14);
  CHECK(std::fabs(rk.tie_parameter + 0.5 * (logit_win + logit_loss)) < 1e-14);
  const fit_result davidson = fit({.ties = tie_model::davidson}, g.pairs(), 2);
  CHECK(std::fabs(davidson.ratings[0] - davidson.ratings[1] - std::log(5.0 / 3)) < 1e-14);
  CHECK(std::fabs(davidson.tie_parameter - 20 / std::sqrt(1500.0)) < 1e-14);
  const fit_result half = fit({}, g.pairs(), 2);
  CHECK(std::fabs(half.ratings[0] - half.ratings[1] - std::log(60.0 / 40)) < 1e-14);
  CHECK(std::fabs(half.ratings[0] + half.ratings[1]) < 1e-16);
}

TEST_CASE("chains are exact, whatever their length and spread") {
  for (const std::int64_t n : {2, 3, 9, 100, 1000}) {
    const fit_result r = fit({}, chain(n, 12, 8).pairs(false), n);
    CAPTURE(n);
    CHECK(r.status.ok());
    CHECK(r.gradient <= 1e-12);
    // A residual of 1e-12 per game, 20 games and a curvature of 4.8 per pair: 4e-12 per link at most, so 4e-12 n. The
    // rounding of ratings as large as 200 is below that.
    for (std::int64_t i = 0; i < n; ++i)
      CHECK(std::fabs(r.ratings[static_cast<std::size_t>(i)] - r.ratings[0] + static_cast<double>(i) * std::log(1.5)) <
            4e-12 * static_cast<double>(n * n));
  }
  // 499 : 1 along 500 items: ratings are 3000 apart, far beyond the range of their odds.
  const fit_result wide = fit({}, chain(500, 499, 1).pairs(false), 500);
  CHECK(wide.converged);
  for (std::size_t i = 1; i < 500; ++i)
    CHECK(std::fabs(wide.ratings[i - 1] - wide.ratings[i] - std::log(499.0)) < 1e-9);
}

TEST_CASE("rings, stars, barbells, sparse and full graphs agree with a dense Newton in long double") {
  const struct {
    const char* name;
    games data;
  } cases[] = {{"ring", ring(31)},
               {"star", star(30)},
               {"barbell", barbell(8)},
               {"chain with ties", chain(40, 7, 5, 3)},
               {"sparse", random_graph(40, 90, 3)},
               {"full", full_graph(33, 5)}};
  for (const auto& c : cases)
    for (const tie_model model : all_models) {
      CAPTURE(c.name);
      CAPTURE(static_cast<int>(model));
      const oracle exact(c.data, model);
      REQUIRE(static_cast<double>(exact.worst()) < 1e-12);
      const fit_result r = fit({.ties = model}, c.data.pairs(), c.data.items);
      CHECK(r.status.ok());
      CHECK(distance(r.ratings, exact.ratings(), r.ratings.size()) <
            1e-9);  // tolerance 1e-12 times the condition of a chain
      if (model != tie_model::half)
        CHECK(std::fabs(r.tie_parameter - static_cast<double>(exact.tie_parameter())) < 1e-11);
    }
}

TEST_CASE("the gradient vanishes at the ratings, recomputed in long double, and is what is reported") {
  for (const tie_model model : all_models) {
    for (const games& g : {random_graph(2000, 6000, 11, 2), full_graph(120, 12)}) {
      const fit_result r = fit({.ties = model}, g.pairs(), g.items);
      CHECK(r.status.ok());
      const long double t = model == tie_model::davidson     ? std::log(r.tie_parameter)
                            : model == tie_model::rao_kupper ? r.tie_parameter
                                                             : 0;
      CHECK(static_cast<double>(oracle::gradient_per_game(g, model, r.ratings, t)) < 2e-12);
      CHECK(r.gradient <= 1e-12);
    }
  }
  // Reported honestly when it is large, too.
  const games g = chain(100, 12, 8);
  const fit_result early = fit({.max_sweeps = 3, .max_newton_steps = 0}, g.pairs(), 100);
  CHECK(early.status.code == errc::not_converged);
  CHECK(!early.converged);
  CHECK(early.sweeps == 2);  // the second did not halve the gradient, so Newton's turn would have come
  CHECK(early.newton_steps == 0);
  CHECK(std::fabs(early.gradient -
                  static_cast<double>(oracle::gradient_per_game(g, tie_model::half, early.ratings, 0))) < 1e-14);
  CHECK(early.status.got == early.gradient);
  CHECK(text(early.status).find("expected at most 9.9999999999999998e-13") != std::string::npos);
}

TEST_CASE("one data set, every form and element type") {
  const games g = random_graph(25, 200, 21);
  const std::int64_t n = g.items, m = g.rows();
  const std::vector<double> wins = g.win_matrix(), ties = g.tie_matrix();
  const fit_result pairs = fit({}, g.pairs(), n);
  CHECK(pairs.status.ok());
  const fit_result matrix = fit({}, {.win_matrix = {wins.data(), n, n}, .tie_matrix = {ties.data(), n, n}}, n);
  CHECK(distance(pairs.ratings, matrix.ratings, 25) == 0);

  // Column-major, and in other types.
  std::vector<std::int32_t> turned(wins.size());
  std::vector<float> tie_floats(wins.size());
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j) {
      turned[static_cast<std::size_t>(j * n + i)] =
          static_cast<std::int32_t>(wins[static_cast<std::size_t>(i * n + j)]);
      tie_floats[static_cast<std::size_t>(j * n + i)] = static_cast<float>(ties[static_cast<std::size_t>(i * n + j)]);
    }
  const fit_result columns =
      fit({}, {.win_matrix = {turned.data(), n, n, 1, n}, .tie_matrix = {tie_floats.data(), n, n, 1, n}}, n);
  CHECK(distance(pairs.ratings, columns.ratings, 25) == 0);

  // Sparse, with an entry split in two.
  std::vector<std::int64_t> offsets = {0}, column;
  std::vector<float> row_wins, row_ties;
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = n; j-- > 0;) {
      const double w = wins[static_cast<std::size_t>(i * n + j)], t = ties[static_cast<std::size_t>(i * n + j)];
      if (w + t == 0) continue;
      column.insert(column.end(), {j, j});
      row_wins.insert(row_wins.end(), {1, static_cast<float>(w - 1)});
      row_ties.insert(row_ties.end(), {static_cast<float>(t), 0});
    }
    offsets.push_back(static_cast<std::int64_t>(column.size()));
  }
  const auto stored = static_cast<std::int64_t>(column.size());
  const comparisons<space::host> sparse{.row_offsets = {offsets.data(), n + 1},
                                        .columns = {column.data(), stored},
                                        .row_wins = {row_wins.data(), stored},
                                        .row_ties = {row_ties.data(), stored}};
  CHECK(distance(pairs.ratings, fit({}, sparse, n).ratings, 25) == 0);

  // Games one by one, items spread over more rows than the table holds: the sorting path gives the same graph.
  games single{.items = n};
  for (std::size_t k = 0; k < g.first.size(); ++k) {
    for (int w = 0; w < static_cast<int>(g.first_wins[k]); ++w) single.add(g.first[k], g.second[k], 1, 0);
    for (int w = 0; w < static_cast<int>(g.second_wins[k]); ++w) single.add(g.second[k], g.first[k], 1, 0);
    for (int w = 0; w < static_cast<int>(g.ties[k]); ++w) single.add(g.second[k], g.first[k], 0, 0, 1);
  }
  CHECK(distance(pairs.ratings, fit({}, single.pairs(), n).ratings, 25) == 0);
  comparisons<space::host> large = g.pairs();
  large.items = 40000;  // too many for a table; a weak prior holds the items that never played
  const fit_result many = fit({.prior_precision = 1e-3}, large, 40000),
                   few = fit({.prior_precision = 1e-3}, g.pairs(), n);
  CHECK(distance(many.ratings, few.ratings, 25) < 1e-12);
  CHECK(many.ratings[39999] == 0);

  // 64-bit indices, strides, half-precision counts and float outputs.
  std::vector<std::int64_t> first(static_cast<std::size_t>(3 * m)), second(static_cast<std::size_t>(3 * m));
  std::vector<half> halves(static_cast<std::size_t>(m));
  for (std::int64_t k = 0; k < m; ++k) {
    first[static_cast<std::size_t>(3 * k)] = g.first[static_cast<std::size_t>(k)];
    second[static_cast<std::size_t>(3 * k)] = g.second[static_cast<std::size_t>(k)];
    halves[static_cast<std::size_t>(k)] = to_half(static_cast<float>(g.first_wins[static_cast<std::size_t>(k)]));
  }
  comparisons<space::host> strided = g.pairs();
  strided.first = {first.data(), m, 3};
  strided.second = {second.data(), m, 3};
  strided.first_wins = {halves.data(), m};
  buffer<float> ratings(n, 2, 1);
  CHECK(fit_bradley_terry({}, {}, strided, {.ratings = ratings.view()}).ok());
  CHECK(ratings.intact());
  for (std::int64_t i = 0; i < n; ++i)
    CHECK(ratings.at(i) == static_cast<float>(pairs.ratings[static_cast<std::size_t>(i)]));
}

TEST_CASE("a weight of k is k repetitions, and a weight of zero no game") {
  games g = random_graph(12, 30, 31), repeated{.items = 12};
  std::vector<double> weight;
  for (std::size_t k = 0; k < g.first.size(); ++k) {
    weight.push_back(static_cast<double>(k % 4));
    for (std::size_t w = 0; w < k % 4; ++w)
      repeated.add(g.first[k], g.second[k], g.first_wins[k], g.second_wins[k], g.ties[k]);
  }
  for (const tie_model model : all_models) {
    comparisons<space::host> data = g.pairs();
    data.weight = {weight.data(), g.rows()};
    const fit_result a = fit({.ties = model, .prior_precision = 0.01}, data, 12),
                     b = fit({.ties = model, .prior_precision = 0.01}, repeated.pairs(), 12);
    CHECK(distance(a.ratings, b.ratings, 12) < 1e-12);
    CHECK(std::fabs(a.loss - b.loss) < 1e-9);
  }
}

TEST_CASE("ratings follow a renumbering of the items, and any anchor") {
  const games g = random_graph(60, 200, 41);
  games renamed{.items = 60};
  for (std::size_t k = g.first.size(); k-- > 0;)
    renamed.add(g.second[k] * 7 % 60, g.first[k] * 7 % 60, g.second_wins[k], g.first_wins[k], g.ties[k]);
  for (const tie_model model : all_models) {
    const fit_result a = fit({.ties = model}, g.pairs(), 60), b = fit({.ties = model}, renamed.pairs(), 60);
    const fit_result c = fit({.ties = model, .anchor = 17, .anchor_rating = 1.25}, g.pairs(), 60);
    double sum = 0;
    for (std::size_t i = 0; i < 60; ++i) {
      CHECK(std::fabs(a.ratings[i] - b.ratings[i * 7 % 60]) < 1e-11);
      CHECK(std::fabs((a.ratings[i] - a.ratings[17]) - (c.ratings[i] - 1.25)) < 1e-14);
      sum += a.ratings[i];
    }
    CHECK(std::fabs(sum) < 1e-12);
    CHECK(c.ratings[17] == 1.25);
  }
}

TEST_CASE("bitwise the same for any number of threads and any order of tasks") {
  prefer_test::covers("bradley_terry_fit", "threads");
  for (const games& g : {random_graph(3000, 9000, 51), full_graph(150, 52), chain(5000, 3, 2, 1)}) {
    for (const tie_model model : all_models) {
      const fit_result alone = fit({.ties = model}, g.pairs(), g.items);
      CHECK(alone.status.ok());
      for (const int threads : {1, 2, 3, 8}) {
        thread_pool pool(threads);
        const fit_result r = fit({.ties = model}, g.pairs(), g.items, {.pool = pool});
        CHECK(r.ratings == alone.ratings);
        CHECK(r.loss == alone.loss);
        CHECK(r.gradient == alone.gradient);
      }
      auto backwards = [](std::int64_t tasks, auto task) {
        for (std::int64_t i = tasks; i-- > 0;) task(i);
      };
      CHECK(fit({.ties = model}, g.pairs(), g.items, {.parallel_for = backwards}).ratings == alone.ratings);
    }
  }
}

TEST_CASE("every instruction-set level finds the same ratings") {
  const games g = full_graph(90, 61);
  for (const tie_model model : all_models) {
    const fit_result base = fit({.ties = model}, g.pairs(), 90, {.isa = isa::base});
    for (const isa level : levels())
      CHECK(distance(fit({.ties = model}, g.pairs(), 90, {.isa = level}).ratings, base.ratings, 90) < 1e-12);
  }
}

TEST_CASE("without a tie an estimated tie parameter is at its limit and the fit is plain Bradley-Terry") {
  games g = random_graph(10, 30, 71);
  std::fill(g.ties.begin(), g.ties.end(), 0.0);
  const fit_result plain = fit({}, g.pairs(false), 10);
  for (const tie_model model : {tie_model::rao_kupper, tie_model::davidson})
    for (const bool with_ties : {true, false}) {
      const fit_result r = fit({.ties = model}, g.pairs(with_ties), 10);
      CHECK(r.tie_parameter == 0);
      CHECK(r.ratings == plain.ratings);
    }
}

TEST_CASE("ratings that do not exist are an error that names the item, and exist with a prior") {
  games winless = random_graph(6, 15, 81);
  winless.items = 7;
  winless.add(2, 6, 4, 0);
  refuses(errc::not_connected, "items", {}, winless.pairs(false), 7, 6);
  games undefeated = random_graph(6, 15, 82);
  undefeated.items = 7;
  undefeated.add(6, 1, 4, 0);
  refuses(errc::not_connected, "items", {}, undefeated.pairs(false), 7, 6);
  games isolated = random_graph(6, 15, 83);
  isolated.items = 8;
  refuses(errc::not_connected, "items", {}, isolated.pairs(false), 8, 6);
  CHECK(text(fit({}, isolated.pairs(false), 8).status).find("items[6]") != std::string::npos);
  games halves{.items = 4};
  halves.add(0, 1, 3, 2);
  halves.add(2, 3, 3, 2);
  halves.add(1, 2, 5, 0);
  refuses(errc::not_connected, "items", {}, halves.pairs(false), 4, 2);
  refuses(errc::not_connected, "items", {},
          {.items = 2, .first = {winless.first.data(), 0}, .second = {winless.second.data(), 0}}, 2, 1);

  // A tie connects both ways.
  winless.add(6, 0, 0, 0, 1);
  CHECK(fit({}, winless.pairs(), 7).status.ok());

  for (const games& g : {undefeated, isolated, halves})
    for (const bradley_terry_fit& o :
         {bradley_terry_fit{.prior_precision = 0.25}, bradley_terry_fit{.pseudo_count = 0.5}}) {
      const fit_result r = fit(o, g.pairs(), g.items);
      CHECK(r.status.ok());
      CHECK(std::isfinite(*std::max_element(r.ratings.begin(), r.ratings.end())));
    }
  CHECK(fit({.pseudo_count = 0.5}, isolated.pairs(), 8).ratings[7] == 0);
}

TEST_CASE("a tie parameter that would grow without bound is an error, and only then") {
  const auto connected = [](const games& g, const bradley_terry_fit& o) { return fit(o, g.pairs(), g.items).status; };
  for (const tie_model model : {tie_model::rao_kupper, tie_model::davidson}) {
    games only_ties{.items = 2};
    only_ties.add(0, 1, 0, 0, 3);
    refuses(errc::not_connected, "ties", {.ties = model}, only_ties.pairs(), 2);
    refuses(errc::not_connected, "ties", {.ties = model, .prior_precision = 1}, only_ties.pairs(), 2);
    // 0 beat 1, 1 tied 2, 2 tied 0: gaps of 1, 1/2, 1/2 hold it, so the likelihood grows for ever.
    games scale{.items = 3};
    scale.add(0, 1, 1, 0);
    scale.add(1, 2, 0, 0, 1);
    scale.add(2, 0, 0, 0, 1);
    refuses(errc::not_connected, "ties", {.ties = model}, scale.pairs(), 3);
    CHECK(connected(scale, {.ties = model, .prior_precision = 1}).ok());
    CHECK(connected(scale, {}).ok());
    // 0 beat 1, 1 beat 2, 2 tied 0: two wins in a cycle with one tie do not fit on any scale.
    games cycle{.items = 3};
    cycle.add(0, 1, 1, 0);
    cycle.add(1, 2, 1, 0);
    cycle.add(2, 0, 0, 0, 1);
    CHECK(connected(cycle, {.ties = model}).ok());
    CHECK(static_cast<double>(oracle(cycle, model).worst()) < 1e-15);
  }
}

TEST_CASE("smallest data: one item, no rows") {
  const std::int32_t none[1] = {0};
  const fit_result one = fit({}, {.items = 1, .first = {none, 0}, .second = {none, 0}}, 1);
  CHECK(one.status.ok());
  CHECK(one.ratings[0] == 0);
  CHECK(one.converged);
  CHECK(one.loss == 0);
  const double zero[1] = {0};
  CHECK(fit({.anchor = 0, .anchor_rating = -3}, {.win_matrix = {zero, 1, 1}}, 1).ratings[0] == -3);
}

TEST_CASE("memory: a workspace of any alignment is enough, too little is an error, nothing is allocated") {
  const games g = random_graph(300, 900, 91);
  for (const tie_model model : all_models) {
    const bradley_terry_fit o{.ties = model};
    const std::size_t bytes = fit_bradley_terry_workspace(cpu{}, o, g.pairs());
    std::vector<unsigned char> memory(bytes + 2, 0xa5);
    const cpu exec{.workspace = {memory.data() + 1, bytes}};
    fit_result warm = fit(o, g.pairs(), 300, exec);
    std::vector<double> ratings(300);
    const long before = allocation_count();
    const status s = fit_bradley_terry(exec, o, g.pairs(), {.ratings = {ratings.data(), 300}});
    CHECK(allocation_count() == before);
    CHECK(s.ok());
    CHECK(ratings == warm.ratings);
    CHECK(memory.front() == 0xa5);
    CHECK(memory.back() == 0xa5);
    CHECK(ratings == fit(o, g.pairs(), 300).ratings);
    const long without = allocation_count();
    CHECK(fit_bradley_terry({}, o, g.pairs(), {.ratings = {ratings.data(), 300}}).ok());
    CHECK(allocation_count() == without + 1);
    refuses(errc::small_workspace, "workspace", o, g.pairs(), 300, -1, {.workspace = {memory.data(), bytes - 1}});
  }
  CHECK(fit_bradley_terry_workspace(cpu{}, {}, {.items = 3}) == 0);
}

TEST_CASE("a bad number at the end of a large matrix is found in one pass") {
  constexpr std::int64_t n = 400;
  std::vector<double> wins(n * n, 1.0), ratings(n);
  for (std::size_t i = 0; i < n; ++i) wins[i * n + i] = 0;
  wins[n * n - 2] = std::numeric_limits<double>::quiet_NaN();
  const auto begin = std::chrono::steady_clock::now();
  const status s = fit_bradley_terry({}, {}, {.win_matrix = {wins.data(), n, n}}, {.ratings = {ratings.data(), n}});
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  CHECK(s.code == errc::bad_label);
  CHECK(s.index == n * n - 2);
  CHECK(seconds < 5);  // it took 25 when every element started a pass; one takes milliseconds
}

TEST_CASE("a weight that makes a count overflow is named") {
  games g = chain(3, 1e200, 1e200);
  const double weight[] = {1, 1e150};
  comparisons<space::host> data = g.pairs(false);
  data.weight = {weight, 2};
  const fit_result f = fit({}, data, 3);
  CHECK(f.status.code == errc::bad_label);
  CHECK(std::string(f.status.argument) == "weight");
  CHECK(f.status.index == 1);
}

TEST_CASE("bad arguments are named and nothing is written") {
  prefer_test::covers("bradley_terry_fit", "bad-argument");
  const games g = random_graph(5, 12, 95);
  const comparisons<space::host> good = g.pairs();
  const auto bad_option = [&](const char* argument, const bradley_terry_fit& o) {
    refuses(errc::bad_parameter, argument, o, good, 5);
  };
  const double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
  bad_option("prior_precision", {.prior_precision = -1});
  bad_option("prior_precision", {.prior_precision = nan});
  bad_option("pseudo_count", {.pseudo_count = infinity});
  bad_option("pseudo_count", {.pseudo_count = -0.5});
  bad_option("anchor", {.anchor = 5});
  bad_option("anchor", {.anchor = -2});
  bad_option("anchor_rating", {.anchor = 1, .anchor_rating = nan});
  bad_option("tolerance", {.tolerance = 0});
  bad_option("max_sweeps", {.max_sweeps = -1});
  bad_option("max_newton_steps", {.max_newton_steps = -1});
  bad_option("max_cg_iterations", {.max_cg_iterations = -1});
  bad_option("ties", {.ties = static_cast<tie_model>(9)});

  const auto changed = [&](errc code, const char* argument, std::int64_t index, auto change) {
    comparisons<space::host> c = good;
    change(c);
    refuses(code, argument, {}, c, 5, index);
  };
  using data = comparisons<space::host>;
  std::vector<std::int32_t> far = g.first, beyond = g.second, same = g.first;
  far[3] = beyond[3] = 5;
  std::vector<double> negative = g.first_wins, broken = g.first_wins;
  negative[4] = -1;
  broken[2] = nan;
  changed(errc::bad_parameter, "items", -1, [](data& c) { c.items = 0; });
  changed(errc::bad_parameter, "items", -1, [](data& c) { c.items = -4; });
  changed(errc::bad_index, "first", 3, [&](data& c) { c.first = {far.data(), g.rows()}; });
  changed(errc::bad_index, "second", 3, [&](data& c) { c.second = {beyond.data(), g.rows()}; });
  far[3] = -1;
  changed(errc::bad_index, "first", 3, [&](data& c) { c.first = {far.data(), g.rows()}; });
  changed(errc::bad_index, "second", 0, [&](data& c) { c.second = {same.data(), g.rows()}; });
  changed(errc::bad_label, "first_wins", 4, [&](data& c) { c.first_wins = {negative.data(), g.rows()}; });
  changed(errc::bad_label, "second_wins", 2, [&](data& c) { c.second_wins = {broken.data(), g.rows()}; });
  changed(errc::bad_label, "ties", 4, [&](data& c) { c.ties = {negative.data(), g.rows()}; });
  broken[2] = infinity;
  changed(errc::bad_label, "weight", 2, [&](data& c) { c.weight = {broken.data(), g.rows()}; });
  changed(errc::missing_input, "first", -1, [](data& c) { c.first = {}; });
  changed(errc::missing_input, "second", -1, [](data& c) { c.second = {}; });
  changed(errc::missing_input, "first_wins", -1, [](data& c) { c.first_wins = {}; });
  changed(errc::bad_extent, "second", -1, [&](data& c) { c.second = {g.second.data(), g.rows() - 1}; });
  changed(errc::bad_extent, "ties", -1, [&](data& c) { c.ties = {g.ties.data(), g.rows() - 1}; });
  changed(errc::bad_element, "first", -1, [&](data& c) { c.first = {g.ties.data(), g.rows()}; });
  changed(errc::null_data, "first_wins", -1, [&](data& c) {
    c.first_wins = {static_cast<const double*>(nullptr), g.rows()};
  });
  changed(errc::bad_stride, "first_wins", -1, [&](data& c) { c.first_wins = {g.first_wins.data(), g.rows(), -1}; });

  const std::vector<double> wins = g.win_matrix(), ties = g.tie_matrix();
  std::vector<double> wrong = wins, lopsided = ties;
  wrong[7] = -2;
  lopsided[1] += 1;
  refuses(errc::bad_label, "win_matrix", {}, {.win_matrix = {wrong.data(), 5, 5}}, 5, 7);
  refuses(errc::bad_label, "tie_matrix", {}, {.win_matrix = {wins.data(), 5, 5}, .tie_matrix = {lopsided.data(), 5, 5}},
          5, 1);
  wrong[7] = wins[7];
  wrong[12] = 1;
  refuses(errc::bad_index, "win_matrix", {}, {.win_matrix = {wrong.data(), 5, 5}}, 5, 12);
  refuses(errc::bad_extent, "win_matrix", {}, {.items = 4, .win_matrix = {wins.data(), 5, 5}}, 5);
  refuses(errc::bad_extent, "tie_matrix", {}, {.win_matrix = {wins.data(), 5, 5}, .tie_matrix = {ties.data(), 4, 5}},
          5);
  refuses(errc::missing_input, "win_matrix", {}, {.tie_matrix = {ties.data(), 5, 5}}, 5);
  refuses(errc::unused_input, "first", {}, {.first = {g.first.data(), g.rows()}, .win_matrix = {wins.data(), 5, 5}}, 5);
  refuses(errc::null_data, "win_matrix", {}, {.win_matrix = {static_cast<const double*>(nullptr), 5, 5}}, 5);
  refuses(errc::bad_stride, "win_matrix", {}, {.win_matrix = {wins.data(), 5, 5, -5, 1}}, 5);

  const std::int32_t offsets[] = {0, 2, 1, 3}, good_offsets[] = {0, 1, 2, 3}, late[] = {1, 1, 2, 3},
                     columns[] = {1, 2, 0}, wide[] = {1, 3, 0}, own[] = {1, 1, 0};
  const double counts[] = {1, 2, 3}, minus[] = {1, -1, 1};
  const auto sparse = [&](const std::int32_t* o, const std::int32_t* c, const double* w) {
    return comparisons<space::host>{.row_offsets = {o, 4}, .columns = {c, 3}, .row_wins = {w, 3}};
  };
  CHECK(fit({}, sparse(good_offsets, columns, counts), 3).status.ok());
  refuses(errc::bad_offsets, "row_offsets", {}, sparse(offsets, columns, counts), 3, 2);
  refuses(errc::bad_offsets, "row_offsets", {}, sparse(late, columns, counts), 3, 0);
  refuses(errc::bad_index, "columns", {}, sparse(good_offsets, wide, counts), 3, 1);
  refuses(errc::bad_index, "columns", {}, sparse(good_offsets, own, counts), 3, 1);
  refuses(errc::bad_label, "row_wins", {}, sparse(good_offsets, columns, minus), 3, 1);
  comparisons<space::host> uneven = sparse(good_offsets, columns, counts);
  uneven.row_ties = {counts, 3};
  refuses(errc::bad_label, "row_ties", {}, uneven, 3, 0);
  refuses(errc::missing_input, "row_wins", {}, {.row_offsets = {good_offsets, 4}, .columns = {columns, 3}}, 3);

  // Outputs.
  std::vector<double> r(5), one(1);
  std::int64_t count = 0;
  const auto output = [&](errc code, const char* argument, const fit_outputs<space::host>& out) {
    const status s = fit_bradley_terry({}, {}, good, out);
    INFO(text(s));
    CHECK(s.code == code);
    CHECK(std::string(s.argument) == argument);
  };
  output(errc::missing_output, "outputs", {});
  output(errc::bad_extent, "ratings", {.ratings = {r.data(), 4}});
  output(errc::bad_element, "ratings", {.ratings = {&count, 5}});
  output(errc::bad_extent, "loss", {.loss = {r.data(), 2}});
  output(errc::bad_element, "converged", {.converged = {r.data(), 1}});
  output(errc::bad_element, "sweeps", {.sweeps = {r.data(), 1}});
  output(errc::overlap, "loss", {.ratings = {r.data(), 5}, .loss = {r.data() + 4, 1}});
  output(errc::overlap, "ratings", {.ratings = {const_cast<double*>(g.first_wins.data()), 5}});
  output(errc::bad_stride, "ratings", {.ratings = {r.data(), 5, 0}});
  auto runner = [](std::int64_t, auto) {};
  thread_pool pool(1);
  refuses(errc::bad_execution, "exec.parallel_for", {}, good, 5, -1, {.pool = pool, .parallel_for = runner});
}
