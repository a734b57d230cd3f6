// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <aggregate/group_covariance.hpp>
#include <prefer/aggregate/group_covariance.cuh>
#include <support/coverage.hpp>
#include <support/cuda.cuh>

#include <doctest/doctest.h>

#include <string>

using namespace prefer_test;

namespace {

constexpr auto on = prefer::space::device;

// In a captured graph, replayed with another mask.
template <class S>
void check_on_cuda(std::int64_t rewards, std::int64_t gap) {
  stream s;
  covariance_case<S> c({0, 1, 2, 8, 9, 256, 257, 600}, rewards, gap);
  c.masked = true;
  device<S> reward(c.reward), score(c.score), covariance(c.covariance);
  device<bool> mask(c.mask);
  device<std::int32_t> offsets(c.offsets);
  const device_workspace memory(prefer::group_covariances_workspace(c.n, c.total, rewards)), small(1024);
  const prefer::cuda exec{.stream = s.handle, .workspace = memory.get()};
  prefer::covariance_inputs<on> in;
  in.rewards = prefer::view<const S, 2, on>(reward.data(), c.total, rewards, c.row, 1);
  in.score = score.read(), in.offsets = offsets.read(), in.mask = mask.read();
  const prefer::covariance_outputs<on> out{.covariance = covariance.view()};
  for (const prefer::group_covariance& form : {prefer::group_covariance{}, {.correlation = true}}) {
    const auto call = [&] { prefer::check(prefer::group_covariances(exec, form, in, out)); };
    const int launches = 4 + static_cast<int>(rewards) * (4 + 1 + 4) + 1;
    const cudaGraphExec_t graph = capture(s.handle, [&] { enqueues_only("group_covariance", launches, call); });
    for (int again = 0; again < 2; ++again) {
      for (std::int64_t i = 0; i < c.total; ++i) c.mask.at(i) = (i + again) % 3 != 0;
      mask.send();
      REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
      s.wait();
      covariance.fetch();
      CHECK(c.worst_covariance(form) < 1e-14);
      CHECK(c.covariance.intact());
    }
    cudaGraphExecDestroy(graph);
  }
  in.rewards.extent[0] = 3;
  CHECK(std::string(prefer::group_covariances(exec, {}, in, out).argument) == "rewards");
  in.rewards.extent[0] = c.total;
  CHECK(prefer::group_covariances(prefer::cuda{.stream = s.handle, .workspace = small.get()}, {}, in, out).code ==
        prefer::errc::small_workspace);
  covers<S>("group_covariance", "sizes");
  for (const char* tag : {"allocation", "capture", "bad-argument"}) covers("group_covariance", tag);
}

}  // namespace

TEST_CASE("covariances of rewards with a score on CUDA: sizes, forms, storage types, captured and replayed, errors") {
  SUBCASE("float") { check_on_cuda<float>(2, 0); }
  SUBCASE("double") { check_on_cuda<double>(3, 1); }
  SUBCASE("half") { check_on_cuda<prefer::half>(2, 0); }
  SUBCASE("bfloat16") { check_on_cuda<prefer::bfloat16>(1, 2); }
}
