// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/importance_weights.hpp>
#include <prefer/loss/importance_weights.cuh>
#include <support/coverage.hpp>
#include <support/cuda.cuh>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>

using namespace prefer_test;

namespace {

using rule = importance_rule<prefer::cuda>;

const std::vector<rule>& rules() {
  static const std::vector<rule> all = importance_rules<prefer::cuda>();
  return all;
}

// A case and its mirror on the device.
template <class S>
struct device_responses {
  importance_case<S>& host;
  device<std::int32_t> offsets;
  device<S> policy, sampler, advantage, weight;
  device<bool> mask, keep;
  device<double> response_weight, mean_log_ratio, length, kept;

  explicit device_responses(importance_case<S>& c)
      : host(c),
        offsets(c.offsets),
        policy(c.policy),
        sampler(c.sampler),
        advantage(c.advantage),
        weight(c.weight),
        mask(c.mask),
        keep(c.keep),
        response_weight(c.response_weight),
        mean_log_ratio(c.mean_log_ratio),
        length(c.length),
        kept(c.kept) {}

  rule::inputs inputs(bool with_advantage) {
    rule::inputs in{.policy = policy.read(), .sampler = sampler.read(), .offsets = offsets.read()};
    if (with_advantage) in.advantage = advantage.read();
    if (host.masked) in.mask = mask.read();
    in.mean_of_tokens = host.mean_of_tokens;
    return in;
  }
  rule::outputs outputs(bool per_response) {
    rule::outputs out{.weight = weight.view(),
                      .keep = keep.view(),
                      .response_weight = response_weight.view(),
                      .mean_log_ratio = mean_log_ratio.view(),
                      .length = length.view(),
                      .kept = kept.view()};
    if (!per_response) out.response_weight = {};
    return out;
  }
  void fetch(const stream& s) {
    REQUIRE(cudaStreamSynchronize(s.handle) == cudaSuccess);
    weight.fetch(), keep.fetch(), response_weight.fetch(), mean_log_ratio.fetch(), length.fetch(), kept.fetch();
  }
  prefer::status run(const prefer::cuda& exec, const rule& r) {
    return r.run(exec, inputs(r.reads_advantage), outputs(r.per_response));
  }
};

template <class S>
void check_sizes(std::int64_t stride, bool masked, bool mean_of_tokens) {
  stream s;
  importance_case<S> c(response_sizes(), 3, stride);
  c.masked = masked, c.mean_of_tokens = mean_of_tokens;
  for (std::int64_t t = 0; masked && t < c.total; ++t)
    if (!c.mask.at(t)) c.policy.set(t, std::numeric_limits<double>::quiet_NaN()), c.sampler.set(t, HUGE_VAL);
  device_responses<S> d(c);
  for (const rule& r : rules()) {
    INFO(std::string(r.name));
    prefer::check(d.run(prefer::cuda{s.handle}, r));
    d.fetch(s);
    CHECK(c.worst(r.definition, r.per_response) < 1);
    CHECK(c.untouched_around());
    covers<S>(r.name, "sizes");
    if (masked) covers(r.name, "masked");
  }
}

}  // namespace

TEST_CASE("importance weights on CUDA are their definitions: sizes, masks, strides, storage types") {
  SUBCASE("float") { check_sizes<float>(1, false, false); }
  SUBCASE("double, strided, masked, shares of a response") { check_sizes<double>(3, true, true); }
  SUBCASE("half, masked") { check_sizes<prefer::half>(1, true, false); }
  SUBCASE("bfloat16, strided, shares of a response") { check_sizes<prefer::bfloat16>(2, false, true); }
}

TEST_CASE("importance weights on CUDA: one launch, nothing allocated, captured and replayed with another cap") {
  stream s;
  importance_case<float> c(response_sizes());
  device_responses<float> d(c);
  const prefer::cuda exec{s.handle};
  for (const rule& r : rules()) enqueues_only(r.name, 1, [&] { prefer::check(d.run(exec, r)); });
  s.wait();
  const device_array<double> cap(std::vector<double>{1.25});
  const cudaGraphExec_t graph = capture(s.handle, [&] {
    prefer::check(
        importance_weights(exec, prefer::truncated_importance{.cap = cap.data}, d.inputs(false), d.outputs(false)));
  });
  for (const double most : {1.25, 1.75}) {
    REQUIRE(cudaMemcpy(cap.data, &most, sizeof most, cudaMemcpyHostToDevice) == cudaSuccess);
    REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
    d.fetch(s);
    const auto bounded = [=](const log_ratios& x, long double) {
      return weights{each_of(x, [=](long double v) { return std::min(std::exp(v), static_cast<long double>(most)); })};
    };
    CHECK(c.worst(bounded, false) < 1);
  }
  cudaGraphExecDestroy(graph);
  const auto other_policy = [&] {
    for (std::int64_t t = 0; t < c.total; ++t) c.policy.set(t, c.policy.get(t) - 0.25 * static_cast<double>(t % 3));
    d.policy.send();
  };
  for (const rule& r : rules()) {
    covers(r.name, "allocation");
    check_replay(r.name, s.handle, [&] { prefer::check(d.run(exec, r)); }, other_policy,
                 {d.weight.all(), d.keep.all(), d.mean_log_ratio.all(), d.kept.all()});
    auto out = d.outputs(r.per_response);
    out.kept.extent[0] = 2;
    check_refused(r.name, r.run(exec, d.inputs(r.reads_advantage), out), "kept");
  }
}

TEST_CASE("offsets that are wrong on CUDA are not followed: reported, NaN, and the other responses as ever") {
  stream s;
  importance_case<float> c({4, 6, 8, 300});
  const std::int32_t right = c.offsets.at(2);
  c.offsets.at(2) = 1 << 30;
  device_responses<float> d(c);
  device_array<prefer::content_report> report(std::vector<prefer::content_report>(1));
  const prefer::truncated_importance products{.level = prefer::importance_level::sequence};
  prefer::check(importance_weights(prefer::cuda{.stream = s.handle, .report = report.data}, products, d.inputs(false),
                                   d.outputs(true)));
  d.fetch(s);
  const auto found = report.fetch()[0];
  CHECK((found.code() == prefer::errc::bad_offsets && found.index() == 1));
  for (const int i : {1, 2}) {
    CHECK((std::isnan(c.response_weight.get(i)) && std::isnan(c.mean_log_ratio.get(i))));
    CHECK((std::isnan(c.length.get(i)) && std::isnan(c.kept.get(i))));
  }
  importance_case<float> fresh({4, 6, 8, 300});
  CHECK(std::memcmp(&c.weight.at(right), &fresh.weight.at(right), 8 * sizeof(float)) == 0);  // written by nobody
  for (const int i : {0, 3}) CHECK((c.length.get(i) == (i == 0 ? 4 : 300) && c.kept.get(i) == c.length.get(i)));
}
