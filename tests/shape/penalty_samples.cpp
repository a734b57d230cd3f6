// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/thread_pool.hpp>
#include <prefer/shape/penalty_samples.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>
#include <support/row_call.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

using namespace prefer;
using prefer_test::covers;
using prefer_test::matrix;
using prefer_test::storage;

namespace {

template <class S>
struct samples {
  std::int64_t n, d;
  matrix<S> a, b, x;

  samples(std::int64_t rows, std::int64_t columns, std::int64_t gap = 0)
      : n(rows), d(columns), a(n, d, gap), b(n, d, gap), x(n, d, gap) {
    prefer_test::noise random(5);
    a.fill(random, -2, 2), b.fill(random, -2, 2);
  }
  status between(const cpu& exec, const sample_draw& draw) {
    return interpolate_samples(exec, draw, {a.read(), b.read()}, {x.view()});
  }
  status around(const cpu& exec, const sample_draw& draw, double sigma) {
    return perturb_samples(exec, draw, sigma, {a.read()}, {x.view()});
  }
};

template <class S>
double roundings(long double size) {
  return static_cast<double>(std::ldexp(size, 1 - storage<S>::digits) + 1e-14L * size);
}

// The share of standard normal numbers below z.
long double normal_share(long double z) { return std::erfc(-z / std::sqrt(2.0L)) / 2; }

template <class S>
void check_all() {
  const sample_draw draw{.seed = 7, .block = 3, .first = 2};
  for (std::int64_t d : {0, 1, 7, 8, 9, 31, 32, 33, 63, 64, 65, 255, 256, 257, 300, 513}) {
    samples<S> s(d < 70 ? 5 : 2, d, d % 3);
    for (isa level : prefer_test::levels()) {
      REQUIRE(s.between(cpu{.isa = level}, draw).ok());
      for (std::int64_t i = 0; i < s.n; ++i) {
        const long double e =
            to_uniform(draw_pair(7, detail::interpolation_stream + 3, static_cast<std::uint64_t>(2 + i)).first);
        for (std::int64_t k = 0; k < d; ++k)
          CHECK(std::fabs(s.x.get(i, k) - (e * s.a.get(i, k) + (1 - e) * s.b.get(i, k))) <= roundings<S>(4));
      }
      REQUIRE(s.around(cpu{.isa = level}, draw, 0.5).ok());
      for (std::int64_t i = 0; i < s.n; ++i)
        for (std::int64_t k = 0; k < d; ++k) {
          // Columns c and c + 32 of every 64 are a pair.
          const std::int64_t pairs = d / 64 * 32 + std::min<std::int64_t>(d % 64, 32);
          const auto element = static_cast<std::uint64_t>((2 + i) * pairs + k / 64 * 32 + k % 32);
          const random_pair bits = draw_pair(7, detail::perturbation_stream + 3, element);
          const double z = (s.x.get(i, k) - s.a.get(i, k)) / 0.5;
          // The density is at most 0.4: so far is a share off at most.
          CHECK(std::fabs(normal_share(z) - to_uniform(k % 64 < 32 ? bits.first : bits.second)) <= roundings<S>(4));
        }
      CHECK(s.x.memory.intact());
    }
  }
  samples<S> none(0, 4);
  CHECK((none.between(cpu{}, draw).ok() && none.around(cpu{}, draw, 1).ok()));
  covers<S>("penalty_samples", "sizes");
}

struct summary {
  double mean = 0, variance = 0, kurtosis = 0, neighbours = 0;  // the last: correlation of neighbours

  explicit summary(const std::vector<double>& x) {
    const auto n = static_cast<double>(x.size());
    for (double v : x) mean += v / n;
    double before = 0;
    for (double v : x) {
      const double c = v - mean;
      variance += c * c / n, kurtosis += c * c * c * c / n, neighbours += c * before / n;
      before = c;
    }
    kurtosis /= variance * variance, neighbours /= variance;
  }
};

}  // namespace

TEST_CASE("samples are the definition's with the documented numbers, for every size, level and storage type") {
  SUBCASE("float") { check_all<float>(); }
  SUBCASE("double") { check_all<double>(); }
  SUBCASE("half") { check_all<half>(); }
  SUBCASE("bfloat16") { check_all<bfloat16>(); }
}

TEST_CASE("coefficients are uniform and one per sample; equal blocks share them, different blocks do not") {
  constexpr std::int64_t n = 20000;
  std::vector<double> ones(2 * n, 1), zeros(2 * n, 0), x(2 * n), y(2 * n);
  const auto draw = [&](std::uint64_t block, std::vector<double>& out) {
    check(interpolate_samples(cpu{}, {.seed = 1, .block = block}, {{ones.data(), n, 2}, {zeros.data(), n, 2}},
                              {{out.data(), n, 2}}));
    std::vector<double> e;
    for (std::size_t i = 0; i < n; ++i) {
      CHECK(out[2 * i] == out[2 * i + 1]);
      e.push_back(out[2 * i]);
    }
    return e;
  };
  const std::vector<double> state = draw(0, x), again = draw(0, x), action = draw(1, y);
  CHECK(state == again);
  const summary s(state);
  const double root = std::sqrt(static_cast<double>(n));
  CHECK(std::fabs(s.mean - 0.5) < 5 * 0.2887 / root);  // five standard errors
  CHECK(std::fabs(s.variance - 1.0 / 12) < 5 * 0.0745 / root);
  CHECK(std::fabs(s.neighbours) < 5 / root);
  double product = 0;
  for (std::size_t i = 0; i < n; ++i) product += (state[i] - 0.5) * (action[i] - 0.5) * 12 / n;
  CHECK(std::fabs(product) < 5 / root);
}

TEST_CASE("noise is standard normal, of neighbours and seeds independent, and sigma 0 leaves samples as they are") {
  constexpr std::int64_t n = 400, d = 101;
  std::vector<double> zeros(n * d, 0), x(n * d), y(n * d);
  const auto draw = [&](std::uint64_t seed, double sigma, std::vector<double>& out) {
    check(perturb_samples(cpu{}, {.seed = seed}, sigma, {{zeros.data(), n, d}}, {{out.data(), n, d}}));
  };
  draw(1, 3, x), draw(2, 3, y);
  const summary s(x);
  const double root = std::sqrt(static_cast<double>(n * d));
  CHECK(std::fabs(s.mean) < 5 * 3 / root);
  CHECK(std::fabs(s.variance / 9 - 1) < 5 * std::sqrt(2.0) / root);
  CHECK(std::fabs(s.kurtosis - 3) < 5 * std::sqrt(24.0) / root);
  CHECK(std::fabs(s.neighbours) < 5 / root);
  double product = 0;
  for (std::size_t i = 0; i < x.size(); ++i) product += x[i] * y[i] / 9 / static_cast<double>(n * d);
  CHECK(std::fabs(product) < 5 / root);
  draw(1, 0, x);
  CHECK(x == zeros);
  covers("penalty_samples", "identity");
}

namespace {

// x = a + scale std u by its definition, with the documented numbers, of all elements or by columns.
template <class S>
void check_dragan(std::int64_t n, std::int64_t d, bool per_feature) {
  samples<S> s(n, d, d % 3);
  std::vector<char> memory(dragan_samples_workspace(cpu{}, d));
  std::vector<long double> spread(static_cast<std::size_t>(d));
  for (std::int64_t c = 0; c < d; ++c) {
    long double mean = 0, squares = 0, count = 0;
    const auto each = [&](auto f) {
      for (std::int64_t k = per_feature ? c : 0; k < (per_feature ? c + 1 : d); ++k)
        for (std::int64_t i = 0; i < n; ++i) f(static_cast<long double>(s.a.get(i, k)));
    };
    each([&](long double x) { mean += x, count += 1; });
    mean /= count;
    each([&](long double x) { squares += (x - mean) * (x - mean); });
    spread[static_cast<std::size_t>(c)] = std::sqrt(squares / count);
    if (!per_feature) std::fill(spread.begin(), spread.end(), spread[0]), c = d;
  }
  for (isa level : prefer_test::levels()) {
    const sample_draw draw{.seed = 7, .block = 3, .first = 2};
    REQUIRE(dragan_samples(cpu{.isa = level, .workspace = {memory.data(), memory.size()}}, draw,
                           {.scale = 0.75, .per_feature = per_feature}, {s.a.read()}, {s.x.view()})
                .ok());
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t k = 0; k < d; ++k) {
        const std::int64_t pairs = d / 64 * 32 + std::min<std::int64_t>(d % 64, 32);
        const auto element = static_cast<std::uint64_t>((2 + i) * pairs + k / 64 * 32 + k % 32);
        const random_pair bits = draw_pair(7, detail::dragan_stream + 3, element);
        const double u = to_uniform(k % 64 < 32 ? bits.first : bits.second);
        CHECK(std::fabs(s.x.get(i, k) - (s.a.get(i, k) + 0.75L * spread[static_cast<std::size_t>(k)] * u)) <=
              roundings<S>(4));
      }
    CHECK(s.x.memory.intact());
  }
}

}  // namespace

TEST_CASE("DRAGAN's noise is uniform in proportion to the batch's spread, of all elements or of every feature") {
  for (const bool per_feature : {false, true}) {
    for (std::int64_t d : {1, 31, 33, 65, 130, 257}) check_dragan<float>(5, d, per_feature);
    check_dragan<double>(1, 3, per_feature), check_dragan<double>(9, 70, per_feature);
    check_dragan<half>(5, 40, per_feature), check_dragan<bfloat16>(5, 40, per_feature);
  }
  // A constant feature gets no noise of its own; far from 0 the spread is not lost.
  const double a[] = {3, 1e8, 3, 1e8 + 2};
  double x[4];
  std::vector<char> memory(dragan_samples_workspace(cpu{}, 2));
  const cpu exec{.workspace = {memory.data(), memory.size()}};
  check(dragan_samples(exec, {.seed = 1}, {.scale = 1.0, .per_feature = true}, {{a, 2, 2}}, {{x, 2, 2}}));
  CHECK((x[0] == 3 && x[2] == 3));
  CHECK((x[1] > 1e8 && x[1] < 1e8 + 1 && x[3] > 1e8 + 2 && x[3] < 1e8 + 3));
  // The same bits for any threads.
  samples<float> s(40, 701);
  std::vector<char> more(dragan_samples_workspace(cpu{}, 701));
  const auto bits = [&](cpu on) {
    on.workspace = {more.data(), more.size()};
    check(dragan_samples(on, {.seed = 4}, {}, {s.a.read()}, {s.x.view()}));
    return s.x.memory.bytes();
  };
  const auto expected = bits(cpu{});
  for (int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    CHECK(bits(cpu{.pool = pool}) == expected);
  }
  const auto named = [&](const status& got, errc code, const char* argument) {
    CHECK(got.code == code);
    CHECK(std::string(got.argument) == argument);
  };
  named(dragan_samples(exec, {}, {.scale = -1.0}, {s.a.read()}, {s.x.view()}), errc::bad_parameter, "scale");
  named(dragan_samples(exec, {.first = -1}, {}, {s.a.read()}, {s.x.view()}), errc::bad_parameter, "first");
  named(dragan_samples(exec, {}, {}, {s.x.read()}, {s.x.view()}), errc::overlap, "x");
  named(dragan_samples(exec, {}, {}, {s.a.read()}, {s.x.view()}), errc::small_workspace, "exec.workspace.bytes");
}

TEST_CASE("equal rows give themselves, and a batch in parts that say what comes first is the batch in one piece") {
  samples<float> s(9, 33);
  const std::vector<unsigned char> empty = s.x.memory.bytes();
  check(interpolate_samples(cpu{}, {.seed = 3}, {s.a.read(), s.a.read()}, {s.x.view()}));
  for (std::int64_t i = 0; i < 9; ++i)
    for (std::int64_t k = 0; k < 33; ++k) CHECK(s.x.get(i, k) == s.a.get(i, k));
  for (const bool noise : {false, true}) {
    const auto call = [&](std::int64_t first, std::int64_t count) {
      const view<const float, 2> a(s.a.view().data + first * 33, count, 33), b(s.b.view().data + first * 33, count, 33);
      const view<float, 2> x(s.x.view().data + first * 33, count, 33);
      const sample_draw draw{.seed = 3, .first = first};
      check(noise ? perturb_samples(cpu{}, draw, 2, {a}, {x}) : interpolate_samples(cpu{}, draw, {a, b}, {x}));
    };
    call(0, 9);
    const auto whole = s.x.memory.bytes();
    call(0, 4), call(4, 5);
    CHECK(s.x.memory.bytes() == whole);
  }
}

TEST_CASE("the same bits for any threads, a seed read when the call runs, nothing allocated") {
  samples<float> s(40, 701);
  std::uint64_t seed = 12;
  for (const bool noise : {false, true}) {
    const auto bits = [&](const cpu& exec, const random_seed& from) {
      const sample_draw draw{.seed = from};
      const long before = prefer_test::allocation_count();
      const status st = noise ? s.around(exec, draw, 2) : s.between(exec, draw);
      CHECK(prefer_test::allocation_count() == before);
      CHECK(st.ok());
      return s.x.memory.bytes();
    };
    const auto expected = bits(cpu{}, 12);
    CHECK(bits(cpu{}, &seed) == expected);
    CHECK(bits(cpu{}, 13) != expected);
    for (int threads : {2, 3, 8}) {
      thread_pool pool(threads);
      CHECK(bits(cpu{.pool = pool}, 12) == expected);
    }
  }
  for (const char* tag : {"threads", "allocation"}) covers("penalty_samples", tag);
}

TEST_CASE("what is wrong is named, and nothing is written") {
  samples<float> s(4, 10);
  const auto named = [](const status& got, errc code, const char* argument) {
    INFO(message(got).c_str() << " expected for " << argument);
    CHECK(got.code == code);
    CHECK(std::string(got.argument) == argument);
  };
  interpolation_inputs<space::host> in = {s.a.read(), s.b.read()};
  penalty_sample_outputs<space::host> out = {s.x.view()};
  named(interpolate_samples(cpu{}, {.first = -1}, in, out), errc::bad_parameter, "first");
  named(interpolate_samples(cpu{}, {.seed = static_cast<const std::uint64_t*>(nullptr)}, in, out), errc::bad_parameter,
        "seed");
  named(perturb_samples(cpu{}, {}, -1, {in.a}, out), errc::bad_parameter, "sigma");
  named(perturb_samples(cpu{}, {}, HUGE_VAL, {in.a}, out), errc::bad_parameter, "sigma");
  named(perturb_samples(cpu{}, {}, 1, {}, out), errc::missing_input, "a");
  named(interpolate_samples(cpu{}, {}, {in.a, {}}, out), errc::missing_input, "b");
  named(interpolate_samples(cpu{}, {}, in, {}), errc::missing_output, "x");
  in.b.extent[1] = 9;
  named(interpolate_samples(cpu{}, {}, in, out), errc::bad_extent, "b");
  in.b = s.x.read();
  named(interpolate_samples(cpu{}, {}, in, out), errc::overlap, "x");
  out.x.extent[0] = 3;
  named(perturb_samples(cpu{}, {}, 1, {in.a}, out), errc::bad_extent, "x");
  const float fine[] = {1, 1}, holed[] = {1, std::nanf("")};
  float to[2] = {7, 7};
  const cpu strict{.content = content::all};
  named(interpolate_samples(strict, {}, {{holed, 2, 1}, {fine, 2, 1}}, {{to, 2, 1}}), errc::not_a_number, "a");
  named(interpolate_samples(strict, {}, {{fine, 2, 1}, {holed, 2, 1}}, {{to, 2, 1}}), errc::not_a_number, "b");
  named(perturb_samples(strict, {}, 1, {{holed, 2, 1}}, {{to, 2, 1}}), errc::not_a_number, "a");
  CHECK(to[0] == 7);
  CHECK(s.x.memory.untouched());
  covers("penalty_samples", "bad-argument");
}
