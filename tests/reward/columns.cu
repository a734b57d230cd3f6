// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/reward/box_product.cuh>
#include <prefer/reward/count_bonus.cuh>
#include <prefer/reward/critique.cuh>
#include <prefer/reward/overlong_penalty.cuh>
#include <prefer/reward/set_overlap.cuh>
#include <prefer/reward/set_value.cuh>
#include <prefer/reward/tolerance.cuh>
#include <prefer/reward/trust_weight.cuh>
#include <reward/rewards.hpp>
#include <support/side.cuh>

using namespace prefer_test;

TEST_CASE("rewards of columns on CUDA are their definitions: sizes, strides, storage types") {
  each_storage([](auto s) { check_tolerance<decltype(s), device_side>(); });
  each_storage([](auto s) { check_critique<decltype(s), device_side>(); });
  each_storage([](auto s) { check_count_bonus<decltype(s), device_side>(); });
  each_storage([](auto s) { check_trust<decltype(s), device_side>(); });
  each_storage([](auto s) { check_overlong<decltype(s), device_side>(); });
}

TEST_CASE("rewards of sets and groups on CUDA are their definitions: gaps, groups, masks, storage types") {
  each_storage([](auto s) { check_sets<decltype(s), device_side>(); });
  each_storage([](auto s) { check_box_products<decltype(s), device_side>(); });
  each_storage([](auto s) { check_set_values<decltype(s), device_side>(); });
}

namespace {

constexpr std::int64_t n = 600;

// The call is one launch that allocates nothing; captured, it sees what has changed; on the CPU it gives the same.
// `call(exec, columns a and b, reward)`; the first column changes between the launches.
template <class Call>
void check_capture(const char* name, const Call& call) {
  stream on;
  std::vector<float> a(n), b(n), expected(n);
  for (std::size_t i = 0; i < n; ++i) a[i] = static_cast<float>(i % 5), b[i] = static_cast<float>(i % 3 + 1);
  const device_array<float> to(n), x(a), y(b);
  const prefer::cuda exec{on.handle};
  enqueues_only(name, 1, [&] { prefer::check(call(exec, x.data, y.data, to.data)); });
  on.wait();
  const cudaGraphExec_t graph = capture(on.handle, [&] { prefer::check(call(exec, x.data, y.data, to.data)); });
  for (float& v : a) v = 4 - v;
  REQUIRE(cudaMemcpy(x.data, a.data(), n * sizeof(float), cudaMemcpyHostToDevice) == cudaSuccess);
  REQUIRE(cudaGraphLaunch(graph, on.handle) == cudaSuccess);
  on.wait();
  cudaGraphExecDestroy(graph);
  prefer::check(call(prefer::cpu{}, a.data(), b.data(), expected.data()));
  const auto got = to.fetch();
  for (std::size_t i = 0; i < n; ++i) CHECK(got[i] == doctest::Approx(expected[i]).epsilon(1e-6));
  CHECK(refused_argument(call(exec, x.data, y.data, nullptr)) != "nothing");
  for (const char* tag : {"allocation", "capture", "bad-argument"}) covers(name, tag);
}

}  // namespace

TEST_CASE("rewards on CUDA: one launch, nothing allocated, captured, errors as on the CPU") {
  check_capture("tolerance_reward", [](const auto& exec, float* a, float* b, float* to) {
    return prefer::tolerance_rewards(exec, {}, {.answer = {a, n}, .target = {b, n}}, {.reward = {to, n}});
  });
  check_capture("critique_reward", [](const auto& exec, float* a, float* b, float* to) {
    return prefer::critique_rewards(exec, {}, {.judgement = {a, n}, .before = {b, n}, .after = {a, n}},
                                    {.reward = {to, n}});
  });
  check_capture("count_bonus", [](const auto& exec, float* a, float* b, float* to) {
    return prefer::count_bonuses(exec, {}, {.intrinsic = {a, n}, .count = {b, n}}, {.reward = {to, n}});
  });
  check_capture("overlong_penalty", [](const auto& exec, float* a, float* b, float* to) {
    return prefer::overlong_penalties(exec, {.longest = 3.0, .buffer = 2.0}, {.length = {a, n}, .score = {b, n}},
                                      {.reward = {to, n}});
  });
  check_capture("trust_weight", [](const auto& exec, float* a, float*, float* to) {
    return prefer::trust_weights(exec, {}, {.uncertainty = {a, n}}, {.weight = {to, n}});
  });
  check_capture("feature_uncertainty", [](const auto& exec, float* a, float* b, float* to) {
    return prefer::feature_uncertainty(exec, {.features = {a, n, 1}, .whitening = {b, 2, 1}}, {.uncertainty = {to, n}});
  });
  check_capture("box_product", [](const auto& exec, float* a, float*, float* to) {
    return prefer::box_products(exec, {}, {.rewards = {a, n, 1}, .groups = {.size = 8}}, {.reward = {to, n}});
  });
  check_capture("set_value", [](const auto& exec, float* a, float* b, float* to) {
    return prefer::set_values(exec, {.rewards = {a, n, 1}, .weights = {b, 3, 1}, .groups = {.size = 4}},
                              {.credit = {to, n}});
  });
  check_capture("set_overlap", [](const auto& exec, float* a, float* b, float* to) {
    const auto *const x = reinterpret_cast<const std::uint8_t*>(a), *const y = reinterpret_cast<const std::uint8_t*>(b);
    return prefer::set_rewards(exec, {}, {.found = {x, n, 4}, .truth = {y, n, 4}}, {.reward = {to, n}});
  });
}

TEST_CASE("box products on CUDA: a group of bad offsets is reported, and the others have their rewards") {
  device_side side;
  buffer<float> rewards(6), reward(6);
  buffer<std::int32_t> offsets(4);
  for (std::int64_t i = 0; i < 6; ++i) rewards.set(i, 0.25 * static_cast<double>(i));
  offsets.at(0) = 0, offsets.at(1) = 2, offsets.at(2) = 9, offsets.at(3) = 6;
  const device_array<prefer::content_report> report(std::vector<prefer::content_report>(1));
  side.exec.report = report.data;
  prefer::check(prefer::box_products(
      side.exec, {}, {.rewards = side.read(rewards, 6, 1, 1), .groups = {.offsets = side.read(offsets)}},
      {.reward = side.write(reward)}));
  side.done();
  CHECK(reward.get(1) == doctest::Approx(0.35));
  CHECK((report.fetch()[0].code() == prefer::errc::bad_offsets && report.fetch()[0].index() == 1));
}
