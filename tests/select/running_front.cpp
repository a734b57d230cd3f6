// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/select/running_front.hpp>
#include <select/pareto_oracle.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <barrier>
#include <cstddef>
#include <cstring>
#include <string>
#include <thread>

using namespace prefer;
using prefer_test::covers;
using prefer_test::make_points;
using prefer_test::noise;
using prefer_test::pareto_case;
using prefer_test::points;

namespace {

constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

// Memory of a front, with room to spare between rows.
struct held_front {
  std::int64_t capacity, k;
  std::vector<double> rewards, violation;
  std::vector<std::int64_t> ids;
  std::int32_t count = 0;
  bool constrained;

  held_front(std::int64_t rows, std::int64_t objectives, bool violations)
      : capacity(rows),
        k(objectives),
        rewards(static_cast<std::size_t>(rows * (objectives + 1)), -77),
        violation(static_cast<std::size_t>(rows), -77),
        ids(static_cast<std::size_t>(rows), -77),
        constrained(violations) {}
  running_front view() {
    running_front f{.rewards = {rewards.data(), capacity, k, k + 1, 1},
                    .ids = {ids.data(), capacity},
                    .count = {&count, 1}};
    if (constrained) f.violation = {violation.data(), capacity};
    return f;
  }
  bool same(const held_front& o) const {
    bool equal = count == o.count;
    for (std::int64_t i = 0; equal && i < count; ++i) {
      const auto r = static_cast<std::size_t>(i), at = static_cast<std::size_t>(i * (k + 1));
      equal = ids[r] == o.ids[r] && (!constrained || violation[r] == o.violation[r]) &&
              std::memcmp(&rewards[at], &o.rewards[at], 8 * static_cast<std::size_t>(k)) == 0;  // a NaN is one
    }
    return equal;
  }
};

objectives options_of(const pareto_case& c) {
  objectives o{.directions = {c.directions.data(), c.k}, .dominance = c.dominance, .duplicates = c.duplicates,
               .nan = c.nan};
  if (!c.tolerances.empty()) o.tolerances = {c.tolerances.data(), c.k};
  return o;
}
front_samples part(const pareto_case& c, std::int64_t begin, std::int64_t end) {
  front_samples in{.rewards = {c.rewards.data() + begin * c.k, end - begin, c.k}, .first_id = begin};
  if (!c.violation.empty()) in.violation = {c.violation.data() + begin, end - begin};
  return in;
}
pareto_case draw(std::int64_t n, int k, int which, noise& random) {
  constexpr points kinds[] = {points::uniform, points::grid, points::anti_correlated, points::bits, points::infinite};
  pareto_case c{.n = n, .k = k, .rewards = make_points(kinds[which % 5], n, k, random)};
  for (int j = 0; j < k; ++j) c.directions.push_back((which + j) % 2 == 0 ? direction::maximize : direction::minimize);
  c.dominance = which % 3 == 0 ? dominance::strict : dominance::pareto;
  c.duplicates = which % 2 == 0 ? duplicates::keep : duplicates::first;
  c.nan = which % 4 < 2 ? nan_policy::worst : nan_policy::ignore;
  if (which % 4 == 3) c.tolerances.assign(static_cast<std::size_t>(k), 0.25);
  for (std::int64_t i = 0; i < n; i += 7) c.rewards[static_cast<std::size_t>(i * k)] = nan_value;
  if (which % 3 == 1)
    for (std::int64_t i = 0; i < n; ++i) c.violation.push_back(std::floor(random.uniform(0, 3)) - (i > n / 2 ? 1 : 0));
  return c;
}
bool is_front_of(const pareto_case& c, held_front& f) {
  const auto expected = c.front(0, c.n);
  return static_cast<std::size_t>(f.count) == expected.size() &&
         std::equal(expected.begin(), expected.end(), f.ids.begin());
}

}  // namespace

TEST_CASE("blocks of any size inserted one after the other are the front of all samples, with their ids") {
  noise random(1);
  for (int which = 0; which < 24; ++which)
    for (const std::int64_t block : {1, 3, 16, 40, 200}) {
      const std::int64_t n = block == 1 ? 30 : 200;
      const pareto_case c = draw(n, 1 + which % 5, which, random);
      held_front f(n, c.k, !c.violation.empty());
      for (std::int64_t i = 0; i < n; i += block)
        check(insert_into_front(cpu{}, options_of(c), f.view(), part(c, i, std::min(n, i + block))));
      CHECK(is_front_of(c, f));
      for (std::int64_t r = 0; r < f.count; ++r) {
        const auto at = static_cast<std::size_t>(r * (c.k + 1));
        const auto from = static_cast<std::size_t>(f.ids[static_cast<std::size_t>(r)] * c.k);
        CHECK(std::memcmp(&f.rewards[at], &c.rewards[from], 8 * static_cast<std::size_t>(c.k)) == 0);
        CHECK(f.rewards[at + static_cast<std::size_t>(c.k)] == -77);
      }
    }
  covers("running_front", "identity");
}

TEST_CASE("merging fronts is associative and commutative, and merging a front with itself changes nothing") {
  noise random(2);
  for (int which = 0; which < 24; ++which) {
    const std::int64_t n = 150;
    const pareto_case c = draw(n, 1 + which % 4, which, random);
    const objectives o = options_of(c);
    const auto front_of = [&](std::int64_t begin, std::int64_t end) {
      held_front f(n, c.k, !c.violation.empty());
      check(insert_into_front(cpu{}, o, f.view(), part(c, begin, end)));
      return f;
    };
    const auto merged = [&](held_front a, held_front b) {
      check(merge_fronts(cpu{}, o, a.view(), b.view()));
      return a;
    };
    held_front a = front_of(0, 40), b = front_of(40, 90), d = front_of(90, 150);
    held_front left = merged(merged(a, b), d);
    CHECK(left.same(merged(a, merged(b, d))));
    CHECK(left.same(merged(d, merged(b, a))));
    CHECK(left.same(merged(left, left)));
    CHECK(left.same(merged(left, b)));
    CHECK(is_front_of(c, left));
  }
}

namespace {

// Processes played by threads of this program.
struct ensemble {
  std::vector<std::vector<char>> slot;
  std::barrier<> everybody;
  explicit ensemble(std::size_t size) : slot(size), everybody(static_cast<std::ptrdiff_t>(size)) {}
};
struct member {
  ensemble* all;
  std::size_t rank;
  std::int64_t processes() const { return static_cast<std::int64_t>(all->slot.size()); }
  status gather(const void* mine, std::int64_t bytes, void* to) const {
    all->slot[rank].assign(static_cast<const char*>(mine), static_cast<const char*>(mine) + bytes);
    all->everybody.arrive_and_wait();
    for (std::size_t r = 0; r < all->slot.size(); ++r)
      std::memcpy(static_cast<char*>(to) + static_cast<std::int64_t>(r) * bytes, all->slot[r].data(),
                  all->slot[r].size());
    all->everybody.arrive_and_wait();
    return {};
  }
  status operator()(reduction, double* values, std::int64_t n) const {
    std::vector<double> every(static_cast<std::size_t>(n) * all->slot.size());
    const status s = gather(values, n * 8, every.data());
    for (std::size_t i = 0; i < every.size(); ++i)
      values[i % static_cast<std::size_t>(n)] = std::max(values[i % static_cast<std::size_t>(n)], every[i]);
    return s;
  }
};

}  // namespace

TEST_CASE("fronts of several processes become the front of all their samples, the same everywhere") {
  noise random(3);
  for (const int which : {0, 1, 2, 4, 7}) {
    constexpr std::size_t ranks = 3;
    const std::int64_t n = 120;
    const pareto_case c = draw(n, 3, which, random);
    const objectives o = options_of(c);
    ensemble group(ranks);
    std::vector<held_front> fronts(ranks, held_front(n, c.k, !c.violation.empty()));
    std::vector<std::thread> threads;
    bool ok[ranks] = {};
    for (std::size_t r = 0; r < ranks; ++r)
      threads.emplace_back([&, r] {
        const std::int64_t begin[] = {0, 10, 10, n};  // the second has none
        const member here{&group, r};
        ok[r] = insert_into_front(cpu{}, o, fronts[r].view(), part(c, begin[r], begin[r + 1])).ok() &&
                combine_fronts(cpu{}, o, fronts[r].view(), reducer(here)).ok();
      });
    for (std::thread& t : threads) t.join();
    for (std::size_t r = 0; r < ranks; ++r) CHECK((ok[r] && is_front_of(c, fronts[r])));
    held_front alone = fronts[0];
    check(combine_fronts(cpu{}, o, alone.view(), reducer()));
    CHECK(alone.same(fronts[1]));
  }
}

TEST_CASE("half-precision fronts with narrow ids, a mask, and no allocation with a workspace") {
  const float values[] = {1, 4, 2, 3, 9, 9, 3, 2, 4, 1, 0, 0};
  half rewards[12], rows[12];
  for (int i = 0; i < 12; ++i) rewards[i] = to_half(values[i]);
  const std::int32_t ids[] = {5, 6, 8, 10, 11, 20};
  std::int32_t held[6], count = 0;
  const bool mask[] = {true, true, false, true, true, true};
  const running_front front{.rewards = {rows, 6, 2}, .ids = {held, 6}, .count = {&count, 1}};
  std::vector<std::byte> memory(insert_into_front_workspace(cpu{}, {}, front, 6));
  cpu exec{.workspace = {memory.data(), memory.size()}};
  const front_samples in{.rewards = {rewards, 6, 2}, .ids = {ids, 6}, .mask = {mask, 6}};
  const long before = prefer_test::allocation_count();
  const status s = insert_into_front(exec, {}, front, in);
  CHECK(prefer_test::allocation_count() == before);
  CHECK(s.ok());
  CHECK((count == 4 && held[0] == 5 && held[1] == 6 && held[2] == 10 && held[3] == 11));
  CHECK((to_float(rows[2]) == 2 && to_float(rows[5]) == 2 && to_float(rows[6]) == 4));
  std::vector<std::byte> more(combine_fronts_workspace(cpu{}, {}, front, reducer()));
  exec.workspace = {more.data(), more.size()};
  const status c = combine_fronts(exec, {}, front, reducer());
  CHECK(prefer_test::allocation_count() == before + 1);  // `more`
  CHECK((c.ok() && count == 4));
  exec.workspace.bytes -= 1;
  CHECK(combine_fronts(exec, {}, front, reducer()).code == errc::small_workspace);
  exec.workspace.bytes = memory.size() - 1;
  CHECK(insert_into_front(exec, {}, front, in).code == errc::small_workspace);
  covers<half>("running_front", "sizes"), covers("running_front", "masked"), covers("running_front", "allocation");
}

TEST_CASE("every bad argument is named, and the front is as it was") {
  double r[8] = {1, 4, 2, 3, 3, 2, 4, 1}, rows[6] = {2, 2}, violation[4] = {};
  float narrow[8] = {};
  std::int64_t ids[3] = {7}, count = 1, sample_ids[4] = {1, 2, 8, 9};
  std::int32_t short_ids[3] = {7};
  const running_front front{.rewards = {rows, 3, 2}, .ids = {ids, 3}, .count = {&count, 1}};
  const front_samples good{.rewards = {r, 2, 2}};
  const auto refused = [&](errc code, const char* argument, const running_front& f, const front_samples& in,
                           const objectives& o = {}, std::int64_t index = -1) {
    const std::int64_t had = count;
    const status s = insert_into_front(cpu{}, o, f, in);
    INFO(std::string(message(s).c_str()) << " expected for " << std::string(argument));
    CHECK((s.code == code && std::string(s.argument) == argument && s.index == index));
    CHECK((count == had && rows[0] == 2 && ids[0] == 7));
  };
  const auto with = [&](auto change) {
    running_front f = front;
    change(f);
    return f;
  };
  refused(errc::missing_input, "front.rewards", {}, good);
  refused(errc::missing_input, "front.ids", with([](auto& f) { f.ids = {}; }), good);
  refused(errc::missing_input, "front.count", with([](auto& f) { f.count = {}; }), good);
  refused(errc::bad_extent, "front.ids", with([&](auto& f) { f.ids = {ids, 2}; }), good);
  refused(errc::bad_stride, "front.rewards", with([&](auto& f) { f.rewards = {rows, 3, 2, 1, 1}; }), good);
  refused(errc::bad_extent, "front.rewards", with([&](auto& f) { f.rewards = {rows, 3, 0}; }), good);
  refused(errc::bad_extent, "front.rewards", with([&](auto& f) { f.rewards = {rows, -3, 2}; }), good);
  refused(errc::overlap, "front.count", with([&](auto& f) { f.count = {ids, 1}; }), good);
  refused(errc::missing_input, "rewards", front, {});
  refused(errc::bad_element, "rewards", front, {.rewards = {narrow, 2, 2}});
  refused(errc::bad_extent, "rewards", front, {.rewards = {r, 2, 3}});
  refused(errc::missing_input, "front.violation", front, {.rewards = {r, 2, 2}, .violation = {violation, 2}});
  refused(errc::missing_input, "violation", with([&](auto& f) { f.violation = {violation, 3}; }), good);
  refused(errc::bad_element, "violation", with([&](auto& f) { f.violation = {violation, 3}; }),
          {.rewards = {r, 2, 2}, .violation = {narrow, 2}});
  refused(errc::bad_extent, "ids", front, {.rewards = {r, 2, 2}, .ids = {sample_ids, 3}});
  refused(errc::bad_extent, "mask", front, {.rewards = {r, 2, 2}, .mask = {static_cast<bool*>(nullptr), 3}});
  refused(errc::overlap, "front.rewards", front, {.rewards = {rows, 2, 2}});
  refused(errc::bad_parameter, "duplicates", front, good, {.duplicates = duplicates::drop});
  refused(errc::bad_index, "first_id", with([&](auto& f) { f.ids = {short_ids, 3}; }),
          {.rewards = {r, 2, 2}, .first_id = std::int64_t{1} << 40}, {}, 0);
  sample_ids[1] = 1;
  refused(errc::bad_index, "ids", front, {.rewards = {r, 4, 2}, .ids = {sample_ids, 4}}, {}, 1);
  refused(errc::bad_extent, "front.rewards", front, {.rewards = {r, 4, 2}});  // 4 rows and no room
  count = 4;
  refused(errc::bad_index, "front.count", front, good, {}, 0);
  count = -1;
  refused(errc::bad_index, "front.count", front, good, {}, 0);
  count = 2, ids[1] = 6;
  refused(errc::bad_index, "front.ids", front, good, {}, 1);
  count = 1, r[3] = nan_value;
  refused(errc::not_a_number, "rewards", front, {.rewards = {r, 2, 2}, .first_id = 8}, {}, 3);
  r[3] = 3, rows[1] = nan_value;
  refused(errc::not_a_number, "front.rewards", front, good, {}, 1);
  held_front bad(3, 2, false);
  bad.count = 9;
  CHECK(merge_fronts(cpu{}, {}, front, bad.view()).code == errc::bad_index);
  CHECK(combine_fronts(cpu{}, {}, bad.view(), reducer()).code == errc::bad_index);
  covers("running_front", "bad-argument");
}
