// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <advantage/rank_advantage.hpp>
#include <prefer/advantage/rank_advantage.cuh>
#include <support/coverage.hpp>
#include <support/cuda.cuh>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>

using namespace prefer_test;

namespace {

template <class S>
struct device_ranks {
  group_case<S>& host;
  device<std::int32_t> offsets;
  device<S> score, advantage;
  device<bool> mask;

  explicit device_ranks(group_case<S>& c)
      : host(c), offsets(c.offsets), score(c.score), advantage(c.advantage), mask(c.mask) {}
  prefer::rank_advantage_inputs<prefer::space::device> inputs() {
    prefer::rank_advantage_inputs<prefer::space::device> in{.score = score.read(), .offsets = offsets.read()};
    if (host.masked) in.mask = mask.read();
    in.exclude_nan = host.exclude_nan;
    return in;
  }
};

template <class S>
void check_ranks(std::int64_t stride, bool masked) {
  stream s;
  group_case<S> c(std::vector<int>{0, 1, 2, 7, 8, 9, 31, 32, 33, 64, 0, 300}, 3, stride);
  tie(c);
  c.masked = masked;
  c.score.set(c.offsets.at(3) + 1, std::numeric_limits<double>::quiet_NaN());
  for (std::int64_t i = 0; masked && i < c.total; ++i)
    if (!c.mask.at(i)) c.score.set(i, std::numeric_limits<double>::quiet_NaN());
  for (const bool exclude : {true, false}) {
    c.exclude_nan = exclude;
    device_ranks<S> d(c);
    each_place_rule([&](const char* name, const auto& rule, const auto& definition) {
      INFO(name);
      prefer::check(
          prefer::rank_advantages(prefer::cuda{s.handle}, rule, d.inputs(), {.advantage = d.advantage.view()}));
      s.wait();
      d.advantage.fetch();
      auto expected = definition(c.selected());
      for (auto& g : expected)
        if (std::any_of(g.begin(), g.end(), [](long double v) { return std::isnan(v); }))
          for (long double& v : g) v = std::numeric_limits<long double>::quiet_NaN();
      if (exclude) CHECK(c.worst(expected, 1e-15) < 1);
      const std::int64_t first = c.offsets.at(3);
      if (!exclude)
        for (std::int64_t i = first; i < c.offsets.at(4); ++i)
          if (c.counts(first + 1) && c.counts(i)) CHECK(std::isnan(c.advantage.get(i)));
      CHECK(c.untouched_around());
      covers<S>(name, "sizes");
    });
  }
}

}  // namespace

TEST_CASE("advantages by rank on CUDA are their definitions: sizes, ties, masks, NaN, strides, storage types") {
  SUBCASE("float") { check_ranks<float>(1, false); }
  SUBCASE("double") { check_ranks<double>(3, true); }
  SUBCASE("half") { check_ranks<prefer::half>(1, true); }
  SUBCASE("bfloat16") { check_ranks<prefer::bfloat16>(2, false); }
}

TEST_CASE("ranks on CUDA: one launch, nothing allocated, captured and replayed with another number for the best") {
  stream s;
  group_case<float> c({4, 8, 20, 1});
  device_ranks<float> d(c);
  const auto call = [&](const auto& rule) {
    prefer::check(
        prefer::rank_advantages(prefer::cuda{.stream = s.handle}, rule, d.inputs(), {.advantage = d.advantage.view()}));
  };
  enqueues_only("ranks", 1, [&] { call(prefer::centred_ranks{}); });
  s.wait();
  const device_array<double> best(std::vector<double>{1});
  const cudaGraphExec_t graph = capture(s.handle, [&] { call(prefer::best_worst{.best = best.data}); });
  for (const double b : {1.0, 3.0}) {
    REQUIRE(cudaMemcpy(best.data, &b, sizeof b, cudaMemcpyHostToDevice) == cudaSuccess);
    REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
    s.wait();
    d.advantage.fetch();
    CHECK(c.worst(ends(c.selected(), b, -1, false), 1e-15) < 1);
  }
  cudaGraphExecDestroy(graph);
  const auto other_scores = [&] {
    for (std::int64_t i = 0; i < c.total; ++i) c.score.set(i, static_cast<double>(i * i % 13) - c.score.get(i));
    d.score.send();
  };
  each_place_rule([&](const char* name, const auto& rule, const auto&) {
    enqueues_only(name, 1, [&] { call(rule); });
    s.wait();
    covers(name, "allocation");
    check_replay(name, s.handle, [&] { call(rule); }, other_scores, {d.advantage.all()});
    check_refused(name, prefer::rank_advantages(prefer::cuda{s.handle}, rule, d.inputs(), {}), "advantage");
  });
}
