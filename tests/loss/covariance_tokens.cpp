// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/covariance_tokens.hpp>
#include <support/allocations.hpp>

#include <string>
#include <vector>

using namespace prefer;
using namespace prefer_test;

TEST_CASE("choices by covariance are their definition: sizes, fractions, masks, strides, storage types") {
  SUBCASE("float") { check_covariance<float, host_side>(1, false); }
  SUBCASE("double, strided, masked") { check_covariance<double, host_side>(3, true); }
  SUBCASE("half, masked") { check_covariance<half, host_side>(1, true); }
  SUBCASE("bfloat16, strided") { check_covariance<bfloat16, host_side>(2, false); }
}

TEST_CASE("covariances add up to the batch's; equal advantages have none, and the first tokens are chosen then") {
  for (const char* name : {"clip_cov", "top_covariance"}) covers(name, "identity");
  covariance_case<double> c(1000, 1, true);
  host_side side;
  check(c.run(side, top_covariance{}));
  double sum = 0, p = 0, a = 0, both = 0;
  const double all = static_cast<double>(c.selected());
  for (std::int64_t i = 0; i < c.n; ++i) {
    sum += c.covariance.get(i);
    if (c.mask.at(i)) p += c.policy.get(i), a += c.advantage.get(i), both += c.policy.get(i) * c.advantage.get(i);
  }
  CHECK(sum == doctest::Approx(both - p * a / all).epsilon(1e-12));
  for (std::int64_t i = 0; i < c.n; ++i) c.advantage.set(i, 0.75);
  check(c.run(side, top_covariance{.fraction = 0.01}));
  std::int64_t first = 0;
  for (std::int64_t i = 0; i < c.n; ++i) {
    CHECK(c.covariance.get(i) == 0);
    if (c.mask.at(i)) CHECK(c.chosen.at(i) == (first++ < c.most(0.01)));
  }
  check(c.run(side, clip_cov{}));
  CHECK(c.count.at(0) == 0);
}

TEST_CASE("clip_cov: bounds are strict, and at least one token is chosen if any may be") {
  const double policy[] = {-1, -3}, advantage[] = {1, -1};  // two covariances of 1
  const auto chosen = [&](double least, double most) {
    std::int32_t count = -1;
    check(covariance_tokens(cpu{}, clip_cov{.fraction = 1e-9, .least = least, .most = most},
                            {.policy = {policy, 2}, .advantage = {advantage, 2}, .old_policy = {policy, 2}},
                            {.count = {&count, 1}}));
    return count;
  };
  CHECK((chosen(1, 5) == 0 && chosen(0.5, 1) == 0 && chosen(0.5, 5) == 1));
}

TEST_CASE("clip_cov chooses every eligible token equally often, another seed others, the same seed the same") {
  covariance_case<double> c(64, 1, false);
  host_side side;
  const clip_cov rule{.fraction = 0.05, .least = 0.0, .most = 9.0};
  std::vector<int> times(64);
  std::vector<bool> once;
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    clip_cov now = rule;
    now.seed = &seed;
    check(c.run(side, now));
    REQUIRE(c.count.at(0) == 3);
    for (std::int64_t i = 0; i < 64; ++i) times[static_cast<std::size_t>(i)] += c.chosen.at(i);
  }
  const auto cov = c.exact_covariances();
  int there = 0;
  for (std::int64_t i = 0; i < 64; ++i) there += c.eligible(rule, i, cov[static_cast<std::size_t>(i)]);
  REQUIRE(there > 5);
  // 3 of `there` each time: five standard deviations of a binomial count.
  const double p = 3.0 / there, spread = 5 * std::sqrt(2000 * p * (1 - p));
  for (std::int64_t i = 0; i < 64; ++i) {
    const bool may = c.eligible(rule, i, cov[static_cast<std::size_t>(i)]);
    CHECK(std::fabs(times[static_cast<std::size_t>(i)] - (may ? 2000 * p : 0)) <= (may ? spread : 0));
  }
}

TEST_CASE("parts of a batch that share their totals have the covariances of the whole, on any threads; no allocation") {
  covariance_case<float> c(60000, 1, true);
  host_side side;
  check(c.run(side, top_covariance{}));
  const auto covariance = c.covariance.values(), weight = c.weight.values();
  for (const int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    host_side on{cpu{.pool = pool}};
    check(c.run(on, top_covariance{}));
    CHECK((c.covariance.values() == covariance && c.weight.values() == weight));
  }
  const auto part_of = [&](std::int64_t from, std::int64_t n) {
    return covariance_tokens_inputs<space::host>{.policy = {c.policy.data() + from, n},
                                                 .advantage = {c.advantage.data() + from, n},
                                                 .mask = {c.mask.data() + from, n}};
  };
  double totals[2][3];
  const std::int64_t half_way = 25000, rest = 35000;
  check(covariance_tokens(cpu{}, top_covariance{}, part_of(0, half_way), {.totals = {totals[0], 3}}));
  check(covariance_tokens(cpu{}, top_covariance{}, part_of(half_way, rest), {.totals = {totals[1], 3}}));
  for (int k = 0; k < 3; ++k) totals[0][k] += totals[1][k];
  auto in = part_of(half_way, rest);
  in.totals = {totals[0], 3};
  std::vector<float> own(static_cast<std::size_t>(rest));
  const long before = allocation_count();
  const status s = covariance_tokens(cpu{}, top_covariance{}, in, {.covariance = {own.data(), rest}});
  CHECK(allocation_count() == before);
  CHECK(s.ok());
  for (std::size_t i = 0; i < own.size(); ++i) CHECK(own[i] == covariance[i + 25000]);
  // Totals in and out at once: out come those of the part.
  std::vector<float> both(own.size());
  const std::vector<double> of_part(totals[1], totals[1] + 3);
  for (double& x : totals[1]) x = -7;
  check(covariance_tokens(cpu{}, top_covariance{}, in, {.covariance = {both.data(), rest}, .totals = {totals[1], 3}}));
  CHECK(both == own);
  CHECK(std::vector<double>(totals[1], totals[1] + 3) == of_part);
  for (const char* name : {"clip_cov", "top_covariance"})
    for (const char* tag : {"threads", "allocation"}) covers(name, tag);
}

TEST_CASE("covariance_tokens names what is wrong, and writes nothing") {
  const double x[3] = {-1, -2, not_a_number}, short_totals[2] = {1, 1};
  const float single[3] = {1, 1, 1};
  double w[3] = {7, 7, 7};
  using in = covariance_tokens_inputs<space::host>;
  const auto refused = [&](const auto& rule, const in& i, const covariance_tokens_outputs<space::host>& out,
                           const cpu& exec = {}) {
    const status s = covariance_tokens(exec, rule, i, out);
    for (const double v : w) CHECK(v == 7);
    return std::string(message(s).c_str()).substr(8);
  };
  const in good{.policy = {x, 3}, .advantage = {x, 3}}, with_old{{x, 3}, {x, 3}, {x, 3}, {}, {}};
  const covariance_tokens_outputs<space::host> to{.weight = {w, 3}};
  const top_covariance top;
  CHECK(refused(top, {}, to) == "missing input: policy: expected one log-probability per token");
  CHECK(refused(top, {.policy = {x, 3}}, to) == "missing input: advantage: expected one number per token");
  CHECK(refused(clip_cov{}, good, to) ==
        "missing input: old_policy: expected one log-probability per token, for this rule");
  CHECK(refused(top, with_old, to) ==
        "unused input: old_policy: expected to be left out, since this rule does not read it");
  CHECK(refused(top, good, {}) == "missing output: outputs: expected at least one output to write");
  CHECK(refused(top, {{x, 3}, {x, 2}, {}, {}, {}}, to) ==
        "bad extent: advantage is 2, expected the number of tokens, 3");
  CHECK(refused(top, {{x, 3}, {x, 3}, {}, {}, {single, 3}}, to) ==
        "bad element type: totals: expected elements of type double");
  CHECK(refused(top, {{x, 3}, {x, 3}, {}, {}, {short_totals, 2}}, to).substr(0, 23) == "bad extent: totals is 2");
  CHECK(refused(top, good, {.weight = {w, 3}, .covariance = {w, 3}}).substr(0, 19) == "overlap: covariance");
  CHECK(refused(top, good, to, cpu{.content = content::all}).substr(0, 20) == "not a number: policy");
  CHECK(refused(top_covariance{0.0}, good, to) == "bad parameter: fraction is 0, expected above 0, at most 1");
  CHECK(refused(clip_cov{.fraction = 1.5}, with_old, to) ==
        "bad parameter: fraction is 1.5, expected above 0, at most 1");
  CHECK(refused(clip_cov{.least = HUGE_VAL}, with_old, to).substr(0, 20) == "bad parameter: least");
  CHECK(refused(clip_cov{.most = 0.5}, with_old, to) == "bad parameter: most is 0.5, expected at least `least`");
  CHECK(refused(clip_cov{.clip_low = 2.0}, with_old, to).substr(0, 23) == "bad parameter: clip_low");
  CHECK(refused(clip_cov{.seed = static_cast<const std::uint64_t*>(nullptr)}, with_old, to).substr(0, 19) ==
        "bad parameter: seed");
  for (const char* name : {"clip_cov", "top_covariance"}) covers(name, "bad-argument");
}
