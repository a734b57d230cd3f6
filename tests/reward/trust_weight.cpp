// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <reward/rewards.hpp>

using namespace prefer;
using namespace prefer_test;

TEST_CASE("trust weights and uncertainties are their definitions: sizes, strides, storage types") {
  each_storage([](auto s) { check_trust<decltype(s), host_side>(); });
}

TEST_CASE("trust weights: the released numbers, and bounds that the released code never reaches") {
  covers("trust_weight", "identity");
  const double z[] = {0, 5, 14, 100, not_a_number};
  double weight[5];
  check(trust_weights(cpu{}, {}, {.uncertainty = {z, 5}}, {.weight = {weight, 5}}));
  CHECK(weight[0] == doctest::Approx(2.013753).epsilon(1e-6));
  CHECK(weight[1] == doctest::Approx(1.568312).epsilon(1e-6));
  CHECK((weight[2] == doctest::Approx(1) && weight[3] == 1 && std::isnan(weight[4])));
}

TEST_CASE("uncertainty by the inverse Cholesky factor is sqrt(f' V^-1 f)") {
  covers("feature_uncertainty", "identity");
  // V = L L' with L = (2 0; 1 3), so V^-1 = (10 -2; -2 4) / 36 and W = L^-1 = (1/2 0; -1/6 1/3).
  const double whitening[] = {0.5, 0, -1.0 / 6, 1.0 / 3}, f[] = {1, 2, -3, 0.5};
  double z[2];
  check(feature_uncertainty(cpu{}, {.features = {f, 2, 2}, .whitening = {whitening, 2, 2}}, {.uncertainty = {z, 2}}));
  for (const int i : {0, 1}) {
    const double x = f[2 * i], y = f[2 * i + 1];
    CHECK(z[i] == doctest::Approx(std::sqrt((10 * x * x - 4 * x * y + 4 * y * y) / 36)).epsilon(1e-14));
  }
}

TEST_CASE("trust weights and uncertainties have the same bits for any threads, and allocate nothing") {
  const auto a = digits(40000);
  check_threads("trust_weight", a.size(), [&](const cpu& exec, float* to) {
    return trust_weights(exec, {}, {.uncertainty = {a.data(), 40000}}, {.weight = {to, 40000}});
  });
  check_threads("feature_uncertainty", a.size() / 4, [&](const cpu& exec, float* to) {
    return feature_uncertainty(exec, {.features = {a.data(), 10000, 4}}, {.uncertainty = {to, 10000}});
  });
}

TEST_CASE("trust weights and uncertainties name what is wrong, and write nothing") {
  covers("trust_weight", "bad-argument"), covers("feature_uncertainty", "bad-argument");
  const double x[6] = {};
  double to[3] = {7, 7, 7};
  const auto refused = [&](const status& s) {
    CHECK((to[0] == 7 && to[1] == 7 && to[2] == 7));
    return text_of(s);
  };
  const auto weigh = [&](const trust_weight& rule, const trust_inputs<space::host>& in = {}) {
    return refused(trust_weights(cpu{}, rule, in, {.weight = {to, 3}}));
  };
  CHECK(weigh({}) == "prefer: missing input: uncertainty: expected one number per item");
  CHECK(weigh({}, {{x, 2}}) == "prefer: bad extent: weight is 3, expected the number of items, 2");
  CHECK(weigh({.slope = -1.0}) == "prefer: bad parameter: slope is -1, expected a finite number, 0 or above");
  CHECK(weigh({.offset = HUGE_VAL}) == "prefer: bad parameter: offset is inf, expected a finite number");
  CHECK(weigh({.lowest = -1.0}) == "prefer: bad parameter: lowest is -1, expected a finite number, 0 or above");
  CHECK(weigh({.highest = 0.5}) == "prefer: bad parameter: highest is 0.5, expected no less than lowest");
  const auto measure = [&](const uncertainty_inputs<space::host>& in, const output_view<1, space::host>& out) {
    return refused(feature_uncertainty(cpu{}, in, {.uncertainty = out}));
  };
  CHECK(measure({}, {to, 3}) == "prefer: missing input: features: expected D numbers per item, [N, D]");
  CHECK(measure({.features = {x, 3, 2}}, {}) == "prefer: missing output: uncertainty: expected one number per item");
  CHECK(measure({.features = {x, 3, 2}, .whitening = {x, 2, 3}}, {to, 3}) ==
        "prefer: bad extent: whitening is 3, expected as many elements per row as the others, 2");
  CHECK(measure({.features = {x, 3, -2}}, {to, 3}) == "prefer: bad extent: features is -2, expected at least 0");
  CHECK(measure({.features = {x, 3, 2}}, {to, 2}) ==
        "prefer: bad extent: uncertainty is 2, expected the number of items, 3");
  CHECK(measure({.features = {to, 3, 1}}, {to, 3}) ==
        "prefer: overlap: uncertainty: expected memory of its own, not shared with an input");
  const double holed[] = {1, 2, 3, not_a_number};
  const cpu strict{.content = content::all};
  CHECK(refused(trust_weights(strict, {}, {{holed, 4}}, {.weight = {to, 4}})) ==
        "prefer: not a number: uncertainty[3]: expected a number, but it is NaN");
  CHECK(refused(feature_uncertainty(strict, {.features = {holed, 2, 2}}, {{to, 2}})) ==
        "prefer: not a number: features[1]: expected numbers, but one of its row is NaN");
  CHECK(refused(feature_uncertainty(strict, {.features = {holed, 1, 2}, .whitening = {holed, 2, 2}}, {{to, 1}})) ==
        "prefer: not a number: whitening[1]: expected numbers, but one of its row is NaN");
}
