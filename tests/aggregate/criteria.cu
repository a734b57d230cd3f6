// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <aggregate/criteria.hpp>
#include <prefer/aggregate/criteria.cuh>
#include <support/side.cuh>

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
prefer::aggregate_inputs<prefer::space::device> inputs_on(device_side& side, reward_case<S>& c) {
  prefer::aggregate_inputs<prefer::space::device> in;
  in.rewards = side.read(c.reward, c.n, c.rewards, c.row);
  in.weight = side.read(c.weight), in.upstream = side.read(c.upstream);
  if (c.masked) in.mask = side.read(c.mask);
  return in;
}
template <class S>
prefer::aggregate_outputs<prefer::space::device> outputs_on(device_side& side, reward_case<S>& c) {
  S* const grad = side.write(c.grad).data;
  return {.aggregate = side.write(c.aggregate),
          .grad_rewards = prefer::view<S, 2, prefer::space::device>(grad, c.n, c.rewards, c.row, 1)};
}

template <class S>
void check_sizes_on_cuda(std::int64_t gap, bool masked) {
  for (const std::int64_t n : {1, 40, 300}) {
    reward_case<S> c = criteria_case<S>(n, gap);
    c.masked = masked;
    for (std::int64_t i = 0; masked && i < n; ++i)
      if (!c.mask.at(i)) c.reward.set(i * c.row, std::numeric_limits<double>::quiet_NaN());
    each_device_rule([&](const char* name, const auto& rule, const auto& definition) {
      INFO(std::string(name));
      device_side side;
      prefer::check(prefer::aggregate(side.exec, rule, inputs_on(side, c), outputs_on(side, c)));
      side.done();
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
  device_side side;
  reward_case<float> c = criteria_case<float>(70, 1);
  const auto in = inputs_on(side, c);
  const auto out = outputs_on(side, c);
  each_device_rule([&](const char* name, const auto& rule, const auto& definition) {
    enqueues_only(name, 1, [&] { prefer::check(prefer::aggregate(side.exec, rule, in, out)); });
    side.done();
    const cudaGraphExec_t graph =
        capture(side.on.handle, [&] { prefer::check(prefer::aggregate(side.exec, rule, in, out)); });
    for (std::int64_t i = 0; i < c.n; ++i) c.reward.set(i * c.row, c.reward.get(i * c.row) + 1 / 256.0);
    REQUIRE(cudaMemcpy(const_cast<void*>(in.rewards.data), c.reward.data(),
                       static_cast<std::size_t>(c.n * c.row) * sizeof(float), cudaMemcpyHostToDevice) == cudaSuccess);
    REQUIRE(cudaGraphLaunch(graph, side.on.handle) == cudaSuccess);
    side.done();
    cudaGraphExecDestroy(graph);
    CHECK(c.worst(definition) < 1);
    for (const char* tag : {"allocation", "capture"}) covers(name, tag);
  });
  const auto refused = [&](const auto& rule) { return refused_argument(prefer::aggregate(side.exec, rule, in, out)); };
  CHECK(refused(prefer::min_geometric{.passes = 4}) == "passes");
  CHECK(refused(prefer::rubric{.critical = 64}) == "critical");
  for (const char* name : {"min_geometric", "rubric"}) covers(name, "bad-argument");
}
