// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "support/levels.hpp"

#include <prefer/core/math.hpp>

#include <benchmark/benchmark.h>

#include <cmath>
#include <string>

// Nanoseconds per value of the elementary functions on lanes, at every level, beside the C library's scalar ones.
namespace {

constexpr int values = 1024;

template <class T>
struct function_table {
  alignas(64) T in[values], out[values];
  explicit function_table(T low, T high) {
    for (int i = 0; i < values; ++i) in[i] = low + (high - low) * static_cast<T>(i) / values;
  }
};

template <class T, class F>
struct lane_work {
  using table = function_table<T>;
  template <class Level>
  static inline __attribute__((always_inline)) void run(table& t) {
    using V = prefer::lane<T, Level>;
    for (int i = 0; i < values; i += V::width) F::lane(V::load(t.in + i)).store(t.out + i);
    __asm__ volatile("" ::"r"(&t) : "memory");
  }
};

template <class T, class F>
void on_lanes(benchmark::State& state, prefer::isa level) {
  function_table<T> t(F::low, F::high);
  for (auto _ : state) prefer::detail::run_at<lane_work<T, F>>(level, t);
  state.SetItemsProcessed(state.iterations() * values);
}
template <class T, class F>
void scalar(benchmark::State& state) {
  function_table<T> t(F::low, F::high);
  for (auto _ : state) {
    for (int i = 0; i < values; ++i) t.out[i] = F::libm(t.in[i]);
    benchmark::DoNotOptimize(t);
  }
  state.SetItemsProcessed(state.iterations() * values);
}

struct exp_f {
  static constexpr int low = -20, high = 20;
  template <class V>
  static inline __attribute__((always_inline)) V lane(const V& x) {
    return prefer::math::exp(x);
  }
  template <class T>
  static T libm(T x) {
    return std::exp(x);
  }
};
struct log_f {
  static constexpr int low = 1, high = 1000;
  template <class V>
  static inline __attribute__((always_inline)) V lane(const V& x) {
    return prefer::math::log(x);
  }
  template <class T>
  static T libm(T x) {
    return std::log(x);
  }
};
struct log1p_f {
  static constexpr int low = 0, high = 10;
  template <class V>
  static inline __attribute__((always_inline)) V lane(const V& x) {
    return prefer::math::log1p(x);
  }
  template <class T>
  static T libm(T x) {
    return std::log1p(x);
  }
};
struct tanh_f {
  static constexpr int low = -6, high = 6;
  template <class V>
  static inline __attribute__((always_inline)) V lane(const V& x) {
    return prefer::math::tanh(x);
  }
  template <class T>
  static T libm(T x) {
    return std::tanh(x);
  }
};
struct softplus_f {
  static constexpr int low = -20, high = 20;
  template <class V>
  static inline __attribute__((always_inline)) V lane(const V& x) {
    return prefer::math::softplus(x);
  }
  template <class T>
  static T libm(T x) {
    return std::max(x, T(0)) + std::log1p(std::exp(-std::fabs(x)));
  }
};
struct sigmoid_f {
  static constexpr int low = -20, high = 20;
  template <class V>
  static inline __attribute__((always_inline)) V lane(const V& x) {
    return prefer::math::sigmoid(x);
  }
  template <class T>
  static T libm(T x) {
    return T(1) / (T(1) + std::exp(-x));
  }
};

template <class T, class F>
void add(const std::string& function, const char* type) {
  for (const prefer::isa level : bench::levels())
    benchmark::RegisterBenchmark((function + "/" + type + "/" + bench::name_of(level)).c_str(),
                                 [level](benchmark::State& state) { on_lanes<T, F>(state, level); });
  benchmark::RegisterBenchmark((function + "/" + type + "/libm").c_str(), scalar<T, F>);
}
template <class F>
void add(const std::string& function) {
  add<float, F>(function, "float");
  add<double, F>(function, "double");
}

}  // namespace

int main(int argc, char** argv) {
  add<exp_f>("exp"), add<log_f>("log"), add<log1p_f>("log1p"), add<tanh_f>("tanh"), add<softplus_f>("softplus"),
      add<sigmoid_f>("sigmoid");
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
}
