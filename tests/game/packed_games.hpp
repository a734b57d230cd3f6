// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/game/game.hpp>
#include <support/numbers.hpp>

#include <cmath>
#include <cstdint>
#include <memory>
#include <vector>

namespace prefer_test {

// Random games of given sizes, packed: the actions with a place between games that belongs to none, the tables from the
// last game to the first, with NaN between them. What is of no game holds NaN, or where it is written, 7.
struct packed_games {
  std::vector<std::int64_t> sizes, offsets, tables;
  std::int64_t largest = 0, all = 0;
  std::vector<double> preference, reference;
  std::unique_ptr<bool[]> possible;

  explicit packed_games(const std::vector<std::int64_t>& n, std::uint64_t seed = 1) : sizes(n), tables(n.size()) {
    noise random(seed);
    offsets.push_back(2);
    for (std::int64_t size : sizes) {
      offsets.push_back(offsets.back() + size);
      largest = size > largest ? size : largest;
    }
    all = offsets.back() + 1;
    reference.assign(static_cast<std::size_t>(actions()), std::nan(""));
    for (std::int64_t i = offsets[0]; i + 1 < all; ++i)
      reference[static_cast<std::size_t>(i)] = random.uniform(-1.5, 0.5);
    possible.reset(new bool[static_cast<std::size_t>(actions())]);
    for (std::int64_t i = 0; i < actions(); ++i) possible[static_cast<std::size_t>(i)] = true;
    for (std::size_t b = sizes.size(); b-- > 0;) {
      preference.resize(preference.size() + 3, std::nan(""));
      tables[b] = static_cast<std::int64_t>(preference.size());
      preference.resize(preference.size() + static_cast<std::size_t>(sizes[b] * sizes[b]), 0.5);
      for (std::int64_t i = 0; i < sizes[b]; ++i)
        for (std::int64_t j = 0; j < i; ++j) set(b, i, j, random.uniform(0, 1));
    }
    preference.push_back(std::nan(""));
  }
  std::int64_t count() const { return static_cast<std::int64_t>(sizes.size()); }
  std::int64_t actions() const { return all; }
  std::int64_t entries() const { return static_cast<std::int64_t>(preference.size()); }
  double& at(std::size_t b, std::int64_t i, std::int64_t j) {
    return preference[static_cast<std::size_t>(tables[b] + i * sizes[b] + j)];
  }
  void set(std::size_t b, std::int64_t i, std::int64_t j, double p) { at(b, i, j) = p, at(b, j, i) = 1 - p; }

  prefer::game_packing<prefer::space::host> packing() const {
    return {.offsets = {offsets.data(), count() + 1},
            .tables = {tables.data(), count()},
            .actions = actions(),
            .largest = largest};
  }
  prefer::games<prefer::space::host> view() const {
    return {.preference = {preference.data(), 1, 1, entries()},
            .reference = {reference.data(), 1, actions()},
            .possible = {possible.get(), 1, actions()},
            .packed = packing()};
  }
  // Game b by itself.
  prefer::games<prefer::space::host> alone(std::size_t b) const {
    const std::int64_t n = sizes[b];
    return {.preference = {preference.data() + tables[b], 1, n, n},
            .reference = {reference.data() + offsets[b], 1, n},
            .possible = {possible.get() + offsets[b], 1, n}};
  }
  // f(place in an array of actions, game, action) of every action, then f(place, -1, -1) of what is of no game.
  template <class F>
  void each_place(F f) const {
    for (std::size_t b = 0; b < sizes.size(); ++b)
      for (std::int64_t i = 0; i < sizes[b]; ++i)
        f(static_cast<std::size_t>(offsets[b] + i), static_cast<std::int64_t>(b), i);
    for (std::size_t k : {std::size_t{0}, std::size_t{1}, reference.size() - 1})
      f(k, std::int64_t{-1}, std::int64_t{-1});
  }
};

}  // namespace prefer_test
