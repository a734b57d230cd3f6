// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "segmentation.hpp"

#include <prefer/shape/segmentation.cuh>
#include <support/coverage.hpp>
#include <support/cuda.cuh>

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

using namespace prefer;
using prefer_test::covers;
using prefer_test::device;
using prefer_test::stream;
using prefer_test::videos;

namespace {

template <class S>
struct on_device {
  videos<S>& host;
  device<S> feature;
  device<std::int32_t> offsets, boundary;
  device<std::int64_t> step;
  device<double> objective;
  prefer_test::device_workspace memory;

  explicit on_device(videos<S>& v)
      : host(v),
        feature(v.feature.memory),
        offsets(v.offsets),
        boundary(v.boundary.memory),
        step(v.step),
        objective(v.objective),
        memory(segment_steps_workspace(cuda{nullptr}, {.steps = v.steps}, v.n, v.count, v.d)) {}
  status call(const stream& at, std::int64_t least, content_report* report = nullptr) {
    return segment_steps(
        cuda{.stream = at.handle, .workspace = memory.get(), .report = report},
        {.steps = host.steps, .least_frames = least},
        {view<const S, 2, space::device>(feature.data(), host.n, host.d, host.feature.row, 1), offsets.read()},
        {view<std::int32_t, 2, space::device>(boundary.data(), host.count, host.steps + 1, host.boundary.row, 1),
         step.view(), objective.view()});
  }
  void fetch() { boundary.fetch(), step.fetch(), objective.fetch(); }
};

// Against the CPU: the same cuts, and objectives to roundings.
template <class S>
void check_videos(videos<S>& v, std::int64_t least) {
  videos<S> other = v;
  std::vector<char> memory(segment_steps_workspace(cpu{}, {.steps = v.steps}, v.n, v.count, v.d));
  check(segment_steps(cpu{.workspace = {memory.data(), memory.size()}}, {.steps = v.steps, .least_frames = least},
                      {other.feature.read(), other.offsets.read()},
                      {other.boundary.view(), other.step.view(), other.objective.view()}));
  CHECK(v.boundary.memory.bytes() == other.boundary.memory.bytes());
  CHECK(v.step.bytes() == other.step.bytes());
  for (std::int64_t i = 0; i < v.count; ++i) CHECK(std::fabs(v.objective.get(i) - other.objective.get(i)) < 1e-14);
  CHECK(v.objective.intact());
}

template <class S>
void check_all(const std::vector<int>& lengths, std::int64_t d, std::int64_t steps, std::int64_t least) {
  stream at;
  videos<S> v(lengths, d, steps, d % 3);
  on_device<S> there(v);
  prefer_test::enqueues_only("segmentation", lengths.empty() ? 1 : 2, [&] { check(there.call(at, least)); });
  at.wait();
  there.fetch();
  check_videos(v, least);
  covers<S>("segmentation", "sizes");
  covers("segmentation", "allocation");
}

}  // namespace

TEST_CASE("cuts on CUDA are those of the CPU") {
  check_all<float>({12, 3, 20}, 1, 3, 1), check_all<float>({14}, 40, 2, 3), check_all<float>({9, 9}, 300, 3, 2);
  check_all<double>({16, 12}, 9, 4, 3), check_all<half>({12}, 5, 2, 2), check_all<bfloat16>({12}, 5, 1, 2);
  check_all<float>({}, 4, 2, 1);
}

TEST_CASE("a captured call sees the frames that are there; videos too short and bad offsets are reported") {
  stream at;
  videos<float> v({12, 9}, 6, 3);
  on_device<float> there(v);
  const auto graph = prefer_test::capture(at.handle, [&] { check(there.call(at, 2)); });
  for (const double x : {3.0, -2.0}) {
    for (std::int64_t t = 0; t < 7; ++t) v.feature.set(t, 1, x * static_cast<double>(t % 3));
    there.feature.send();
    REQUIRE(cudaGraphLaunch(graph, at.handle) == cudaSuccess);
    at.wait();
    there.fetch();
    check_videos(v, 2);
  }
  cudaGraphExecDestroy(graph);

  const prefer_test::device_array<content_report> report(std::vector<content_report>(1));
  check(there.call(at, 4, report.data));  // 9 frames for three segments of 4
  at.wait();
  there.fetch();
  CHECK((report.fetch()[0].code() == errc::bad_offsets && report.fetch()[0].index() == 1));
  CHECK((std::isnan(v.objective.get(1)) && !std::isnan(v.objective.get(0))));
  for (std::int64_t k = 0; k <= 3; ++k) CHECK(v.boundary.get(1, k) == -1);
  CHECK(v.step.at(v.offsets.at(1)) == -1);
  const status st = there.call(at, 0);
  CHECK((st.code == errc::bad_parameter && std::string(st.argument) == "least_frames"));
  for (const char* tag : {"capture", "bad-argument"}) covers("segmentation", tag);
}
