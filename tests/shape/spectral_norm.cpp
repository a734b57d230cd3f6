// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <shape/spectral_norm_checks.hpp>
#include <support/allocations.hpp>

using namespace prefer_test;
using prefer::cpu;
using prefer::errc;
using prefer::find_spectral_norm;
using prefer::propagate_spectral_norm;
using prefer::space;

namespace {

template <class S>
double norm_of(layer<S>& w) {
  return largest_singular_value(w.values(), w.m, w.n);
}

}  // namespace

TEST_CASE("spectral norms are those of Eigen's SVD, bounds hold and are what they are defined as") {
  SUBCASE("float") { check_spectral_norm<float, host_side>(); }
  SUBCASE("double") { check_spectral_norm<double, host_side>(); }
  SUBCASE("half") { check_spectral_norm<prefer::half, host_side>(); }
  SUBCASE("bfloat16") { check_spectral_norm<prefer::bfloat16, host_side>(); }
  SUBCASE("every level") {
    for (const prefer::isa level : levels()) {
      const auto at_level = [&](cpu& exec) { exec.isa = level; };
      check_spectral_norm<float, host_side>(at_level);
      check_spectral_norm<double, host_side>(at_level);
    }
  }
}

TEST_CASE("the gradient is its formula, and nothing along the weight") {
  SUBCASE("float") { check_spectral_gradient<float, host_side>(false); }
  SUBCASE("double") { check_spectral_gradient<double, host_side>(true); }
  SUBCASE("half") { check_spectral_gradient<prefer::half, host_side>(true); }
  SUBCASE("bfloat16") { check_spectral_gradient<prefer::bfloat16, host_side>(false); }
}

TEST_CASE("sigma never decreases, stays below the norm, and is that of PyTorch's steps") {
  for (const auto& [m, n] : {std::pair{20, 31}, std::pair{40, 12}, std::pair{3, 3}}) {
    layer<double> w = make_layer<double>(m, n, 11, 0);
    buffer<double> sigma(1), state(m);
    noise random(2);
    fill_uniform(state, random, -1, 1);
    std::vector<double> u = state.values(), v(static_cast<std::size_t>(n));
    const double exact = norm_of(w);
    double before = 0;
    for (int step = 0; step < 40; ++step) {
      prefer::check(find_spectral_norm(cpu{}, {}, {.weight = w.read(), .start = state.read()},
                                       {.sigma = sigma.view(), .left = state.view()}));
      const auto unit = [](std::vector<double>& x) {
        double sum = 0;
        for (double e : x) sum += e * e;
        for (double& e : x) e /= std::sqrt(sum);
        return std::sqrt(sum);
      };
      for (std::int64_t j = 0; j < n; ++j) {
        v[static_cast<std::size_t>(j)] = 0;
        for (std::int64_t i = 0; i < m; ++i)
          v[static_cast<std::size_t>(j)] += w.get(i, j) * u[static_cast<std::size_t>(i)];
      }
      unit(v);
      for (std::int64_t i = 0; i < m; ++i) {
        u[static_cast<std::size_t>(i)] = 0;
        for (std::int64_t j = 0; j < n; ++j)
          u[static_cast<std::size_t>(i)] += w.get(i, j) * v[static_cast<std::size_t>(j)];
      }
      CHECK(sigma.at(0) == doctest::Approx(unit(u)).epsilon(1e-13));
      for (std::int64_t i = 0; i < m; ++i) CHECK(std::fabs(state.at(i) - u[static_cast<std::size_t>(i)]) < 1e-12);
      CHECK(sigma.at(0) >= before * (1 - 4e-16));
      CHECK(sigma.at(0) <= exact * (1 + 1e-15));
      before = sigma.at(0);
    }
  }
  // Several iterations of one call are as many calls.
  layer<float> w = make_layer<float>(30, 50, 3, 0);
  buffer<double> one(1), many(1);
  buffer<float> state(30);
  for (int k = 0; k < 30; ++k) state.set(k, k % 3 - 1.0);
  prefer::check(find_spectral_norm(cpu{}, {.iterations = 5}, {.weight = w.read(), .start = state.read()},
                                   {.sigma = many.view()}));
  for (int k = 0; k < 5; ++k)
    prefer::check(find_spectral_norm(cpu{}, {}, {.weight = w.read(), .start = state.read()},
                                     {.sigma = one.view(), .left = state.view()}));
  CHECK(std::fabs(one.at(0) - many.at(0)) <= 4e-7 * one.at(0));
  covers("spectral_norm", "identity");
}

TEST_CASE("the gradient is that of finite differences of the normalized weight") {
  const std::int64_t m = 6, n = 5;
  layer<double> w = make_layer<double>(m, n, 8), g = make_layer<double>(m, n, 9, 0), unit(m, n), by_w(m, n);
  buffer<double> sigma(1), left(m), right(n);
  const auto objective = [&] {
    prefer::check(find_spectral_norm(
        cpu{}, {.iterations = 200}, {.weight = w.read()},
        {.sigma = sigma.view(), .left = left.view(), .right = right.view(), .normalized = unit.write()}));
    double sum = 0;
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t j = 0; j < n; ++j) sum += g.get(i, j) * unit.get(i, j);
    return sum;
  };
  objective();
  prefer::check(propagate_spectral_norm(cpu{}, {w.read(), g.read(), left.read(), right.read(), sigma.read()},
                                        {.grad_weight = by_w.write()}));
  for (std::int64_t i = 0; i < m; ++i)
    for (std::int64_t j = 0; j < n; ++j) {
      const double x = w.get(i, j), h = 1e-5;
      w.set(i, j, x + h);
      const double above = objective();
      w.set(i, j, x - h);
      const double below = objective();
      w.set(i, j, x);
      CHECK(std::fabs((above - below) / (2 * h) - by_w.get(i, j)) < 1e-9);
    }
}

TEST_CASE("a tolerance ends the iteration, and says so") {
  layer<double> w = make_layer<double>(30, 20, 5);
  buffer<double> sigma(1);
  buffer<std::int64_t> iterations(1);
  buffer<bool> converged(1);
  const auto run = [&](std::int64_t most, const prefer::scalar& tolerance) {
    prefer::check(
        find_spectral_norm(cpu{}, {.iterations = most, .tolerance = tolerance}, {.weight = w.read()},
                           {.sigma = sigma.view(), .iterations = iterations.view(), .converged = converged.view()}));
  };
  run(1000, 1e-10);
  CHECK((converged.at(0) && iterations.at(0) > 2 && iterations.at(0) < 40));
  CHECK(std::fabs(sigma.at(0) / norm_of(w) - 1) < 1e-9);
  const std::int64_t enough = iterations.at(0);
  run(enough - 1, 1e-10);
  CHECK((!converged.at(0) && iterations.at(0) == enough - 1));
  const double given = 1e-10;
  run(1000, &given);
  CHECK((converged.at(0) && iterations.at(0) == enough));
  run(enough, 1e-10);
  CHECK((converged.at(0) && iterations.at(0) == enough));
}

TEST_CASE("more doublings bring the bound closer; it holds for tiny and huge weights, and is 0 for none") {
  layer<double> w = make_layer<double>(24, 40, 6, 0);
  buffer<double> bound(1);
  double last = HUGE_VAL;
  const double exact = norm_of(w);
  for (int d : {0, 1, 2, 4, 8, 12}) {
    prefer::check(find_spectral_norm(cpu{}, {.gram_doublings = d}, {.weight = w.read()}, {.bound = bound.view()}));
    CHECK(bound.at(0) >= exact);
    CHECK(bound.at(0) <= exact * std::pow(24, std::ldexp(0.5, -d)) * (1 + 1e-10));
    CHECK(bound.at(0) <= last * (1 + 1e-12));
    last = bound.at(0);
  }
  CHECK(last <= exact * 1.001);
  for (double scale : {1e-320, 1e-200, 1e-150, 1e150, 1e200, 1e300}) {
    layer<double> scaled(24, 40);
    scaled.fill([&](std::int64_t i, std::int64_t j) { return w.get(i, j) * scale; });
    for (int d : {0, 3}) {
      prefer::check(
          find_spectral_norm(cpu{}, {.gram_doublings = d}, {.weight = scaled.read()}, {.bound = bound.view()}));
      CHECK(bound.at(0) / scale >= exact * (scale < 1e-300 ? 0.99 : 1 - 1e-15));
      CHECK(bound.at(0) / scale <= 12 * exact);
    }
  }
  // Rank one: every bound by squares is the norm itself, but for what rounding is allowed for.
  layer<double> ones(9, 16);
  ones.fill([](auto, auto) { return 0.1; });
  for (int d : {0, 1, 5}) {
    prefer::check(find_spectral_norm(cpu{}, {.gram_doublings = d}, {.weight = ones.read()}, {.bound = bound.view()}));
    CHECK((bound.at(0) >= 1.2 && bound.at(0) <= 1.2 * (1 + 1e-12)));
  }
  // As a float it is still above.
  buffer<float> rounded(1);
  prefer::check(find_spectral_norm(cpu{}, {}, {.weight = ones.read()}, {.bound = rounded.view()}));
  CHECK(rounded.at(0) >= 1.2);
}

TEST_CASE("weights divided by the bound have norm 1 or less") {
  for (int d : {0, 4}) {
    layer<double> w = make_layer<double>(31, 17, 7, 0), unit(31, 17);
    prefer::check(find_spectral_norm(cpu{}, {.gram_doublings = d, .divide_by = prefer::spectral_norm::divisor::bound},
                                     {.weight = w.read()}, {.normalized = unit.write()}));
    CHECK(norm_of(unit) <= 1 + 2e-16);
  }
}

TEST_CASE("no weight, no start and no numbers have defined results") {
  layer<double> w(4, 3), unit(4, 3), by_w(4, 3);
  buffer<double> sigma(1), bound(1), left(4), right(3);
  const auto run = [&] {
    prefer::check(find_spectral_norm(cpu{}, {.iterations = 30, .tolerance = 1e-12},
                                     {.weight = w.read(), .start = left.read()},
                                     {.sigma = sigma.view(),
                                      .bound = bound.view(),
                                      .left = left.view(),
                                      .right = right.view(),
                                      .normalized = unit.write()}));
  };
  w.fill([](auto, auto) { return 0.0; });
  left.fill({0, 2, 0, 0});
  run();
  CHECK((sigma.at(0) == 0 && bound.at(0) == 0 && left.at(1) == 1 && right.at(2) == 0 && unit.get(1, 1) == 0));
  layer<double> g = make_layer<double>(4, 3, 1);
  prefer::check(propagate_spectral_norm(cpu{}, {w.read(), g.read(), left.read(), right.read(), sigma.read()},
                                        {.grad_weight = by_w.write()}));
  CHECK(by_w.values() == g.values());
  // A diagonal, from starts that say nothing.
  w.fill([](std::int64_t i, std::int64_t j) { return i == j ? 3.0 - static_cast<double>(j) : 0.0; });
  for (double bad : {0.0, not_a_number, HUGE_VAL}) {
    left.fill({0, 0, bad, 0});
    run();
    CHECK(std::fabs(sigma.at(0) - 3) < 1e-9);
  }
  w.set(2, 1, not_a_number);
  run();
  CHECK((std::isnan(sigma.at(0)) && std::isnan(bound.at(0)) && std::isnan(left.at(0)) && std::isnan(unit.get(0, 0))));
  w.set(2, 1, 0);
  run();  // a state of NaN recovers
  CHECK(std::fabs(sigma.at(0) - 3) < 1e-9);
}

TEST_CASE("columns may be the contiguous ones, outputs may lie where inputs do") {
  layer<float> w = make_layer<float>(19, 37, 12), unit(19, 37), turned(37, 19);
  turned.fill([&](std::int64_t j, std::int64_t i) { return w.get(i, j); });
  buffer<float> left(19), right(37);
  buffer<double> sigma(2);
  prefer::check(find_spectral_norm(cpu{}, {.iterations = 50}, {.weight = w.read()},
                                   {.sigma = prefer::view<double>(&sigma.at(0), 1),
                                    .left = left.view(),
                                    .right = right.view(),
                                    .normalized = unit.write()}));
  const prefer::view<const float, 2> by_columns(turned.of.data(), 19, 37, 1, turned.stride);
  prefer::check(find_spectral_norm(cpu{}, {.iterations = 50}, {.weight = by_columns},
                                   {.sigma = prefer::view<double>(&sigma.at(1), 1)}));
  CHECK(std::fabs(sigma.at(0) - sigma.at(1)) <= 4e-7 * sigma.at(0));
  layer<float> g = make_layer<float>(19, 37, 13), by_w(19, 37);
  const auto gradient = [&](layer<float>& to) {
    prefer::check(propagate_spectral_norm(
        cpu{}, {w.read(), g.read(), left.read(), right.read(), prefer::view<const double>(&sigma.at(0), 1)},
        {.grad_weight = to.write()}));
  };
  gradient(by_w), gradient(g);
  CHECK(g.values() == by_w.values());
  prefer::check(find_spectral_norm(cpu{}, {.iterations = 50}, {.weight = w.read()}, {.normalized = w.write()}));
  CHECK((w.values() == unit.values() && w.intact()));
  covers("spectral_norm", "strides");
}

TEST_CASE("the same bits for any threads and levels of the loops' order, nothing allocated with a workspace") {
  layer<float> w = make_layer<float>(300, 260, 14, 0), unit(300, 260);
  buffer<double> sigma(1), bound(1);
  buffer<float> left(300);
  const prefer::spectral_norm options{.iterations = 4, .gram_doublings = 2};
  const prefer::spectral_norm_inputs<space::host> in{.weight = w.read()};
  const prefer::spectral_norm_outputs<space::host> out{
      .sigma = sigma.view(), .bound = bound.view(), .left = left.view(), .normalized = unit.write()};
  std::vector<char> memory(prefer::spectral_norm_workspace(cpu{}, options, in, out));
  const auto run = [&](const prefer::task_runner& pool) {
    const long before = allocation_count();
    const prefer::status s =
        find_spectral_norm(cpu{.pool = pool, .workspace = {memory.data(), memory.size()}}, options, in, out);
    CHECK(allocation_count() == before);
    CHECK(s.ok());
    return std::vector{sigma.bytes(), bound.bytes(), left.bytes(), unit.of.bytes()};
  };
  const auto expected = run({});
  for (int threads : {2, 3, 8}) {
    prefer::thread_pool pool(threads);
    CHECK(run(pool) == expected);
  }
  const auto less = find_spectral_norm(cpu{.workspace = {memory.data(), memory.size() - 1}}, options, in, out);
  CHECK((less.code == errc::small_workspace && less.limit == static_cast<double>(memory.size())));
  for (const char* tag : {"threads", "allocation"}) covers("spectral_norm", tag);
}

TEST_CASE("what is wrong with a spectral norm is named, and nothing is written") {
  layer<float> w = make_layer<float>(4, 3, 1), unit(4, 3);
  buffer<float> left(4), right(3);
  buffer<double> sigma(1);
  const auto refused = [&](errc code, const char* argument, const prefer::spectral_norm& o, auto change) {
    prefer::spectral_norm_inputs<space::host> in{.weight = w.read()};
    prefer::spectral_norm_outputs<space::host> out{
        .sigma = sigma.view(), .left = left.view(), .right = right.view(), .normalized = unit.write()};
    change(in, out);
    const prefer::status s = find_spectral_norm(cpu{}, o, in, out);
    CHECK(s.code == code);
    CHECK(refused_argument(s) == argument);
  };
  const auto nothing = [](auto&, auto&) {};
  refused(errc::bad_parameter, "iterations", {.iterations = 0}, nothing);
  refused(errc::bad_parameter, "tolerance", {.tolerance = -1.0}, nothing);
  refused(errc::bad_parameter, "gram_doublings", {.gram_doublings = 21}, nothing);
  refused(errc::bad_parameter, "seed", {.seed = static_cast<const std::uint64_t*>(nullptr)}, nothing);
  refused(errc::missing_input, "weight", {}, [](auto& in, auto&) { in.weight = {}; });
  refused(errc::missing_output, "outputs", {}, [](auto&, auto& out) { out = {}; });
  refused(errc::bad_extent, "left", {}, [&](auto&, auto& out) { out.left = right.view(); });
  refused(errc::bad_extent, "right", {}, [&](auto&, auto& out) { out.right = left.view(); });
  refused(errc::bad_extent, "start", {}, [&](auto& in, auto&) { in.start = right.read(); });
  refused(errc::bad_extent, "normalized", {}, [](auto&, auto& out) { out.normalized.extent[1] = 2; });
  refused(errc::bad_element, "converged", {}, [](auto&, auto& out) { out.converged = out.sigma; });
  refused(errc::bad_element, "sigma", {}, [](auto&, auto& out) { out.sigma.type = prefer::element::f16; });
  refused(errc::overlap, "normalized", {},
          [&](auto&, auto& out) { out.normalized = prefer::view<float, 2>(w.of.data() + 1, 4, 3, w.stride, 1); });
  refused(errc::overlap, "right", {}, [&](auto&, auto& out) { out.right = prefer::view<float>(left.data(), 3); });
  refused(errc::overlap, "left", {}, [&](auto& in, auto& out) {
    in.start = prefer::view<const float>(left.data(), 4);
    out.left = prefer::view<float>(left.data() + 1, 4);
  });
  const auto lacks = [&](const char* argument, auto change) {
    prefer::spectral_gradient_inputs<space::host> in{w.read(), w.read(), left.read(), right.read(), sigma.read()};
    prefer::spectral_gradient_outputs<space::host> out{unit.write()};
    change(in, out);
    CHECK(refused_argument(propagate_spectral_norm(cpu{}, in, out)) == argument);
    CHECK(prefer::propagate_spectral_norm_workspace(cpu{}, in, out) == 0);
  };
  lacks("upstream", [](auto& in, auto&) { in.upstream = {}; });
  lacks("left", [](auto& in, auto&) { in.left = {}; });
  lacks("right", [](auto& in, auto&) { in.right.extent[0] = 2; });
  lacks("sigma", [](auto& in, auto&) { in.sigma = {}; });
  lacks("grad_weight", [](auto&, auto& out) { out = {}; });
  CHECK((sigma.untouched() && left.untouched() && right.untouched() && unit.of.untouched()));
  covers("spectral_norm", "bad-argument");
}
