// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/backend/cuda/launch.cuh>
#include <prefer/core/math.hpp>
#include <support/cuda.cuh>

#include <doctest/doctest.h>

#include <string>

namespace {

using prefer_test::buffer;
using prefer_test::device;
using prefer_test::ulps;

struct golden_row {
  const char* function;
  long double x, y;
};
const golden_row golden[] = {
#include <golden_math.inc>
};
const char* const functions[] = {"exp",      "expm1",   "log",      "log1p",      "tanh",
                                 "softplus", "sigmoid", "log1mexp", "expm1_minus"};
const double bounds[] = {2, 3, 2, 3, 4, 3, 3, 4, 8};  // the table of core/math.hpp

template <class T>
__global__ void evaluate_function(int function, const T* x, T* y, int n) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i >= n) return;
  switch (function) {
    case 0: y[i] = prefer::math::exp(x[i]); break;
    case 1: y[i] = prefer::math::expm1(x[i]); break;
    case 2: y[i] = prefer::math::log(x[i]); break;
    case 3: y[i] = prefer::math::log1p(x[i]); break;
    case 4: y[i] = prefer::math::tanh(x[i]); break;
    case 5: y[i] = prefer::math::softplus(x[i]); break;
    case 6: y[i] = prefer::math::sigmoid(x[i]); break;
    case 7: y[i] = prefer::math::log1mexp(x[i]); break;
    default: y[i] = prefer::math::expm1_minus(x[i]);
  }
}

template <class T>
void check_golden(int function) {
  std::vector<const golden_row*> rows;
  for (const golden_row& g : golden)
    if (std::string(g.function) == functions[function] && std::fabs(g.y) <= std::numeric_limits<T>::max())
      rows.push_back(&g);
  const auto n = static_cast<std::int64_t>(rows.size());
  REQUIRE(n > 300);
  buffer<T> x(n), y(n);
  for (std::int64_t i = 0; i < n; ++i) x.at(i) = static_cast<T>(rows[static_cast<std::size_t>(i)]->x);
  device<T> dx(x), dy(y);
  evaluate_function<T>
      <<<static_cast<unsigned>(n / 128 + 1), 128>>>(function, dx.data(), dy.data(), static_cast<int>(n));
  REQUIRE(cudaDeviceSynchronize() == cudaSuccess);
  dy.fetch();
  double worst = 0;
  for (std::int64_t i = 0; i < n; ++i) worst = std::max(worst, ulps<T>(y.get(i), rows[static_cast<std::size_t>(i)]->y));
  INFO(functions[function]);
  CHECK(worst <= bounds[function]);
}

}  // namespace

TEST_CASE("every function keeps its bound on the device, in float and double") {
  for (int f = 0; f < 9; ++f) check_golden<float>(f), check_golden<double>(f);
}
