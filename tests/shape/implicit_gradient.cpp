// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "implicit_gradient.hpp"

#include <prefer/core/thread_pool.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

using namespace prefer;
using prefer_test::covers;
using prefer_test::quadratic;

namespace {

constexpr implicit_method methods[] = {implicit_method::conjugate_gradient, implicit_method::normal_equations,
                                       implicit_method::neumann};

template <class T>
using in_view = view<const T, 1, space::host>;
template <class T>
using out_view = view<T, 1, space::host>;

template <class T>
auto product_of(const quadratic<T>& q) {
  return [&q](in_view<T> in, out_view<T> out) {
    for (std::int64_t i = 0; i < q.n; ++i) {
      double sum = 0;
      for (std::int64_t k = 0; k < q.n; ++k)
        sum += static_cast<double>(q.h[static_cast<std::size_t>(i * q.n + k)]) * in.data[k];
      out.data[i] = static_cast<T>(sum);
    }
    return status{};
  };
}
template <class T>
auto cross_of(const quadratic<T>& q) {
  return [&q](in_view<T> in, out_view<T> out) {
    for (std::int64_t k = 0; k < q.m; ++k) {
      double sum = 0;
      for (std::int64_t i = 0; i < q.n; ++i)
        sum += static_cast<double>(q.cross[static_cast<std::size_t>(i * q.m + k)]) * in.data[i * in.stride[0]];
      out.data[k * out.stride[0]] = static_cast<T>(sum);
    }
    return status{};
  };
}

template <class T>
struct answer {
  std::vector<T> gradient, solution;
  double residual = -1;
  std::int32_t outcome = -1;
  status st;
};
template <class T>
answer<T> run(const quadratic<T>& q, const implicit_solve& how, cpu exec = {}) {
  answer<T> a;
  a.gradient.resize(static_cast<std::size_t>(q.m)), a.solution.resize(static_cast<std::size_t>(q.n));
  std::vector<char> memory(implicit_gradient_workspace<T>(exec, how, q.n) + 1);
  exec.workspace = {memory.data() + 1, memory.size() - 1};
  a.st = implicit_gradient<T>(exec, how, product_of(q), cross_of(q),
                              {.outer = {q.outer.data(), q.n}, .direct = {q.direct.data(), q.m}},
                              {{a.gradient.data(), q.m}, {a.solution.data(), q.n}, {&a.residual, 1}, {&a.outcome, 1}});
  return a;
}
template <class T>
void check_gradient(const quadratic<T>& q, const answer<T>& a, double tolerance) {
  const auto exact = q.expected();
  for (std::size_t k = 0; k < exact.size(); ++k)
    CHECK(std::fabs(a.gradient[k] - exact[k]) <= tolerance * static_cast<double>(q.n));
}

// A softmax policy over arms, trained on a blend of two rewards less l |theta|^2 / 2, and judged by a third.
struct bandit {
  static constexpr std::size_t arms = 5;
  double rewards[2][arms] = {{1, 0.2, -0.5, 0.3, 0}, {-0.3, 0.8, 0.1, 0.5, -1}}, truth[arms] = {0.6, 0.1, 1, -0.4, 0.2};
  double l = 0.6;

  static void softmax(const double* theta, double* p) {
    double sum = 0;
    for (std::size_t a = 0; a < arms; ++a) sum += p[a] = std::exp(theta[a]);
    for (std::size_t a = 0; a < arms; ++a) p[a] /= sum;
  }
  static double mean(const double* p, const double* r) {
    double sum = 0;
    for (std::size_t a = 0; a < arms; ++a) sum += p[a] * r[a];
    return sum;
  }
  void blend(const double* phi, double* r) const {
    for (std::size_t a = 0; a < arms; ++a) r[a] = phi[0] * rewards[0][a] + phi[1] * rewards[1][a];
  }
  // Where U = 0, by a hundred steps beyond what double can tell.
  std::vector<double> train(const double* phi) const {
    std::vector<double> theta(arms, 0);
    double r[arms], p[arms];
    blend(phi, r);
    for (int t = 0; t < 600; ++t) {
      softmax(theta.data(), p);
      const double m = mean(p, r);
      for (std::size_t a = 0; a < arms; ++a) theta[a] += 0.8 * (p[a] * (r[a] - m) - l * theta[a]);
    }
    return theta;
  }
  double outer(const double* phi) const {
    double p[arms];
    softmax(train(phi).data(), p);
    return mean(p, truth);
  }
};

}  // namespace

TEST_CASE("by hand: H = -2, dU/dphi = 1/2, v = 1 gives 1/4, by every method") {
  const double v = 1;
  for (const implicit_method method : methods) {
    double x = 0, g = 0;
    std::vector<char> memory(implicit_gradient_workspace<double>(cpu{}, {.iterations = 200}, 1));
    check(implicit_gradient<double>(
        cpu{.workspace = {memory.data(), memory.size()}}, {.method = method, .iterations = 200},
        [](in_view<double> in, out_view<double> out) { return out.data[0] = -2 * in.data[0], status{}; },
        [](in_view<double> in, out_view<double> out) { return out.data[0] = 0.5 * in.data[0], status{}; },
        {.outer = {&v, 1}}, {.gradient = {&g, 1}, .solution = {&x, 1}}));
    CHECK(std::fabs(g - 0.25) < 1e-14);
    CHECK(std::fabs(x - 0.5) < 1e-14);
  }
  covers("implicit_gradient", "golden");
}

TEST_CASE("quadratic problems: the derivative by elimination, in every method, size and type") {
  for (const std::int64_t n : {1, 2, 7, 8, 9, 33}) {
    const quadratic<double> q(n, 3, 0.5, 4);
    for (const implicit_method method : methods) {
      INFO(n << " parameters, method " << static_cast<int>(method));
      const auto a = run(q, {.method = method, .iterations = 250, .step = 0.25, .tolerance = 1e-12});
      CHECK((a.st.ok() && a.outcome == 0 && a.residual < 1e-11));
      check_gradient(q, a, 1e-10);
    }
    const quadratic<float> f(n, 3, 0.5, 4);
    for (const implicit_method method : methods)
      check_gradient(f, run(f, {.method = method, .iterations = 100, .step = 0.25}), 2e-5);
    // In exact arithmetic conjugate gradient ends after n iterations.
    CHECK(run(q, {.iterations = n, .tolerance = 1e-9}).outcome == 0);
  }
  // An indefinite matrix is for the normal equations alone.
  const quadratic<double> q(6, 2, 0.5, 2, true);
  const auto a = run(q, {.method = implicit_method::normal_equations, .iterations = 60, .tolerance = 1e-13});
  CHECK((a.st.ok() && a.outcome == 0));
  check_gradient(q, a, 1e-10);
}

TEST_CASE("through the fixed point: the derivative is the difference of what retraining gives") {
  const bandit b;
  const double phi[2] = {0.9, 0.7};
  const std::vector<double> theta = b.train(phi);
  double p[bandit::arms], r[bandit::arms], v[bandit::arms];
  bandit::softmax(theta.data(), p), b.blend(phi, r);
  const double m = bandit::mean(p, r), judged = bandit::mean(p, b.truth);
  for (std::size_t a = 0; a < bandit::arms; ++a) v[a] = p[a] * (b.truth[a] - judged);
  const auto curvature = [&](in_view<double> in, out_view<double> out) {
    const double u = bandit::mean(p, in.data);
    double moved = 0;
    for (std::size_t a = 0; a < bandit::arms; ++a) moved += p[a] * (in.data[a] - u) * r[a];
    for (std::size_t a = 0; a < bandit::arms; ++a)
      out.data[a] = p[a] * (in.data[a] - u) * (r[a] - m) - p[a] * moved - b.l * in.data[a];
    return status{};
  };
  const auto cross = [&](in_view<double> in, out_view<double> out) {
    for (std::size_t k = 0; k < 2; ++k) {
      const double own = bandit::mean(p, b.rewards[k]);
      out.data[k] = 0;
      for (std::size_t a = 0; a < bandit::arms; ++a) out.data[k] += in.data[a] * p[a] * (b.rewards[k][a] - own);
    }
    return status{};
  };
  for (const implicit_method method : methods) {
    double g[2], x[bandit::arms], residual = 1;
    const implicit_solve how{.method = method, .iterations = 120, .step = 0.8, .tolerance = 1e-13};
    std::vector<char> memory(implicit_gradient_workspace<double>(cpu{}, how, 5));
    check(implicit_gradient<double>(cpu{.workspace = {memory.data(), memory.size()}}, how, curvature, cross,
                                    {.outer = {v, 5}},
                                    {.gradient = {g, 2}, .solution = {x, 5}, .residual = {&residual, 1}}));
    CHECK(residual < 1e-12);
    for (std::size_t k = 0; k < 2; ++k) {
      const double h = 1e-5;
      double above[2] = {phi[0], phi[1]}, below[2] = {phi[0], phi[1]};
      above[k] += h, below[k] -= h;
      CHECK(std::fabs((b.outer(above) - b.outer(below)) / (2 * h) - g[k]) < 1e-9);
    }
    CHECK(std::fabs(g[0]) > 1e-3);
  }
  covers("implicit_gradient", "identity");
}

TEST_CASE("what went wrong is said: divergence, directions that curve upwards, iterations that ran out, NaN") {
  const auto outcome = [](const answer<double>& a) { return static_cast<implicit_outcome>(a.outcome); };
  const quadratic<double> q(8, 2, 0.5, 4);
  const auto far = run(q, {.method = implicit_method::neumann, .iterations = 60, .step = 0.6});  // |1 - 0.6 * 4| > 1
  CHECK((outcome(far) == implicit_outcome::diverged && far.st.code == errc::not_converged && far.residual > 1));
  CHECK(std::string(far.st.argument) == "residual");
  const auto further = run(q, {.method = implicit_method::neumann, .iterations = 5000, .step = 0.9});
  CHECK(outcome(further) == implicit_outcome::diverged);  // through infinity
  const auto bent = run(quadratic<double>(8, 2, 0.5, 4, true), {.iterations = 30});
  CHECK((outcome(bent) == implicit_outcome::not_definite && bent.st.code == errc::not_converged));
  for (double x : bent.solution) CHECK(std::isfinite(x));
  const auto early = run(q, {.method = implicit_method::neumann, .iterations = 3, .step = 0.25});
  CHECK((outcome(early) == implicit_outcome::iterations_ran_out && early.st.ok() && early.residual < 1));
  for (const implicit_method method : methods) {
    quadratic<double> none(4, 2, 0.5, 4), bad = none;
    none.outer.assign(4, 0);
    const auto zero = run(none, {.method = method});
    CHECK((outcome(zero) == implicit_outcome::converged && zero.residual == 0 && zero.solution == none.outer));
    CHECK(zero.gradient == none.direct);
    bad.outer[1] = std::numeric_limits<double>::quiet_NaN();
    CHECK(outcome(run(bad, {.method = method})) == implicit_outcome::diverged);
  }
  // Behind the tolerance nothing changes any more.
  const implicit_solve few{.iterations = 12, .tolerance = 1e-6}, many{.iterations = 90, .tolerance = 1e-6};
  CHECK(run(q, few).solution == run(q, many).solution);
  const auto rough = run(q, {.iterations = 90, .tolerance = 0.1});
  CHECK((outcome(rough) == implicit_outcome::converged && rough.residual > 1e-3));
}

TEST_CASE("the same bits for any threads, nothing is allocated, strides, and a product that fails") {
  constexpr std::int64_t n = 20000;
  std::vector<double> v(n), x(2 * n), curve(n);
  prefer_test::noise random(5);
  for (double& a : v) a = random.uniform(-1, 1);
  for (double& a : curve) a = random.uniform(-3, -1);
  const auto diagonal = [&](in_view<double> in, out_view<double> out) {
    for (std::size_t i = 0; i < n; ++i) out.data[i] = curve[i] * in.data[i];
    return status{};
  };
  std::vector<char> memory(implicit_gradient_workspace<double>(cpu{}, {.iterations = 40}, n));
  for (const implicit_method method : methods) {
    const auto bits = [&](cpu exec) {
      exec.workspace = {memory.data(), memory.size()};
      x.assign(2 * n, 7);
      double residual = 0;
      const long before = prefer_test::allocation_count();
      const status st =
          solve_implicit<double>(exec, {.method = method, .iterations = 40, .step = 0.4, .tolerance = 1e-10}, diagonal,
                                 {.outer = {v.data(), n}}, {.solution = {x.data(), n, 2}, .residual = {&residual, 1}});
      CHECK(prefer_test::allocation_count() == before);
      REQUIRE(st.ok());
      CHECK(residual < 1e-8);
      return x;
    };
    const auto expected = bits(cpu{});
    for (std::size_t i = 0; i < n; ++i) {
      if (std::fabs(expected[2 * i] + v[i] / curve[i]) > 1e-6 || expected[2 * i + 1] != 7) FAIL("element " << i);
    }
    for (int threads : {2, 3, 8}) {
      thread_pool pool(threads);
      CHECK(bits(cpu{.pool = pool}) == expected);
    }
  }
  const auto failing = [](in_view<double>, out_view<double>) {
    return require::fail(errc::bad_memory, "mine", "luck");
  };
  const status st = solve_implicit<double>(cpu{.workspace = {memory.data(), memory.size()}}, {}, failing,
                                           {.outer = {v.data(), n}}, {.solution = {x.data(), n}});
  CHECK((st.code == errc::bad_memory && std::string(st.argument) == "mine"));
  covers("implicit_gradient", "threads");
}

TEST_CASE("what is wrong is named, and nothing is written") {
  const quadratic<double> q(4, 2, 1, 2);
  double x[4] = {7, 7, 7, 7}, g[2] = {7, 7}, residual = 7;
  std::int32_t outcome = 7;
  std::vector<char> memory(implicit_gradient_workspace<double>(cpu{}, {}, 4));
  implicit_inputs<double, space::host> in = {.outer = {q.outer.data(), 4}, .direct = {q.direct.data(), 2}};
  implicit_outputs<double, space::host> out = {{g, 2}, {x, 4}, {&residual, 1}, {&outcome, 1}};
  const auto good_in = in;
  const auto good_out = out;
  const auto named = [&](auto change, errc code, const char* argument, const implicit_solve& how = {}) {
    change();
    const status got = implicit_gradient<double>(cpu{.workspace = {memory.data(), memory.size()}}, how, product_of(q),
                                                 cross_of(q), in, out);
    INFO(message(got).c_str() << " expected for " << argument);
    CHECK(got.code == code);
    CHECK(std::string(got.argument) == argument);
    in = good_in, out = good_out;
  };
  named([] {}, errc::bad_parameter, "iterations", {.iterations = 0});
  named([] {}, errc::bad_parameter, "step", {.step = 0.0});
  named([] {}, errc::bad_parameter, "tolerance", {.tolerance = -1.0});
  named([&] { out.solution = {}; }, errc::bad_extent, "solution");
  named([&] { out.solution = {x, 3}; }, errc::bad_extent, "solution");
  named([&] { in.direct = {q.direct.data(), 1}; }, errc::bad_extent, "direct");
  named([&] { out.residual = {x, 2}; }, errc::bad_extent, "residual");
  named([&] { out.gradient.data = nullptr; }, errc::null_data, "gradient");
  named([&] { out.solution.stride[0] = 0; }, errc::bad_stride, "solution");
  named([&] { out.gradient = {x, 2}; }, errc::overlap, "solution");
  named([&] { in.outer = {x, 4}; }, errc::overlap, "solution");
  named([] {}, errc::small_workspace, "exec.workspace.bytes", {.iterations = 1000});
  CHECK((x[0] == 7 && g[0] == 7 && residual == 7 && outcome == 7));
  covers("implicit_gradient", "bad-argument");
}
