// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <aggregate/adaptive.hpp>
#include <prefer/aggregate/adaptive.cuh>
#include <support/coverage.hpp>
#include <support/cuda.cuh>

#include <doctest/doctest.h>

#include <limits>
#include <string>

using namespace prefer_test;

namespace {

constexpr auto on = prefer::space::device;
const auto& every_rule = adaptive_entries<prefer::cuda>();

// A case and its mirror on the device.
template <class S>
struct device_adaptive {
  adaptive_case<S>& host;
  device<S> reward, advantage;
  device<double> weight;
  device<bool> mask;
  device<std::int32_t> offsets, tokens;

  explicit device_adaptive(adaptive_case<S>& c)
      : host(c),
        reward(c.reward),
        advantage(c.advantage),
        weight(c.weight),
        mask(c.mask),
        offsets(c.offsets),
        tokens(c.tokens) {}

  prefer::decoupled_inputs<on> inputs(bool whitens) {
    prefer::decoupled_inputs<on> in;
    in.rewards = prefer::view<const S, 2, on>(reward.data(), host.total, host.rewards, host.row, 1);
    in.offsets = offsets.read(), in.weight = weight.read();
    if (host.masked) in.mask = mask.read();
    if (host.by_tokens && whitens) in.tokens = tokens.read();
    in.exclude_nan = host.exclude_nan;
    return in;
  }
  prefer::decoupled_outputs<on> outputs() { return {.advantage = advantage.view()}; }
};

template <class S>
void check_sizes_on_cuda(std::int64_t rewards, std::int64_t gap, bool masked, bool tokens) {
  stream s;
  adaptive_case<S> c({0, 1, 2, 8, 9, 33, 0, 256, 257, 600}, rewards, gap);
  c.masked = masked, c.by_tokens = tokens, c.exclude_nan = tokens;
  for (std::int64_t i = 0; masked && i < c.total; ++i)
    if (!c.mask.at(i)) c.reward.set(i * c.row, std::numeric_limits<double>::quiet_NaN());
  device_adaptive<S> d(c);
  for (const auto& rule : every_rule) {
    INFO(rule.name);
    prefer::check(rule.run(prefer::cuda{s.handle}, d.inputs(rule.white.on), d.outputs()));
    s.wait();
    d.advantage.fetch();
    CHECK(c.worst_advantage(c.expected(rule.white, rule.form, rule.definition)) < rule.tolerance());
    CHECK(c.untouched_around());
    covers<S>(rule.name, "sizes");
    covers(rule.name, "masked");
  }
}

}  // namespace

TEST_CASE("adaptive advantages on CUDA are their definitions: sizes, rewards, masks, tokens, storage types") {
  SUBCASE("float") { check_sizes_on_cuda<float>(2, 0, false, false); }
  SUBCASE("double") { check_sizes_on_cuda<double>(4, 1, true, true); }
  SUBCASE("half") { check_sizes_on_cuda<prefer::half>(3, 0, false, true); }
  SUBCASE("bfloat16") { check_sizes_on_cuda<prefer::bfloat16>(1, 2, true, false); }
}

TEST_CASE("adaptive advantages on CUDA: launches counted, nothing allocated, captured and replayed, errors") {
  stream s;
  adaptive_case<float> c({3, 8, 300}, 2, 0);
  c.by_tokens = true;
  device_adaptive<float> d(c);
  const device_workspace memory(prefer::decoupled_advantages_workspace(c.n, c.total, 2)), small(1024);
  const prefer::cuda exec{.stream = s.handle, .workspace = memory.get()};
  // Of group_map 3 launches per reward, 4 with answers, 6 where it learns of the batch; whitening over tokens 2 and 4.
  const int launches[] = {14, 12, 14, 15, 15, 6 + 2 + 4 + 1 + 6, 6 + 2 + 4 + 6 + 1 + 4, 6 + 2 + 4 + 1 + 4};
  std::size_t number = 0;
  for (const auto& rule : every_rule) {
    INFO(rule.name);
    const auto call = [&] { prefer::check(rule.run(exec, d.inputs(rule.white.on), d.outputs())); };
    const auto expected = [&] { return c.expected(rule.white, rule.form, rule.definition); };
    enqueues_only((std::string(rule.name) + std::to_string(number)).c_str(), launches[number], call);
    ++number;
    s.wait();
    const cudaGraphExec_t graph = capture(s.handle, call);
    for (const double weight : {2.0, 0.5}) {
      c.weight.set(1, weight);
      d.weight.send();
      REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
      s.wait();
      d.advantage.fetch();
      CHECK(c.worst_advantage(expected()) < rule.tolerance());
    }
    cudaGraphExecDestroy(graph);
    // What a process finds, given back to it, changes nothing.
    buffer<double> batch_host(3), active_host(6);
    device<double> batch(batch_host), active(active_host);
    auto in = d.inputs(rule.white.on);
    auto out = d.outputs();
    const bool learns = std::string(rule.name) == "dara";
    if (rule.white.on) out.found_batch = batch.view();
    if (learns) out.found_active = prefer::view<double, 2, on>(active.data(), 2, 3);
    prefer::check(rule.run(exec, in, out));
    s.wait();
    const auto alone = (d.advantage.fetch(), c.advantage.bytes());
    if (rule.white.on) in.batch = batch.read();
    if (learns) in.active = prefer::view<const double, 2, on>(active.data(), 2, 3);
    prefer::check(rule.run(exec, in, d.outputs()));
    s.wait();
    d.advantage.fetch(), batch.fetch(), active.fetch();
    CHECK(c.advantage.bytes() == alone);
    CHECK(c.worst_advantage(expected()) < rule.tolerance());
    if (learns) CHECK((active_host.get(0) == 3 && active_host.get(1) == 1 && active_host.get(4) == 2.0 / 3));
    in.weight.extent[0] = 3;
    CHECK(std::string(rule.run(exec, in, d.outputs()).argument) == "weight");
    CHECK(rule.run(prefer::cuda{.stream = s.handle, .workspace = small.get()}, d.inputs(false), d.outputs()).code ==
          prefer::errc::small_workspace);
    for (const char* tag : {"allocation", "capture", "bad-argument"}) covers(rule.name, tag);
  }
}
