// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <select/pairs.hpp>
#include <support/allocations.hpp>

using namespace prefer;
using namespace prefer_test;

TEST_CASE("the first factor that differs by more than its margin decides") {
  SUBCASE("float") { check_hierarchy<float, host_side>(); }
  SUBCASE("double") { check_hierarchy<double, host_side>(); }
  SUBCASE("half") { check_hierarchy<half, host_side>(); }
  SUBCASE("bfloat16") { check_hierarchy<bfloat16, host_side>(); }
}

namespace {

// Whether i is preferred to j: 1, 0, or 1/2.
double preferred(const std::vector<double>& factors, const std::vector<double>& margins, int i, int j) {
  double label = -1;
  const auto l = static_cast<std::int64_t>(margins.size());
  check(compare_hierarchically(cpu{},
                               {.factors = {factors.data(), static_cast<std::int64_t>(factors.size()) / l, l},
                                .margins = {margins.data(), l},
                                .first = {&i, 1},
                                .second = {&j, 1}},
                               {.label = {&label, 1}}));
  return label;
}

}  // namespace

TEST_CASE("with margins the comparator is not transitive: A beats B, B beats C, C beats A") {
  covers("hierarchical_comparator", "identity");
  const std::vector<double> factors = {0, 2, 0.6, 1, 1.2, 0}, margins = {1, 0};
  CHECK(preferred(factors, margins, 0, 1) == 1);  // by the second factor
  CHECK(preferred(factors, margins, 1, 2) == 1);  // by the second factor
  CHECK(preferred(factors, margins, 2, 0) == 1);  // by the first
  // Without margins it is the lexicographic order.
  const std::vector<double> none = {0, 0};
  CHECK((preferred(factors, none, 1, 0) == 1 && preferred(factors, none, 2, 1) == 1 &&
         preferred(factors, none, 2, 0) == 1));
}

TEST_CASE("exchanging the sides of a pair exchanges the label; a margin that is met exactly does not decide") {
  const std::vector<double> factors = {0, 1, 1, 1, not_a_number, 3}, margins = {1, 0.5};
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j) CHECK(preferred(factors, margins, i, j) + preferred(factors, margins, j, i) == 1);
  CHECK(preferred(factors, margins, 0, 1) == 0.5);
  CHECK(preferred(factors, margins, 2, 1) == 1);  // a NaN decides nothing: the next factor does
}

TEST_CASE("comparisons: the same bits for any threads, nothing allocated; what is wrong is named") {
  constexpr std::int64_t n = 40000;
  std::vector<float> factors(300), label(n), again(n);
  std::vector<std::int32_t> first(n), second(n);
  noise random(3);
  for (float& x : factors) x = static_cast<float>(std::floor(random.uniform(0, 3)));
  for (std::size_t p = 0; p < first.size(); ++p)
    first[p] = static_cast<std::int32_t>(p % 100), second[p] = static_cast<std::int32_t>(p * 13 % 100);
  const hierarchy_inputs<space::host> in = {
      .factors = {factors.data(), 100, 3}, .first = {first.data(), n}, .second = {second.data(), n}};
  const long before = allocation_count();
  const status s = compare_hierarchically(cpu{}, in, {.label = {label.data(), n}});
  CHECK(allocation_count() == before);
  CHECK(s.ok());
  for (int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    check(compare_hierarchically(cpu{.pool = pool}, in, {.label = {again.data(), n}}));
    CHECK(label == again);
  }
  covers("hierarchical_comparator", "threads"), covers("hierarchical_comparator", "allocation");
  const auto refused = [&](auto change) {
    auto bad = in;
    change(bad);
    return refused_argument(compare_hierarchically(cpu{}, bad, {.label = {label.data(), n}}));
  };
  CHECK(refused([](auto& x) { x.factors = {}; }) == "factors");
  CHECK(refused([](auto& x) { x.factors.extent[1] = 0; }) == "factors");
  CHECK(refused([](auto& x) { x.first = {}; }) == "first");
  CHECK(refused([](auto& x) { x.second = {}; }) == "second");
  CHECK(refused([](auto& x) { x.second.extent[0] = 3; }) == "second");
  CHECK(refused([&](auto& x) { x.margins = {factors.data(), 2}; }) == "margins");
  CHECK(refused([&](auto& x) { x.signs = {factors.data(), 4}; }) == "signs");
  CHECK(refused_argument(compare_hierarchically(cpu{}, in, {})) == "outputs");
  first[7] = 100;
  CHECK(refused([](auto&) {}) == "first");
  first[7] = 0, second[9] = -1;
  CHECK(refused([](auto&) {}) == "second");
  covers("hierarchical_comparator", "bad-argument");
}

TEST_CASE("margins are standard deviations of the factors over the buffer, NaN and mask left out") {
  SUBCASE("float") { check_margins<float, host_side>(); }
  SUBCASE("double") { check_margins<double, host_side>(); }
  SUBCASE("half") { check_margins<half, host_side>(); }
  SUBCASE("bfloat16") { check_margins<bfloat16, host_side>(); }
}

TEST_CASE("margins: shifts leave them alone and scales multiply them; threads, workspace, errors") {
  constexpr std::int64_t n = 5000, l = 7;
  std::vector<double> x(n * l), y(n * l), a(l), b(l);
  noise random(4);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::floor(random.uniform(0, 64)), y[i] = 4 * x[i] + 1024;
  std::vector<char> memory(hierarchical_margins_workspace(l));
  cpu exec{.workspace = {memory.data(), memory.size()}};
  const margin_inputs<space::host> in = {.factors = {x.data(), n, l}};
  const long before = allocation_count();
  const status s = hierarchical_margins(exec, {}, in, {.margins = {a.data(), l}});
  CHECK(allocation_count() == before);
  CHECK(s.ok());
  check(hierarchical_margins(exec, {.scale = 0.25}, {.factors = {y.data(), n, l}}, {.margins = {b.data(), l}}));
  for (std::size_t k = 0; k < l; ++k) CHECK(b[k] == doctest::Approx(a[k]).epsilon(1e-12));
  for (const int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    exec.pool = pool;
    check(hierarchical_margins(exec, {}, in, {.margins = {b.data(), l}}));
    CHECK(a == b);
  }
  CHECK(refused_argument(hierarchical_margins(exec, {.scale = -1.0}, in, {.margins = {a.data(), l}})) == "scale");
  CHECK(refused_argument(hierarchical_margins(exec, {}, {}, {.margins = {a.data(), l}})) == "factors");
  CHECK(refused_argument(hierarchical_margins(exec, {}, in, {})) == "margins");
  CHECK(refused_argument(hierarchical_margins(exec, {}, in, {.margins = {a.data(), 3}})) == "margins");
  CHECK(refused_argument(hierarchical_margins(cpu{}, {}, in, {.margins = {a.data(), l}})) == "exec.workspace.bytes");
  for (const char* tag : {"identity", "threads", "allocation", "bad-argument"}) covers("hierarchical_margins", tag);
}
