// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/shape/lipschitz_constant.hpp>
#include <prefer/shape/lipschitz_extension.hpp>
#include <prefer/shape/nearest_neighbors.hpp>
#include <support/side.hpp>

#include <algorithm>

// The tools on all pairs of samples against their definitions, by brute force in long double, on either side.
namespace prefer_test {

// Distances by their formulas.
inline long double apart(const prefer::metric::l1&, const std::vector<double>& x, const std::vector<double>& y) {
  long double sum = 0;
  for (std::size_t d = 0; d < x.size(); ++d) sum += std::fabs(static_cast<long double>(x[d]) - y[d]);
  return sum;
}
inline long double apart(const prefer::metric::l2&, const std::vector<double>& x, const std::vector<double>& y) {
  long double sum = 0;
  for (std::size_t d = 0; d < x.size(); ++d)
    sum += (static_cast<long double>(x[d]) - y[d]) * (static_cast<long double>(x[d]) - y[d]);
  return std::sqrt(sum);
}
inline long double apart(const prefer::metric::linf&, const std::vector<double>& x, const std::vector<double>& y) {
  long double most = 0;
  for (std::size_t d = 0; d < x.size(); ++d) most = std::max(most, std::fabs(static_cast<long double>(x[d]) - y[d]));
  return most;
}

// N samples, some masked out (holding NaN), some not finite, some twice.
template <class S>
struct sample_case {
  std::int64_t n, width, row_stride;
  buffer<S> point, value;
  buffer<bool> mask;

  sample_case(std::int64_t samples, std::int64_t dimensions, std::uint64_t seed, bool damaged = true)
      : n(samples),
        width(dimensions),
        row_stride(dimensions + 3),
        point(samples * (dimensions + 3)),
        value(samples, 2),
        mask(samples) {
    noise random(seed);
    for (std::int64_t i = 0; i < n; ++i) {
      for (std::int64_t d = 0; d < width; ++d) set(i, d, random.uniform(-1, 1));
      value.set(i, random.uniform(-2, 2));
      mask.at(i) = true;
      if (!damaged) continue;
      if (i % 11 == 5) mask.at(i) = false, value.set(i, not_a_number), set(i, 0, not_a_number);
      if (i % 23 == 9) set(i, width - 1, i % 2 == 0 ? HUGE_VAL : not_a_number);
      if (i % 29 == 12) value.set(i, -HUGE_VAL);
    }
  }
  double get(std::int64_t i, std::int64_t d) { return point.get(i * row_stride + d); }
  void set(std::int64_t i, std::int64_t d, double x) { point.set(i * row_stride + d, x); }
  std::vector<double> row(std::int64_t i) {
    std::vector<double> x;
    for (std::int64_t d = 0; d < width; ++d) x.push_back(point.get(i * row_stride + d));
    return x;
  }
  bool counts(std::int64_t i) {
    bool finite = mask.at(i) && std::isfinite(value.get(i));
    for (double x : row(i)) finite = finite && std::isfinite(x);
    return finite;
  }
  template <class Side>
  auto read(Side& side) {
    return prefer::value_samples<Side::memory>{
        .point = side.read(point, n, width, row_stride), .value = side.read(value), .mask = side.read(mask)};
  }
};

// Sums of 64 terms and less in float, and their comparison: a few units.
template <class S>
inline constexpr double pair_error = std::is_same_v<S, double> ? 1e-14 : 4e-6;

inline constexpr std::int64_t sample_shapes[][2] = {{0, 3},  {1, 2},   {2, 1},   {15, 4}, {16, 1},
                                                    {17, 3}, {65, 17}, {140, 5}, {300, 2}};

template <class S, class Side, class Metric>
void check_constant(const Metric& metric, double tolerance) {
  for (const auto& [n, width] : sample_shapes) {
    sample_case<S> c(n, width, 7);
    if (n > 40)  // equal points: with one value, and with another
      for (std::int64_t d = 0; d < width; ++d) c.set(31, d, c.get(30, d)), c.set(33, d, c.get(32, d));
    if (n > 40) c.value.set(31, c.value.get(30)), c.value.set(33, c.value.get(32));
    buffer<double> constant(1);
    buffer<std::int32_t> pair(2), conflicts(1), partner(n);
    buffer<S> local(n);
    Side side;
    prefer::check(prefer::find_lipschitz_constant(
        side.exec, {.tolerance = tolerance}, metric, c.read(side),
        {.constant = side.write(constant), .pair = side.write(pair), .conflicts = side.write(conflicts)}));
    prefer::check(prefer::find_lipschitz_constant(side.exec, {.tolerance = tolerance}, metric, c.read(side),
                                                  {.local = side.write(local), .partner = side.write(partner)}));
    side.done();
    CHECK((constant.intact() && pair.intact() && conflicts.intact() && local.intact() && partner.intact()));
    long double most = -1;
    const auto slope = [&](std::int64_t i, std::int64_t j) -> long double {
      const long double excess = std::fabs(static_cast<long double>(c.value.get(i)) - c.value.get(j)) - tolerance;
      return excess <= 0 ? 0 : excess / apart(metric, c.row(i), c.row(j));
    };
    for (std::int64_t i = 0; i < n; ++i) {
      long double steepest = -1;
      for (std::int64_t j = 0; j < n && c.counts(i); ++j)
        if (j != i && c.counts(j)) steepest = std::max(steepest, slope(i, j));
      most = std::max(most, steepest);
      const double got = local.get(i), wanted = static_cast<double>(std::max(steepest, 0.0L));
      CHECK(std::fabs(got - wanted) <= pair_error<S> * wanted + rounding_of<S>(wanted));
      CHECK((partner.at(i) >= 0) == (steepest >= 0));
      if (partner.at(i) >= 0) CHECK(slope(i, partner.at(i)) >= steepest * (1 - pair_error<S>));
    }
    CHECK(conflicts.at(0) == 0);
    if (most < 0) {
      CHECK((constant.at(0) == 0 && pair.at(0) == -1 && pair.at(1) == -1));
      continue;
    }
    REQUIRE((0 <= pair.at(0) && pair.at(0) < pair.at(1) && pair.at(1) < n));
    CHECK(std::fabs(constant.at(0) - static_cast<double>(slope(pair.at(0), pair.at(1)))) <= 1e-14 * constant.at(0));
    CHECK(constant.at(0) >= static_cast<double>(most) * (1 - pair_error<S>));
  }
  covers<S>("lipschitz_constant", "sizes");
}

template <class S, class Side, class Metric>
void check_extension(const Metric& metric, bool elsewhere) {
  for (const auto& [n, width] : sample_shapes) {
    sample_case<S> c(n, width, 8), queries(elsewhere ? n / 2 + 3 : n, width, 9);
    const std::int64_t m = queries.n;
    constexpr double constant = 1.5;
    buffer<S> value(m), error(m, 2), upper(m), lower(m);
    buffer<std::int64_t> above(m), below(m);
    Side side;
    prefer::extension_inputs<Side::memory> in{.samples = c.read(side)};
    if (elsewhere) in.query = side.read(queries.point, m, width, queries.row_stride);
    prefer::check(prefer::extend(side.exec, {.constant = constant}, metric, in,
                                 {.value = side.write(value),
                                  .error = side.write(error),
                                  .upper = side.write(upper),
                                  .lower = side.write(lower),
                                  .upper_index = side.write(above),
                                  .lower_index = side.write(below)}));
    side.done();
    CHECK((value.intact() && error.intact() && upper.intact() && lower.intact() && above.intact() && below.intact()));
    for (std::int64_t i = 0; i < m; ++i) {
      const std::vector<double> x = elsewhere ? queries.row(i) : c.row(i);
      bool finite = elsewhere || c.counts(i), any = false;
      for (double one : x) finite = finite && std::isfinite(one);
      long double least = HUGE_VALL, most = -HUGE_VALL;
      for (std::int64_t j = 0; j < n && finite; ++j) {
        if (!c.counts(j)) continue;
        const long double reach = constant * apart(metric, x, c.row(j));
        least = std::min(least, c.value.get(j) + reach), most = std::max(most, c.value.get(j) - reach), any = true;
      }
      if (!any) {
        CHECK((std::isnan(value.get(i)) && std::isnan(upper.get(i)) && above.at(i) == -1 && below.at(i) == -1));
        continue;
      }
      const auto near = [](double got, long double wanted) {
        return std::fabs(got - static_cast<double>(wanted)) <=
               12 * (pair_error<S> + std::ldexp(1.0, -storage<S>::digits));
      };
      CHECK((near(upper.get(i), least) && near(lower.get(i), most) && near(value.get(i), (least + most) / 2)));
      CHECK(near(error.get(i), std::fabs(least - most) / 2));
      REQUIRE((0 <= above.at(i) && above.at(i) < n && 0 <= below.at(i) && below.at(i) < n));
      CHECK((c.counts(above.at(i)) && c.counts(below.at(i))));
    }
  }
  covers<S>("lipschitz_extension", "sizes");
}

template <class V>
auto matrix_of(const V& v, std::int64_t rows, std::int64_t columns) {
  return prefer::view<typename V::value_type, 2, V::memory>(v.data, rows, columns);
}

template <class S, class Side, class Metric>
void check_listed_slopes(const Metric& metric, sample_case<S>& c, buffer<std::int32_t>& list, std::int64_t k) {
  const std::int64_t n = c.n;
  for (std::int64_t i = 0; i < n; i += 5) list.at(i * k) = static_cast<std::int32_t>(i);  // approximate indices name it
  for (std::int64_t i = 2; i < n; i += 7) list.at(i * k + k - 1) = list.at(i * k + 1);
  const double tolerance = 0.25;
  buffer<double> constant(1);
  buffer<std::int32_t> pair(2), conflicts(1), partner(n);
  buffer<S> local(n, 2);
  Side side;
  prefer::check(prefer::find_neighbor_lipschitz_constant(
      side.exec, {.tolerance = tolerance}, metric, {.samples = c.read(side), .neighbor = side.read(list, n, k, k)},
      {.constant = side.write(constant),
       .pair = side.write(pair),
       .conflicts = side.write(conflicts),
       .local = side.write(local),
       .partner = side.write(partner)}));
  side.done();
  CHECK((constant.intact() && pair.intact() && conflicts.intact() && local.intact() && partner.intact()));
  long double most = -1;
  const auto slope = [&](std::int64_t i, std::int64_t j) -> long double {
    const long double excess = std::fabs(static_cast<long double>(c.value.get(i)) - c.value.get(j)) - tolerance;
    return excess <= 0 ? 0 : excess / apart(metric, c.row(i), c.row(j));
  };
  for (std::int64_t i = 0; i < n; ++i) {
    long double steepest = -1;
    bool listed = false;
    for (std::int64_t e = 0; e < k && c.counts(i); ++e) {
      const std::int64_t j = list.at(i * k + e);
      if (j < 0 || j == i || !c.counts(j)) continue;
      steepest = std::max(steepest, slope(i, j)), listed = listed || j == partner.at(i);
    }
    most = std::max(most, steepest);
    const double wanted = static_cast<double>(std::max(steepest, 0.0L));
    CHECK(std::fabs(local.get(i) - wanted) <= pair_error<S> * wanted + rounding_of<S>(wanted));
    CHECK(listed == (steepest >= 0));
    CHECK((partner.at(i) >= 0) == listed);
    if (listed) CHECK(slope(i, partner.at(i)) >= steepest * (1 - pair_error<S>));
  }
  CHECK(conflicts.at(0) == 0);
  if (most < 0) {
    CHECK((constant.at(0) == 0 && pair.at(0) == -1 && pair.at(1) == -1));
  } else {
    REQUIRE((pair.at(0) >= 0 && partner.at(pair.at(0)) == pair.at(1)));
    CHECK(std::fabs(constant.at(0) - static_cast<double>(slope(pair.at(0), pair.at(1)))) <= 1e-14 * constant.at(0));
    CHECK(constant.at(0) >= static_cast<double>(most) * (1 - pair_error<S>));
  }
  covers<S>("neighbor_lipschitz_constant", "sizes");
}

// The neighbours of all samples, or of other points; then slopes over these lists, damaged here and there.
template <class S, class Side, class Metric>
void check_neighbors(const Metric& metric, bool elsewhere) {
  for (const auto& [n, width] : sample_shapes) {
    constexpr std::int64_t k = 4;
    sample_case<S> c(n, width, 8), queries(elsewhere ? n / 2 + 3 : n, width, 9);
    const std::int64_t m = queries.n;
    buffer<std::int32_t> index(m * k);
    buffer<S> distance(m * k);
    Side side;
    const auto samples = c.read(side);
    prefer::neighbor_inputs<Side::memory> in{.point = samples.point, .mask = samples.mask};
    if (elsewhere) in.query = side.read(queries.point, m, width, queries.row_stride);
    prefer::check(prefer::find_nearest_neighbors(
        side.exec, metric, in,
        {.index = matrix_of(side.write(index), m, k), .distance = matrix_of(side.write(distance), m, k)}));
    side.done();
    CHECK((index.intact() && distance.intact()));
    for (std::int64_t i = 0; i < m; ++i) {
      const std::vector<double> x = elsewhere ? queries.row(i) : c.row(i);
      bool finite = elsewhere || c.mask.at(i), right = true;
      for (double one : x) finite = finite && std::isfinite(one);
      std::vector<std::pair<long double, std::int64_t>> near;
      for (std::int64_t j = 0; j < n && finite; ++j) {
        bool point = c.mask.at(j) && (elsewhere || i != j);
        for (double one : c.row(j)) point = point && std::isfinite(one);
        if (point) near.emplace_back(apart(metric, x, c.row(j)), j);
      }
      std::sort(near.begin(), near.end());
      for (std::int64_t e = 0; e < k; ++e) {
        const std::int64_t j = index.at(i * k + e);
        const double got = distance.get(i * k + e);
        if (static_cast<std::size_t>(e) >= near.size()) {
          right = right && j == -1 && std::isinf(got);
          continue;
        }
        // Distances of S that rounding cannot tell apart may change places.
        const double wanted = static_cast<double>(near[static_cast<std::size_t>(e)].first);
        right = right && j >= 0 && j < n && (elsewhere || j != i) &&
                std::fabs(got - wanted) <= pair_error<S> * wanted + rounding_of<S>(wanted) &&
                std::fabs(static_cast<double>(apart(metric, x, c.row(j))) - wanted) <= pair_error<S> * wanted;
        for (std::int64_t b = 0; b < e; ++b) right = right && index.at(i * k + b) != j;
      }
      CHECK(right);
    }
    if (!elsewhere) check_listed_slopes<S, Side>(metric, c, index, k);
  }
  covers<S>("nearest_neighbors", "sizes");
}

}  // namespace prefer_test
