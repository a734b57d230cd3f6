// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "segmentation.hpp"

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
using prefer_test::videos;

namespace {

template <class S>
std::vector<char> memory_for(const videos<S>& v) {
  return std::vector<char>(segment_steps_workspace(cpu{}, {.steps = v.steps}, v.n, v.count, v.d) + 1);
}
template <class S>
status call(cpu exec, std::vector<char>& memory, videos<S>& v, std::int64_t least) {
  exec.workspace = {memory.data() + 1, memory.size() - 1};
  return segment_steps(exec, {.steps = v.steps, .least_frames = least}, {v.feature.read(), v.offsets.read()},
                       {v.boundary.view(), v.step.view(), v.objective.view()});
}

template <class S>
void check_all() {
  for (std::int64_t d : {1, 7, 8, 9, 255, 257})
    for (std::int64_t steps : {1, 2, 3, 4})
      for (std::int64_t least : {1, 2, 3}) {
        if (d > 100 && steps + least != 5) continue;
        videos<S> v({12, static_cast<int>(steps * least), 14}, d, steps, d % 3);
        auto memory = memory_for(v);
        for (isa level : prefer_test::levels()) {
          REQUIRE(call(cpu{.isa = level}, memory, v, least).ok());
          for (std::int64_t i = 0; i < v.count; ++i) {
            INFO(d << " features, " << steps << " steps of " << least << ", video " << i);
            std::vector<std::int64_t> cuts;
            const std::int64_t begin = v.offsets.at(i), end = v.offsets.at(i + 1);
            const long double best = v.search(begin, end, steps, least, cuts);
            CHECK(std::fabs(v.objective.get(i) - best / static_cast<long double>(steps)) < 1e-13);
            for (std::int64_t k = 0; k < steps; ++k)
              CHECK(v.boundary.get(i, k) == static_cast<double>(cuts[static_cast<std::size_t>(k)] - begin));
            CHECK(v.boundary.get(i, steps) == static_cast<double>(end - begin));
            for (std::int64_t t = begin, k = 0; t < end; ++t) {
              if (k + 1 < steps && t == cuts[static_cast<std::size_t>(k + 1)]) ++k;
              CHECK(v.step.at(t) == k);
            }
          }
          CHECK((v.step.at(0) == -1 && v.step.at(1) == -1 && v.step.at(v.n - 1) == -1));
        }
        CHECK((v.boundary.memory.intact() && v.step.intact() && v.objective.intact()));
      }
  covers<S>("segmentation", "sizes");
}

}  // namespace

TEST_CASE("cuts are those of a search over all of them, for every size, level and storage type") {
  SUBCASE("float") { check_all<float>(); }
  SUBCASE("double") { check_all<double>(); }
  SUBCASE("half") { check_all<half>(); }
  SUBCASE("bfloat16") { check_all<bfloat16>(); }
}

TEST_CASE("steps that do not vary are found exactly, however far from 0; of equal cuts the earliest") {
  const auto cut = [](const std::vector<double>& x, std::int64_t steps, std::int64_t least) {
    const auto n = static_cast<std::int64_t>(x.size());
    const std::int64_t offsets[] = {0, n};
    std::vector<std::int64_t> boundary(static_cast<std::size_t>(steps + 1));
    double objective = -1;
    std::vector<char> memory(segment_steps_workspace(cpu{}, {.steps = steps}, n, 1, 1));
    check(segment_steps(cpu{.workspace = {memory.data(), memory.size()}}, {.steps = steps, .least_frames = least},
                        {{x.data(), n, 1}, {offsets, 2}},
                        {.boundary = {boundary.data(), 1, steps + 1}, .objective = {&objective, 1}}));
    boundary.push_back(objective == 0 ? 0 : 1);
    return boundary;
  };
  using list = std::vector<std::int64_t>;
  CHECK(cut({0, 0, 0, 10, 10, 10, 10}, 2, 1) == list{0, 3, 7, 0});
  CHECK(cut({1e9, 1e9, 1e9, 1e9 + 1, 1e9 + 1}, 2, 1) == list{0, 3, 5, 0});
  CHECK(cut({4, 4, 4, 4, 4, 4}, 3, 1) == list{0, 1, 2, 6, 0});  // all cuts are equally good
  CHECK(cut({4, 4, 4, 4, 4, 4, 4}, 3, 2) == list{0, 2, 4, 7, 0});
  CHECK(cut({0, 10, 10, 10}, 2, 2) == list{0, 2, 4, 1});  // the best cut would leave a segment of one frame
  covers("segmentation", "identity");
}

TEST_CASE("the same bits for any threads; nothing is allocated; a NaN makes its own video's objective infinite") {
  std::vector<int> lengths;
  for (int v = 0; v < 9; ++v) lengths.push_back(30 + v);
  videos<float> v(lengths, 20, 3);
  auto memory = memory_for(v);
  const auto bits = [&](const cpu& exec) {
    const long before = prefer_test::allocation_count();
    const status st = call(exec, memory, v, 4);
    CHECK(prefer_test::allocation_count() == before);
    REQUIRE(st.ok());
    auto all = v.boundary.memory.bytes();
    for (const auto* b : {&v.step.bytes(), &v.objective.bytes()}) all.insert(all.end(), b->begin(), b->end());
    return all;
  };
  const auto expected = bits(cpu{});
  for (int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    CHECK(bits(cpu{.pool = pool}) == expected);
  }
  const double second = v.objective.get(1), fourth = v.objective.get(3);
  v.feature.set(v.offsets.at(2) + 5, 3, std::numeric_limits<double>::quiet_NaN());
  bits(cpu{});
  CHECK(std::isinf(v.objective.get(2)));
  CHECK((v.objective.get(1) == second && v.objective.get(3) == fourth));
  for (const char* tag : {"threads", "allocation"}) covers("segmentation", tag);
}

TEST_CASE("what is wrong is named, and nothing is written") {
  videos<float> v({12, 9}, 4, 3, 1);
  auto memory = memory_for(v);
  const cpu exec{.workspace = {memory.data(), memory.size()}};
  segmentation_inputs<space::host> in = {v.feature.read(), v.offsets.read()};
  segmentation_outputs<space::host> out = {v.boundary.view(), v.step.view(), v.objective.view()};
  const auto good_in = in;
  const auto good_out = out;
  const auto named = [&](auto change, errc code, const char* argument, step_segmentation how = {.steps = 3}) {
    change();
    const status got = segment_steps(exec, how, in, out);
    INFO(message(got).c_str() << " expected for " << argument);
    CHECK(got.code == code);
    CHECK(std::string(got.argument) == argument);
    in = good_in, out = good_out;
  };
  named([] {}, errc::bad_parameter, "steps", {.steps = 0});
  named([] {}, errc::bad_parameter, "least_frames", {.steps = 3, .least_frames = 0});
  named([] {}, errc::bad_offsets, "offsets", {.steps = 3, .least_frames = 4});
  named([] {}, errc::bad_offsets, "offsets", {.steps = 3, .least_frames = std::int64_t{1} << 62});  // no overflow
  named([] {}, errc::bad_extent, "boundary", {.steps = 2});
  named([&] { in.feature = {}; }, errc::missing_input, "feature");
  named([&] { in.offsets = {}; }, errc::missing_input, "offsets");
  named([&] { out = {}; }, errc::missing_output, "outputs");
  named([&] { in.feature.extent[1] = 0; }, errc::bad_extent, "feature");
  named([&] { in.offsets.extent[0] = 0; }, errc::bad_extent, "offsets");
  named([&] { out.step = v.objective.view(); }, errc::bad_element, "step");
  named([&] { out.objective.extent[0] = 3; }, errc::bad_extent, "objective");
  named([&] { out.boundary = view<std::int32_t, 2>(v.offsets.data(), 2, 4); }, errc::overlap, "boundary");
  v.offsets.at(1) = 40;
  named([] {}, errc::bad_offsets, "offsets");
  v.offsets.at(1) = 14;
  CHECK(segment_steps(cpu{}, {.steps = 3}, in, out).code == errc::small_workspace);
  CHECK((v.boundary.memory.untouched() && v.step.untouched() && v.objective.untouched()));
  covers("segmentation", "bad-argument");
}
