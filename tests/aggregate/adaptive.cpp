// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <aggregate/adaptive.hpp>
#include <prefer/core/thread_pool.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

using namespace prefer;
using prefer_test::adaptive_case;
using prefer_test::covers;

namespace {

constexpr double missing = std::numeric_limits<double>::quiet_NaN();
const auto& every_rule = prefer_test::adaptive_entries<cpu>();

struct memory {
  std::vector<char> bytes;
  memory(std::int64_t n, std::int64_t samples, std::int64_t rewards)
      : bytes(decoupled_advantages_workspace(n, samples, rewards), '\xff') {}  // what is read unwritten is NaN
  workspace get() { return {bytes.data() + 1, bytes.size() - 1}; }
};

template <class S>
void check_sizes(std::int64_t rewards, std::int64_t gap, bool masked, bool tokens) {
  adaptive_case<S> c(prefer_test::group_sizes(), rewards, gap);
  c.masked = masked, c.by_tokens = tokens;
  for (std::int64_t i = 0; masked && i < c.total; ++i)
    if (!c.mask.at(i)) c.reward.set(i * c.row, missing);
  memory scratch(c.n, c.total, rewards);
  for (const auto& rule : every_rule) {
    INFO(rule.name);
    const auto expected = c.expected(rule.white, rule.form, rule.definition);
    for (const isa level : prefer_test::levels()) {
      check(rule.run(cpu{.isa = level, .workspace = scratch.get()}, c.inputs(rule.white.on),
                     {.advantage = c.advantage.view()}));
      CHECK(c.worst_advantage(expected) < rule.tolerance());
      CHECK(c.untouched_around());
    }
    covers<S>(rule.name, "sizes");
    for (const char* tag : {"golden", "masked"}) covers(rule.name, tag);
  }
}

// Advantages of rewards in groups of equal size, by call(exec, in, out).
using call_type =
    std::function<status(const cpu&, const decoupled_inputs<space::host>&, const decoupled_outputs<space::host>&)>;
std::vector<double> advantages_by(const call_type& call, const std::vector<double>& r, std::int64_t rewards,
                                  std::int64_t size, const std::vector<double>& weight) {
  const auto n = static_cast<std::int64_t>(r.size()) / rewards;
  std::vector<std::int64_t> o;
  for (std::int64_t at = 0; at <= n; at += size) o.push_back(at);
  const auto groups = static_cast<std::int64_t>(o.size());
  std::vector<double> a(static_cast<std::size_t>(n));
  memory scratch(groups - 1, n, rewards);
  decoupled_inputs<space::host> in{.rewards = {r.data(), n, rewards}, .offsets = {o.data(), groups}};
  if (!weight.empty()) in.weight = {weight.data(), rewards};
  check(call(cpu{.workspace = scratch.get()}, in, {.advantage = {a.data(), n}}));
  return a;
}
template <class Rule>
std::vector<double> advantages(const Rule& rule, const std::vector<double>& r, std::int64_t rewards, std::int64_t size,
                               const std::vector<double>& weight = {}) {
  return advantages_by(
      [&](const cpu& exec, const auto& in, const auto& out) { return decoupled_advantages(exec, rule, in, out); }, r,
      rewards, size, weight);
}

std::vector<double> random_rewards(std::int64_t n, const std::vector<double>& scales, std::uint64_t seed = 4) {
  prefer_test::noise random(seed);
  std::vector<double> r;
  for (std::int64_t i = 0; i < n; ++i)
    for (const double scale : scales) r.push_back(scale * random.uniform(-1, 1));
  return r;
}

double correlation(const std::vector<double>& a, const std::vector<double>& r, std::size_t rewards, std::size_t k) {
  double xy = 0, xx = 0, yy = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double x = r[rewards * i + k];
    xy += a[i] * x, xx += x * x, yy += a[i] * a[i];
  }
  return xy / std::sqrt(xx * yy);
}

}  // namespace

TEST_CASE("adaptive advantages are their definitions: sizes, rewards, masks, tokens, storage types, levels") {
  SUBCASE("float") { check_sizes<float>(2, 0, false, false); }
  SUBCASE("double, with gaps, masked, over tokens") { check_sizes<double>(4, 1, true, true); }
  SUBCASE("half, over tokens") { check_sizes<half>(3, 0, false, true); }
  SUBCASE("bfloat16, one reward, masked") { check_sizes<bfloat16>(1, 2, true, false); }
}

namespace {

// Rows of tests/golden/scores.py.
struct golden_adaptive {
  int rule;
  long double parameter;
  bool flag;
  long double reward[24], weight[3], advantage[8], size;
};
constexpr golden_adaptive golden_adaptives[] = {
#include <golden_adaptive.inc>
};

call_type golden_call(const golden_adaptive& g) {
  const scalar p = static_cast<double>(g.parameter);
  const auto by = [](const auto& rule) -> call_type {
    return
        [rule](const cpu& exec, const auto& in, const auto& out) { return decoupled_advantages(exec, rule, in, out); };
  };
  switch (g.rule) {
    case 0: return by(gdpo{});
    case 1: return by(dvao{});
    case 2: return by(rvpo{.beta = p});
    case 3: return by(dara{.most = p, .symmetric = g.flag});
    case 4: return by(gd2po{.agreement = p, .hard = g.flag});
    case 5: return by(gd2po{.agreement = p, .hard = g.flag, .after_whitening = true});
    default: return by(corr_grpo{.least = p});
  }
}

template <class S>
void check_golden(const golden_adaptive& g) {
  const std::int64_t offsets[] = {0, 4, 5, 5, 8};
  prefer_test::buffer<S> r(24), a(8);
  double w[3];
  for (std::int64_t i = 0; i < 24; ++i) r.set(i, static_cast<double>(g.reward[i]));
  for (std::size_t k = 0; k < 3; ++k) w[k] = static_cast<double>(g.weight[k]);
  memory scratch(4, 8, 3);
  check(golden_call(g)(cpu{.workspace = scratch.get()},
                       {.rewards = view<const S, 2>(r.data(), 8, 3, 3, 1), .offsets = {offsets, 5}, .weight = {w, 3}},
                       {.advantage = a.view()}));
  for (std::int64_t i = 0; i < 8; ++i) {
    const long double exact = g.advantage[i], rounding = std::ldexp(std::fabs(exact), -prefer_test::storage<S>::digits);
    const long double least = exact == 0 ? 0 : std::ldexp(1.0L, prefer_test::storage<S>::least_exponent);
    CHECK(std::fabs(a.get(i) - exact) <= 4e-15L * g.size + rounding + least);
  }
}

}  // namespace

TEST_CASE("adaptive advantages at 50 digits: conflicts, rare rewards, steep and flat, storage types") {
  for (const golden_adaptive& g : golden_adaptives) {
    CAPTURE(g.rule);
    CAPTURE(static_cast<double>(g.parameter));
    CAPTURE(g.flag);
    CAPTURE(static_cast<double>(g.reward[3]));
    CAPTURE(static_cast<double>(g.weight[1]));
    check_golden<double>(g), check_golden<float>(g), check_golden<half>(g), check_golden<bfloat16>(g);
  }
}

TEST_CASE("adaptive advantages: NaN are left out of their reward alone, or reach their group") {
  adaptive_case<double> c({4, 300, 7, 64}, 3, 0);
  for (const std::int64_t at : {0, 2, 10, 40, 100}) c.reward.set(at * 7, missing);
  for (std::int64_t j = 0; j < 3; ++j) c.reward.set(50 * 3 + j, missing);  // nothing left of this sample
  memory scratch(c.n, c.total, 3);
  const cpu exec{.workspace = scratch.get()};
  for (const auto& rule : every_rule) {
    INFO(rule.name);
    c.exclude_nan = true;
    check(rule.run(exec, c.inputs(false), {.advantage = c.advantage.view()}));
    // The definition of CorrGRPO here is of whole rows.
    if (std::string(rule.name) != "corr_grpo")
      CHECK(c.worst_advantage(c.expected(rule.white, rule.form, rule.definition)) < rule.tolerance());
    c.exclude_nan = false;
    check(rule.run(exec, c.inputs(false), {.advantage = c.advantage.view()}));
    CHECK(std::isnan(c.advantage.get(10)));
  }
}

TEST_CASE("adaptive advantages: identities") {
  const std::vector<double> r = random_rewards(240, {1, 0.3, 10});
  const whitening off{.on = false};
  // DARA where every reward varies everywhere is GDPO, to the bit; the soft minimum of little risk is GDPO's mean, of
  // much the minimum.
  const gdpo same{.epsilon = 1e-6, .whiten = dara{}.whiten};
  CHECK(advantages(dara{}, r, 3, 8) == advantages(same, r, 3, 8));
  CHECK(advantages(dara{.symmetric = true}, r, 3, 8) == advantages(same, r, 3, 8));
  const auto z = advantages(gdpo{.whiten = off}, r, 3, 8, {1.0 / 3, 1.0 / 3, 1.0 / 3});
  const auto risky = advantages(rvpo{.beta = 1e-9, .whiten = off}, r, 3, 8);
  const auto first = advantages(gdpo{.whiten = off}, r, 3, 8, {1, 0, 0});
  const auto second = advantages(gdpo{.whiten = off}, r, 3, 8, {0, 1, 0});
  const auto third = advantages(gdpo{.whiten = off}, r, 3, 8, {0, 0, 1});
  const auto wary = advantages(rvpo{.beta = 1e4, .whiten = off}, r, 3, 8);
  // DVAO: the order of the weighted sum, a mean square of at most 1.
  const auto dvao_of = advantages(dvao{}, r, 3, 8, {0.5, 0.25, 0.25});
  const auto sum_of = advantages(decoupled<dr_grpo>{.whiten = {.on = false}}, r, 3, 8, {0.5, 0.25, 0.25});
  for (std::size_t g = 0; g < 240; g += 8) {
    double squares = 0;
    for (std::size_t i = g; i < g + 8; ++i) {
      CHECK(risky[i] == doctest::Approx(z[i]).epsilon(1e-7));
      CHECK(wary[i] == doctest::Approx(std::fmin(first[i], std::fmin(second[i], third[i]))).epsilon(1e-3));
      squares += dvao_of[i] * dvao_of[i] / 8;
      for (std::size_t j = g; j < g + 8; ++j) CHECK((dvao_of[i] < dvao_of[j]) == (sum_of[i] < sum_of[j]));
    }
    CHECK(squares < 1 + 1e-12);
  }
  // One reward: DVAO is GRPO with the population's deviation, CorrGRPO only centres, GD2PO drops nothing.
  const std::vector<double> single = random_rewards(40, {3});
  const auto grpo_of = advantages(
      decoupled<>{.rule = {.epsilon = 0.0, .std = deviation::population}, .whiten = {.on = false}}, single, 1, 5);
  const auto centred = advantages(decoupled<dr_grpo>{.whiten = {.on = false}}, single, 1, 5);
  const auto dvao_one = advantages(dvao{}, single, 1, 5);
  const auto corr_one = advantages(corr_grpo{.epsilon = 0.0}, single, 1, 5);
  for (std::size_t i = 0; i < 40; ++i) {
    CHECK(dvao_one[i] == doctest::Approx(grpo_of[i]).epsilon(1e-14));
    CHECK(corr_one[i] == doctest::Approx(centred[i]).epsilon(1e-14));
  }
  CHECK(advantages(gd2po{}, single, 1, 5) == advantages(same, single, 1, 5));
  // CorrGRPO of copies divides by their number; of rewards that cancel, by the root of `least`.
  const auto copies = advantages(corr_grpo{.epsilon = 0.0}, {1, 1, 3, 3, 8, 8}, 2, 3);
  CHECK(copies[2] == doctest::Approx(4));
  const auto opposed = advantages(corr_grpo{.epsilon = 0.0, .least = 0.25}, {1, -2, 3, -6, 8, -16}, 2, 3);
  CHECK(opposed[2] == doctest::Approx(-8));
  const auto turned = advantages(corr_grpo{.epsilon = 0.0}, {1, -2, 3, -6, 8, -16}, 2, 3, {1, -1});
  CHECK(turned[2] == doctest::Approx(6));  // (4 + 8) / 2: with its weight the second reward is twice the first
  for (const char* name : {"gdpo", "dvao", "rvpo", "dara", "gd2po", "corr_grpo"}) covers(name, "identity");
}

TEST_CASE("adaptive advantages: groups in which nothing varies get exactly 0, whatever the number") {
  for (const double x : {0.1, 0.35, 0.7, -1e300, 3e-310})
    for (const std::int64_t size : {1, 2, 7, 64, 3000}) {
      std::vector<double> r;
      for (std::int64_t i = 0; i < 2 * size; ++i) r.push_back(x), r.push_back(i < size ? 0.3 : x);
      for (const auto& rule : every_rule) {
        INFO(rule.name);
        const auto call = [&](const cpu& exec, const auto& in, const auto& out) { return rule.run(exec, in, out); };
        for (const double a : advantages_by(call, r, 2, size, {})) CHECK(a == 0);
      }
    }
}

TEST_CASE("adaptive advantages: what cancels or does not vary is 0 without any epsilon too") {
  const whitening bare{.epsilon = 0.0};
  const std::vector<double> still(12, 0.7), opposed = {1, -2, 3, -6, 5, -10, 7, -14};
  for (const auto& a :
       {advantages(gdpo{.epsilon = 0.0, .whiten = bare}, still, 2, 3),
        advantages(rvpo{.epsilon = 0.0, .whiten = bare}, still, 2, 3),
        advantages(gd2po{.epsilon = 0.0, .whiten = bare}, still, 2, 3), advantages(dvao{.epsilon = 0.0}, still, 2, 3),
        advantages(corr_grpo{.epsilon = 0.0, .least = 0.0}, still, 2, 3),
        advantages(corr_grpo{.epsilon = 0.0, .least = 0.0}, opposed, 2, 2)})
    for (const double x : a) CHECK(x == 0);
  // A batch without groups: no share of anything.
  double r[2] = {}, active[6] = {7, 7, 7, 7, 7, 7};
  const std::int64_t none[] = {0};
  memory scratch(0, 0, 2);
  check(decoupled_advantages(cpu{.workspace = scratch.get()}, dara{}, {.rewards = {r, 0, 2}, .offsets = {none, 1}},
                             {.found_active = {active, 2, 3}}));
  for (const double x : active) CHECK(x == 0);
}

TEST_CASE("adaptive advantages of up to 64 rewards: the weighted sum of those of one each") {
  for (const std::int64_t rewards : {9, 21, 22, 24, 64}) {
    const std::vector<double> scales(static_cast<std::size_t>(rewards), 0.3);
    const std::vector<double> r = random_rewards(200, scales);
    std::vector<double> w;
    for (std::int64_t k = 0; k < rewards; ++k) w.push_back(0.1 * static_cast<double>(k % 7));
    const decoupled<> plain{.rule = {.epsilon = 1e-4}, .whiten = {.on = false}};
    const auto a = advantages(gdpo{.whiten = {.on = false}}, r, rewards, 8, w), b = advantages(plain, r, rewards, 8, w);
    for (std::size_t i = 0; i < a.size(); ++i) CHECK(std::fabs(a[i] - b[i]) < 1e-13);
  }
}

TEST_CASE("adaptive advantages: scale and shift of a reward change nothing where rewards are normalised") {
  const std::vector<double> r = random_rewards(160, {1, 1});
  std::vector<double> moved = r;
  for (std::size_t i = 0; i < r.size(); i += 2) moved[i] = 1024 * r[i] + 7;
  const auto apart = [&](const auto& rule) {
    const auto a = advantages(rule, r, 2, 8), b = advantages(rule, moved, 2, 8);
    double worst = 0;
    for (std::size_t i = 0; i < a.size(); ++i) worst = std::fmax(worst, std::fabs(a[i] - b[i]));
    return worst;
  };
  CHECK(apart(gdpo{.epsilon = 0.0}) < 1e-11);
  CHECK(apart(rvpo{.epsilon = 0.0}) < 1e-11);
  CHECK(apart(dara{.epsilon = 0.0}) < 1e-11);
  CHECK(apart(gd2po{.epsilon = 0.0}) < 1e-11);
  CHECK(apart(dvao{}) > 0.1);  // it counts by deviations, and CorrGRPO by differences
  CHECK(apart(corr_grpo{}) > 0.1);
}

TEST_CASE("adaptive advantages: how independent rewards of different scale correlate with them") {
  const std::vector<double> r = random_rewards(20000, {1, 0.3, 0.1});
  const auto of = [&](const auto& rule, std::size_t k) { return correlation(advantages(rule, r, 3, 20000), r, 3, k); };
  const double equal = 1 / std::sqrt(3.0), sum = std::sqrt(1 + 0.09 + 0.01);
  for (std::size_t k = 0; k < 3; ++k) {
    const double share = (k == 0 ? 1 : k == 1 ? 0.3 : 0.1) / sum;
    CHECK(of(gdpo{}, k) == doctest::Approx(equal).epsilon(0.03));
    CHECK(of(dara{}, k) == doctest::Approx(equal).epsilon(0.03));
    CHECK(of(dvao{}, k) == doctest::Approx(share).epsilon(0.02 / share));  // that of the weighted sum
    CHECK(of(corr_grpo{}, k) == doctest::Approx(share).epsilon(0.02 / share));
    CHECK(std::fabs(of(rvpo{}, k) - of(rvpo{}, 0)) < 0.03);
    CHECK(std::fabs(of(gd2po{}, k) - of(gd2po{}, 0)) < 0.03);
  }
}

TEST_CASE("adaptive advantages: what the rules are for") {
  // DARA: a reward that varies in one of four groups counts twice in it where it is good.
  std::vector<double> r;
  for (int g = 0; g < 4; ++g)
    for (int i = 0; i < 4; ++i) r.push_back(i < 2 ? 1 : 0), r.push_back(g == 0 && i % 2 == 0 ? 1 : 0);
  const auto a = advantages(dara{.epsilon = 0.0, .std = deviation::population, .whiten = {.on = false}}, r, 2, 4);
  CHECK(a[0] == doctest::Approx(3));
  CHECK(a[3] == doctest::Approx(-2));
  CHECK(a[2] == doctest::Approx(1));  // -1 + 2
  // Never more than `most` times; a reward of weight 0 has no say in what is rare; one that never varies adds nothing.
  std::vector<double> rare;
  for (int g = 0; g < 64; ++g)
    for (int i = 0; i < 2; ++i) {
      rare.push_back(i), rare.push_back(g == 0 ? i : 0), rare.push_back(0.7);
    }
  const dara plain{.most = 5.0, .epsilon = 0.0, .std = deviation::population, .whiten = {.on = false}};
  const auto b = advantages(plain, rare, 3, 2);
  CHECK((b[0] == -2 && b[1] == 6));
  CHECK(advantages(plain, rare, 3, 2, {0, 1, 1})[1] == 1);
  dara wide = plain;
  wide.most = 100.0;
  CHECK(advantages(wide, rare, 3, 2)[1] == 9);  // 1 + sqrt(64)
  // DVAO: a negative weight turns its reward round.
  const std::vector<double> penalised = advantages(dvao{}, {1, 3, 0, 1}, 2, 2, {1, -0.25});
  CHECK((penalised[0] == doctest::Approx(1.0 / 3) &&
         penalised[1] == doctest::Approx(-1.0 / 3)));  // (1/2 - 1/4) / (1/2 + 1/4)
  // GD2PO: of samples with (good, bad) rewards nothing is left, and the others know that half of the group is gone.
  const std::vector<double> mixed = {1, 1, 0, 0, 1, 0, 0, 1};
  const gd2po raw{.hard = true, .epsilon = 0.0, .std = deviation::population, .whiten = {.on = false}};
  const auto kept = advantages(raw, mixed, 2, 4);
  CHECK((kept[0] == doctest::Approx(1) && kept[1] == doctest::Approx(-1) && kept[2] == 0 && kept[3] == 0));
  // Half the weight for the second: mixed samples are (1, -1/2), a third in agreement, less as the slack says.
  const auto third = [&](double agreement, double slack, double second = 0.5) {
    gd2po rule = raw;
    rule.hard = false, rule.agreement = agreement, rule.slack = slack;
    const auto all = advantages(rule, mixed, 2, 4, {1, second});
    CHECK(all[3] == -all[2]);
    return all[2];
  };
  CHECK((third(0.32, 1e-8) == doctest::Approx(0.5) && third(0.35, 1e-8) == 0));
  CHECK((third(0.3, 0.125) == doctest::Approx(0.5) && third(0.3, 0.25) == 0));
  CHECK((third(0.125, 0.25, 0.75) == 0.25 && third(0.126, 0.25, 0.75) == 0));  // 1/4 of 7/4 + 1/4 is enough
  CHECK((third(0.5, 0.5) == 0.5 && third(0.5, 0.49) == 0));  // what is no more than the slack is no conflict
  // The largest and the least of all rewards, wherever they are: here the last ones are within the slack.
  gd2po three = raw;
  three.hard = false, three.agreement = 1.0, three.slack = 0.25;
  const auto within = advantages(three, {1, 1, 1, 0, 0, 0, 1, 0, 1, 0, 1, 0}, 3, 4, {1, 0.75, 0.125});
  CHECK((within[0] != 0 && within[2] == 0 && within[3] == 0));
  // DVAO: what hardly varies is not blown up.
  CHECK(advantages(dvao{}, {1, 1 + 1e-10}, 1, 2) == std::vector<double>{0, 0});
  CHECK(advantages(dvao{.epsilon = 0.0}, {1, 1 + 1e-10}, 1, 2)[1] == doctest::Approx(1));
  CHECK(advantages(dvao{.epsilon = 0.5}, {0, 1}, 1, 2) == std::vector<double>{0, 0});  // a deviation of 1/2
}

TEST_CASE("adaptive advantages: the same bits for any threads; no allocation") {
  adaptive_case<float> c({4, 300, 7, 2000, 70000}, 3, 0);
  c.by_tokens = true;
  memory scratch(c.n, c.total, 3);
  const decoupled_outputs<space::host> out{.advantage = c.advantage.view()};
  for (const auto& rule : every_rule) {
    INFO(rule.name);
    const auto in = c.inputs(rule.white.on);
    const long before = prefer_test::allocation_count();
    const status s = rule.run(cpu{.workspace = scratch.get()}, in, out);
    CHECK(prefer_test::allocation_count() == before);
    CHECK(s.ok());
    const auto bytes = c.advantage.bytes();
    for (const int threads : {2, 3, 8}) {
      thread_pool pool(threads);
      check(rule.run(cpu{.pool = pool, .workspace = scratch.get()}, in, out));
      CHECK(c.advantage.bytes() == bytes);
    }
    for (const char* tag : {"threads", "allocation"}) covers(rule.name, tag);
  }
}

TEST_CASE("decoupled advantages of a batch on several processes are those of one") {
  // Three processes with groups of their own; the last has none. Statistics are merged in between.
  const std::vector<double> r = random_rewards(80, {1, 0.3}, 6);
  std::vector<double> rare = r;
  for (std::size_t i = 24; i < 160; i += 2) rare[i + 1] = 0.7;  // the second reward varies in the first groups only
  std::vector<std::int64_t> o;
  for (std::int64_t at = 0; at <= 80; at += 4) o.push_back(at);
  std::vector<std::int32_t> tokens;
  for (int i = 0; i < 80; ++i) tokens.push_back(i % 7 + 1);
  struct part {
    std::int64_t first, groups;
  };
  const part parts[] = {{0, 13}, {13, 7}, {20, 0}};
  memory scratch(20, 80, 2);
  const cpu exec{.workspace = scratch.get()};
  const auto inputs_of = [&](const part& p, bool counted) {
    decoupled_inputs<space::host> in{.rewards = {rare.data(), 80, 2}, .offsets = {o.data() + p.first, p.groups + 1}};
    if (counted) in.tokens = {tokens.data(), 80};
    return in;
  };
  const auto spread = [&](const call_type& call, bool learns, bool counted) {
    std::vector<double> whole(80), mine(80);
    check(call(exec, inputs_of({0, 20}, counted), {.advantage = {whole.data(), 80}}));
    moments active[2], batch, one[2];
    for (const part& p : parts) {
      if (!learns) break;
      check(call(exec, inputs_of(p, counted), {.found_active = {&one[0].count, 2, 3}}));
      for (int k = 0; k < 2; ++k) active[k] = merge(active[k], one[k]);
    }
    const auto with_active = [&](const part& p) {
      auto in = inputs_of(p, counted);
      if (learns) in.active = {&active[0].count, 2, 3};
      return in;
    };
    for (const part& p : parts) {
      check(call(exec, with_active(p), {.found_batch = {&one[0].count, 3}}));
      batch = merge(batch, one[0]);
    }
    for (const part& p : parts) {
      auto in = with_active(p);
      in.batch = {&batch.count, 3};
      check(call(exec, in, {.advantage = {mine.data(), 80}}));
    }
    double worst = 0;
    for (std::size_t i = 0; i < 80; ++i) worst = std::fmax(worst, std::fabs(whole[i] - mine[i]));
    return worst;
  };
  for (const auto& rule : every_rule) {
    INFO(rule.name);
    const auto call = [&](const cpu& on, const auto& in, const auto& out) { return rule.run(on, in, out); };
    for (const bool counted : {false, true})
      if (rule.white.on) CHECK(spread(call, std::string(rule.name) == "dara", counted) < 1e-13);
  }
  const auto plain = [](const cpu& on, const auto& in, const auto& out) {
    return decoupled_advantages(on, decoupled<>{}, in, out);
  };
  CHECK(spread(plain, false, false) < 1e-13);
}

TEST_CASE("adaptive advantages name what is wrong, and write nothing") {
  const double r[6] = {1, 2, 3, 4, 5, 6};
  double a[3] = {-7, -7, -7};
  const std::int32_t o[] = {0, 3}, beyond[] = {0, 4}, tokens[] = {1, 2, 3};
  memory scratch(1, 3, 2);
  const cpu exec{.workspace = scratch.get()};
  using in = decoupled_inputs<space::host>;
  const auto refused = [&](const char* text, const auto& rule, const in& i, const cpu& on) {
    CHECK(std::string(message(decoupled_advantages(on, rule, i, {.advantage = {a, 3}})).c_str()).find(text) == 0);
    for (const double v : a) CHECK(v == -7);
  };
  const in good{.rewards = {r, 3, 2}, .offsets = {o, 2}};
  const in counted{.rewards = {r, 3, 2}, .offsets = {o, 2}, .tokens = {tokens, 3}};
  refused("prefer: unused input: tokens: expected to be left out, since this call does not whiten", dvao{}, counted,
          exec);
  refused("prefer: unused input: tokens", corr_grpo{}, counted, exec);
  refused("prefer: unused input: tokens", decoupled<>{}, counted, exec);
  refused("prefer: bad extent: tokens is 2, expected one per score: 3", gdpo{},
          {.rewards = {r, 3, 2}, .offsets = {o, 2}, .tokens = {tokens, 2}}, exec);
  const in known{.rewards = {r, 3, 2}, .offsets = {o, 2}, .batch = {r, 3}};
  refused("prefer: unused input: batch: expected to be left out, since this call does not whiten", dvao{}, known, exec);
  refused("prefer: unused input: batch", decoupled<>{.whiten = {.on = false}}, known, exec);
  refused("prefer: unused input: active", gdpo{}, {.rewards = {r, 3, 2}, .offsets = {o, 2}, .active = {r, 2, 3}}, exec);
  refused("prefer: bad extent: batch is 2", gdpo{}, {.rewards = {r, 3, 2}, .offsets = {o, 2}, .batch = {r, 2}}, exec);
  refused("prefer: bad extent: active is 1", dara{}, {.rewards = {r, 3, 2}, .offsets = {o, 2}, .active = {r, 1, 3}},
          exec);
  refused("prefer: bad offsets: offsets[1] is 4", rvpo{}, {.rewards = {r, 3, 2}, .offsets = {beyond, 2}}, exec);
  refused("prefer: workspace too small: exec.workspace.bytes is 0", dara{}, good, cpu{});
  refused("prefer: overlap: advantage", gdpo{}, {.rewards = {r, 3, 2}, .offsets = {o, 2}, .tokens = {a, 3}}, exec);
  refused("prefer: bad parameter: epsilon is -1", gdpo{.epsilon = -1.0}, good, exec);
  refused("prefer: bad parameter: epsilon is -1", gdpo{.whiten = {.epsilon = -1.0}}, good, exec);
  refused("prefer: bad parameter: epsilon is -1", dvao{.epsilon = -1.0}, good, exec);
  refused("prefer: bad parameter: beta is 0", rvpo{.beta = 0.0}, good, exec);
  refused("prefer: bad parameter: most is 0", dara{.most = 0.0}, good, exec);
  refused("prefer: bad parameter: agreement is -1", gd2po{.agreement = -1.0}, good, exec);
  refused("prefer: bad parameter: least is -1", corr_grpo{.least = -1.0}, good, exec);
  const double holes[6] = {1, 2, 3, missing, 5, 6};
  refused("prefer: not a number", gdpo{}, {.rewards = {holes, 3, 2}, .offsets = {o, 2}},
          {.content = content::all, .workspace = scratch.get()});
  for (const auto& rule : every_rule) covers(rule.name, "bad-argument");
}
