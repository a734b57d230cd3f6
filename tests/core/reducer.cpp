// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/reducer.hpp>
#include <prefer/loss/dpo.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <barrier>
#include <cstring>
#include <thread>
#include <vector>

using namespace prefer;

namespace {

// Processes played by threads of this program: everybody writes, waits, and reads in order of rank.
struct ensemble {
  std::vector<std::vector<char>> slot;
  std::barrier<> everybody;
  explicit ensemble(std::size_t size) : slot(size), everybody(static_cast<std::ptrdiff_t>(size)) {}
};
struct member {
  ensemble* group;
  std::size_t rank;

  std::int64_t processes() const { return static_cast<std::int64_t>(group->slot.size()); }
  status gather(const void* mine, std::int64_t bytes, void* all) const {
    const char* begin = static_cast<const char*>(mine);
    group->slot[rank].assign(begin, begin + bytes);
    group->everybody.arrive_and_wait();
    for (std::size_t r = 0; r < group->slot.size(); ++r)
      std::memcpy(static_cast<char*>(all) + static_cast<std::int64_t>(r) * bytes, group->slot[r].data(),
                  group->slot[r].size());
    group->everybody.arrive_and_wait();
    return {};
  }
  status operator()(reduction what, double* values, std::int64_t n) const {
    std::vector<double> all(static_cast<std::size_t>(n) * group->slot.size());
    const status s = gather(values, n * 8, all.data());
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
      values[i] = all[i];
      for (std::size_t r = 1; r < group->slot.size(); ++r) {
        const double x = all[r * static_cast<std::size_t>(n) + i];
        values[i] = what == reduction::sum ? values[i] + x : std::max(values[i], x);
      }
    }
    return s;
  }
};

}  // namespace

TEST_CASE("the default is one process: nothing moves") {
  const reducer alone;
  double x[] = {1, 2}, y[2] = {};
  CHECK(alone.processes() == 1);
  CHECK(alone(reduction::sum, x, 2).ok());
  CHECK(alone.gather(x, 16, y).ok());
  CHECK((x[0] == 1 && y[1] == 2));
}

TEST_CASE("ranks that agree on the normaliser through a reducer add up to the loss of the whole batch") {
  constexpr std::size_t ranks = 3;
  const double chosen[] = {-1, -5, -2, -8, -3, -4, -7, -6}, rejected[] = {-2, -2, -2, -2, -6, -6, -6, -6};
  const std::int64_t first[] = {0, 3, 4, 8};
  double whole = 0;
  const double zero = 0;
  check(evaluate<double>(cpu{}, dpo{},
                         {.policy_chosen = {chosen, 8},
                          .policy_rejected = {rejected, 8},
                          .reference_chosen = {&zero, 8, 0},
                          .reference_rejected = {&zero, 8, 0}},
                         {.loss = {&whole, 1}}));
  ensemble group(ranks);
  double total[ranks] = {}, most[ranks] = {};
  std::vector<std::thread> threads;
  for (std::size_t r = 0; r < ranks; ++r)
    threads.emplace_back([&, r] {
      const member me{&group, r};
      const reducer everywhere(me);
      const std::int64_t n = first[r + 1] - first[r];
      double count = static_cast<double>(n);
      most[r] = count;
      check(everywhere(reduction::sum, &count, 1));
      check(everywhere(reduction::max, &most[r], 1));
      check(evaluate<double>(cpu{}, dpo{},
                             {.policy_chosen = {chosen + first[r], n},
                              .policy_rejected = {rejected + first[r], n},
                              .reference_chosen = {&zero, n, 0},
                              .reference_rejected = {&zero, n, 0},
                              .normalizer = count},
                             {.loss = {&total[r], 1}}));
      check(everywhere(reduction::sum, &total[r], 1));
    });
  for (std::thread& t : threads) t.join();
  for (std::size_t r = 0; r < ranks; ++r) {
    CHECK(total[r] == doctest::Approx(whole).epsilon(1e-14));
    CHECK(most[r] == 4);
  }
}
