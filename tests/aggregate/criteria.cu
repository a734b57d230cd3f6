// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <aggregate/criteria.hpp>
#include <aggregate/device_rewards.cuh>
#include <prefer/aggregate/criteria.cuh>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <string>

using namespace prefer_test;

namespace {

// f(name, rule, definition), with what the rubric reads on the device.
template <class F>
void each_device_rule(F f) {
  const auto b = interactions();
  const auto t = thresholds();
  const device_array<double> interaction(std::vector<double>(b.begin(), b.end())),
      threshold(std::vector<double>(t.begin(), t.end()));
  each_criteria_rule(interaction.data, threshold.data, f);
}

template <class S>
void check_sizes_on_cuda(std::int64_t gap, bool masked) {
  stream s;
  for (const std::int64_t n : {1, 40, 300}) {
    reward_case<S> c = criteria_case<S>(n, gap);
    c.masked = masked;
    for (std::int64_t i = 0; masked && i < n; ++i)
      if (!c.mask.at(i)) c.reward.set(i * c.row, std::numeric_limits<double>::quiet_NaN());
    device_rewards<S> d(c);
    each_device_rule([&](const char* name, const auto& rule, const auto& definition) {
      INFO(name);
      prefer::check(prefer::aggregate(prefer::cuda{s.handle}, rule, d.inputs(false), d.outputs()));
      s.wait();
      d.aggregate.fetch(), d.grad.fetch();
      CHECK(c.worst(definition) < 1);
      CHECK(c.intact());
      covers<S>(name, "sizes");
    });
  }
}

}  // namespace

TEST_CASE("rules for criteria on CUDA are their definitions: sizes, masks, gaps, storage types") {
  SUBCASE("float") { check_sizes_on_cuda<float>(0, false); }
  SUBCASE("double") { check_sizes_on_cuda<double>(2, true); }
  SUBCASE("half") { check_sizes_on_cuda<prefer::half>(0, true); }
  SUBCASE("bfloat16") { check_sizes_on_cuda<prefer::bfloat16>(1, false); }
}

TEST_CASE("rules for criteria on CUDA: one launch, nothing allocated, captured, errors as on the CPU") {
  stream s;
  reward_case<float> c = criteria_case<float>(70, 1);
  device_rewards<float> d(c);
  const prefer::cuda exec{.stream = s.handle};
  each_device_rule([&](const char* name, const auto& rule, const auto& definition) {
    const auto in = d.inputs(false);
    const auto out = d.outputs();
    enqueues_only(name, 1, [&] { prefer::check(prefer::aggregate(exec, rule, in, out)); });
    s.wait();
    const cudaGraphExec_t graph = capture(s.handle, [&] { prefer::check(prefer::aggregate(exec, rule, in, out)); });
    for (std::int64_t i = 0; i < c.n; ++i) c.reward.set(i * c.row, c.reward.get(i * c.row) + 1 / 256.0);
    d.reward.send();
    REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
    s.wait();
    cudaGraphExecDestroy(graph);
    d.aggregate.fetch(), d.grad.fetch();
    CHECK(c.worst(definition) < 1);
    for (const char* tag : {"allocation", "capture"}) covers(name, tag);
  });
  CHECK(
      std::string(prefer::aggregate(exec, prefer::min_geometric{.passes = 4}, d.inputs(false), d.outputs()).argument) ==
      "passes");
  CHECK(std::string(prefer::aggregate(exec, prefer::rubric{.critical = 64}, d.inputs(false), d.outputs()).argument) ==
        "critical");
  for (const char* name : {"min_geometric", "rubric"}) covers(name, "bad-argument");
}
