// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "fit_support.cuh"

#include <prefer/rank/standard_errors.cuh>
#include <prefer/rank/standard_errors.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <string>

using namespace prefer;
using namespace prefer_test;

namespace {

constexpr error_estimate both_estimates[] = {error_estimate::hessian, error_estimate::sandwich};

// The ratings of one fit in device memory, and the outputs of one call.
struct device_errors {
  std::int64_t wanted;
  array<double> ratings, tie;
  array<std::int64_t> items;
  array<double> se, covariance, tie_error{std::vector<double>(1, -7)};
  report_word report;

  device_errors(const fit_result& at, const std::vector<std::int64_t>& requested)
      : wanted(static_cast<std::int64_t>(requested.size())),
        ratings(at.ratings),
        tie(std::vector<double>(1, at.tie_parameter)),
        items(requested),
        se(std::vector<double>(requested.size(), -7)),
        covariance(std::vector<double>(requested.size() * requested.size(), -7)) {}

  fitted_ratings<space::device> at() const {
    return {
        .ratings = {ratings.data(), ratings.size()}, .tie_parameter = {tie.data(), 1}, .items = {items.data(), wanted}};
  }
  error_outputs<space::device> out() const {
    return {.standard_errors = {se.data(), wanted},
            .covariance = {covariance.data(), wanted, wanted},
            .tie_standard_error = {tie_error.data(), 1}};
  }
  status run(const stream& s, const bradley_terry_errors& o, const comparisons<space::device>& data,
             workspace memory = {}) const {
    return standard_errors(prefer::cuda{.stream = s.handle, .workspace = memory, .report = report.data()}, o, data,
                           at(), out());
  }
  bool all_nan() const {
    bool nan = std::isnan(tie_error.get()[0]);
    for (const auto& v : {se.get(), covariance.get()})
      for (double x : v) nan = nan && std::isnan(x);
    return nan;
  }
};

std::vector<std::int64_t> everyone(std::int64_t n) {
  std::vector<std::int64_t> all;
  for (std::int64_t i = 0; i < n; ++i) all.push_back(i);
  return all;
}

// Both solve to 1e-12 of the first residual, times the condition of the graph.
void agrees(const bradley_terry_errors& o, const comparisons<space::host>& host, const comparisons<space::device>& data,
            std::int64_t n, const std::vector<std::int64_t>& items, double bound) {
  const fit_result at = fit(o.fit, host, n);
  REQUIRE(at.status.ok());
  const auto k = static_cast<std::int64_t>(items.size());
  std::vector<double> se(items.size()), covariance(items.size() * items.size());
  double tie = -1;
  REQUIRE(
      standard_errors(
          cpu{}, o, host,
          {.ratings = {at.ratings.data(), n}, .tie_parameter = {&at.tie_parameter, 1}, .items = {items.data(), k}},
          {.standard_errors = {se.data(), k}, .covariance = {covariance.data(), k, k}, .tie_standard_error = {&tie, 1}})
          .ok());
  stream s;
  const device_errors e(at, items);
  REQUIRE(e.run(s, o, data).ok());
  s.wait();
  CHECK(e.report.get().code() == errc::ok);
  CHECK(distance(e.se.get(), se, se.size()) < bound);
  CHECK(distance(e.covariance.get(), covariance, covariance.size()) < bound);
  if (std::isnan(tie))
    CHECK(std::isnan(e.tie_error.get()[0]));
  else
    CHECK(std::fabs(e.tie_error.get()[0] - tie) < bound);
}

}  // namespace

TEST_CASE("golden on CUDA: errors of the citations and the American League, in every tie model and with priors") {
  prefer_test::covers("standard_errors", "golden");
  const auto near = [](const bradley_terry_errors& o, const games& g, const long double* expected,
                       const long double* tie = nullptr) {
    const fit_result at = fit(o.fit, g.pairs(), g.items);
    const device_games d(g);
    for (const auto& data : {d.pairs(), d.matrix()}) {
      stream s;
      const device_errors e(at, everyone(g.items));
      REQUIRE(e.run(s, o, data).ok());
      s.wait();
      CHECK(distance(e.se.get(), expected, static_cast<std::size_t>(g.items)) < 1e-11);
      if (tie != nullptr) CHECK(std::fabs(e.tie_error.get()[0] - static_cast<double>(*tie)) < 1e-11);
    }
  };
  const auto sandwich = error_estimate::sandwich;
  const games journals = table(journals_wins, nullptr, 4), tied = table(journals_wins, journals_ties, 4);
  near({.fit = {.anchor = 0}}, journals, journals_errors);
  near({.fit = {.anchor = 0}, .estimate = sandwich}, journals, journals_sandwich);
  near({}, journals, journals_zero_sum_errors);
  near({.fit = {.anchor = 6}}, table(baseball_wins, nullptr, 7), baseball_errors);
  near({}, tied, half_errors);
  near({.estimate = sandwich}, tied, half_sandwich);
  near({.fit = {.ties = tie_model::rao_kupper}}, tied, rao_kupper_errors, rao_kupper_tie_errors);
  near({.fit = {.ties = tie_model::rao_kupper}, .estimate = sandwich}, tied, rao_kupper_sandwich,
       rao_kupper_tie_errors + 1);
  near({.fit = {.ties = tie_model::davidson}}, tied, davidson_errors, davidson_tie_errors);
  near({.fit = {.ties = tie_model::davidson}, .estimate = sandwich}, tied, davidson_sandwich, davidson_tie_errors + 1);
  near({.fit = {.ties = tie_model::davidson, .prior_precision = 2}}, tied, ridge_errors);
  near({.fit = {.ties = tie_model::davidson, .pseudo_count = 1.5}}, tied, pseudo_errors);
  near({.fit = {.ties = tie_model::davidson, .prior_precision = 0.5, .pseudo_count = 3}}, tied, both_priors_errors);
  near({}, table(newcomer_wins, nullptr, 5), newcomer_errors);
  near({.estimate = sandwich}, table(newcomer_wins, nullptr, 5), newcomer_sandwich);
}

TEST_CASE("CUDA agrees with the CPU: tie models, estimates, anchors, priors, requested items, pairs and matrices") {
  const games g = random_graph(40, 110, 3), full = full_graph(34, 5);
  const device_games sparse(g), dense(full);
  for (const tie_model model : all_models)
    for (const auto estimate : both_estimates) {
      agrees({.fit = {.ties = model}, .estimate = estimate}, g.pairs(), sparse.pairs(), 40, {39, 0, 17, 17}, 1e-11);
      agrees({.fit = {.ties = model, .prior_precision = 0.3, .anchor = 3}, .estimate = estimate}, full.pairs(),
             dense.matrix(), 34, {3, 33, 12}, 1e-11);
    }
  for (const games& thin : {chain(30, 12, 8, 3), star(30), barbell(6)})
    agrees({.estimate = error_estimate::sandwich}, thin.pairs(), device_games(thin).pairs(), thin.items,
           everyone(thin.items), 1e-9);
}

TEST_CASE("weights, 64-bit indices, strides and floats on CUDA; a weight enters the sandwich squared") {
  const games g = random_graph(9, 40, 13);
  const std::int64_t m = g.rows();
  std::vector<std::int64_t> wide(static_cast<std::size_t>(2 * m));
  std::vector<float> weight;
  for (std::int64_t k = 0; k < m; ++k) {
    wide[static_cast<std::size_t>(2 * k)] = g.first[static_cast<std::size_t>(k)];
    weight.push_back(static_cast<float>(k % 4) / 2);
  }
  const device_games d(g);
  const array<std::int64_t> first(wide);
  const array<float> w(weight);
  comparisons<space::device> data = d.pairs();
  data.first = {first.data(), m, 2};
  data.weight = {w.data(), m};
  comparisons<space::host> host = g.pairs();
  host.weight = {weight.data(), m};
  for (const tie_model model : all_models)
    for (const auto estimate : both_estimates)
      agrees({.fit = {.ties = model}, .estimate = estimate}, host, data, 9, everyone(9), 1e-11);
}

TEST_CASE("outputs keep to their elements: float, strided, a transposed covariance, absent ones") {
  const games g = full_graph(5, 2);
  const device_games d(g);
  const fit_result at = fit({}, g.pairs(), 5);
  const device_errors all(at, everyone(5));
  stream s;
  REQUIRE(all.run(s, {}, d.pairs()).ok());
  buffer<float> se(5, 3, 1), covariance(40, 1, 1);
  device<float> device_se(se), device_covariance(covariance);
  CHECK(standard_errors(prefer::cuda{s.handle}, {}, d.pairs(), {.ratings = {all.ratings.data(), 5}},
                        {.standard_errors = device_se.view(), .covariance = {device_covariance.data(), 5, 5, 1, 8}})
            .ok());
  s.wait();
  device_se.fetch();
  device_covariance.fetch();
  CHECK(se.intact());
  CHECK(covariance.intact());
  const std::vector<double> expected = all.se.get(), square = all.covariance.get();
  for (std::int64_t i = 0; i < 5; ++i) {
    CHECK(se.get(i) == static_cast<float>(expected[static_cast<std::size_t>(i)]));
    for (std::int64_t j = 0; j < 5; ++j)
      CHECK(covariance.get(i + 8 * j) == static_cast<float>(square[static_cast<std::size_t>(i * 5 + j)]));
  }
}

TEST_CASE("with a workspace the errors neither allocate nor synchronise nor copy; captured ones replay") {
  covers("standard_errors", "allocation");
  const games g = random_graph(20, 60, 31);
  games other = g;
  for (double& w : other.first_wins) w += 2;
  device_games d(g);
  const fit_result at = fit({}, g.pairs(), 20);
  const bradley_terry_errors o{.estimate = error_estimate::sandwich};
  for (const auto& data : {d.matrix(), d.pairs()}) {
    const device_errors e(at, {4, 19});
    const std::size_t bytes = standard_errors_workspace(prefer::cuda{nullptr}, o, data, e.at());
    const device_workspace memory(bytes);
    stream s;
    // Beside the cooperative kernel: the matrix and the errors.
    if (data.win_matrix.given())
      enqueues_only("errors", 2, [&] { CHECK(e.run(s, o, data, memory.get()).ok()); });
    else
      CHECK(e.run(s, o, data, memory.get()).ok());
    s.wait();
    const auto other_wins = [&] { d.first_wins.set(other.first_wins), d.wins.set(other.win_matrix()); };
    check_replay("standard_errors", s.handle, [&] { CHECK(e.run(s, o, data, memory.get()).ok()); }, other_wins,
                 {e.se.all(), e.covariance.all()});
    d.first_wins.set(g.first_wins), d.wins.set(g.win_matrix());
    CHECK(e.run(s, o, data, {memory.memory, bytes - 1}).code == errc::small_workspace);
  }
}

TEST_CASE("what only the device sees is reported, with the item, and leaves NaN") {
  stream s;
  const games g = random_graph(6, 20, 91);
  const device_games d(g);
  const bradley_terry_errors o{.fit = {.ties = tie_model::davidson}, .estimate = error_estimate::sandwich};
  const fit_result at = fit(o.fit, g.pairs(), 6);
  const auto reported = [&](errc code, std::int64_t index, const fit_result& where, const games& played,
                            const bradley_terry_errors& options) {
    const device_games there(played);
    const device_errors e(where, everyone(played.items));
    CHECK(e.run(s, options, there.pairs()).ok());
    s.wait();
    CHECK(e.report.get().code() == code);
    CHECK(e.report.get().index() == index);
    CHECK(e.all_nan());
  };
  fit_result odd = at;
  odd.ratings[3] = std::numeric_limits<double>::infinity();
  reported(errc::not_a_number, 3, odd, g, o);
  odd = at;
  odd.tie_parameter = -1;
  reported(errc::bad_parameter, 0, odd, g, o);
  odd.tie_parameter = std::numeric_limits<double>::quiet_NaN();
  reported(errc::bad_parameter, 0, odd, g, o);
  odd = at;
  odd.ratings[5] = 5000;  // nobody near enough for a curvature
  reported(errc::bad_parameter, 5, odd, g, {});
  games winless = g;
  winless.items = 7;
  winless.add(2, 6, 4, 0);
  odd = at;
  odd.ratings.push_back(0);
  reported(errc::not_connected, 6, odd, winless, o);
  games bad = g;
  bad.ties[4] = -1;
  reported(errc::bad_label, 4, at, bad, o);

  const array<double> tiny(std::vector<double>(static_cast<std::size_t>(g.rows()), 1e-200));  // its square is 0
  comparisons<space::device> light = d.pairs();
  light.weight = {tiny.data(), tiny.size()};
  const device_errors faint(at, everyone(6));
  CHECK(faint.run(s, o, light).ok());
  s.wait();
  CHECK(faint.report.get().code() == errc::bad_label);
  CHECK(faint.all_nan());

  // Blocks with 1e10 games that hang together by one: rounding keeps residuals from 1e-12. What is not found is NaN and
  // reported, and what is found is right.
  games blocks = random_graph(6, 20, 7);
  blocks.items = 12;
  for (std::int64_t k = blocks.rows(); k-- > 0;) {
    auto& won = blocks.first_wins[static_cast<std::size_t>(k)];
    won *= 1e10;
    blocks.add(6 + blocks.first[static_cast<std::size_t>(k)], 6 + blocks.second[static_cast<std::size_t>(k)], won,
               3e10);
  }
  blocks.add(2, 9, 1, 1);
  fit_result apart = at;
  for (std::size_t i = 0; i < 6; ++i) apart.ratings.push_back(0.3 * apart.ratings[i]);
  const device_games far(blocks);
  const device_errors hard(apart, {9, 0});
  std::vector<double> right(12);
  REQUIRE(standard_errors(cpu{}, {}, blocks.pairs(), {.ratings = {apart.ratings.data(), 12}},
                          {.standard_errors = {right.data(), 12}})
              .ok());
  CHECK(hard.run(s, {}, far.pairs()).ok());
  s.wait();
  const double found[] = {hard.se.get()[0], hard.se.get()[1]};
  const std::int64_t first_lost = std::isnan(found[0]) ? 0 : std::isnan(found[1]) ? 1 : -1;
  if (!std::isnan(found[0])) CHECK(std::fabs(found[0] / right[9] - 1) < 1e-6);
  if (!std::isnan(found[1])) CHECK(std::fabs(found[1] / right[0] - 1) < 1e-6);
  CHECK(hard.report.get().index() == first_lost);
  CHECK(hard.report.get().code() == (first_lost < 0 ? errc::ok : errc::not_converged));

  // A requested item that does not exist spoils only itself.
  const device_errors e(at, {2, 6, -1, 0});
  CHECK(e.run(s, o, d.matrix()).ok());
  s.wait();
  CHECK(e.report.get().code() == errc::bad_index);
  CHECK(e.report.get().index() == 1);
  const std::vector<double> se = e.se.get(), covariance = e.covariance.get();
  for (std::size_t k = 0; k < 4; ++k) {
    CHECK(std::isnan(se[k]) == (k == 1 || k == 2));
    for (std::size_t l = 0; l < 4; ++l)
      CHECK(std::isnan(covariance[4 * k + l]) == (k == 1 || k == 2 || l == 1 || l == 2));
  }

  // Without a tie there is no tie parameter, and none is looked at.
  games decided = g;
  for (double& t : decided.ties) t = 0;
  const device_games there(decided);
  const fit_result plain = fit(o.fit, decided.pairs(), 6);
  const device_errors f(plain, everyone(6)), half(plain, everyone(6));
  for (const tie_model model : {tie_model::rao_kupper, tie_model::davidson}) {
    CHECK(f.run(s, {.fit = {.ties = model}, .estimate = error_estimate::sandwich}, there.pairs()).ok());
    CHECK(half.run(s, {.estimate = error_estimate::sandwich}, there.pairs()).ok());
    s.wait();
    CHECK(std::isnan(f.tie_error.get()[0]));
    CHECK(distance(f.se.get(), half.se.get(), 6) < 1e-13);
  }
}

TEST_CASE("one item has no error, and with a prior that of the prior; nobody requested is no work") {
  stream s;
  const array<double> one({0.0}), se({-7.0});
  const comparisons<space::device> alone{.win_matrix = {one.data(), 1, 1}};
  CHECK(standard_errors(prefer::cuda{s.handle}, {}, alone, {.ratings = {one.data(), 1}},
                        {.standard_errors = {se.data(), 1}})
            .ok());
  CHECK(se.get()[0] == 0);
  CHECK(standard_errors(prefer::cuda{s.handle}, {.fit = {.prior_precision = 4}}, alone, {.ratings = {one.data(), 1}},
                        {.standard_errors = {se.data(), 1}})
            .ok());
  CHECK(se.get()[0] == 0.5);
  const array<std::int32_t> none(std::vector<std::int32_t>{});
  CHECK(standard_errors(prefer::cuda{s.handle}, {}, alone, {.ratings = {one.data(), 1}, .items = {none.data(), 0}},
                        {.standard_errors = {se.data(), 0}})
            .ok());
  s.wait();
  CHECK(se.get()[0] == 0.5);
}

TEST_CASE("arguments that the host can see are refused as on the CPU, and nothing is enqueued") {
  prefer_test::covers("standard_errors", "bad-argument");
  stream s;
  const games g = random_graph(6, 20, 95);
  const device_games d(g);
  const bradley_terry_errors o{.fit = {.ties = tie_model::davidson}};
  const device_errors e(fit(o.fit, g.pairs(), 6), everyone(6));
  const auto refused = [&](errc code, const char* argument, const bradley_terry_errors& options,
                           const fitted_ratings<space::device>& at, const error_outputs<space::device>& out) {
    const status st = standard_errors(prefer::cuda{s.handle}, options, d.pairs(), at, out);
    INFO(message(st).c_str());
    CHECK(st.code == code);
    CHECK(std::string(st.argument) == argument);
    CHECK(e.se.get()[0] == -7);
  };
  refused(errc::missing_output, "outputs", o, e.at(), {});
  refused(errc::missing_input, "ratings", o, {}, e.out());
  refused(errc::missing_input, "tie_parameter", o, {.ratings = {e.ratings.data(), 6}},
          {.standard_errors = {e.se.data(), 6}});
  refused(errc::bad_extent, "standard_errors", o, e.at(), {.standard_errors = {e.se.data(), 5}});
  refused(errc::bad_stride, "covariance", o, e.at(), {.covariance = {e.covariance.data(), 6, 6, 3, 1}});
  refused(errc::overlap, "standard_errors", o, e.at(), {.standard_errors = {e.ratings.data(), 6}});
  refused(errc::bad_parameter, "tolerance", {.fit = o.fit, .tolerance = 1}, e.at(), e.out());
  refused(errc::bad_parameter, "anchor", {.fit = {.anchor = 6}}, e.at(), e.out());
}
