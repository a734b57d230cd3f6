// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <shape/extension_gradient.hpp>
#include <support/allocations.hpp>

using namespace prefer;
using namespace prefer_test;

TEST_CASE("gradients by values, constant, points and queries are those of differences") {
  SUBCASE("float, elsewhere") { check_extension_gradient<float, host_side>(metric::l2{}, false); }
  SUBCASE("double, at the samples") { check_extension_gradient<double, host_side>(metric::l2{}, true); }
  SUBCASE("half, elsewhere") { check_extension_gradient<half, host_side>(metric::l2{}, false); }
  SUBCASE("bfloat16, at the samples") { check_extension_gradient<bfloat16, host_side>(metric::l2{}, true); }
}

namespace {

// F = sum of weight_i value_i of the projection of values v at points x by `constant`.
struct projection {
  static constexpr std::int64_t n = 12, width = 2;
  std::vector<double> x = std::vector<double>(n * width), v = std::vector<double>(n), weight = v;
  double constant = 1.25;

  projection() {
    noise random(2);
    for (auto* all : {&x, &v, &weight})
      for (double& one : *all) one = random.uniform(-2, 2);
  }
  extension_inputs<space::host> in() const {
    return {.samples = {.point = {x.data(), n, width}, .value = {v.data(), n}}};
  }
  template <class Metric>
  double value(const Metric& metric) const {
    double f[n], sum = 0;
    check(extend(cpu{}, {.constant = constant}, metric, in(), {.value = {f, n}}));
    for (int i = 0; i < n; ++i) sum += weight[static_cast<std::size_t>(i)] * f[i];
    return sum;
  }
};

template <class Metric>
void check_through_extend(const Metric& metric) {
  projection p;
  constexpr std::int64_t n = projection::n;
  std::int64_t above[n], below[n];
  std::vector<double> by_value(n), by_point(n * 2);
  double by_constant;
  check(
      extend(cpu{}, {.constant = p.constant}, metric, p.in(), {.upper_index = {above, n}, .lower_index = {below, n}}));
  check(extend_gradient(
      cpu{}, {.constant = p.constant}, metric,
      {.extension = p.in(), .upper_index = {above, n}, .lower_index = {below, n}, .value = {p.weight.data(), n}},
      {.value = {by_value.data(), n}, .constant = {&by_constant, 1}, .point = {by_point.data(), n, 2}}));
  const auto differs = [&](double& parameter) {
    const double at = parameter, h = 1e-6;
    parameter = at + h;
    const double more = p.value(metric);
    parameter = at - h;
    const double less = p.value(metric);
    parameter = at;
    return (more - less) / (2 * h);
  };
  for (std::size_t i = 0; i < n; ++i) CHECK(std::fabs(differs(p.v[i]) - by_value[i]) < 1e-8);
  for (std::size_t e = 0; e < 2 * n; ++e) CHECK(std::fabs(differs(p.x[e]) - by_point[e]) < 1e-7);
  CHECK(std::fabs(differs(p.constant) - by_constant) < 1e-8);
}

}  // namespace

TEST_CASE("the gradient is that of the projection itself") {
  check_through_extend(metric::l2{});
  covers("extension_gradient", "identity");
}

TEST_CASE("derivatives of metrics are those of their distances") {
  const double weight[] = {0.5, 3, 1}, at[] = {0.75, -2, 0.25};
  const auto check_one = [&](const auto& metric) {
    const auto distance = [&](int moved, double h) {
      double sum = 0;
      for (int d = 0; d < 3; ++d) sum = metric.step(sum, at[d] + (d == moved ? h : 0), d);
      return metric.finish(sum);
    };
    for (int d = 0; d < 3; ++d)
      CHECK(std::fabs((distance(d, 1e-6) - distance(d, -1e-6)) / 2e-6 - metric.derivative(at[d], distance(d, 0), d)) <
            1e-9);
  };
  check_one(metric::l1{}), check_one(metric::l2{}), check_one(metric::weighted_l2{weight});
  covers("extension_gradient", "golden");
}

TEST_CASE("gradients: the same bits for any threads; nothing allocated with a workspace") {
  constexpr std::int64_t n = 300, width = 3;
  gradient_case<float> c(n, width, true);
  host_side side;
  const extension_inputs<space::host> in = c.extension(side);
  check(extend(cpu{}, {}, metric::l2{}, in, {.upper_index = c.above.view(), .lower_index = c.below.view()}));
  const extension_gradient_inputs<space::host> from{
      .extension = in, .upper_index = c.above.read(), .lower_index = c.below.read(), .value = c.from_value.read()};
  std::vector<float> value(n), point(n * width), value_again(n), point_again(n * width);
  double constant, constant_again;
  const extension_gradient_outputs<space::host> out{
      .value = {value.data(), n}, .constant = {&constant, 1}, .point = {point.data(), n, width}};
  std::vector<char> memory(extension_gradient_workspace(cpu{}, metric::l2{}, from, out));
  const cpu lent{.workspace = {memory.data(), memory.size()}};
  const long before = allocation_count();
  const status done = extend_gradient(lent, {}, metric::l2{}, from, out);
  CHECK(allocation_count() == before);
  CHECK(done.ok());
  for (int threads : {1, 2, 3, 8}) {
    thread_pool pool(threads);
    check(extend_gradient(
        cpu{.pool = pool}, {}, metric::l2{}, from,
        {.value = {value_again.data(), n}, .constant = {&constant_again, 1}, .point = {point_again.data(), n, width}}));
    CHECK((value == value_again && point == point_again && constant == constant_again));
  }
  const cpu less{.workspace = {memory.data(), memory.size() - 1}};
  CHECK(refused_argument(extend_gradient(less, {}, metric::l2{}, from, out)) == "workspace");
  covers("extension_gradient", "threads"), covers("extension_gradient", "allocation");
}

TEST_CASE("gradients: what is wrong is named, and nothing has been written") {
  covers("extension_gradient", "bad-argument");
  float x[8] = {}, v[4] = {}, df[4] = {}, dv[4] = {-7}, dx[8];
  std::int32_t above[4] = {0, 1, 2, -1}, below[4] = {3, 2, 1, -1};
  const extension_inputs<space::host> samples{.samples = {.point = {x, 4, 2}, .value = {v, 4}}};
  extension_inputs<space::host> elsewhere = samples;
  elsewhere.query = view<const float, 2>(x, 4, 2);
  const extension_gradient_inputs<space::host> in{
      .extension = samples, .upper_index = {above, 4}, .lower_index = {below, 4}, .value = {df, 4}};
  const auto refused = [&](const auto& metric, const extension_gradient_inputs<space::host>& inputs,
                           const extension_gradient_outputs<space::host>& out, double constant = 1) {
    return refused_argument(extend_gradient(cpu{}, {.constant = constant}, metric, inputs, out));
  };
  const extension_gradient_outputs<space::host> out{.value = {dv, 4}};
  const metric::l2 l2;
  CHECK(refused(l2, in, out, 0) == "constant");
  CHECK(refused(l2, {.extension = samples, .lower_index = {below, 4}, .value = {df, 4}}, out) == "upper_index");
  CHECK(refused(l2, {.extension = samples, .upper_index = {above, 4}, .value = {df, 4}}, out) == "lower_index");
  CHECK(refused(l2, {.extension = samples, .upper_index = {above, 4}, .lower_index = {below, 4}}, out) == "value");
  CHECK(refused(l2, in, {}) == "outputs");
  CHECK(refused(l2, in, {.value = {dv, 3}}) == "value");
  CHECK(refused(l2, in, {.value = {df, 4}}) == "value");  // lies over what it is made of
  CHECK(refused(l2, in, {.query = {dx, 4, 2}}) == "query");
  CHECK(refused(l2, in, {.point = {dx, 4, 1}}) == "point");
  CHECK(refused(metric::linf{}, in, {.point = {dx, 4, 2}}) == "point");
  below[1] = 4;
  CHECK(refused(l2, in, out) == "lower_index");
  CHECK(dv[0] == -7);
}
