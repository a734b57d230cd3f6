// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/shape/extension_gradient.hpp>
#include <shape/pairs.hpp>

// Gradients through envelopes against differences of the number they are the gradient of, in long double.
namespace prefer_test {

template <class S>
struct gradient_case {
  static constexpr double constant = 1.5;
  std::int64_t n, m, width;
  bool same;
  sample_case<S> samples, queries;
  buffer<std::int32_t> above, below;
  buffer<S> from_value, from_upper, from_lower;

  gradient_case(std::int64_t count, std::int64_t dimensions, bool at_samples)
      : n(count),
        m(at_samples ? count : count / 2 + 3),
        width(dimensions),
        same(at_samples),
        samples(count, dimensions, 8),
        queries(m, dimensions, 9),
        above(m),
        below(m, 2),
        from_value(m),
        from_upper(m, 2),
        from_lower(m) {
    noise random(3);
    for (auto* b : {&from_value, &from_upper, &from_lower}) fill_uniform(*b, random, -1, 1);
  }
  template <class Side>
  prefer::extension_inputs<Side::memory> extension(Side& side) {
    prefer::extension_inputs<Side::memory> in{.samples = samples.read(side)};
    if (!same) in.query = side.read(queries.point, m, width, queries.row_stride);
    return in;
  }
  double from(std::int64_t i, int which) {
    return from_value.get(i) / 2 + (which == 0 ? from_upper.get(i) : from_lower.get(i));
  }
  std::int64_t index(std::int64_t i, int which) { return which == 0 ? above.at(i) : below.at(i); }

  // The part of F that query i has a share in, with one coordinate of the query or of the sample moved.
  template <class Metric>
  long double part(const Metric& metric, std::int64_t i, int which, std::int64_t row, bool of_query, std::int64_t d,
                   double h) {
    const std::int64_t j = index(i, which);
    if (j < 0) return 0;
    std::vector<double> x = same ? samples.row(i) : queries.row(i), y = samples.row(j);
    if ((of_query || same) && row == i) x[static_cast<std::size_t>(d)] += h;
    if (!of_query && row == j) y[static_cast<std::size_t>(d)] += h;
    const long double reach = constant * apart(metric, x, y);
    return from(i, which) * (which == 0 ? samples.value.get(j) + reach : samples.value.get(j) - reach);
  }
  template <class Metric>
  double slope(const Metric& metric, std::int64_t row, bool of_query, std::int64_t d) {
    constexpr double h = 0x1p-20;  // adds without rounding to numbers of up to 32 bits
    long double difference = 0;
    for (std::int64_t i = 0; i < m; ++i)
      for (int which : {0, 1})
        if (index(i, which) >= 0 &&
            ((of_query || same) ? (row == i || row == index(i, which)) : row == index(i, which)))
          difference += part(metric, i, which, row, of_query, d, h) - part(metric, i, which, row, of_query, d, -h);
    return static_cast<double>(difference / (2 * h));
  }
};

template <class S, class Side, class Metric>
void check_extension_gradient(const Metric& metric, bool at_samples) {
  for (const auto& shape : sample_shapes) {
    const std::int64_t n = shape[0], width = shape[1];  // clang captures no structured bindings
    if (n > 150) continue;
    gradient_case<S> c(n, width, at_samples);
    const std::int64_t m = c.m, row = width + 2;
    buffer<S> value(n, 2), query(m * row), point(n * row);
    buffer<double> constant(1);
    Side side;
    {
      Side before;
      prefer::check(prefer::extend(before.exec, {.constant = c.constant}, metric, c.extension(before),
                                   {.upper_index = before.write(c.above), .lower_index = before.write(c.below)}));
      before.done();
    }
    const auto matrix = [&](auto& b, std::int64_t rows) {
      const auto v = side.write(b);
      return prefer::view<S, 2, Side::memory>(v.data, rows, width, row, 1);
    };
    prefer::extension_gradient_outputs<Side::memory> out{
        .value = side.write(value), .constant = side.write(constant), .point = matrix(point, n)};
    if (!at_samples) out.query = matrix(query, m);
    prefer::check(prefer::extend_gradient(side.exec, {.constant = c.constant}, metric,
                                          {.extension = c.extension(side),
                                           .upper_index = side.read(c.above),
                                           .lower_index = side.read(c.below),
                                           .value = side.read(c.from_value),
                                           .upper = side.read(c.from_upper),
                                           .lower = side.read(c.from_lower)},
                                          out));
    side.done();
    CHECK((value.intact() && constant.intact()));
    const double sums = 1e-13, differences = 1e-9;  // what terms of at most 3 leave
    long double by_constant = 0;
    std::vector<double> by_value(static_cast<std::size_t>(n));
    for (std::int64_t i = 0; i < m; ++i)
      for (int which : {0, 1}) {
        const std::int64_t j = c.index(i, which);
        if (j < 0) continue;
        by_value[static_cast<std::size_t>(j)] += c.from(i, which);
        const auto x = at_samples ? c.samples.row(i) : c.queries.row(i);
        by_constant += (which == 0 ? 1 : -1) * c.from(i, which) * apart(metric, x, c.samples.row(j));
      }
    CHECK(std::fabs(constant.at(0) - static_cast<double>(by_constant)) <= sums);
    bool right = true;
    for (std::int64_t j = 0; j < n; ++j) {
      right = right && rounded_right<S>(value.get(j), by_value[static_cast<std::size_t>(j)], sums);
      for (std::int64_t d = 0; d < width; ++d)
        right = right && rounded_right<S>(point.get(j * row + d), c.slope(metric, j, false, d), differences);
      for (std::int64_t d = width; d < row && j + 1 < n; ++d)
        right = right && std::memcmp(&point.at(j * row + d), &point.at(-1), sizeof(S)) == 0;  // between rows
    }
    for (std::int64_t i = 0; i < m && !at_samples; ++i)
      for (std::int64_t d = 0; d < width; ++d)
        right = right && rounded_right<S>(query.get(i * row + d), c.slope(metric, i, true, d), differences);
    CHECK(right);
  }
  covers<S>("extension_gradient", "sizes");
}

}  // namespace prefer_test
