// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <aggregate/decoupled.hpp>
#include <prefer/aggregate/decoupled.cuh>
#include <support/coverage.hpp>
#include <support/cuda.cuh>

#include <doctest/doctest.h>

#include <limits>
#include <string>

using namespace prefer_test;

namespace {

constexpr auto on = prefer::space::device;
const prefer::decoupled<> gdpo,
    mo_grpo{.rule = {.epsilon = 0.0, .std = prefer::deviation::population}, .whiten = {.on = false}};

// A case and its mirror on the device.
template <class S>
struct device_decoupled {
  decoupled_case<S>& host;
  device<S> reward, advantage;
  device<double> weight;
  device<bool> mask;
  device<std::int32_t> offsets;

  explicit device_decoupled(decoupled_case<S>& c)
      : host(c), reward(c.reward), advantage(c.advantage), weight(c.weight), mask(c.mask), offsets(c.offsets) {}

  prefer::decoupled_inputs<on> inputs() {
    prefer::decoupled_inputs<on> in;
    in.rewards = prefer::view<const S, 2, on>(reward.data(), host.total, host.rewards, host.row, 1);
    in.offsets = offsets.read(), in.weight = weight.read();
    if (host.masked) in.mask = mask.read();
    in.exclude_nan = host.exclude_nan;
    return in;
  }
  prefer::decoupled_outputs<on> outputs() { return {.advantage = advantage.view()}; }
};

template <class S>
void check_sizes_on_cuda(std::int64_t rewards, std::int64_t gap, bool masked) {
  stream s;
  decoupled_case<S> c(group_sizes(), rewards, gap);
  c.masked = masked;
  for (std::int64_t i = 0; masked && i < c.total; ++i)
    if (!c.mask.at(i)) c.reward.set(i * c.row, std::numeric_limits<double>::quiet_NaN());
  device_decoupled<S> d(c);
  const auto run = [&](const auto& rule) {
    prefer::check(prefer::decoupled_advantages(prefer::cuda{s.handle}, rule, d.inputs(), d.outputs()));
    s.wait();
    d.advantage.fetch();
    CHECK(c.untouched_around());
  };
  run(gdpo);
  CHECK(c.worst_advantage(c.expected(true, true, 1e-4L)) < 1);
  run(mo_grpo);
  CHECK(c.worst_advantage(c.expected(false, false, 0)) < 1);
  covers<S>("decoupled", "sizes");
}

}  // namespace

TEST_CASE("decoupled advantages on CUDA are their definition: sizes, rewards, masks, storage types") {
  SUBCASE("float") { check_sizes_on_cuda<float>(2, 0, false); }
  SUBCASE("double") { check_sizes_on_cuda<double>(4, 1, true); }
  SUBCASE("half") { check_sizes_on_cuda<prefer::half>(3, 0, true); }
  SUBCASE("bfloat16") { check_sizes_on_cuda<prefer::bfloat16>(1, 2, false); }
}

TEST_CASE("decoupled advantages on CUDA: launches counted, nothing allocated, captured and replayed, errors") {
  stream s;
  decoupled_case<float> c(group_sizes(), 3, 0);
  c.reward.set(40, std::numeric_limits<double>::quiet_NaN());
  c.exclude_nan = true;
  device_decoupled<float> d(c);
  const device_workspace memory(prefer::decoupled_advantages_workspace(c.n, c.total));
  const prefer::cuda exec{.stream = s.handle, .workspace = memory.get()};
  const auto call = [&] { prefer::check(prefer::decoupled_advantages(exec, gdpo, d.inputs(), d.outputs())); };
  enqueues_only("gdpo", 3 * 4 + 6, call);
  s.wait();
  const cudaGraphExec_t graph = capture(s.handle, call);
  for (const double weight : {2.0, -1.0}) {
    c.weight.set(1, weight);
    d.weight.send();
    REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
    s.wait();
    d.advantage.fetch();
    CHECK(c.worst_advantage(c.expected(true, true, 1e-4L)) < 1);
  }
  cudaGraphExecDestroy(graph);
  auto in = d.inputs();
  in.weight.extent[0] = 2;
  CHECK(std::string(prefer::decoupled_advantages(exec, gdpo, in, d.outputs()).argument) == "weight");
  const device_workspace small(1024);
  CHECK(prefer::decoupled_advantages(prefer::cuda{.stream = s.handle, .workspace = small.get()}, gdpo, d.inputs(),
                                     d.outputs())
            .code == prefer::errc::small_workspace);
  for (const char* tag : {"allocation", "capture", "bad-argument"}) covers("decoupled", tag);
}
