// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "fit_support.cuh"

#include <prefer/core/pair_plan.cuh>  // beside a fit: both sort
#include <prefer/rank/bradley_terry_fit.cuh>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <string>

using prefer::bradley_terry_fit;
using prefer::comparisons;
using prefer::errc;
using prefer::space;
using prefer::status;
using prefer::tie_model;
using namespace prefer_test;

namespace {

// The outputs of one call, and its report.
struct device_fit {
  std::int64_t items;
  array<double> ratings, numbers{std::vector<double>(3, -1.0)};
  array<std::uint8_t> converged{std::vector<std::uint8_t>(1, 7)};
  array<std::int64_t> iterations{std::vector<std::int64_t>(3, -1)};
  report_word report;

  explicit device_fit(std::int64_t n) : items(n), ratings(std::vector<double>(static_cast<std::size_t>(n), -77.0)) {}
  prefer::fit_outputs<space::device> out() const {
    return {.ratings = {ratings.data(), items},
            .tie_parameter = {numbers.data(), 1},
            .loss = {numbers.data() + 1, 1},
            .gradient = {numbers.data() + 2, 1},
            .converged = {converged.data(), 1},
            .sweeps = {iterations.data(), 1},
            .newton_steps = {iterations.data() + 1, 1},
            .cg_iterations = {iterations.data() + 2, 1}};
  }
  prefer::content_report found() const { return report.get(); }
  status run(const stream& s, const bradley_terry_fit& o, const comparisons<space::device>& data,
             prefer::workspace memory = {}) const {
    return prefer::fit_bradley_terry(prefer::cuda{.stream = s.handle, .workspace = memory, .report = report.data()}, o,
                                     data, out());
  }
};

// The device stops at the same tolerance: 1e-12 of a game per game, times the condition of the graph.
void agrees(const bradley_terry_fit& o, const games& g, const comparisons<space::device>& data, double bound) {
  stream s;
  const device_fit f(g.items);
  const fit_result expected = fit(o, g.pairs(), g.items);
  REQUIRE(expected.status.ok());
  REQUIRE(f.run(s, o, data).ok());
  s.wait();
  CHECK(f.converged.get()[0] == 1);
  CHECK(f.found().code() == errc::ok);
  CHECK(distance(f.ratings.get(), expected.ratings, expected.ratings.size()) < bound);
  const std::vector<double> numbers = f.numbers.get();
  if (o.ties == tie_model::half)
    CHECK(std::isnan(numbers[0]));
  else
    CHECK(std::fabs(numbers[0] - expected.tie_parameter) < 1e-11);
  CHECK(std::fabs(numbers[1] - expected.loss) < 1e-11 * expected.loss);
  CHECK(numbers[2] <= o.tolerance);
  CHECK(f.iterations.get()[0] >= 1);
}

}  // namespace

TEST_CASE("golden on CUDA: citations, the American League, ties and priors") {
  prefer_test::covers("bradley_terry_fit", "golden");
  const auto near = [](const bradley_terry_fit& o, const games& g, const long double* expected) {
    const device_games d(g);
    for (const auto& data : {d.pairs(), d.matrix()}) {
      stream s;
      const device_fit f(g.items);
      REQUIRE(f.run(s, o, data).ok());
      s.wait();
      CHECK(distance(f.ratings.get(), expected, static_cast<std::size_t>(g.items)) < 2e-11);
    }
  };
  near({.anchor = 0}, table(journals_wins, nullptr, 4), journals_ratings);
  near({.anchor = 6}, table(baseball_wins, nullptr, 7), baseball_ratings);
  near({.ties = tie_model::rao_kupper}, table(journals_wins, journals_ties, 4), rao_kupper_ratings);
  near({.ties = tie_model::davidson}, table(journals_wins, journals_ties, 4), davidson_ratings);
  near({.ties = tie_model::davidson, .prior_precision = 2}, table(journals_wins, journals_ties, 4), ridge_ratings);
  near({.ties = tie_model::davidson, .pseudo_count = 1.5}, table(journals_wins, journals_ties, 4), pseudo_ratings);
}

TEST_CASE("CUDA agrees with the CPU on chains, rings, stars, barbells, sparse and full graphs, in every tie model") {
  for (const tie_model model : all_models) {
    for (const games& g : {chain(30, 12, 8, 3), ring(31), star(30), barbell(6), random_graph(70, 150, 3)})
      agrees({.ties = model}, g, device_games(g).pairs(), 1e-9);
    const games full = full_graph(67, 5);
    const device_games d(full);
    agrees({.ties = model}, full, d.matrix(), 1e-11);
    agrees({.ties = model, .prior_precision = 0.3, .anchor = 3, .anchor_rating = 2}, full, d.pairs(), 1e-11);
  }
}

TEST_CASE("sparse matrices, 64-bit indices, floats, weights and strides on CUDA") {
  const games g = random_graph(25, 80, 21);
  const std::vector<double> wins = g.win_matrix(), ties = g.tie_matrix();
  std::vector<std::int64_t> offsets = {0}, column;
  std::vector<float> row_wins, row_ties;
  for (std::int64_t i = 0; i < 25; ++i) {
    for (std::int64_t j = 25; j-- > 0;) {
      const double w = wins[static_cast<std::size_t>(i * 25 + j)], t = ties[static_cast<std::size_t>(i * 25 + j)];
      if (w + t == 0) continue;
      column.push_back(j);
      row_wins.push_back(static_cast<float>(w));
      row_ties.push_back(static_cast<float>(t));
    }
    offsets.push_back(static_cast<std::int64_t>(column.size()));
  }
  const array<std::int64_t> o(offsets), c(column);
  const array<float> w(row_wins), t(row_ties);
  agrees({.ties = tie_model::davidson}, g,
         {.row_offsets = {o.data(), 26},
          .columns = {c.data(), c.size()},
          .row_wins = {w.data(), w.size()},
          .row_ties = {t.data(), t.size()}},
         1e-11);

  const std::int64_t m = g.rows();
  std::vector<std::int64_t> first(static_cast<std::size_t>(2 * m));
  for (std::int64_t k = 0; k < m; ++k) first[static_cast<std::size_t>(2 * k)] = g.first[static_cast<std::size_t>(k)];
  const array<std::int64_t> strided(first);
  const array<float> three(std::vector<float>(static_cast<std::size_t>(m), 3.0f));
  const device_games d(g);
  comparisons<space::device> data = d.pairs();
  data.first = {strided.data(), m, 2};
  data.weight = {three.data(), m};
  games tripled = g;
  for (auto* v : {&tripled.first_wins, &tripled.second_wins, &tripled.ties})
    for (double& x : *v) x *= 3;
  agrees({.ties = tie_model::rao_kupper}, tripled, data, 1e-11);
}

TEST_CASE("the same two items may meet in any number of rows, in either order: the bits are those of one row") {
  const games g = random_graph(12, 40, 8);
  games split{.items = 12};
  for (int part = 0; part < 3; ++part)
    for (std::size_t k = g.first.size(); k-- > 0;) {
      const double won = std::floor(g.first_wins[k] / 2), lost = std::floor(g.second_wins[k] / 3);
      if (part == 0) split.add(g.first[k], g.second[k], won, lost);
      if (part == 1) split.add(g.second[k], g.first[k], 0, g.first_wins[k] - won, g.ties[k]);
      if (part == 2) split.add(g.second[k], g.first[k], g.second_wins[k] - lost, 0);
    }
  for (const tie_model model : all_models) {
    stream s;
    const device_games one(g), many(split);
    const device_fit f(12), same(12);
    REQUIRE(f.run(s, {.ties = model}, one.pairs()).ok());
    REQUIRE(same.run(s, {.ties = model}, many.pairs()).ok());
    s.wait();
    CHECK(f.ratings.get() == same.ratings.get());
    CHECK(f.iterations.get() == same.iterations.get());
  }
}

TEST_CASE("outputs keep to their elements, and absent ones are not written") {
  const games g = full_graph(9, 2);
  const device_games d(g);
  buffer<float> host(9, 3, 1);
  device<float> ratings(host);
  stream s;
  CHECK(prefer::fit_bradley_terry(prefer::cuda{s.handle}, {}, d.pairs(), {.ratings = ratings.view()}).ok());
  s.wait();
  ratings.fetch();
  CHECK(host.intact());
  const fit_result expected = fit({}, g.pairs(), 9);
  for (std::int64_t i = 0; i < 9; ++i)
    CHECK(std::fabs(host.get(i) - expected.ratings[static_cast<std::size_t>(i)]) < 1e-6);
}

TEST_CASE(
    "with a workspace a fit neither allocates nor synchronises nor copies; a captured one replays with new data") {
  covers("bradley_terry_fit", "allocation");
  const games g = random_graph(20, 60, 31);
  const device_games d(g);
  for (const auto& data : {d.matrix(), d.pairs()}) {
    const std::size_t bytes = prefer::fit_bradley_terry_workspace(prefer::cuda{nullptr}, {}, data);
    const device_workspace memory(bytes);
    const bool pairs = data.first.given();
    stream s;
    const device_fit f(20);
    if (ptxrun_mark_begin != nullptr) ptxrun_mark_begin(pairs ? "pairs" : "matrix");
    CHECK(f.run(s, {}, data, memory.get()).ok());
    if (ptxrun_mark_end != nullptr) {
      ptxrun_mark_end();
      for (const char* api : {"cudaMalloc", "cudaMallocAsync", "cudaFree", "cudaFreeAsync", "cudaStreamSynchronize",
                              "cudaDeviceSynchronize", "cudaMemcpy", "cudaMemcpyAsync", "cudaEventSynchronize"}) {
        INFO(api);
        CHECK(ptxrun_calls(pairs ? "pairs" : "matrix", api) == 0);
      }
      CHECK(ptxrun_calls(pairs ? "pairs" : "matrix", "cudaLaunchCooperativeKernel") == 1);
    }
    s.wait();
    const fit_result expected = fit({}, g.pairs(), 20);
    CHECK(distance(f.ratings.get(), expected.ratings, 20) < 1e-11);

    cudaGraphExec_t graph = capture(s.handle, [&] { CHECK(f.run(s, {}, data, memory.get()).ok()); });
    games other = g;
    for (double& w : other.first_wins) w += 2;
    const device_games changed(other);
    const array<double>& live = pairs ? d.first_wins : d.wins;
    const_cast<array<double>&>(live).set(pairs ? other.first_wins : other.win_matrix());
    REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
    s.wait();
    CHECK(distance(f.ratings.get(), fit({}, other.pairs(), 20).ratings, 20) < 1e-11);
    const_cast<array<double>&>(live).set(pairs ? g.first_wins : g.win_matrix());
    cudaGraphExecDestroy(graph);

    const status small = f.run(s, {}, data, {memory.memory, bytes - 1});
    CHECK(small.code == errc::small_workspace);
  }
  stream s;
  const device_fit f(20);
  status refused;
  cudaGraphExec_t graph = capture(s.handle, [&] { refused = f.run(s, {}, d.pairs()); });
  CHECK(refused.code == errc::capture_needs_workspace);
  cudaGraphExecDestroy(graph);
}

TEST_CASE("ratings that do not exist are NaN, not converged and reported with the item; a prior makes them exist") {
  stream s;
  const auto reported = [&](const games& g, const bradley_terry_fit& o, std::int64_t item) {
    const device_games d(g);
    for (const auto& data : {d.pairs(), d.matrix()}) {
      const device_fit f(g.items);
      CHECK(f.run(s, o, data).ok());
      s.wait();
      CHECK(f.found().code() == errc::not_connected);
      CHECK(f.found().index() == item);
      CHECK(f.converged.get()[0] == 0);
      for (double x : f.ratings.get()) CHECK(std::isnan(x));
      for (double x : f.numbers.get()) CHECK(std::isnan(x));
      CHECK(fit(o, g.pairs(), g.items).status.code == errc::not_connected);
    }
  };
  games winless = random_graph(6, 15, 81);
  winless.items = 8;
  winless.add(2, 6, 4, 0);
  reported(winless, {}, 6);
  games halves{.items = 4};
  halves.add(0, 1, 3, 2);
  halves.add(2, 3, 3, 2);
  halves.add(1, 2, 5, 0);
  reported(halves, {}, 2);
  agrees({.prior_precision = 0.5}, winless, device_games(winless).pairs(), 1e-10);
  agrees({.pseudo_count = 0.5}, halves, device_games(halves).matrix(), 1e-10);

  games only_ties{.items = 2}, scale{.items = 3}, cycle{.items = 3};
  only_ties.add(0, 1, 0, 0, 3);
  scale.add(0, 1, 1, 0);
  scale.add(1, 2, 0, 0, 1);
  scale.add(2, 0, 0, 0, 1);
  cycle.add(0, 1, 1, 0);
  cycle.add(1, 2, 1, 0);
  cycle.add(2, 0, 0, 0, 1);
  for (const tie_model model : {tie_model::rao_kupper, tie_model::davidson}) {
    reported(only_ties, {.ties = model}, 0);
    reported(scale, {.ties = model}, 0);
    agrees({.ties = model}, cycle, device_games(cycle).pairs(), 1e-9);
  }
}

TEST_CASE("bad content is never read through: NaN and a report of the first row") {
  stream s;
  const games good = random_graph(6, 20, 91);
  const auto reported = [&](errc code, std::int64_t index, const comparisons<space::device>& data) {
    const device_fit f(6);
    CHECK(f.run(s, {}, data).ok());
    s.wait();
    CHECK(f.found().code() == code);
    CHECK(f.found().index() == index);
    CHECK(f.converged.get()[0] == 0);
    for (double x : f.ratings.get()) CHECK(std::isnan(x));
  };
  const device_games d(good);
  std::vector<std::int32_t> far = good.first, below = good.second;
  far[7] = 6;
  below[9] = -1;
  std::vector<double> negative = good.ties;
  negative[4] = -1;
  negative[11] = std::numeric_limits<double>::quiet_NaN();
  const array<std::int32_t> first(far), second(below), same(good.second);
  const array<double> ties(negative);
  comparisons<space::device> c = d.pairs();
  c.first = {first.data(), first.size()};
  c.second = {second.data(), second.size()};
  reported(errc::bad_index, 7, c);
  c = d.pairs();
  c.ties = {ties.data(), ties.size()};
  reported(errc::bad_label, 4, c);
  c.first = {same.data(), same.size()};
  c.ties = {};
  reported(errc::bad_index, 0, c);

  std::vector<double> wins = good.win_matrix(), lopsided = good.tie_matrix();
  wins[8] = -3;
  lopsided[2] += 1;  // (0, 2) and (2, 0) differ
  const array<double> bad_wins(wins), bad_ties(lopsided);
  reported(errc::bad_label, 8, {.win_matrix = {bad_wins.data(), 6, 6}});
  reported(errc::bad_label, 2, {.win_matrix = {d.wins.data(), 6, 6}, .tie_matrix = {bad_ties.data(), 6, 6}});

  const array<std::int64_t> ends({0, 1, 3, 4, 4, 4, 4}), opponents({1, 0, 2, 1});
  const array<double> played({2, 2, 2, 2}), drawn({1, 1, 1, 3});  // (1, 2) and (2, 1) differ
  reported(errc::bad_label, 1,
           {.row_offsets = {ends.data(), 7},
            .columns = {opponents.data(), 4},
            .row_wins = {played.data(), 4},
            .row_ties = {drawn.data(), 4}});
  c = d.pairs();
  const array<double> huge(std::vector<double>(static_cast<std::size_t>(good.rows()), 1e308));
  c.weight = {huge.data(), huge.size()};
  reported(errc::bad_label, 0, c);

  const array<std::int64_t> offsets({0, 2, 1, 3, 3, 3, 4}), columns({1, 2, 0, 5});
  const array<double> counts({1, 2, 3, 4});
  reported(errc::bad_offsets, 2,
           {.row_offsets = {offsets.data(), 7}, .columns = {columns.data(), 4}, .row_wins = {counts.data(), 4}});
}

TEST_CASE("arguments that the host can see are refused as on the CPU, and nothing is enqueued") {
  prefer_test::covers("bradley_terry_fit", "bad-argument");
  stream s;
  const games g = random_graph(6, 20, 95);
  const device_games d(g);
  const device_fit f(6);
  const auto refused = [&](errc code, const char* argument, const bradley_terry_fit& o,
                           const comparisons<space::device>& data) {
    const status st = f.run(s, o, data);
    INFO(prefer::message(st).c_str());
    CHECK(st.code == code);
    CHECK(std::string(st.argument) == argument);
    CHECK(f.ratings.get()[0] == -77);
  };
  refused(errc::bad_parameter, "tolerance", {.tolerance = -1}, d.pairs());
  refused(errc::bad_parameter, "anchor", {.anchor = 6}, d.pairs());
  comparisons<space::device> c = d.pairs();
  c.second.extent[0] -= 1;
  refused(errc::bad_extent, "second", {}, c);
  c = d.pairs();
  c.first.data = nullptr;
  refused(errc::null_data, "first", {}, c);
  refused(errc::missing_input, "first", {}, {.items = 6});
  CHECK(prefer::fit_bradley_terry(prefer::cuda{s.handle}, {}, d.pairs(), {}).code == errc::missing_output);
}
