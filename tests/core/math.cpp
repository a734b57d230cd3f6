// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/backend/cpu/dispatch.hpp>
#include <prefer/core/math.hpp>
#include <support/numbers.hpp>

#include <doctest/doctest.h>

#include <string>

namespace {

using prefer_test::ulps;

struct golden_row {
  const char* function;
  long double x, y;
};
const golden_row golden[] = {
#include <golden_math.inc>
};

struct bound {
  const char* function;
  double ulps;
};
// The promise at the top of core/math.hpp.
const bound bounds[] = {{"exp", 2},      {"expm1", 3},   {"log", 2},      {"log1p", 3},      {"tanh", 4},
                        {"softplus", 3}, {"sigmoid", 3}, {"log1mexp", 4}, {"expm1_minus", 8}};

template <class V>
V call(int f, const V& x) {
  switch (f) {
    case 0: return prefer::math::exp(x);
    case 1: return prefer::math::expm1(x);
    case 2: return prefer::math::log(x);
    case 3: return prefer::math::log1p(x);
    case 4: return prefer::math::tanh(x);
    case 5: return prefer::math::softplus(x);
    case 6: return prefer::math::sigmoid(x);
    case 7: return prefer::math::log1mexp(x);
    case 8: return prefer::math::expm1_minus(x);
    case 9: return prefer::math::exp_decay(x);
    default: return prefer::math::exp2_decay(x);
  }
}

template <class T>
struct job {
  int function;
  const T* x;
  T* y;
  int n;  // a multiple of the lane width
};

template <class T>
struct work {
  template <class Level>
  static inline __attribute__((always_inline)) void run(job<T>& j) {
    using V = prefer::lane<T, Level>;
    for (int i = 0; i < j.n; i += V::width) call(j.function, V::load(j.x + i)).store(j.y + i);
  }
};

template <class T>
std::vector<T> on_lanes(prefer::isa level, int function, std::vector<T> x) {
  const std::size_t n = x.size();
  x.resize((n + 15) / 16 * 16, T(-1));
  std::vector<T> y(x.size());
  job<T> j{function, x.data(), y.data(), static_cast<int>(x.size())};
  prefer::detail::run_at<work<T>>(level, j);
  y.resize(n);
  return y;
}

template <class T>
void check_golden(int function) {
  std::vector<T> x;
  std::vector<long double> exact;
  for (const golden_row& g : golden) {
    if (std::string(g.function) != bounds[function].function || std::fabs(g.y) > std::numeric_limits<T>::max())
      continue;
    x.push_back(static_cast<T>(g.x));
    exact.push_back(g.y);
  }
  REQUIRE(x.size() > 300);
  for (prefer::isa level : prefer_test::levels()) {
    const std::vector<T> y = on_lanes(level, function, x);
    double worst = 0;
    std::size_t at = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double error = ulps<T>(static_cast<double>(y[i]), exact[i]);
      if (error > worst) worst = error, at = i;
    }
    INFO(bounds[function].function << "(" << x[at] << ") = " << y[at] << " at level " << static_cast<int>(level));
    CHECK(worst <= bounds[function].ulps);
  }
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i)
    worst = std::max(worst, ulps<T>(static_cast<double>(call(function, x[i])), exact[i]));
  INFO(bounds[function].function << " on scalars");
  CHECK(worst <= bounds[function].ulps);
}

}  // namespace

TEST_CASE("every function keeps its bound in float, on scalars and on lanes of every level") {
  for (int f = 0; f < 9; ++f) check_golden<float>(f);
}

TEST_CASE("every function keeps its bound in double, on scalars and on lanes of every level") {
  for (int f = 0; f < 9; ++f) check_golden<double>(f);
}

TEST_CASE("exp_decay is exp within 2 ulp where that is normal, 0 below, and keeps NaN") {
  const auto check_type = [](auto zero, double low, double tiny) {
    using T = decltype(zero);
    std::vector<T> x = {static_cast<T>(low), static_cast<T>(2 * low), -std::numeric_limits<T>::infinity(),
                        std::numeric_limits<T>::quiet_NaN()};
    std::vector<long double> exact = {std::exp(static_cast<long double>(static_cast<T>(low))), 0, 0, NAN};
    for (const golden_row& g : golden) {
      if (std::string(g.function) != "exp" || g.x > 8) continue;
      x.push_back(static_cast<T>(g.x));
      exact.push_back(g.x < low ? 0 : g.y);
    }
    REQUIRE(exact[0] > static_cast<long double>(tiny));
    REQUIRE(x.size() > 300);
    for (prefer::isa level : prefer_test::levels()) {
      const std::vector<T> y = on_lanes(level, 9, x);
      for (std::size_t i = 0; i < x.size(); ++i) {
        INFO("exp_decay(" << x[i] << ") = " << y[i]);
        CHECK(ulps<T>(static_cast<double>(y[i]), exact[i]) <= (exact[i] == 0 ? 0 : 2));
        CHECK(ulps<T>(static_cast<double>(prefer::math::exp_decay(x[i])), exact[i]) <= (exact[i] == 0 ? 0 : 2));
      }
    }
  };
  check_type(0.0f, -87, std::numeric_limits<float>::min());
  check_type(0.0, -708, std::numeric_limits<double>::min());
}

TEST_CASE("exp2_decay is 2^y within 2 ulp where that is normal, 0 below, and keeps NaN") {
  const auto check_type = [](auto zero, double low) {
    using T = decltype(zero);
    constexpr T inf = std::numeric_limits<T>::infinity();
    std::vector<T> y = {static_cast<T>(low),
                        static_cast<T>(low) - T(0.25),
                        static_cast<T>(low) - T(0.75),
                        static_cast<T>(2 * low),
                        -inf,
                        -std::numeric_limits<T>::max(),
                        std::numeric_limits<T>::quiet_NaN()};
    // Halves are where the exponent changes; the others are spread over all fractions.
    for (int i = -2 * static_cast<int>(-low); i <= 8; ++i) y.push_back(static_cast<T>(i) / 2);
    for (int i = 0; i < 4000; ++i) y.push_back(static_cast<T>(3 + (low - 3) * i / 3999.0));
    for (int i = 1; i < 60; ++i) y.push_back(-std::ldexp(T(1.25), -i));
    for (prefer::isa level : prefer_test::levels()) {
      const std::vector<T> lanes = on_lanes(level, 10, y);
      for (std::size_t i = 0; i < y.size(); ++i) {
        const long double exact = y[i] < static_cast<T>(low) ? 0 : std::exp2(static_cast<long double>(y[i]));
        INFO("exp2_decay(" << y[i] << ") = " << lanes[i]);
        CHECK(ulps<T>(static_cast<double>(lanes[i]), exact) <= (exact == 0 ? 0 : 2));
        CHECK(ulps<T>(static_cast<double>(prefer::math::exp2_decay(y[i])), exact) <= (exact == 0 ? 0 : 2));
      }
    }
  };
  check_type(0.0f, -126);
  check_type(0.0, -1022);
}

TEST_CASE("functions at infinity, zero and NaN") {
  constexpr float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> x = {inf, -inf, 0.0f, -0.0f, std::numeric_limits<float>::quiet_NaN()};
  const float expected[9][4] = {{inf, 0, 1, 1},     {inf, -1, 0, 0},      {inf, NAN, -inf, -inf},
                                {inf, NAN, 0, 0},   {1, -1, 0, 0},        {inf, 0, std::log(2.0f), std::log(2.0f)},
                                {1, 0, 0.5f, 0.5f}, {NAN, 0, -inf, -inf}, {inf, inf, 0, 0}};
  for (prefer::isa level : prefer_test::levels())
    for (int f = 0; f < 9; ++f) {
      const std::vector<float> y = on_lanes(level, f, x);
      for (std::size_t i = 0; i < 4; ++i) {
        INFO(bounds[f].function << "(" << x[i] << ") = " << y[i]);
        CHECK(ulps<float>(static_cast<double>(y[i]), static_cast<long double>(expected[f][i])) <= 1);
      }
      CHECK(prefer::math::is_nan(y[4]));
    }
}

TEST_CASE("cross entropy is exact for sure outcomes at infinite margins") {
  constexpr double inf = std::numeric_limits<double>::infinity();
  CHECK(prefer::math::cross_entropy(inf, 1.0).value == 0);
  CHECK(prefer::math::cross_entropy(-inf, 0.0).value == 0);
  CHECK(prefer::math::cross_entropy(-inf, 1.0).value == inf);
  CHECK(prefer::math::cross_entropy(-inf, 1.0).derivative == -1);
  CHECK(prefer::math::cross_entropy(inf, 0.0).derivative == 1);
}

TEST_CASE("a lane's elements, sum order and selection") {
  using lane = prefer::lane<float, prefer::level::base>;
  static_assert(lane::width == 16 && prefer::lane<double, prefer::level::avx512>::width == 8);
  float x[17];
  for (int i = 0; i < 17; ++i) x[i] = std::ldexp(1.0f, 3 * i - 24) * static_cast<float>(i % 2 == 0 ? 1 : -1);
  const lane a = lane::load(x + 1);  // misaligned on purpose
  float folded[16];
  for (int i = 0; i < 16; ++i) folded[i] = x[i + 1];
  for (int step = 8; step > 0; step /= 2)
    for (int i = 0; i < step; ++i) folded[i] += folded[i + step];
  CHECK(a.sum() == folded[0]);
  float y[16];
  select(a > lane(0), lane(std::numeric_limits<float>::quiet_NaN()), a).store(y);
  for (int i = 0; i < 16; ++i) CHECK((x[i + 1] > 0 ? prefer::math::is_nan(y[i]) : y[i] == x[i + 1]));
  lane::index().store(y);
  for (int i = 0; i < 16; ++i) CHECK(y[i] == static_cast<float>(i));
}
