// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <shape/pairs.hpp>
#include <support/allocations.hpp>

using namespace prefer;
using namespace prefer_test;

TEST_CASE("the constant and local slopes are their definitions") {
  SUBCASE("float") { check_constant<float, host_side>(metric::l2{}, 0); }
  SUBCASE("double") { check_constant<double, host_side>(metric::l2{}, 0.25); }
  SUBCASE("half") { check_constant<half, host_side>(metric::l1{}, 0.25); }
  SUBCASE("bfloat16") { check_constant<bfloat16, host_side>(metric::linf{}, 0); }
}

namespace {

struct found {
  double constant = -1;
  std::int64_t pair[2] = {-5, -5}, conflicts = -1;
};

template <class S, class Metric>
found constant_of(const Metric& metric, const std::vector<S>& x, const std::vector<S>& v, const cpu& exec = {}) {
  const auto n = static_cast<std::int64_t>(v.size()), width = static_cast<std::int64_t>(x.size()) / n;
  found f;
  check(find_lipschitz_constant(exec, {}, metric, {.point = {x.data(), n, width}, .value = {v.data(), n}},
                                {.constant = {&f.constant, 1}, .pair = {f.pair, 2}, .conflicts = {&f.conflicts, 1}}));
  return f;
}

}  // namespace

TEST_CASE("every level finds the same constant") {
  noise random(3);
  std::vector<float> x(130 * 9), v(130);
  for (float& one : x) one = static_cast<float>(random.uniform(-1, 1));
  for (float& one : v) one = static_cast<float>(random.uniform(-1, 1));
  const found first = constant_of(metric::l2{}, x, v);
  for (isa level : levels()) {
    const found f = constant_of(metric::l2{}, x, v, cpu{.isa = level});
    CHECK((f.constant == first.constant && f.pair[0] == first.pair[0] && f.pair[1] == first.pair[1]));
  }
  covers("lipschitz_constant", "identity");
}

TEST_CASE("by hand: the steepest pair, ties to the lowest, equal points") {
  covers("lipschitz_constant", "golden");
  const found f = constant_of<double>(metric::l2{}, {0, 0, 3, 4, 3, 4.5}, {0, 1, 3});
  CHECK((f.constant == 4 && f.pair[0] == 1 && f.pair[1] == 2 && f.conflicts == 0));
  const found line = constant_of<float>(metric::linf{}, {0, 1, 2, 3}, {0, 2, 4, 6});
  CHECK((line.constant == 2 && line.pair[0] == 0 && line.pair[1] == 1));
  const found flat = constant_of<float>(metric::l1{}, {5, 5, 7}, {1, 1, 1});
  CHECK((flat.constant == 0 && flat.pair[0] == 0 && flat.pair[1] == 1 && flat.conflicts == 0));
  const found conflict = constant_of<float>(metric::l2{}, {0, 9, 5, 9, 5}, {0, 1, 2, 1.5f, 2.5f});
  CHECK((std::isinf(conflict.constant) && conflict.pair[0] == 1 && conflict.pair[1] == 3 && conflict.conflicts == 2));
}

TEST_CASE("near duplicates far from 0, and points whose squares leave the range of float") {
  // At distance 1e-4 and norm 1e3 a Gram matrix in float would be wrong by more than the distance.
  std::vector<float> x(64 * 3), v = {1, 1.001f, 0};
  for (std::size_t d = 0; d < 64; ++d) x[d] = x[64 + d] = 125, x[128 + d] = -125;
  x[64] = std::nextafter(x[64] + 1e-4f, 0.0f);
  const found near = constant_of<float>(metric::l2{}, x, v);
  CHECK(near.constant == (static_cast<double>(v[1]) - v[0]) / (static_cast<double>(x[64]) - x[0]));
  CHECK((near.pair[0] == 0 && near.pair[1] == 1));
  const found tiny = constant_of<float>(metric::l2{}, {0, 3e-30f, 1, 2e-40f}, {0, 3e-30f, 4, 0});
  CHECK((tiny.constant == 4 && tiny.conflicts == 0 && tiny.pair[0] == 0 && tiny.pair[1] == 2));
  const found huge = constant_of<float>(metric::l2{}, {-1e30f, 1e30f, 3e30f}, {0, 1e30f, 3e30f});
  CHECK(huge.constant == doctest::Approx(1.0).epsilon(1e-7));
}

TEST_CASE("the constant: the same bits for any threads; nothing allocated with a workspace") {
  constexpr std::int64_t n = 700, width = 3;
  noise random(4);
  std::vector<float> x(n * width), v(n), local(n), again(n);
  for (float& one : x) one = static_cast<float>(random.uniform(-1, 1));
  for (float& one : v) one = static_cast<float>(random.uniform(-1, 1));
  const value_samples<space::host> in{.point = {x.data(), n, width}, .value = {v.data(), n}};
  double constant, constant_again;
  const lipschitz_constant_outputs<space::host> out{.constant = {&constant, 1}, .local = {local.data(), n}};
  const lipschitz_constant_outputs<space::host> out_again{.constant = {&constant_again, 1}, .local = {again.data(), n}};
  std::vector<char> memory(lipschitz_constant_workspace(cpu{}, {}, metric::l2{}, in, out));
  REQUIRE(memory.size() > n * 24);
  const cpu lent{.workspace = {memory.data(), memory.size()}};
  const long before = allocation_count();
  const status s = find_lipschitz_constant(lent, {}, metric::l2{}, in, out);
  CHECK(allocation_count() == before);
  CHECK(s.ok());
  for (int threads : {1, 2, 3, 8}) {
    thread_pool pool(threads);
    check(find_lipschitz_constant(cpu{.pool = pool}, {}, metric::l2{}, in, out_again));
    CHECK((constant == constant_again && local == again));
  }
  const cpu less{.workspace = {memory.data(), memory.size() - 1}};
  CHECK(refused_argument(find_lipschitz_constant(less, {}, metric::l2{}, in, out)) == "workspace");
  covers("lipschitz_constant", "threads"), covers("lipschitz_constant", "allocation");
}

TEST_CASE("the constant names what is wrong") {
  covers("lipschitz_constant", "bad-argument");
  float x[8] = {}, v[4] = {};
  double c = -7;
  const value_samples<space::host> in{.point = {x, 4, 2}, .value = {v, 4}};
  const lipschitz_constant_outputs<space::host> out{.constant = {&c, 1}};
  const auto refused = [&](const lipschitz_constant& options, const value_samples<space::host>& samples,
                           const lipschitz_constant_outputs<space::host>& outputs, const cpu& exec = {}) {
    return refused_argument(find_lipschitz_constant(exec, options, metric::l2{}, samples, outputs));
  };
  CHECK(refused({.tolerance = -1.0}, in, out) == "tolerance");
  CHECK(refused({}, {.value = {v, 4}}, out) == "point");
  CHECK(refused({}, {.point = {x, 4, 2}}, out) == "value");
  CHECK(refused({}, {.point = {x, 4, 0}, .value = {v, 4}}, out) == "point");
  CHECK(refused({}, {.point = {x, 4, 2}, .value = {v, 3}}, out) == "value");
  CHECK(refused({}, in, {}) == "outputs");
  CHECK(refused({}, in, {.local = {v, 3}}) == "local");
  CHECK(refused({}, in, {.local = {v, 4}}) == "local");  // lies over the values
  v[2] = NAN;
  CHECK(refused({}, in, out, cpu{.content = content::all}) == "value");
  v[2] = 0, x[5] = INFINITY;
  CHECK(refused({}, in, out, cpu{.content = content::all}) == "point");
  CHECK(c == -7);
}
