// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <shape/pairs.hpp>
#include <support/allocations.hpp>

using namespace prefer;
using namespace prefer_test;

TEST_CASE("neighbours are the nearest, and slopes over lists their definitions") {
  SUBCASE("float") { check_neighbors<float, host_side>(metric::l2{}, false); }
  SUBCASE("double, elsewhere") { check_neighbors<double, host_side>(metric::l2{}, true); }
  SUBCASE("double") { check_neighbors<double, host_side>(metric::l2{}, false); }
  SUBCASE("half") { check_neighbors<half, host_side>(metric::l2{}, false); }
  SUBCASE("bfloat16") { check_neighbors<bfloat16, host_side>(metric::l2{}, false); }
}

namespace {

struct line {
  buffer<float> x, v;
  explicit line(const std::vector<double>& points, const std::vector<double>& values)
      : x(static_cast<std::int64_t>(points.size())), v(x.size()) {
    x.fill(points), v.fill(values);
  }
  std::int64_t n() const { return x.size(); }
  value_samples<space::host> samples() { return {.point = {x.data(), n(), 1}, .value = {v.data(), n()}}; }
};

}  // namespace

TEST_CASE("by hand: equal distances go to the lowest sample, equal points are at distance 0, ends are filled") {
  line c({0, 1, -1, 1}, {0, 3, 1, 3});
  std::int32_t j[12];
  double d[12];
  check(find_nearest_neighbors(cpu{}, metric::l2{}, {.point = {c.x.data(), 4, 1}},
                               {.index = {j, 4, 3}, .distance = {d, 4, 3}}));
  const std::int32_t wanted[] = {1, 2, 3, 3, 0, 2, 0, 1, 3, 1, 0, 2};
  const double apart[] = {1, 1, 1, 0, 1, 2, 1, 2, 2, 0, 1, 2};
  CHECK((std::equal(j, j + 12, wanted) && std::equal(d, d + 12, apart)));
  check(find_nearest_neighbors(cpu{}, metric::l2{}, {.point = {c.x.data(), 2, 1}},
                               {.index = {j, 2, 3}, .distance = {d, 2, 3}}));
  CHECK((j[0] == 1 && j[1] == -1 && j[2] == -1 && d[0] == 1 && std::isinf(d[1]) && std::isinf(d[2])));
  covers("nearest_neighbors", "golden");
}

TEST_CASE("by hand: slopes over lists; a neighbour of its own and an empty place play no part") {
  line c({0, 1, 2, 2}, {0, 3, 4, 6});
  const std::int32_t list[] = {1, 0, 3, 2, 3, -1, 2, 3};
  double constant;
  std::int64_t pair[2], conflicts;
  float local[4];
  check(find_neighbor_lipschitz_constant(
      cpu{}, {}, metric::l2{}, {.samples = c.samples(), .neighbor = {list, 4, 2}},
      {.constant = {&constant, 1}, .pair = {pair, 2}, .conflicts = {&conflicts, 1}, .local = {local, 4}}));
  CHECK((std::isinf(constant) && pair[0] == 2 && pair[1] == 3 && conflicts == 2));
  CHECK((local[0] == 3 && local[1] == 3 && std::isinf(local[2]) && std::isinf(local[3])));
  covers("neighbor_lipschitz_constant", "golden");
}

TEST_CASE("with all others as neighbours the constant and the local slopes are those of all pairs") {
  constexpr std::int64_t n = 90, k = n - 1;
  sample_case<float> c(n, 3, 4, false);
  host_side side;
  buffer<std::int64_t> list(n * k);
  check(find_nearest_neighbors(cpu{}, metric::l2{}, {.point = side.read(c.point, n, 3, c.row_stride)},
                               {.index = {list.data(), n, k}}));
  for (isa level : {isa::base, isa::avx2, isa::avx512}) {
    isa found;
    if (!resolve_isa(cpu{.isa = level}, found).ok()) continue;
    double constant[2];
    buffer<float> local(n), all(n);
    buffer<std::int32_t> partner(n), all_partner(n);
    check(find_lipschitz_constant(cpu{.isa = level}, {}, metric::l2{}, c.read(side),
                                  {.constant = {constant, 1}, .local = all.view(), .partner = all_partner.view()}));
    check(find_neighbor_lipschitz_constant(
        cpu{.isa = level}, {}, metric::l2{}, {.samples = c.read(side), .neighbor = {list.data(), n, k}},
        {.constant = {constant + 1, 1}, .local = local.view(), .partner = partner.view()}));
    CHECK(constant[0] == constant[1]);
    CHECK((local.values() == all.values() && partner.bytes() == all_partner.bytes()));
  }
  covers("neighbor_lipschitz_constant", "identity"), covers("nearest_neighbors", "identity");
}

TEST_CASE("listed pairs whose squares leave the range of float are taken in double") {
  line c({0, 3e-30, 1e30, -1e30}, {0, 3e-30, 1, 2});
  const std::int32_t list[] = {1, 0, 3, 2};
  float local[4];
  check(find_neighbor_lipschitz_constant(cpu{}, {}, metric::l2{}, {.samples = c.samples(), .neighbor = {list, 4, 1}},
                                         {.local = {local, 4}}));
  CHECK(local[0] == doctest::Approx(1.0).epsilon(1e-6));
  CHECK(local[2] * 2e30 == doctest::Approx(1.0).epsilon(1e-6));
  std::int32_t j[4];
  check(find_nearest_neighbors(cpu{}, metric::l2{}, {.point = {c.x.data(), 4, 1}}, {.index = {j, 4, 1}}));
  CHECK((j[0] == 1 && j[1] == 0 && j[2] == 0 && j[3] == 0));
}

TEST_CASE("neighbours: the same bits for any threads; nothing allocated with a workspace") {
  constexpr std::int64_t n = 500, k = 7;
  sample_case<float> c(n, 5, 4, false);
  host_side side;
  const value_samples<space::host> samples = c.read(side);
  std::vector<std::int32_t> list(n * k), again(n * k);
  std::vector<float> local(n), local_again(n);
  const neighbor_inputs<space::host> in{.point = samples.point};
  const neighbor_outputs<space::host> out{.index = {list.data(), n, k}};
  const lipschitz_constant_outputs<space::host> slopes{.local = {local.data(), n}};
  std::vector<char> memory(nearest_neighbors_workspace(cpu{}, metric::l2{}, in, out));
  const cpu lent{.workspace = {memory.data(), memory.size()}};
  const long before = allocation_count();
  const status found = find_nearest_neighbors(lent, metric::l2{}, in, out);
  CHECK(allocation_count() == before);
  CHECK(found.ok());
  const neighbor_samples<space::host> near{.samples = samples, .neighbor = {list.data(), n, k}};
  std::vector<char> less(neighbor_lipschitz_constant_workspace(cpu{}, {}, metric::l2{}, near, slopes));
  REQUIRE((less.size() >= 20 * n && less.size() < 25 * n));
  const cpu little{.workspace = {less.data(), less.size()}};
  const long then = allocation_count();
  const status done = find_neighbor_lipschitz_constant(little, {}, metric::l2{}, near, slopes);
  CHECK(allocation_count() == then);
  CHECK(done.ok());
  for (int threads : {1, 2, 3, 8}) {
    thread_pool pool(threads);
    check(find_nearest_neighbors(cpu{.pool = pool}, metric::l2{}, in, {.index = {again.data(), n, k}}));
    check(find_neighbor_lipschitz_constant(cpu{.pool = pool}, {}, metric::l2{}, near,
                                           {.local = {local_again.data(), n}}));
    CHECK((again == list && local_again == local));
  }
  const cpu short_of{.workspace = {memory.data(), memory.size() - 1}};
  CHECK(refused_argument(find_nearest_neighbors(short_of, metric::l2{}, in, out)) == "workspace");
  for (const char* name : {"nearest_neighbors", "neighbor_lipschitz_constant"})
    covers(name, "threads"), covers(name, "allocation");
}

TEST_CASE("neighbours: what is wrong is named, and nothing has been written") {
  float x[8] = {}, v[4] = {}, query[6] = {};
  std::int32_t j[8] = {-5, 1, 2, 3, 0, 1, 2, 3};
  const neighbor_outputs<space::host> out{.index = {j, 4, 2}};
  const auto refused = [&](const neighbor_inputs<space::host>& in, const neighbor_outputs<space::host>& to) {
    return refused_argument(find_nearest_neighbors(cpu{.content = content::all}, metric::l2{}, in, to));
  };
  CHECK(refused({}, out) == "point");
  CHECK(refused({.point = {x, 4, 0}}, out) == "point");
  CHECK(refused({.point = {x, 4, 2}}, {}) == "outputs");
  CHECK(refused({.point = {x, 4, 2}}, {.index = {j, 4, 0}}) == "index");
  CHECK(refused({.point = {x, 4, 2}}, {.index = {j, 3, 2}}) == "index");
  CHECK(refused({.point = {x, 4, 2}}, {.index = {j, 4, 2}, .distance = {query, 4, 1}}) == "distance");
  CHECK(refused({.point = {x, 4, 2}}, {.distance = {x, 4, 1}}) == "distance");  // lies over the points
  CHECK(refused({.point = {x, 4, 2}, .query = {query, 2, 3}}, {.index = {j, 2, 2}}) == "query");
  x[3] = NAN;
  CHECK(refused({.point = {x, 4, 2}}, out) == "point");
  x[3] = 0;
  const auto slopes = [&](const neighbor_samples<space::host>& in) {
    float local[4];
    return refused_argument(find_neighbor_lipschitz_constant(cpu{}, {}, metric::l2{}, in, {.local = {local, 4}}));
  };
  const value_samples<space::host> samples{.point = {x, 4, 2}, .value = {v, 4}};
  CHECK(slopes({.samples = samples}) == "neighbor");
  CHECK(slopes({.samples = samples, .neighbor = {j, 3, 2}}) == "neighbor");
  CHECK(slopes({.samples = samples, .neighbor = {j, 4, -1}}) == "neighbor");
  CHECK(slopes({.samples = samples, .neighbor = {v, 4, 1}}) == "neighbor");
  CHECK(slopes({.samples = samples, .neighbor = {j, 4, 2}}) == "nothing");
  j[6] = 4;
  CHECK(slopes({.samples = samples, .neighbor = {j, 4, 2}}) == "neighbor");
  CHECK(j[0] == -5);
  for (const char* name : {"nearest_neighbors", "neighbor_lipschitz_constant"}) covers(name, "bad-argument");
}
