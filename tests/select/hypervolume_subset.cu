// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/select/hypervolume_subset.cuh>
#include <select/volume_device.cuh>
#include <support/coverage.hpp>

#include <array>
#include <cstdint>
#include <string>

using namespace prefer_test;

namespace {

template <class S>
struct device_call : device_case<S> {
  using device_case<S>::device_case;
  prefer::hypervolume_subset options() const {
    return {.size = this->host.picks, .objectives = this->host.objectives()};
  }
  prefer::status run(const prefer::cuda& exec) {
    return prefer::hypervolume_subsets(exec, options(), this->inputs(), this->subset_outputs());
  }
  std::size_t workspace(const prefer::cuda& exec) {
    return prefer::hypervolume_subsets_workspace(exec, options(), this->inputs());
  }
};

template <class S>
void check_all_on_cuda() {
  stream s;
  for (const auto& shape : device_shapes()) {
    volume_case<S> c(shape);
    device_call<S> d(c);
    check_on_device(s, d, c, [](auto& x) { x.check_subsets(); });
  }
  covers<S>("hypervolume_subset", "sizes");
}

}  // namespace

TEST_CASE("subsets on CUDA: every pick is the first of those that add most") {
  SUBCASE("float") { check_all_on_cuda<float>(); }
  SUBCASE("double") { check_all_on_cuda<double>(); }
  SUBCASE("half") { check_all_on_cuda<prefer::half>(); }
  SUBCASE("bfloat16") { check_all_on_cuda<prefer::bfloat16>(); }
  covers("hypervolume_subset", "masked");
}

TEST_CASE("subsets on CUDA: three launches and two per pick with a workspace, captured and replayed") {
  volume_case<float> c({.objectives = 4, .samples = 9, .groups = grouping::cube, .excluded = true});
  device_call<float> d(c);
  check_enqueues("hypervolume_subset", 3 + 2 * static_cast<int>(c.picks), d, c, [](auto& x) { x.check_subsets(); });
}

TEST_CASE("workspaces of volumes, contributions and subsets on CUDA grow with the elements") {
  stream s;
  const prefer::cuda exec{s.handle};
  device_workspace somewhere(64);  // sizes come from shapes: nothing is read
  const auto* const numbers = static_cast<const float*>(somewhere.get().data);
  constexpr double scratch = 64 << 20;  // from four objectives on, or what one thread needs: n K^2 numbers
  for (const std::int64_t groups : {1, 16384})
    for (const std::int64_t k : {1, 2, 3, 4, 8}) {
      const auto bytes_of = [&](std::int64_t n) {
        const prefer::hypervolume_inputs<prefer::space::device> in{
            .samples = {.reward_groups = {numbers, groups, n / groups, k}}, .reference = {numbers, k}};
        const auto number = [](std::size_t bytes) { return static_cast<double>(bytes); };
        return std::array<double, 3>{number(prefer::hypervolume_workspace(exec, {}, in)),
                                     number(prefer::hypervolume_contributions_workspace(exec, {}, in)),
                                     number(prefer::hypervolume_subsets_workspace(exec, {.size = 4}, in))};
      };
      constexpr std::int64_t n = 1 << 20;
      const auto once = bytes_of(n), twice = bytes_of(2 * n);
      for (std::size_t call = 0; call < once.size(); ++call) {
        CAPTURE(groups);
        CAPTURE(k);
        CAPTURE(call);
        CHECK(once[call] < static_cast<double>(n * (8 * k * (k < 4 ? 1 : 1 + k) + 128)) + scratch);
        CHECK(twice[call] < 2.01 * once[call] + scratch);
      }
    }
}

TEST_CASE("subsets on CUDA: bad groups are NaN and reported, bad arguments named") {
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
  for (std::int64_t b = 0; b < 3; ++b) CHECK(std::isnan(c.hypervolume.get(b)) == (b == 1));
  CHECK((c.indices.at(c.picks) == -1 && std::isnan(c.gain.get(c.picks))));
  auto options = d.options();
  options.size = -1;
  const prefer::status bad =
      prefer::hypervolume_subsets(prefer::cuda{s.handle}, options, d.inputs(), d.subset_outputs());
  CHECK(std::string(bad.argument) == "size");
  covers("hypervolume_subset", "bad-argument");
}
