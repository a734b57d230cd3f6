// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/thread_pool.hpp>
#include <prefer/game/preference.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>
#include <support/numbers.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

using namespace prefer;
using prefer_test::covers;

namespace {

template <class T>
std::vector<T> random_table(std::int64_t batch, std::int64_t n, double high) {
  prefer_test::noise random(static_cast<std::uint64_t>(n));
  std::vector<T> x;
  for (std::int64_t i = 0; i < batch * n * n; ++i) x.push_back(static_cast<T>(random.uniform(0, high)));
  return x;
}

// f(i, j, P(i, j), P(j, i)) of every entry of [B, n, n], after a look at antisymmetry.
template <class T, class F>
void each_entry(const std::vector<T>& p, std::int64_t n, F f) {
  const auto rows = static_cast<std::size_t>(n);
  for (std::size_t k = 0; k < p.size(); ++k) {
    const std::size_t b = k / (rows * rows), i = k / rows % rows, j = k % rows, mirror = (b * rows + j) * rows + i;
    CHECK(std::abs(static_cast<double>(p[k]) + static_cast<double>(p[mirror]) - 1) <= antisymmetry_tolerance<T>);
    if (i == j) CHECK(p[k] == T(0.5));
    f(k, mirror, i == j);
  }
}

// One rounding to T, and the mirror's.
template <class T>
constexpr double tolerance = sizeof(T) == 4 ? 1.2e-7 : 3e-16;

template <class T>
void check_tables(std::int64_t n) {
  const std::int64_t batch = 3;
  const auto noisy = random_table<T>(batch, n, 1), wins = random_table<T>(batch, n, 40);
  std::vector<T> p(noisy.size()), in_place = noisy, scores(wins.begin(), wins.begin() + batch * n);
  check(antisymmetrize<T>(cpu{}, {noisy.data(), batch, n, n}, {p.data(), batch, n, n}));
  each_entry(p, n, [&](std::size_t k, std::size_t mirror, bool) {
    const double exact = (static_cast<double>(noisy[k]) + 1 - static_cast<double>(noisy[mirror])) / 2;
    CHECK(std::abs(static_cast<double>(p[k]) - exact) <= tolerance<T>);
  });
  check(antisymmetrize<T>(cpu{}, {in_place.data(), batch, n, n}, {in_place.data(), batch, n, n}));
  CHECK(in_place == p);
  check(antisymmetrize<T>(cpu{}, {p.data(), batch, n, n}, {in_place.data(), batch, n, n}));
  for (std::size_t k = 0; k < p.size(); ++k)
    CHECK(std::abs(static_cast<double>(p[k]) - static_cast<double>(in_place[k])) <= tolerance<T>);
  check(preference_from_counts<T>(cpu{}, {wins.data(), batch, n, n}, 1.5, {p.data(), batch, n, n}));
  each_entry(p, n, [&](std::size_t k, std::size_t mirror, bool diagonal) {
    const double won = static_cast<double>(wins[k]) + 1.5, lost = static_cast<double>(wins[mirror]) + 1.5;
    if (!diagonal) CHECK(std::abs(static_cast<double>(p[k]) - won / (won + lost)) <= tolerance<T>);
  });
  check(preference_from_scores<T>(cpu{}, {scores.data(), batch, n}, 0.2, {p.data(), batch, n, n}));
  each_entry(p, n, [&](std::size_t k, std::size_t mirror, bool) {
    const auto rows = static_cast<std::size_t>(n);
    const double d = 0.2 * (static_cast<double>(scores[k / rows]) - static_cast<double>(scores[mirror / rows]));
    CHECK(std::abs(static_cast<double>(p[k]) - 1 / (1 + std::exp(-d))) <= 2 * tolerance<T>);
  });
  for (const char* name : {"antisymmetrize", "preference_from_counts", "preference_from_scores"})
    covers<T>(name, "sizes");
}

}  // namespace

TEST_CASE("tables are what their formulas say, and antisymmetric to a rounding") {
  for (std::int64_t n : {1, 2, 5, 40}) check_tables<double>(n), check_tables<float>(n);
  for (const char* name : {"antisymmetrize", "preference_from_counts", "preference_from_scores"})
    covers(name, "golden"), covers(name, "identity");
}

TEST_CASE("pairs that never met are even, certain winners stay certain, and scores far apart do not overflow") {
  const double wins[] = {9, 0, 3, 0, 9, 0, 0, 0, 9};
  double p[9];
  check(preference_from_counts(cpu{}, {wins, 1, 3, 3}, 0, {p, 1, 3, 3}));
  CHECK((p[1] == 0.5 && p[3] == 0.5 && p[2] == 1 && p[6] == 0));
  const double scores[] = {-1e5, 1e5, 0};
  check(preference_from_scores(cpu{}, {scores, 1, 3}, 1, {p, 1, 3, 3}));
  CHECK((p[1] == 0 && p[3] == 1 && p[0] == 0.5));
}

TEST_CASE("somebody is asked once for every pair, in order, and not again after an answer that is none") {
  std::vector<std::pair<std::int64_t, std::int64_t>> asked;
  std::vector<double> p(2 * 9);
  const auto ask = [&](std::int64_t b, std::int64_t i, std::int64_t j) {
    asked.emplace_back(i, j);
    return b == 0 ? 0.25 : 0.1 * static_cast<double>(i + j);
  };
  check(preference_from(cpu{}, ask, {p.data(), 2, 3, 3}));
  CHECK(asked == std::vector<std::pair<std::int64_t, std::int64_t>>{{0, 1}, {0, 2}, {1, 2}, {0, 1}, {0, 2}, {1, 2}});
  each_entry(p, 3, [](std::size_t, std::size_t, bool) {});
  CHECK((p[1] == 0.25 && p[3] == 0.75 && p[9 + 5] == 0.1 * 3));
  asked.clear();
  const auto broken = [&](std::int64_t, std::int64_t i, std::int64_t j) {
    asked.emplace_back(i, j);
    return j == 2 ? 1.1 : 0.5;
  };
  const status s = preference_from(cpu{}, broken, {p.data(), 2, 3, 3});
  CHECK((s.code == errc::bad_label && s.index == 2 && std::string(s.argument) == "ask" && asked.size() == 2));
  CHECK(preference_from(cpu{}, [](auto...) { return std::nan(""); }, {p.data(), 2, 3, 3}).code == errc::not_a_number);
  CHECK(preference_from(cpu{}, ask, {p.data(), 2, 3, 2}).code == errc::bad_extent);
}

TEST_CASE("strides, threads, and no allocation") {
  thread_pool pool(3);
  const std::int64_t n = 150;
  const auto noisy = random_table<double>(2, n, 1);
  std::vector<double> p(noisy.size()), q(noisy.size()), spread(noisy.size() * 2, 7.0);
  check(antisymmetrize(cpu{}, {noisy.data(), 2, n, n}, {p.data(), 2, n, n}));
  const cpu exec{.pool = pool};
  const long before = prefer_test::allocation_count();
  const status s = antisymmetrize(exec, {noisy.data(), 2, n, n}, {q.data(), 2, n, n});
  check(preference_from(exec, [](auto...) { return 0.5; }, {spread.data(), 2, n, n}));
  CHECK(prefer_test::allocation_count() == before);
  check(s);
  CHECK(p == q);
  std::fill(spread.begin(), spread.end(), 7.0);
  // A transposed input and an output between others give the transposed table.
  check(antisymmetrize(exec, {noisy.data(), 2, n, n, n * n, 1, n}, {spread.data(), 2, n, n, 2 * n * n, 2 * n, 2}));
  for (std::int64_t k = 0; k < n * n; ++k) {
    const double got = spread[static_cast<std::size_t>(2 * k)];
    CHECK(std::abs(got - p[static_cast<std::size_t>(k % n * n + k / n)]) < 3e-16);
    CHECK(spread[static_cast<std::size_t>(2 * k + 1)] == 7.0);
  }
  check(preference_from_counts(exec, {noisy.data(), 2, n, n, 0, n, 1}, 0, {q.data(), 2, n, n}));
  CHECK(std::equal(q.begin(), q.begin() + n * n, q.begin() + n * n));
  check(preference_from_scores(exec, {noisy.data(), 2, n, 0, 1}, 1, {q.data(), 2, n, n}));
  CHECK(std::equal(q.begin(), q.begin() + n * n, q.begin() + n * n));
  for (const char* name : {"antisymmetrize", "preference_from_counts", "preference_from_scores"})
    for (const char* tag : {"threads", "strides", "allocation"}) covers(name, tag);
}

TEST_CASE("what no table can be made of is refused by name and place") {
  const double nan = std::nan("");
  double in[8] = {0.5, 0.2, 0.7, 0.5, 0.5, 0.1, 0.9, 0.5}, p[8] = {};
  const auto refused = [&](const status& s, errc code, const char* argument, std::int64_t index) {
    INFO(message(s).text);
    CHECK((s.code == code && std::string(s.argument) == argument && s.index == index && p[0] == 0));
  };
  const auto with = [&](std::size_t at, double bad, auto call) {
    const double kept = in[at];
    in[at] = bad;
    call();
    in[at] = kept;
  };
  const auto repair = [&] { return antisymmetrize(cpu{}, {in, 2, 2, 2}, {p, 2, 2, 2}); };
  const auto count = [&] { return preference_from_counts(cpu{}, {in, 2, 2, 2}, 0, {p, 2, 2, 2}); };
  const auto score = [&] { return preference_from_scores(cpu{}, {in, 2, 2}, 1, {p, 2, 2, 2}); };
  with(5, nan, [&] { refused(repair(), errc::not_a_number, "preference", 5); });
  with(5, 1.1, [&] { refused(repair(), errc::bad_label, "preference", 5); });
  with(6, -1, [&] { refused(count(), errc::bad_label, "wins", 6); });
  with(6, HUGE_VAL, [&] { refused(count(), errc::bad_label, "wins", 6); });
  with(3, nan, [&] { refused(score(), errc::not_a_number, "scores", 3); });
  with(3, HUGE_VAL, [&] { refused(score(), errc::bad_label, "scores", 3); });
  refused(antisymmetrize(cpu{}, {in, 2, 2, 2}, {p, 2, 2, 1}), errc::bad_extent, "out", -1);
  refused(antisymmetrize(cpu{}, {in, 2, 2, 2}, {in + 1, 1, 2, 2}), errc::bad_extent, "out", -1);
  refused(antisymmetrize(cpu{}, {in, 1, 2, 2}, {in + 1, 1, 2, 2}), errc::overlap, "out", -1);
  refused(preference_from_counts(cpu{}, {in, 2, 2, 2}, 0, {in, 2, 2, 2}), errc::overlap, "out", -1);
  refused(preference_from_counts(cpu{}, {in, 2, 2, 2}, -1, {p, 2, 2, 2}), errc::bad_parameter, "prior", -1);
  refused(preference_from_scores(cpu{}, {in, 2, 2}, nan, {p, 2, 2, 2}), errc::bad_parameter, "scale", -1);
  for (const char* name : {"antisymmetrize", "preference_from_counts", "preference_from_scores"})
    covers(name, "bad-argument");
}
