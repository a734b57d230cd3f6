// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "step_reward.hpp"

#include <prefer/core/thread_pool.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

using namespace prefer;
using prefer_test::covers;
using prefer_test::step_frames;

namespace {

template <class S>
std::vector<char> memory_for(const step_frames<S>& x) {
  return std::vector<char>(fit_step_model_workspace(cpu{}, x.k, x.d) + 1);
}
template <class S>
status fit(cpu exec, std::vector<char>& memory, step_frames<S>& x, const step_model_fit& how) {
  exec.workspace = {memory.data() + 1, memory.size() - 1};
  return fit_step_model(exec, how, {x.feature.read(), x.step.read()},
                        {x.score.view(), x.selected.view(), x.mean.view(), x.deviation.view()});
}
template <class S>
status reward(const cpu& exec, step_frames<S>& x, step_reward_form form) {
  return step_rewards(exec, form,
                      {x.feature.read(), x.selected.read(), x.mean.read(), x.deviation.read(), x.upstream.read()},
                      {x.reward.view(), x.gradient.view()});
}

template <class S>
void check_all() {
  for (std::int64_t d : {3, 7, 8, 63, 64, 65})
    for (std::int64_t k : {1, 2, 5}) {
      step_frames<S> x(d < 10 ? 60 : 25, d, k, d < 10 ? d : 6, d % 3);
      auto memory = memory_for(x);
      const step_model_fit how{.separation = d % 2 == 0 ? 5.0 : 0.5, .least_deviation = k == 2 ? 0.75 : 0.1};
      REQUIRE(fit(cpu{}, memory, x, how).ok());
      x.check_fit(how);
      if (d < 10)  // constant features are among the selected ones, and their deviation is 0
        for (std::int64_t s = 0; s < k; ++s)
          for (std::int64_t i = 0; i < x.m; ++i)
            if (x.deviation.get(s, i) == 0) x.deviation.set(s, i, 0.5);
      for (const auto form : {step_reward_form::gaussian, step_reward_form::as_printed}) {
        REQUIRE(reward(cpu{}, x, form).ok());
        x.check_rewards(form == step_reward_form::as_printed);
      }
      for (const bool binary : {false, true}) {
        REQUIRE(combine_step_rewards(cpu{}, {.binary = binary, .threshold = 0.25}, x.reward.read(), x.combined.view())
                    .ok());
        x.check_combined(binary, 0.25L);
      }
      CHECK(x.intact());
    }
  covers<S>("step_reward", "sizes");
}

}  // namespace

TEST_CASE("fit, rewards, gradients and combination are their definitions, for every size and storage type") {
  SUBCASE("float") { check_all<float>(); }
  SUBCASE("double") { check_all<double>(); }
  SUBCASE("half") { check_all<half>(); }
  SUBCASE("bfloat16") { check_all<bfloat16>(); }
}

TEST_CASE("by hand: a score of 4.5, a constant feature, a Gaussian's exponent") {
  // Frames 0 to 3 are of step 0 with mean 1 and deviation 0.2, 4 to 7 of step 1 with mean 0 and deviation 0.3; the last
  // three are of none. The second feature is constant.
  double x[] = {0.8, 7, 1.2, 7, 0.8, 7, 1.2, 7, -0.3, 7, 0.3, 7, -0.3, 7, 0.3, 7, 99, 7, 99, 7, 99, 8};
  const int step[] = {0, 0, 0, 0, 1, 1, 1, 1, -1, 2, 7};
  double score[4], mean[4], deviation[4];
  int selected[4];
  std::vector<char> memory(fit_step_model_workspace(cpu{}, 2, 2));
  const cpu exec{.workspace = {memory.data(), memory.size()}};
  const auto run = [&] {
    check(fit_step_model(exec, {}, {{x, 11, 2}, {step, 11}},
                         {{score, 2, 2}, {selected, 2, 2}, {mean, 2, 2}, {deviation, 2, 2}}));
  };
  run();
  const double all = std::sqrt((4 * (0.04 + 0.25) + 4 * (0.09 + 0.25)) / 8);
  CHECK(std::fabs(score[0] * all - 4.5) < 1e-13);
  CHECK(std::fabs(score[2] * all - 4.5) < 1e-13);
  CHECK((score[1] == 0 && score[3] == 0));
  CHECK((selected[0] == 0 && selected[1] == 1 && mean[1] == 7 && deviation[1] == 0));
  CHECK((std::fabs(mean[0] - 1) < 1e-15 && std::fabs(deviation[0] - 0.2) < 1e-15));
  // Far from 0 nothing is lost, and the units of a feature do not matter to its score.
  const double before = score[0];
  for (int t = 0; t < 11; ++t) x[2 * t] = 1e6 + 1000 * x[2 * t];
  run();
  CHECK(std::fabs(score[0] - before) < 1e-9);

  const double frame[] = {3, 5}, mu[] = {1, 4}, sd[] = {2, 0.5};
  const int which[] = {0, 1};
  double r = 0, g[2];
  check(step_rewards(cpu{}, step_reward_form::gaussian, {{frame, 1, 2}, {which, 1, 2}, {mu, 1, 2}, {sd, 1, 2}},
                     {{&r, 1, 1}, {g, 1, 2}}));
  CHECK((r == -2.5 && g[0] == -0.5 && g[1] == -4));
  check(step_rewards(cpu{}, step_reward_form::as_printed, {{frame, 1, 2}, {which, 1, 2}, {mu, 1, 2}, {sd, 1, 2}},
                     {{&r, 1, 1}}));
  CHECK(r == 2);
  const double rewards[] = {9, 0.25, 0.75, 1};
  check(combine_step_rewards(cpu{}, {}, {rewards, 1, 4}, {&r, 1}));
  CHECK(r == 0.5 + 3 + 8);
  check(combine_step_rewards(cpu{}, {.binary = true}, {rewards, 1, 4}, {&r, 1}));
  CHECK(r == 12);
  covers("step_reward", "identity");
}

TEST_CASE("features that are NaN come last; gradients are the differences of rewards") {
  step_frames<double> x(30, 9, 3, 8);
  auto memory = memory_for(x);
  x.feature.set(4, 0, std::numeric_limits<double>::quiet_NaN());
  x.step.at(4) = 1;
  REQUIRE(fit(cpu{}, memory, x, {}).ok());
  for (std::int64_t s = 0; s < 3; ++s)
    for (std::int64_t i = 0; i < 8; ++i) CHECK(x.selected.get(s, i) != 0);
  for (std::int64_t s = 0; s < 3; ++s) x.deviation.set(s, 7, 1);  // of the constant feature
  REQUIRE(reward(cpu{}, x, step_reward_form::gaussian).ok());
  const auto objective = [&](std::int64_t t) {
    step_frames<double> y = x;
    REQUIRE(reward(cpu{}, y, step_reward_form::gaussian).ok());
    double sum = 0;
    for (std::int64_t s = 0; s < 3; ++s) sum += y.upstream.get(t, s) * y.reward.get(t, s);
    return sum;
  };
  for (std::int64_t f = 1; f < 9; ++f) {
    const double at = x.feature.get(7, f), h = 1e-5;
    x.feature.set(7, f, at + h);
    const double above = objective(7);
    x.feature.set(7, f, at - h);
    const double below = objective(7);
    x.feature.set(7, f, at);
    CHECK(std::fabs((above - below) / (2 * h) - x.gradient.get(7, f)) < 1e-7 * (1 + std::fabs(x.gradient.get(7, f))));
  }
}

TEST_CASE("the same bits for any threads, and nothing is allocated") {
  step_frames<float> x(400, 150, 4, 10);
  auto memory = memory_for(x);
  const auto bits = [&](const cpu& exec) {
    const long before = prefer_test::allocation_count();
    const status one = fit(exec, memory, x, {}), two = reward(exec, x, step_reward_form::gaussian);
    const status three = combine_step_rewards(exec, {}, x.reward.read(), x.combined.view());
    CHECK(prefer_test::allocation_count() == before);
    REQUIRE((one.ok() && two.ok() && three.ok()));
    auto all = x.score.memory.bytes();
    for (const auto* b : {&x.mean.memory.bytes(), &x.deviation.memory.bytes(), &x.selected.memory.bytes(),
                          &x.reward.memory.bytes(), &x.gradient.memory.bytes(), &x.combined.bytes()})
      all.insert(all.end(), b->begin(), b->end());
    return all;
  };
  const auto expected = bits(cpu{});
  for (int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    CHECK(bits(cpu{.pool = pool}) == expected);
  }
  for (const char* tag : {"threads", "allocation"}) covers("step_reward", tag);
}

TEST_CASE("what is wrong is named, and nothing is written") {
  step_frames<float> x(20, 6, 3, 4, 1);
  auto memory = memory_for(x);
  const cpu exec{.workspace = {memory.data(), memory.size()}};
  const auto wrong = [](const status& got, errc code, const char* argument) {
    INFO(message(got).c_str() << " expected for " << argument);
    CHECK(got.code == code);
    CHECK(std::string(got.argument) == argument);
  };
  step_fit_inputs<space::host> in = {x.feature.read(), x.step.read()};
  step_fit_outputs<space::host> out = {x.score.view(), x.selected.view(), x.mean.view(), x.deviation.view()};
  const auto good_in = in;
  const auto good_out = out;
  const auto fitted = [&](auto change, errc code, const char* argument, const step_model_fit& how = {}) {
    change();
    wrong(fit_step_model(exec, how, in, out), code, argument);
    in = good_in, out = good_out;
  };
  fitted([] {}, errc::bad_parameter, "separation", {.separation = -1.0});
  fitted([] {}, errc::bad_parameter, "least_deviation", {.least_deviation = 0.0});
  fitted([&] { in.feature = {}; }, errc::missing_input, "feature");
  fitted([&] { in.step = {}; }, errc::missing_input, "step");
  fitted([&] { out = {}; }, errc::missing_output, "outputs");
  fitted([&] { in.step = x.combined.read(); }, errc::bad_element, "step");
  fitted([&] { out.mean.extent[0] = 2; }, errc::bad_extent, "mean");
  fitted([&] { out.mean.extent[1] = out.selected.extent[1] = out.deviation.extent[1] = 7; }, errc::bad_extent,
         "selected");
  fitted([&] { out.score.extent[1] = 5; }, errc::bad_extent, "score");
  fitted([&] { out.deviation = x.mean.view(); }, errc::overlap, "deviation");
  for (std::int64_t t = 0; t < 20; ++t)
    if (x.step.at(t) == 2) x.step.at(t) = 1;
  fitted([] {}, errc::bad_label, "step");
  x.step.at(3) = 2;
  wrong(fit_step_model(cpu{}, {}, in, out), errc::small_workspace, "exec.workspace.bytes");

  for (std::int64_t s = 0; s < 3; ++s)
    for (std::int64_t i = 0; i < 4; ++i) x.selected.memory.at(x.selected.at(s, i)) = static_cast<std::int32_t>(i);
  step_reward_inputs<space::host> from = {x.feature.read(), x.selected.read(), x.mean.read(), x.deviation.read(), {}};
  step_reward_outputs<space::host> to = {x.reward.view(), x.gradient.view()};
  const auto good_from = from;
  const auto good_to = to;
  const auto rewarded = [&](auto change, errc code, const char* argument) {
    change();
    wrong(step_rewards(exec, {}, from, to), code, argument);
    from = good_from, to = good_to;
  };
  rewarded([&] { from.feature = {}; }, errc::missing_input, "feature");
  rewarded([&] { from.selected = {}; }, errc::missing_input, "selected");
  rewarded([&] { from.mean = {}; }, errc::missing_input, "mean");
  rewarded([&] { from.deviation = {}; }, errc::missing_input, "deviation");
  rewarded([&] { to = {}; }, errc::missing_output, "outputs");
  rewarded([&] { from.upstream = x.upstream.read(), to.grad_feature = {}; }, errc::unused_input, "upstream");
  rewarded([&] { from.selected = x.mean.read(); }, errc::bad_element, "selected");
  rewarded([&] { from.deviation.extent[1] = 3; }, errc::bad_extent, "deviation");
  rewarded([&] { to.reward.extent[1] = 2; }, errc::bad_extent, "reward");
  rewarded([&] { to.grad_feature = x.reward.view(); }, errc::bad_extent, "grad_feature");
  rewarded([&] { from.feature = x.gradient.read(); }, errc::overlap, "grad_feature");
  x.selected.memory.at(x.selected.at(1, 2)) = 6;
  rewarded([] {}, errc::bad_index, "selected");
  wrong(combine_step_rewards(exec, {.threshold = HUGE_VAL}, x.reward.read(), x.combined.view()), errc::bad_parameter,
        "threshold");
  wrong(combine_step_rewards(exec, {}, {}, x.combined.view()), errc::missing_input, "reward");
  wrong(combine_step_rewards(exec, {}, x.reward.read(), {}), errc::missing_output, "combined");
  CHECK((x.score.memory.untouched() && x.mean.memory.untouched() && x.deviation.memory.untouched()));
  CHECK((x.reward.memory.untouched() && x.gradient.memory.untouched() && x.combined.untouched()));
  covers("step_reward", "bad-argument");
}
