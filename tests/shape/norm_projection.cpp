// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <shape/norm_projection_checks.hpp>
#include <support/allocations.hpp>

using namespace prefer_test;
using prefer::cpu;
using prefer::errc;
using prefer::norm_projection;
using prefer::project_norms;
using prefer::space;

TEST_CASE("projected rows and columns are what they are defined as, and no longer than the limit") {
  SUBCASE("float") { check_norm_projection<float, host_side>(); }
  SUBCASE("double") { check_norm_projection<double, host_side>(); }
  SUBCASE("half") { check_norm_projection<prefer::half, host_side>(); }
  SUBCASE("bfloat16") { check_norm_projection<prefer::bfloat16, host_side>(); }
}

TEST_CASE("a projected layer stretches no input by more than is stated, and some input by as much") {
  using line = norm_projection::line;
  using norm = norm_projection::norm;
  const std::int64_t m = 6, n = 9;
  const double limit = 0.75;
  const auto length = [](const std::vector<double>& x, int p) {  // p = 0: the largest
    double sum = 0;
    for (double e : x) sum = p == 0 ? std::max(sum, std::fabs(e)) : sum + std::pow(std::fabs(e), p);
    return p == 2 ? std::sqrt(sum) : sum;
  };
  struct claim {
    line along;
    norm by;
    int in, out;
  };
  for (const claim& c : {claim{line::rows, norm::l1, 0, 0}, claim{line::columns, norm::l1, 1, 1},
                         claim{line::rows, norm::l2, 2, 0}, claim{line::columns, norm::l2, 1, 2}}) {
    layer<double> w = make_layer<double>(m, n, 61, 3);
    prefer::check(project_norms<double>(cpu{}, {c.along, c.by, limit}, {.weight = w.read()}, {.projected = w.write()}));
    CHECK(w.intact());
    double most = 0;
    noise random(5);
    const auto stretch = [&](const std::vector<double>& x) {
      std::vector<double> y(static_cast<std::size_t>(m));
      for (std::int64_t i = 0; i < m; ++i)
        for (std::int64_t j = 0; j < n; ++j)
          y[static_cast<std::size_t>(i)] += w.get(i, j) * x[static_cast<std::size_t>(j)];
      most = std::max(most, length(y, c.out) / length(x, c.in));
    };
    std::vector<double> x(static_cast<std::size_t>(n));
    for (int k = 0; k < 500; ++k) {
      for (double& e : x) e = random.uniform(-1, 1);
      stretch(x);
    }
    for (std::int64_t i = 0; i < m; ++i) {  // the inputs that rows are worst for, and unit vectors for columns
      for (std::int64_t j = 0; j < n; ++j)
        x[static_cast<std::size_t>(j)] = c.in == 0 ? (w.get(i, j) > 0 ? 1 : -1) : w.get(i, j);
      stretch(x);
    }
    for (std::int64_t j = 0; j < n; ++j) {
      std::fill(x.begin(), x.end(), 0.0);
      x[static_cast<std::size_t>(j)] = 1;
      stretch(x);
    }
    CHECK(most <= limit * (1 + 1e-14));
    CHECK(most >= limit * (1 - 1e-12));
    if (c.by == norm::l2)
      CHECK(largest_singular_value(w.values(), m, n) <=
            limit * std::sqrt(static_cast<double>(c.along == line::rows ? m : n)) * (1 + 1e-14));
  }
}

TEST_CASE("projecting again changes nothing but roundings; limits and zeros are where they should be") {
  layer<double> w(3, 4), g(3, 4), to(3, 4), by_w(3, 4);
  w.fill([](std::int64_t i, std::int64_t j) { return i == 0 ? (j == 2 ? 0.0 : 2.0) : i == 1 ? 0.25 : 0.0; });
  g.fill([](std::int64_t i, std::int64_t j) { return static_cast<double>(i + j); });
  const auto run = [&](double limit) {
    prefer::check(project_norms<double>(cpu{}, {.limit = limit}, {.weight = w.read(), .upstream = g.read()},
                                        {.projected = to.write(), .grad_weight = by_w.write()}));
  };
  run(1);
  CHECK((std::fabs(to.get(0, 0) - 1.0 / 3) < 1e-16 && to.get(0, 2) == 0 && to.get(1, 0) == 0.25 && to.get(2, 3) == 0));
  CHECK((by_w.get(1, 2) == 3 && by_w.get(2, 1) == 3));           // at the limit, and at zero: as it came
  CHECK(std::fabs(by_w.get(0, 1) - (1 - 8.0 / 6) / 6) < 1e-16);  // <g, w> = 8
  CHECK(std::fabs(by_w.get(0, 2) - 2.0 / 6) < 1e-16);            // sign 0 = 0
  run(0);
  CHECK((to.get(0, 0) == 0 && to.get(1, 3) == 0));
  layer<float> x = make_layer<float>(9, 33, 3);
  const auto project = [&] {
    prefer::check(project_norms<float>(cpu{}, {.by = norm_projection::norm::l2, .limit = 0.5}, {.weight = x.read()},
                                       {.projected = x.write()}));
    return x.values();
  };
  const std::vector<double> once = project(), twice = project();
  for (std::size_t k = 0; k < once.size(); ++k) CHECK(std::fabs(once[k] - twice[k]) <= 1e-7);
  w.set(0, 1, not_a_number);
  run(1);
  CHECK((to.get(0, 0) == 2 && std::isnan(to.get(0, 1)) && to.get(1, 0) == 0.25));
  covers("norm_projection", "identity");
}

TEST_CASE("gradients are those of finite differences") {
  const std::int64_t m = 4, n = 5;
  for (int form = 0; form < 4; ++form) {
    const norm_projection o{form % 2 == 0 ? norm_projection::line::rows : norm_projection::line::columns,
                            form < 2 ? norm_projection::norm::l1 : norm_projection::norm::l2, form < 2 ? 1.5 : 0.8};
    layer<double> w = make_layer<double>(m, n, 71), g = make_layer<double>(m, n, 72, 0), to(m, n), by_w(m, n);
    const auto objective = [&] {
      prefer::check(project_norms<double>(cpu{}, o, {.weight = w.read()}, {.projected = to.write()}));
      double sum = 0;
      for (std::int64_t i = 0; i < m; ++i)
        for (std::int64_t j = 0; j < n; ++j) sum += g.get(i, j) * to.get(i, j);
      return sum;
    };
    prefer::check(
        project_norms<double>(cpu{}, o, {.weight = w.read(), .upstream = g.read()}, {.grad_weight = by_w.write()}));
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t j = 0; j < n; ++j) {
        const double x = w.get(i, j), h = 1e-6;
        w.set(i, j, x + h);
        const double above = objective();
        w.set(i, j, x - h);
        const double below = objective();
        w.set(i, j, x);
        CHECK(std::fabs((above - below) / (2 * h) - by_w.get(i, j)) < 1e-8);
      }
  }
}

TEST_CASE("the same bits for any threads, nothing allocated with a workspace, outputs where inputs were") {
  for (const auto along : {norm_projection::line::rows, norm_projection::line::columns}) {
    layer<float> w = make_layer<float>(400, 300, 81), g = make_layer<float>(400, 300, 82), to(400, 300), by_w(400, 300);
    const norm_projection o{along, norm_projection::norm::l2, 2.0};
    const prefer::norm_projection_inputs<space::host> in{w.read(), g.read()};
    const prefer::norm_projection_outputs<space::host> out{.projected = to.write(), .grad_weight = by_w.write()};
    std::vector<char> memory(prefer::project_norms_workspace<float>(cpu{}, o, in, out));
    CHECK(memory.empty() == (along == norm_projection::line::rows));
    const auto run = [&](const prefer::task_runner& pool) {
      prefer::workspace lent;
      if (!memory.empty()) lent = {memory.data(), memory.size()};
      const long before = allocation_count();
      const prefer::status s = project_norms<float>(cpu{.pool = pool, .workspace = lent}, o, in, out);
      CHECK(allocation_count() == before);
      CHECK(s.ok());
      return std::vector{to.of.bytes(), by_w.of.bytes()};
    };
    const auto expected = run({});
    for (int threads : {2, 3, 8}) {
      prefer::thread_pool pool(threads);
      CHECK(run(pool) == expected);
    }
    if (!memory.empty())
      CHECK(project_norms<float>(cpu{.workspace = {memory.data(), memory.size() - 1}}, o, in, out).code ==
            errc::small_workspace);
    prefer::check(project_norms<float>(cpu{}, o, in, {.projected = w.write(), .grad_weight = g.write()}));
    CHECK((w.values() == to.values() && g.values() == by_w.values()));
  }
  for (const char* tag : {"threads", "allocation"}) covers("norm_projection", tag);
}

TEST_CASE("what is wrong with a projection is named, and nothing is written") {
  layer<float> w = make_layer<float>(4, 3, 1), to(4, 3), by_w(4, 3);
  buffer<float> norm(4);
  const auto refused = [&](errc code, const char* argument, const norm_projection& o, auto change) {
    prefer::norm_projection_inputs<space::host> in{w.read(), w.read()};
    prefer::norm_projection_outputs<space::host> out{to.write(), norm.view(), by_w.write()};
    change(in, out);
    const prefer::status s = project_norms<float>(cpu{}, o, in, out);
    CHECK(s.code == code);
    CHECK(refused_argument(s) == argument);
  };
  const auto nothing = [](auto&, auto&) {};
  refused(errc::bad_parameter, "limit", {.limit = -1.0}, nothing);
  refused(errc::bad_parameter, "limit", {.limit = HUGE_VAL}, nothing);
  refused(errc::bad_extent, "norm", {.along = norm_projection::line::columns}, nothing);
  refused(errc::missing_input, "weight", {}, [](auto& in, auto&) { in.weight = {}; });
  refused(errc::missing_input, "upstream", {}, [](auto& in, auto&) { in.upstream = {}; });
  refused(errc::unused_input, "upstream", {}, [](auto&, auto& out) { out.grad_weight = {}; });
  refused(errc::missing_output, "outputs", {}, [](auto&, auto& out) { out = {}; });
  refused(errc::overlap, "grad_weight", {}, [](auto&, auto& out) { out.grad_weight = out.projected; });
  CHECK((to.of.untouched() && norm.untouched() && by_w.of.untouched()));
  covers("norm_projection", "bad-argument");
}
