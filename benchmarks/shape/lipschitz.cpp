// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/thread_pool.hpp>
#include <prefer/shape/lipschitz_constant.hpp>
#include <prefer/shape/extension_gradient.hpp>
#include <prefer/shape/lipschitz_projection.hpp>
#include <prefer/shape/nearest_neighbors.hpp>

#include <Eigen/Core>
#include <benchmark/benchmark.h>

#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

// All pairs of N points with D coordinates. An item is one vector operation on one pair and coordinate: two for l2 and
// linf (difference; product and sum), three for l1. The peer has as many: a float product of Eigen that multiplies and
// adds, built for what the compiler was told (compare with prefer at the same level: -mavx2 -mfma, -march=native).
namespace {

struct points {
  std::int64_t n, width;
  std::vector<float> x, v, out;

  points(std::int64_t count, std::int64_t dimensions)
      : n(count), width(dimensions), x(count * dimensions), v(count), out(count) {
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    for (float& one : x) one = normal(random);
    for (float& one : v) one = normal(random);
  }
  prefer::value_samples<prefer::space::host> samples() const {
    return {.point = {x.data(), n, width}, .value = {v.data(), n}};
  }
};

template <class F>
void add(const std::string& name, double items, F run) {
  benchmark::RegisterBenchmark(
      name.c_str(),
      [=](benchmark::State& state) {
        for (auto _ : state) run();
        state.SetItemsProcessed(static_cast<std::int64_t>(static_cast<double>(state.iterations()) * items));
      })
      ->Unit(benchmark::kMillisecond)
      ->MeasureProcessCPUTime()
      ->UseRealTime();
}

template <class Metric>
void add_metric(const char* name, points& p, prefer::isa level, const char* level_name, double operations) {
  const std::string shape = "/" + std::to_string(p.n) + "x" + std::to_string(p.width) + "/" + level_name;
  const double pairs = static_cast<double>(p.n) * static_cast<double>(p.n) * static_cast<double>(p.width);
  add(std::string("constant/") + name + shape, pairs / 2 * operations, [&p, level] {
    double constant;
    prefer::check(prefer::find_lipschitz_constant(prefer::cpu{.isa = level}, {}, Metric{}, p.samples(),
                                                  {.constant = {&constant, 1}}));
    benchmark::DoNotOptimize(constant);
  });
  add(std::string("extend/") + name + shape, pairs * operations, [&p, level] {
    prefer::check(prefer::extend(prefer::cpu{.isa = level}, {}, Metric{}, {.samples = p.samples()},
                                 {.value = {p.out.data(), p.n}}));
  });
}

// The 8 nearest of all; slopes over these lists, an item per listed pair; gradients of the extension, per sample.
void add_neighbors(points& p) {
  constexpr std::int64_t k = 8;
  const std::string shape = "/l2/" + std::to_string(p.n) + "x" + std::to_string(p.width);
  const double n = static_cast<double>(p.n);
  static std::vector<std::int32_t> list, above, below;
  list.resize(static_cast<std::size_t>(p.n * k)), above.resize(p.v.size()), below.resize(p.v.size());
  const prefer::metric::l2 metric;
  add("nearest_8" + shape, n * n * static_cast<double>(p.width) * 2, [&p, metric] {
    prefer::check(prefer::find_nearest_neighbors(prefer::cpu{}, metric, {.point = {p.x.data(), p.n, p.width}},
                                                 {.index = {list.data(), p.n, k}}));
  });
  add("neighbor_constant_8" + shape, n * k, [&p, metric] {
    prefer::check(prefer::find_neighbor_lipschitz_constant(prefer::cpu{}, {}, metric,
                                                           {.samples = p.samples(), .neighbor = {list.data(), p.n, k}},
                                                           {.local = {p.out.data(), p.n}}));
  });
  add("extend_gradient" + shape, n, [&p, metric, ready = std::make_shared<bool>(false)] {
    if (!std::exchange(*ready, true))
      prefer::check(prefer::extend(prefer::cpu{}, {}, metric, {.samples = p.samples()},
                                   {.upper_index = {above.data(), p.n}, .lower_index = {below.data(), p.n}}));
    prefer::check(prefer::extend_gradient(prefer::cpu{}, {}, metric,
                                          {.extension = {.samples = p.samples()},
                                           .upper_index = {above.data(), p.n},
                                           .lower_index = {below.data(), p.n},
                                           .value = {p.v.data(), p.n}},
                                          {.value = {p.out.data(), p.n}}));
  });
}

// To 1e-6 standard deviations, for a constant that a third of all samples meet, and for one that all do.
void add_projection(std::int64_t n, std::int64_t width, double constant, const char* name) {
  auto* const p = new points(n, width);  // lives as long as the program
  const std::string shape = std::to_string(n) + "x" + std::to_string(width);
  add(std::string("project/") + name + "/" + shape, static_cast<double>(n), [p, constant] {
    prefer::check(prefer::project(prefer::cpu{}, {.constant = constant}, prefer::metric::l2{},
                                  {.samples = p->samples()}, {.value = {p->out.data(), p->n}}));
  });
}

void add_eigen(points& p) {
  const std::string shape = "/" + std::to_string(p.n) + "x" + std::to_string(p.width) + "/as_compiled";
  const double pairs = static_cast<double>(p.n) * static_cast<double>(p.n) * static_cast<double>(p.width);
  // As many products as the constant has operations: N x N / 2 x 2 D.
  add("eigen_product" + shape, pairs, [&p] {
    using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    const Eigen::Map<const matrix> x(p.x.data(), p.n, p.width);
    constexpr std::int64_t rows = 512;
    static matrix product(rows, p.n);
    product.resize(rows, p.n);
    for (std::int64_t first = 0; first < p.n; first += rows)
      product.noalias() = x.middleRows(first, rows) * x.transpose();
    benchmark::DoNotOptimize(product.data());
  });
}

}  // namespace

int main(int argc, char** argv) {
  static points wide(16384, 64), narrow(8192, 8);
  for (points* p : {&wide, &narrow}) {
    add_eigen(*p);
    const std::pair<prefer::isa, const char*> levels[] = {
        {prefer::isa::base, "base"}, {prefer::isa::avx2, "avx2"}, {prefer::isa::avx512, "avx512"}};
    for (const auto& [level, name] : levels) {
      prefer::isa found;
      if (!prefer::resolve_isa(prefer::cpu{.isa = level}, found).ok()) continue;
      add_metric<prefer::metric::l2>("l2", *p, level, name, 2);
      add_metric<prefer::metric::l1>("l1", *p, level, name, 3);
      add_metric<prefer::metric::linf>("linf", *p, level, name, 3);
    }
  }
  for (points* p : {&wide, &narrow}) add_neighbors(*p);
  for (std::int64_t n : {256, 1024, 4096}) add_projection(n, 4, 3, "steep"), add_projection(n, 4, 0.3, "flat");
  // On a line neighbours are all that is looked at; in two dimensions all pairs.
  for (std::int64_t n : {1000, 10000, 100000, 1000000})
    add_projection(n, 1, 3, "steep"), add_projection(n, 1, 0.3, "flat");
  for (std::int64_t n : {1000, 3000}) add_projection(n, 2, 0.3, "flat");
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
