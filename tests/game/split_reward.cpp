// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/thread_pool.hpp>
#include <prefer/game/split_reward.hpp>
#include <support/allocations.hpp>
#include <support/buffer.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>
#include <string>

using namespace prefer;
using prefer_test::buffer;
using prefer_test::covers;
using prefer_test::storage;

namespace {

// Four trajectories of 0 to 700 steps, one masked out, steps masked out, steps of no trajectory behind the last.
template <class S>
void check_split() {
  const std::int64_t offsets[] = {0, 3, 3, 8, 708};
  const bool trajectories[] = {true, true, false, true};
  buffer<S> reward(4, 2), step(710, 2, 1);
  buffer<bool> mask(710);
  const double rewards[] = {0.75, 3, std::numeric_limits<double>::quiet_NaN(), -0.625};
  for (std::int64_t i = 0; i < 4; ++i) reward.set(i, rewards[i]);
  for (std::int64_t t = 0; t < 710; ++t) mask.at(t) = t % 3 != 1, step.set(t, -7);
  check(split_rewards(cpu{},
                      {.reward = reward.read(),
                       .offsets = {offsets, 5},
                       .step_mask = mask.read(),
                       .trajectory_mask = {trajectories, 4}},
                      {.step_reward = step.view()}));
  const double kept[] = {2, 0, 3, 467};  // the last has 700 steps without 10, 13, ..., 706
  for (std::int64_t i = 0; i < 4; ++i)
    for (std::int64_t t = offsets[i]; t < offsets[i + 1]; ++t) {
      const double share = mask.at(t) && trajectories[i] ? rewards[i] / kept[i] : 0;
      CHECK(std::fabs(step.get(t) - share) <= std::ldexp(std::fabs(share), -storage<S>::digits));
    }
  CHECK((step.get(708) == -7 && step.get(709) == -7 && step.intact()));
  covers<S>("split_reward", "sizes");
}

}  // namespace

TEST_CASE("the reward of a trajectory is split equally over the steps that are kept, in every storage type") {
  SUBCASE("float") { check_split<float>(); }
  SUBCASE("double") { check_split<double>(); }
  SUBCASE("half") { check_split<half>(); }
  SUBCASE("bfloat16") { check_split<bfloat16>(); }
}

TEST_CASE("steps add up to the reward; ends instead of offsets; the same bits for any threads; nothing allocated") {
  constexpr std::int64_t n = 300, length = 200;
  std::vector<double> reward(n), step(n * length), again(n * length);
  std::vector<std::int32_t> begins(n), ends(n), offsets = {0};
  for (std::size_t i = 0; i < n; ++i) {
    reward[i] = 0.1 * static_cast<double>(i % 11);
    offsets.push_back(offsets.back() + static_cast<std::int32_t>(i % length + 1));
    begins[i] = offsets[i], ends[i] = offsets[i + 1];
  }
  const split_reward_inputs<space::host> in = {.reward = {reward.data(), n}, .offsets = {offsets.data(), n + 1}};
  const split_reward_outputs<space::host> out = {.step_reward = {step.data(), n * length}};
  const long before = prefer_test::allocation_count();
  const status s = split_rewards(cpu{}, in, out);
  CHECK(prefer_test::allocation_count() == before);
  CHECK(s.ok());
  for (std::size_t i = 0; i < n; ++i) {
    double sum = 0;
    for (auto t = static_cast<std::size_t>(begins[i]); t < static_cast<std::size_t>(ends[i]); ++t) sum += step[t];
    CHECK(sum == doctest::Approx(reward[i]).epsilon(1e-13));
  }
  for (int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    check(split_rewards(cpu{.pool = pool},
                        {.reward = {reward.data(), n}, .offsets = {begins.data(), n}, .ends = {ends.data(), n}},
                        {.step_reward = {again.data(), n * length}}));
    CHECK(again == step);
  }
  for (const char* tag : {"identity", "threads", "allocation"}) covers("split_reward", tag);
}

TEST_CASE("split_rewards: every bad argument is named, and nothing is written") {
  const float reward[] = {1, 2};
  const bool mask[] = {true, true, true};
  float step[4] = {-7, -7, -7, -7};
  std::int32_t offsets[] = {0, 1, 4};
  const auto refused = [&](errc code, const char* argument, const split_reward_inputs<space::host>& in,
                           const split_reward_outputs<space::host>& out) {
    const status s = split_rewards(cpu{}, in, out);
    INFO(message(s).c_str());
    CHECK(s.code == code);
    CHECK(std::string(s.argument) == argument);
    for (float x : step) CHECK(x == -7);
  };
  const split_reward_inputs<space::host> good = {.reward = {reward, 2}, .offsets = {offsets, 3}};
  refused(errc::missing_output, "step_reward", good, {});
  refused(errc::missing_input, "reward", {.offsets = {offsets, 3}}, {.step_reward = {step, 4}});
  refused(errc::missing_input, "offsets", {.reward = {reward, 2}}, {.step_reward = {step, 4}});
  refused(errc::bad_extent, "reward", {.reward = {reward, 1}, .offsets = {offsets, 3}}, {.step_reward = {step, 4}});
  refused(errc::bad_extent, "offsets", {.reward = {reward, 2}, .offsets = {offsets, 0}}, {.step_reward = {step, 4}});
  auto in = good;
  in.step_mask = {mask, 3};
  refused(errc::bad_extent, "step_mask", in, {.step_reward = {step, 4}});
  in = good, in.trajectory_mask = {mask, 3};
  refused(errc::bad_extent, "trajectory_mask", in, {.step_reward = {step, 4}});
  in = good, in.reward = {step + 1, 2};
  refused(errc::overlap, "step_reward", in, {.step_reward = {step, 4}});
  refused(errc::bad_stride, "step_reward", good, {.step_reward = {step, 4, 0}});
  offsets[2] = 5;
  refused(errc::bad_offsets, "offsets", good, {.step_reward = {step, 4}});
  covers("split_reward", "bad-argument");
}
