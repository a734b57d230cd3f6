// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <shape/aol_checks.hpp>
#include <support/allocations.hpp>

using namespace prefer_test;
using prefer::cpu;
using prefer::errc;
using prefer::rescale_aol;
using prefer::space;

TEST_CASE("almost-orthogonal weights are what they are defined as, and of norm 1 or less") {
  SUBCASE("float") { check_aol<float, host_side>(); }
  SUBCASE("double") { check_aol<double, host_side>(); }
  SUBCASE("half") { check_aol<prefer::half, host_side>(); }
  SUBCASE("bfloat16") { check_aol<prefer::bfloat16, host_side>(); }
  SUBCASE("every level") {
    for (const prefer::isa level : levels()) {
      const auto at_level = [&](cpu& exec) { exec.isa = level; };
      check_aol<float, host_side>(at_level);
      check_aol<double, host_side>(at_level);
    }
  }
}

TEST_CASE("no weight gets a norm above 1: the worst of many, some of them nearly dependent") {
  for (int k = 0; k < 60; ++k) {
    const std::int64_t m = 1 + k % 7, n = 1 + k % 9;
    layer<double> w = make_layer<double>(m, n, static_cast<std::uint64_t>(k) + 100, k % 3 * 40), unit(m, n);
    prefer::check(rescale_aol(cpu{}, {.weight = w.read()}, {.rescaled = unit.write()}));
    CHECK(largest_singular_value(unit.values(), m, n) <= 1 + 4e-15);
  }
}

TEST_CASE("orthogonal columns become unit columns, equal ones share the norm; one that is done stays") {
  layer<double> w(4, 2), unit(4, 2);
  w.fill([](std::int64_t i, std::int64_t j) { return i == 0 ? 3.0 : i == 1 ? (j == 0 ? 3.0 : -3.0) : 0.0; });
  prefer::check(rescale_aol(cpu{}, {.weight = w.read()}, {.rescaled = unit.write()}));
  CHECK(std::fabs(unit.get(0, 0) - std::sqrt(0.5)) < 1e-15);
  CHECK(std::fabs(largest_singular_value(unit.values(), 4, 2) - 1) < 1e-15);
  w.fill([](std::int64_t i, std::int64_t) { return i == 2 ? 5.0 : 0.0; });
  prefer::check(rescale_aol(cpu{}, {.weight = w.read()}, {.rescaled = w.write()}));  // in place
  CHECK((std::fabs(w.get(2, 0) - std::sqrt(0.5)) < 1e-15 && std::fabs(w.get(2, 1) - std::sqrt(0.5)) < 1e-15));
  // Of rank one it is the norm itself that is found.
  CHECK(std::fabs(largest_singular_value(w.values(), 4, 2) - 1) < 1e-15);
  covers("aol", "identity");
}

TEST_CASE("the gradient is that of finite differences") {
  const std::int64_t m = 5, n = 7;
  layer<double> w = make_layer<double>(m, n, 31), g = make_layer<double>(m, n, 32, 0), unit(m, n), by_w(m, n);
  const auto objective = [&] {
    prefer::check(rescale_aol(cpu{}, {.weight = w.read()}, {.rescaled = unit.write()}));
    double sum = 0;
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t j = 0; j < n; ++j) sum += g.get(i, j) * unit.get(i, j);
    return sum;
  };
  prefer::check(rescale_aol(cpu{}, {.weight = w.read(), .upstream = g.read()}, {.grad_weight = by_w.write()}));
  double along = 0;
  for (std::int64_t i = 0; i < m; ++i)
    for (std::int64_t j = 0; j < n; ++j) {
      const double x = w.get(i, j), h = 1e-5;
      w.set(i, j, x + h);
      const double above = objective();
      w.set(i, j, x - h);
      const double below = objective();
      w.set(i, j, x);
      CHECK(std::fabs((above - below) / (2 * h) - by_w.get(i, j)) < 1e-8);
      along += by_w.get(i, j) * x;
    }
  CHECK(std::fabs(along) < 1e-13);  // the length of a weight does not matter
  layer<double> over = make_layer<double>(m, n, 32, 0);
  prefer::check(rescale_aol(cpu{}, {.weight = w.read(), .upstream = over.read()}, {.grad_weight = over.write()}));
  CHECK(over.values() == by_w.values());
}

TEST_CASE("the same bits for any threads, nothing allocated with a workspace; a NaN reaches its columns") {
  layer<float> w = make_layer<float>(150, 200, 41, 0), g = make_layer<float>(150, 200, 42, 0), unit(150, 200),
               by_w(150, 200);
  const prefer::aol_inputs<space::host> in{.weight = w.read(), .upstream = g.read()};
  const prefer::aol_outputs<space::host> out{.rescaled = unit.write(), .grad_weight = by_w.write()};
  std::vector<char> memory(prefer::aol_workspace(cpu{}, in, out));
  const auto run = [&](const prefer::task_runner& pool) {
    const long before = allocation_count();
    const prefer::status s = rescale_aol(cpu{.pool = pool, .workspace = {memory.data(), memory.size()}}, in, out);
    CHECK(allocation_count() == before);
    CHECK(s.ok());
    return std::vector{unit.of.bytes(), by_w.of.bytes()};
  };
  const auto expected = run({});
  for (int threads : {2, 3, 8}) {
    prefer::thread_pool pool(threads);
    CHECK(run(pool) == expected);
  }
  CHECK(largest_singular_value(unit.values(), 150, 200) <= 1 + 1e-6);
  const auto less = rescale_aol(cpu{.workspace = {memory.data(), memory.size() - 1}}, in, out);
  CHECK((less.code == errc::small_workspace && less.limit == static_cast<double>(memory.size())));
  w.set(7, 9, not_a_number);
  prefer::check(rescale_aol(cpu{}, in, out));
  CHECK((std::isnan(unit.get(7, 9)) && std::isnan(unit.get(0, 0)) && std::isnan(by_w.get(3, 9))));
  for (const char* tag : {"threads", "allocation"}) covers("aol", tag);
}

TEST_CASE("what is wrong with an almost-orthogonal rescaling is named, and nothing is written") {
  layer<float> w = make_layer<float>(4, 3, 1), unit(4, 3), by_w(4, 3);
  buffer<float> scale(3);
  const auto refused = [&](errc code, const char* argument, auto change) {
    prefer::aol_inputs<space::host> in{.weight = w.read(), .upstream = w.read()};
    prefer::aol_outputs<space::host> out{unit.write(), scale.view(), by_w.write()};
    change(in, out);
    const prefer::status s = rescale_aol(cpu{}, in, out);
    CHECK(s.code == code);
    CHECK(refused_argument(s) == argument);
    CHECK(prefer::aol_workspace(cpu{}, in, out) == 0);
  };
  refused(errc::missing_input, "weight", [](auto& in, auto&) { in.weight = {}; });
  refused(errc::missing_input, "upstream", [](auto& in, auto&) { in.upstream = {}; });
  refused(errc::unused_input, "upstream", [](auto&, auto& out) { out.grad_weight = {}; });
  refused(errc::missing_output, "outputs", [](auto&, auto& out) { out = {}; });
  refused(errc::bad_extent, "scale", [](auto&, auto& out) { out.scale.extent[0] = 4; });
  refused(errc::bad_extent, "rescaled", [](auto&, auto& out) { out.rescaled.extent[0] = 3; });
  refused(errc::bad_extent, "upstream", [](auto& in, auto&) { in.upstream.extent[1] = 2; });
  refused(errc::bad_extent, "weight", [](auto& in, auto&) { in.weight.extent[0] = -1; });
  refused(errc::bad_stride, "grad_weight", [](auto&, auto& out) { out.grad_weight.stride[0] = 1; });
  refused(errc::overlap, "grad_weight", [](auto&, auto& out) { out.grad_weight = out.rescaled; });
  CHECK((unit.of.untouched() && scale.untouched() && by_w.of.untouched()));
  covers("aol", "bad-argument");
}
