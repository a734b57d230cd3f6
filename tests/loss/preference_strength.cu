// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/loss/preference_strength.cuh>
#include <loss/preference_strength.hpp>
#include <support/coverage.hpp>
#include <support/cuda.cuh>

#include <limits>
#include <string>

using namespace prefer;
using prefer_test::covers;
using prefer_test::device;
using prefer_test::ensemble;
using prefer_test::recipes;
using prefer_test::stream;

namespace {

template <class S>
struct mirrored {
  ensemble<S>& e;
  device<S> chosen, rejected, strength, deviation, label, margin;
  device<bool> mask, flip, keep;

  explicit mirrored(ensemble<S>& h)
      : e(h),
        chosen(h.chosen),
        rejected(h.rejected),
        strength(h.strength),
        deviation(h.deviation),
        label(h.label),
        margin(h.margin),
        mask(h.mask),
        flip(h.flip),
        keep(h.keep) {}
  preference_strength_inputs<space::device> inputs() {
    return {.chosen = e.template matrix<space::device>(static_cast<const S*>(chosen.data())),
            .rejected = e.template matrix<space::device>(static_cast<const S*>(rejected.data())),
            .mask = mask.read()};
  }
  preference_strength_outputs<space::device> outputs() {
    return {.strength = strength.view(),
            .deviation = deviation.view(),
            .label = label.view(),
            .margin = margin.view(),
            .flip = flip.view(),
            .keep = keep.view()};
  }
  void fetch() { strength.fetch(), deviation.fetch(), label.fetch(), margin.fetch(), flip.fetch(), keep.fetch(); }
};

template <class S>
void check_recipes(std::int64_t models, std::int64_t n) {
  stream s;
  for (const preference_strength& o : recipes()) {
    ensemble<S> e(models, n, n % 2 == 1);
    for (std::int64_t i = 2; i < n; i += 5) e.set(e.chosen, 0, i, std::numeric_limits<double>::quiet_NaN());
    mirrored<S> d(e);
    REQUIRE(measure_strength(prefer::cuda{s.handle}, o, d.inputs(), d.outputs()).ok());
    s.wait();
    d.fetch();
    for (std::int64_t i = 2; i < n; i += 5) e.set(e.chosen, 0, i, 0);
    e.check_against_definition(o);
  }
  covers<S>("preference_strength", "sizes");
  covers("preference_strength", "masked");
}

}  // namespace

TEST_CASE("strengths on CUDA are their definition: every recipe, sizes around a block, storage types, masked NaN") {
  for (std::int64_t n : {0, 1, 255, 257}) check_recipes<double>(3, n), check_recipes<float>(4, n);
  check_recipes<prefer::half>(2, 70), check_recipes<bfloat16>(2, 71);
}

TEST_CASE("one launch without shares and scales; nothing allocated with a workspace; captured, and errors named") {
  stream s;
  ensemble<float> e(3, 300, false);
  mirrored<float> d(e);
  const auto in = d.inputs();
  const auto out = d.outputs();
  prefer_test::enqueues_only("strength", 1, [&] { check(measure_strength(prefer::cuda{s.handle}, {}, in, out)); });
  const preference_strength all{.flip_share = 0.25, .normalize = true};
  const prefer_test::device_workspace memory(preference_strength_cuda_workspace(all, 3, 300));
  const prefer::cuda exec{.stream = s.handle, .workspace = memory.get()};
  CHECK(measure_strength(exec, all, in, out).ok());
  const auto graph = prefer_test::capture(s.handle, [&] { check(measure_strength(exec, all, in, out)); });
  for (double x : {3.0, -3.0}) {
    e.set(e.chosen, 1, 7, x);
    d.chosen.send();
    REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
    s.wait();
    d.fetch();
    e.check_against_definition(all);
  }
  cudaGraphExecDestroy(graph);
  const prefer_test::device_workspace little(64);
  CHECK(measure_strength(prefer::cuda{.stream = s.handle, .workspace = little.get()}, all, in, out).code ==
        errc::small_workspace);
  auto odd = in;
  odd.rejected.extent[0] = 2;
  const status st = measure_strength(exec, all, odd, out);
  CHECK(st.code == errc::bad_extent);
  CHECK(std::string(st.argument) == "rejected");
  for (const char* tag : {"allocation", "capture", "bad-argument"}) covers("preference_strength", tag);
}
