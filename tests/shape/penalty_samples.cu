// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/shape/penalty_samples.cuh>
#include <support/coverage.hpp>
#include <support/row_call.cuh>

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

using namespace prefer;
using prefer_test::covers;
using prefer_test::rows_on_both;
using prefer_test::storage;
using prefer_test::stream;

namespace {

// Both calls on one backend; in(k) and out(k) by number.
template <class Exec, class In, class Out>
void run(const Exec& exec, const sample_draw& draw, In in, Out out) {
  check(interpolate_samples(exec, draw, {in(0), in(1)}, {out(0)}));
  check(perturb_samples(exec, draw, 0.75, {in(0)}, {out(1)}));
  for (const std::size_t g : {2, 3}) check(dragan_samples(exec, draw, {.per_feature = g == 3}, {in(0)}, {out(g)}));
}

// What dragan_samples needs on the CPU.
struct host_memory {
  std::vector<char> bytes;
  explicit host_memory(std::int64_t d) : bytes(dragan_samples_workspace(cpu{}, d)) {}
  cpu exec() const { return {.workspace = {const_cast<char*>(bytes.data()), bytes.size()}}; }
};

// CUDA against the CPU: the same numbers, roundings of double in the quantile, and one of the storage type.
template <class S>
void check_rows(rows_on_both<S>& r) {
  for (std::size_t g : {0, 1, 2, 3}) {
    r.dgrad[g]->fetch();
    for (std::int64_t i = 0; i < r.n; ++i)
      for (std::int64_t e = 0; e < r.d; ++e)
        CHECK(std::fabs(r.grad[g].get(i, e) - r.expected[g].get(i, e)) <=
              std::ldexp(std::fabs(r.expected[g].get(i, e)), 1 - storage<S>::digits) + 1e-14);
    CHECK(r.grad[g].memory.intact());
  }
}

template <class S>
void check_all(std::int64_t n, std::int64_t d, std::int64_t gap) {
  stream s;
  rows_on_both<S> r(2, n, d, gap);
  const sample_draw draw{.seed = 9, .block = 2, .first = 5};
  const host_memory lent(d);
  run(
      lent.exec(), draw, [&](std::size_t k) { return r.in[k].read(); },
      [&](std::size_t g) { return r.expected[g].view(); });
  const prefer_test::device_workspace there(dragan_samples_workspace(cuda{s.handle}, d));
  prefer_test::enqueues_only("samples", n * d == 0 ? 0 : 8, [&] {
    run(
        cuda{.stream = s.handle, .workspace = there.get()}, draw, [&](std::size_t k) { return r.read(k); },
        [&](std::size_t g) { return r.write(g); });
  });
  s.wait();
  check_rows(r);
  covers<S>("penalty_samples", "sizes");
  covers("penalty_samples", "allocation");
}

}  // namespace

TEST_CASE("samples on CUDA are those of the CPU, in one launch each, in three with the batch's spread") {
  for (std::int64_t d : {0, 1, 31, 33, 64, 95, 257}) check_all<float>(5, d, 1);
  check_all<double>(3, 600, 0), check_all<double>(0, 4, 0);
  check_all<half>(5, 33, 0), check_all<bfloat16>(5, 33, 2);
}

TEST_CASE("a captured draw takes the seed that is there when it is replayed; errors are named") {
  stream s;
  rows_on_both<float> r(2, 4, 21, 0);
  const prefer_test::device_array<std::uint64_t> seed(std::vector<std::uint64_t>{0});
  const host_memory lent(21);
  const prefer_test::device_workspace there(dragan_samples_workspace(cuda{s.handle}, 21));
  const auto graph = prefer_test::capture(s.handle, [&] {
    run(
        cuda{.stream = s.handle, .workspace = there.get()}, {.seed = static_cast<const std::uint64_t*>(seed.data)},
        [&](std::size_t k) { return r.read(k); }, [&](std::size_t g) { return r.write(g); });
  });
  for (const std::uint64_t x : {4, 5}) {
    REQUIRE(cudaMemcpy(seed.data, &x, sizeof x, cudaMemcpyHostToDevice) == cudaSuccess);
    REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
    s.wait();
    run(
        lent.exec(), {.seed = x}, [&](std::size_t k) { return r.in[k].read(); },
        [&](std::size_t g) { return r.expected[g].view(); });
    check_rows(r);
  }
  cudaGraphExecDestroy(graph);
  const status st = perturb_samples(cuda{s.handle}, {}, -1, {r.read(0)}, {r.write(0)});
  CHECK((st.code == errc::bad_parameter && std::string(st.argument) == "sigma"));
  for (const char* tag : {"capture", "bad-argument"}) covers("penalty_samples", tag);
}
