// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/thread_pool.hpp>
#include <select/volume_case.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>

#include <functional>
#include <string>

using namespace prefer;
using prefer_test::covers;
using prefer_test::volume_case;

namespace {

using inputs = hypervolume_inputs<space::host>;
using outputs = subset_outputs<space::host>;
using change_arguments = std::function<void(inputs&, outputs&, hypervolume_subset&)>;

struct call {
  cpu exec = {};
  hypervolume_subset options = {};
  std::vector<char> memory = {};

  status operator()(const inputs& in, const outputs& out) {
    memory.resize(hypervolume_subsets_workspace(exec, options, in) + 1);
    exec.workspace = {memory.data() + 1, memory.size() - 1};  // at any address
    return hypervolume_subsets(exec, options, in, out);
  }
};

template <class S>
void check_all() {
  for (const auto& shape : prefer_test::volume_shapes())
    for (const isa level : prefer_test::levels()) {
      volume_case<S> c(shape);
      call run{.exec = {.isa = level}, .options = {.size = c.picks, .objectives = c.objectives()}};
      check(run(c.inputs(), c.subset_outputs()));
      c.check_subsets();
    }
  covers<S>("hypervolume_subset", "sizes");
}

}  // namespace

TEST_CASE("every pick is the first of those that add most: objectives, sizes, layouts, groups, what is left out") {
  SUBCASE("float") { check_all<float>(); }
  SUBCASE("double") { check_all<double>(); }
  SUBCASE("half") { check_all<half>(); }
  SUBCASE("bfloat16") { check_all<bfloat16>(); }
  covers("hypervolume_subset", "masked"), covers("hypervolume_subset", "strides");
}

TEST_CASE("by hand: the middle of a step is picked first, then what adds most, then nothing that adds nothing") {
  const double x[] = {5, 1, 4, 4, 1, 5, 3, 3, 4, 4}, low[] = {0, 0};
  std::int64_t index[5];
  double gain[5], volume = 0;
  call run{.options = {.size = 5}};
  check(run({.samples = {.rewards = {x, 5, 2}}, .reference = {low, 2}},
            {.indices = {index, 1, 5}, .gain = {gain, 1, 5}, .hypervolume = {&volume, 1}}));
  const std::int64_t picked[] = {1, 0, 2, -1, -1};
  const double added[] = {16, 1, 1, 0, 0};
  for (int i = 0; i < 5; ++i) CHECK((index[i] == picked[i] && gain[i] == added[i]));
  CHECK(volume == 18);
  covers("hypervolume_subset", "golden");
}

TEST_CASE("identities: gains descend, add up to the volume of the picks, and all picks to that of the set") {
  for (int k = 2; k <= 6; ++k) {
    constexpr std::int64_t n = 40;
    const std::vector<double> x = prefer_test::sphere(n, k, 3), low(static_cast<std::size_t>(k), 1.1);
    const std::vector<direction> down(static_cast<std::size_t>(k), direction::minimize);
    const objectives o{.directions = {down.data(), k}};
    const inputs in{.samples = {.rewards = {x.data(), n, k}}, .reference = {low.data(), k}};
    std::vector<double> gain(n);
    std::vector<std::int64_t> index(n);
    double volume = 0, whole = 0, sum = 0;
    call run{.options = {.size = n, .objectives = o}};
    check(run(in, {.indices = {index.data(), 1, n}, .gain = {gain.data(), 1, n}, .hypervolume = {&volume, 1}}));
    std::vector<char> memory(hypervolume_workspace(cpu{}, {}, in));
    check(hypervolumes(cpu{.workspace = {memory.data(), memory.size()}}, {.objectives = o}, in,
                       {.hypervolume = {&whole, 1}}));
    for (std::size_t i = 0; i < n; ++i) {
      if (i > 0) CHECK(gain[i] <= gain[i - 1] * (1 + 1e-12));
      sum += gain[i];
    }
    CHECK(sum == volume);
    CHECK(volume == doctest::Approx(whole).epsilon(1e-12));
    std::sort(index.begin(), index.end());
    for (std::size_t i = 0; i < n; ++i) CHECK(index[i] == static_cast<std::int64_t>(i));
  }
  covers("hypervolume_subset", "identity");
}

TEST_CASE("subsets: the same bits for any threads; nothing allocated; never too little workspace") {
  for (int k = 1; k <= 5; ++k) {
    volume_case<float> c({.objectives = k, .samples = 60, .groups = prefer_test::grouping::cube, .range = 1000});
    const auto run_all = [&](const cpu& exec) {
      call run{.exec = exec, .options = {.size = c.picks, .objectives = c.objectives()}};
      check(run(c.inputs(), c.subset_outputs()));
      return std::vector{c.indices.bytes(), c.gain.bytes(), c.hypervolume.bytes()};
    };
    const auto expected = run_all({});
    for (const int threads : {1, 2, 3, 8}) {
      thread_pool pool(threads);
      CHECK(run_all({.pool = pool}) == expected);
    }
    call run{.options = {.size = c.picks, .objectives = c.objectives()}};
    check(run(c.inputs(), c.subset_outputs()));
    const auto in = c.inputs();
    const auto out = c.subset_outputs();
    const long before = prefer_test::allocation_count();
    const status s = hypervolume_subsets(run.exec, run.options, in, out);
    CHECK(prefer_test::allocation_count() == before);
    CHECK(s.ok());
    run.exec.workspace.bytes -= 1;
    CHECK(hypervolume_subsets(run.exec, run.options, in, out).code == errc::small_workspace);
  }
  covers("hypervolume_subset", "threads"), covers("hypervolume_subset", "allocation");
}

TEST_CASE("every bad argument of subsets is named, and nothing is written") {
  volume_case<double> c({.objectives = 3, .samples = 6, .groups = prefer_test::grouping::offsets});
  const auto bytes = c.indices.bytes();
  const auto fails = [&](errc code, const char* argument, const change_arguments& change) {
    auto in = c.inputs();
    auto out = c.subset_outputs();
    call run{.options = {.size = c.picks, .objectives = c.objectives()}};
    change(in, out, run.options);
    const status s = run(in, out);
    INFO(message(s).c_str());
    CHECK((s.code == code && std::string(s.argument) == argument));
    CHECK(c.indices.bytes() == bytes);
  };
  using options = hypervolume_subset;
  fails(errc::bad_parameter, "size", [](inputs&, outputs&, options& o) { o.size = 0; });
  fails(errc::missing_input, "reference", [](inputs& in, outputs&, options&) { in.reference = {}; });
  fails(errc::missing_output, "outputs", [](inputs&, outputs& out, options&) { out = {}; });
  fails(errc::bad_element, "indices", [](inputs&, outputs& out, options&) { out.indices.type = element::f64; });
  fails(errc::bad_extent, "indices", [](inputs&, outputs& out, options&) { out.indices.extent[1] = 3; });
  fails(errc::bad_extent, "gain", [](inputs&, outputs& out, options&) { out.gain.extent[0] = 2; });
  fails(errc::bad_extent, "hypervolume", [](inputs&, outputs& out, options&) { out.hypervolume.extent[0] = 4; });
  fails(errc::overlap, "hypervolume",
        [&](inputs&, outputs& out, options&) { out.hypervolume.data = c.gain.data(); });
  c.rewards.set(4, std::numeric_limits<double>::quiet_NaN());
  fails(errc::not_a_number, "rewards", [](inputs&, outputs&, options&) {});
  covers("hypervolume_subset", "bad-argument");
}
