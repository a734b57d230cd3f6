// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/thread_pool.hpp>
#include <select/volume_case.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>

#include <functional>
#include <string>

using namespace prefer;
using prefer_test::covers;
using prefer_test::volume_case;

namespace {

using method = hypervolume::algorithm;
using inputs = hypervolume_inputs<space::host>;
using outputs = hypervolume_outputs<space::host>;
using change_arguments = std::function<void(inputs&, outputs&, hypervolume&)>;
constexpr double infinite = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

struct call {
  cpu exec = {};
  hypervolume options = {};
  std::vector<char> memory = {};

  status operator()(const inputs& in, const outputs& out) {
    memory.resize(hypervolume_workspace(exec, options, in) + 1);
    exec.workspace = {memory.data() + 1, memory.size() - 1};  // at any address
    return hypervolumes(exec, options, in, out);
  }
};

double volume_of(const std::vector<double>& x, int k, double reference, const hypervolume& options = {}) {
  double v = -1;
  const std::vector<double> low(static_cast<std::size_t>(k), reference);
  call run{.options = options};
  check(run({.samples = {.rewards = {x.data(), static_cast<std::int64_t>(x.size()) / k, k}},
             .reference = {low.data(), k}},
            {.hypervolume = {&v, 1}}));
  return v;
}

constexpr direction down[8] = {direction::minimize, direction::minimize, direction::minimize, direction::minimize,
                               direction::minimize, direction::minimize, direction::minimize, direction::minimize};
hypervolume minimized(int k, method m = method::automatic) {
  return {.objectives = {.directions = {down, k}}, .method = m};
}

template <class S>
void check_all() {
  for (const auto& shape : prefer_test::volume_shapes())
    for (const isa level : prefer_test::levels())
      for (const method m : {method::automatic, method::slices}) {
        volume_case<S> c(shape);
        call run{.exec = {.isa = level}, .options = {.objectives = c.objectives(), .method = m}};
        check(run(c.inputs(), c.volume_outputs()));
        c.check_volumes();
      }
  covers<S>("hypervolume", "sizes");
}

}  // namespace

TEST_CASE("volumes and facets are their definition: objectives, sizes, layouts, groups, directions, what is left out") {
  SUBCASE("float") { check_all<float>(); }
  SUBCASE("double") { check_all<double>(); }
  SUBCASE("half") { check_all<half>(); }
  SUBCASE("bfloat16") { check_all<bfloat16>(); }
  covers("hypervolume", "masked"), covers("hypervolume", "strides");
}

TEST_CASE("published cases") {
  // The example of pagmo's documentation, one of whose points is dominated.
  CHECK(volume_of({1, 0, 0.5, 0.5, 0, 1, 1.5, 0.75}, 2, 2, minimized(2)) == 3.25);
  // That of moocore's: once minimised, once maximised.
  CHECK(volume_of({5, 5, 4, 6, 2, 7, 7, 4}, 2, 10, minimized(2)) == 38);
  CHECK(volume_of({5, 5, 4, 6, 2, 7, 7, 4}, 2, 0) == 39);
  // By hand: three boxes of 6, their pairs share 2, all share 1.
  CHECK(volume_of({1, 2, 3, 2, 3, 1, 3, 1, 2}, 3, 4, minimized(3)) == 18 - 6 + 1);
  covers("hypervolume", "golden");
}

TEST_CASE("a linear front of n steps has the closed-form volume, by every method") {
  // (i, n - i) for i in 1 .. n - 1 cover n (n - 1) / 2; stretched by m in further objectives, m^(K - 2) times that.
  constexpr int n = 40;
  for (int k = 2; k <= 6; ++k)
    for (const method m : {method::automatic, method::slices}) {
      std::vector<double> x;
      for (int i = 1; i < n; ++i) {
        x.push_back(i), x.push_back(n - i);
        for (int j = 2; j < k; ++j) x.push_back(3);
      }
      CHECK(volume_of(x, k, 0, {.method = m}) == n * (n - 1) / 2 * std::pow(3, k - 2));
    }
  // All corners of the simplex {sum = s}, in whole numbers: boxes whose union counts the lattice points below.
  for (int s = 3; s <= 9; ++s) {
    std::vector<double> x;
    double lattice = 0;
    for (int a = 1; a <= s; ++a)
      for (int b = 1; a + b <= s; ++b)
        for (int c = 1; a + b + c <= s; ++c) {
          ++lattice;
          if (a + b + c == s) x.insert(x.end(), {double(a), double(b), double(c)});
        }
    CHECK(volume_of(x, 3, 0) == lattice);
  }
}

TEST_CASE("identities: facets add up to projected volumes, and times their distances to K volumes, ties or not") {
  for (int k = 2; k <= 5; ++k)
    for (const int range : {4, 1000000}) {
      constexpr std::int64_t n = 40;
      std::mt19937 random(static_cast<unsigned>(k * range));
      std::vector<double> x(static_cast<std::size_t>(n * k)), slope(x.size()), low(static_cast<std::size_t>(k), 0.0);
      for (double& v : x) v = 1 + static_cast<double>(random() % static_cast<unsigned>(range));
      double v = 0;
      call run;
      check(run({.samples = {.rewards = {x.data(), n, k}}, .reference = {low.data(), k}},
                {.hypervolume = {&v, 1}, .grad_rewards = {slope.data(), n, k}}));
      double euler = 0;
      for (std::size_t i = 0; i < x.size(); ++i) euler += slope[i] * x[i];
      CHECK(euler == doctest::Approx(k * v).epsilon(1e-12));
      for (int last = 0; last < k; ++last) {
        std::vector<double> projected;
        double facets = 0;
        for (std::int64_t i = 0; i < n; ++i)
          for (int j = 0; j < k; ++j) {
            if (j != last) projected.push_back(x[static_cast<std::size_t>(i * k + j)]);
            if (j == last) facets += slope[static_cast<std::size_t>(i * k + j)];
          }
        CHECK(facets == doctest::Approx(volume_of(projected, k - 1, 0)).epsilon(1e-12));
      }
    }
  covers("hypervolume", "identity");
}

TEST_CASE("the gradient is that of the volume by differences") {
  for (int k = 1; k <= 6; ++k) {
    const std::int64_t n = 12;
    std::vector<double> x = prefer_test::sphere(n, k < 2 ? 2 : k, 5);
    x.resize(static_cast<std::size_t>(n * k));
    const std::vector<double> low(static_cast<std::size_t>(k), 1.25);
    std::vector<double> slope(x.size());
    call run{.options = minimized(k)};
    check(run({.samples = {.rewards = {x.data(), n, k}}, .reference = {low.data(), k}},
              {.grad_rewards = {slope.data(), n, k}}));
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double step = 1e-7, at = x[i];  // no two coordinates are that close; the volume is linear in each
      x[i] = at + step;
      const double above = volume_of(x, k, 1.25, minimized(k));
      x[i] = at - step;
      const double below = volume_of(x, k, 1.25, minimized(k));
      x[i] = at;
      CHECK(slope[i] == doctest::Approx((above - below) / (2 * step)).epsilon(1e-5).scale(1));
    }
  }
  covers<double>("hypervolume", "gradient");
}

TEST_CASE("ties: a dominated sample has no gradient, equal ones leave it to the first, and nobody shares an edge") {
  const double x[] = {2, 2, 1, 2, 2, 2, 0.5, 1};
  const double low[] = {0, 0};
  double slope[8];
  call run;
  check(run({.samples = {.rewards = {x, 4, 2}}, .reference = {low, 2}}, {.grad_rewards = {slope, 4, 2}}));
  CHECK((slope[0] == 2 && slope[1] == 2));
  for (int i = 2; i < 8; ++i) CHECK(slope[i] == 0);
}

TEST_CASE("methods agree, and volumes scale, shift, and do not see the order of samples") {
  for (int k = 2; k <= 7; ++k) {
    const std::int64_t n = k < 6 ? 150 : 40;
    std::vector<double> x = prefer_test::sphere(n, k, 11);
    const double v = volume_of(x, k, 1.1, minimized(k));
    CHECK(volume_of(x, k, 1.1, minimized(k, method::slices)) == doctest::Approx(v).epsilon(1e-13));
    if (k <= 3) CHECK(volume_of(x, k, 1.1, minimized(k, method::sweep)) == v);
    std::vector<double> moved = x, turned;
    for (double& e : moved) e = 8 * e;
    CHECK(volume_of(moved, k, 8.8, minimized(k)) == doctest::Approx(v * std::pow(8, k)).epsilon(1e-13));
    for (double& e : moved) e = e / 8 + 3;
    CHECK(volume_of(moved, k, 4.1, minimized(k)) == doctest::Approx(v).epsilon(1e-12));
    for (std::int64_t i = n; i-- > 0;)
      for (int j = 0; j < k; ++j) turned.push_back(x[static_cast<std::size_t>(i * k + (j + 1) % k)]);
    CHECK(volume_of(turned, k, 1.1, minimized(k)) == doctest::Approx(v).epsilon(1e-13));
  }
}

TEST_CASE("large sweeps: sorting by digits, stairs of several words, all equal, chains, two values") {
  std::mt19937 random(4);
  for (int k = 2; k <= 3; ++k)
    for (const std::int64_t n : {255, 256, 257, 4097, 20000}) {
      std::vector<double> x = prefer_test::sphere(n, k, 3);
      CHECK(volume_of(x, k, 1.1, minimized(k)) ==
            doctest::Approx(volume_of(x, k, 1.1, minimized(k, n < 5000 ? method::slices : method::sweep)))
                .epsilon(1e-13));
    }
  std::vector<double> stairs, equal, chain, corners;
  constexpr int n = 5000;
  for (int i = 1; i <= n; ++i) {
    stairs.insert(stairs.end(), {double(i), double(n + 1 - i), double(i)});
    equal.insert(equal.end(), {2, 3, 4});
    chain.insert(chain.end(), {double(i), double(i), double(i)});
    for (int k = 0; k < 3; ++k) corners.push_back(1 + static_cast<double>(random() % 2));
  }
  // From the highest on, step i adds the area i at the height i.
  CHECK(volume_of(stairs, 3, 0) == n * (n + 1.0) * (2 * n + 1) / 6);
  CHECK(volume_of(equal, 3, 0) == 24);
  CHECK(volume_of(chain, 3, 0) == std::pow(n, 3));
  CHECK(volume_of(corners, 3, 0) == 8);
}

TEST_CASE("rows are ordered by one objective, then by all, then by number, however many and wherever they differ") {
  prefer_test::noise random(23);
  for (const std::int64_t n : {1, 2, 39, 40, 41, 300, 1023, 1024, 1500})
    for (const int kind : {0, 1, 2, 3}) {
      std::vector<double> rows(static_cast<std::size_t>(2 * n));
      for (double& x : rows) {
        x = random.uniform(-1, 1);
        if (kind == 1) x = std::floor(3 * x);                 // ties
        if (kind == 2) x = 1 + x * 0x1p-30;                   // differ in low bits
        if (kind == 3) x = &x == rows.data() ? 1e300 : x / 4;  // one far away
      }
      std::vector<prefer::detail::ordered_row> order(static_cast<std::size_t>(n)), other(order.size());
      prefer::detail::order_rows(rows.data(), n, 2, 1, order.data(), other.data());
      std::vector<std::int32_t> expected(order.size());
      for (std::size_t i = 0; i < expected.size(); ++i) expected[i] = static_cast<std::int32_t>(i);
      const auto at = [&](std::int32_t i, int k) { return rows[static_cast<std::size_t>(2 * i + k)]; };
      std::stable_sort(expected.begin(), expected.end(), [&](std::int32_t a, std::int32_t b) {
        return at(a, 1) != at(b, 1) ? at(a, 1) > at(b, 1) : at(a, 0) > at(b, 0);
      });
      bool right = true;
      for (std::size_t i = 0; i < expected.size(); ++i) right = right && order[i].row == expected[i];
      CAPTURE(n);
      CAPTURE(kind);
      CHECK(right);
    }
}

TEST_CASE("infinite rewards: an unbounded volume, and facets that are if they should") {
  for (const method m : {method::automatic, method::slices})
    for (int k = 2; k <= 5; ++k) {
      std::vector<double> x(static_cast<std::size_t>(4 * k), 2);
      x[0] = infinite, x[1] = 1;                                           // beside (2, ..., 2)
      for (int j = 0; j < k; ++j) x[static_cast<std::size_t>(2 * k + j)] = -infinite;
      x[static_cast<std::size_t>(3 * k)] = infinite, x[static_cast<std::size_t>(3 * k + 1)] = 1;  // the first again
      const std::vector<double> low(static_cast<std::size_t>(k), 0.0);
      std::vector<double> slope(x.size());
      double v = 0;
      call run{.options = {.method = m}};
      check(run({.samples = {.rewards = {x.data(), 4, k}}, .reference = {low.data(), k}},
                {.hypervolume = {&v, 1}, .grad_rewards = {slope.data(), 4, k}}));
      CHECK(v == infinite);
      CHECK(slope[0] == std::pow(2, k - 2));
      CHECK(slope[1] == infinite);
      CHECK(slope[static_cast<std::size_t>(k)] == std::pow(2, k - 2));
      for (int j = 0; j < k; ++j) {
        CHECK(slope[static_cast<std::size_t>(2 * k + j)] == 0);
        CHECK(slope[static_cast<std::size_t>(3 * k + j)] == 0);
      }
    }
}

TEST_CASE("NaN by policy: an error, or worse than any reference, or not there; wherever the row is") {
  for (int k = 1; k <= 5; ++k)
    for (std::int64_t row = 0; row < 4; ++row) {
      std::vector<double> x;
      for (int i = 0; i < 4; ++i)
        for (int j = 0; j < k; ++j) x.push_back(1 + (i + j) % 4);
      const std::vector<double> low(static_cast<std::size_t>(k), 0.0);
      std::vector<double> others = x;
      others.erase(others.begin() + row * k, others.begin() + (row + 1) * k);
      const double expected = volume_of(others, k, 0);
      x[static_cast<std::size_t>(row * k + k - 1)] = not_a_number;
      for (const nan_policy p : {nan_policy::worst, nan_policy::ignore})
        CHECK(volume_of(x, k, 0, {.objectives = {.nan = p}}) == expected);
      double v = 7;
      call run;
      const inputs in{.samples = {.rewards = {x.data(), 4, k}}, .reference = {low.data(), k}};
      const status s = run(in, {.hypervolume = {&v, 1}});
      CHECK((s.code == errc::not_a_number && s.index == row * k + k - 1 && v == 7));
      run.exec.content = content::none;
      check(run(in, {.hypervolume = {&v, 1}}));
      CHECK(v == expected);
    }
}

TEST_CASE("a reference that does not bound: samples beyond it cover nothing, or are an error by choice") {
  const double x[] = {3, 3, 1, 5, 4, 1, 2, 2}, low[] = {1, 1};
  double v = 7;
  call run;
  const inputs in{.samples = {.rewards = {x, 4, 2}}, .reference = {low, 2}};
  check(run(in, {.hypervolume = {&v, 1}}));
  CHECK(v == 4);  // two samples lie on the reference
  v = 7;
  run.options.must_bound = true;
  const status s = run(in, {.hypervolume = {&v, 1}});
  CHECK((s.code == errc::bad_parameter && s.index == 2 && s.got == 1 && v == 7));
  CHECK(std::string(message(s).c_str()) ==
        "prefer: bad parameter: rewards[2] is 1, expected better than the reference, which has to bound every sample");
  const bool there[] = {true, false, false, true};
  inputs fewer = in;
  fewer.samples.mask = {there, 4};
  check(run(fewer, {.hypervolume = {&v, 1}}));
  CHECK(v == 4);
}

TEST_CASE("the same bits for any threads and in any batch; nothing allocated; never too little workspace") {
  for (int k = 2; k <= 6; ++k) {
    volume_case<float> many({.objectives = k, .samples = 40, .groups = prefer_test::grouping::cube, .range = 1000});
    volume_case<double> one({.objectives = k, .samples = k < 6 ? 200 : 90, .range = 100000});
    const auto run_both = [&](const cpu& exec) {
      call run{.exec = exec, .options = {.objectives = one.objectives()}};
      check(run(one.inputs(), one.volume_outputs()));
      check(run(many.inputs(), many.volume_outputs()));
      return std::vector{one.hypervolume.bytes(), one.grad_rewards.bytes(), many.hypervolume.bytes(),
                         many.grad_rewards.bytes()};
    };
    const auto expected = run_both({});
    for (const int threads : {1, 2, 3, 8}) {
      thread_pool pool(threads);
      CHECK(run_both({.pool = pool}) == expected);
    }
    call run{.options = {.objectives = one.objectives()}};
    check(run(one.inputs(), one.volume_outputs()));
    const auto in = one.inputs();
    const auto out = one.volume_outputs();
    const long before = prefer_test::allocation_count();
    const status s = hypervolumes(run.exec, run.options, in, out);
    CHECK(prefer_test::allocation_count() == before);
    CHECK(s.ok());
    const std::size_t needed = run.exec.workspace.bytes;
    run.exec.workspace.bytes = needed - 1;
    const status small = hypervolumes(run.exec, run.options, in, out);
    CHECK((small.code == errc::small_workspace && small.limit == static_cast<double>(needed)));
    volume_case<float> first = many;
    first.groups = 1, first.shape.groups = prefer_test::grouping::one, first.samples = 40;
    call alone{.options = {.objectives = one.objectives()}};
    check(alone(first.inputs(), first.volume_outputs()));
    CHECK(first.hypervolume.at(0) == many.hypervolume.at(0));
  }
  covers("hypervolume", "threads"), covers("hypervolume", "allocation");
}

TEST_CASE("every bad argument is named, and nothing is written") {
  volume_case<double> c({.objectives = 3, .samples = 6, .groups = prefer_test::grouping::offsets});
  const auto bytes = c.hypervolume.bytes();
  call run{.options = {.objectives = c.objectives()}};
  const auto fails = [&](errc code, const char* argument, const change_arguments& change) {
    auto in = c.inputs();
    auto out = c.volume_outputs();
    call other = run;
    change(in, out, other.options);
    const status s = other(in, out);
    INFO(message(s).c_str());
    CHECK((s.code == code && std::string(s.argument) == argument));
    CHECK(c.hypervolume.bytes() == bytes);
  };
  fails(errc::missing_input, "rewards", [](inputs& in, outputs&, hypervolume&) { in.samples.rewards = {}; });
  fails(errc::missing_input, "reference", [](inputs& in, outputs&, hypervolume&) { in.reference = {}; });
  fails(errc::bad_extent, "reference", [](inputs& in, outputs&, hypervolume&) { in.reference.extent[0] = 2; });
  fails(errc::null_data, "reference", [](inputs& in, outputs&, hypervolume&) { in.reference.data = nullptr; });
  fails(errc::bad_element, "reference", [](inputs& in, outputs&, hypervolume&) { in.reference.type = element::i32; });
  fails(errc::unused_input, "group_reference",
        [&](inputs& in, outputs&, hypervolume&) { in.group_reference = {c.reference.data(), 3, 3, 0, 1}; });
  fails(errc::bad_extent, "group_reference", [&](inputs& in, outputs&, hypervolume&) {
    in.reference = {}, in.group_reference = {c.reference.data(), 2, 3, 0, 1};
  });
  fails(errc::missing_output, "outputs", [](inputs&, outputs& out, hypervolume&) { out = {}; });
  fails(errc::bad_extent, "hypervolume", [](inputs&, outputs& out, hypervolume&) { out.hypervolume.extent[0] = 2; });
  fails(errc::bad_extent, "grad_rewards", [](inputs&, outputs& out, hypervolume&) { out.grad_rewards.extent[1] = 2; });
  fails(errc::bad_stride, "grad_rewards", [](inputs&, outputs& out, hypervolume&) { out.grad_rewards.stride[0] = 0; });
  fails(errc::overlap, "hypervolume",
        [&](inputs&, outputs& out, hypervolume&) { out.hypervolume.data = c.rewards.data(); });
  fails(errc::bad_extent, "directions", [](inputs&, outputs&, hypervolume& o) { o.objectives.directions.count = 2; });
  const double tolerance[] = {0, 0.1, 0};
  fails(errc::unused_input, "tolerances",
        [&](inputs&, outputs&, hypervolume& o) { o.objectives.tolerances = {tolerance, 3}; });
  fails(errc::unused_input, "dominance",
        [](inputs&, outputs&, hypervolume& o) { o.objectives.dominance = dominance::strict; });
  fails(errc::unused_input, "duplicates",
        [](inputs&, outputs&, hypervolume& o) { o.objectives.duplicates = duplicates::drop; });
  fails(errc::bad_parameter, "method", [](inputs&, outputs&, hypervolume& o) { o.method = static_cast<method>(9); });
  c.offsets.at(1) = 7;
  fails(errc::bad_offsets, "offsets", [](inputs&, outputs&, hypervolume&) {});
  c.offsets.at(1) = 1;
  c.reference.set(1, infinite);
  fails(errc::bad_parameter, "reference", [](inputs&, outputs&, hypervolume&) {});
  c.reference.set(1, not_a_number);
  fails(errc::bad_parameter, "reference", [](inputs&, outputs&, hypervolume&) {});
  double v = 0;
  call unlooked{.exec = {.content = content::none}};
  const double x[] = {1, 1};
  check(unlooked({.samples = {.rewards = {x, 1, 2}}, .reference = {x, 2, 0}}, {.hypervolume = {&v, 1}}));
  CHECK(v == 0);
  check(unlooked({.samples = {.rewards = {x, 1, 2}}, .reference = {c.reference.data() + 1, 2, 0}},
                 {.hypervolume = {&v, 1}}));
  CHECK(std::isnan(v));
  const double eight[8] = {};
  const status s = call{.options = {.method = method::sweep}}(
      {.samples = {.rewards = {eight, 1, 4}}, .reference = {eight, 4}}, {.hypervolume = {&v, 1}});
  CHECK((s.code == errc::bad_parameter && std::string(s.argument) == "method"));
  covers("hypervolume", "bad-argument");
}
