// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <shape/pairs.hpp>
#include <support/allocations.hpp>

using namespace prefer;
using namespace prefer_test;

TEST_CASE("envelopes and what is between them are their definitions") {
  SUBCASE("float, at the samples") { check_extension<float, host_side>(metric::l2{}, false); }
  SUBCASE("double, elsewhere") { check_extension<double, host_side>(metric::l2{}, true); }
  SUBCASE("half, elsewhere") { check_extension<half, host_side>(metric::l2{}, true); }
  SUBCASE("bfloat16, at the samples") { check_extension<bfloat16, host_side>(metric::l2{}, false); }
}

namespace {

// A caller's metric: hours on a clock of 12.
struct clock_metric {
  template <class V>
  PREFER_HD V step(const V& sum, const V& difference, std::int64_t) const {
    const V straight = math::abs(difference);
    return sum + math::min(straight, V(12) - straight);
  }
  template <class V>
  PREFER_HD V finish(const V& sum) const {
    return sum;
  }
};

struct samples {
  std::int64_t n, width;
  buffer<double> x, v;

  samples(std::int64_t count, std::int64_t dimensions, std::uint64_t seed)
      : n(count), width(dimensions), x(count * dimensions), v(count) {
    noise random(seed);
    for (std::int64_t k = 0; k < n * width; ++k) x.at(k) = random.uniform(-1, 1);
    for (std::int64_t k = 0; k < n; ++k) v.at(k) = random.uniform(-3, 3);
  }
  extension_inputs<space::host> in() { return {.samples = {.point = {x.data(), n, width}, .value = {v.data(), n}}}; }
};

}  // namespace

TEST_CASE("at the samples it is the nearest Lipschitz function in the largest deviation") {
  covers("lipschitz_extension", "identity");
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    samples s(2 + static_cast<std::int64_t>(seed % 40), 1 + static_cast<std::int64_t>(seed % 3), seed);
    const double constant = 0.25 + static_cast<double>(seed % 7);
    buffer<double> f(s.n);
    check(extend(cpu{}, {.constant = constant}, metric::l2{}, s.in(), {.value = {f.data(), s.n}}));
    double bound = 0, deviation = 0, slope = 0;
    const auto distance = [&](std::int64_t i, std::int64_t j) {
      double sum = 0;
      for (std::int64_t d = 0; d < s.width; ++d) sum += std::pow(s.x.at(i * s.width + d) - s.x.at(j * s.width + d), 2);
      return std::sqrt(sum);
    };
    for (std::int64_t i = 0; i < s.n; ++i) {
      deviation = std::max(deviation, std::fabs(f.at(i) - s.v.at(i)));
      for (std::int64_t j = 0; j < i; ++j) {
        bound = std::max(bound, (std::fabs(s.v.at(i) - s.v.at(j)) - constant * distance(i, j)) / 2);
        slope = std::max(slope, std::fabs(f.at(i) - f.at(j)) / distance(i, j));
      }
    }
    // Values up to 3 and reaches up to 25: a few roundings; a slope divides them by distances of 1e-3 and more.
    CHECK(std::fabs(deviation - bound) <= 2e-14);
    CHECK(slope <= constant * (1 + 1e-10));
  }
}

TEST_CASE("values that are Lipschitz are kept, and others extend them within the error") {
  samples s(50, 2, 5), queries(40, 2, 6);
  double constant;
  check(find_lipschitz_constant(cpu{}, {}, metric::l2{}, s.in().samples, {.constant = {&constant, 1}}));
  buffer<double> f(50), error(50), value(40), bar(40);
  check(extend(cpu{}, {.constant = constant}, metric::l2{}, s.in(),
               {.value = {f.data(), 50}, .error = {error.data(), 50}}));
  for (int i = 0; i < 50; ++i) CHECK((std::fabs(f.at(i) - s.v.at(i)) < 1e-13 && error.at(i) < 1e-13));
  // A function of constant 1 through its own values, everywhere within the error bar.
  const auto known = [](double a, double b) { return std::sin(0.6 * a + 0.8 * b); };
  samples one = s;
  for (std::int64_t i = 0; i < 50; ++i) one.v.at(i) = known(s.x.at(2 * i), s.x.at(2 * i + 1));
  extension_inputs<space::host> in = one.in();
  in.query = view<const double, 2>(queries.x.data(), 40, 2);
  check(extend(cpu{}, {.constant = 1.0}, metric::l2{}, in, {.value = {value.data(), 40}, .error = {bar.data(), 40}}));
  for (int i = 0; i < 40; ++i)
    CHECK(std::fabs(value.at(i) - known(queries.x.at(2 * i), queries.x.at(2 * i + 1))) <= bar.at(i) * (1 + 1e-12));
}

TEST_CASE("the smallest constant within a tolerance is what find_lipschitz_constant says") {
  samples s(30, 2, 11);
  constexpr double e = 0.4;
  double constant;
  check(
      find_lipschitz_constant(cpu{}, {.tolerance = 2 * e}, metric::l2{}, s.in().samples, {.constant = {&constant, 1}}));
  const auto deviation = [&](double with) {
    buffer<double> f(30);
    check(extend(cpu{}, {.constant = with}, metric::l2{}, s.in(), {.value = {f.data(), 30}}));
    double most = 0;
    for (int i = 0; i < 30; ++i) most = std::max(most, std::fabs(f.at(i) - s.v.at(i)));
    return most;
  };
  CHECK(deviation(constant) <= e * (1 + 1e-13));
  CHECK(deviation(constant * 0.999) > e);
}

TEST_CASE("by hand: values on a line; a metric of the caller's; weighted features; moved values") {
  covers("lipschitz_extension", "golden");
  const double x[] = {0, 1, 2, 4}, v[] = {0, 3, 1, 1};
  double f[4], e[4];
  std::int32_t above[4], below[4];
  check(extend(cpu{}, {.constant = 1.0}, metric::l2{}, {.samples = {.point = {x, 4, 1}, .value = {v, 4}}},
               {.value = {f, 4}, .error = {e, 4}, .upper_index = {above, 4}, .lower_index = {below, 4}}));
  CHECK((f[0] == 1 && f[1] == 2 && f[2] == 1.5 && f[3] == 1 && e[0] == 1 && e[1] == 1 && e[2] == 0.5 && e[3] == 0));
  CHECK((above[0] == 0 && above[1] == 0 && above[2] == 2 && above[3] == 3));
  CHECK((below[0] == 1 && below[1] == 1 && below[2] == 1 && below[3] == 3));
  const double hours[] = {1, 11}, heights[] = {0, 2}, noon[] = {0};
  check(extend(cpu{}, {.constant = 1.0}, clock_metric{},
               {.samples = {.point = {hours, 2, 1}, .value = {heights, 2}}, .query = {noon, 1, 1}},
               {.value = {f, 1}, .error = {e, 1}}));
  CHECK((f[0] == 1 && e[0] == 0));
  const double plane[] = {0, 0, 3, 1}, weight[] = {1, 16}, origin[] = {0, 0};
  check(extend(cpu{}, {.constant = 2.0}, metric::weighted_l2{weight},
               {.samples = {.point = {plane, 2, 2}, .value = {heights, 2}}, .query = {origin, 1, 2}},
               {.upper = {f, 1}, .lower = {e, 1}}));
  CHECK((f[0] == 0 && e[0] == 0));
  check(extend(cpu{}, {.constant = 2.0}, metric::weighted_l2{weight},
               {.samples = {.point = {plane + 2, 1, 2}, .value = {heights + 1, 1}}, .query = {origin, 1, 2}},
               {.upper = {f, 1}, .lower = {e, 1}}));
  CHECK((f[0] == 12 && e[0] == -8));  // 2 +- 2 * 5
}

TEST_CASE("the extension: the same bits for any threads; nothing allocated with a workspace") {
  samples s(400, 3, 4), queries(333, 3, 5);
  extension_inputs<space::host> in = s.in();
  in.query = view<const double, 2>(queries.x.data(), 333, 3);
  std::vector<double> f(333), again(333);
  const extension_outputs<space::host> out{.value = {f.data(), 333}};
  std::vector<char> memory(lipschitz_extension_workspace(cpu{}, in, out));
  const cpu lent{.workspace = {memory.data(), memory.size()}};
  const long before = allocation_count();
  const status done = extend(lent, {}, metric::l2{}, in, out);
  CHECK(allocation_count() == before);
  CHECK(done.ok());
  for (int threads : {1, 2, 3, 8}) {
    thread_pool pool(threads);
    check(extend(cpu{.pool = pool}, {}, metric::l2{}, in, {.value = {again.data(), 333}}));
    CHECK(f == again);
  }
  covers("lipschitz_extension", "threads"), covers("lipschitz_extension", "allocation");
}

TEST_CASE("the extension names what is wrong") {
  covers("lipschitz_extension", "bad-argument");
  samples s(4, 2, 3);
  double f[5];
  const auto refused = [&](const lipschitz_extension& options, const extension_inputs<space::host>& in,
                           const extension_outputs<space::host>& out) {
    return refused_argument(extend(cpu{.content = content::all}, options, metric::l2{}, in, out));
  };
  CHECK(refused({.constant = 0.0}, s.in(), {.value = {f, 4}}) == "constant");
  CHECK(refused({.constant = not_a_number}, s.in(), {.value = {f, 4}}) == "constant");
  CHECK(refused({}, {}, {.value = {f, 4}}) == "point");
  CHECK(refused({}, s.in(), {}) == "outputs");
  CHECK(refused({}, s.in(), {.value = {f, 5}}) == "value");
  extension_inputs<space::host> in = s.in();
  in.query = view<const double, 2>(s.x.data(), 2, 3);
  CHECK(refused({}, in, {.value = {f, 2}}) == "query");
}
