// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <advantage/baseline.hpp>
#include <prefer/advantage/baseline.cuh>
#include <support/side.cuh>

#include <cmath>
#include <string>
#include <vector>

using namespace prefer_test;

TEST_CASE("baselines on CUDA are their definitions: groups, masks, NaN left out, strides, storage types") {
  SUBCASE("float") { check_baselines<float, device_side>(1, false); }
  SUBCASE("double, strided, masked") { check_baselines<double, device_side>(3, true); }
  SUBCASE("half, masked") { check_baselines<prefer::half, device_side>(1, true); }
  SUBCASE("bfloat16, strided") { check_baselines<prefer::bfloat16, device_side>(2, false); }
}

TEST_CASE("baselines on CUDA: one launch, nothing allocated, captured and replayed on other scores; bad offsets") {
  baseline_case<float> c({3, 40, 1500, 0, 8}, 1, false);
  device<float> score(c.score), weight(c.weight), advantage(c.advantage);
  device<std::int32_t> offsets(c.groups.offsets);
  device<double> baseline(c.baseline);
  stream s;
  const prefer::cuda exec{s.handle};
  for (const auto& rule : baseline_rules<prefer::cuda>()) {
    prefer::baseline_inputs<prefer::space::device> in{.score = score.read(), .offsets = offsets.read()};
    if (rule.reads_weight) in.weight = weight.read();
    const prefer::baseline_outputs<prefer::space::device> out{.advantage = advantage.view(),
                                                              .baseline = baseline.view()};
    enqueues_only(rule.name, 1, [&] { prefer::check(rule.run(exec, in, out)); });
    s.wait();
    const cudaGraphExec_t graph = capture(s.handle, [&] { prefer::check(rule.run(exec, in, out)); });
    for (std::int64_t i = 0; i < c.groups.samples; ++i) c.score.set(i, 0.5 - c.score.get(i));
    score.send();
    REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
    s.wait();
    cudaGraphExecDestroy(graph);
    advantage.fetch(), baseline.fetch();
    CHECK(c.matches(rule));
    auto short_of = out;
    short_of.baseline.extent[0] = 2;
    CHECK(refused_argument(rule.run(exec, in, short_of)) == "baseline");
    for (const char* tag : {"allocation", "capture", "bad-argument"}) covers(rule.name, tag);
  }
  c.groups.offsets.at(2) = 1 << 30;
  offsets.send();
  const device_array<prefer::content_report> report(std::vector<prefer::content_report>(1));
  prefer::check(baseline_advantages(prefer::cuda{.stream = s.handle, .report = report.data}, prefer::optimal_value{},
                                    {.score = score.read(), .offsets = offsets.read()}, {.baseline = baseline.view()}));
  s.wait();
  baseline.fetch();
  CHECK((report.fetch()[0].code() == prefer::errc::bad_offsets && report.fetch()[0].index() == 1));
  for (std::int64_t b = 0; b < 5; ++b) CHECK(std::isnan(c.baseline.get(b)) == (b == 1 || b == 2));
}
