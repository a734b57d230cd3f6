// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/select/balanced_bins.cuh>
#include <prefer/select/normalized_ranks.cuh>
#include <select/resampling.hpp>
#include <support/side.cuh>

using namespace prefer_test;

TEST_CASE("on CUDA normalised ranks and bins are their definitions: counted and sorted groups") {
  SUBCASE("double") { check_normalized_ranks<double, device_side>(), check_bins<double, device_side>(); }
  SUBCASE("float") { check_normalized_ranks<float, device_side>(), check_bins<float, device_side>(); }
  SUBCASE("half") { check_normalized_ranks<prefer::half, device_side>(), check_bins<prefer::half, device_side>(); }
  SUBCASE("bfloat16") {
    check_normalized_ranks<prefer::bfloat16, device_side>(), check_bins<prefer::bfloat16, device_side>();
  }
}

TEST_CASE("on CUDA bins draw the samples of the CPU; ranks and bins only enqueue, are captured and replayed") {
  device_side side;
  constexpr std::int64_t n = 1200, list = 2 * 10 * 9;
  buffer<float> score(n);
  buffer<double> rank(n), host_rank(n);
  buffer<std::int32_t> indices(list), host_indices(list);
  noise random(6);
  fill_uniform(score, random, -1, 1);
  device<float> x(score);
  device<double> u(rank);
  device<std::int32_t> drawn(indices);
  const prefer::balanced_bins options{.per_bin = 9, .seed = 3};
  const prefer::cuda bare{side.on.handle};
  device_workspace memory(prefer::normalized_ranks_workspace(bare, n, 2));
  const prefer::cuda exec{.stream = side.on.handle, .workspace = memory.get()};
  const auto ranks = [&] {
    prefer::check(
        prefer::normalized_ranks(exec, {.score = x.read(), .groups = {.size = n / 2}}, {.normalized = u.view()}));
  };
  const auto bins = [&] {
    prefer::check(prefer::resample_bins(exec, options, {.score = x.read(), .groups = {.size = n / 2}},
                                        {.indices = drawn.view()}));
  };
  enqueues_only("bins", 1, bins);
  const cudaGraphExec_t graph = capture(side.on.handle, [&] { ranks(), bins(); });
  for (int replay = 0; replay < 2; ++replay) {
    fill_uniform(score, random, -1, 1), x.send();
    REQUIRE(cudaGraphLaunch(graph, side.on.handle) == cudaSuccess);
    side.on.wait();
    u.fetch(), drawn.fetch();
    prefer::check(prefer::normalized_ranks(prefer::cpu{}, {.score = score.read(), .groups = {.size = n / 2}},
                                           {.normalized = host_rank.view()}));
    prefer::check(prefer::resample_bins(prefer::cpu{}, options, {.score = score.read(), .groups = {.size = n / 2}},
                                        {.indices = host_indices.view()}));
    CHECK((rank.bytes() == host_rank.bytes() && indices.bytes() == host_indices.bytes()));
  }
  cudaGraphExecDestroy(graph);
  prefer::cuda tight = exec;
  tight.workspace.bytes = 8;
  CHECK(prefer::normalized_ranks(tight, {.score = x.read()}, {.normalized = u.view()}).code ==
        prefer::errc::small_workspace);
  CHECK(prefer::normalized_ranks_workspace(bare, n, 4) == 0);
  for (const char* name : {"normalized_ranks", "balanced_bins"}) covers(name, "allocation"), covers(name, "capture");
}

TEST_CASE("on CUDA bad offsets are reported, and the other groups are right") {
  buffer<unsigned long long> word(1);
  word.at(0) = ~0ull;
  device<unsigned long long> report(word);
  for (const std::int64_t scale : {1, 400}) {
    device_side side;
    side.exec.report = reinterpret_cast<prefer::content_report*>(report.data());
    const std::int64_t n = 6 * scale;
    buffer<float> score(n), rank(n);
    buffer<std::int64_t> offsets(5);
    for (std::int64_t i = 0; i < n; ++i) score.set(i, static_cast<double>(i));
    for (std::int64_t b = 0; b < 5; ++b) offsets.at(b) = (b == 2 ? 7 : b == 0 ? 0 : b == 1 ? 2 : 3 + b - 1) * scale;
    prefer::check(prefer::normalized_ranks(
        side.exec, {.score = side.read(score), .groups = {.offsets = side.read(offsets)}}, {.rank = side.write(rank)}));
    side.done();
    report.fetch();
    const prefer::content_report found{word.at(0)};
    CHECK((found.code() == prefer::errc::bad_offsets && found.index() == 1));
    for (std::int64_t i = 0; i < 2 * scale; ++i) CHECK(rank.get(i) == static_cast<double>(i + 1));
    word.at(0) = ~0ull, report.send();
  }
  const prefer::cuda exec{nullptr};
  CHECK(refused_argument(prefer::normalized_ranks(exec, {}, {})) == "score");
  CHECK(refused_argument(prefer::resample_bins(exec, {.bins = 0}, {}, {})) == "bins");
  for (const char* name : {"normalized_ranks", "balanced_bins"}) covers(name, "bad-argument");
}
