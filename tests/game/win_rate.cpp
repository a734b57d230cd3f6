// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <game/win_rate.hpp>
#include <prefer/core/thread_pool.hpp>
#include <prefer/game/split_reward.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

using namespace prefer;
using prefer_test::covers;
using prefer_test::win_rate_case;

namespace {

constexpr win_rate queue{.against = win_rate::opponents::queue};
constexpr double nobody = std::numeric_limits<double>::quiet_NaN();

template <class S>
void check_all() {
  for (const auto& shape : prefer_test::win_rate_shapes())
    for (const isa level : prefer_test::levels()) {
      win_rate_case<S> c(shape);
      check(win_rates(cpu{.isa = level}, c.options(), c.inputs(), c.outputs()));
      c.check_definition();
    }
  covers<S>("win_rate", "sizes");
}

}  // namespace

TEST_CASE("win rates are their definition: shapes, layouts, masks, sizes, games; what nobody meets may be NaN") {
  SUBCASE("float") { check_all<float>(); }
  SUBCASE("double") { check_all<double>(); }
  SUBCASE("half") { check_all<half>(); }
  SUBCASE("bfloat16") { check_all<bfloat16>(); }
  covers("win_rate", "masked");
}

TEST_CASE("hand-worked: three samples, a draw, and an odd one out") {
  // a beats b in 7 of 10, b beats c always, c and a draw.
  const double p[] = {nobody, 0.7, 0.5, 0.3, nobody, 1, 0.5, 0, nobody};
  double reward[3], advantage[3], met[3];
  check(win_rates(cpu{}, {}, {.preference = {p, 1, 3, 3}},
                  {.reward = {reward, 1, 3}, .advantage = {advantage, 1, 3}, .met = {met, 1, 3}}));
  CHECK(reward[0] == doctest::Approx(0.6).epsilon(1e-15));
  CHECK(reward[1] == doctest::Approx(0.65).epsilon(1e-15));
  CHECK(reward[2] == 0.25);
  CHECK(advantage[0] + advantage[1] + advantage[2] == doctest::Approx(0).scale(1e-15));
  const bool there[] = {true, false, true};
  check(win_rates(cpu{}, {}, {.preference = {p, 1, 3, 3}, .sample_mask = {there, 1, 3}},
                  {.reward = {reward, 1, 3}, .met = {met, 1, 3}}));
  CHECK((reward[0] == 0.5 && reward[1] == 0 && reward[2] == 0.5 && met[0] == 1 && met[1] == 0));
  const std::uint8_t beats[] = {0, 1, 0, 0, 0, 1, 1, 0, 0};  // a beats b beats c beats a: outcomes are bytes too
  check(win_rates(cpu{}, {}, {.preference = {beats, 1, 3, 3}}, {.reward = {reward, 1, 3}}));
  for (double r : reward) CHECK(r == 0.5);
  const std::int32_t wins[] = {0, 7, 3, 0}, games[] = {0, 10, 10, 0};
  check(win_rates(cpu{}, {}, {.preference = {wins, 1, 2, 2}, .games = {games, 1, 2, 2}}, {.reward = {reward, 1, 2}}));
  CHECK((reward[0] == 0.7 && reward[1] == 0.3));
  covers("win_rate", "golden");
}

TEST_CASE("antisymmetric preferences: rewards have the mean 1/2, and oneself shrinks advantages by (N - 1) / N") {
  constexpr std::int64_t n = 37;
  std::vector<double> p(n * n, nobody), advantage(n), with_self(n);
  prefer_test::noise random(3);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < i; ++j) {
      p[i * n + j] = random.uniform(0, 1);
      p[j * n + i] = 1 - p[i * n + j];
    }
  const win_rate_inputs<space::host> in = {.preference = {p.data(), 1, n, n}};
  check(win_rates(cpu{.content = content::all}, {}, in, {.advantage = {advantage.data(), 1, n}}));
  check(win_rates(cpu{}, {.include_self = true}, in, {.advantage = {with_self.data(), 1, n}}));
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) {
    sum += advantage[i];
    CHECK(with_self[i] == doctest::Approx(advantage[i] * (n - 1) / n).epsilon(1e-13));
  }
  CHECK(std::fabs(sum) < 1e-13);
  // Samples are their own queue, but for the diagonal.
  for (std::size_t i = 0; i < n; ++i) p[i * n + i] = 0.5;
  check(win_rates(cpu{}, queue, in, {.advantage = {advantage.data(), 1, n}}));
  for (std::size_t i = 0; i < n; ++i) CHECK(advantage[i] == doctest::Approx(with_self[i]).scale(1e-15));
  covers("win_rate", "identity");
}

TEST_CASE("the mean policy gradient of batch win rates is that of self-play, for preferences of any kind") {
  // Four trajectories of two steps with two actions each: 00, 01, 10, 11. They are judged as a whole and not for sure:
  // 00 beats 01 beats 11 beats 00, which is no sum over steps and no reward at all.
  const double judge[4][4] = {{0.5, 0.9, 0.5, 0.3}, {0.1, 0.5, 0.4, 0.8}, {0.5, 0.6, 0.5, 0.9}, {0.7, 0.2, 0.1, 0.5}};
  const double policy[4] = {0.4, 0.3, 0.2, 0.1};
  constexpr std::int64_t batches = 64, n = 3;  // all that three draws can be
  double preference[batches * n * n], advantage[batches * n], gradient[4] = {}, expected[4] = {};
  for (std::size_t b = 0; b < batches; ++b)
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) preference[(b * n + i) * n + j] = judge[b >> 2 * i & 3][b >> 2 * j & 3];
  check(win_rates(cpu{}, {}, {.preference = {preference, batches, n, n}}, {.advantage = {advantage, batches, n}}));
  for (std::size_t b = 0; b < batches; ++b)
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t k = 0; k < 4; ++k) {
        const double chance = policy[b & 3] * policy[b >> 2 & 3] * policy[b >> 4 & 3];
        const double slope = ((b >> 2 * i & 3) == k ? 1 : 0) - policy[k];  // of the log-probability by logit k
        gradient[k] += chance * advantage[b * n + i] * slope / n;
      }
  for (std::size_t k = 0; k < 4; ++k)
    for (std::size_t j = 0; j < 4; ++j) expected[k] += policy[k] * policy[j] * (judge[k][j] - 0.5);
  for (std::size_t k = 0; k < 4; ++k) CHECK(gradient[k] == doctest::Approx(expected[k]).epsilon(1e-13).scale(1));
  CHECK(std::fabs(expected[0]) > 0.01);
}

TEST_CASE("self-play on drawn outcomes: the average policy is hardly exploitable, what a reward would pick is") {
  // The trajectories of the test above, judged as a whole, by 0 or 1, once per pair. Every one is beaten by another.
  const double judge[4][4] = {{0.5, 0.9, 0.6, 0.3}, {0.1, 0.5, 0.4, 0.8}, {0.4, 0.6, 0.5, 0.9}, {0.7, 0.2, 0.1, 0.5}};
  constexpr std::size_t n = 32, rounds = 4000;
  const double eta = 0.5 * std::sqrt(8 * std::log(4.0) / rounds);  // half of Hedge's, because rewards are noisy
  prefer_test::noise random(9);
  double logits[4] = {}, mean[4] = {};
  std::vector<double> outcome(n * n, nobody), advantage(n), step(2 * n);
  std::vector<std::int32_t> offsets;
  for (std::size_t i = 0; i <= n; ++i) offsets.push_back(static_cast<std::int32_t>(2 * i));
  for (std::size_t t = 0; t < rounds; ++t) {
    double policy[4], total = 0;
    for (std::size_t k = 0; k < 4; ++k) total += policy[k] = std::exp(logits[k]);
    for (std::size_t k = 0; k < 4; ++k) mean[k] += (policy[k] /= total) / rounds;
    std::size_t drawn[n];
    for (std::size_t& k : drawn) {
      double left = random.uniform(0, 1);
      for (k = 0; k < 3 && left >= policy[k]; ++k) left -= policy[k];
    }
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < i; ++j) {
        outcome[i * n + j] = random.uniform(0, 1) < judge[drawn[i]][drawn[j]];
        outcome[j * n + i] = 1 - outcome[i * n + j];
      }
    check(win_rates(cpu{}, {}, {.preference = {outcome.data(), 1, n, n}}, {.advantage = {advantage.data(), 1, n}}));
    check(split_rewards(cpu{}, {.reward = {advantage.data(), n}, .offsets = {offsets.data(), n + 1}},
                        {.step_reward = {step.data(), 2 * n}}));
    for (std::size_t i = 0; i < n; ++i)  // the return of a trajectory, by how likely it was drawn
      logits[drawn[i]] += eta * (step[2 * i] + step[2 * i + 1]) / (n * policy[drawn[i]]);
  }
  double beaten = 0, best_rate = 0, best_beaten = 0;
  for (std::size_t k = 0; k < 4; ++k) {
    double against_mean = 0, rate = 0, worst = 0;
    for (std::size_t j = 0; j < 4; ++j) {
      against_mean += mean[j] * judge[k][j], rate += judge[k][j];
      worst = std::fmax(worst, judge[j][k] - 0.5);
    }
    beaten = std::fmax(beaten, against_mean - 0.5);
    if (rate > best_rate) best_rate = rate, best_beaten = worst;  // what a Bradley-Terry reward picks
  }
  INFO("exploitability ", beaten, ", of the best by win rate ", best_beaten);
  CHECK((beaten < 0.02 && best_beaten > 0.05));
}

TEST_CASE("the gradient by preferences is that of the objective by differences") {
  win_rate_case<double> c({.batch = 2, .samples = 6, .opponents = 6, .masks = true, .games = true});
  REQUIRE(win_rates(cpu{}, c.options(), c.inputs(), c.outputs()).ok());
  const auto objective = [&] {
    win_rate_case<double> other = c;
    auto in = c.inputs();
    in.grad_reward = {};
    check(win_rates(cpu{.content = content::none}, c.options(), in, {.reward = {other.reward.data(), 2, 6, 12, 2}}));
    long double sum = 0;
    for (std::int64_t k = 0; k < 12; ++k) sum += static_cast<long double>(c.grad_reward.get(k)) * other.reward.get(k);
    return sum;
  };
  c.each_cell([&](std::int64_t b, std::int64_t i, std::int64_t j) {
    if (!c.meets(b, i, j) || c.games.get(c.at(b, i, j)) == 0) return;
    const double x = c.preference.get(c.at(b, i, j)), step = 0.125;  // the objective is linear
    c.preference.set(c.at(b, i, j), x + step);
    const long double above = objective();
    c.preference.set(c.at(b, i, j), x - step);
    const double slope = static_cast<double>(above - objective()) / (2 * step);
    c.preference.set(c.at(b, i, j), x);
    CHECK(c.grad_preference.get((b * 6 + i) * 6 + j) == doctest::Approx(slope).epsilon(1e-12));
  });
}

TEST_CASE("the same bits for any threads, in any batch, with a mask that leaves nothing out; nothing allocated") {
  win_rate_case<float> c({.batch = 40, .samples = 60, .opponents = 60, .masks = true});
  for (std::int64_t k = 0; k < c.sample_mask.size(); ++k) c.sample_mask.at(k) = true;
  c.preference.fill(std::vector<double>(static_cast<std::size_t>(c.preference.size()), 0.1));
  prefer_test::noise random(8);
  c.each_cell([&](std::int64_t b, std::int64_t i, std::int64_t j) {
    c.preference.set(c.at(b, i, j), random.uniform(0, 1));
  });
  const auto in = c.inputs();
  const auto out = c.outputs();
  const long before = prefer_test::allocation_count();
  const status s = win_rates(cpu{}, {}, in, out);
  CHECK(prefer_test::allocation_count() == before);
  CHECK(s.ok());
  const auto bits = c.reward.bytes(), slopes = c.grad_preference.bytes();
  const auto same = [&](const cpu& exec, const win_rate_inputs<space::host>& x) {
    c.reward.fill(std::vector<double>(2400, -1));
    REQUIRE(win_rates(exec, {}, x, out).ok());
    CHECK((c.reward.bytes() == bits && c.grad_preference.bytes() == slopes));
  };
  for (int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    same({.pool = pool}, in);
  }
  auto unmasked = in;
  unmasked.sample_mask = {};
  same({}, unmasked);
  float alone[60];
  check(win_rates(cpu{}, {}, {.preference = {c.preference.data() + 7 * c.matrix, 1, 60, 60, 0, c.row, 1}},
                  {.reward = {alone, 1, 60}}));
  for (std::int64_t i = 0; i < 60; ++i) CHECK(alone[i] == c.reward.at(7 * 60 + i));
  covers("win_rate", "threads"), covers("win_rate", "allocation");
}

namespace {

struct refusals {
  float p[18], games[18], reward[6] = {}, slope[18] = {}, upstream[6] = {};
  std::int32_t sizes[2] = {3, 2};
  bool mask[6] = {true, true, true, true, true, true};
  refusals() {
    for (float& x : p) x = 0.5f;
    for (float& x : games) x = 2;
  }
  win_rate_inputs<space::host> in() const { return {.preference = {p, 2, 3, 3}}; }
  win_rate_outputs<space::host> out() { return {.reward = {reward, 2, 3}}; }
  void refused(errc code, const char* argument, const win_rate_inputs<space::host>& x,
               const win_rate_outputs<space::host>& y, const win_rate& options = {}, std::int64_t index = -1,
               const cpu& exec = {}) {
    const status s = win_rates(exec, options, x, y);
    INFO(message(s).c_str() << " expected for " << argument << ": " << name_of(code));
    CHECK(s.code == code);
    CHECK(std::string(s.argument) == argument);
    CHECK(s.index == index);
    for (float r : reward) CHECK(r == 0);
  }
};

}  // namespace

TEST_CASE("win rates: every bad argument is named, and nothing is written") {
  refusals c;
  using inputs = win_rate_inputs<space::host>;
  const auto with = [&](auto change) {
    inputs x = c.in();
    change(x);
    return x;
  };
  c.refused(errc::missing_input, "preference", {}, c.out());
  c.refused(errc::missing_output, "outputs", c.in(), {});
  c.refused(errc::bad_extent, "preference", {.preference = {c.p, 2, 3, 2}}, c.out());
  c.refused(errc::bad_extent, "preference", {.preference = {c.p, -1, 3, 3}}, c.out());
  c.refused(errc::bad_stride, "preference", {.preference = {c.p, 2, 3, 3, 9, -3, 1}}, c.out());
  c.refused(errc::null_data, "preference", {.preference = {static_cast<const float*>(nullptr), 2, 3, 3}}, c.out());
  c.refused(errc::bad_extent, "games", with([&](inputs& x) { x.games = {c.games, 2, 3, 2}; }), c.out());
  c.refused(errc::bad_extent, "sample_mask", with([&](inputs& x) { x.sample_mask = {c.mask, 2, 2}; }), c.out());
  c.refused(errc::bad_element, "sample_mask", with([&](inputs& x) { x.sample_mask = {c.p, 2, 3}; }), c.out());
  c.refused(errc::bad_extent, "samples", with([&](inputs& x) { x.samples = {c.sizes, 1}; }), c.out());
  c.refused(errc::bad_element, "samples", with([&](inputs& x) { x.samples = {c.p, 2}; }), c.out());
  c.refused(errc::unused_input, "opponents", with([&](inputs& x) { x.opponents = {c.sizes, 2}; }), c.out());
  c.refused(errc::unused_input, "opponent_mask", with([&](inputs& x) { x.opponent_mask = {c.mask, 2, 3}; }), c.out());
  c.refused(errc::unused_input, "grad_reward", with([&](inputs& x) { x.grad_reward = {c.upstream, 2, 3}; }), c.out());
  c.refused(errc::missing_input, "grad_reward", c.in(), {.grad_preference = {c.slope, 2, 3, 3}});
  c.refused(errc::bad_extent, "reward", c.in(), {.reward = {c.reward, 3, 2}});
  c.refused(errc::bad_stride, "reward", c.in(), {.reward = {c.reward, 2, 3, 2, 1}});
  c.refused(errc::bad_element, "met", c.in(), {.met = {c.sizes, 2, 3}});
  const auto slopes = with([&](inputs& x) { x.grad_reward = {c.upstream, 2, 3}; });
  c.refused(errc::bad_stride, "grad_preference", slopes, {.grad_preference = {c.slope, 2, 3, 3, 9, 2, 1}});
  c.refused(errc::overlap, "grad_preference", slopes, {.grad_preference = {c.p, 2, 3, 3}});
  c.refused(errc::overlap, "advantage", c.in(), {.reward = {c.reward, 2, 3}, .advantage = {c.reward, 2, 3}});
  c.refused(errc::bad_parameter, "include_self", c.in(), c.out(), {queue.against, true});

  const auto sized = with([&](inputs& x) { x.samples = {c.sizes, 2}; });
  c.sizes[1] = 4;
  c.refused(errc::bad_index, "samples", sized, c.out(), {}, 1);
  c.sizes[1] = -1;
  c.refused(errc::bad_index, "samples", sized, c.out(), {}, 1);
  c.p[14] = 1.25f;  // batch 1, sample 1, opponent 2
  c.refused(errc::bad_label, "preference", c.in(), c.out(), {}, 14);
  c.p[14] = std::numeric_limits<float>::quiet_NaN();
  c.refused(errc::not_a_number, "preference", c.in(), c.out(), {}, 14);
  c.p[14] = 0.75f;  // a probability, whose mirror is not its rest
  c.refused(errc::bad_label, "preference", c.in(), c.out(), {}, 14, {.content = content::all});
  const auto counted = with([&](inputs& x) { x.games = {c.games, 2, 3, 3}; });
  c.p[5] = 2.5f;
  c.refused(errc::bad_label, "preference", counted, c.out(), {}, 5);
  c.p[5] = 1.0f, c.games[5] = -1;
  c.refused(errc::bad_label, "games", counted, c.out(), {}, 5);
  covers("win_rate", "bad-argument");
}

TEST_CASE("a judge is asked once per pair that meets, in order; the mirror is the rest") {
  constexpr std::int64_t n = 6;
  const bool there[n] = {true, true, false, true, true, true};
  std::vector<std::pair<std::int64_t, std::int64_t>> asked;
  auto ask = [&](std::int64_t i, std::int64_t j) {
    asked.emplace_back(i, j);
    return 1.0 / (1.0 + static_cast<double>((i * 7 + j * 3) % 5));
  };
  double reward[n], met[n], expected[n], p[n * n];
  std::vector<std::byte> memory(ask_win_rates_workspace(n));
  const cpu exec{.workspace = {memory.data(), memory.size()}};
  asked.reserve(n * n);
  const long before = prefer_test::allocation_count();
  check(ask_win_rates(exec, {}, ask, {.samples = n, .sample_mask = {there, n}},
                      {.reward = {reward, n}, .met = {met, n}}));
  CHECK(prefer_test::allocation_count() == before);
  CHECK(asked.size() == 10);
  CHECK(std::is_sorted(asked.begin(), asked.end()));
  for (const auto& [i, j] : asked) CHECK((i < j && there[i] && there[j]));
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j) p[i * n + j] = i == j ? nobody : i < j ? ask(i, j) : 1 - ask(j, i);
  check(win_rates(cpu{}, {}, {.preference = {p, 1, n, n}, .sample_mask = {there, 1, n}}, {.reward = {expected, 1, n}}));
  for (std::int64_t i = 0; i < n; ++i) CHECK(reward[i] == doctest::Approx(expected[i]).epsilon(1e-15));
  CHECK((met[0] == 4 && met[2] == 0 && reward[2] == 0));

  asked.clear();
  const bool kept[] = {true, false, true};
  check(ask_win_rates(exec, queue, ask, {.samples = 2, .opponents = 3, .opponent_mask = {kept, 3}},
                      {.reward = {reward, 2}}));
  CHECK(asked == std::vector<std::pair<std::int64_t, std::int64_t>>{{0, 0}, {0, 2}, {1, 0}, {1, 2}});
  CHECK(reward[0] == (ask(0, 0) + ask(0, 2)) / 2);
}

TEST_CASE("a judge that answers nonsense ends the call, and nothing is written") {
  double reward[3] = {7, 7, 7};
  alignas(8) std::byte memory[256];
  const cpu exec{.workspace = {memory, sizeof memory}};
  for (double bad : {nobody, -0.1, 1.1}) {
    auto ask = [&](std::int64_t i, std::int64_t j) { return i == 1 && j == 2 ? bad : 0.5; };
    const status s = ask_win_rates(exec, {}, ask, {.samples = 3}, {.reward = {reward, 3}});
    CHECK(s.code == errc::bad_label);
    CHECK((std::string(s.argument) == "judge" && s.index == 5));
  }
  auto fair = [](std::int64_t, std::int64_t) { return 0.5; };
  const auto refused = [&](const cpu& on, const judged_samples& in, const win_rate& options, const char* argument) {
    const status s = ask_win_rates(on, options, fair, in, {.reward = {reward, 3}});
    CHECK(!s.ok());
    CHECK(std::string(s.argument) == argument);
  };
  const bool mask[] = {true, true};
  refused({}, {.samples = 3}, {}, "exec.workspace.bytes");
  refused(exec, {.samples = -1}, {}, "samples");
  refused(exec, {.samples = 3, .opponents = 2}, {}, "opponents");
  refused(exec, {.samples = 3, .opponent_mask = {mask, 2}}, {}, "opponent_mask");
  refused(exec, {.samples = 3, .sample_mask = {mask, 2}}, {}, "sample_mask");
  refused(exec, {.samples = 2}, {}, "reward");
  CHECK(std::string(ask_win_rates(exec, {}, {}, {.samples = 3}, {.reward = {reward, 3}}).argument) == "judge");
  CHECK(std::string(ask_win_rates(exec, {}, fair, {.samples = 3}, {}).argument) == "outputs");
  for (double r : reward) CHECK(r == 7);
}
