// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/thread_pool.hpp>
#include <prefer/mdp/softmax_value.hpp>
#include <support/coverage.hpp>
#include <support/numbers.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

using namespace prefer;
using prefer_test::covers;

namespace {

constexpr std::int64_t policies = 5, states = 7, features = 3;

struct known {
  std::vector<double> psi = std::vector<double>(policies * states * features);
  double w[features] = {0.7, -1.3, 0.4};
  explicit known(double size = 1) {
    prefer_test::noise random(4);
    for (double& x : psi) x = random.uniform(-size, size);
  }
  policy_values<space::host> at(double temperature) const {
    return {
        .successor = {psi.data(), policies, states, features}, .weights = {w, features}, .temperature = temperature};
  }
  // sum_k softmax(v / T)_k v_k in long double, straight from the definition.
  long double value(std::int64_t s, long double temperature) const {
    long double v[policies], sum = 0, total = 0;
    for (std::int64_t k = 0; k < policies; ++k) {
      v[k] = 0;
      for (std::int64_t f = 0; f < features; ++f)
        v[k] += static_cast<long double>(psi[static_cast<std::size_t>((k * states + s) * features + f)]) * w[f];
      sum += std::exp(v[k] / temperature) * v[k], total += std::exp(v[k] / temperature);
    }
    return sum / total;
  }
};

}  // namespace

TEST_CASE("the softened value is that of its definition") {
  const known k;
  double value[states];
  for (double temperature : {0.05, 1.0, 20.0}) {
    check(softmax_value(cpu{}, k.at(temperature), {value, states}));
    for (std::int64_t s = 0; s < states; ++s)
      CHECK(value[s] ==
            doctest::Approx(static_cast<double>(k.value(s, static_cast<long double>(temperature)))).epsilon(1e-13));
  }
  covers("softmax_value", "golden");
}

TEST_CASE("cold, it is the best policy's value, even for values of 1e6; hot, the mean") {
  const known k(1e6);
  double cold[states], hot[states];
  check(softmax_value(cpu{}, k.at(1e-3), {cold, states}));
  check(softmax_value(cpu{}, k.at(1e12), {hot, states}));
  for (std::int64_t s = 0; s < states; ++s) {
    double best = -1e300, mean = 0;
    for (std::int64_t p = 0; p < policies; ++p) {
      double v = 0;
      for (std::int64_t f = 0; f < features; ++f)
        v += k.psi[static_cast<std::size_t>((p * states + s) * features + f)] * k.w[f];
      best = std::max(best, v), mean += v / policies;
    }
    CHECK(cold[s] == best);
    CHECK(hot[s] == doctest::Approx(mean).epsilon(1e-5).scale(1e6));
  }
  covers("softmax_value", "identity");
}

TEST_CASE("the gradient is the derivative of the values: finite differences in long double") {
  const known k;
  const double upstream[states] = {1, 0, -2, 0.5, 0, 0, 3};
  for (double temperature : {0.05, 1.0}) {
    double gradient[features];
    check(softmax_value_gradient(cpu{}, k.at(temperature), {upstream, states}, {gradient, features}));
    for (std::int64_t f = 0; f < features; ++f) {
      const auto total = [&](double h) {
        known moved = k;
        moved.w[f] += h;
        long double sum = 0;
        for (std::int64_t s = 0; s < states; ++s)
          sum += static_cast<long double>(upstream[s]) * moved.value(s, static_cast<long double>(temperature));
        return sum;
      };
      const double h = 0x1p-14;  // fourth-order differences
      const long double slope =
          (8 * (total(h) - total(-h)) - (total(2 * h) - total(-2 * h))) / (12 * static_cast<long double>(h));
      CHECK(gradient[f] == doctest::Approx(static_cast<double>(slope)).epsilon(1e-9));
    }
  }
}

TEST_CASE("the same bits for any number of threads; bad arguments are named") {
  const known k;
  double one[states], many[states];
  check(softmax_value(cpu{}, k.at(0.1), {one, states}));
  thread_pool pool(3);
  check(softmax_value(cpu{.pool = pool}, k.at(0.1), {many, states}));
  for (std::int64_t s = 0; s < states; ++s) CHECK(one[s] == many[s]);
  covers("softmax_value", "threads");

  const auto refused = [&](errc code, const char* argument, const policy_values<space::host>& in,
                           std::int64_t n = states) {
    const status s = softmax_value(cpu{}, in, {one, n});
    CHECK(s.code == code);
    CHECK(std::string(s.argument) == argument);
  };
  for (double t : {0.0, -1.0, HUGE_VAL}) refused(errc::bad_parameter, "temperature", k.at(t));
  refused(errc::bad_extent, "value", k.at(1), states - 1);
  auto in = k.at(1);
  in.weights.extent[0] = 2;
  refused(errc::bad_extent, "weights", in);
  in = k.at(1);
  in.successor.extent[0] = 0;
  refused(errc::bad_parameter, "successor", in);
  const status s = softmax_value_gradient(cpu{}, k.at(1), {one, states - 1}, {many, features});
  CHECK(std::string(s.argument) == "upstream");
  covers("softmax_value", "bad-argument");
}
