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

using method = hypervolume::algorithm;
using rivals = hypervolume_contribution::rivals;
using inputs = hypervolume_inputs<space::host>;
using outputs = contribution_outputs<space::host>;
using change_arguments = std::function<void(inputs&, outputs&, hypervolume_contribution&)>;
constexpr double infinite = std::numeric_limits<double>::infinity();

struct call {
  cpu exec = {};
  hypervolume_contribution options = {};
  std::vector<char> memory = {};

  status operator()(const inputs& in, const outputs& out) {
    memory.resize(hypervolume_contributions_workspace(exec, options, in) + 1);
    exec.workspace = {memory.data() + 1, memory.size() - 1};  // at any address
    return hypervolume_contributions(exec, options, in, out);
  }
};

std::vector<double> contributions_of(const std::vector<double>& x, int k, double reference,
                                     const hypervolume_contribution& options = {}) {
  const std::int64_t n = static_cast<std::int64_t>(x.size()) / k;
  std::vector<double> share(static_cast<std::size_t>(n), -1);
  const std::vector<double> low(static_cast<std::size_t>(k), reference);
  call run{.options = options};
  check(run({.samples = {.rewards = {x.data(), n, k}}, .reference = {low.data(), k}},
            {.contribution = {share.data(), n}}));
  return share;
}

constexpr direction down[8] = {direction::minimize, direction::minimize, direction::minimize, direction::minimize,
                               direction::minimize, direction::minimize, direction::minimize, direction::minimize};
hypervolume_contribution minimized(int k, method m = method::automatic, rivals among = rivals::front) {
  return {.objectives = {.directions = {down, k}}, .method = m, .among = among};
}

template <class S>
void check_all() {
  for (const auto& shape : prefer_test::volume_shapes())
    for (const isa level : prefer_test::levels())
      for (const method m : {method::automatic, method::slices})
        for (const rivals among : {rivals::front, rivals::all}) {
          volume_case<S> c(shape);
          call run{.exec = {.isa = level}, .options = {.objectives = c.objectives(), .method = m, .among = among}};
          check(run(c.inputs(), c.contribution_outputs()));
          c.check_contributions(among == rivals::front);
        }
  covers<S>("hypervolume_contribution", "sizes");
}

}  // namespace

TEST_CASE("contributions are what the volume loses: objectives, sizes, layouts, groups, directions, what is left out") {
  SUBCASE("float") { check_all<float>(); }
  SUBCASE("double") { check_all<double>(); }
  SUBCASE("half") { check_all<half>(); }
  SUBCASE("bfloat16") { check_all<bfloat16>(); }
  covers("hypervolume_contribution", "masked"), covers("hypervolume_contribution", "strides");
}

TEST_CASE("by hand: steps, a dominated sample, equal ones") {
  using doubles = std::vector<double>;
  const doubles x = {1, 0, 0.5, 0.5, 0, 1, 1.5, 0.75};
  CHECK(contributions_of(x, 2, 2, minimized(2)) == doubles{0.5, 0.25, 0.5, 0});
  // (2, 2) hides (1, 1) from nobody's view but takes nothing from it among the front.
  CHECK(contributions_of({2, 2, 1, 1}, 2, 0) == doubles{4, 0});
  CHECK(contributions_of({2, 2, 1, 1}, 2, 0, {.among = rivals::all}) == doubles{3, 0});
  CHECK(contributions_of({2, 2, 3, 1, 2, 2}, 2, 0) == doubles{0, 1, 0});
  CHECK(contributions_of({4, 9, 2}, 1, 1) == doubles{0, 8, 0});
  CHECK(contributions_of({4, 9, 2}, 1, 1, {.among = rivals::all}) == doubles{0, 5, 0});
  CHECK(contributions_of({4, 9, 9}, 1, 1) == doubles{0, 0, 0});
  // Three boxes of 6 of which each shares 2 with both others and 1 with all: 6 - 2 - 2 + 1.
  CHECK(contributions_of({1, 2, 3, 2, 3, 1, 3, 1, 2}, 3, 4, minimized(3)) == doubles{3, 3, 3});
  covers("hypervolume_contribution", "golden");
}

TEST_CASE("thousands of small sets of three objectives: sweeps, slices and the definition agree") {
  std::mt19937 random(2);
  for (int t = 0; t < 3000; ++t) {
    const auto n = static_cast<std::int64_t>(1 + random() % 12);
    const auto range = static_cast<unsigned>(2 + random() % 9);
    std::vector<double> x;
    prefer_test::point_set s;
    for (std::int64_t i = 0; i < n; ++i) {
      std::vector<double> p;
      for (int k = 0; k < 3; ++k) p.push_back(1 + static_cast<double>(random() % range));
      if (t % 2 == 0) p[2] = 2 * range + 1 - p[0] - p[1];  // on a plane, nothing dominated
      s.push_back(p), x.insert(x.end(), p.begin(), p.end());
    }
    const auto expected = prefer_test::brute_contributions(s, 3, true);
    CHECK(contributions_of(x, 3, 0) == expected);
    CHECK(contributions_of(x, 3, 0, {.method = method::slices}) == expected);
  }
}

TEST_CASE("identities: contributions are differences of volumes, scale with them, and do not see the order") {
  for (int k = 2; k <= 7; ++k) {
    const std::int64_t n = k < 6 ? 60 : 25;
    const std::vector<double> x = prefer_test::sphere(n, k, 21), low(static_cast<std::size_t>(k), 1.1);
    const auto share = contributions_of(x, k, 1.1, minimized(k));
    std::vector<unsigned char> there(static_cast<std::size_t>(n), 1);
    const hypervolume options{.objectives = {.directions = {down, k}}};
    const inputs in{.samples = {.rewards = {x.data(), n, k}, .mask = {there.data(), n}}, .reference = {low.data(), k}};
    std::vector<char> memory(hypervolume_workspace(cpu{}, options, in));
    const auto volume = [&] {
      double v = 0;
      check(hypervolumes(cpu{.workspace = {memory.data(), memory.size()}}, options, in, {.hypervolume = {&v, 1}}));
      return v;
    };
    const double whole = volume();
    for (std::size_t i = 0; i < there.size(); ++i) {
      there[i] = 0;
      CHECK(share[i] == doctest::Approx(whole - volume()).epsilon(1e-9).scale(whole * 1e-6));
      there[i] = 1;
    }
    std::vector<double> scaled = x, reversed;
    for (double& e : scaled) e *= 4;
    for (std::int64_t i = n; i-- > 0;) reversed.insert(reversed.end(), x.begin() + i * k, x.begin() + (i + 1) * k);
    const auto of_scaled = contributions_of(scaled, k, 4.4, minimized(k));
    const auto of_reversed = contributions_of(reversed, k, 1.1, minimized(k));
    const auto by_slices = contributions_of(x, k, 1.1, minimized(k, method::slices));
    const auto among_all = contributions_of(x, k, 1.1, minimized(k, method::automatic, rivals::all));
    for (std::size_t i = 0; i < share.size(); ++i) {
      CHECK(share[i] > 0);
      const auto like = doctest::Approx(share[i]).epsilon(1e-9).scale(whole * 1e-6);
      CHECK(of_scaled[i] / std::pow(4, k) == like);
      CHECK(of_reversed[share.size() - 1 - i] == like);
      CHECK((by_slices[i] == like && among_all[i] == like));
    }
  }
  covers("hypervolume_contribution", "identity");
}

TEST_CASE("large sets of two and three objectives: sweep and slices agree, and dominated samples change nothing") {
  for (int k = 2; k <= 3; ++k) {
    constexpr std::int64_t n = 3000;
    std::vector<double> x = prefer_test::sphere(n, k, 9);
    const auto share = contributions_of(x, k, 1.1, minimized(k));
    const auto slices = contributions_of(x, k, 1.1, minimized(k, method::slices));
    for (std::size_t i = 0; i < share.size(); ++i)
      CHECK(slices[i] == doctest::Approx(share[i]).epsilon(1e-9).scale(1e-6));
    for (std::int64_t i = 0; i < n * k; ++i) x.push_back(x[static_cast<std::size_t>(i)] + 0.01);
    auto more = contributions_of(x, k, 1.1, minimized(k));
    for (std::size_t i = n; i < 2 * n; ++i) CHECK(more[i] == 0);
    more.resize(n);
    CHECK(more == share);
  }
}

TEST_CASE("infinite rewards: an unbounded contribution unless another sample reaches as far") {
  for (const method m : {method::automatic, method::slices})
    for (int k = 2; k <= 5; ++k) {
      std::vector<double> x(static_cast<std::size_t>(3 * k), 2);
      x[0] = infinite, x[1] = 1;
      for (int j = 0; j < k; ++j) x[static_cast<std::size_t>(2 * k + j)] = -infinite;
      const auto share = contributions_of(x, k, 0, {.method = m});
      CHECK(share == std::vector<double>{infinite, std::pow(2, k - 1), 0});
      x[static_cast<std::size_t>(2 * k)] = infinite;
      for (int j = 1; j < k; ++j) x[static_cast<std::size_t>(2 * k + j)] = j == 1 ? 1 : 2;
      CHECK(contributions_of(x, k, 0, {.method = m}) == std::vector<double>{0, std::pow(2, k - 1), 0});
    }
}

TEST_CASE("the same bits for any threads; nothing allocated; never too little workspace") {
  for (int k = 1; k <= 6; ++k)
    for (const rivals among : {rivals::front, rivals::all}) {
      volume_case<float> many({.objectives = k, .samples = 40, .groups = prefer_test::grouping::cube, .range = 1000});
      volume_case<double> one({.objectives = k, .samples = k < 6 ? 150 : 70, .range = 100000});
      const auto run_both = [&](const cpu& exec) {
        call run{.exec = exec, .options = {.objectives = one.objectives(), .among = among}};
        check(run(one.inputs(), one.contribution_outputs()));
        check(run(many.inputs(), many.contribution_outputs()));
        return std::vector{one.contribution.bytes(), one.least.bytes(), many.contribution.bytes()};
      };
      const auto expected = run_both({});
      for (const int threads : {1, 2, 3, 8}) {
        thread_pool pool(threads);
        CHECK(run_both({.pool = pool}) == expected);
      }
      call run{.options = {.objectives = one.objectives(), .among = among}};
      check(run(one.inputs(), one.contribution_outputs()));
      const auto in = one.inputs();
      const auto out = one.contribution_outputs();
      const long before = prefer_test::allocation_count();
      const status s = hypervolume_contributions(run.exec, run.options, in, out);
      CHECK(prefer_test::allocation_count() == before);
      CHECK(s.ok());
      run.exec.workspace.bytes -= 1;
      CHECK(hypervolume_contributions(run.exec, run.options, in, out).code == errc::small_workspace);
    }
  covers("hypervolume_contribution", "threads"), covers("hypervolume_contribution", "allocation");
}

TEST_CASE("every bad argument of contributions is named, and nothing is written") {
  volume_case<double> c({.objectives = 3, .samples = 6, .groups = prefer_test::grouping::offsets});
  const auto bytes = c.contribution.bytes();
  const auto fails = [&](errc code, const char* argument, const change_arguments& change) {
    auto in = c.inputs();
    auto out = c.contribution_outputs();
    call run{.options = {.objectives = c.objectives()}};
    change(in, out, run.options);
    const status s = run(in, out);
    INFO(message(s).c_str());
    CHECK((s.code == code && std::string(s.argument) == argument));
    CHECK(c.contribution.bytes() == bytes);
  };
  using options = hypervolume_contribution;
  fails(errc::missing_input, "reference", [](inputs& in, outputs&, options&) { in.reference = {}; });
  fails(errc::missing_output, "outputs", [](inputs&, outputs& out, options&) { out = {}; });
  fails(errc::bad_extent, "contribution", [](inputs&, outputs& out, options&) { out.contribution.extent[0] = 5; });
  fails(errc::bad_element, "least", [](inputs&, outputs& out, options&) { out.least.type = element::f64; });
  fails(errc::bad_extent, "least", [](inputs&, outputs& out, options&) { out.least.extent[0] = 2; });
  fails(errc::overlap, "contribution",
        [&](inputs&, outputs& out, options&) { out.contribution.data = c.rewards.data(); });
  fails(errc::bad_parameter, "among", [](inputs&, outputs&, options& o) { o.among = static_cast<rivals>(5); });
  fails(errc::bad_parameter, "method",
        [](inputs&, outputs&, options& o) { o.method = method::sweep, o.among = rivals::all; });
  c.offsets.at(2) = 0;
  fails(errc::bad_offsets, "offsets", [](inputs&, outputs&, options&) {});
  c.offsets.at(2) = 3;
  c.rewards.set(4, std::numeric_limits<double>::quiet_NaN());
  fails(errc::not_a_number, "rewards", [](inputs&, outputs&, options&) {});
  fails(errc::bad_parameter, "rewards", [](inputs&, outputs&, options& o) {
    o.objectives.nan = nan_policy::worst, o.must_bound = true;
  });
  covers("hypervolume_contribution", "bad-argument");
}
