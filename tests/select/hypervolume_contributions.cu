// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/select/hypervolume_contributions.cuh>
#include <select/volume_device.cuh>
#include <support/coverage.hpp>

#include <string>

using namespace prefer_test;

namespace {

using rivals = prefer::hypervolume_contribution::rivals;

template <class S>
struct device_call : device_case<S> {
  using device_case<S>::device_case;
  rivals among = rivals::front;
  prefer::hypervolume_contribution options() const { return {.objectives = this->host.objectives(), .among = among}; }
  prefer::status run(const prefer::cuda& exec) {
    return prefer::hypervolume_contributions(exec, options(), this->inputs(), this->contribution_outputs());
  }
  std::size_t workspace(const prefer::cuda& exec) {
    return prefer::hypervolume_contributions_workspace(exec, options(), this->inputs());
  }
};

template <class S>
void check_all_on_cuda() {
  stream s;
  for (const auto& shape : device_shapes())
    for (const rivals among : {rivals::front, rivals::all}) {
      volume_case<S> c(shape);
      device_call<S> d(c);
      d.among = among;
      check_on_device(s, d, c, [&](auto& x) { x.check_contributions(among == rivals::front); });
    }
  covers<S>("hypervolume_contribution", "sizes");
}

}  // namespace

TEST_CASE("contributions on CUDA are what the volume loses: objectives, sizes, layouts, groups, what is left out") {
  SUBCASE("float") { check_all_on_cuda<float>(); }
  SUBCASE("double") { check_all_on_cuda<double>(); }
  SUBCASE("half") { check_all_on_cuda<prefer::half>(); }
  SUBCASE("bfloat16") { check_all_on_cuda<prefer::bfloat16>(); }
  covers("hypervolume_contribution", "masked");
}

TEST_CASE("contributions on CUDA: five launches and nothing else with a workspace, captured and replayed") {
  volume_case<float> c({.objectives = 4, .samples = 9, .groups = grouping::cube, .excluded = true});
  device_call<float> d(c);
  check_enqueues("hypervolume_contribution", 5, d, c, [](auto& x) { x.check_contributions(true); });
}

TEST_CASE("contributions on CUDA: bad groups are NaN and reported, bad arguments named") {
  stream s;
  volume_case<double> c({.objectives = 3, .samples = 6, .groups = grouping::cube, .group_reference = true});
  c.reference.set(4, std::numeric_limits<double>::quiet_NaN());
  buffer<unsigned long long> word(1);
  word.at(0) = ~0ull;
  device<unsigned long long> report(word);
  device_call<double> d(c);
  prefer::check(d.run({.stream = s.handle, .report = reinterpret_cast<prefer::content_report*>(report.data())}));
  s.wait();
  d.fetch(), report.fetch();
  const prefer::content_report found{word.at(0)};
  CHECK((found.code() == prefer::errc::bad_parameter && found.index() == 1));
  for (std::int64_t i = 0; i < 18; ++i) CHECK(std::isnan(c.contribution.get(i)) == (i / 6 == 1));
  CHECK(c.least.at(1) == -1);
  auto out = d.contribution_outputs();
  out.least.type = prefer::element::f32;
  const prefer::status bad = prefer::hypervolume_contributions(prefer::cuda{s.handle}, d.options(), d.inputs(), out);
  CHECK(std::string(bad.argument) == "least");
  covers("hypervolume_contribution", "bad-argument");
}
