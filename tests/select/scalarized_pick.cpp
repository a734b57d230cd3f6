// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/thread_pool.hpp>
#include <prefer/select/scalarized_pick.hpp>
#include <select/stored_case.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace prefer;
using prefer_test::all_points;
using prefer_test::buffer;
using prefer_test::covers;
using prefer_test::draw;
using prefer_test::make_points;
using prefer_test::nan_value;
using prefer_test::noise;
using prefer_test::pareto_case;
using prefer_test::points;
using prefer_test::stored;

namespace {

using inputs = scalarized_pick_inputs<space::host>;
using outputs = scalarized_pick_outputs<space::host>;
using rule = scalarization::rule;
constexpr double infinite = std::numeric_limits<double>::infinity();
constexpr rule all_rules[] = {rule::weighted_sum, rule::chebyshev, rule::achievement};

// The textbook's value of a sample: sums and minima over the objectives with a weight, in the units of the case.
long double value_of(const pareto_case& c, std::int64_t i, const double* weight, const double* reference, rule how,
                     double augmentation) {
  long double sum = 0, least = infinite;
  bool any = false;
  for (int j = 0; j < c.k; ++j) {
    if (weight[j] == 0) continue;
    const bool less = !c.directions.empty() && c.directions[static_cast<std::size_t>(j)] == direction::minimize;
    const long double key = c.value(i, j), origin = less ? -reference[j] : reference[j];
    const long double gain = weight[j] * (key - origin);
    sum += gain, least = std::min(least, gain), any = true;
  }
  if (!any) return 0;
  const long double v = how == rule::weighted_sum                     ? sum
                        : how == rule::chebyshev || augmentation == 0 ? least
                                                                      : least + augmentation * sum;
  return std::isnan(v) ? -static_cast<long double>(infinite) : v;
}

// Of the samples that take part, those with the least violation.
std::vector<std::int64_t> candidates(const pareto_case& c) {
  std::vector<std::int64_t> all;
  double least = infinite;
  const auto amount = [&](std::int64_t i) {
    return std::isnan(c.violates(i)) ? infinite : std::max(c.violates(i), 0.0);
  };
  for (std::int64_t i = 0; i < c.n; ++i)
    if (c.takes_part(i)) least = std::min(least, amount(i));
  for (std::int64_t i = 0; i < c.n; ++i)
    if (c.takes_part(i) && amount(i) == least) all.push_back(i);
  return all;
}

template <class S>
void check_storage() {
  noise random(1);
  for (const points kind : all_points)
    for (const std::int64_t n : {0, 1, 7, 8, 9, 17, 300}) {
      const int k = 1 + static_cast<int>(n) % 5;
      pareto_case c = draw(kind, n, k, random);
      c.tolerances.clear();
      stored<S> memory(c, n % 2, n % 3 == 1);
      constexpr std::int64_t picks = 3;
      buffer<S> weights(picks * k), reference(picks * k);
      for (std::int64_t i = 0; i < picks * k; ++i) {
        weights.set(i, std::max(0.0, std::floor(random.uniform(-1, 4)))),
            reference.set(i, std::floor(random.uniform(-3, 3)));
      }
      const auto w = weights.values(), z = reference.values();
      for (const rule how : all_rules)
        for (const isa level : prefer_test::levels()) {
          buffer<std::int32_t> index(picks, 2);
          buffer<double> value(picks);
          check(scalarized_picks(cpu{.isa = level},
                                 {.value = how, .augmentation = 0.25, .objectives = prefer_test::objectives_of(c)},
                                 {.samples = memory.in(c),
                                  .weights = {weights.data(), picks, k},
                                  .reference = {reference.data(), picks, k}},
                                 {.index = {index.data(), 1, picks, 2 * picks, 2}, .value = {value.data(), 1, picks}}));
          for (std::int64_t m = 0; m < picks; ++m) {
            long double best = -static_cast<long double>(infinite), scale = 1;
            const auto here = [&](std::int64_t i) {
              return value_of(c, i, w.data() + m * k, z.data() + m * k, how, 0.25);
            };
            for (const std::int64_t i : candidates(c)) best = std::max(best, here(i));
            if (candidates(c).empty()) {
              CHECK((index.at(m) == -1 && value.at(m) == -infinite));
              continue;
            }
            REQUIRE(index.at(m) >= 0);
            // Near the best, since values that differ by a rounding may change places.
            for (int j = 0; j < k; ++j)
              scale = std::max(scale,
                               4 * (std::fabs(static_cast<long double>(z[static_cast<std::size_t>(m * k + j)])) + 5));
            const auto near = [&](long double a, long double b) {
              return a == b || std::fabs(a - b) <= 1e-14L * scale * k;
            };
            CHECK(near(here(index.at(m)), best));
            CHECK(near(value.at(m), best));
            const auto all = candidates(c);
            CHECK(std::find(all.begin(), all.end(), index.at(m)) != all.end());
          }
          CHECK((index.intact() && value.intact()));
        }
    }
  covers<S>("scalarized_pick", "sizes");
}

std::int64_t pick(rule how, const objective_samples<space::host>& samples, const std::vector<double>& weights,
                  const std::vector<double>& reference = {}, const objectives& o = {}, double augmentation = 1e-3) {
  const auto k = static_cast<std::int64_t>(weights.size());
  inputs in{.samples = samples, .weights = {weights.data(), 1, k}};
  if (!reference.empty()) in.reference = {reference.data(), 1, k};
  std::int64_t index = -7;
  check(scalarized_picks(cpu{}, {.value = how, .augmentation = augmentation, .objectives = o}, in,
                         {.index = {&index, 1, 1}}));
  return index;
}

}  // namespace

TEST_CASE(
    "picks are the largest values by definition: rules, weights of 0, references, masks, constraints, NaN, levels") {
  SUBCASE("double") { check_storage<double>(); }
  SUBCASE("float") { check_storage<float>(); }
  SUBCASE("half") { check_storage<half>(); }
  SUBCASE("bfloat16") { check_storage<bfloat16>(); }
  covers("scalarized_pick", "strides"), covers("scalarized_pick", "masked");
}

TEST_CASE("hand-worked: a dent in the front that no weighted sum reaches, weak efficiency, ties, directions") {
  //                       end     dent    end     below the dent
  const double r[] = {4, 0, 1.5, 1.5, 0, 4, 1.5, 1};
  const objective_samples<space::host> samples{.rewards = {r, 4, 2}};
  for (double w = 0; w <= 1; w += 0.125) CHECK(pick(rule::weighted_sum, samples, {w, 1 - w}) != 1);
  CHECK(pick(rule::weighted_sum, samples, {1, 1}) == 0);  // as good as 2
  CHECK(pick(rule::chebyshev, samples, {1, 1}, {4, 4}) == 1);
  CHECK(pick(rule::achievement, samples, {1, 1}, {4, 4}) == 1);
  CHECK(pick(rule::chebyshev, samples, {1, 0.1}, {4, 4}) == 0);
  // Chebyshev cannot tell samples apart that are equal where they are worst; the sum of gains can.
  const double weak[] = {1, 5, 1, 9};
  CHECK(pick(rule::chebyshev, {.rewards = {weak, 2, 2}}, {1, 1}) == 0);
  CHECK(pick(rule::achievement, {.rewards = {weak, 2, 2}}, {1, 1}) == 1);
  CHECK(pick(rule::achievement, {.rewards = {weak, 2, 2}}, {1, 1}, {}, {}, 0) == 0);
  // Less of both: the reference in the units of the samples.
  const direction less[] = {direction::minimize, direction::minimize};
  CHECK(pick(rule::chebyshev, samples, {1, 1}, {1, 1}, {.directions = less}) == 1);  // as good as 3
  CHECK(pick(rule::achievement, samples, {1, 1}, {1, 1}, {.directions = less}) == 3);
  CHECK(pick(rule::weighted_sum, samples, {1, 1}, {}, {.directions = less}) == 3);
  // A weight of 0 keeps infinity and NaN of its objective out; opposite infinities are the least.
  const double odd[] = {infinite, -infinite, -infinite, 1, -5, -5};
  CHECK(pick(rule::weighted_sum, {.rewards = {odd, 3, 2}}, {0, 1}) == 1);
  CHECK(pick(rule::weighted_sum, {.rewards = {odd, 3, 2}}, {1, 1}) == 2);
  CHECK(pick(rule::weighted_sum, {.rewards = {odd, 1, 2}}, {1, 1}) == 0);
  CHECK(pick(rule::chebyshev, {.rewards = {odd, 3, 2}}, {0, 0}) == 0);
  // Without weights: all 1.
  std::int32_t index;
  check(scalarized_picks(cpu{}, {.value = rule::chebyshev}, {.samples = samples}, {.index = {&index, 1, 1}}));
  CHECK(index == 1);
  covers("scalarized_pick", "golden");
}

TEST_CASE("many picks are many calls, groups are calls of their own, a shared reference is that of each") {
  noise random(4);
  constexpr std::int64_t groups = 40, n = 60, picks = 9;
  constexpr int k = 3;
  const std::vector<double> x = make_points(points::uniform, groups * n, k, random),
                            w = make_points(points::uniform, picks, k, random);
  const double z[] = {1, 0.5, 2};
  std::vector<std::int64_t> index(groups * picks), other(groups * picks);
  std::vector<double> value(groups * picks);
  const inputs in{
      .samples = {.reward_groups = {x.data(), groups, n, k}}, .weights = {w.data(), picks, k}, .reference = {z, 1, k}};
  check(scalarized_picks(cpu{}, {}, in,
                         {.index = {index.data(), groups, picks}, .value = {value.data(), groups, picks}}));
  for (std::int64_t b = 0; b < groups; ++b)
    for (std::int64_t m = 0; m < picks; ++m) {
      std::int64_t one;
      double its_value;
      check(scalarized_picks(cpu{}, {},
                             {.samples = {.rewards = {x.data() + b * n * k, n, k}},
                              .weights = {w.data() + m * k, 1, k},
                              .reference = {z, 1, k}},
                             {.index = {&one, 1, 1}, .value = {&its_value, 1, 1}}));
      const auto at = static_cast<std::size_t>(b * picks + m);
      CHECK((index[at] == b * n + one && value[at] == its_value));
    }
  covers("scalarized_pick", "identity");
  std::vector<char> memory(scalarized_picks_workspace(cpu{}, {}, in, outputs{.index = {index.data(), groups, picks}}));
  cpu exec{.workspace = {memory.data(), memory.size()}};
  const outputs out{.index = {other.data(), groups, picks}};
  const long before = prefer_test::allocation_count();
  const status s = scalarized_picks(exec, {}, in, out);
  CHECK(prefer_test::allocation_count() == before);
  CHECK((s.ok() && other == index));
  for (const int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    exec.pool = pool;
    std::fill(other.begin(), other.end(), -7);
    check(scalarized_picks(exec, {}, in, out));
    CHECK(other == index);
  }
  exec.workspace.bytes -= 1;
  CHECK(scalarized_picks(exec, {}, in, out).code == errc::small_workspace);
  covers("scalarized_pick", "threads"), covers("scalarized_pick", "allocation");
}

TEST_CASE("picks: every bad argument is named, and nothing is written") {
  double r[6] = {1, 2, 3, 4, 5, 6}, w[4] = {1, 1, 1, 1}, z[4] = {}, value[2] = {-7, -7};
  std::int32_t index[4] = {-7, -7, -7, -7}, offsets[2] = {0, 4};
  const auto refused = [&](errc code, const char* argument, const inputs& in, const outputs& out,
                           const scalarization& o = {}, std::int64_t at = -1) {
    const status s = scalarized_picks(cpu{}, o, in, out);
    INFO(std::string(message(s).c_str()) << " expected for " << std::string(argument) << ": "
                                         << std::string(name_of(code)));
    CHECK((s.code == code && std::string(s.argument) == argument && s.index == at));
    for (const std::int32_t i : index) CHECK(i == -7);
    CHECK((value[0] == -7 && value[1] == -7));
  };
  const objective_samples<space::host> samples{.rewards = {r, 3, 2}};
  const inputs in{.samples = samples, .weights = {w, 2, 2}, .reference = {z, 2, 2}};
  const outputs out{.index = {index, 1, 2}};
  refused(errc::missing_input, "rewards", {}, out);
  refused(errc::missing_output, "outputs", in, {});
  refused(errc::bad_extent, "weights", {.samples = samples, .weights = {w, 2, 1}}, out);
  refused(errc::bad_extent, "weights", {.samples = samples, .weights = {w, -1, 2}}, out);
  refused(errc::bad_element, "weights", {.samples = samples, .weights = {index, 2, 2}}, out);
  refused(errc::bad_extent, "reference", {.samples = samples, .weights = {w, 1, 2}, .reference = {z, 2, 2}},
          {.index = {index, 1, 1}});
  refused(errc::bad_extent, "reference", {.samples = samples, .reference = {z, 2, 1}}, out);
  refused(errc::bad_extent, "index", in, {.index = {index, 1, 1}});
  refused(errc::bad_extent, "index", in, {.index = {index, 2, 2}});
  refused(errc::bad_element, "index", in, {.index = {value, 1, 2}});
  refused(errc::bad_extent, "value", in, {.value = {value, 1, 1}});
  refused(errc::overlap, "value", in, {.value = {w, 1, 2}});
  refused(errc::bad_parameter, "value", in, out, {.value = static_cast<rule>(3)});
  for (const double bad : {-1.0, nan_value, infinite}) {
    refused(errc::bad_parameter, "augmentation", in, out, {.augmentation = bad});
    w[2] = bad;
    refused(errc::bad_label, "weights", in, out, {}, 2);
    w[2] = 1;
  }
  z[3] = infinite;
  refused(errc::bad_label, "reference", in, out, {}, 3);
  z[3] = 0;
  refused(errc::bad_offsets, "offsets", {.samples = {.rewards = {r, 3, 2}, .offsets = {offsets, 2}}},
          {.index = {index, 1, 1}}, {}, 1);
  r[4] = nan_value;
  refused(errc::not_a_number, "rewards", in, out, {}, 4);
  covers("scalarized_pick", "bad-argument");
}
