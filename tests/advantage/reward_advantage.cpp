// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <advantage/reward_advantage.hpp>
#include <prefer/core/thread_pool.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>

using namespace prefer;
using prefer_test::covers;
using prefer_test::group_sizes;
using prefer_test::reward_case;
using prefer_test::reward_count;

namespace {

template <class S>
reward_advantage_inputs<space::host> inputs_of(reward_case<S>& c) {
  const auto in = c.groups.inputs();
  return {.rewards = {c.reward.data(), c.groups.total, reward_count},
          .offsets = in.offsets,
          .weight = {c.weight.data(), reward_count},
          .mask = in.mask,
          .exclude_nan = in.exclude_nan};
}
template <class S>
reward_advantage_outputs<space::host> outputs_of(reward_case<S>& c) {
  const auto out = c.groups.outputs();
  return {.advantage = out.advantage, .mean = out.mean, .std = out.std, .count = out.count};
}

template <class S>
void check_sizes(bool masked) {
  reward_case<S> c(group_sizes());
  c.groups.masked = masked;
  for (std::int64_t i = 0; masked && i < c.groups.total; ++i)
    if (!c.groups.mask.at(i)) c.reward.set(i * reward_count, std::numeric_limits<double>::quiet_NaN());
  const auto summed = prefer_test::normalised(c.sums(), true, static_cast<long double>(1e-4));
  const auto tamed = prefer_test::over_batch(c.tamed(), true, static_cast<long double>(1e-4), true);
  for (const isa level : prefer_test::levels()) {
    check(reward_advantages(cpu{.isa = level}, weighted_sum{}, grpo{}, inputs_of(c), outputs_of(c)));
    CHECK(c.groups.worst(summed, 1e-13) < 1);
    check(reward_advantages(cpu{.isa = level}, log_tamed{}, lite_ppo{}, inputs_of(c), outputs_of(c)));
    CHECK(c.groups.worst(tamed, 1e-13) < 1);
    CHECK(c.groups.untouched_around());
  }
  covers<S>("reward_advantages", "sizes");
}

}  // namespace

TEST_CASE("advantages of several rewards are their definitions: sizes, masks, storage types, levels") {
  SUBCASE("float") { check_sizes<float>(false); }
  SUBCASE("double, masked") { check_sizes<double>(true); }
  SUBCASE("half, masked") { check_sizes<half>(true); }
  SUBCASE("bfloat16") { check_sizes<bfloat16>(false); }
}

TEST_CASE("one call has the bits of the calls that it stands for, for any threads, and allocates nothing") {
  std::vector<int> sizes = {70000};
  for (const int s : group_sizes()) sizes.push_back(s);
  for (int i = 0; i < 3000; ++i) sizes.push_back(i % 9 + 1);
  reward_case<float> c(sizes);
  const std::int64_t n = c.groups.total;
  std::vector<double> scores(static_cast<std::size_t>(n)), known(3 * reward_count);
  const auto in = inputs_of(c);
  auto steps = c.groups.inputs();
  check(reward_moments(cpu{}, in.rewards, {.offsets = in.offsets}, {known.data(), reward_count, 3}));
  check(aggregate(cpu{}, log_tamed{},
                  {.rewards = in.rewards, .weight = in.weight, .moments = {known.data(), reward_count, 3}},
                  {.aggregate = {scores.data(), n}}));
  steps.score = {scores.data(), n};
  check(group_advantages(cpu{}, lite_ppo{}, steps, c.groups.outputs()));
  const auto expected = c.groups.advantage.bytes(), means = c.groups.mean.bytes();
  const auto outputs = outputs_of(c);
  for (const int threads : {1, 2, 3, 8}) {
    thread_pool pool(threads);
    cpu exec;
    if (threads > 1) exec.pool = pool;
    const long before = prefer_test::allocation_count();
    const status s = reward_advantages(exec, log_tamed{}, lite_ppo{}, in, outputs);
    if (threads == 1) CHECK(prefer_test::allocation_count() == before);
    check(s);
    CHECK((c.groups.advantage.bytes() == expected && c.groups.mean.bytes() == means));
  }
  auto given = in;
  given.moments = {known.data(), reward_count, 3};
  check(reward_advantages(cpu{}, log_tamed{}, lite_ppo{}, given, outputs));
  CHECK(c.groups.advantage.bytes() == expected);
  // Given moments are what decides: with those of rewards that do not vary, nothing is tamed.
  std::vector<double> still = known;
  for (std::size_t k = 0; k < reward_count; ++k) still[3 * k + 2] = 0;
  given.moments = {still.data(), reward_count, 3};
  check(reward_advantages(cpu{}, log_tamed{}, lite_ppo{}, given, outputs));
  const auto plain = c.groups.advantage.bytes();
  CHECK(plain != expected);
  check(reward_advantages(cpu{}, weighted_sum{}, lite_ppo{}, in, outputs));
  CHECK(c.groups.advantage.bytes() == plain);
  // Rewards as columns, in a long group too; weights of 1 if there are none.
  std::vector<float> columns(static_cast<std::size_t>(n * reward_count));
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t k = 0; k < reward_count; ++k)
      columns[static_cast<std::size_t>(k * n + i)] = c.reward.data()[i * reward_count + k];
  auto turned = in;
  turned.rewards = view<const float, 2>(columns.data(), n, reward_count, 1, n);
  check(reward_advantages(cpu{}, log_tamed{}, lite_ppo{}, turned, outputs));
  CHECK(c.groups.advantage.bytes() == expected);
  const std::vector<double> ones(reward_count, 1.0);
  auto weighed = in, unweighed = in;
  weighed.weight = {ones.data(), reward_count}, unweighed.weight = {};
  check(reward_advantages(cpu{}, weighted_sum{}, lite_ppo{}, weighed, {.std = outputs.std}));
  const auto deviations = c.groups.std.bytes();
  check(reward_advantages(cpu{}, weighted_sum{}, lite_ppo{}, unweighed, {.std = outputs.std}));
  CHECK(c.groups.std.bytes() == deviations);
  // The batch of the aggregates may be known while that of the rewards is found.
  double batch[3];
  check(batch_moments(cpu{}, lite_ppo{}, {.score = steps.score, .offsets = steps.offsets}, {batch, 3}));
  auto apart = in;
  apart.batch = {batch, 3};
  check(reward_advantages(cpu{}, log_tamed{}, lite_ppo{}, apart, outputs));
  CHECK(c.groups.advantage.bytes() == expected);
  covers("reward_advantages", "threads"), covers("reward_advantages", "allocation");
}

TEST_CASE("rewards that are equal within a group give exactly 0, a NaN among them its group or nothing") {
  reward_case<double> c({5, 8, 3});
  for (std::int64_t i = 0; i < c.groups.total; ++i)
    for (std::int64_t k = 0; k < reward_count; ++k)
      c.reward.set(i * reward_count + k, 0.7 * static_cast<double>(k + 1));
  const std::int64_t spoiled = c.groups.offsets.at(1) + 2;
  c.reward.set(spoiled * reward_count + 1, std::numeric_limits<double>::quiet_NaN());
  check(reward_advantages(cpu{}, soft_min{}, grpo{}, inputs_of(c), outputs_of(c)));
  for (std::int64_t i = c.groups.offsets.at(0); i < c.groups.offsets.at(3); ++i)
    CHECK((i >= c.groups.offsets.at(1) && i < c.groups.offsets.at(2) ? std::isnan(c.groups.advantage.get(i))
                                                                     : c.groups.advantage.get(i) == 0));
  c.groups.exclude_nan = true;
  check(reward_advantages(cpu{}, soft_min{}, grpo{}, inputs_of(c), outputs_of(c)));
  for (std::int64_t i = c.groups.offsets.at(0); i < c.groups.offsets.at(3); ++i) CHECK(c.groups.advantage.get(i) == 0);
  CHECK(c.groups.count.get(1) == 7);
  covers("reward_advantages", "identity");
}

TEST_CASE("reward_advantages names what is wrong, and writes nothing") {
  covers("reward_advantages", "bad-argument");
  double r[6] = {1, 2, 3, 4, 5, 6};
  double a[3] = {-7, -7, -7};
  const std::int32_t o[] = {0, 3}, beyond[] = {0, 4};
  const auto refused = [&](const char* message_of, const auto& how, const auto& rule,
                           const reward_advantage_inputs<space::host>& in,
                           const reward_advantage_outputs<space::host>& out) {
    CHECK(std::string(message(reward_advantages(cpu{}, how, rule, in, out)).c_str()) == message_of);
    for (const double v : a) CHECK(v == -7);
  };
  const reward_advantage_outputs<space::host> to{.advantage = {a, 3}};
  refused("prefer: missing input: rewards: expected one row of rewards per sample", weighted_sum{}, grpo{},
          {.offsets = {o, 2}}, to);
  refused("prefer: missing input: offsets: expected where each group begins, and the end", weighted_sum{}, grpo{},
          {.rewards = {r, 3, 2}}, to);
  refused("prefer: missing output: outputs: expected at least one output to write", weighted_sum{}, grpo{},
          {.rewards = {r, 3, 2}, .offsets = {o, 2}}, {});
  refused("prefer: bad extent: weight is 3, expected one per reward: 2", weighted_sum{}, grpo{},
          {.rewards = {r, 3, 2}, .offsets = {o, 2}, .weight = {r, 3}}, to);
  refused("prefer: unused input: moments: expected to be left out, since this rule does not read it", weighted_sum{},
          grpo{}, {.rewards = {r, 3, 2}, .offsets = {o, 2}, .moments = {r, 2, 3}}, to);
  refused("prefer: unused input: batch: expected to be left out, since this call does not read it", weighted_sum{},
          grpo{}, {.rewards = {r, 3, 2}, .offsets = {o, 2}, .batch = {r, 3}}, to);
  refused("prefer: bad parameter: beta is 0, expected a finite number above 0", soft_min{.beta = 0.0}, grpo{},
          {.rewards = {r, 3, 2}, .offsets = {o, 2}}, to);
  refused("prefer: bad parameter: epsilon is -1, expected a finite number, 0 or above", weighted_sum{},
          grpo{.epsilon = -1.0}, {.rewards = {r, 3, 2}, .offsets = {o, 2}}, to);
  refused("prefer: overlap: advantage: expected memory of its own, not shared with an input", weighted_sum{}, grpo{},
          {.rewards = {r, 3, 2}, .offsets = {o, 2}}, {.advantage = {r + 2, 3}});
  double m[6] = {};
  refused("prefer: overlap: advantage: expected memory of its own, not shared with an input", log_tamed{}, lite_ppo{},
          {.rewards = {r, 3, 2}, .offsets = {o, 2}, .moments = {m, 2, 3}}, {.advantage = {m + 2, 3}});
  CHECK(reward_advantages(cpu{}, weighted_sum{}, grpo{}, {.rewards = {r, 3, 2}, .offsets = {beyond, 2}}, to).code ==
        errc::bad_offsets);
  // NaN, where they are looked for.
  const bool mask[] = {true, false, true};
  const double bad[6] = {1, std::numeric_limits<double>::quiet_NaN(), 3, 4, 5, 6};
  const auto found = [&](const auto& how, const reward_advantage_inputs<space::host>& in) {
    const status s = reward_advantages(cpu{.content = content::all}, how, grpo{}, in, to);
    CHECK(s.ok() == (a[0] != -7));
    for (double& v : a) v = -7;
    return s.ok() ? std::string() : s.argument + std::to_string(s.index);
  };
  CHECK(found(weighted_sum{}, {.rewards = {bad, 3, 2}, .offsets = {o, 2}}) == "rewards0");
  CHECK(found(weighted_sum{}, {.rewards = {bad, 3, 2}, .offsets = {o, 2}, .exclude_nan = true}) == "");
  CHECK(found(weighted_sum{}, {.rewards = {r, 3, 2}, .offsets = {o, 2}, .weight = {bad, 2}}) == "weight1");
  CHECK(found(log_tamed{}, {.rewards = {r, 3, 2}, .offsets = {o, 2}, .moments = {bad, 2, 3}}) == "moments0");
  const double signs[] = {0.5, -1};
  CHECK(found(soft_min{}, {.rewards = {r, 3, 2}, .offsets = {o, 2}, .weight = {signs, 2}}) == "weight1");
  const double left_out[6] = {1, 2, std::numeric_limits<double>::quiet_NaN(), 4, 5, 6};
  CHECK(found(weighted_sum{}, {.rewards = {left_out, 3, 2}, .offsets = {o, 2}, .mask = {mask, 3}}) == "");
}
