// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <aggregate/aggregate.hpp>
#include <prefer/aggregate/aggregate.cuh>
#include <support/coverage.hpp>
#include <support/cuda.cuh>

#include <doctest/doctest.h>

#include <limits>
#include <string>

using namespace prefer_test;

namespace {

const auto& every_rule = aggregate_entries<prefer::cuda>();

// A case and its mirror on the device.
template <class S>
struct device_rewards {
  static constexpr auto on = prefer::space::device;
  reward_case<S>& host;
  device<S> reward, grad, aggregate, upstream;
  device<double> weight, moments, ideal;
  device<bool> mask;
  device<std::int32_t> offsets;

  explicit device_rewards(reward_case<S>& c)
      : host(c),
        reward(c.reward),
        grad(c.grad),
        aggregate(c.aggregate),
        upstream(c.upstream),
        weight(c.weight),
        moments(c.moments),
        ideal(c.ideal),
        mask(c.mask),
        offsets(c.offsets) {}

  template <class T>
  prefer::view<T, 2, on> matrix(T* data) const {
    return {data, host.n, host.rewards, host.row, 1};
  }
  prefer::aggregate_inputs<on> inputs(bool learns, bool idealistic = false) {
    prefer::aggregate_inputs<on> in;
    in.rewards = matrix<const S>(reward.data()), in.weight = weight.read(), in.upstream = upstream.read();
    if (host.masked) in.mask = mask.read();
    if (learns) in.moments = prefer::view<const double, 2, on>(moments.data(), host.rewards, 3);
    if (idealistic) in.ideal = ideal.read();
    return in;
  }
  prefer::aggregate_outputs<on> outputs() {
    return {.aggregate = aggregate.view(), .grad_rewards = matrix(grad.data())};
  }
  prefer::status find_moments(const prefer::cuda& exec) {
    prefer::advantage_inputs<on> groups{.offsets = offsets.read()};
    if (host.masked) groups.mask = mask.read();
    return prefer::reward_moments(exec, matrix<const S>(reward.data()), groups,
                                  prefer::view<double, 2, on>(moments.data(), host.rewards, 3));
  }
};

template <class S>
void check_sizes_on_cuda(std::int64_t gap, bool masked) {
  stream s;
  for (const std::int64_t n : {1, 40, 300}) {
    reward_case<S> c(n, 5, gap);
    c.masked = masked;
    for (std::int64_t i = 0; masked && i < n; ++i)
      if (!c.mask.at(i)) c.reward.set(i * c.row, std::numeric_limits<double>::quiet_NaN());
    device_rewards<S> d(c);
    prefer::check(d.find_moments(prefer::cuda{s.handle}));
    for (const auto& rule : every_rule) {
      INFO(rule.name);
      prefer::check(rule.run(prefer::cuda{s.handle}, d.inputs(rule.learns_batch, rule.learns_ideal), d.outputs()));
      s.wait();
      d.aggregate.fetch(), d.grad.fetch();
      CHECK(c.worst(rule.value) < 1);
      CHECK(c.intact());
      covers<S>(rule.name, "sizes");
      if (masked) covers(rule.name, "masked");
    }
  }
}

}  // namespace

TEST_CASE("aggregates on CUDA are their definitions: sizes, masks, gaps, storage types") {
  SUBCASE("float") { check_sizes_on_cuda<float>(0, false); }
  SUBCASE("double") { check_sizes_on_cuda<double>(2, true); }
  SUBCASE("half") { check_sizes_on_cuda<prefer::half>(0, true); }
  SUBCASE("bfloat16") { check_sizes_on_cuda<prefer::bfloat16>(1, false); }
}

TEST_CASE(
    "aggregates on CUDA: one launch, nothing allocated, captured with the moments they need, errors as on the CPU") {
  stream s;
  reward_case<float> c(700, 4, 1);
  device_rewards<float> d(c);
  const device_workspace memory(prefer::group_advantages_workspace(2, 700));
  const prefer::cuda exec{.stream = s.handle, .workspace = memory.get()};
  prefer::check(d.find_moments(exec));
  for (const auto& rule : every_rule) {
    const auto in = d.inputs(rule.learns_batch, rule.learns_ideal);
    const auto out = d.outputs();
    enqueues_only(rule.name, 1, [&] { prefer::check(rule.run(exec, in, out)); });
    s.wait();
    for (const char* tag : {"allocation", "capture", "bad-argument"}) covers(rule.name, tag);
  }
  const cudaGraphExec_t graph = capture(s.handle, [&] {
    prefer::check(d.find_moments(exec));
    prefer::check(prefer::aggregate(exec, prefer::log_tamed{}, d.inputs(true), d.outputs()));
  });
  for (std::int64_t i = 0; i < c.n; ++i) c.reward.set(i * c.row, c.reward.get(i * c.row) * c.reward.get(i * c.row + 3));
  d.reward.send();
  REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
  s.wait();
  cudaGraphExecDestroy(graph);
  d.aggregate.fetch(), d.grad.fetch();
  CHECK(c.worst([](const reals& r, const reward_facts& f) { return log_tamed_value(r, f, false); }) < 1);
  auto in = d.inputs(false);
  in.weight.extent[0] = 3;
  CHECK(std::string(prefer::aggregate(exec, prefer::soft_min{}, in, d.outputs()).argument) == "weight");
  CHECK(std::string(prefer::aggregate(exec, prefer::log_tamed{}, d.inputs(false), d.outputs()).argument) == "moments");
}
