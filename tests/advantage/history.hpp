// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <advantage/group_advantage.hpp>
#include <prefer/advantage/history.hpp>

#include <deque>
#include <vector>

// Windows of scores by their definition: queues that lose their oldest.
namespace prefer_test {

struct three {
  long double count = 0, mean = 0, squares = 0;
};
inline three moments_by_definition(const numbers& x) {
  three m{static_cast<long double>(x.size()), mean_of(x), 0};
  for (const long double v : x) m.squares += (v - m.mean) * (v - m.mean);
  return m;
}

struct queues {
  std::size_t size;
  long double least;
  std::vector<std::deque<long double>> of_window;

  queues(std::size_t windows, std::size_t w, int fewest) : size(w), least(fewest), of_window(windows) {}
  std::vector<three> push(const grouped& x, const std::vector<std::int32_t>& window) {
    for (std::size_t g = 0; g < x.size(); ++g)
      for (const long double v : x[g]) {
        auto& q = of_window[static_cast<std::size_t>(window[g])];
        q.push_back(v);
        if (q.size() > size) q.pop_front();
      }
    std::vector<three> all;
    for (std::size_t g = 0; g < x.size(); ++g) {
      const auto& q = of_window[static_cast<std::size_t>(window[g])];
      all.push_back(moments_by_definition(numbers(q.begin(), q.end())));
      if (all.back().count < least) all.back() = moments_by_definition(all_of(x));
    }
    return all;
  }
};

inline bool near(const double* found, const three& m) {
  const auto close = [](double x, long double y) { return std::fabs(x - y) < 1e-13L * (1 + std::fabs(y)); };
  return close(found[0], m.count) && close(found[1], m.mean) && close(found[2], m.squares);
}

// A round of groups: their sizes, and windows that several of them share.
inline std::vector<int> round_sizes() { return {4, 0, 9, 3, 8, 1, 40, 2, 4}; }
inline std::vector<std::int32_t> round_windows() { return {3, 0, 5, 3, 1, 0, 2, 3, 6}; }

}  // namespace prefer_test
