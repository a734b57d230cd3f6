// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/nearest.hpp>
#include <prefer/shape/metric.hpp>
#include <support/side.hpp>

#include <algorithm>

// pair_fold, nearest and listed_fold against loops over all pairs, on either side. Coordinates and numbers are small
// integers, so that every distance and score is exact, and most are equal to others: ties decide.
namespace prefer_test {

// Two scores and an event that tell mine from other.
template <class T>
struct grid_fold {
  static constexpr int scores = 2;
  prefer::sink first, second, first_score, second_score, events;

  template <class V, class Mask>
  PREFER_HD void operator()(const V& distance, const V& mine, const V& other, V (&score)[2], Mask& event) const {
    score[0] = other - distance - mine;
    score[1] = prefer::math::select(distance == V(0), -prefer::math::detail::infinity<V>(), mine - other - distance);
    event = distance <= other + mine;
  }
  PREFER_HD void finish(std::int64_t q, const prefer::pair_best<T, 2>& best) const {
    using namespace prefer::detail;
    write_index(first, q, best.at[0]), write_index(second, q, best.at[1]), write_index(events, q, best.events);
    write_item(first_score, q, true, best.at[0] < 0 ? T(-99) : best.score[0], false);
    write_item(second_score, q, true, best.at[1] < 0 ? T(-99) : best.score[1], false);
  }
};

template <class T>
struct grid_rows {
  std::int64_t n, width, stride;
  buffer<T> point, number;
  buffer<bool> mask;

  grid_rows(std::int64_t rows, std::int64_t coordinates, std::uint64_t seed)
      : n(rows),
        width(coordinates),
        stride(coordinates + 2),
        point(rows * (coordinates + 2)),
        number(rows, 3),
        mask(rows, 2) {
    noise random(seed);
    for (std::int64_t i = 0; i < n; ++i) {
      for (std::int64_t d = 0; d < width; ++d) at(i, d) = static_cast<T>(std::floor(random.uniform(-2, 3)));
      number.at(i) = static_cast<T>(std::floor(random.uniform(-3, 4)));
      mask.at(i) = i % 13 != 6;
      if (!mask.at(i)) number.at(i) = static_cast<T>(not_a_number);
      if (i % 17 == 3) at(i, width - 1) = static_cast<T>(i % 2 == 0 ? not_a_number : -HUGE_VAL);
    }
  }
  T& at(std::int64_t i, std::int64_t d) { return point.at(i * stride + d); }
  bool finite(std::int64_t i) {
    bool all = std::isfinite(number.at(i));
    for (std::int64_t d = 0; d < width; ++d) all = all && std::isfinite(at(i, d));
    return all;
  }
};

// Points and queries, which of them meet, and how far apart they are.
template <class T>
struct grid_case {
  prefer::pairs_among among;
  grid_rows<T> points, others;

  grid_case(prefer::pairs_among which, std::int64_t n, std::int64_t m, std::int64_t width)
      : among(which), points(n, width, 5), others(m, width, 6) {}
  bool same() const { return among != prefer::pairs_among::query_and_point; }
  grid_rows<T>& queries() { return same() ? points : others; }
  bool meet(std::int64_t q, std::int64_t p) {
    const bool counts = queries().finite(q) && points.finite(p) && points.mask.at(p) && (!same() || points.mask.at(q));
    return counts && !(among == prefer::pairs_among::others && p == q) &&
           !(among == prefer::pairs_among::later && p <= q);
  }
  T apart(std::int64_t q, std::int64_t p) {
    T sum = 0;
    for (std::int64_t d = 0; d < points.width; ++d) sum += std::fabs(queries().at(q, d) - points.at(p, d));
    return sum;
  }
  template <class Side>
  prefer::pair_fold_arguments arguments(Side& side) {
    const auto rows = [&](grid_rows<T>& r) {
      const auto v = side.read(r.point, r.n, r.width, r.stride);
      return prefer::row_source{v.data, r.stride, 1, prefer::element_of<T>()};
    };
    const auto column = [&](auto& b, prefer::element type) {
      const auto v = side.read(b);
      return prefer::source{v.data, v.stride[0], type};
    };
    prefer::pair_fold_arguments a;
    a.point = rows(points), a.other = column(points.number, prefer::element_of<T>());
    a.mask = column(points.mask, prefer::element::boolean);
    a.points = points.n, a.queries = queries().n, a.width = points.width, a.among = among;
    if (!same()) a.query = rows(others), a.mine = column(others.number, prefer::element_of<T>());
    return a;
  }
};

// What a fold found, and what it should have: f(meets) for the points that a query may meet, in any order.
template <class T>
struct fold_found {
  buffer<std::int64_t> first, second, events;
  buffer<T> first_score, second_score;

  explicit fold_found(std::int64_t m) : first(m), second(m), events(m), first_score(m), second_score(m) {}
  template <class Side>
  grid_fold<T> fold(Side& side) {
    const auto to = [&](auto& b) {
      const auto v = side.write(b);
      return prefer::sink{v.data, 1, prefer::element_of<std::remove_cvref_t<decltype(b.at(0))>>()};
    };
    return {to(first), to(second), to(first_score), to(second_score), to(events)};
  }
  void check(grid_case<T>& c, std::int64_t q, const std::vector<std::int64_t>& met) {
    std::int64_t at[2] = {-1, -1}, count = 0;
    T best[2] = {-99, -99};
    for (std::int64_t p : met) {
      if (!c.meet(q, p)) continue;
      const T apart = c.apart(q, p), mine = c.queries().number.at(q), other = c.points.number.at(p);
      const T score[2] = {other - apart - mine, mine - other - apart};
      for (int k = 0; k < 2; ++k) {
        if (k == 1 && apart == 0) continue;
        if (at[k] < 0 || score[k] > best[k] || (score[k] == best[k] && p < at[k])) best[k] = score[k], at[k] = p;
      }
      count += apart <= other + mine ? 1 : 0;
    }
    CHECK((first.at(q) == at[0] && first_score.at(q) == best[0]));
    CHECK((second.at(q) == at[1] && second_score.at(q) == best[1]));
    CHECK(events.at(q) == count);
  }
  bool intact() {
    return first.intact() && second.intact() && events.intact() && first_score.intact() && second_score.intact();
  }
};

// {points, queries, coordinates}: around lanes, tiles, pieces and tasks; few queries and many points.
inline constexpr std::int64_t grid_shapes[][3] = {{0, 3, 1},   {1, 1, 1},   {15, 17, 3},  {16, 16, 16}, {17, 1, 17},
                                                  {63, 65, 5}, {64, 64, 2}, {65, 130, 4}, {520, 3, 2}};

template <class T, class Side, class Exec>
void check_pair_fold(prefer::pairs_among among, const Exec& change) {
  for (const auto& [n, m, width] : grid_shapes) {
    grid_case<T> c(among, n, m, width);
    Side side;
    change(side.exec);
    fold_found<T> found(c.queries().n);
    REQUIRE(pair_fold<T>(side.exec, prefer::metric::l1{}, found.fold(side), c.arguments(side)).ok());
    side.done();
    std::vector<std::int64_t> all;
    for (std::int64_t p = 0; p < n; ++p) all.push_back(p);
    for (std::int64_t q = 0; q < c.queries().n; ++q) found.check(c, q, all);
    CHECK(found.intact());
  }
}

template <class T, class Side, class Exec>
void check_nearest(prefer::pairs_among among, const Exec& change) {
  for (const auto& [n, m, width] : grid_shapes)
    for (std::int64_t k : {1, 5, 40}) {
      grid_case<T> c(among, n, m, width);
      const std::int64_t queries = c.queries().n;
      Side side;
      change(side.exec);
      buffer<T> distance(queries * k);
      buffer<std::int64_t> point(queries * k);
      const prefer::nearest_lists<T> lists{k, side.write(distance).data, side.write(point).data};
      prefer::pair_fold_arguments a = c.arguments(side);
      REQUIRE(nearest(side.exec, prefer::metric::l1{}, lists, a).ok());
      side.done();
      CHECK((distance.intact() && point.intact()));
      for (std::int64_t q = 0; q < queries; ++q) {
        std::vector<std::pair<T, std::int64_t>> wanted;
        for (std::int64_t p = 0; p < n; ++p)
          if (c.meet(q, p)) wanted.emplace_back(c.apart(q, p), p);
        std::sort(wanted.begin(), wanted.end());
        bool right = true;
        for (std::int64_t e = 0; e < k; ++e) {
          const bool there = static_cast<std::size_t>(e) < wanted.size();
          const auto& [apart, at] =
              there ? wanted[static_cast<std::size_t>(e)] : std::pair<T, std::int64_t>{HUGE_VAL, -1};
          right = right && distance.at(q * k + e) == apart && point.at(q * k + e) == at;
        }
        CHECK(right);
      }
    }
}

template <class T, class Side, class Exec>
void check_listed_fold(prefer::pairs_among among, const Exec& change) {
  for (const auto& [n, m, width] : grid_shapes)
    for (std::int64_t k : {0, 1, 15, 33}) {
      grid_case<T> c(among, n, m, width);
      const std::int64_t queries = c.queries().n;
      buffer<std::int32_t> list(queries * (k + 1));
      noise random(7);
      for (std::int64_t e = 0; e < queries * (k + 1); ++e)
        list.at(e) = static_cast<std::int32_t>(std::floor(random.uniform(-2, static_cast<double>(n) + 2)));
      Side side;
      change(side.exec);
      fold_found<T> found(queries);
      const auto rows = side.read(list, queries, k, k + 1);
      const prefer::listed_points listed{{rows.data, k + 1, 1, prefer::element::i32}, k};
      REQUIRE(listed_fold<T>(side.exec, prefer::metric::l1{}, found.fold(side), listed, c.arguments(side)).ok());
      side.done();
      for (std::int64_t q = 0; q < queries; ++q) {
        std::vector<std::int64_t> met;
        for (std::int64_t e = 0; e < k; ++e)
          if (const std::int64_t p = list.at(q * (k + 1) + e); p >= 0 && p < n) met.push_back(p);
        found.check(c, q, met);
      }
      CHECK(found.intact());
    }
}

}  // namespace prefer_test
