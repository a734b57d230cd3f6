// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/game/split_reward.cuh>
#include <support/coverage.hpp>
#include <support/cuda.cuh>

#include <doctest/doctest.h>

#include <string>

using namespace prefer_test;

namespace {

template <class S>
void check_split_on_cuda() {
  stream s;
  buffer<std::int32_t> offsets(4);
  buffer<S> reward(3), step(710, 2, 1);
  buffer<bool> mask(710);
  for (std::int64_t i = 0; i < 4; ++i) offsets.at(i) = static_cast<std::int32_t>(i * i * 75);
  for (std::int64_t i = 0; i < 3; ++i) reward.set(i, 0.375 * static_cast<double>(i) - 0.25);
  for (std::int64_t t = 0; t < 710; ++t) mask.at(t) = t % 3 != 1, step.set(t, -7);
  device<std::int32_t> doffsets(offsets);
  device<S> dreward(reward), dstep(step);
  device<bool> dmask(mask);
  const device_workspace memory(prefer::split_reward_workspace(3));
  const prefer::cuda exec{.stream = s.handle, .workspace = memory.get()};
  const auto call = [&] {
    prefer::check(prefer::split_rewards(
        exec, {.reward = dreward.read(), .offsets = doffsets.read(), .step_mask = dmask.read()},
        {.step_reward = dstep.view()}));
  };
  enqueues_only("split_rewards", 1, call);
  const cudaGraphExec_t graph = capture(s.handle, call);
  reward.set(1, 1.5);
  dreward.send(), dstep.send();
  REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
  s.wait();
  dstep.fetch();
  cudaGraphExecDestroy(graph);
  for (std::int64_t i = 0; i < 3; ++i)
    for (std::int64_t t = offsets.at(i); t < offsets.at(i + 1); ++t) {
      const double kept = static_cast<double>(offsets.at(i + 1) - offsets.at(i)) * 2 / 3;  // multiples of 3 steps
      const double share = mask.at(t) ? reward.get(i) / kept : 0;
      CHECK(std::fabs(step.get(t) - share) <= std::ldexp(std::fabs(share), -storage<S>::digits));
    }
  CHECK((step.get(708) == -7 && step.intact()));
  covers<S>("split_reward", "sizes");
}

}  // namespace

TEST_CASE("split rewards on CUDA: every storage type, one launch, captured and replayed") {
  SUBCASE("float") { check_split_on_cuda<float>(); }
  SUBCASE("double") { check_split_on_cuda<double>(); }
  SUBCASE("half") { check_split_on_cuda<prefer::half>(); }
  SUBCASE("bfloat16") { check_split_on_cuda<prefer::bfloat16>(); }
  covers("split_reward", "allocation"), covers("split_reward", "capture");
}

TEST_CASE("split rewards on CUDA: what the host can see is checked, and offsets are not followed out of bounds") {
  stream s;
  buffer<std::int32_t> offsets(3);
  buffer<float> reward(2), step(8);
  offsets.at(0) = 0, offsets.at(1) = 9, offsets.at(2) = 8;
  for (std::int64_t t = 0; t < 8; ++t) step.set(t, -7);
  reward.set(0, 1), reward.set(1, 1);
  device<std::int32_t> doffsets(offsets);
  device<float> dreward(reward), dstep(step);
  const device_workspace memory(prefer::split_reward_workspace(2));
  const prefer::cuda exec{.stream = s.handle, .workspace = memory.get()};
  prefer::check(prefer::split_rewards(exec, {.reward = dreward.read(), .offsets = doffsets.read()},
                                      {.step_reward = dstep.view()}));
  s.wait();
  dstep.fetch();
  for (std::int64_t t = 0; t < 8; ++t) CHECK(step.get(t) == -7);
  CHECK(std::string(prefer::split_rewards(exec, {.reward = dreward.read()}, {.step_reward = dstep.view()}).argument) ==
        "offsets");
  covers("split_reward", "bad-argument");
}
