// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <advantage/reward_advantage.hpp>
#include <prefer/advantage/reward_advantage.cuh>
#include <support/coverage.hpp>
#include <support/cuda.cuh>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>

using namespace prefer_test;

namespace {

template <class S>
struct device_rewards {
  reward_case<S>& host;
  device<S> reward, advantage;
  device<std::int32_t> offsets;
  device<bool> mask;
  device<double> mean;
  device_array<double> weight;

  explicit device_rewards(reward_case<S>& c)
      : host(c),
        reward(c.reward),
        advantage(c.groups.advantage),
        offsets(c.groups.offsets),
        mask(c.groups.mask),
        mean(c.groups.mean),
        weight(c.weight) {}
  prefer::reward_advantage_inputs<prefer::space::device> inputs() {
    prefer::reward_advantage_inputs<prefer::space::device> in{
        .rewards = {reward.data(), host.groups.total, reward_count},
        .offsets = offsets.read(),
        .weight = {weight.data, reward_count}};
    if (host.groups.masked) in.mask = mask.read();
    return in;
  }
  prefer::reward_advantage_outputs<prefer::space::device> outputs() {
    return {.advantage = advantage.view(), .mean = mean.view()};
  }
};

constexpr long double epsilon = static_cast<long double>(1e-4);

template <class S>
void check_rewards(bool masked) {
  stream s;
  reward_case<S> c({0, 1, 2, 8, 9, 33, 255, 256, 257, 4, 600});
  c.groups.masked = masked;
  for (std::int64_t i = 0; masked && i < c.groups.total; ++i)
    if (!c.groups.mask.at(i)) c.reward.set(i * reward_count, std::numeric_limits<double>::quiet_NaN());
  device_rewards<S> d(c);
  prefer::check(prefer::reward_advantages(prefer::cuda{s.handle}, prefer::log_tamed{}, prefer::lite_ppo{}, d.inputs(),
                                          d.outputs()));
  s.wait();
  d.advantage.fetch();
  CHECK(c.groups.worst(over_batch(c.tamed(), true, epsilon, true), 1e-13) < 1);
  CHECK(c.groups.untouched_around());
  covers<S>("reward_advantages", "sizes");
}

}  // namespace

TEST_CASE("advantages of several rewards on CUDA are their definitions: sizes, masks, storage types") {
  SUBCASE("float") { check_rewards<float>(false); }
  SUBCASE("double") { check_rewards<double>(true); }
  SUBCASE("half") { check_rewards<prefer::half>(true); }
  SUBCASE("bfloat16") { check_rewards<prefer::bfloat16>(false); }
}

TEST_CASE("rewards to advantages on CUDA: launches counted, nothing allocated, captured and replayed, bad offsets") {
  stream s;
  reward_case<float> c({4, 8, 200});
  device_rewards<float> d(c);
  const device_workspace memory(prefer::reward_advantages_workspace(c.groups.n, c.groups.total));
  const device_array<prefer::content_report> report(std::vector<prefer::content_report>(1));
  const prefer::cuda exec{.stream = s.handle, .workspace = memory.get(), .report = report.data};
  const auto call = [&] {
    prefer::check(prefer::reward_advantages(exec, prefer::weighted_sum{}, prefer::grpo{}, d.inputs(), d.outputs()));
  };
  enqueues_only("rewards", 2, call);
  enqueues_only("tamed rewards", 2 + 2 * reward_count, [&] {
    prefer::check(prefer::reward_advantages(exec, prefer::log_tamed{}, prefer::grpo{}, d.inputs(), d.outputs()));
  });
  const cudaGraphExec_t graph = capture(s.handle, call);
  for (const double w : {2.0, -1.0}) {
    c.weight[2] = w;
    REQUIRE(cudaMemcpy(d.weight.data, c.weight.data(), 3 * sizeof w, cudaMemcpyHostToDevice) == cudaSuccess);
    REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
    s.wait();
    d.advantage.fetch();
    const auto x =
        c.aggregates([&](const long double* r) { return r[0] + 0.5L * r[1] + static_cast<long double>(w) * r[2]; });
    CHECK(c.groups.worst(normalised(x, true, epsilon), 1e-13) < 1);
  }
  cudaGraphExecDestroy(graph);
  c.groups.offsets.at(1) = 1 << 30;
  d.offsets.send();
  call();
  s.wait();
  d.mean.fetch();
  CHECK((report.fetch()[0].code() == prefer::errc::bad_offsets && std::isnan(c.groups.mean.get(0))));
  CHECK(!std::isnan(c.groups.mean.get(2)));
  auto wrong = d.inputs();
  wrong.weight.extent[0] = 2;
  CHECK(std::string(
            prefer::reward_advantages(exec, prefer::weighted_sum{}, prefer::grpo{}, wrong, d.outputs()).argument) ==
        "weight");
  for (const char* tag : {"allocation", "capture", "bad-argument"}) covers("reward_advantages", tag);
}
