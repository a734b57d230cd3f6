// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/shape/value_bounds.cuh>
#include <support/coverage.hpp>
#include <support/cuda.cuh>

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <type_traits>

using namespace prefer;
using prefer_test::buffer;
using prefer_test::covers;
using prefer_test::device;
using prefer_test::storage;
using prefer_test::stream;

namespace {

template <class S>
using compute = std::conditional_t<std::is_same_v<S, double>, double, float>;

// Rewards, penalties and a mask on both sides.
template <class S>
struct samples {
  std::int64_t n;
  buffer<S> reward, penalty, lowered, factor, expected, expected_factor;
  buffer<bool> mask;

  samples(std::int64_t count, std::int64_t stride)
      : n(count),
        reward(n, stride),
        penalty(n, stride),
        lowered(n, stride),
        factor(n, stride),
        expected(n, stride),
        expected_factor(n, stride),
        mask(n) {
    prefer_test::noise random(8);
    for (std::int64_t i = 0; i < n; ++i)
      reward.set(i, random.uniform(-2, 2)), penalty.set(i, random.uniform(-0.2, 1)), mask.at(i) = i % 6 != 4;
  }
  void check_outputs() {
    const auto near = [](double x, double y) {
      CHECK(std::fabs(x - y) <= std::ldexp(16 * std::fabs(y), -storage<compute<S>>::digits) +
                                    std::ldexp(std::fabs(y), 1 - storage<S>::digits));
    };
    for (std::int64_t i = 0; i < n; ++i)
      near(lowered.get(i), expected.get(i)), near(factor.get(i), expected_factor.get(i));
    CHECK((lowered.intact() && factor.intact()));
  }
  void on_the_host(const pessimistic_preconditioning& o) {
    check(precondition_rewards<compute<S>>(cpu{}, o, {reward.read(), penalty.read(), mask.read()},
                                           {expected.view(), expected_factor.view()}));
  }
};

template <class S>
void check_all(std::int64_t n, std::int64_t stride) {
  stream s;
  samples<S> x(n, stride);
  device<S> reward(x.reward), penalty(x.penalty), lowered(x.lowered), factor(x.factor);
  device<bool> mask(x.mask);
  const pessimistic_preconditioning o{.scale = 0.75, .floor = 0.5, .lower_negative = n % 2 == 0};
  x.on_the_host(o);
  const prefer_test::device_workspace memory(precondition_rewards_workspace(n));
  prefer_test::enqueues_only("preconditioning", n > 0 ? 1 : 0, [&] {
    check(precondition_rewards<compute<S>>(cuda{.stream = s.handle, .workspace = memory.get()}, o,
                                           {reward.read(), penalty.read(), mask.read()},
                                           {lowered.view(), factor.view()}));
  });
  s.wait();
  lowered.fetch(), factor.fetch();
  x.check_outputs();
  covers<S>("value_bounds", "sizes");
  covers("value_bounds", "allocation");
}

}  // namespace

TEST_CASE("preconditioned rewards on CUDA as on the CPU, in one launch") {
  for (std::int64_t n : {0, 1, 31, 257, 2500}) check_all<float>(n, 1);
  check_all<double>(301, 2), check_all<half>(300, 1), check_all<bfloat16>(300, 2);
}

TEST_CASE("a captured call takes the scale that is there when it is replayed; errors are named") {
  stream s;
  samples<float> x(40, 1);
  device<float> reward(x.reward), penalty(x.penalty), lowered(x.lowered), factor(x.factor);
  device<bool> mask(x.mask);
  buffer<double> scale(1);
  device<double> there(scale);
  const prefer_test::device_workspace memory(precondition_rewards_workspace(40));
  const auto call = [&](const scalar& by) {
    return precondition_rewards<float>(cuda{.stream = s.handle, .workspace = memory.get()}, {.scale = by},
                                       {reward.read(), penalty.read(), mask.read()}, {lowered.view(), factor.view()});
  };
  const auto graph = prefer_test::capture(s.handle, [&] { check(call(there.data())); });
  for (const double by : {0.5, 2.0}) {
    scale.set(0, by), there.send();
    REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
    s.wait();
    lowered.fetch(), factor.fetch();
    x.on_the_host({.scale = by});
    x.check_outputs();
  }
  cudaGraphExecDestroy(graph);
  const status st = call(-1.0);
  CHECK((st.code == errc::bad_parameter && std::string(st.argument) == "scale"));
  for (const char* tag : {"capture", "bad-argument"}) covers("value_bounds", tag);
}
