// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "smoothness.hpp"

#include <prefer/core/thread_pool.hpp>
#include <prefer/shape/penalty_samples.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <type_traits>
#include <vector>

using namespace prefer;
using prefer_test::covers;
using prefer_test::sequences;
using prefer_test::smoothness_case;
using prefer_test::storage;

namespace {

template <class S>
using compute = std::conditional_t<std::is_same_v<S, double>, double, float>;

std::vector<char> memory_for(std::int64_t n) { return std::vector<char>(temporal_smoothness_workspace(cpu{}, n) + 1); }

// The call with everything that it can be given.
template <class S>
status call(cpu exec, std::vector<char>& memory, sequences<S>& s, const smoothness_case& c, normalizer by = {},
            bool accumulate = false) {
  exec.workspace = {memory.data() + 1, memory.size() - 1};  // of no alignment
  action_sequence_inputs<space::host> in = {
      .action = s.action.read(), .weight = s.weight.read(), .mask = s.mask.read(), .normalizer = by};
  if (s.offsets.size() > 0) in.offsets = s.offsets.read();
  return temporal_smoothness<compute<S>>(
      exec, c.penalty, c.order, in, {s.loss.view(), s.by_action.view(), s.losses.view(), s.count.view(), accumulate});
}

template <class S>
void check_answer(sequences<S>& s, const smoothness_case& c, long double normalizer, double times = 1) {
  const auto a = s.expected(c.penalty, c.order, normalizer);
  const long double unit = std::ldexp(64.0L, -storage<compute<S>>::digits);
  const auto near = [&](double got, long double want, long double size, int digits) {
    CHECK(std::fabs(got - want) <= unit * size +
                                       std::ldexp(std::fabs(want) * static_cast<long double>(times), 1 - digits) +
                                       std::ldexp(1.0L, storage<S>::least_exponent));
  };
  long double size = 0;
  for (std::int64_t t = 0; t < s.n; ++t) {
    const long double l = a.losses[static_cast<std::size_t>(t)];
    near(s.losses.get(t), l * times, std::fabs(l) * times, storage<S>::digits);
    size += std::fabs(l);
    for (std::int64_t e = 0; e < s.d; ++e) {
      const auto at = static_cast<std::size_t>(t * s.d + e);
      near(s.by_action.get(t, e), a.gradient[at] * times, a.size[at] * times, storage<S>::digits);
    }
  }
  near(s.loss.get(0), a.loss * times, size * times, 53);
  CHECK(s.count.get(0) == static_cast<double>(a.count) * times);
  CHECK((s.by_action.memory.intact() && s.losses.intact()));
}

template <class S>
void check_all() {
  for (std::int64_t n : {0, 1, 2, 3, 63, 64, 65, 67, 130})
    for (std::int64_t d : {0, 1, 3, 8, 17, 255, 257}) {
      if (d > 17 && n != 67) continue;
      sequences<S> s(n, d, n % 3, n % 2 == 1 ? prefer_test::episode_starts(n) : std::vector<std::int32_t>{});
      auto memory = memory_for(n);
      for (const smoothness_case& c : prefer_test::smoothness_cases())
        for (isa level : d < 4 ? prefer_test::levels() : std::vector<isa>{isa::automatic}) {
          INFO(n << " steps of " << d << ", order " << static_cast<int>(c.order));
          REQUIRE(call(cpu{.isa = level}, memory, s, c).ok());
          check_answer(s, c, 0);
        }
    }
  covers<S>("smoothness", "sizes");
}

}  // namespace

TEST_CASE("the temporal penalty is its definition's: values, gradients, masks, episodes, every size and type") {
  SUBCASE("float") { check_all<float>(); }
  SUBCASE("double") { check_all<double>(); }
  SUBCASE("half") { check_all<half>(); }
  SUBCASE("bfloat16") { check_all<bfloat16>(); }
  covers("smoothness", "masked");
}

TEST_CASE("gradients are the differences of values, in the actions of two episodes") {
  constexpr std::int64_t n = 9, d = 3;
  const std::int64_t offsets[] = {0, 4, n};
  std::vector<double> a(n * d), g(n * d), weight(n);
  prefer_test::noise random(2);
  for (double& x : a) x = random.uniform(-1, 1);
  for (double& w : weight) w = random.uniform(-1, 2);
  auto memory = memory_for(n);
  for (const smoothness_case& c : prefer_test::smoothness_cases()) {
    const auto value = [&](double* gradient) {
      double loss = 0;
      action_sequence_outputs<space::host> out = {.loss = {&loss, 1}};
      if (gradient != nullptr) out.grad_action = {gradient, n, d};
      check(temporal_smoothness<double>(
          cpu{.workspace = {memory.data(), memory.size()}}, c.penalty, c.order,
          {.action = {a.data(), n, d}, .offsets = {offsets, 3}, .weight = {weight.data(), n}}, out));
      return loss;
    };
    value(g.data());
    for (std::size_t k = 0; k < a.size(); ++k) {
      const double h = 1e-6, x = a[k];
      a[k] = x + h;
      const double above = value(nullptr);
      a[k] = x - h;
      const double below = value(nullptr);
      a[k] = x;
      CHECK(std::fabs((above - below) / (2 * h) - g[k]) < 1e-8);
    }
  }
}

TEST_CASE("a constant policy costs nothing and pulls nowhere; straight lines have no second difference") {
  constexpr std::int64_t n = 6, d = 2;
  std::vector<double> a(n * d, 0.25), g(n * d, 7);
  auto memory = memory_for(n);
  const auto value = [&](const smoothness_case& c) {
    double loss = 7;
    check(temporal_smoothness<double>(cpu{.workspace = {memory.data(), memory.size()}}, c.penalty, c.order,
                                      {.action = {a.data(), n, d}},
                                      {.loss = {&loss, 1}, .grad_action = {g.data(), n, d}}));
    return loss;
  };
  for (const smoothness_case& c : prefer_test::smoothness_cases()) {
    CHECK(value(c) == 0);
    for (double x : g) CHECK(x == 0);
  }
  for (std::int64_t t = 0; t < n; ++t) a[static_cast<std::size_t>(d * t)] = static_cast<double>(t);
  CHECK(value({{}, difference_order::second}) == 0);
  CHECK(value({{}, difference_order::first}) == 1);
  // CAPS by hand: the ends of a line are pulled towards each other, by 1/5 each; between, neighbours cancel.
  CHECK((g[0] == -0.2 && g[2] == 0 && g[10] == 0.2 && g[1] == 0));
  covers("smoothness", "identity");
}

TEST_CASE("accumulating adds, parts with the whole's normaliser add up, and what is left out keeps its gradient") {
  for (const smoothness_case& c : prefer_test::smoothness_cases()) {
    sequences<double> s(40, 3, 1, prefer_test::episode_starts(40));
    auto memory = memory_for(40);
    REQUIRE(call(cpu{}, memory, s, c, 17.0).ok());
    check_answer(s, c, 17);
    REQUIRE(call(cpu{}, memory, s, c, 17.0, true).ok());
    check_answer(s, c, 17, 2);
  }
}

TEST_CASE("spatial smoothness: distances of rows and both derivatives, 0 where rows are equal") {
  const double a[] = {1, 2, 0, 0}, b[] = {4, 6, 0, 0}, weight[] = {3, 1};
  double loss = 0, losses[2], ga[4], gb[4];
  const auto run = [&](const smoothness_penalty& p) {
    check(evaluate_rows<double>(
        cpu{}, action_distance{}, p, {.rows = {.action = {a, 2, 2}, .perturbed = {b, 2, 2}}, .weight = {weight, 2}},
        {.loss = {&loss, 1}, .grad = {.action = {ga, 2, 2}, .perturbed = {gb, 2, 2}}, .losses = {losses, 2}}));
  };
  run({.coefficient = 2.0});
  CHECK((losses[0] == 30 && losses[1] == 0 && loss == 15));
  CHECK((std::fabs(ga[0] + 1.8) < 1e-15 && std::fabs(ga[1] + 2.4) < 1e-15));
  run({.coefficient = 2.0, .squared = true});
  CHECK((losses[0] == 150 && loss == 75));
  CHECK((std::fabs(ga[0] + 18) < 1e-14 && std::fabs(ga[1] + 24) < 1e-14));
  for (int k = 0; k < 4; ++k) CHECK(gb[k] == -ga[k]);
  CHECK((ga[2] == 0 && ga[3] == 0));
}

TEST_CASE("the same bits for any threads, and nothing is allocated") {
  for (const smoothness_case& c : prefer_test::smoothness_cases()) {
    sequences<float> s(3000, 6, 0, {});
    auto memory = memory_for(3000);
    const auto bits = [&](const cpu& exec) {
      const long before = prefer_test::allocation_count();
      const status st = call(exec, memory, s, c);
      CHECK(prefer_test::allocation_count() == before);
      REQUIRE(st.ok());
      auto all = s.by_action.memory.bytes();
      for (const auto* v : {&s.losses.bytes(), &s.loss.bytes()}) all.insert(all.end(), v->begin(), v->end());
      return all;
    };
    const auto expected = bits(cpu{});
    for (int threads : {2, 3, 8}) {
      thread_pool pool(threads);
      CHECK(bits(cpu{.pool = pool}) == expected);
    }
  }
  for (const char* tag : {"threads", "allocation"}) covers("smoothness", tag);
}

TEST_CASE("what is wrong is named, and nothing is written") {
  sequences<float> s(20, 4, 1, {0, 8, 20});
  auto memory = memory_for(20);
  const cpu exec{.workspace = {memory.data(), memory.size()}};
  action_sequence_inputs<space::host> in = {.action = s.action.read(), .offsets = s.offsets.read()};
  action_sequence_outputs<space::host> out = {s.loss.view(), s.by_action.view(), s.losses.view(), s.count.view()};
  const auto named = [&](errc code, const char* argument, const smoothness_penalty& p = {}, int order = 1) {
    const status got = temporal_smoothness<float>(exec, p, static_cast<difference_order>(order), in, out);
    INFO(message(got).c_str() << " expected for " << argument);
    CHECK(got.code == code);
    CHECK(std::string(got.argument) == argument);
  };
  named(errc::bad_parameter, "coefficient", {.coefficient = -1.0});
  named(errc::bad_parameter, "coefficient", {.coefficient = HUGE_VAL});
  named(errc::bad_parameter, "order", {}, 3);
  const auto good_in = in;
  const auto good_out = out;
  const auto with = [&](auto change, errc code, const char* argument) {
    change();
    named(code, argument);
    in = good_in, out = good_out;
  };
  with([&] { in.action = {}; }, errc::missing_input, "action");
  with([&] { out = {}; }, errc::missing_output, "outputs");
  with([&] { in.weight = s.weight.read(), in.weight.extent[0] = 19; }, errc::bad_extent, "weight");
  with([&] { in.mask = s.weight.read(); }, errc::bad_element, "mask");
  with([&] { in.offsets.extent[0] = 0; }, errc::bad_extent, "offsets");
  with([&] { in.offsets = s.weight.read(); }, errc::bad_element, "offsets");
  with([&] { out.grad_action.extent[1] = 3; }, errc::bad_extent, "grad_action");
  with([&] { out.losses.extent[0] = 21; }, errc::bad_extent, "losses");
  with([&] { out.loss.extent[0] = 2; }, errc::bad_extent, "loss");
  with([&] { in.action = s.by_action.read(); }, errc::overlap, "grad_action");
  with([&] { out.losses = s.weight.view(), in.weight = s.weight.read(); }, errc::overlap, "losses");
  s.offsets.at(1) = 21;
  named(errc::bad_offsets, "offsets");
  s.offsets.at(1) = -1;
  named(errc::bad_offsets, "offsets");
  s.offsets.at(1) = 8;
  const status little = temporal_smoothness<float>(cpu{}, {}, difference_order::first, in, out);
  CHECK(little.code == errc::small_workspace);
  CHECK((s.by_action.memory.untouched() && s.losses.untouched() && s.loss.untouched() && s.count.untouched()));
  covers("smoothness", "bad-argument");
}
