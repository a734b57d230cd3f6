// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <advantage/baseline.hpp>
#include <support/allocations.hpp>

#include <limits>
#include <string>
#include <vector>

using namespace prefer;
using namespace prefer_test;

namespace {

const auto& rules = baseline_rules<cpu>();

struct answer {
  double baseline;
  std::vector<double> advantage;
};
template <class Rule>
answer of(const Rule& rule, const std::vector<double>& x, const std::vector<double>& w = {}) {
  const auto n = static_cast<std::int64_t>(x.size());
  const std::int64_t offsets[] = {0, n};
  answer a{0, std::vector<double>(x.size())};
  baseline_inputs<space::host> in{.score = {x.data(), n}, .offsets = {offsets, 2}};
  if (!w.empty()) in.weight = {w.data(), n};
  check(baseline_advantages(cpu{}, rule, in, {.advantage = {a.advantage.data(), n}, .baseline = {&a.baseline, 1}}));
  return a;
}

}  // namespace

TEST_CASE("baselines are their definitions: groups, masks, NaN left out, strides, storage types") {
  SUBCASE("float") { check_baselines<float, host_side>(1, false); }
  SUBCASE("double, strided, masked") { check_baselines<double, host_side>(3, true); }
  SUBCASE("half, masked") { check_baselines<half, host_side>(1, true); }
  SUBCASE("bfloat16, strided") { check_baselines<bfloat16, host_side>(2, false); }
  SUBCASE("at every level") {
    baseline_case<double> c({3, 600, 8, 8}, 1, true);
    for (const isa level : levels())
      for (const auto& rule : rules) {
        host_side side{cpu{.isa = level}};
        c.run(side, rule);
        CHECK(c.matches(rule));
      }
  }
}

namespace {

// Rows of tests/golden/scores.py.
struct golden_baseline {
  int rule;
  long double parameter, score[4], baseline, size;
};
constexpr golden_baseline golden_baselines[] = {
#include <golden_baselines.inc>
};

}  // namespace

TEST_CASE("baselines and advantages at 700 digits: far apart, nearly equal, flat and steep") {
  for (const golden_baseline& g : golden_baselines) {
    std::vector<double> x;
    for (const long double s : g.score) x.push_back(static_cast<double>(s));
    const answer a =
        g.rule == 0 ? of(opo{}, x, {3, 40, 1, 17}) : of(optimal_value{.beta = static_cast<double>(g.parameter)}, x);
    CHECK(std::fabs(a.baseline - g.baseline) <= 4e-16L * g.size);
    // Advantages are found about the best score: their error is one of the spread, not of the scores (but for the
    // rounding of the table).
    const long double spread = *std::max_element(x.begin(), x.end()) - *std::min_element(x.begin(), x.end());
    for (std::size_t i = 0; i < 4; ++i)
      CHECK(std::fabs(a.advantage[i] - (g.score[i] - g.baseline)) <= 1e-15L * spread + 1.1e-19L * g.size);
  }
  for (const char* name : {"opo", "optimal_value"}) covers(name, "golden");
}

TEST_CASE("a group of equal scores, or of one, has advantages of exactly 0, whatever the number and the weights") {
  for (const double x : {0.7, -1e300, 1.0 / 3, 0.0})
    for (const std::size_t n : {1u, 2u, 7u, 700u}) {
      const std::vector<double> scores(n, x);
      std::vector<double> w;
      for (std::size_t i = 0; i < n; ++i) w.push_back(0.1 * static_cast<double>(i + 1));
      for (const answer& a : {of(opo{}, scores, w), of(optimal_value{}, scores), of(grpo_pass_k{}, scores)}) {
        CHECK(a.baseline == x);
        for (const double b : a.advantage) CHECK(b == 0);
      }
    }
  for (const char* name : {"opo", "optimal_value", "grpo_pass_k"}) covers(name, "identity");
}

TEST_CASE("opo: equal lengths are dr_grpo, weighted advantages add up to 0, and no other baseline has less variance") {
  const std::vector<double> x = {1, 0, 0.5, 3, -1}, w = {2, 8, 1, 16, 5};
  const auto plain = of(opo{}, x, std::vector<double>(5, 3.0));
  CHECK(plain.baseline == doctest::Approx(0.7).epsilon(1e-15));
  const auto a = of(opo{}, x, w);
  double sum = 0;
  for (std::size_t i = 0; i < 5; ++i) sum += w[i] * a.advantage[i];
  CHECK(std::fabs(sum) < 1e-14);
  const auto variance = [&](double b) {  // of a gradient whose squared norm is w
    double v = 0;
    for (std::size_t i = 0; i < 5; ++i) v += w[i] * (x[i] - b) * (x[i] - b);
    return v;
  };
  for (const double step : {-0.01, 0.01}) CHECK(variance(a.baseline) < variance(a.baseline + step));
  CHECK(std::isnan(of(opo{}, x, {0, 0, 0, 0, 0}).baseline));
}

TEST_CASE("optimal_value: from the mean to the best, shifts with its scores, exact in both tails") {
  const std::vector<double> x = {1, 0, 0.5, 3};
  CHECK(of(optimal_value{.beta = 1e9}, x).baseline == doctest::Approx(1.125).epsilon(1e-9));
  CHECK(of(optimal_value{.beta = 1e-3}, x).baseline == doctest::Approx(3 - 1e-3 * std::log(4.0)).epsilon(1e-15));
  CHECK(of(optimal_value{.beta = 1e-5}, {1e6, -1e6, 0}).baseline ==
        doctest::Approx(1e6 - 1e-5 * std::log(3.0)).epsilon(1e-15));
  double before = HUGE_VAL;
  for (const double beta : {0.01, 0.1, 1.0, 10.0, 100.0}) {
    const double v = of(optimal_value{.beta = beta}, x).baseline;
    CHECK(v < before);
    CHECK((v > 1.125 && v < 3));
    CHECK(of(optimal_value{.beta = beta}, {257, 256, 256.5, 259}).baseline == doctest::Approx(256 + v).epsilon(1e-15));
    before = v;
  }
  // What the exponential of the advantage averages to is 1.
  const auto a = of(optimal_value{.beta = 0.5}, x);
  double mean = 0;
  for (const double b : a.advantage) mean += std::exp(b / 0.5) / 4;
  CHECK(mean == doctest::Approx(1).epsilon(1e-14));
}

TEST_CASE("grpo_pass_k: only the best has an advantage, its lead over the second; a tie has none") {
  CHECK(of(grpo_pass_k{}, {1, 4, 2.5, -3}).advantage == std::vector<double>{0, 1.5, 0, 0});
  CHECK(of(grpo_pass_k{}, {1, 4, 4, -3}).advantage == std::vector<double>{0, 0, 0, 0});
  CHECK(of(grpo_pass_k{}, {0, 0, 1, 0}).advantage == std::vector<double>{0, 0, 1, 0});
  CHECK(of(grpo_pass_k{}, {}).baseline == 0);
}

TEST_CASE("a score that is not finite makes its group NaN and no other") {
  constexpr double infinite = std::numeric_limits<double>::infinity();
  for (const double bad : {not_a_number, infinite, -infinite})
    for (const std::int64_t at : {0, 2}) {
      baseline_case<double> c({3, 5, 700}, 1, false);
      c.score.set(c.groups.begin(1) + at, bad);
      for (const auto& rule : rules) {
        INFO(bad << " at " << at);
        host_side side;
        c.run(side, rule);
        for (std::int64_t b = 0; b < 3; ++b) {
          CHECK(std::isnan(c.baseline.get(b)) == (b == 1));
          for (std::int64_t i = c.groups.begin(b); i < c.groups.end(b); ++i)
            CHECK(std::isnan(c.advantage.get(i)) == (b == 1));
        }
      }
    }
}

TEST_CASE("a score that is left out has an advantage of 0, in a group that is NaN too") {
  for (const bool exclude : {false, true}) {
    const double x[4] = {1, HUGE_VAL, not_a_number, 2}, w[4] = {1, 1, 1, 1};
    const bool mask[4] = {true, true, exclude, true};
    const std::int64_t offsets[] = {0, 4};
    for (const auto& rule : rules) {
      double a[4];
      baseline_inputs<space::host> in{
          .score = {x, 4}, .offsets = {offsets, 2}, .mask = {mask, 4}, .exclude_nan = exclude};
      if (rule.reads_weight) in.weight = {w, 4};
      check(rule.run(cpu{}, in, {.advantage = {a, 4}}));
      for (int i = 0; i < 4; ++i) CHECK((i == 2 ? a[i] == 0 : std::isnan(a[i])));
    }
  }
}

TEST_CASE("baselines have the same bits for any threads and in any batch; nothing is allocated") {
  std::vector<std::int64_t> sizes(4000, 5);
  for (const std::int64_t n : {3, 0, 64, 700, 1, 90}) sizes.push_back(n);
  baseline_case<float> c(sizes, 1, true);
  for (const auto& rule : rules) {
    host_side side;
    const long before = allocation_count();
    c.run(side, rule);
    CHECK(allocation_count() == before);
    const auto advantage = c.advantage.values();
    const auto baseline = c.baseline.values();
    for (const int threads : {2, 3, 8}) {
      thread_pool pool(threads);
      host_side on{cpu{.pool = pool}};
      c.run(on, rule);
      CHECK((c.baseline.values() == baseline && c.advantage.values() == advantage));
    }
    const std::int32_t alone[] = {c.groups.offsets.at(4002), c.groups.offsets.at(4003)};
    baseline_inputs<space::host> in{.score = c.score.read(), .offsets = {alone, 2}};
    if (rule.reads_weight) in.weight = c.weight.read();
    in.mask = c.mask.read();
    double own = 0;
    check(rule.run(cpu{}, in, {.baseline = {&own, 1}}));
    CHECK(own == baseline[4002]);
    for (const char* tag : {"threads", "allocation"}) covers(rule.name, tag);
  }
}

TEST_CASE("baseline_advantages names what is wrong, and writes nothing") {
  const double x[4] = {1, 2, 3, not_a_number};
  const std::int32_t o[] = {0, 2, 4}, falling[] = {0, 5, 4};
  double w[4] = {7, 7, 7, 7};
  using in = baseline_inputs<space::host>;
  using out = baseline_outputs<space::host>;
  const auto refused = [&](const auto& rule, const in& i, const out& to, const cpu& exec = {}) {
    const status s = baseline_advantages(exec, rule, i, to);
    for (const double v : w) CHECK(v == 7);
    return std::string(message(s).c_str()).substr(8);
  };
  const in good{.score = {x, 4}, .offsets = {o, 3}};
  const out to{.advantage = {w, 4}};
  const optimal_value rule;
  CHECK(refused(rule, {}, to) == "missing input: score: expected one score per response");
  CHECK(refused(rule, {.score = {x, 4}}, to) ==
        "missing input: offsets: expected where each group begins, and the end");
  CHECK(refused(opo{}, good, to) == "missing input: weight: expected one number per score, since this rule reads it");
  CHECK(refused(rule, {.score = {x, 4}, .offsets = {o, 3}, .weight = {x, 4}}, to) ==
        "unused input: weight: expected to be left out, since this rule does not read it");
  CHECK(refused(opo{}, {.score = {x, 4}, .offsets = {o, 3}, .weight = {x, 3}}, to) ==
        "bad extent: weight is 3, expected one per score: 4");
  CHECK(refused(rule, good, {}) == "missing output: outputs: expected at least one output to write");
  CHECK(refused(rule, good, {.baseline = {w, 3}}) ==
        "bad extent: baseline is 3, expected one per group, one less than offsets: 2");
  CHECK(refused(rule, good, {.advantage = {w, 4}, .baseline = {w, 2}}).substr(0, 17) == "overlap: baseline");
  CHECK(refused(rule, {.score = {x, 4}, .offsets = {falling, 3}}, to).substr(0, 29) == "bad offsets: offsets[1] is 5,");
  CHECK(refused(rule, good, to, cpu{.content = content::all}).substr(0, 19) == "not a number: score");
  CHECK(refused(optimal_value{.beta = 0.0}, good, to) == "bad parameter: beta is 0, expected a finite number above 0");
  for (const auto& r : rules) covers(r.name, "bad-argument");
}
