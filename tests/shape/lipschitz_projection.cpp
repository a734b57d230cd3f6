// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <shape/lipschitz_projection.hpp>
#include <support/allocations.hpp>

using namespace prefer;
using namespace prefer_test;

TEST_CASE("the projection is Hildreth's within its own error, feasible, and keeps the mean") {
  SUBCASE("float") { check_projection<float, host_side>(metric::l2{}, 1.5); }
  SUBCASE("double") { check_projection<double, host_side>(metric::l2{}, 0.5); }
  SUBCASE("double, all equal") { check_projection<double, host_side>(metric::l2{}, 0); }
  SUBCASE("half") { check_projection<half, host_side>(metric::l2{}, 1); }
  SUBCASE("bfloat16") { check_projection<bfloat16, host_side>(metric::l2{}, 4); }
}

TEST_CASE("the gradient of the projection shares by weight within components") {
  SUBCASE("float") { check_projection_gradient<float, host_side>(); }
  SUBCASE("double") { check_projection_gradient<double, host_side>(); }
  SUBCASE("half") { check_projection_gradient<half, host_side>(); }
  SUBCASE("bfloat16") { check_projection_gradient<bfloat16, host_side>(); }
}

namespace {

struct rough {
  std::int64_t n, width;
  std::vector<double> x, v, w, f;
  std::vector<std::int32_t> component;
  double error = -1;
  std::int32_t rounds = -1;

  rough(std::int64_t count, std::int64_t dimensions, std::uint64_t seed)
      : n(count),
        width(dimensions),
        x(static_cast<std::size_t>(n * width)),
        v(static_cast<std::size_t>(n)),
        w(v),
        f(v),
        component(static_cast<std::size_t>(n)) {
    noise random(seed);
    for (double& one : x) one = random.uniform(-1, 1);
    for (std::size_t i = 0; i < v.size(); ++i)
      v[i] = std::sin(3 * x[i * static_cast<std::size_t>(width)]) + random.uniform(-0.5, 0.5),
      w[i] = random.uniform(0.5, 2);
  }
  projection_inputs<space::host> in() const {
    return {.samples = {.point = {x.data(), n, width}, .value = {v.data(), n}}, .weight = {w.data(), n}};
  }
  projection_outputs<space::host> out() {
    return {.value = {f.data(), n}, .component = {component.data(), n}, .error = {&error, 1}, .rounds = {&rounds, 1}};
  }
  void run(const lipschitz_projection& options, const cpu& exec = {}) {
    check(project(exec, options, metric::l2{}, in(), out()));
  }
  double distance(std::size_t i, std::size_t j) const {
    double sum = 0;
    for (std::size_t d = 0; d < static_cast<std::size_t>(width); ++d)
      sum += std::pow(x[i * static_cast<std::size_t>(width) + d] - x[j * static_cast<std::size_t>(width) + d], 2);
    return std::sqrt(sum);
  }
};

}  // namespace

TEST_CASE("by hand: two samples meet by weight, equal points agree, a chain of three") {
  const auto of = [](const std::vector<double>& x, const std::vector<double>& v, const std::vector<double>& w,
                     double constant) {
    rough p(static_cast<std::int64_t>(v.size()), 1, 1);
    p.x = x, p.v = v, p.w = w;
    p.run({.constant = constant});
    return p;
  };
  // 4 apart where 1 is allowed: the excess of 3 is shared as 1/w.
  const rough two = of({0, 1}, {0, 4}, {1, 2}, 1);
  CHECK((two.f == std::vector<double>{2, 3} && two.component == std::vector<std::int32_t>{0, 0}));
  const rough equal = of({2, 2}, {0, 3}, {1, 2}, 5);
  CHECK((equal.f == std::vector<double>{2, 2} && equal.error <= 1e-14));
  // All three move together, by their mean.
  const rough three = of({0, 1, 2}, {0, 3, 0}, {1, 1, 1}, 1);
  CHECK(three.f[0] == doctest::Approx(2.0 / 3).epsilon(1e-14));
  CHECK(three.f[1] == doctest::Approx(5.0 / 3).epsilon(1e-14));
  CHECK((three.component == std::vector<std::int32_t>{0, 0, 0}));
  const rough kept = of({0, 1, 2}, {0, 3, 0}, {1, 1, 1}, 3);
  CHECK((kept.f == std::vector<double>{0, 3, 0} && kept.component == std::vector<std::int32_t>{0, 1, 2}));
  CHECK((kept.error <= 1e-15 && kept.rounds == 0));
  const rough none = of({0, 1, 2}, {0, 3, 3}, {3, 1, 2}, 0);
  for (double f : none.f) CHECK(f == doctest::Approx(1.5).epsilon(1e-14));
  covers("lipschitz_projection", "golden");
}

TEST_CASE("larger batches, among them points on a line: to rounding, and no other feasible values are nearer") {
  const struct {
    std::int64_t n, width;
    double constant;
  } cases[] = {{400, 2, 0.5}, {300, 1, 0.25}, {300, 3, 0.05}};
  for (const auto& [n, width, constant] : cases) {
    rough p(n, width, 3);
    p.run({.constant = constant, .tolerance = 1e-7});
    double slack = 0, deviation = 0, mean = 0, weights = 0;
    for (std::size_t i = 0; i < p.v.size(); ++i) weights += p.w[i], mean += p.w[i] * p.v[i];
    for (std::size_t i = 0; i < p.v.size(); ++i) deviation += p.w[i] * std::pow(p.v[i] - mean / weights, 2) / weights;
    CHECK(p.error <= 3e-7 * std::sqrt(deviation));
    for (std::size_t i = 0; i < p.v.size(); ++i)
      for (std::size_t j = 0; j < p.v.size(); ++j)
        slack = std::max(slack, p.f[i] - p.f[j] - constant * p.distance(i, j));
    CHECK(slack <= 4e-15);
    // The variational inequality of a projection, sum w (v - f) (g - f) <= 0 for feasible g: for the projections of
    // other values, and of these in the largest deviation, up to the error.
    rough other = p;
    for (std::size_t i = 0; i < p.v.size(); ++i) other.v[i] = p.v[i] * 0.5 + std::cos(20.0 * static_cast<double>(i));
    std::vector<double> g(p.v.size());
    for (const auto* values : {&p.v, &other.v, &p.f}) {
      check(extend(cpu{}, {.constant = constant}, metric::l2{},
                   {.samples = {.point = {p.x.data(), n, width}, .value = {values->data(), n}}},
                   {.value = {g.data(), n}}));
      double product = 0;
      for (std::size_t i = 0; i < g.size(); ++i) product += p.w[i] * (p.v[i] - p.f[i]) * (g[i] - p.f[i]);
      CHECK(product <= 1e-6 * weights);
    }
  }
}

TEST_CASE("weights 24 decades apart: within the tolerance, and no further from the exact values than the error says") {
  for (std::uint64_t seed = 0; seed < 80; ++seed) {
    const double constant = seed % 2 == 0 ? 0.3 : 1;
    check_wide_weights<host_side>({4, 1 + static_cast<std::int64_t>(seed % 3), 12, constant, seed}, true);
    check_wide_weights<host_side>({30, 1 + static_cast<std::int64_t>(seed % 8), 12, constant, seed}, false);
  }
  for (std::uint64_t seed = 0; seed < 4; ++seed) check_wide_weights<host_side>({200, 2, 12, 0.5, seed}, false);
  wide_case sums_overflow(4, 2, 0, 0.3, 3);
  for (std::int64_t i = 0; i < 4; ++i) sums_overflow.weight.at(i) = 1.5e308;
  wide_case ones(4, 2, 0, 0.3, 3);
  for (wide_case* c : {&sums_overflow, &ones}) check_wide_weights<host_side>(*c, true);
}

TEST_CASE("samples on a line are projected as in a plane, without looks at pairs") {
  const double four = 4;
  check_line<host_side>(metric::weighted_l2{&four}, 2);
}

TEST_CASE("at a tolerance that rounding does not allow it ends all the same, with the best it had") {
  for (double constant : {0.25, 0.1}) {
    rough p(300, 2, 3);
    for (std::size_t i = 1; i < p.x.size(); i += 2) p.x[i] = 0;  // pairs that are tight because others are
    p.run({.constant = constant, .tolerance = 0, .rounds = 200});
    CHECK((p.rounds < 100 && p.error < 1e-7));
  }
}

TEST_CASE("fewer looks leave a larger error, and it is still one") {
  rough p(200, 2, 5), exact = p;
  exact.run({.constant = 0.3});
  double last = HUGE_VAL;
  for (std::int64_t rounds : {1, 2, 3, 5}) {
    p.run({.constant = 0.3, .rounds = rounds});
    double away = 0, weights = 0;
    for (std::size_t i = 0; i < p.v.size(); ++i) away += p.w[i] * std::pow(p.f[i] - exact.f[i], 2), weights += p.w[i];
    CHECK(std::sqrt(away / weights) <= p.error + exact.error);
    CHECK((p.rounds == rounds && p.error <= last));
    last = p.error;
  }
  CHECK(last > exact.error);
}

TEST_CASE("the gradient of the projection is that of differences") {
  rough p(40, 2, 7);
  const double constant = 0.7;
  std::vector<double> from(40), by_value(40);
  noise random(9);
  for (double& one : from) one = random.uniform(-1, 1);
  const auto value = [&](double with) {
    p.run({.constant = with, .tolerance = 0});
    double sum = 0;
    for (std::size_t i = 0; i < from.size(); ++i) sum += from[i] * p.f[i];
    return sum;
  };
  value(constant);
  double by_constant;
  check(project_gradient(cpu{}, {.constant = constant},
                         {.component = {p.component.data(), 40},
                          .gradient = {from.data(), 40},
                          .weight = {p.w.data(), 40},
                          .value = {p.f.data(), 40}},
                         {.value = {by_value.data(), 40}, .constant = {&by_constant, 1}}));
  const double h = 1e-5;
  for (std::size_t i = 0; i < from.size(); i += 3) {
    const double at = p.v[i];
    p.v[i] = at + h;
    const double more = value(constant);
    p.v[i] = at - h;
    const double less = value(constant);
    p.v[i] = at;
    CHECK(std::fabs((more - less) / (2 * h) - by_value[i]) < 1e-6);
  }
  CHECK(std::fabs((value(constant + h) - value(constant - h)) / (2 * h) - by_constant) < 1e-6);
  covers("projection_gradient", "identity"), covers("projection_gradient", "golden");
}

TEST_CASE("the projection: the same bits for any threads; nothing allocated with a workspace") {
  rough p(150, 3, 4);
  const lipschitz_projection options{.constant = 0.5};
  std::vector<char> memory(lipschitz_projection_workspace(cpu{}, options, metric::l2{}, p.in(), p.out()));
  const cpu lent{.workspace = {memory.data(), memory.size()}};
  const long before = allocation_count();
  const status done = project(lent, options, metric::l2{}, p.in(), p.out());
  CHECK(allocation_count() == before);
  CHECK(done.ok());
  for (int threads : {1, 2, 3, 8}) {
    thread_pool pool(threads);
    rough again(150, 3, 4);
    again.run(options, cpu{.pool = pool});
    CHECK((again.f == p.f && again.component == p.component && again.error == p.error));
  }
  const cpu less{.workspace = {memory.data(), memory.size() - 1}};
  CHECK(refused_argument(project(less, options, metric::l2{}, p.in(), p.out())) == "workspace");
  const projection_gradient_inputs<space::host> from{.component = {p.component.data(), 150},
                                                     .gradient = {p.v.data(), 150}};
  std::vector<double> gradient(150), gradient_again(150);
  const projection_gradient_outputs<space::host> to{.value = {gradient.data(), 150}};
  REQUIRE(projection_gradient_workspace(cpu{}, from, to) <= memory.size());
  const long then = allocation_count();
  const status shared = project_gradient(lent, options, from, to);
  CHECK(allocation_count() == then);
  CHECK(shared.ok());
  thread_pool pool(3);
  check(project_gradient(cpu{.pool = pool}, options, from, {.value = {gradient_again.data(), 150}}));
  CHECK(gradient == gradient_again);
  for (const char* name : {"lipschitz_projection", "projection_gradient"})
    covers(name, "threads"), covers(name, "allocation");
  covers("lipschitz_projection", "identity");
}

TEST_CASE("the projection and its gradient name what is wrong, and nothing has been written") {
  float x[8] = {}, v[4] = {}, w[4] = {1, 1, 1, 1}, f[4] = {-7};
  std::int32_t component[4] = {0, 0, 2, -1};
  const projection_inputs<space::host> in{.samples = {.point = {x, 4, 2}, .value = {v, 4}}, .weight = {w, 4}};
  const projection_outputs<space::host> out{.value = {f, 4}};
  const auto refused = [&](const lipschitz_projection& options, const projection_inputs<space::host>& inputs,
                           const projection_outputs<space::host>& to) {
    return refused_argument(project(cpu{.content = content::all}, options, metric::l2{}, inputs, to));
  };
  CHECK(refused({.constant = -1.0}, in, out) == "constant");
  CHECK(refused({.tolerance = -1.0}, in, out) == "tolerance");
  CHECK(refused({.tolerance = not_a_number}, in, out) == "tolerance");
  CHECK(refused({.rounds = 0}, in, out) == "rounds");
  CHECK(refused({}, {.samples = {.value = {v, 4}}}, out) == "point");
  CHECK(refused({}, {.samples = {.point = {x, 4, 2}}}, out) == "value");
  CHECK(refused({}, in, {}) == "outputs");
  CHECK(refused({}, in, {.value = {f, 3}}) == "value");
  CHECK(refused({}, in, {.value = {w, 4}}) == "value");
  CHECK(refused({}, in, {.component = {f, 4}}) == "component");
  CHECK(refused({}, {.samples = in.samples, .weight = {w, 3}}, out) == "weight");
  w[2] = 0;
  CHECK(refused({}, in, out) == "weight");
  w[2] = 1, v[1] = NAN;
  CHECK(refused({}, in, out) == "value");
  v[1] = 0;
  const auto shares = [&](const projection_gradient_inputs<space::host>& inputs,
                          const projection_gradient_outputs<space::host>& to) {
    return refused_argument(project_gradient(cpu{}, {}, inputs, to));
  };
  const projection_gradient_inputs<space::host> from{.component = {component, 4}, .gradient = {v, 4}};
  CHECK(shares({.gradient = {v, 4}}, {.value = {f, 4}}) == "component");
  CHECK(shares({.component = {component, 4}}, {.value = {f, 4}}) == "gradient");
  CHECK(shares(from, {.constant = {f, 1}}) == "value");
  CHECK(shares(from, {}) == "outputs");
  CHECK(shares(from, {.value = {f, 3}}) == "value");
  CHECK(shares({.component = {v, 4}, .gradient = {v, 4}}, {.value = {f, 4}}) == "component");
  projection_gradient_inputs<space::host> with_values = from;
  with_values.value = {x, 4};
  CHECK(refused_argument(project_gradient(cpu{}, {.constant = 0.0}, with_values, {.constant = {f, 1}})) == "constant");
  component[1] = 4;
  CHECK(shares(from, {.value = {f, 4}}) == "component");
  CHECK(f[0] == -7);
  for (const char* name : {"lipschitz_projection", "projection_gradient"}) covers(name, "bad-argument");
}
