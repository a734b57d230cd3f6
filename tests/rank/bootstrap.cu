// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "fit_support.cuh"

#include <prefer/rank/bootstrap.cuh>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace prefer;
using namespace prefer_test;

namespace {

struct device_intervals {
  std::int64_t items, replicates;
  array<double> lower, upper, se, samples;
  array<std::int32_t> failed{std::vector<std::int32_t>(1, -7)};
  report_word report;

  device_intervals(std::int64_t n, std::int64_t r)
      : items(n), replicates(r), lower(some(n)), upper(some(n)), se(some(n)), samples(some(n * r)) {}
  static std::vector<double> some(std::int64_t n) { return std::vector<double>(static_cast<std::size_t>(n), -7.0); }

  bootstrap_outputs<space::device> out() const {
    return {.lower = {lower.data(), items},
            .upper = {upper.data(), items},
            .standard_errors = {se.data(), items},
            .failed = {failed.data(), 1},
            .samples = {samples.data(), replicates, items}};
  }
  status run(const stream& s, const bradley_terry_bootstrap& o, const comparisons<space::device>& data,
             workspace memory = {}) const {
    return bootstrap_bradley_terry(prefer::cuda{.stream = s.handle, .workspace = memory, .report = report.data()}, o,
                                   data, out());
  }
};

// NaN in the same places, and near everywhere else.
void same_numbers(const std::vector<double>& a, const std::vector<double>& b, double bound) {
  REQUIRE(a.size() == b.size());
  for (std::size_t k = 0; k < a.size(); ++k) {
    CHECK(std::isnan(a[k]) == std::isnan(b[k]));
    if (!std::isnan(b[k])) CHECK(std::fabs(a[k] - b[k]) < bound);
  }
}

// The same games are drawn, and both fits stop at 1e-12 of a game per game.
void agrees(const bradley_terry_bootstrap& o, const comparisons<space::host>& host,
            const comparisons<space::device>& data, std::int64_t n) {
  auto lower = device_intervals::some(n), upper = lower, se = lower, samples = device_intervals::some(n * o.replicates);
  std::int32_t failed = -1;
  REQUIRE(bootstrap_bradley_terry(cpu{}, o, host,
                                  {.lower = {lower.data(), n},
                                   .upper = {upper.data(), n},
                                   .standard_errors = {se.data(), n},
                                   .failed = {&failed, 1},
                                   .samples = {samples.data(), o.replicates, n}})
              .ok());
  stream s;
  const device_intervals d(n, o.replicates);
  REQUIRE(d.run(s, o, data).ok());
  s.wait();
  CHECK(d.report.get().code() == errc::ok);
  CHECK(d.failed.get()[0] == failed);
  same_numbers(d.samples.get(), samples, 1e-9);
  same_numbers(d.lower.get(), lower, 1e-9);
  same_numbers(d.upper.get(), upper, 1e-9);
  same_numbers(d.se.get(), se, 1e-9);
}

}  // namespace

TEST_CASE("CUDA draws the games that the CPU draws: tie models, priors, anchors, pairs and matrices") {
  prefer_test::covers("bootstrap", "golden");
  const games tied = table(journals_wins, journals_ties, 4), g = random_graph(9, 25, 3);
  const device_games journals(tied), sparse(g);
  for (const tie_model model : all_models) {
    agrees({.fit = {.ties = model}, .replicates = 9, .seed = 3}, tied.pairs(), journals.matrix(), 4);
    agrees({.fit = {.ties = model, .prior_precision = 0.5, .anchor = 2}, .replicates = 5, .seed = 1ull << 40},
           g.pairs(), sparse.pairs(), 9);
  }
  agrees({.replicates = 2, .seed = 8}, g.pairs(), sparse.matrix(), 9);
}

TEST_CASE(
    "counts per replicate are the CPU's: the number of wins of two items, from all sizes of the last step of sorting") {
  games g{.items = 2};
  g.add(0, 1, 30, 11);
  const device_games d(g);
  for (const std::int64_t replicates : {1, 2, 3, 7, 33})
    agrees({.replicates = replicates, .seed = 5, .level = 0.8}, g.pairs(), d.pairs(), 2);
}

TEST_CASE("replicates that lose the only win are counted and left out, on the device as on the CPU") {
  games g{.items = 3};
  g.add(0, 1, 20, 20);
  g.add(1, 2, 20, 1);
  const device_games d(g);
  agrees({.replicates = 30, .seed = 2}, g.pairs(), d.matrix(), 3);
  agrees({.fit = {.pseudo_count = 0.1}, .replicates = 5, .seed = 2}, g.pairs(), d.pairs(), 3);
  games certain{.items = 2};  // never a replicate with both outcomes
  certain.add(0, 1, 1, 0);
  certain.add(0, 1, 0, 1);
  agrees({.replicates = 4, .seed = 1}, certain.pairs(), device_games(certain).pairs(), 2);
}

TEST_CASE("a weighted game keeps its weight when it is drawn, and one without weight is never drawn") {
  const games g = random_graph(5, 15, 7);
  std::vector<float> weight;
  for (std::int64_t k = 0; k < g.rows(); ++k) weight.push_back(static_cast<float>(k % 3));
  const device_games d(g);
  const array<float> w(weight);
  comparisons<space::host> host = g.pairs();
  comparisons<space::device> data = d.pairs();
  host.weight = {weight.data(), g.rows()};
  data.weight = {w.data(), g.rows()};
  for (const tie_model model : all_models)
    agrees({.fit = {.ties = model, .prior_precision = 0.1}, .replicates = 4, .seed = 4}, host, data, 5);
}

TEST_CASE("bitwise the same for any number of lanes; another seed differs; outputs keep to their elements") {
  const device_games d(random_graph(6, 20, 3));
  stream s;
  const device_intervals one(6, 5), many(6, 5), other(6, 5);
  CHECK(one.run(s, {.replicates = 5, .seed = 3, .lanes = 1}, d.pairs()).ok());
  CHECK(many.run(s, {.replicates = 5, .seed = 3}, d.pairs()).ok());
  CHECK(other.run(s, {.replicates = 5, .seed = 4}, d.pairs()).ok());
  buffer<float> upper(6, 3, 1), samples(60, 1, 1);
  device<float> device_upper(upper), device_samples(samples);
  CHECK(bootstrap_bradley_terry(prefer::cuda{s.handle}, {.replicates = 5, .seed = 3}, d.pairs(),
                                {.upper = device_upper.view(), .samples = {device_samples.data(), 5, 6, 12, 2}})
            .ok());
  s.wait();
  CHECK(one.samples.get() == many.samples.get());
  CHECK(one.lower.get() == many.lower.get());
  CHECK(one.se.get() == many.se.get());
  CHECK(one.samples.get() != other.samples.get());
  device_upper.fetch();
  device_samples.fetch();
  CHECK(upper.intact());
  CHECK(samples.intact());
  for (std::int64_t i = 0; i < 6; ++i)
    CHECK(upper.get(i) == static_cast<float>(one.upper.get()[static_cast<std::size_t>(i)]));
  for (std::int64_t k = 0; k < 30; ++k)
    CHECK(samples.get(k / 6 * 12 + k % 6 * 2) == static_cast<float>(one.samples.get()[static_cast<std::size_t>(k)]));
}

TEST_CASE("with a workspace the bootstrap neither allocates nor synchronises nor copies; a captured one replays") {
  covers("bootstrap", "allocation");
  const games g = random_graph(6, 20, 31);
  games other = g;
  for (double& w : other.first_wins) w += 2;
  const bradley_terry_bootstrap o{.replicates = 3, .seed = 6};
  device_games d(g);
  for (const auto& data : {d.matrix(), d.pairs()}) {
    const device_intervals r(6, 3);
    const std::size_t bytes = bootstrap_bradley_terry_workspace(prefer::cuda{nullptr}, o, data);
    const device_workspace memory(bytes);
    stream s;
    if (ptxrun_mark_begin != nullptr) ptxrun_mark_begin("bootstrap");
    CHECK(r.run(s, o, data, memory.get()).ok());
    if (ptxrun_mark_end != nullptr) {
      ptxrun_mark_end();
      for (const char* api : {"cudaMalloc", "cudaMallocAsync", "cudaFree", "cudaFreeAsync", "cudaStreamSynchronize",
                              "cudaDeviceSynchronize", "cudaMemcpy", "cudaMemcpyAsync", "cudaEventSynchronize"}) {
        INFO(api);
        CHECK(ptxrun_calls("bootstrap", api) == 0);
      }
    }
    s.wait();
    const auto other_wins = [&] { d.first_wins.set(other.first_wins), d.wins.set(other.win_matrix()); };
    check_replay("bootstrap", s.handle, [&] { CHECK(r.run(s, o, data, memory.get()).ok()); }, other_wins,
                 {r.lower.all(), r.upper.all(), r.se.all(), r.samples.all()});
    d.first_wins.set(g.first_wins), d.wins.set(g.win_matrix());
    CHECK(r.run(s, o, data, {memory.memory, bytes - 1}).code == errc::small_workspace);
  }
}

TEST_CASE("what only the device sees is reported, leaves NaN, and fails every replicate") {
  stream s;
  const games g = random_graph(6, 20, 91);
  const auto reported = [&](errc code, std::int64_t index, const games& played, const bradley_terry_fit& f = {},
                            const double* weight = nullptr) {
    const device_games d(played);
    comparisons<space::device> data = d.pairs();
    const array<double> w(std::vector<double>(weight, weight + (weight != nullptr ? played.rows() : 0)));
    if (weight != nullptr) data.weight = {w.data(), w.size()};
    const device_intervals r(played.items, 3);
    CHECK(r.run(s, {.fit = f, .replicates = 3}, data).ok());
    s.wait();
    CHECK(r.report.get().code() == code);
    CHECK(r.report.get().index() == index);
    CHECK(r.failed.get()[0] == 3);
    for (const auto& v : {r.lower.get(), r.upper.get(), r.se.get(), r.samples.get()})
      for (double x : v) CHECK(std::isnan(x));
  };
  games bad = g;
  bad.first_wins[3] = 2.5;  // of items 3 and 4
  reported(errc::bad_label, 3, bad);
  std::vector<double> weight(static_cast<std::size_t>(g.rows()), 0.5);
  bad = g;
  bad.ties[7] = 0.5;
  reported(errc::bad_label, 7, bad, {}, weight.data());
  bad = g;
  bad.first_wins[1] = bad.second_wins[2] = 1.5e9;
  reported(errc::bad_label, 2, bad);
  bad = g;
  bad.first[5] = 6;
  reported(errc::bad_index, 5, bad);
  reported(errc::not_connected, 1, chain(4, 1, 0));
  reported(errc::not_converged, 0, g, {.max_sweeps = 0, .max_newton_steps = 0});
}

TEST_CASE("arguments that the host can see are refused as on the CPU, and nothing is enqueued") {
  prefer_test::covers("bootstrap", "bad-argument");
  stream s;
  const device_games d(random_graph(6, 20, 95));
  const device_intervals r(6, 3);
  const auto refused = [&](errc code, const char* argument, const bradley_terry_bootstrap& o,
                           const bootstrap_outputs<space::device>& out) {
    const status st = bootstrap_bradley_terry(prefer::cuda{s.handle}, o, d.pairs(), out);
    INFO(message(st).c_str());
    CHECK(st.code == code);
    CHECK(std::string(st.argument) == argument);
    CHECK(r.lower.get()[0] == -7);
  };
  refused(errc::missing_output, "outputs", {.replicates = 3}, {});
  refused(errc::bad_parameter, "replicates", {.replicates = 0}, r.out());
  refused(errc::bad_parameter, "level", {.replicates = 3, .level = 1}, r.out());
  refused(errc::bad_parameter, "lanes", {.replicates = 3, .lanes = -1}, r.out());
  refused(errc::bad_parameter, "anchor", {.fit = {.anchor = 6}, .replicates = 3}, r.out());
  refused(errc::bad_extent, "samples", {.replicates = 4}, r.out());
  refused(errc::overlap, "upper", {.replicates = 3}, {.lower = {r.lower.data(), 6}, .upper = {r.lower.data(), 6}});
}
