// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <advantage/token_baseline.hpp>
#include <prefer/advantage/token_baseline.cuh>
#include <support/side.cuh>

#include <cmath>
#include <vector>

using namespace prefer_test;

TEST_CASE("baselines of positions on CUDA are their definition: lengths, groups, masks, energies, storage types") {
  SUBCASE("float") { check_token_baseline<float, device_side>(1); }
  SUBCASE("double, strided") { check_token_baseline<double, device_side>(3); }
  SUBCASE("half") { check_token_baseline<prefer::half, device_side>(1); }
  SUBCASE("bfloat16, strided") { check_token_baseline<prefer::bfloat16, device_side>(2); }
}

TEST_CASE(
    "token baselines on CUDA: one launch, nothing allocated, captured and replayed on other scores; bad offsets") {
  token_baseline_case<float> c({3, 200, 129, 0, 8, 1}, {2, 0, 4}, {.importance = false, .masked = false});
  device<float> score(c.score), reward(c.reward), energy(c.energy), advantage(c.advantage), baseline(c.baseline);
  device<std::int32_t> offsets(c.responses.offsets), groups(c.groups.offsets);
  stream s;
  const std::int64_t n = c.responses.count();
  c.groups.offsets.at(0) = 0, c.groups.offsets.at(1) = 2, c.groups.offsets.at(2) = 2, c.groups.offsets.at(3) = 6;
  groups.send();
  const device_workspace memory(prefer::token_baseline_workspace(n));
  const prefer::cuda exec{.stream = s.handle, .workspace = memory.get()};
  prefer::token_baseline_inputs<prefer::space::device> in{.score = score.read(),
                                                          .reward = reward.read(),
                                                          .offsets = offsets.read(),
                                                          .groups = groups.read(),
                                                          .energy = energy.read()};
  const prefer::token_baseline_outputs<prefer::space::device> out{.advantage = advantage.view(),
                                                                  .baseline = baseline.view()};
  const auto call = [&] { prefer::check(prefer::token_baseline_advantages(exec, {}, in, out)); };
  enqueues_only("token_baseline", 1, call);
  s.wait();
  const cudaGraphExec_t graph = capture(s.handle, call);
  for (std::int64_t i = 0; i < n; ++i) c.score.set(i, 0.5 - c.score.get(i));
  score.send();
  REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
  s.wait();
  cudaGraphExecDestroy(graph);
  advantage.fetch(), baseline.fetch();
  CHECK(c.matches());
  const prefer::cuda small{.stream = s.handle, .workspace = {memory.get().data, 8}};
  CHECK(refused_argument(prefer::token_baseline_advantages(small, {}, in, out)) == "exec.workspace.bytes");
  auto short_of = in;
  short_of.energy.extent[0] = 2;
  CHECK(refused_argument(prefer::token_baseline_advantages(exec, {}, short_of, out)) == "energy");
  for (const char* tag : {"allocation", "capture", "bad-argument"}) covers("token_baseline", tag);

  // A response whose end lies beyond the tokens has none, and so has the one behind it; the rest of its group is right.
  const std::int32_t end = c.responses.offsets.at(5);
  c.responses.offsets.at(5) = 1 << 30;
  offsets.send();
  const device_array<prefer::content_report> report(std::vector<prefer::content_report>(1));
  const prefer::cuda told{.stream = s.handle, .workspace = memory.get(), .report = report.data};
  prefer::check(prefer::token_baseline_advantages(told, {}, in, out));
  s.wait();
  CHECK((report.fetch()[0].code() == prefer::errc::bad_offsets && report.fetch()[0].index() == 4));
  c.responses.offsets.at(5) = end;
  c.groups.offsets.at(1) = -1;
  offsets.send(), groups.send();
  prefer::check(prefer::token_baseline_advantages(told, {}, in, out));  // no group but the empty one can be followed
  s.wait();
}
