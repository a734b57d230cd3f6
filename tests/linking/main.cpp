// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
//
// Objects of several compilers and flags evaluate the same loss in one program: each gives its own correct answer.
#include <prefer/core/execution.hpp>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <vector>

#define PREFER_LINKING_DECLARE(name) prefer::status name(prefer::isa, const double*, std::int64_t, double*, double*)
PREFER_LINKING_DECLARE(plain_o0);
PREFER_LINKING_DECLARE(plain_o1);
PREFER_LINKING_DECLARE(native_o2);
PREFER_LINKING_DECLARE(fast_o2);
PREFER_LINKING_DECLARE(clang_o2);
PREFER_LINKING_DECLARE(nvcc_o2);

int main() {
  struct entry {
    const char* name;
    prefer::status (*call)(prefer::isa, const double*, std::int64_t, double*, double*);
  };
  const entry all[] = {
    {"g++ -O0", plain_o0},
    {"g++ -O1", plain_o1},
    {"g++ -O2 -march=native", native_o2},
    {"g++ -O2 -ffast-math", fast_o2},
#if defined(PREFER_LINKING_CLANG)
    {"clang++ -O2", clang_o2},
#endif
#if defined(PREFER_LINKING_NVCC)
    {"nvcc", nvcc_o2},
#endif
  };
  constexpr std::int64_t n = 1000;
  std::vector<double> x(4 * n), grad(n), expected(n);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = -std::fmod(static_cast<double>(i) * 0.7310585, 40.0);
  double loss = 0, sum = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double z = 0.3 * ((x[i] - x[i + 2 * n]) - (x[i + n] - x[i + 3 * n]));
    const double d = x[i] - x[i + n];
    sum += ((z > 0 ? std::log1p(std::exp(-z)) : -z + std::log1p(std::exp(z))) + 0.01 * d * d) / n;
    expected[i] = (-0.3 / (1 + std::exp(z)) + 0.02 * d) / n;
  }
  int failures = 0;
  for (const entry& e : all)
    for (prefer::isa level : {prefer::isa::automatic, prefer::isa::base, prefer::isa::avx2, prefer::isa::avx512}) {
      const prefer::status st = e.call(level, x.data(), n, grad.data(), &loss);
      if (st.code == prefer::errc::unsupported_isa) continue;
      prefer::check(st);
      double worst = std::fabs(loss - sum) / sum;
      for (std::size_t i = 0; i < n; ++i) worst = std::fmax(worst, std::fabs(grad[i] - expected[i]) * n);
      const bool good = worst < 1e-12;
      std::printf("%-24s level %d: error %.2g%s\n", e.name, static_cast<int>(level), worst, good ? "" : "  WRONG");
      failures += good ? 0 : 1;
    }
  return failures;
}
