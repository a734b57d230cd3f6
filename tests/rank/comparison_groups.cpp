// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "fit_support.hpp"

#include <prefer/rank/comparison_groups.hpp>
#include <support/allocations.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace prefer;
using namespace prefer_test;

namespace {

struct groups {
  status answer;
  std::vector<std::int32_t> group;
  std::int64_t count = -1;
};

groups find(const comparisons<space::host>& data, std::int64_t items, const cpu& exec = {}) {
  groups g;
  g.group.assign(static_cast<std::size_t>(items), -5);
  g.answer = comparison_groups(exec, data, {.group = {g.group.data(), items}, .count = {&g.count, 1}});
  return g;
}

// Which items reach which, by Warshall's closure.
std::vector<std::vector<bool>> closure(const games& g) {
  const auto n = static_cast<std::size_t>(g.items);
  std::vector<std::vector<bool>> reach(n, std::vector<bool>(n));
  for (std::size_t k = 0; k < g.first.size(); ++k) {
    const auto i = static_cast<std::size_t>(g.first[k]), j = static_cast<std::size_t>(g.second[k]);
    if (g.first_wins[k] + g.ties[k] > 0) reach[i][j] = true;
    if (g.second_wins[k] + g.ties[k] > 0) reach[j][i] = true;
  }
  for (std::size_t k = 0; k < n; ++k)
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; reach[i][k] && j < n; ++j)
        if (reach[k][j]) reach[i][j] = true;
  for (std::size_t i = 0; i < n; ++i) reach[i][i] = true;
  return reach;
}

}  // namespace

TEST_CASE("groups are the classes of mutual reach, numbered from the top: random graphs against Warshall") {
  noise random(5);
  for (int round = 0; round < 200; ++round) {
    games g{.items = 1 + static_cast<std::int64_t>(random.bits() % 14)};
    for (std::uint64_t k = random.bits() % 25; k > 0 && g.items > 1; --k) {
      const auto n = static_cast<std::uint64_t>(g.items);
      const std::uint64_t i = random.bits() % n, j = (i + 1 + random.bits() % (n - 1)) % n, kind = random.bits() % 8;
      g.add(static_cast<std::int64_t>(i), static_cast<std::int64_t>(j), kind < 5 ? 1 : 0, kind == 5 ? 2 : 0,
            kind == 6 ? 1 : 0);
    }
    const auto reach = closure(g);
    const groups found = find(g.pairs(), g.items);
    REQUIRE(found.answer.ok());
    std::int32_t largest = -1;
    for (std::size_t i = 0; i < reach.size(); ++i) {
      largest = std::max(largest, found.group[i]);
      for (std::size_t j = 0; j < reach.size(); ++j) {
        CHECK((found.group[i] == found.group[j]) == (reach[i][j] && reach[j][i]));
        if (reach[i][j]) CHECK(found.group[i] <= found.group[j]);
      }
    }
    CHECK(found.count == largest + 1);
    // One group is exactly what a fit without a prior needs.
    CHECK((fit({}, g.pairs(), g.items).status.code != errc::not_connected) == (found.count == 1));
  }
}

TEST_CASE("a chain of wins as long as the data is deep does not recurse") {
  const std::int64_t n = 300000;
  const groups found = find(chain(n, 1, 0).pairs(false), n);
  CHECK(found.answer.ok());
  CHECK(found.count == n);
  for (std::int64_t i = 0; i < n; i += 997) CHECK(found.group[static_cast<std::size_t>(i)] == i);
  CHECK(find(chain(n, 1, 1).pairs(false), n).count == 1);
}

TEST_CASE("workspace, outputs and bad arguments of the groups") {
  const games g = random_graph(50, 100, 3);
  const std::size_t bytes = comparison_groups_workspace(cpu{}, g.pairs());
  std::vector<char> memory(bytes);
  std::vector<std::int64_t> group(100);
  const long before = allocation_count();
  CHECK(comparison_groups({.workspace = {memory.data(), bytes}}, g.pairs(), {.group = {group.data(), 50, 2}}).ok());
  CHECK(allocation_count() == before);
  const auto refused = [&](errc code, const char* argument, const cpu& exec, const comparisons<space::host>& data,
                           const group_outputs<space::host>& out) {
    const status s = comparison_groups(exec, data, out);
    INFO(message(s).c_str());
    CHECK(s.code == code);
    CHECK(std::string(s.argument) == argument);
  };
  const group_outputs<space::host> good{.group = {group.data(), 50}};
  refused(errc::small_workspace, "workspace", {.workspace = {memory.data(), bytes - 1}}, g.pairs(), good);
  refused(errc::missing_output, "outputs", {}, g.pairs(), {});
  refused(errc::bad_extent, "group", {}, g.pairs(), {.group = {group.data(), 49}});
  std::vector<double> wrong(50);
  refused(errc::bad_element, "group", {}, g.pairs(), {.group = {wrong.data(), 50}});
  refused(errc::overlap, "count", {}, g.pairs(), {.group = {group.data(), 50}, .count = {group.data() + 3, 1}});
  comparisons<space::host> bad = g.pairs();
  bad.items = 7;
  CHECK(comparison_groups({}, bad, {.count = {group.data(), 1}}).code == errc::bad_index);
}
