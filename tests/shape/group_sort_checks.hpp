// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/shape/group_sort.hpp>
#include <shape/networks.hpp>

#include <cmath>
#include <numeric>
#include <type_traits>

namespace prefer_test {

// Where the elements of sorted groups come from, by a stable sort.
inline std::vector<std::int64_t> sorted_places(const std::vector<double>& x, std::int64_t width, std::int64_t size,
                                               bool descending) {
  std::vector<std::int64_t> places(x.size());
  std::iota(places.begin(), places.end(), 0);
  for (std::int64_t at = 0; at < static_cast<std::int64_t>(x.size()); at += size)
    std::stable_sort(places.begin() + at, places.begin() + at + size, [&](std::int64_t a, std::int64_t b) {
      const double p = x[static_cast<std::size_t>(a)], q = x[static_cast<std::size_t>(b)];
      if (std::isnan(p) || std::isnan(q)) return !std::isnan(p) && std::isnan(q);
      return descending ? p > q : p < q;
    });
  for (std::int64_t& p : places) p %= width;
  return places;
}

inline constexpr std::int64_t sort_shapes[][3] = {
    {0, 4, 2},   {3, 0, 2},   {1, 1, 1},    {4, 1026, 2},    {9, 64, 2},    {3, 15, 3}, {7, 32, 8},
    {2, 33, 33}, {3, 64, 32}, {2, 140, 70}, {1, 1100, 1100}, {2, 1040, 16}, {2, 96, 3}, {4, 5, 5}};

// Numbers of which many are equal, zeros of both signs, infinities and, in every other row, NaN among them.
template <class S>
layer<S> make_units(std::int64_t rows, std::int64_t width) {
  layer<S> x(rows, width);
  noise random(91);
  x.fill([&](std::int64_t i, std::int64_t j) {
    const std::int64_t k = static_cast<std::int64_t>(random.bits() % 23);
    if (k == 0) return i % 2 == 0 ? not_a_number : 1;
    if (k < 3) return k == 1 ? HUGE_VAL : -HUGE_VAL;
    if (k < 5) return k == 3 ? 0.0 : -0.0;
    return (i + j) % 3 == 0 ? static_cast<double>(k % 4) - 1.5 : random.uniform(-2, 2);
  });
  return x;
}

// An index that is no permutation: a unit that several name gets their sum in double, rounded to S once. Half a unit
// twice is a unit, which a sum that is rounded at every addition never reaches.
template <class S, class Side>
void check_returned_sums() {
  for (const std::int64_t size : {4, 600, 1100}) {
    INFO("groups of " << size);
    layer<S> g(1, size), by_x(1, size);
    layer<std::int32_t> index(1, size);
    const double half_unit = std::ldexp(1.0, -storage<S>::digits);
    g.fill([&](std::int64_t, std::int64_t j) { return j == 0 ? 1 : j < 3 ? half_unit : 0.25; });
    for (std::int64_t j = 0; j < size; ++j) index.of.at(j) = static_cast<std::int32_t>(j < 3 ? size - 1 : j - 3);
    Side side;
    prefer::check(prefer::propagate_group_sort(side.exec, {.size = size}, {read(side, g), read(side, index)},
                                               {write(side, by_x)}));
    side.done();
    CHECK(by_x.intact());
    if (!std::is_same_v<S, double>) CHECK(by_x.get(0, size - 1) == 1 + 2 * half_unit);
    for (std::int64_t j = 0; j + 1 < size; ++j) CHECK(by_x.get(0, j) == (j + 3 < size ? 0.25 : 0));
  }
}

template <class S, class Side>
void check_group_sort() {
  bool descending = false;
  for (const auto& shape : sort_shapes) {
    const std::int64_t rows = shape[0], width = shape[1], size = shape[2];
    INFO(rows << " x " << width << " in groups of " << size);
    layer<S> x = make_units<S>(rows, width), sorted(rows, width), g = make_layer<S>(rows, width, 93, 0),
             by_x(rows, width);
    layer<std::int32_t> index(rows, width);
    const prefer::group_sort o{.size = size, .descending = descending};
    {
      Side side;
      prefer::check(prefer::sort_groups(side.exec, o, {read(side, x)}, {write(side, sorted), write(side, index)}));
      side.done();
    }
    Side side;
    prefer::check(prefer::propagate_group_sort(side.exec, o, {read(side, g), read(side, index)}, {write(side, by_x)}));
    side.done();
    CHECK((sorted.intact() && index.intact() && by_x.intact()));
    const std::vector<double> from = x.values(), to = sorted.values(), back = by_x.values(), given = g.values();
    const std::vector<std::int64_t> places = sorted_places(from, width, size, descending);
    int wrong = 0;
    for (std::size_t k = 0; k < places.size(); ++k) {
      const auto w = static_cast<std::size_t>(width);
      const std::size_t source = k / w * w + static_cast<std::size_t>(places[k]);
      wrong +=
          index.of.at(static_cast<std::int64_t>(k / w) * index.stride + static_cast<std::int64_t>(k % w)) != places[k];
      wrong += std::isnan(from[source]) ? !std::isnan(to[k])
                                        : to[k] != from[source] || std::signbit(to[k]) != std::signbit(from[source]);
      wrong += back[source] != given[k];
    }
    CHECK(wrong == 0);
    descending = !descending;
  }
  check_returned_sums<S, Side>();
  covers<S>("group_sort", "sizes");
}

}  // namespace prefer_test
