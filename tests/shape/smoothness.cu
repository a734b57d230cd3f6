// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "smoothness.hpp"

#include <prefer/shape/smoothness.cuh>
#include <support/coverage.hpp>
#include <support/cuda.cuh>

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <type_traits>
#include <vector>

using namespace prefer;
using prefer_test::covers;
using prefer_test::device;
using prefer_test::sequences;
using prefer_test::smoothness_case;
using prefer_test::storage;
using prefer_test::stream;

namespace {

template <class S>
using compute = std::conditional_t<std::is_same_v<S, double>, double, float>;

// Sequences and their mirrors on the device.
template <class S>
struct on_device {
  sequences<S>& host;
  device<S> action, by_action, weight, losses;
  device<bool> mask;
  device<std::int32_t> offsets;
  device<double> loss, count;
  prefer_test::device_workspace memory;

  explicit on_device(sequences<S>& s)
      : host(s),
        action(s.action.memory),
        by_action(s.by_action.memory),
        weight(s.weight),
        losses(s.losses),
        mask(s.mask),
        offsets(s.offsets),
        loss(s.loss),
        count(s.count),
        memory(temporal_smoothness_workspace(cuda{nullptr}, s.n)) {}

  status call(const stream& at, const smoothness_penalty& p, difference_order order, content_report* report = nullptr) {
    action_sequence_inputs<space::device> in = {
        .action = view<const S, 2, space::device>(action.data(), host.n, host.d, host.action.row, 1),
        .weight = weight.read(),
        .mask = mask.read()};
    if (host.offsets.size() > 0) in.offsets = offsets.read();
    return temporal_smoothness<compute<S>>(
        cuda{.stream = at.handle, .workspace = memory.get(), .report = report}, p, order, in,
        {loss.view(), view<S, 2, space::device>(by_action.data(), host.n, host.d, host.by_action.row, 1), losses.view(),
         count.view()});
  }
  void fetch() { by_action.fetch(), losses.fetch(), loss.fetch(), count.fetch(); }
};

template <class S>
void check_answer(sequences<S>& s, const smoothness_penalty& p, difference_order order) {
  const auto a = s.expected(p, order, 0);
  const long double unit = std::ldexp(64.0L, -storage<compute<S>>::digits);
  const auto near = [&](double got, long double want, long double size, int digits) {
    CHECK(std::fabs(got - want) <=
          unit * size + std::ldexp(std::fabs(want), 1 - digits) + std::ldexp(1.0L, storage<S>::least_exponent));
  };
  long double size = 0;
  for (std::int64_t t = 0; t < s.n; ++t) {
    const long double l = a.losses[static_cast<std::size_t>(t)];
    near(s.losses.get(t), l, std::fabs(l), storage<S>::digits);
    size += std::fabs(l);
    for (std::int64_t e = 0; e < s.d; ++e) {
      const auto at = static_cast<std::size_t>(t * s.d + e);
      near(s.by_action.get(t, e), a.gradient[at], a.size[at], storage<S>::digits);
    }
  }
  near(s.loss.get(0), a.loss, size, 53);
  CHECK(s.count.get(0) == static_cast<double>(a.count));
  CHECK((s.by_action.memory.intact() && s.losses.intact()));
}

template <class S>
void check_all(std::int64_t n, std::int64_t d, bool packed) {
  stream at;
  for (const smoothness_case& c : prefer_test::smoothness_cases()) {
    sequences<S> s(n, d, n % 3, packed ? prefer_test::episode_starts(n) : std::vector<std::int32_t>{});
    on_device<S> there(s);
    prefer_test::enqueues_only("smoothness",
                               n == 0   ? 1
                               : packed ? 5
                                        : 4,
                               [&] { check(there.call(at, c.penalty, c.order)); });
    at.wait();
    there.fetch();
    check_answer(s, c.penalty, c.order);
  }
  covers<S>("smoothness", "sizes");
  for (const char* tag : {"masked", "allocation"}) covers("smoothness", tag);
}

}  // namespace

TEST_CASE("the temporal penalty on CUDA is its definition's") {
  for (std::int64_t n : {1, 3, 65}) check_all<float>(n, 3, false), check_all<float>(n, 5, true);
  check_all<float>(40, 300, true), check_all<double>(70, 6, true), check_all<half>(30, 4, true);
  check_all<bfloat16>(30, 4, false), check_all<float>(0, 3, false);
}

TEST_CASE("a captured call takes the coefficient and the actions that are there when it is replayed") {
  stream at;
  sequences<float> s(30, 4, 0, prefer_test::episode_starts(30));
  on_device<float> there(s);
  prefer_test::buffer<double> coefficient(1);
  device<double> where(coefficient);
  const auto graph = prefer_test::capture(
      at.handle, [&] { check(there.call(at, {.coefficient = where.data()}, difference_order::first)); });
  for (const double c : {0.5, 2.0}) {
    coefficient.set(0, c), where.send();
    s.action.set(1, 2, c), there.action.send();
    REQUIRE(cudaGraphLaunch(graph, at.handle) == cudaSuccess);
    at.wait();
    there.fetch();
    check_answer(s, {.coefficient = c}, difference_order::first);
  }
  cudaGraphExecDestroy(graph);
  covers("smoothness", "capture");
}

TEST_CASE("on CUDA an episode with bad offsets has no differences and is reported; errors are named") {
  stream at;
  sequences<float> s(20, 4, 0, {0, 8, 30});
  on_device<float> there(s);
  const prefer_test::device_array<content_report> report(std::vector<content_report>(1));
  check(there.call(at, {}, difference_order::first, report.data));
  at.wait();
  there.fetch();
  const content_report found = report.fetch()[0];
  CHECK((found.code() == errc::bad_offsets && found.index() == 1));
  check_answer(s, {}, difference_order::first);  // the episode [8, 30) is not one
  const status st = there.call(at, {.coefficient = -1.0}, difference_order::first);
  CHECK((st.code == errc::bad_parameter && std::string(st.argument) == "coefficient"));
  const cuda little{.stream = at.handle, .workspace = {there.memory.memory, 16}};
  CHECK(temporal_smoothness<float>(little, {}, difference_order::first,
                                   {.action = view<const float, 2, space::device>(there.action.data(), 20, 4)},
                                   {.loss = there.loss.view()})
            .code == errc::small_workspace);
  covers("smoothness", "bad-argument");
}
