// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <vector>

// The delivery task of Knox et al. 2022 as tables: 100 states, four moves, six features (gas, goal, sheep, coin,
// roadblock, mud).
namespace delivery {

inline constexpr std::int64_t side = 10, states = side * side, actions = 4, features = 6;
inline constexpr std::array<double, features> true_weights = {-1, 50, -50, 1, -1, -2};

enum cell { blank, goal, house, sheep, coin, roadblock, mud };        // + mud: the same in mud
inline constexpr int board[states] = {0, 0, 5, 0, 0, 0, 0, 0,  0, 0,  //
                                      0, 0, 0, 0, 4, 0, 0, 0,  0, 6,  //
                                      0, 0, 3, 0, 0, 0, 0, 6,  6, 6,  //
                                      4, 0, 5, 0, 2, 3, 3, 6,  6, 0,  //
                                      6, 6, 0, 0, 0, 0, 0, 0,  0, 0,  //
                                      6, 0, 4, 0, 0, 0, 0, 0,  0, 0,  //
                                      6, 2, 0, 3, 5, 2, 0, 0,  0, 0,  //
                                      0, 4, 0, 0, 0, 0, 0, 10, 6, 6,  //
                                      0, 0, 5, 0, 0, 0, 0, 6,  6, 7,  //
                                      0, 0, 0, 0, 0, 0, 5, 0,  0, 4};

inline int item(int code) { return code >= mud ? code - mud : code; }
inline bool is_terminal(std::int64_t s) { return item(board[s]) == goal || item(board[s]) == sheep; }

struct tables {
  std::vector<std::int32_t> next = std::vector<std::int32_t>(states * actions);
  std::vector<double> phi = std::vector<double>(states * actions * features);
  std::array<bool, states> terminal{};
  std::vector<std::int64_t> starts;  // neither terminal nor a house

  tables() {
    for (std::int64_t s = 0; s < states; ++s) {
      terminal[static_cast<std::size_t>(s)] = is_terminal(s);
      if (!is_terminal(s) && item(board[s]) != house) starts.push_back(s);
      for (std::int64_t a = 0; a < actions; ++a) move(s, a);
    }
  }

  double reward(std::int64_t s, std::int64_t a, const double* w) const {
    double r = 0;
    for (std::int64_t f = 0; f < features; ++f)
      r += w[f] * phi[static_cast<std::size_t>((s * actions + a) * features + f)];
    return r;
  }

 private:
  void move(std::int64_t s, std::int64_t a) {
    static constexpr int down[] = {-1, 1, 0, 0}, right[] = {0, 0, -1, 1};
    const std::int64_t y = s / side + down[a], x = s % side + right[a];
    const bool blocked = y < 0 || y >= side || x < 0 || x >= side || item(board[y * side + x]) == house;
    const std::int64_t to = blocked ? s : y * side + x;
    next[static_cast<std::size_t>(s * actions + a)] = static_cast<std::int32_t>(to);
    double* const f = &phi[static_cast<std::size_t>((s * actions + a) * features)];
    const bool muddy = board[to] >= mud;
    const int what = item(board[to]);
    if (!blocked && what == goal) return void(f[1] = 1);
    if (!blocked && what == sheep) return void(f[2] = 1);
    f[muddy ? 5 : 0] = 1;
    if (!blocked && what == coin) f[3] = 1;
    if (!blocked && what == roadblock) f[4] = 1;
  }
};

}  // namespace delivery
