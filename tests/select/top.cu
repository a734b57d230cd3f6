// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/select/extremes.cuh>
#include <prefer/select/top.cuh>
#include <support/side.cuh>
#include <select/top.hpp>

using namespace prefer_test;

TEST_CASE("on CUDA the best of each group are those of a stable sort") {
  SUBCASE("float") { check_top<float, device_side>(); }
  SUBCASE("double") { check_top<double, device_side>(); }
  SUBCASE("half") { check_top<prefer::half, device_side>(); }
  SUBCASE("bfloat16") { check_top<prefer::bfloat16, device_side>(); }
}

TEST_CASE("on CUDA best-worst pairs and branches are their definitions") {
  SUBCASE("float") { check_extremes<float, device_side>(); }
  SUBCASE("double") { check_extremes<double, device_side>(); }
  SUBCASE("half") { check_extremes<prefer::half, device_side>(); }
  SUBCASE("bfloat16") { check_extremes<prefer::bfloat16, device_side>(); }
}

TEST_CASE("selections on CUDA: launches and nothing else, captured and replayed with other scores and thresholds") {
  device_side side;
  scored_samples<float> samples({5, 0, 70, 3}, true, 2);
  const std::int64_t n = samples.n, groups = 4;
  buffer<bool> mask(n);
  buffer<std::int64_t> indices(n), begins(groups + 1), chosen(groups);
  buffer<float> advantage(n);
  buffer<double> limit(1);
  limit.at(0) = -1;
  device<float> score(samples.score), d_advantage(advantage);
  device<bool> d_mask(mask);
  device<std::int64_t> d_indices(indices), d_begins(begins), d_chosen(chosen);
  device<double> d_limit(limit);
  const device_workspace memory(prefer::selection_workspace(n, groups));
  const prefer::cuda exec{.stream = side.on.handle, .workspace = memory.get()};
  const prefer::sample_groups<prefer::space::device> in = {.offsets = side.read(samples.groups.offsets)};
  const prefer::select_top options = {
      .count = 10, .threshold = true, .limit = static_cast<const double*>(d_limit.data())};
  const auto top = [&] {
    prefer::check(
        prefer::select(exec, options, {.score = score.read(), .groups = in},
                       {.mask = d_mask.view(), .indices = d_indices.view(), .index_offsets = d_begins.view()}));
  };
  const auto pairs = [&] {
    prefer::check(prefer::select_pairs(exec, {}, {.score = score.read(), .groups = in}, {.chosen = d_chosen.view()}));
  };
  const auto branches = [&] {
    prefer::check(prefer::select(exec, prefer::select_branches{}, {.score = score.read(), .groups = in},
                                 {.advantage = d_advantage.view()}));
  };
  enqueues_only("top", 3, top);
  enqueues_only("pairs", 1, pairs);
  enqueues_only("branches", 1, branches);
  const cudaGraphExec_t graph = capture(side.on.handle, [&] { top(), pairs(), branches(); });
  for (const double x : {0.0, 1.0}) {
    limit.at(0) = x, d_limit.send();
    for (std::int64_t i = 0; i < n; ++i) samples.score.set(i, std::floor(3 * std::sin(static_cast<double>(i) + x)));
    score.send();
    REQUIRE(cudaGraphLaunch(graph, side.on.handle) == cudaSuccess);
    side.on.wait();
    d_mask.fetch(), d_indices.fetch(), d_begins.fetch(), d_chosen.fetch(), d_advantage.fetch();
    buffer<bool> on_host(n);
    buffer<std::int64_t> best(groups);
    buffer<float> scaled(n);
    const prefer::sample_groups<prefer::space::host> there = {.offsets = samples.groups.offsets.read()};
    auto same = options;
    same.limit = x;
    prefer::check(prefer::select(prefer::cpu{}, same, {.score = samples.score.read(), .groups = there},
                                 {.mask = on_host.view()}));
    prefer::check(prefer::select_pairs(prefer::cpu{}, {}, {.score = samples.score.read(), .groups = there},
                                       {.chosen = best.view()}));
    prefer::check(prefer::select(prefer::cpu{}, prefer::select_branches{},
                                 {.score = samples.score.read(), .groups = there}, {.advantage = scaled.view()}));
    CHECK((mask.bytes() == on_host.bytes() && chosen.bytes() == best.bytes() && advantage.bytes() == scaled.bytes()));
  }
  cudaGraphExecDestroy(graph);
  for (const char* name : {"select_top", "extreme_pairs", "select_branches"}) {
    covers(name, "allocation"), covers(name, "capture"), covers(name, "bad-argument");
  }
  const prefer::cuda bare{.stream = side.on.handle};
  CHECK(refused_argument(prefer::select(bare, {.count = -1}, {.score = score.read()}, {.mask = d_mask.view()})) ==
        "count");
  CHECK(refused_argument(prefer::select_pairs(bare, {}, {.score = score.read()}, {})) == "outputs");
  CHECK(refused_argument(prefer::select(bare, prefer::select_branches{}, {}, {.advantage = d_advantage.view()})) ==
        "score");
}

TEST_CASE("selections on CUDA: a group whose offsets are wrong selects nothing and is reported") {
  device_side side;
  buffer<float> score(6);
  buffer<std::int32_t> offsets(4), count(3);
  for (std::int64_t i = 0; i < 6; ++i) score.set(i, static_cast<double>(i));
  offsets.at(0) = 0, offsets.at(1) = 3, offsets.at(2) = 2, offsets.at(3) = 6;
  buffer<unsigned long long> word(1);
  word.at(0) = ~0ull;
  device<unsigned long long> report(word);
  const prefer::cuda exec{.stream = side.on.handle, .report = reinterpret_cast<prefer::content_report*>(report.data())};
  prefer::check(prefer::select(exec, prefer::select_top{},
                               {.score = side.read(score), .groups = {.offsets = side.read(offsets)}},
                               {.count = side.write(count)}));
  side.done();
  report.fetch();
  CHECK((count.at(0) == 1 && count.at(1) == 0 && count.at(2) == 1));
  CHECK((prefer::content_report{word.at(0)}.code() == prefer::errc::bad_offsets));
  CHECK(prefer::content_report{word.at(0)}.index() == 1);
}
