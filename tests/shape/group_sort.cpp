// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <shape/group_sort_checks.hpp>
#include <support/allocations.hpp>

using namespace prefer_test;
using prefer::cpu;
using prefer::errc;
using prefer::group_sort;
using prefer::propagate_group_sort;
using prefer::sort_groups;
using prefer::space;

TEST_CASE("units are sorted within groups, stably, NaN last, and derivatives go back where they came from") {
  SUBCASE("float") { check_group_sort<float, host_side>(); }
  SUBCASE("double") { check_group_sort<double, host_side>(); }
  SUBCASE("half") { check_group_sort<prefer::half, host_side>(); }
  SUBCASE("bfloat16") { check_group_sort<prefer::bfloat16, host_side>(); }
}

TEST_CASE("sorting brings no two samples further apart, in any norm, and gradients keep their length") {
  for (std::int64_t size : {2, 3, 12}) {
    layer<double> x = make_layer<double>(60, 12, 5), y(60, 12);
    prefer::check(sort_groups(cpu{}, {.size = size}, {x.read()}, {.sorted = y.write()}));
    for (std::int64_t i = 1; i < 60; ++i)
      for (int p : {1, 2, 3, 50}) {  // 50: nearly the largest
        double before = 0, after = 0;
        for (std::int64_t j = 0; j < 12; ++j) {
          before += std::pow(std::fabs(x.get(i, j) - x.get(i - 1, j)), p);
          after += std::pow(std::fabs(y.get(i, j) - y.get(i - 1, j)), p);
        }
        CHECK(after <= before * (1 + 1e-13));
      }
  }
}

TEST_CASE("the gradient is that of finite differences; MaxMin is a group of two") {
  layer<double> x = make_layer<double>(3, 6, 6), y(3, 6), g = make_layer<double>(3, 6, 7), by_x(3, 6);
  layer<std::int64_t> index(3, 6);
  for (std::int64_t size : {1, 2, 3}) {
    const group_sort o{.size = size, .descending = true};
    const auto objective = [&] {
      prefer::check(sort_groups(cpu{}, o, {x.read()}, {y.write(), index.write()}));
      double sum = 0;
      for (std::int64_t i = 0; i < 3; ++i)
        for (std::int64_t j = 0; j < 6; ++j) sum += g.get(i, j) * y.get(i, j);
      return sum;
    };
    objective();
    if (size == 2)
      for (std::int64_t j = 0; j < 6; j += 2)
        CHECK((y.get(1, j) == std::max(x.get(1, j), x.get(1, j + 1)) &&
               y.get(1, j + 1) == std::min(x.get(1, j), x.get(1, j + 1))));
    prefer::check(propagate_group_sort(cpu{}, o, {g.read(), index.read()}, {by_x.write()}));
    for (std::int64_t i = 0; i < 3; ++i)
      for (std::int64_t j = 0; j < 6; ++j) {
        const double at = x.get(i, j), h = 1e-7;
        x.set(i, j, at + h);
        const double above = objective();
        x.set(i, j, at - h);
        const double below = objective();
        x.set(i, j, at);
        CHECK(std::fabs((above - below) / (2 * h) - by_x.get(i, j)) < 1e-6);
      }
  }
  covers("group_sort", "identity");
}

TEST_CASE("indices that are no permutation: units that several name get the sum, others nothing; outside is an error") {
  layer<float> g(1, 4), by_x(1, 4);
  layer<std::int32_t> index(1, 4);
  g.fill([](std::int64_t, std::int64_t j) { return static_cast<double>(j) + 1; });
  for (int j : {0, 1, 2, 3}) index.of.at(j) = j < 2 ? 1 : 5 - j;
  const auto run = [&](prefer::content level) {
    return propagate_group_sort(cpu{.content = level}, {}, {g.read(), index.read()}, {by_x.write()});
  };
  prefer::check(run(prefer::content::structure));
  CHECK(by_x.values() == std::vector<double>{0, 3, 4, 3});
  index.of.at(2) = 1;
  const prefer::status s = run(prefer::content::structure);
  CHECK((s.code == errc::bad_index && s.index == 2 && s.got == 1 && refused_argument(s) == "index"));
  prefer::check(run(prefer::content::none));
  CHECK(by_x.values() == std::vector<double>{0, 3, 4, 0});
}

TEST_CASE("the same bits at every level of instructions") {
  for (std::int64_t size : {2, 5, 8, 32}) {
    const layer<float> x = make_units<float>(4, 320);
    layer<float> units = x, y(4, 320);
    layer<std::int32_t> index(4, 320);
    std::vector<double> first;
    for (prefer::isa level : levels()) {
      prefer::check(sort_groups(cpu{.isa = level}, {.size = size}, {units.read()}, {y.write(), index.write()}));
      std::vector<double> now;
      for (double one : y.values()) now.push_back(std::isnan(one) ? 1e9 : std::copysign(1.0, one) + 4 * one);
      for (double one : index.values()) now.push_back(one);
      if (first.empty()) first = now;
      CHECK(now == first);
    }
  }
}

TEST_CASE("the same bits for any threads; large groups use the workspace, small ones nothing") {
  for (std::int64_t size : {4, 100}) {
    layer<float> x = make_layer<float>(300, 400, 8, 0), y(300, 400);
    layer<std::int32_t> index(300, 400);
    std::vector<char> memory(prefer::sort_groups_workspace({.size = size}, 300, 400));
    CHECK(memory.empty() == (size == 4));
    const auto run = [&](const prefer::task_runner& pool, std::size_t bytes) {
      prefer::workspace lent;
      if (bytes > 0) lent = {memory.data(), bytes};
      return sort_groups(cpu{.pool = pool, .workspace = lent}, {.size = size}, {x.read()}, {y.write(), index.write()});
    };
    const long before = allocation_count();
    prefer::check(run({}, memory.size()));
    CHECK(allocation_count() == before);
    const auto expected = y.of.bytes(), places = index.of.bytes();
    for (int threads : {2, 3, 8}) {
      prefer::thread_pool pool(threads);
      prefer::check(run(pool, memory.size()));
      CHECK((y.of.bytes() == expected && index.of.bytes() == places));
    }
    if (size > 32) CHECK(run({}, memory.size() - 1).code == errc::small_workspace);
  }
  for (const char* tag : {"threads", "allocation"}) covers("group_sort", tag);
}

TEST_CASE("what is wrong with a sort is named, and nothing is written") {
  layer<float> x = make_layer<float>(4, 6, 1), y(4, 6);
  layer<std::int32_t> index(4, 6);
  const auto refused = [&](errc code, const char* argument, std::int64_t size, auto change) {
    prefer::group_sort_inputs<space::host> in{x.read()};
    prefer::group_sort_outputs<space::host> out{y.write(), index.write()};
    change(in, out);
    const prefer::status s = sort_groups(cpu{}, {.size = size}, in, out);
    CHECK(s.code == code);
    CHECK(refused_argument(s) == argument);
  };
  const auto nothing = [](auto&, auto&) {};
  refused(errc::bad_parameter, "size", 0, nothing);
  refused(errc::bad_extent, "x", 4, nothing);
  refused(errc::missing_input, "x", 2, [](auto& in, auto&) { in = {}; });
  refused(errc::missing_output, "outputs", 2, [](auto&, auto& out) { out = {}; });
  refused(errc::bad_extent, "sorted", 2, [](auto&, auto& out) { out.sorted.extent[0] = 3; });
  refused(errc::bad_element, "index", 2, [](auto&, auto& out) { out.index = out.sorted; });
  refused(errc::overlap, "sorted", 2, [&](auto&, auto& out) { out.sorted = x.write(); });
  const auto lacks = [&](const char* argument, auto change) {
    prefer::group_sort_gradient_inputs<space::host> in{
        x.read(), prefer::view<const std::int32_t, 2>(index.of.data(), 4, 6, index.stride, 1)};
    prefer::group_sort_gradient_outputs<space::host> out{y.write()};
    change(in, out);
    CHECK(refused_argument(propagate_group_sort(cpu{}, {}, in, out)) == argument);
  };
  lacks("upstream", [](auto& in, auto&) { in.upstream = {}; });
  lacks("index", [](auto& in, auto&) { in.index = {}; });
  lacks("grad_x", [](auto&, auto& out) { out = {}; });
  lacks("grad_x", [&](auto&, auto& out) { out.grad_x = x.write(); });
  CHECK((y.of.untouched() && index.of.untouched()));
  covers("group_sort", "bad-argument");
}
