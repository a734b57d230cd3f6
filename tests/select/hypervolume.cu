// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/select/hypervolume.cuh>
#include <select/volume_device.cuh>
#include <support/coverage.hpp>

#include <string>

using namespace prefer_test;

namespace {

using method = prefer::hypervolume::algorithm;

template <class S>
struct device_call : device_case<S> {
  using device_case<S>::device_case;
  prefer::hypervolume options() const { return {.objectives = this->host.objectives()}; }
  prefer::status run(const prefer::cuda& exec, const prefer::hypervolume& options) {
    return prefer::hypervolumes(exec, options, this->inputs(), this->volume_outputs());
  }
  prefer::status run(const prefer::cuda& exec) { return run(exec, options()); }
  std::size_t workspace(const prefer::cuda& exec) {
    return prefer::hypervolume_workspace(exec, options(), this->inputs());
  }
};

template <class S>
void check_all_on_cuda() {
  stream s;
  for (const auto& shape : device_shapes()) {
    volume_case<S> c(shape);
    device_call<S> d(c);
    check_on_device(s, d, c, [](auto& x) { x.check_volumes(); });
  }
  covers<S>("hypervolume", "sizes");
}

}  // namespace

TEST_CASE("volumes and facets on CUDA are their definition: objectives, sizes, layouts, groups, what is left out") {
  SUBCASE("float") { check_all_on_cuda<float>(); }
  SUBCASE("double") { check_all_on_cuda<double>(); }
  SUBCASE("half") { check_all_on_cuda<prefer::half>(); }
  SUBCASE("bfloat16") { check_all_on_cuda<prefer::bfloat16>(); }
  covers("hypervolume", "masked");
}

TEST_CASE("volumes on CUDA: sort and scan is the definition too") {
  stream s;
  for (const std::int64_t n : {1, 2, 17, 300}) {
    volume_case<double> c({.objectives = 2, .samples = n, .strided = n > 2, .excluded = n > 2, .range = 40});
    device_call<double> d(c);
    auto options = d.options();
    options.method = method::sweep;
    prefer::check(d.run(prefer::cuda{s.handle}, options));
    s.wait();
    d.fetch();
    c.check_volumes();
  }
}

TEST_CASE("volumes on CUDA: four launches and nothing else with a workspace, captured and replayed") {
  volume_case<float> c({.objectives = 4, .samples = 9, .groups = grouping::cube, .excluded = true});
  device_call<float> d(c);
  check_enqueues("hypervolume", 4, d, c, [](auto& x) { x.check_volumes(); });
}

TEST_CASE("volumes on CUDA: bad offsets, references and samples make a group NaN and are reported") {
  stream s;
  for (int what = 0; what < 4; ++what) {
    volume_case<double> c({.objectives = 3,
                           .samples = 12,
                           .groups = what == 0 ? grouping::offsets : grouping::cube,
                           .group_reference = true});
    c.offsets.at(0) = what == 0 ? 4 : c.offsets.at(0);
    c.offsets.at(1) = what == 0 ? 2 : c.offsets.at(1);
    if (what == 1) c.reference.set(1, std::numeric_limits<double>::infinity());
    if (what == 2) c.rewards.set(2, c.low(0, 2) - 1);
    if (what == 3) c.rewards.set(1, std::numeric_limits<double>::quiet_NaN());
    buffer<unsigned long long> word(1);
    word.at(0) = ~0ull;
    device<unsigned long long> report(word);
    device_call<double> d(c);
    auto options = d.options();
    options.must_bound = what == 2;
    prefer::check(
        d.run({.stream = s.handle, .report = reinterpret_cast<prefer::content_report*>(report.data())}, options));
    s.wait();
    d.fetch(), report.fetch();
    const prefer::content_report found{word.at(0)};
    const prefer::errc expected[] = {prefer::errc::bad_offsets, prefer::errc::bad_parameter,
                                     prefer::errc::bad_parameter, prefer::errc::not_a_number};
    CHECK(found.code() == expected[what]);
    CHECK(found.index() == 0);
    CHECK(std::isnan(c.hypervolume.get(0)) == (what != 3));
  }
}

TEST_CASE("volumes on CUDA: bad arguments are named") {
  stream s;
  volume_case<double> c({.objectives = 3, .samples = 6});
  device_call<double> d(c);
  auto in = d.inputs();
  in.reference.extent[0] = 2;
  const prefer::status shape = prefer::hypervolumes(prefer::cuda{s.handle}, d.options(), in, d.volume_outputs());
  CHECK(std::string(shape.argument) == "reference");
  const prefer::hypervolume swept{.objectives = c.objectives(), .method = method::sweep};
  const prefer::status no_sweep = d.run(prefer::cuda{s.handle}, swept);
  CHECK((no_sweep.code == prefer::errc::bad_parameter && std::string(no_sweep.argument) == "method"));
  covers("hypervolume", "bad-argument");
}
