// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <aggregate/reward_weights.hpp>
#include <prefer/aggregate/reward_weights.cuh>
#include <support/coverage.hpp>
#include <support/cuda.cuh>

#include <doctest/doctest.h>

#include <limits>
#include <string>

using namespace prefer_test;

namespace {

constexpr auto on = prefer::space::device;
const auto& every_rule = weight_entries<prefer::cuda>();

// Steps of a graph that was captured once: what is kept lies on the device.
template <class S>
void check_steps_on_cuda() {
  stream s;
  const prefer::cuda exec{s.handle};
  for (const std::int64_t k : {1, 5, 64})
    for (const auto& rule : every_rule) {
      INFO(rule.name);
      weight_case<S> c(k);
      device<double> moments(c.moments), dual(c.dual), average(c.average);
      device<S> covariance(c.covariance), target(c.target), weight(c.weight);
      prefer::weight_inputs<on> in;
      prefer::weight_outputs<on> out{.weight = weight.view()};
      if (rule.moments) in.moments = prefer::view<const double, 2, on>(moments.data(), k, 3);
      if (rule.covariance) in.covariance = covariance.read();
      if (rule.target) in.target = target.read();
      if (rule.dual) out.dual = dual.view();
      if (rule.average) out.average = average.view();
      const cudaGraphExec_t graph =
          capture(s.handle, [&] { enqueues_only(rule.name, 1, [&] { prefer::check(rule.run(exec, in, out)); }); });
      for (std::uint64_t number = 1; number < 4; ++number) {
        REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
        s.wait();
        weight.fetch(), dual.fetch(), average.fetch();
        CHECK(c.worst(rule.definition) < 1e-13);
        CHECK(c.intact());
        c.step(number);
        moments.send(), covariance.send(), target.send();
      }
      cudaGraphExecDestroy(graph);
      out.weight.extent[0] = 65;
      CHECK(std::string(rule.run(exec, in, out).argument) == "weight");
      covers<S>(rule.name, "sizes");
      for (const char* tag : {"allocation", "capture", "bad-argument"}) covers(rule.name, tag);
    }
}

template <class S>
void check_min_norm_on_cuda() {
  stream s;
  const prefer::cuda exec{s.handle};
  for (const std::int64_t k : {2, 5, 20}) {
    gram_case<S> c(k, 1), other(k, 2);
    device<S> gram(c.gram), weight(c.weight);
    const prefer::weight_inputs<on> in{.gram = prefer::view<const S, 2, on>(gram.data(), k, k, k + 1, 1)};
    const auto call = [&] {
      prefer::check(prefer::adapt_weights(exec, prefer::min_norm{}, in, {.weight = weight.view()}));
    };
    const cudaGraphExec_t graph = capture(s.handle, [&] { enqueues_only("min_norm", 1, call); });
    for (int again = 0; again < 2; ++again) {
      REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
      s.wait();
      weight.fetch();
      CHECK(c.worst() < 1e-11);
      CHECK(c.weight.intact());
      for (std::int64_t i = 0; i < k * (k + 1); ++i) c.gram.at(i) = other.gram.at(i);
      gram.send();
    }
    cudaGraphExecDestroy(graph);
    CHECK(std::string(prefer::adapt_weights(exec, prefer::min_norm{}, {}, {.weight = weight.view()}).argument) ==
          "gram");
  }
  covers<S>("min_norm", "sizes");
  for (const char* tag : {"allocation", "capture", "bad-argument"}) covers("min_norm", tag);
}

template <class S>
void check_best_on_cuda() {
  stream s;
  const prefer::cuda exec{s.handle};
  for (const std::int64_t n : {1, 255, 256, 700}) {
    constexpr std::int64_t k = 3;
    buffer<S> r(n * k);
    buffer<bool> mask(n);
    buffer<double> ideal(k, 2);
    noise random(3);
    double expected[k] = {4.5, -HUGE_VAL, -HUGE_VAL};
    for (std::int64_t j = 0; j < k; ++j) ideal.set(j, expected[j]);
    for (std::int64_t i = 0; i < n; ++i) {
      mask.at(i) = i % 3 != 1;
      for (std::int64_t j = 0; j < k; ++j) {
        r.set(i * k + j, i % 7 == 2 ? std::numeric_limits<double>::quiet_NaN() : random.uniform(-5, 5));
        if (mask.at(i) && r.get(i * k + j) > expected[j]) expected[j] = r.get(i * k + j);
      }
    }
    device<S> rewards(r);
    device<bool> selected(mask);
    device<double> best(ideal);
    const prefer::view<const S, 2, on> matrix(rewards.data(), n, k);
    const auto call = [&] { prefer::check(prefer::best_rewards(exec, matrix, selected.read(), best.view())); };
    const cudaGraphExec_t graph = capture(s.handle, [&] { enqueues_only("best_rewards", 1, call); });
    for (const double more : {0.0, 1.0}) {  // the second time with a better one
      if (more > 0) r.set(1, expected[1] = 6), rewards.send();
      REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
      s.wait();
      best.fetch();
      for (std::int64_t j = 0; j < k; ++j) CHECK(ideal.get(j) == expected[j]);
    }
    cudaGraphExecDestroy(graph);
    CHECK(ideal.intact());
    CHECK(std::string(prefer::best_rewards(exec, matrix, {}, {}).argument) == "ideal");
  }
  covers<S>("best_rewards", "sizes");
  for (const char* tag : {"allocation", "capture", "bad-argument"}) covers("best_rewards", tag);
}

}  // namespace

TEST_CASE("adaptive weights on CUDA are their definitions, replayed step by step: numbers of rewards, types, errors") {
  SUBCASE("double") { check_steps_on_cuda<double>(); }
  SUBCASE("float") { check_steps_on_cuda<float>(); }
  SUBCASE("half") { check_steps_on_cuda<prefer::half>(); }
  SUBCASE("bfloat16") { check_steps_on_cuda<prefer::bfloat16>(); }
}

TEST_CASE("weights of least norm on CUDA are optimal: numbers of rewards, types, captured") {
  check_min_norm_on_cuda<double>(), check_min_norm_on_cuda<float>();
  check_min_norm_on_cuda<prefer::half>(), check_min_norm_on_cuda<prefer::bfloat16>();
}

TEST_CASE("the best rewards so far on CUDA: masks, NaN, types, captured") {
  SUBCASE("double") { check_best_on_cuda<double>(); }
  SUBCASE("float") { check_best_on_cuda<float>(); }
  SUBCASE("half") { check_best_on_cuda<prefer::half>(); }
  SUBCASE("bfloat16") { check_best_on_cuda<prefer::bfloat16>(); }
}

TEST_CASE("a window of moments on CUDA goes on in a captured graph") {
  stream s;
  const prefer::cuda exec{s.handle};
  for (const std::int64_t width : {1, 3}) {
    window_case c(width, 5);
    c.next(0);
    device<double> batch(c.batch), slots(c.slots), moments(c.moments);
    device<std::int64_t> cursor(c.cursor);
    const prefer::moment_window<on> window{.slots = prefer::view<double, 3, on>(slots.data(), width, 5, 3),
                                           .cursor = cursor.view(),
                                           .moments = prefer::view<double, 2, on>(moments.data(), 5, 3)};
    const prefer::view<const double, 2, on> in(batch.data(), 5, 3);
    const cudaGraphExec_t graph = capture(s.handle, [&] {
      enqueues_only("window_moments", 1, [&] { prefer::check(prefer::window_moments(exec, in, window)); });
    });
    for (std::uint64_t number = 1; number < 8; ++number) {
      REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
      s.wait();
      moments.fetch(), cursor.fetch();
      CHECK(c.worst() < 1e-14);
      CHECK(c.cursor.at(0) == static_cast<std::int64_t>(number));
      c.next(number);
      batch.send();
    }
    cudaGraphExecDestroy(graph);
    CHECK(std::string(prefer::window_moments(exec, {}, window).argument) == "batch");
  }
  for (const char* tag : {"golden", "allocation", "bad-argument"}) covers("window_moments", tag);
}
