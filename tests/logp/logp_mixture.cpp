// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <logp/logp_mixture.hpp>
#include <prefer/core/thread_pool.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>

#include <algorithm>
#include <string>

using namespace prefer;
using prefer_test::covers;
using prefer_test::mixture_case;

namespace {

template <class Compute, class P, class R, class Out>
void check_sizes() {
  for (std::int64_t v : {1, 5, 16, 33, 2047, 4100})
    for (const double b : {0.0, 0.3, 1.0})
      for (const isa level : prefer_test::levels()) {
        mixture_case<P, R, Out> c(3, v, b, v % 2 == 0 ? 0 : 3);
        check(mix_logp<Compute>(cpu{.isa = level}, {.weight = b},
                                {.policy = c.policy.read(), .reference = c.reference.read()}, {.logp = c.logp.view()}));
        c.template check_answer<Compute>(c.expected());
      }
  covers<Out>("logp_mixture", "sizes");
}

}  // namespace

TEST_CASE("the mixture is its definition: sizes, weights, row strides, storage types, tokens that one policy lacks") {
  SUBCASE("float") { check_sizes<float, float, float, float>(); }
  SUBCASE("double") { check_sizes<double, double, double, double>(); }
  SUBCASE("half") { check_sizes<float, half, half, half>(); }
  SUBCASE("bfloat16") { check_sizes<float, bfloat16, bfloat16, bfloat16>(); }
  SUBCASE("of different types") { check_sizes<float, bfloat16, float, float>(); }
}

TEST_CASE("in place over either input; strided columns; many rows and chunks on any threads, bit for bit") {
  mixture_case<float> c(3, 1001, 0.3, 5), plain(3, 1001, 0.3, 5);
  const auto call = [](mixture_case<float>& x, const auto& out) {
    check(mix_logp<float>(cpu{}, {.weight = 0.3}, {.policy = x.policy.read(), .reference = x.reference.read()},
                          {.logp = out}));
  };
  call(plain, plain.logp.view());
  auto over_reference = c;
  call(c, c.policy.view());
  CHECK(c.policy.memory.bytes() == plain.logp.memory.bytes());
  call(over_reference, over_reference.reference.view());
  CHECK(over_reference.reference.memory.bytes() == plain.logp.memory.bytes());

  for (const auto& [rows, columns] : {std::pair<std::int64_t, std::int64_t>{2, 40000}, {70, 3000}}) {
    mixture_case<float> one(rows, columns, 0.125);
    const auto in = logp_mixture_inputs<space::host>{.policy = one.policy.read(), .reference = one.reference.read()};
    const auto out = logp_mixture_outputs<space::host>{.logp = one.logp.view()};
    const long before = prefer_test::allocation_count();
    const status s = mix_logp<float>(cpu{}, {}, in, out);
    CHECK(prefer_test::allocation_count() == before);
    CHECK(s.ok());
    one.check_answer<float>(one.expected());
    const auto bits = one.logp.memory.bytes();
    for (int threads : {2, 3}) {
      thread_pool pool(threads);
      check(mix_logp<float>(cpu{.pool = pool}, {}, in, out));
      CHECK(one.logp.memory.bytes() == bits);
    }
  }
  covers("logp_mixture", "threads"), covers("logp_mixture", "allocation");
  // Columns apart, as in a transposed matrix.
  const double p[] = {1, -1, 2, 0, 3, 1}, r[] = {0, 0, 0, 0, 0, 0};
  double q[6];
  check(mix_logp<double>(cpu{}, {.weight = 0.0}, {.policy = {p, 2, 3, 1, 2}, .reference = {r, 2, 3}},
                         {.logp = {q, 2, 3}}));
  const double lse = std::log(std::exp(1.0) + std::exp(2.0) + std::exp(3.0));
  for (int k = 0; k < 3; ++k) CHECK((q[k] == doctest::Approx(k + 1 - lse) && q[3 + k] == doctest::Approx(q[k])));
}

TEST_CASE("identities: limits of the weight, constants that drop out, log-probabilities for logits, far logits") {
  const double p[] = {0.5, -1.25, 2}, r[] = {-0.25, 1, -3};
  const auto mixed = [](double b, std::vector<double> x, std::vector<double> y) {
    std::vector<double> z(3);
    check(mix_logp<double>(cpu{}, {.weight = &b}, {.policy = {x.data(), 1, 3}, .reference = {y.data(), 1, 3}},
                           {.logp = {z.data(), 1, 3}}));
    return z;
  };
  const std::vector<double> policy(p, p + 3), reference(r, r + 3);
  const auto shifted = [](std::vector<double> x, double by) {
    for (double& e : x) e += by;
    return x;
  };
  const auto near = [](const std::vector<double>& x, const std::vector<double>& y) {
    return std::equal(x.begin(), x.end(), y.begin(), [](double a, double b) { return std::fabs(a - b) < 1e-13; });
  };
  const std::vector<double> half_half = mixed(0.5, policy, reference);
  double sum = 0;
  for (double x : half_half) sum += std::exp(x);
  CHECK(sum == doctest::Approx(1).epsilon(1e-15));
  CHECK(near(half_half, mixed(0.5, shifted(policy, 20), shifted(reference, -7))));
  CHECK(near(half_half, mixed(0.5, mixed(0, policy, reference), mixed(1, policy, reference))));
  CHECK(near(mixed(0.25, policy, policy), mixed(0, policy, reference)));
  CHECK(near(mixed(0.3, policy, reference), mixed(0.7, reference, policy)));
  const auto far = mixed(0.5, {-1e4, 0, -1e4}, {0, -1e4, 2});
  CHECK(far[2] == doctest::Approx(-std::log1p(2 * std::exp(-1.0))));  // -5000, -5000 and -4999
  covers("logp_mixture", "identity");
}

TEST_CASE("a token that a policy never does: not in the mixture, unless that policy has no weight; rows of NaN") {
  constexpr double inf = HUGE_VAL, none = std::numeric_limits<double>::quiet_NaN();
  const double p[] = {1, -inf, 0, -inf, -inf, 0, none, 0, 0, inf, 1, 2};
  const double r[] = {0, 0, -inf, 0, 1, -inf, 0, 0, 0, 0, 0, 0};
  const auto mixed = [&](double b) {
    std::vector<double> z(12);
    check(mix_logp<double>(cpu{}, {.weight = b}, {.policy = {p, 4, 3}, .reference = {r, 4, 3}},
                           {.logp = {z.data(), 4, 3}}));
    return z;
  };
  const auto some = mixed(0.5), own = mixed(0), other = mixed(1);
  CHECK((some[0] == 0 && some[1] == -inf && some[2] == -inf));
  CHECK((own[1] == -inf && own[2] == doctest::Approx(-std::log1p(std::exp(1.0))) && own[5] == 0));
  CHECK((other[0] == doctest::Approx(-std::log(2.0)) && other[2] == -inf));
  for (int k = 3; k < 12; ++k) CHECK(std::isnan(some[static_cast<std::size_t>(k)]));  // nothing in common, NaN, +inf
  for (int k = 6; k < 12; ++k) CHECK(!std::isnan(other[static_cast<std::size_t>(k)]));
}

TEST_CASE("NaN is looked for on request, where the matrices are and nowhere else") {
  constexpr double none = std::numeric_limits<double>::quiet_NaN();
  std::vector<double> x(64, none), y(12), z(12);
  const auto at = [](std::size_t i, std::size_t v) { return 3 + i * 17 + v * 4; };  // everything between is NaN
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t v = 0; v < 4; ++v) x[at(i, v)] = static_cast<double>(v);
  const auto mix = [&] {
    return mix_logp<double>(cpu{.content = content::all}, {},
                            {.policy = {x.data() + 3, 3, 4, 17, 4}, .reference = {y.data(), 3, 4}},
                            {.logp = {z.data(), 3, 4}});
  };
  CHECK(mix().ok());
  for (double e : z) CHECK(e < 0);
  x[at(2, 1)] = none;
  const status s = mix();
  CHECK((s.code == errc::not_a_number && s.index == 2 && std::string(s.argument) == "policy"));
}

TEST_CASE("the product of mixtures of tokens is not the mixture of sequences") {
  // Two tokens of two kinds; after the first kind the policy has a favourite, the reference never has.
  const double first[] = {std::log(0.5), std::log(0.5)}, second[] = {std::log(0.9), std::log(0.1)}, even[] = {0, 0};
  double m1[2], m2[2], after[2];
  const auto mix = [](const double* x, const double* y, double* z) {
    check(mix_logp<double>(cpu{}, {.weight = 0.5}, {.policy = {x, 1, 2}, .reference = {y, 1, 2}}, {.logp = {z, 1, 2}}));
  };
  mix(first, even, m1), mix(second, even, m2), mix(even, even, after);
  // Sequences 00, 01, 10, 11 under both, mixed as a whole.
  const double policy[] = {0.45, 0.05, 0.25, 0.25};
  double whole[4], sum = 0;
  for (int s = 0; s < 4; ++s) sum += whole[s] = std::sqrt(policy[s] * 0.25);
  const double product = std::exp(m1[0] + m2[0]), of_sequences = whole[0] / sum;
  CHECK(product == doctest::Approx(0.5 * 0.75).epsilon(1e-14));
  CHECK(of_sequences == doctest::Approx(0.3541019662).epsilon(1e-9));
  CHECK(std::exp(m1[1] + after[0]) == doctest::Approx(0.25).epsilon(1e-14));
}

TEST_CASE("mix_logp: every bad argument is named, and nothing is written") {
  const float p[12] = {}, r[12] = {};
  float q[12];
  for (float& x : q) x = 7;
  const auto refused = [&](errc code, const char* argument, const logp_mixture_inputs<space::host>& in,
                           const logp_mixture_outputs<space::host>& out, const logp_mixture& options = {},
                           const cpu& exec = {}) {
    const status s = mix_logp<float>(exec, options, in, out);
    INFO(message(s).c_str());
    CHECK(s.code == code);
    CHECK(std::string(s.argument) == argument);
    for (float x : q) CHECK(x == 7);
  };
  const logp_mixture_inputs<space::host> in = {.policy = {p, 3, 4}, .reference = {r, 3, 4}};
  const logp_mixture_outputs<space::host> out = {.logp = {q, 3, 4}};
  refused(errc::missing_input, "policy", {.reference = {r, 3, 4}}, out);
  refused(errc::missing_input, "reference", {.policy = {p, 3, 4}}, out);
  refused(errc::missing_output, "logp", in, {});
  refused(errc::bad_extent, "reference", {.policy = {p, 3, 4}, .reference = {r, 3, 3}}, out);
  refused(errc::bad_extent, "policy", {.policy = {p, -3, 4}, .reference = {r, 3, 3}}, out);
  refused(errc::bad_extent, "logp", in, {.logp = {q, 4, 3}});
  refused(errc::bad_stride, "logp", in, {.logp = {q, 3, 4, 3, 1}});
  const float* nothing = nullptr;
  const float* inside = q + 1;
  refused(errc::null_data, "reference", {.policy = {p, 3, 4}, .reference = {nothing, 3, 4}}, out);
  refused(errc::overlap, "logp", {.policy = {inside, 2, 4}, .reference = {r, 2, 4}}, {.logp = {q, 2, 4}});
  for (const double w : {-0.1, 1.1, std::numeric_limits<double>::quiet_NaN()})
    refused(errc::bad_parameter, "weight", in, out, {.weight = w});
  const float spoilt[12] = {0, 0, 0, 0, 0, 0, std::numeric_limits<float>::quiet_NaN()};
  refused(errc::not_a_number, "reference", {.policy = {p, 3, 4}, .reference = {spoilt, 3, 4}}, out, {},
          {.content = content::all});
  covers("logp_mixture", "bad-argument");
}
