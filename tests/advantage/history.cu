// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <advantage/history.hpp>
#include <prefer/advantage/history.cuh>
#include <support/coverage.hpp>
#include <support/cuda.cuh>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>

using namespace prefer_test;

namespace {

constexpr std::int64_t windows = 7;

template <class S>
struct device_rounds {
  std::int64_t size;
  device_array<std::int32_t> window{round_windows()};
  device_array<S> ring;
  device_array<std::int64_t> pushed{std::vector<std::int64_t>(windows)};
  device_array<double> found{3 * round_sizes().size()};

  explicit device_rounds(std::int64_t w) : size(w), ring(static_cast<std::size_t>(windows * w)) {}
  prefer::history_outputs<prefer::space::device> outputs() {
    return {.ring = {ring.data, windows, size},
            .pushed = {pushed.data, windows},
            .moments = {found.data, found.count / 3, 3}};
  }
};
template <class S>
prefer::history_inputs<prefer::space::device> inputs_of(group_case<S>& c, device<S>& score,
                                                        device<std::int32_t>& offsets, device<bool>& mask) {
  prefer::history_inputs<prefer::space::device> in{.score = score.read(), .offsets = offsets.read()};
  if (c.masked) in.mask = mask.read();
  return in;
}

template <class S>
void check_rounds(std::int64_t size, std::int64_t stride, bool masked, bool shared) {
  stream s;
  auto keys = round_windows();
  if (!shared)
    for (std::size_t g = 0; g < keys.size(); ++g) keys[g] = static_cast<std::int32_t>(g);
  queues expected(keys.size(), static_cast<std::size_t>(size), 5);
  device_rounds<S> d(size);
  device_array<S> wide(keys.size() * static_cast<std::size_t>(size));
  device_array<std::int64_t> pushed(std::vector<std::int64_t>(keys.size()));
  for (std::uint64_t round = 1; round < 4; ++round) {
    group_case<S> c(round_sizes(), round, stride);
    c.masked = masked;
    for (std::int64_t i = 0; masked && i < c.total; ++i)
      if (!c.mask.at(i)) c.score.set(i, std::numeric_limits<double>::quiet_NaN());
    device<S> score(c.score);
    device<std::int32_t> offsets(c.offsets);
    device<bool> mask(c.mask);
    auto in = inputs_of(c, score, offsets, mask);
    auto out = d.outputs();
    if (shared) {
      in.window = {d.window.data, c.n};
    } else {
      out.ring = {wide.data, keys.size(), size};
      out.pushed = {pushed.data, keys.size()};
    }
    prefer::check(prefer::history_moments(prefer::cuda{s.handle}, prefer::history{.least = 5}, in, out));
    s.wait();
    const auto found = d.found.fetch();
    const auto right = expected.push(c.selected(), keys);
    for (std::size_t g = 0; g < right.size(); ++g) CHECK(near(found.data() + 3 * g, right[g]));
  }
  covers<S>("history_moments", "sizes");
}

}  // namespace

TEST_CASE("windows on CUDA keep the last scores of a prompt over rounds: shared windows, masks, storage types") {
  SUBCASE("float") { check_rounds<float>(32, 1, false, true); }
  SUBCASE("double, a window of one") { check_rounds<double>(1, 3, false, true); }
  SUBCASE("half, masked") { check_rounds<prefer::half>(3, 1, true, true); }
  SUBCASE("bfloat16, masked, each its own") { check_rounds<prefer::bfloat16>(17, 2, true, false); }
}

TEST_CASE("history on CUDA: launches counted, nothing allocated, captured and replayed; moments feed any rule") {
  stream s;
  group_case<float> c(round_sizes());
  device<float> score(c.score), advantage(c.advantage);
  device<std::int32_t> offsets(c.offsets);
  device<bool> mask(c.mask);
  device_rounds<float> d(32);
  auto in = inputs_of(c, score, offsets, mask);
  in.window = {d.window.data, c.n};
  const device_workspace memory(prefer::history_moments_workspace(c.n, c.total, windows));
  const device_workspace more(prefer::group_advantages_workspace(c.n, c.total));
  const auto round = [&] {
    prefer::check(prefer::history_moments(prefer::cuda{.stream = s.handle, .workspace = memory.get()},
                                          prefer::history{.least = 6}, in, d.outputs()));
  };
  enqueues_only("history", 5, round);  // two of them for the batch
  const cudaGraphExec_t graph = capture(s.handle, [&] {
    round();
    prefer::check(
        prefer::group_advantages(prefer::cuda{.stream = s.handle, .workspace = more.get()}, prefer::dr_grpo{},
                                 {.score = score.read(), .offsets = offsets.read(), .moments = {d.found.data, c.n, 3}},
                                 {.advantage = advantage.view()}));
  });
  queues expected(windows, 32, 6);
  auto right = expected.push(c.selected(), round_windows());
  for (int i = 0; i < 2; ++i) {
    REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
    right = expected.push(c.selected(), round_windows());
  }
  s.wait();
  const auto found = d.found.fetch();
  auto answers = c.selected();
  for (std::size_t g = 0; g < right.size(); ++g) {
    CHECK(near(found.data() + 3 * g, right[g]));
    for (long double& v : answers[g]) v -= right[g].mean;
  }
  advantage.fetch();
  CHECK(c.worst(answers, 1e-14) < 1);
  cudaGraphExecDestroy(graph);
  for (const char* tag : {"allocation", "capture"}) covers("history_moments", tag);
}

TEST_CASE("on CUDA a window or an offset that is wrong is reported, not followed, and its moments are NaN") {
  stream s;
  group_case<float> c({4, 3, 5});
  device<float> score(c.score);
  device<bool> mask(c.mask);
  const device_array<std::int32_t> window(std::vector<std::int32_t>{0, 9, 2});
  device<std::int32_t> offsets(c.offsets);
  device_array<float> ring(3 * 8);
  const device_array<std::int64_t> pushed(std::vector<std::int64_t>(3));
  const device_array<double> found(9);
  const device_array<prefer::content_report> report(std::vector<prefer::content_report>(1));
  auto in = inputs_of(c, score, offsets, mask);
  in.window = {window.data, 3};
  const prefer::history_outputs<prefer::space::device> out{
      .ring = {ring.data, 3, 8}, .pushed = {pushed.data, 3}, .moments = {found.data, 3, 3}};
  prefer::check(prefer::history_moments(prefer::cuda{.stream = s.handle, .report = report.data},
                                        prefer::history{.least = 0}, in, out));
  s.wait();
  const auto m = found.fetch();
  CHECK((m[0] == 4 && std::isnan(m[3]) && std::isnan(m[4]) && m[6] == 5));
  CHECK((report.fetch()[0].code() == prefer::errc::bad_index && report.fetch()[0].index() == 1));
  CHECK(pushed.fetch() == std::vector<std::int64_t>{4, 0, 5});
  CHECK(std::string(prefer::history_moments(prefer::cuda{s.handle}, {}, in, {}).argument) == "ring");
  covers("history_moments", "bad-argument");
}
