// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <shape/norm_product_checks.hpp>
#include <support/allocations.hpp>

#include <limits>

using namespace prefer_test;
using prefer::cpu;
using prefer::errc;
using prefer::multiply_norms;
using prefer::space;

namespace {

struct product_of {
  std::vector<double> norm, grad;
  double bound = -1, log_bound = -1;

  explicit product_of(const std::vector<double>& of) : norm(of), grad(of.size()) {
    const auto n = static_cast<std::int64_t>(norm.size());
    prefer::check(multiply_norms(cpu{}, {{norm.data(), n}}, {{&bound, 1}, {&log_bound, 1}, {grad.data(), n}}));
  }
};

}  // namespace

TEST_CASE("products of norms, their logarithms and derivatives") {
  SUBCASE("float") { check_norm_product<float, host_side>(); }
  SUBCASE("double") { check_norm_product<double, host_side>(); }
  SUBCASE("half") { check_norm_product<prefer::half, host_side>(); }
  SUBCASE("bfloat16") { check_norm_product<prefer::bfloat16, host_side>(); }
}

TEST_CASE("nothing overflows or vanishes on the way") {
  const product_of mixed({1e300, 1e200, 1e-300, 1e-200, 3});
  CHECK(mixed.bound == doctest::Approx(3).epsilon(1e-14));
  CHECK(mixed.grad[0] == doctest::Approx(3e-300).epsilon(1e-14));
  CHECK(mixed.grad[3] == doctest::Approx(3e200).epsilon(1e-14));
  const product_of large({1e300, 1e300, 1e300}), small({1e-300, 1e-300, 1e-300, 0x1p-1074});
  CHECK((std::isinf(large.bound) && std::isinf(large.grad[1])));
  CHECK(large.log_bound == doctest::Approx(900 * std::log(10)).epsilon(1e-14));
  CHECK(small.log_bound == doctest::Approx(-900 * std::log(10) - 1074 * std::log(2)).epsilon(1e-14));
  CHECK((small.bound > 0 && small.bound <= 0x1p-1073));  // an upper bound is never 0 if the product is not
  CHECK(product_of({0x1p-600, 0x1p-460}).bound >= 0x1p-1060);
  CHECK(product_of({0x1p-1060, 0x1p700}).bound == doctest::Approx(0x1p-360).epsilon(1e-14));
  CHECK(product_of({7}).bound == 7);
  CHECK(product_of({}).bound == 1);
}

TEST_CASE("derivatives where layers are zero are the products of the others; NaN reaches everything") {
  const product_of one({2, 0, 3}), two({0, 5, 0}), bad({2, not_a_number, 0});
  CHECK((one.bound == 0 && one.grad == std::vector<double>{0, 6, 0}));
  CHECK((std::isinf(one.log_bound) && one.log_bound < 0));
  CHECK((two.bound == 0 && two.grad == std::vector<double>{0, 0, 0}));
  CHECK((std::isnan(bad.bound) && std::isnan(bad.log_bound) && std::isnan(bad.grad[0]) && std::isnan(bad.grad[2])));
  constexpr double infinite = std::numeric_limits<double>::infinity();
  const product_of endless({infinite, 2}), twice({infinite, 3, infinite}), nothing({0, infinite, 2});
  CHECK((endless.bound == infinite && endless.log_bound == infinite));
  CHECK(endless.grad == std::vector<double>{2, infinite});
  CHECK(twice.grad == std::vector<double>{infinite, infinite, infinite});
  CHECK((nothing.bound == 0 && nothing.grad == std::vector<double>{infinite, 0, 0}));
  std::vector<double> norms = {0.3, 2, 0.7, 1.1};
  for (std::size_t i = 0; i < norms.size(); ++i) {
    std::vector<double> above = norms, below = norms;
    above[i] += 1e-6, below[i] -= 1e-6;
    CHECK(product_of(norms).grad[i] ==
          doctest::Approx((product_of(above).bound - product_of(below).bound) / 2e-6).epsilon(1e-8));
  }
  covers("norm_product", "identity");
}

TEST_CASE("a bound in float is not below the product, however small, and exact if it can be") {
  const auto bound_of = [](std::vector<double> norms) {
    float bound = -7;
    prefer::check(multiply_norms(cpu{}, {.norm = {norms.data(), static_cast<std::int64_t>(norms.size())}},
                                 {.bound = {&bound, 1}}));
    return bound;
  };
  CHECK(bound_of({1 + 0x1p-30}) == 1 + 0x1p-23f);
  CHECK(bound_of({0.75}) == 0.75f);
  CHECK(bound_of({}) == 1);
  CHECK(bound_of({1e-25, 1e-25}) == 0x1p-149f);
  CHECK(bound_of({0x1p-140, 1 + 0x1p-30}) == 0x1p-140f + 0x1p-149f);
  CHECK(std::isinf(bound_of({0x1.fffffep127, 1 + 0x1p-30})));
}

TEST_CASE("nothing is allocated, and what is wrong is named") {
  buffer<double> norm(3), bound(1), log_bound(1), grad(3);
  norm.fill({1, 2, 3});
  const auto run = [&](auto change) {
    prefer::norm_product_inputs<space::host> in{norm.read()};
    prefer::norm_product_outputs<space::host> out{bound.view(), log_bound.view(), grad.view()};
    change(in, out);
    prefer::thread_pool pool(2);
    const long before = allocation_count();
    const prefer::status s = multiply_norms(cpu{.pool = pool}, in, out);
    CHECK(allocation_count() == before);
    return s;
  };
  const auto refused = [&](errc code, const char* argument, auto change) {
    const prefer::status s = run(change);
    CHECK(s.code == code);
    CHECK(refused_argument(s) == argument);
  };
  refused(errc::missing_input, "norm", [](auto& in, auto&) { in = {}; });
  refused(errc::missing_output, "outputs", [](auto&, auto& out) { out = {}; });
  refused(errc::bad_extent, "norm", [](auto& in, auto&) { in.norm.extent[0] = -1; });
  refused(errc::bad_extent, "grad", [](auto&, auto& out) { out.grad.extent[0] = 2; });
  refused(errc::overlap, "grad", [&](auto&, auto& out) { out.grad = norm.view(); });
  norm.set(1, -2);
  refused(errc::bad_label, "norm", [](auto&, auto&) {});
  CHECK((bound.untouched() && log_bound.untouched() && grad.untouched()));
  norm.set(1, 2);
  CHECK(run([](auto&, auto&) {}).ok());
  CHECK(bound.at(0) >= 6);
  for (const char* tag : {"allocation", "bad-argument"}) covers("norm_product", tag);
}

TEST_CASE("products have the same bits for every number of threads and at every level") {
  const auto bits = [](cpu exec) {
    buffer<float> norm(1001, 2), grad(1001, 3);
    buffer<double> totals(2);
    noise random(9);
    fill_uniform(norm, random, 0.9, 1.1);
    prefer::check(multiply_norms(exec, {norm.read()}, {{&totals.at(0), 1}, {&totals.at(1), 1}, grad.view()}));
    std::vector<double> all = grad.values();
    for (double x : totals.values()) all.push_back(x);
    return all;
  };
  const std::vector<double> expected = bits({});
  for (int threads : {1, 2, 3, 8}) {
    prefer::thread_pool pool(threads);
    CHECK(bits({.pool = pool}) == expected);
  }
  for (prefer::isa level : levels()) CHECK(bits({.isa = level}) == expected);
  covers("norm_product", "threads");
}
