// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <advantage/group_advantage.hpp>
#include <prefer/core/thread_pool.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <string>

using namespace prefer;
using prefer_test::buffer;
using prefer_test::covers;
using prefer_test::group_case;
using prefer_test::group_sizes;

namespace {

constexpr double missing = std::numeric_limits<double>::quiet_NaN();

// Double arithmetic: 2000 scores of a few units, a deviation of about one.
constexpr double unit = 1e-14;

using inputs = advantage_inputs<space::host>;
using outputs = advantage_outputs<space::host>;
using call = std::function<status(const cpu&, const inputs&, const outputs&)>;
using definition_of_rule = std::function<prefer_test::grouped(const prefer_test::grouped&)>;

// The call of a rule without its type, so that a test is compiled once for all of them.
template <class Rule>
call call_of(const Rule& rule) {
  return
      [rule](const cpu& exec, const inputs& in, const outputs& out) { return group_advantages(exec, rule, in, out); };
}
using use_of_rule = std::function<void(const char* name, const call&, const definition_of_rule&)>;
void each_rule(const use_of_rule& f) {
  prefer_test::each_rule(
      [&](const char* name, const auto& rule, const auto& definition) { f(name, call_of(rule), definition); });
}

template <class S>
void check_sizes(std::int64_t stride, bool masked) {
  group_case<S> c(group_sizes(), 3, stride);
  c.masked = masked;
  if (masked)
    for (std::int64_t i = 0; i < c.total; ++i)
      if (!c.mask.at(i)) c.score.set(i, missing);
  const auto x = c.selected();
  each_rule([&](const char* name, const call& rule, const definition_of_rule& definition) {
    for (const isa level : prefer_test::levels()) {
      check(rule(cpu{.isa = level}, c.inputs(), c.outputs()));
      INFO(name);
      CHECK(c.worst(definition(x), unit) < 1);
      CHECK(c.untouched_around());
    }
    covers<S>(name, "sizes");
    covers(name, "golden");
    if (masked) covers(name, "masked");
  });
}

std::vector<double> advantages_of(const call& rule, std::vector<double> x, bool exclude_nan = false) {
  std::vector<double> a(x.size(), -7);
  const std::int64_t offsets[] = {0, static_cast<std::int64_t>(x.size())};
  advantage_inputs<space::host> in{.score = {x.data(), x.size()}, .offsets = {offsets, 2}};
  in.exclude_nan = exclude_nan;
  check(rule(cpu{}, in, {.advantage = {a.data(), a.size()}}));
  return a;
}
template <class Rule>
std::vector<double> advantages_of(const Rule& rule, const std::vector<double>& x, bool exclude_nan = false) {
  return advantages_of(call_of(rule), x, exclude_nan);
}

}  // namespace

TEST_CASE("advantages are their definitions: groups of every size, masks, strides, storage types, levels") {
  SUBCASE("float") { check_sizes<float>(1, false); }
  SUBCASE("double, strided and masked") { check_sizes<double>(3, true); }
  SUBCASE("float, masked") { check_sizes<float>(1, true); }
  SUBCASE("double, masked") { check_sizes<double>(1, true); }
  SUBCASE("half, masked") { check_sizes<half>(1, true); }
  SUBCASE("bfloat16, strided") { check_sizes<bfloat16>(2, false); }
}

namespace {

// Rows of tests/golden/scores.py.
struct golden_advantage {
  int rule;
  long double epsilon;
  bool sample;
  long double score[8], advantage[8], size[8];
};
constexpr golden_advantage golden_advantages[] = {
#include <golden_advantages.inc>
};

template <class F>
void with_golden_rule(const golden_advantage& g, F f) {
  const scalar e = static_cast<double>(g.epsilon);
  const deviation d = g.sample ? deviation::sample : deviation::population;
  const grpo inner{.epsilon = e, .std = d};
  switch (g.rule) {
    case 0: return f(dr_grpo{});
    case 1: return f(rloo{});
    case 2: return f(max_rl{.epsilon = e});
    case 3: return f(inner);
    case 4: return f(reinforce_plus_plus{.epsilon = e, .std = d});
    case 5: return f(lite_ppo{.epsilon = e, .std = d});
    case 6: return f(batch_whitened<grpo>{inner, e, d});
    case 7: return f(batch_whitened<dr_grpo>{{}, e, d});
    case 8: return f(batch_whitened<rloo>{{}, e, d});
    default: return f(clipped<grpo>{inner, 0.75});
  }
}

}  // namespace

TEST_CASE("advantages at 50 digits: tiny, huge and nearly equal scores, groups of one and of none, storage types") {
  for (const golden_advantage& g : golden_advantages)
    with_golden_rule(g, [&](const auto& rule) {
      CAPTURE(g.rule);
      CAPTURE(static_cast<double>(g.score[0]));
      CHECK(
          prefer_test::near_golden_in_all(g.score, g.advantage, g.size, [&](auto score, auto offsets, auto advantage) {
            check(group_advantages(cpu{}, rule, {.score = score, .offsets = offsets}, {.advantage = advantage}));
          }));
    });
}

TEST_CASE("the moments of groups are theirs, also without advantages") {
  group_case<double> c(group_sizes());
  auto out = c.outputs();
  out.advantage = {};
  check(group_advantages(cpu{}, dr_grpo{}, c.inputs(), out));
  CHECK(c.advantage.untouched());
  const auto x = c.selected();
  for (std::int64_t g = 0; g < c.n; ++g) {
    const auto& mine = x[static_cast<std::size_t>(g)];
    CHECK(c.count.get(g) == static_cast<double>(mine.size()));
    CHECK(std::fabs(c.mean.get(g) - static_cast<double>(prefer_test::mean_of(mine))) < unit);
    CHECK(std::fabs(c.std.get(g) - static_cast<double>(prefer_test::std_of(mine, false))) < unit);
  }
}

TEST_CASE("a group of equal scores has advantages of exactly 0, whatever the number and the rule") {
  each_rule([&](const char* name, const call& rule, const definition_of_rule&) {
    INFO(name);
    for (const double value : {0.7, 0.35, -1e-3, 1e17, 1e-200, 0.1f * 1.0})
      for (const std::size_t size : {1u, 2u, 3u, 7u, 64u, 1500u, 70000u}) {
        const auto a = advantages_of(rule, std::vector<double>(size, value));
        CHECK(std::all_of(a.begin(), a.end(), [](double v) { return v == 0; }));
      }
    covers(name, "identity");
  });
}

TEST_CASE("advantages: shifts of the scores change nothing, scales nothing that is normalised") {
  std::vector<double> x = {0.25, 1, -0.5, 2}, shifted = x, scaled = x;
  for (double& v : shifted) v += 1024;
  for (double& v : scaled) v *= 4;
  const grpo exact{.epsilon = 0.0};
  CHECK(advantages_of(exact, x) == advantages_of(exact, scaled));
  CHECK(advantages_of(exact, x) == advantages_of(exact, shifted));
  CHECK(advantages_of(rloo{}, x) == advantages_of(rloo{}, shifted));
  CHECK(advantages_of(reinforce_plus_plus{.epsilon = 0.0}, x) ==
        advantages_of(reinforce_plus_plus{.epsilon = 0.0}, scaled));
  // One group is the batch; a leave-one-out baseline is n / (n - 1) of the centred score.
  CHECK(advantages_of(lite_ppo{.epsilon = 0.0}, x) == advantages_of(exact, x));
  const auto centred = advantages_of(dr_grpo{}, x), others = advantages_of(rloo{}, x);
  for (std::size_t i = 0; i < x.size(); ++i) CHECK(others[i] == doctest::Approx(centred[i] * 4 / 3).epsilon(1e-15));
}

TEST_CASE("MaxRL: solved answers share what was not expected, an unsolved group gets nothing") {
  const auto a = advantages_of(max_rl{}, {1, 0, 0, 0});
  CHECK(a == std::vector<double>{3, -1, -1, -1});
  CHECK(advantages_of(max_rl{}, {0, 0, 0}) == std::vector<double>{0, 0, 0});
  CHECK(advantages_of(max_rl{}, {-1, -3}) == std::vector<double>{0, 0});
}

TEST_CASE("GPG: the step is that of the groups that teach, however many others there are; G of 2 is a sign") {
  const double score[] = {1, 0, 0.7, 0.7, 0.7, 0.7, 3, 1};
  const std::int64_t offsets[] = {0, 2, 6, 8}, equal[] = {2, 4, 6};
  double a[8], alone[4];
  check(group_advantages(cpu{}, gpg{}, {.score = {score, 8}, .offsets = {offsets, 4}}, {.advantage = {a, 8}}));
  CHECK((a[0] == 1 && a[1] == -1 && a[2] == 0 && a[5] == 0 && a[6] == 2 && a[7] == -2));  // 8 scores, 4 of which teach
  check(group_advantages(cpu{}, gpg{}, {.score = {score, 8}, .offsets = {equal, 3}}, {.advantage = {a, 8}}));
  CHECK((a[2] == 0 && a[5] == 0));
  const double pair[] = {5, 1, 0.2, 0.3};
  const std::int64_t twos[] = {0, 2, 4};
  check(group_advantages(cpu{}, grpo{.epsilon = 0.0, .std = deviation::population},
                         {.score = {pair, 4}, .offsets = {twos, 3}}, {.advantage = {alone, 4}}));
  CHECK((alone[0] == 1 && alone[1] == -1));
  CHECK(std::fabs(alone[2] + 1) < 1e-15);
}

TEST_CASE("a score that is NaN makes its group NaN, or is left out, by choice") {
  const auto poisoned = advantages_of(grpo{}, {1, missing, 3});
  CHECK((std::isnan(poisoned[0]) && std::isnan(poisoned[1]) && std::isnan(poisoned[2])));
  const auto without = advantages_of(grpo{}, {1, missing, 3}, true), alone = advantages_of(grpo{}, {1, 3});
  CHECK(without == std::vector<double>{alone[0], 0, alone[1]});
  CHECK(advantages_of(grpo{}, {missing, missing}, true) == std::vector<double>{0, 0});
  // Wherever it is; infinite scores are no NaN.
  for (std::size_t n : {9u, 16u, 70u, 1500u})
    for (std::size_t at = 0; at < n; at += n / 8) {
      std::vector<double> x(n, 2), y(n - 1, 2);
      for (std::size_t i = 0; i < n - 1; ++i) x[i < at ? i : i + 1] = y[i] = static_cast<double>(i % 7);
      x[at] = at % 2 == 0 ? missing : -missing;
      auto found = advantages_of(grpo{}, x, true);
      const auto expected = advantages_of(grpo{}, y);
      CHECK(found[at] == 0);
      found.erase(found.begin() + static_cast<std::ptrdiff_t>(at));
      for (std::size_t i = 0; i < n - 1; ++i) CHECK(std::fabs(found[i] - expected[i]) < unit);
      x[at] = std::numeric_limits<double>::infinity();
      CHECK(std::isnan(advantages_of(grpo{}, x, true)[at]));
    }
  // The other groups of a batch are not touched by it, but for a rule that learns of the batch.
  group_case<float> c({4, 4, 1000, 3});
  c.score.set(group_case<float>::before + 1, missing);
  check(group_advantages(cpu{}, grpo{}, c.inputs(), c.outputs()));
  CHECK((std::isnan(c.mean.get(0)) && !std::isnan(c.mean.get(1)) && !std::isnan(c.advantage.get(8))));
  check(group_advantages(cpu{}, lite_ppo{}, c.inputs(), c.outputs()));
  CHECK(std::isnan(c.advantage.get(8)));
  c.exclude_nan = true;
  each_rule([&](const char* name, const call& rule, const definition_of_rule& definition) {
    INFO(name);
    check(rule(cpu{}, c.inputs(), c.outputs()));
    CHECK(c.worst(definition(c.selected()), unit) < 1);
  });
}

TEST_CASE("advantages have the same bits for any threads, and a group in any batch") {
  std::vector<int> sizes = group_sizes();
  sizes.insert(sizes.begin(), 70000);
  sizes.push_back(66000);
  for (int i = 0; i < 3000; ++i) sizes.push_back(i % 9 + 1);
  group_case<float> c(sizes);
  c.masked = true;
  each_rule([&](const char* name, const call& rule, const definition_of_rule& definition) {
    INFO(name);
    check(rule(cpu{}, c.inputs(), c.outputs()));
    const auto expected = c.advantage.bytes(), means = c.mean.bytes();
    CHECK(c.worst(definition(c.selected()), 1e-13) < 1);
    for (const int threads : {2, 3, 8}) {
      thread_pool pool(threads);
      check(rule(cpu{.pool = pool}, c.inputs(), c.outputs()));
      CHECK(c.advantage.bytes() == expected);
      CHECK(c.mean.bytes() == means);
    }
    covers(name, "threads");
  });
  const double first = c.mean.get(3), long_one = c.mean.get(0);
  auto in = c.inputs();
  const std::int32_t alone[] = {c.offsets.at(3), c.offsets.at(4), c.offsets.at(4)};
  double mean[2];
  in.offsets = {alone, 3};
  check(group_advantages(cpu{}, grpo{}, in, {.mean = {mean, 2}}));
  CHECK((mean[0] == first && mean[1] == 0));
  const std::int32_t whole[] = {c.offsets.at(0), c.offsets.at(1)};
  in.offsets = {whole, 2};
  check(group_advantages(cpu{}, grpo{}, in, {.mean = {mean, 1}}));
  CHECK(mean[0] == long_one);
}

namespace {

// Processes that lie in one: what each would send, in order of rank.
struct simulated {
  std::vector<moments> of_rank;
  std::int64_t processes() const { return static_cast<std::int64_t>(of_rank.size()); }
  status operator()(reduction, double*, std::int64_t) const { return {}; }
  status gather(const void*, std::int64_t bytes, void* all) const {
    std::memcpy(all, of_rank.data(), static_cast<std::size_t>(bytes) * of_rank.size());
    return {};
  }
};

// The groups of a case, dealt to processes at `cut`: each finds its moments, they meet through a reducer, and each maps
// its own groups.
template <class S, class Rule>
void on_processes(group_case<S>& c, const Rule& rule, const std::vector<std::int64_t>& cut) {
  simulated ranks;
  std::vector<advantage_inputs<space::host>> part;
  for (std::size_t r = 0; r + 1 < cut.size(); ++r) {
    part.push_back(c.inputs());
    part[r].offsets = {&c.offsets.at(cut[r]), cut[r + 1] - cut[r] + 1};
    moments m;
    check(batch_moments(cpu{}, rule, part[r], {&m.count, 3}));
    ranks.of_rank.push_back(m);
  }
  const reducer everywhere(ranks);
  std::vector<moments> gathered(part.size());
  for (std::size_t r = 0; r < part.size(); ++r) {
    moments mine = ranks.of_rank[r];
    check(merge_processes(everywhere, mine, gathered.data()));
    part[r].batch = {&mine.count, 3};
    check(group_advantages(cpu{}, rule, part[r], {.advantage = c.advantage.view()}));
  }
}

const std::vector<std::vector<std::int64_t>> dealings = {
    {0, 9}, {0, 2, 5, 9}, {0, 0, 8, 9}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}};

}  // namespace

TEST_CASE("a batch that is spread over processes is normalised as one, however it is spread") {
  group_case<double> c({4, 8, 300, 1, 5000, 8, 8, 0, 66000}, 11);
  prefer_test::each_rule([&](const char* name, const auto& rule, const auto& definition) {
    using Rule = std::remove_cvref_t<decltype(rule)>;
    if constexpr (prefer::detail::learns_batch<Rule>) {
      INFO(name);
      const auto expected = definition(c.selected());
      check(group_advantages(cpu{}, rule, c.inputs(), c.outputs()));
      const auto whole = c.advantage.values();
      for (const auto& cut : dealings) {
        on_processes(c, rule, cut);
        CHECK(c.worst(expected, unit) < 1);
        CHECK(c.untouched_around());
        double apart = 0;
        // Roundings of double, a few per process: the batch in one process is within that of any other dealing.
        for (std::int64_t i = c.offsets.at(0); i < c.offsets.at(c.n); ++i)
          apart = std::max(apart, std::fabs(c.advantage.get(i) - whole[static_cast<std::size_t>(i)]));
        CHECK(apart < 2e-15 * static_cast<double>(cut.size()));
      }
    }
  });
  moments mine{5, 2, 3}, gathered[1];
  check(merge_processes(reducer{}, mine, gathered));
  CHECK((mine.count == 5 && mine.mean == 2 && mine.squares == 3));
}

TEST_CASE("a batch of whole numbers has the same bits on any number of processes") {
  // Every sum is exact and, with 2^k scores per group, so is every mean and every share.
  group_case<float> c({4, 8, 256, 4, 4096, 8, 8, 4, 4}, 11);
  for (std::int64_t i = 0; i < c.total; ++i) c.score.set(i, i % 2 == 0 ? 1 : 3);
  const auto check_rule = [&](const auto& rule) {
    check(group_advantages(cpu{}, rule, c.inputs(), {.advantage = c.advantage.view()}));
    const auto whole = c.advantage.bytes();
    for (const auto& cut : dealings) {
      on_processes(c, rule, cut);
      CHECK(c.advantage.bytes() == whole);
    }
  };
  check_rule(lite_ppo{}), check_rule(reinforce_plus_plus{}), check_rule(batch_whitened{dr_grpo{}});
  check_rule(gpg{});
}

namespace {

// The score, as a line: the only one here whose values have a mean.
struct plain_score {
  status check() const { return {}; }
  template <class V>
  PREFER_HD basic_line<V> operator()(const basic_moments<V>& group) const {
    return {V(1), group.mean};
  }
};

}  // namespace

TEST_CASE("whitening what a rule answers takes away its mean too: the scores themselves are REINFORCE++") {
  group_case<double> c({4, 8, 300, 1, 5000, 0, 66}, 11), same({4, 8, 300, 1, 5000, 0, 66}, 11);
  check(group_advantages(cpu{}, batch_whitened<plain_score>{plain_score{}, 1e-8, deviation::population}, c.inputs(),
                         c.outputs()));
  check(group_advantages(cpu{}, reinforce_plus_plus{}, same.inputs(), same.outputs()));
  for (std::int64_t i = c.offsets.at(0); i < c.offsets.at(c.n); ++i)
    CHECK(std::fabs(c.advantage.get(i) - same.advantage.get(i)) < 1e-13);
}

TEST_CASE("short groups have the same bits alone, among groups of their size, and among others") {
  for (const bool masked : {false, true}) {
    std::vector<int> sizes;
    for (int size = 0; size < 70; ++size)
      for (int k = 0; k < 3 + size % 7; ++k) sizes.push_back(size);
    for (int i = 0; i < 200; ++i) sizes.push_back(i * 37 % 67);
    group_case<float> c(sizes, 5);
    c.masked = masked;
    auto in = c.inputs();
    check(group_advantages(cpu{}, grpo{}, in, c.outputs()));
    const auto together = c.advantage.bytes(), means = c.mean.bytes();
    for (std::int64_t g = 0; g < c.n; ++g) {
      in.offsets = {&c.offsets.at(g), 2};
      check(group_advantages(cpu{}, grpo{}, in, {.advantage = c.advantage.view(), .mean = {&c.mean.at(g), 1}}));
    }
    CHECK((c.advantage.bytes() == together && c.mean.bytes() == means));
    // A mask that leaves nothing out changes nothing.
    if (masked) continue;
    in = c.inputs();
    for (std::int64_t i = 0; i < c.total; ++i) c.mask.at(i) = true;
    in.mask = c.mask.read();
    check(group_advantages(cpu{}, grpo{}, in, c.outputs()));
    CHECK((c.advantage.bytes() == together && c.mean.bytes() == means));
  }
}

namespace {

template <class S>
void check_behind(const std::vector<int>& sizes, isa level) {
  std::vector<std::int32_t> offsets{0};
  for (int i = 0; i < 3072; ++i) offsets.push_back(offsets.back() + 2);  // so that the last twelve are found together
  for (const int size : sizes) offsets.push_back(offsets.back() + size);
  const auto end = static_cast<std::size_t>(offsets.back()), all = end + 300;
  std::vector<S> score(all), advantage(all, S(-7));
  for (std::size_t i = 0; i < all; ++i) score[i] = static_cast<S>(i * 37 % 11);
  advantage_inputs<space::host> in{.score = {score.data(), all}, .offsets = {offsets.data(), offsets.size()}};
  check(group_advantages(cpu{.isa = level}, dr_grpo{}, in, {.advantage = {advantage.data(), all}}));
  CHECK(std::find(advantage.begin(), advantage.end(), S(-7)) - advantage.begin() == offsets.back());
  CHECK(std::all_of(advantage.begin() + offsets.back(), advantage.end(), [](S x) { return x == S(-7); }));
}

}  // namespace

TEST_CASE("scores of no group behind the last one, however many, are not written, whatever sizes end there") {
  for (const isa level : prefer_test::levels())
    for (const std::vector<int>& sizes : std::vector<std::vector<int>>{
             {3}, {4, 4, 4}, {8, 5}, {5, 0}, {21, 0}, {3, 9, 0, 0}, {12, 1}, {17, 2, 0, 1}, {16, 7}, {65}, {1100}}) {
      check_behind<float>(sizes, level);
      check_behind<double>(sizes, level);
    }
}

namespace {

// The same scores, which floats hold exactly, as S at a stride.
template <class S>
std::vector<double> of_groups(group_case<float>& from, std::int64_t stride, bool masked, isa level) {
  std::vector<int> sizes;
  for (std::int64_t g = 0; g < from.n; ++g) sizes.push_back(from.offsets.at(g + 1) - from.offsets.at(g));
  group_case<S> c(sizes, 3, stride);
  buffer<float> rounded(c.total);
  for (std::int64_t i = 0; i < c.total; ++i) c.score.set(i, from.score.get(i)), c.mask.at(i) = true;
  c.masked = masked;
  check(group_advantages(cpu{.isa = level}, clipped{grpo{}, 0.5}, c.inputs(), c.outputs()));
  CHECK(c.untouched_around());
  std::vector<double> all = c.mean.values();
  for (const double v : c.std.values()) all.push_back(v);
  for (const double v : c.count.values()) all.push_back(v);
  for (std::int64_t i = 0; i < c.total; ++i) {
    rounded.set(i, 0);
    if (i >= c.offsets.at(0) && i < c.offsets.at(c.n)) rounded.set(i, c.advantage.get(i));
    all.push_back(rounded.get(i));
  }
  return all;
}

}  // namespace

TEST_CASE(
    "groups of one size have the bits of the same groups at a stride, masked, of doubles, and behind another one") {
  for (const int size : {1, 3, 4, 5, 8, 12, 16, 24, 64, 65, 256, 1024, 1025})
    for (const int number : {1, 2, 7, 19, 300, 9000})  // of the last a thread sees 35 at a time
      for (const isa level : prefer_test::levels()) {
        if (size * number > 80000) continue;
        INFO(size, " x ", number);
        group_case<float> c(std::vector<int>(static_cast<std::size_t>(number), size), 7);
        const auto plain = of_groups<float>(c, 1, false, level);
        CHECK(of_groups<float>(c, 2, false, level) == plain);
        CHECK(of_groups<float>(c, 1, true, level) == plain);
        CHECK(of_groups<double>(c, 1, false, level) == plain);
        if (number < 3) continue;
        // One score more in a group, one less in the next: no run of one size there.
        const std::int64_t at = number < 19 ? 1 : 5;
        group_case<float> other(c);
        other.offsets.at(at) += size > 1 ? 1 : 0;
        check(group_advantages(cpu{.isa = level}, clipped{grpo{}, 0.5}, other.inputs(), other.outputs()));
        for (std::int64_t g = at + 1; g < c.n; ++g) CHECK(other.mean.get(g) == plain[static_cast<std::size_t>(g)]);
        for (const std::int64_t g : {at - 1, at}) {
          const double together = other.mean.get(g);
          auto alone = other.inputs();
          alone.offsets = {&other.offsets.at(g), 2};
          check(group_advantages(cpu{.isa = level}, grpo{}, alone, {.mean = {&other.mean.at(g), 1}}));
          CHECK(other.mean.get(g) == together);
        }
        for (std::int64_t i = c.offsets.at(at + 1); i < c.offsets.at(c.n); ++i)
          CHECK(other.advantage.get(i) == plain[static_cast<std::size_t>(3 * c.n + i)]);
      }
}

TEST_CASE("offsets that fall are found wherever they do, however far") {
  constexpr std::int64_t n = 40;
  std::vector<float> x(n), a(n);
  std::vector<std::int32_t> o(n + 1);
  const auto code = [&] {
    return group_advantages(cpu{}, grpo{}, {.score = {x.data(), n}, .offsets = {o.data(), n + 1}},
                            {.advantage = {a.data(), n}});
  };
  for (std::int64_t at = 0; at <= n; ++at)
    for (const std::int32_t bad :
         {-1, 41, std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max()}) {
      for (std::int64_t i = 0; i <= n; ++i) o[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(i);
      CHECK(code().ok());
      o[static_cast<std::size_t>(at)] = bad;
      CHECK(code().code == errc::bad_offsets);
      // The largest number and the smallest differ by 1, modulo 2^32.
      if (at > 0) o[static_cast<std::size_t>(at - 1)] = std::numeric_limits<std::int32_t>::max();
      CHECK(code().code == errc::bad_offsets);
    }
}

TEST_CASE("binary scores: how many different advantages a group of G can have") {
  // GRPO of one reward: one for every number of solved answers but none and all, which both give zeros.
  for (const int size : {2, 3, 4, 6, 8}) {
    std::vector<std::vector<double>> found;
    for (int solved = 0; solved <= size; ++solved) {
      std::vector<double> x(static_cast<std::size_t>(size));
      for (int i = 0; i < solved; ++i) x[static_cast<std::size_t>(i)] = 1;
      auto a = advantages_of(grpo{.epsilon = 0.0, .std = deviation::population}, x);
      std::sort(a.begin(), a.end());
      if (std::find(found.begin(), found.end(), a) == found.end()) found.push_back(a);
    }
    CHECK(found.size() == static_cast<std::size_t>(size));
  }
}

TEST_CASE("advantages: nothing is allocated, parameters may be pointers") {
  group_case<float> c(group_sizes());
  double epsilon = 0.25;
  const auto in = c.inputs();
  const auto out = c.outputs();
  each_rule([&](const char* name, const call& rule, const definition_of_rule&) {
    const long before = prefer_test::allocation_count();
    const status s = rule(cpu{}, in, out);
    CHECK(prefer_test::allocation_count() == before);
    CHECK(s.ok());
    covers(name, "allocation");
  });
  check(group_advantages(cpu{}, grpo{.epsilon = &epsilon}, in, out));
  CHECK(c.worst(prefer_test::normalised(c.selected(), true, 0.25L), unit) < 1);
}

TEST_CASE("group_advantages names what is wrong, and writes nothing") {
  const double x[6] = {1, 2, 3, 4, 5, 6};
  double a[6] = {-7, -7, -7, -7, -7, -7}, m[3] = {4, 5, 6};
  const bool mask[6] = {};
  const std::int32_t o[] = {0, 2, 6};
  using in = advantage_inputs<space::host>;
  using out = advantage_outputs<space::host>;
  const auto refused = [&](const char* message_of, const auto& rule, const in& i, const out& to, const cpu& exec = {}) {
    const status s = group_advantages(exec, rule, i, to);
    CHECK(std::string(message(s).c_str()) == message_of);
    for (const double v : a) CHECK(v == -7);
  };
  const in good{.score = {x, 6}, .offsets = {o, 3}};
  const out to{.advantage = {a, 6}};
  const auto with = [&](auto change) {
    in i = good;
    change(i);
    return i;
  };
  refused("prefer: missing input: score: expected one score per response", grpo{}, {}, to);
  refused("prefer: missing input: offsets: expected where each group begins, and the end", grpo{},
          with([](in& i) { i.offsets = {}; }), to);
  refused("prefer: missing output: outputs: expected at least one output to write", grpo{}, good, {});
  refused("prefer: unused input: batch: expected to be left out, since this call does not read it", grpo{},
          with([&](in& i) {
            i.batch = {m, 3};
          }),
          to);
  refused("prefer: bad extent: batch is 2, expected number, mean and squares, that is 3", lite_ppo{}, with([&](in& i) {
            i.batch = {m, 2};
          }),
          to);
  refused("prefer: bad stride: batch is 2, expected exactly 1", lite_ppo{}, with([&](in& i) {
            i.batch = {m, 3, 2};
          }),
          to);
  const float narrow[3] = {};
  refused("prefer: bad element type: batch: expected elements of type double", lite_ppo{}, with([&](in& i) {
            i.batch = {narrow, 3};
          }),
          to);
  refused("prefer: bad extent: offsets is 0, expected at least 1", grpo{}, with([&](in& i) {
            i.offsets = {o, 0};
          }),
          to);
  refused("prefer: bad extent: mask is 5, expected one per score: 6", grpo{}, with([&](in& i) {
            i.mask = {mask, 5};
          }),
          to);
  refused("prefer: bad element type: offsets is double, expected elements of type int32 or int64", grpo{},
          with([&](in& i) {
            i.offsets = {x, 3};
          }),
          to);
  refused("prefer: bad extent: advantage is 4, expected one per score: 6", grpo{}, good, {.advantage = {a, 4}});
  refused("prefer: bad extent: mean is 3, expected one per group, one less than offsets: 2", grpo{}, good,
          {.mean = {a, 3}});
  refused("prefer: overlap: advantage: expected memory of its own, not shared with an input", grpo{}, with([&](in& i) {
            i.score = {a, 6};
          }),
          to);
  refused("prefer: bad parameter: epsilon is -1, expected a finite number, 0 or above", grpo{.epsilon = -1.0}, good,
          to);
  refused("prefer: bad parameter: limit is 0, expected a finite number above 0", clipped{grpo{}, 0.0}, good, to);
  refused("prefer: bad parameter: epsilon is -1, expected a finite number, 0 or above",
          batch_whitened{grpo{.epsilon = -1.0}}, good, to);
  const std::int32_t falling[] = {0, 4, 2}, beyond[] = {0, 4, 7};
  refused(
      "prefer: bad offsets: offsets[2] is 2, expected no less than the offset before it and no more than the number "
      "of elements",
      grpo{}, with([&](in& i) {
        i.offsets = {falling, 3};
      }),
      to);
  refused(
      "prefer: bad offsets: offsets[2] is 7, expected no less than the offset before it and no more than the number "
      "of elements",
      grpo{}, with([&](in& i) {
        i.offsets = {beyond, 3};
      }),
      to);
  const double holes[6] = {1, 2, 3, missing, 5, 6};
  refused("prefer: not a number: score[3]: expected a number, but it is NaN", grpo{}, with([&](in& i) {
            i.score = {holes, 6};
          }),
          to, cpu{.content = content::all});
  const status s = batch_moments(cpu{}, lite_ppo{}, good, {});
  CHECK(s.code == errc::missing_output);
  CHECK(batch_moments(cpu{}, lite_ppo{}, with([&](in& i) { i.score = {a, 6}; }), {a, 3}).code == errc::overlap);
  each_rule([](const char* name, const call&, const definition_of_rule&) { covers(name, "bad-argument"); });
}

namespace {

struct above_the_mean {  // 1 above the mean, 0 elsewhere; its index breaks no tie
  struct function {
    template <class V>
    V operator()(const group_item<V>& i) const {
      return math::select(i.deviation > V(0), V(1), V(0)) + i.index * V(16);
    }
  };
  status check() const { return {}; }
  function operator()(const moments&) const { return {}; }
};

}  // namespace

TEST_CASE("a rule of one's own is a function of the moments of a group") {
  CHECK(advantages_of(above_the_mean{}, {1, 2, 6}) == std::vector<double>{0, 16, 33});
  const auto a = advantages_of(above_the_mean{}, std::vector<double>(3000, 0.5));
  CHECK(a[2999] == 2999 * 16);
  // Places in the group: in runs of one size, also of floats, and in a last piece that is as short as such a group.
  for (const int size : {4, 8, 1028, 1032}) {
    const int number = size < 10 ? 2000 : 3;
    group_case<float> c(std::vector<int>(static_cast<std::size_t>(number), size));
    check(group_advantages(cpu{}, above_the_mean{}, c.inputs(), c.outputs()));
    for (std::int64_t i = 0; i < number * size; ++i) {
      const double expected = static_cast<double>(i % size * 16) + (c.score.get(i + c.before) > c.mean.get(i / size));
      CHECK(c.advantage.get(i + c.before) == expected);
    }
  }
}
