// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <advantage/group_advantage.hpp>
#include <prefer/advantage/group_advantage.cuh>
#include <support/coverage.hpp>
#include <support/cuda.cuh>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>

using namespace prefer_test;

namespace {

constexpr double unit = 1e-14;

// A case and its mirror on the device.
template <class S>
struct device_groups {
  group_case<S>& host;
  device<std::int32_t> offsets;
  device<S> score, advantage;
  device<bool> mask;
  device<double> mean, std, count;

  explicit device_groups(group_case<S>& c)
      : host(c),
        offsets(c.offsets),
        score(c.score),
        advantage(c.advantage),
        mask(c.mask),
        mean(c.mean),
        std(c.std),
        count(c.count) {}

  prefer::advantage_inputs<prefer::space::device> inputs() {
    prefer::advantage_inputs<prefer::space::device> in{.score = score.read(), .offsets = offsets.read()};
    if (host.masked) in.mask = mask.read();
    in.exclude_nan = host.exclude_nan;
    return in;
  }
  prefer::advantage_outputs<prefer::space::device> outputs() {
    return {.advantage = advantage.view(), .mean = mean.view(), .std = std.view(), .count = count.view()};
  }
  void fetch(const stream& s) {
    REQUIRE(cudaStreamSynchronize(s.handle) == cudaSuccess);
    advantage.fetch(), mean.fetch(), std.fetch(), count.fetch();
  }
};

// With so many small ones that a group is one thread's; without them it is several threads'.
std::vector<int> mostly_small(std::vector<int> sizes) {
  for (int i = 0; i < 900; ++i) sizes.push_back(i * 5 % 9);
  return sizes;
}

// The type of a rule that is a call: what a test needs of it.
template <class S>
void check_sizes_on_cuda(const std::vector<int>& sizes, std::int64_t stride, bool masked) {
  stream s;
  group_case<S> c(sizes, 3, stride);
  c.masked = masked;
  // MaxRL divides by the mean: what two or three scores have in common may be next to nothing.
  const auto added = static_cast<std::int64_t>(group_sizes().size());
  for (std::int64_t i = c.offsets.at(added); i < c.total; ++i) c.score.set(i, c.score.get(i) + 2);
  for (std::int64_t i = 0; masked && i < c.total; ++i)
    if (!c.mask.at(i)) c.score.set(i, std::numeric_limits<double>::quiet_NaN());
  device_groups<S> d(c);
  const auto x = c.selected();
  each_rule([&](const char* name, const auto& rule, const auto& definition) {
    INFO(name);
    prefer::check(prefer::group_advantages(prefer::cuda{s.handle}, rule, d.inputs(), d.outputs()));
    d.fetch(s);
    CHECK(c.worst(definition(x), unit) < 1);
    CHECK(c.untouched_around());
    for (std::int64_t g = 0; g < c.n; ++g) {
      const auto& mine = x[static_cast<std::size_t>(g)];
      CHECK(c.count.get(g) == static_cast<double>(mine.size()));
      CHECK(std::fabs(c.mean.get(g) - static_cast<double>(mean_of(mine))) < unit);
      CHECK(std::fabs(c.std.get(g) - static_cast<double>(std_of(mine, false))) < unit);
    }
    covers<S>(name, "sizes");
    if (masked) covers(name, "masked");
  });
}

}  // namespace

TEST_CASE("advantages on CUDA are their definitions: sizes, masks, strides, storage types") {
  for (const auto& sizes : {group_sizes(), mostly_small(group_sizes())}) {
    check_sizes_on_cuda<float>(sizes, 1, false);
    check_sizes_on_cuda<double>(sizes, 3, true);
    check_sizes_on_cuda<prefer::half>(sizes, 1, true);
    check_sizes_on_cuda<prefer::bfloat16>(sizes, 2, false);
  }
}

TEST_CASE("on CUDA a group has the same bits among small groups and among large ones") {
  stream s;
  std::vector<int> sizes = group_sizes();
  for (int n = 0; n < 40; ++n) sizes.push_back(n);
  group_case<double> large(sizes), small(mostly_small(sizes));
  for (const bool masked : {false, true}) {
    large.masked = small.masked = masked;
    for (std::int64_t i = 0; i < large.offsets.at(large.n); ++i)
      small.score.set(i, large.score.get(i)), small.mask.at(i) = large.mask.at(i);
    device_groups<double> of_large(large), of_small(small);
    for (auto* d : {&of_large, &of_small}) {
      prefer::check(prefer::group_advantages(prefer::cuda{s.handle}, prefer::grpo{}, d->inputs(), d->outputs()));
      d->fetch(s);
    }
    for (std::int64_t g = 0; g < large.n; ++g)
      CHECK((small.mean.get(g) == large.mean.get(g) && small.std.get(g) == large.std.get(g)));
    for (std::int64_t i = large.offsets.at(0); i < large.offsets.at(large.n); ++i)
      CHECK(small.advantage.get(i) == large.advantage.get(i));
  }
}

TEST_CASE("on CUDA too a group of equal scores has advantages of exactly 0, NaN poison their group or are left out") {
  stream s;
  group_case<double> c({3, 7, 64, 700, 5000});
  for (std::int64_t g = 0; g < c.n; ++g)
    for (std::int64_t i = c.offsets.at(g); i < c.offsets.at(g + 1); ++i)
      c.score.set(i, 0.7 * static_cast<double>(g + 1));
  device_groups<double> d(c);
  const auto run = [&](const auto& rule) {
    d.score.send();
    prefer::check(prefer::group_advantages(prefer::cuda{s.handle}, rule, d.inputs(), d.outputs()));
    d.fetch(s);
  };
  run(prefer::grpo{});
  for (std::int64_t i = c.offsets.at(0); i < c.offsets.at(5); ++i) CHECK(c.advantage.get(i) == 0);
  c.score.set(c.offsets.at(1), std::numeric_limits<double>::quiet_NaN());
  c.score.set(c.offsets.at(4) + 4000, std::numeric_limits<double>::quiet_NaN());
  run(prefer::grpo{});
  for (const int g : {1, 4}) CHECK((std::isnan(c.mean.get(g)) && std::isnan(c.advantage.get(c.offsets.at(g) + 3))));
  for (const int g : {0, 2, 3}) CHECK(c.advantage.get(c.offsets.at(g) + 1) == 0);
  c.exclude_nan = true;
  run(prefer::lite_ppo{});
  CHECK(c.worst(over_batch(c.selected(), true, 1e-4L, true), unit) < 1);
}

TEST_CASE("a batch in parts on CUDA: moments out, moments in") {
  stream s;
  group_case<float> c({4, 8, 300, 1, 5000, 8, 8}, 11);
  device_groups<float> d(c);
  const prefer::lite_ppo rule;
  std::vector<prefer::moments> part(2);
  const std::int64_t cut[] = {0, 4, 7};
  device_array<double> batch(3);
  const auto part_of = [&](int p) {
    auto in = d.inputs();
    in.offsets = {d.offsets.data() + cut[p], cut[p + 1] - cut[p] + 1};
    return in;
  };
  for (int p = 0; p < 2; ++p) {
    prefer::check(prefer::batch_moments(prefer::cuda{s.handle}, rule, part_of(p), {batch.data, 3}));
    s.wait();
    const auto m = batch.fetch();
    part[static_cast<std::size_t>(p)] = {m[0], m[1], m[2]};
  }
  const prefer::moments all = prefer::merge(part[0], part[1]);
  const device_array<double> merged(std::vector<double>{all.count, all.mean, all.squares});
  for (int p = 0; p < 2; ++p) {
    auto in = part_of(p);
    in.batch = {merged.data, 3};
    prefer::check(prefer::group_advantages(prefer::cuda{s.handle}, rule, in, {.advantage = d.advantage.view()}));
  }
  d.fetch(s);
  CHECK(c.worst(over_batch(c.selected(), true, 1e-4L, true), unit) < 1);
  CHECK(c.untouched_around());
}

TEST_CASE("advantages on CUDA: launches counted, nothing allocated, captured and replayed with another epsilon") {
  stream s;
  group_case<float> few({4, 8, 200}), many(group_sizes());
  device_groups<float> little(few), d(many);
  const device_workspace memory(prefer::group_advantages_workspace(many.n, many.total));
  const prefer::cuda exec{.stream = s.handle, .workspace = memory.get()};
  const auto call = [&](const auto& rule, device_groups<float>& on) {
    prefer::check(prefer::group_advantages(exec, rule, on.inputs(), on.outputs()));
  };
  enqueues_only("grpo, short groups", 1, [&] { call(prefer::grpo{}, little); });
  enqueues_only("grpo", 4, [&] { call(prefer::grpo{}, d); });
  enqueues_only("lite_ppo", 6, [&] { call(prefer::lite_ppo{}, d); });
  s.wait();
  const device_array<double> epsilon(std::vector<double>{0.5});
  const cudaGraphExec_t graph = capture(s.handle, [&] { call(prefer::lite_ppo{.epsilon = epsilon.data}, d); });
  for (const double e : {0.5, 2.0}) {
    REQUIRE(cudaMemcpy(epsilon.data, &e, sizeof e, cudaMemcpyHostToDevice) == cudaSuccess);
    REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
    d.fetch(s);
    CHECK(many.worst(over_batch(many.selected(), true, e, true), unit) < 1);
  }
  cudaGraphExecDestroy(graph);
  const device_workspace small(64);
  CHECK(prefer::group_advantages(prefer::cuda{.stream = s.handle, .workspace = small.get()}, prefer::grpo{}, d.inputs(),
                                 d.outputs())
            .code == prefer::errc::small_workspace);
  REQUIRE(cudaStreamBeginCapture(s.handle, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
  CHECK(prefer::group_advantages(prefer::cuda{s.handle}, prefer::grpo{}, d.inputs(), d.outputs()).code ==
        prefer::errc::capture_needs_workspace);
  cudaGraph_t nothing = nullptr;
  cudaStreamEndCapture(s.handle, &nothing);
  cudaGraphDestroy(nothing);
  auto out = d.outputs();
  out.mean.extent[0] = 2;
  const auto other_scores = [&] {
    for (std::int64_t i = 0; i < many.total; ++i) many.score.set(i, 1.5 * many.score.get(i) + 0.1 * (i % 3));
    d.score.send();
  };
  each_rule([&](const char* name, const auto& rule, const auto&) {
    enqueues_only(name, any_number, [&] { call(rule, d); });
    s.wait();
    covers(name, "allocation");
    check_replay(name, s.handle, [&] { call(rule, d); }, other_scores, {d.advantage.all(), d.mean.all()});
    check_refused(name, prefer::group_advantages(exec, rule, d.inputs(), out), "mean");
  });
}

TEST_CASE("offsets that are wrong on CUDA are not followed: reported, NaN, and the other groups as ever") {
  stream s;
  group_case<float> c({4, 6, 8, 300});
  const auto right = c.offsets.values();
  c.offsets.at(2) = 1 << 30;
  device_groups<float> d(c);
  device_array<prefer::content_report> report(std::vector<prefer::content_report>(1));
  prefer::check(prefer::group_advantages(prefer::cuda{.stream = s.handle, .report = report.data}, prefer::grpo{},
                                         d.inputs(), d.outputs()));
  d.fetch(s);
  const auto found = report.fetch()[0];
  CHECK((found.code() == prefer::errc::bad_offsets && found.index() == 1));
  CHECK((std::isnan(c.mean.get(1)) && std::isnan(c.mean.get(2)) && std::isnan(c.count.get(2))));
  const auto untouched = prefer_test::group_case<float>({4, 6, 8, 300}).advantage.bytes();
  c.offsets.at(2) = static_cast<std::int32_t>(right[2]);
  const auto expected = normalised(c.selected(), true, 1e-4L);
  for (std::int64_t i = 0; i < 4; ++i)
    CHECK(std::fabs(c.advantage.get(c.offsets.at(0) + i) -
                    static_cast<double>(expected[0][static_cast<std::size_t>(i)])) < 1e-6);
  for (std::int64_t i = 0; i < 300; ++i)
    CHECK(std::fabs(c.advantage.get(c.offsets.at(3) + i) -
                    static_cast<double>(expected[3][static_cast<std::size_t>(i)])) < 1e-6);
  CHECK(untouched.size() == c.advantage.bytes().size());
}
