// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
//
// Weights of tokens on CUDA that are no importance_weights: FIPO's, choices by covariance, totals and what is divided
// by them. The definitions are those of the CPU's tests.
#include <loss/covariance_tokens.hpp>
#include <loss/fipo.hpp>
#include <loss/importance_totals.hpp>
#include <prefer/loss/covariance_tokens.cuh>
#include <prefer/loss/fipo.cuh>
#include <prefer/loss/importance_totals.cuh>
#include <support/side.cuh>

#include <cmath>
#include <string>
#include <vector>

using namespace prefer_test;

TEST_CASE("FIPO's weights on CUDA are their definition: sizes, masks, strides, storage types") {
  SUBCASE("float") { check_influence<float, device_side>(1, false); }
  SUBCASE("double, strided, masked") { check_influence<double, device_side>(3, true); }
  SUBCASE("half, masked") { check_influence<prefer::half, device_side>(1, true); }
  SUBCASE("bfloat16, strided") { check_influence<prefer::bfloat16, device_side>(2, false); }
}

TEST_CASE("choices by covariance on CUDA are their definition: sizes, fractions, masks, strides, storage types") {
  SUBCASE("float") { check_covariance<float, device_side>(1, false); }
  SUBCASE("double, strided, masked") { check_covariance<double, device_side>(3, true); }
  SUBCASE("half, masked") { check_covariance<prefer::half, device_side>(1, true); }
  SUBCASE("bfloat16, strided") { check_covariance<prefer::bfloat16, device_side>(2, false); }
}

TEST_CASE("totals and normalised weights on CUDA are their definitions: sizes, masks, strides, storage types") {
  SUBCASE("float") { check_totals<float, device_side>(1, false); }
  SUBCASE("double, strided, masked") { check_totals<double, device_side>(3, true); }
  SUBCASE("half, masked") { check_totals<prefer::half, device_side>(1, true); }
  SUBCASE("bfloat16, strided") { check_totals<prefer::bfloat16, device_side>(2, false); }
}

TEST_CASE("totals, normalised weights and choices have the bits of the CPU") {
  totals_case<double> host(5000, 1, true), there(5000, 1, true);
  host_side h;
  device_side d, again;
  prefer::check(host.add_up(h)), prefer::check(there.add_up(d));
  CHECK(there.totals.values() == host.totals.values());
  prefer::check(host.normalize(h)), prefer::check(there.normalize(again));
  CHECK(there.normalized.values() == host.normalized.values());
  covariance_case<double> on_cpu(3000, 1, true), on_device(3000, 1, true);
  device_side other;
  const prefer::clip_cov clip{.fraction = 0.01, .least = 0.25, .most = 2.0, .seed = 9};
  prefer::check(on_cpu.run(h, clip)), prefer::check(on_device.run(other, clip));
  CHECK(on_device.weight.values() == on_cpu.weight.values());
}

namespace {

// `call(exec)` launches so often and allocates nothing in a workspace of so many bytes; captured, it is replayed after
// `change` has changed the device's inputs, and `same` holds what it wrote against the definition.
template <class Call, class Change, class Same>
void check_enqueues(const char* name, int launches, std::size_t bytes, const Call& call, const Change& change,
                    const std::vector<device_bytes>& written, const Same& same) {
  stream s;
  const device_workspace memory(bytes);
  const prefer::cuda exec{.stream = s.handle, .workspace = bytes > 0 ? memory.get() : prefer::workspace{}};
  const auto run = [&] { prefer::check(call(exec)); };
  enqueues_only(name, launches, run);
  s.wait();
  check_replay(name, s.handle, run, change, written);
  same();
  covers(name, "allocation");
}

}  // namespace

TEST_CASE("FIPO on CUDA: one launch, captured and replayed on other numbers; bad offsets are reported, not followed") {
  influence_case<float> c({5, 9, 300, 0, 3}, 1);
  device<float> policy(c.policy), old(c.sampler), advantage(c.advantage), weight(c.weight), future(c.future);
  device<std::int32_t> offsets(c.offsets);
  device<bool> mask(c.mask);
  c.masked = true;
  const device_array<double> most(std::vector<double>{1.2});
  const auto call = [&](const prefer::cuda& exec) {
    return future_influence(exec, prefer::fipo{.most = most.data},
                            {.policy = policy.read(),
                             .old_policy = old.read(),
                             .offsets = offsets.read(),
                             .advantage = advantage.read(),
                             .mask = mask.read()},
                            {.weight = weight.view(), .future = future.view()});
  };
  check_enqueues(
      "fipo", 1, 0, call,
      [&] {
        const double wider = 1.5;
        REQUIRE(cudaMemcpy(most.data, &wider, sizeof wider, cudaMemcpyHostToDevice) == cudaSuccess);
      },
      {weight.all(), future.all()},
      [&] {
        weight.fetch(), future.fetch();
        CHECK(c.matches(prefer::fipo{.most = 1.5}));
      });
  const std::int32_t end = c.offsets.at(2);
  c.offsets.at(2) = 1 << 30, offsets.send();
  for (std::int64_t t = 0; t < c.total; ++t) c.weight.set(t, -7);
  weight.send();
  stream s;
  const device_array<prefer::content_report> report(std::vector<prefer::content_report>(1));
  prefer::check(call(prefer::cuda{.stream = s.handle, .report = report.data}));
  s.wait();
  weight.fetch();
  CHECK((report.fetch()[0].code() == prefer::errc::bad_offsets && report.fetch()[0].index() == 1));
  for (std::int64_t t = c.offsets.at(1); t < end + 300; ++t) CHECK(c.weight.get(t) == -7);
  CHECK(c.weight.get(c.offsets.at(1) - 1) != -7);
  check_refused("fipo", future_influence(prefer::cuda{s.handle}, prefer::fipo{.half_life = 0.0}, {}, {}), "half_life");
}

TEST_CASE("choices by covariance on CUDA: two launches in a workspace, captured and replayed with another seed") {
  covariance_case<float> c(900, 1, false), other(900, 1, false);
  device<float> policy(c.policy), advantage(c.advantage), old(c.old_policy), weight(c.weight);
  const device_array<std::uint64_t> seed(std::vector<std::uint64_t>{1});
  const auto call = [&](const prefer::cuda& exec) {
    return covariance_tokens(exec, prefer::clip_cov{.fraction = 0.05, .least = 0.0, .most = 3.0, .seed = seed.data},
                             {.policy = policy.read(), .advantage = advantage.read(), .old_policy = old.read()},
                             {.weight = weight.view()});
  };
  check_enqueues(
      "clip_cov", 2, prefer::covariance_tokens_workspace(900), call,
      [&] {
        const std::uint64_t next = 2;
        REQUIRE(cudaMemcpy(seed.data, &next, sizeof next, cudaMemcpyHostToDevice) == cudaSuccess);
      },
      {weight.all()},
      [&] {
        weight.fetch();
        host_side h;
        prefer::check(other.run(h, prefer::clip_cov{.fraction = 0.05, .least = 0.0, .most = 3.0, .seed = 2}));
        CHECK(c.weight.values() == other.weight.values());
      });
  const auto top = [&](const prefer::cuda& exec) {
    return covariance_tokens(exec, prefer::top_covariance{.fraction = 0.05},
                             {.policy = policy.read(), .advantage = advantage.read()}, {.weight = weight.view()});
  };
  check_enqueues(
      "top_covariance", 2, prefer::covariance_tokens_workspace(900), top,
      [&] {
        for (std::int64_t i = 0; i < c.n; ++i) c.advantage.set(i, static_cast<double>(i * 37 % 64) / 4);
        for (std::int64_t i = 0; i < c.n; ++i) other.advantage.set(i, c.advantage.get(i));
        advantage.send();
      },
      {weight.all()},
      [&] {
        weight.fetch();
        host_side h;
        prefer::check(other.run(h, prefer::top_covariance{.fraction = 0.05}));
        CHECK(c.weight.values() == other.weight.values());
      });
  stream s;
  const device_workspace little(16);
  const prefer::cuda poor{.stream = s.handle, .workspace = little.get()};
  check_refused("top_covariance", top(poor), "exec.workspace.bytes");
  check_refused("clip_cov", call(poor), "exec.workspace.bytes");
}

TEST_CASE("totals and normalised weights on CUDA: one launch each, captured and replayed on other weights") {
  totals_case<float> c(900, 1, false), other(900, 1, false);
  device<float> weight(c.weight), normalized(c.normalized);
  device<double> totals(c.totals);
  const auto change = [&] {
    for (std::int64_t i = 0; i < c.n; ++i) c.weight.set(i, 3 * c.weight.get(i)), other.weight.set(i, c.weight.get(i));
    weight.send();
  };
  check_enqueues(
      "importance_totals", 1, prefer::importance_totals_workspace(900),
      [&](const prefer::cuda& exec) {
        return importance_totals(exec, {.weight = weight.read(), .cap = 2.0}, totals.view());
      },
      change, {totals.all()},
      [&] {
        totals.fetch();
        host_side h;
        prefer::check(other.add_up(h));
        CHECK(c.totals.values() == other.totals.values());
      });
  check_enqueues(
      "normalize_importance", 1, 0,
      [&](const prefer::cuda& exec) {
        return normalize_importance(exec, {.weight = weight.read(), .totals = totals.read()},
                                    {.weight = normalized.view()});
      },
      change, {normalized.all()},
      [&] {
        normalized.fetch();
        for (std::int64_t i = 0; i < c.n; ++i)
          CHECK(c.normalized.get(i) == doctest::Approx(c.weight.get(i) / c.summary().mean).epsilon(1e-7));
      });
  stream s;
  const prefer::cuda exec{s.handle};
  check_refused("importance_totals", importance_totals(exec, {.weight = weight.read(), .cap = -1.0}, totals.view()),
                "cap");
  check_refused("normalize_importance", normalize_importance(exec, {.weight = weight.read()}, {}), "totals");
}
