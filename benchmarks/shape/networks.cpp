// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "support/beside_probe.hpp"
#include "support/levels.hpp"

#include <prefer/shape/aol.hpp>
#include <prefer/shape/group_sort.hpp>
#include <prefer/shape/norm_product.hpp>
#include <prefer/shape/norm_projection.hpp>
#include <prefer/shape/spectral_norm.hpp>

#include <Eigen/Core>

#include <cmath>
#include <string>
#include <vector>

// Weights of layers in float, n x n: of 2^20 numbers, which stay in a cache, and of 2^24, which do not; one thread.
// Power iteration is counted by its reads of the weight, beside a probe that reads it; the peer is a pair of products
// of Eigen's per iteration, built for what the compiler was told (compare at the same level: -mavx2 -mfma).
namespace {

using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr int iterations = 7, reads = iterations + 1;

void fill(float* x, std::int64_t count) {
  for (std::int64_t k = 0; k < count; ++k) x[k] = static_cast<float>(std::sin(0.37 * static_cast<double>(k % 100003)));
}

// call(exec, in, out) on n x n numbers, of which it reads `times` as many as there are.
template <class Call>
void add(const std::string& name, int outputs, int times, Call call) {
  for (const prefer::isa level : bench::levels())
    for (const std::int64_t n : {1024, 4096})
      benchmark::RegisterBenchmark((name + "/" + bench::name_of(level) + "/n:" + std::to_string(n)).c_str(),
                                   [=](benchmark::State& state) {
                                     bench::arrays<float> a(1 + outputs, n * n, bench::spacing::odd);
                                     fill(a[0], n * n);
                                     bench::beside_probe(state, {level, 1}, a, 1, outputs, n * n, n * n,
                                                         (times - 1) * n * n * static_cast<std::int64_t>(sizeof(float)),
                                                         [&](const prefer::cpu& exec) { return call(exec, a, n); });
                                   })
          ->Iterations(1)
          ->UseManualTime();
}

template <class F>
void add_timed(const std::string& name, double operations, F run) {
  benchmark::RegisterBenchmark(
      name.c_str(),
      [=](benchmark::State& state) {
        for (auto _ : state) run();
        state.SetItemsProcessed(static_cast<std::int64_t>(static_cast<double>(state.iterations()) * operations));
      })
      ->Unit(benchmark::kMillisecond)
      ->UseRealTime();
}

}  // namespace

int main(int argc, char** argv) {
  using namespace prefer;
  static double sigma;
  add("spectral_norm", 0, reads, [](const cpu& exec, auto& a, std::int64_t n) {
    return find_spectral_norm(exec, {.iterations = iterations}, {.weight = {a[0], n, n}}, {.sigma = {&sigma, 1}});
  });
  // The same iterations with Eigen, two reads each and one for the start.
  add("eigen_products", 0, reads, [](const cpu&, auto& a, std::int64_t n) {
    const Eigen::Map<const matrix> w(a[0], n, n);
    Eigen::VectorXf u = Eigen::VectorXf::Ones(n), v(n);
    v.noalias() = w.transpose() * u;
    for (int k = 0; k < iterations; ++k) {
      v.normalize();
      u.noalias() = w * v;
      sigma = u.norm();
      u /= static_cast<float>(sigma);
      if (k + 1 < iterations) v.noalias() = w.transpose() * u;
    }
    return status{};
  });
  add("bound", 0, 1, [](const cpu& exec, auto& a, std::int64_t n) {
    detail::norm_sums sums;
    static std::vector<double> memory;
    memory.resize(static_cast<std::size_t>(2 * n + detail::matrix_pieces(n) * n));
    sums.rows = sums.columns = n, sums.matrix = {a[0], n, 1, element::f32};
    sums.row_sum = memory.data(), sums.row_squares = memory.data() + n, sums.partial = memory.data() + 2 * n;
    return detail::add_norms(exec, sums);
  });
  add("project_rows", 1, 1, [](const cpu& exec, auto& a, std::int64_t n) {
    return project_norms<float>(exec, {}, {.weight = {a[0], n, n}}, {.projected = {a[1], n, n}});
  });
  add("project_columns", 1, 1, [](const cpu& exec, auto& a, std::int64_t n) {
    return project_norms<float>(exec, {.along = norm_projection::line::columns}, {.weight = {a[0], n, n}},
                                {.projected = {a[1], n, n}});
  });
  for (const std::int64_t size : {2, 8})
    add("group_sort/size:" + std::to_string(size), 2, 1, [size](const cpu& exec, auto& a, std::int64_t n) {
      return sort_groups(exec, {.size = size}, {{a[0], n, n}},
                         {{a[1], n, n}, {reinterpret_cast<std::int32_t*>(a[2]), n, n}});
    });
  // Products: operations are multiplications with additions, of which symmetric ones need half.
  static matrix w(512, 512), unit(512, 512), product(512, 512);
  static double bound;
  fill(w.data(), w.size());
  constexpr double cube = 512.0 * 512 * 512;
  for (const isa level : bench::levels()) {
    const std::string by = std::string("/512/") + bench::name_of(level);
    add_timed("aol" + by, cube, [level] {
      prefer::check(
          rescale_aol(cpu{.isa = level}, {.weight = {w.data(), 512, 512}}, {.rescaled = {unit.data(), 512, 512}}));
    });
    add_timed("aol_gradient" + by, 2 * cube, [level] {
      prefer::check(rescale_aol(cpu{.isa = level}, {.weight = {w.data(), 512, 512}, .upstream = {w.data(), 512, 512}},
                                {.grad_weight = {unit.data(), 512, 512}}));
    });
    add_timed("bound/doublings:4" + by, 4 * cube, [level] {
      prefer::check(find_spectral_norm(cpu{.isa = level}, {.gram_doublings = 4}, {.weight = {w.data(), 512, 512}},
                                       {.bound = {&bound, 1}}));
    });
  }
  add_timed("eigen_gram/512/as_compiled", cube, [] {
    product.noalias() = w.transpose() * w;
    benchmark::DoNotOptimize(product.data());
  });
  // Operations are layers; beside it what the formula says, which overflows where the former does not.
  constexpr int layers = 1024;
  static std::vector<double> norms(layers, 1.001), by_norm(layers);
  add_timed("norm_product/layers:1024", layers, [] {
    prefer::check(multiply_norms(cpu{}, {.norm = {norms.data(), layers}},
                                 {.bound = {&bound, 1}, .grad = {by_norm.data(), layers}}));
  });
  add_timed("bare_product/layers:1024", layers, [] {
    bound = 1;
    for (const double x : norms) bound *= x;
    for (std::size_t i = 0; i < layers; ++i) by_norm[i] = bound / norms[i];
    benchmark::DoNotOptimize(by_norm.data());
  });
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
