// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "support/levels.hpp"

#include <prefer/shape/implicit_gradient.hpp>

#include <Eigen/Dense>
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

// 20 iterations on n parameters in float with a diagonal Hessian, so that vectors are all there is; beside conjugate
// gradient written with Eigen's arrays, which is what a user writes.
namespace {

constexpr std::int64_t iterations = 20;

struct data {
  std::int64_t n;
  std::vector<float> curvature, v, x;
  std::vector<char> memory;
  data(std::int64_t size, const prefer::implicit_solve& how)
      : n(size),
        curvature(static_cast<std::size_t>(n)),
        v(curvature),
        x(curvature),
        memory(prefer::implicit_gradient_workspace<float>(prefer::cpu{}, how, n)) {
    for (std::size_t i = 0; i < v.size(); ++i)
      curvature[i] = -1 - static_cast<float>(i % 7), v[i] = static_cast<float>(i % 11) - 5;
  }
};

void ours(benchmark::State& state, prefer::isa level, prefer::implicit_method method, std::int64_t n) {
  const prefer::implicit_solve how{.method = method, .iterations = iterations, .step = 0.1, .tolerance = 0.0};
  data d(n, how);
  using in = prefer::view<const float, 1, prefer::space::host>;
  using out = prefer::view<float, 1, prefer::space::host>;
  const auto product = [&](in a, out b) {
    Eigen::Map<Eigen::ArrayXf>(b.data, n) =
        Eigen::Map<const Eigen::ArrayXf>(d.curvature.data(), n) * Eigen::Map<const Eigen::ArrayXf>(a.data, n);
    return prefer::status{};
  };
  for (auto _ : state)
    prefer::check(
        prefer::solve_implicit<float>(prefer::cpu{.isa = level, .workspace = {d.memory.data(), d.memory.size()}}, how,
                                      product, {.outer = {d.v.data(), n}}, {.solution = {d.x.data(), n}}));
}

void eigen(benchmark::State& state, std::int64_t n) {
  data d(n, {.iterations = iterations});
  const Eigen::Map<const Eigen::ArrayXf> h(d.curvature.data(), n), v(d.v.data(), n);
  Eigen::ArrayXf x(n), r(n), p(n), q(n);
  for (auto _ : state) {
    x.setZero(), r = v, p = v;
    float squares = r.square().sum();
    for (int k = 0; k < iterations && squares > 0; ++k) {
      q = -h * p;
      const float alpha = squares / (p * q).sum();
      x += alpha * p, r -= alpha * q;
      const float next = r.square().sum();
      p = r + next / squares * p;
      squares = next;
    }
    benchmark::DoNotOptimize(x.data());
  }
}

}  // namespace

int main(int argc, char** argv) {
  for (const std::int64_t n : {std::int64_t{1} << 12, std::int64_t{1} << 20}) {
    const std::string size = "/n:" + std::to_string(n);
    for (const prefer::isa level : bench::levels()) {
      const std::string at = std::string("/") + bench::name_of(level) + size;
      using prefer::implicit_method;
      benchmark::RegisterBenchmark(("conjugate_gradient" + at).c_str(), [=](benchmark::State& s) {
        ours(s, level, implicit_method::conjugate_gradient, n);
      });
      benchmark::RegisterBenchmark(("neumann" + at).c_str(),
                                   [=](benchmark::State& s) { ours(s, level, implicit_method::neumann, n); });
    }
    benchmark::RegisterBenchmark(("eigen_conjugate_gradient" + size).c_str(),
                                 [=](benchmark::State& s) { eigen(s, n); });
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
