// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/shape/lipschitz_projection.hpp>
#include <shape/pairs.hpp>

// The L2 projection against Hildreth's method in long double, which takes one pair after the other.
namespace prefer_test {

struct hildreth {
  std::vector<long double> f;

  // Values r with weights w (0: left out) and bounds on differences, n x n; until a sweep changes nothing to speak of.
  hildreth(const std::vector<double>& r, const std::vector<double>& w, const std::vector<long double>& bound)
      : f(r.begin(), r.end()) {
    const std::size_t n = r.size();
    std::vector<long double> multiplier(n * n);
    for (int sweep = 0; sweep < 100000; ++sweep) {
      long double change = 0;
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < n; ++j) {
          if (i == j || w[i] == 0 || w[j] == 0) continue;
          long double& m = multiplier[i * n + j];
          const long double step = (f[i] - f[j] - bound[i * n + j]) /
                                   (1 / static_cast<long double>(w[i]) + 1 / static_cast<long double>(w[j]));
          const long double moved = std::max(0.0L, m + step) - m;
          m += moved, f[i] -= moved / w[i], f[j] += moved / w[j];
          change = std::max(change, std::fabs(moved));
        }
      if (change < 1e-15L) break;
    }
  }
};

template <class S, class Side, class Metric>
void check_projection(const Metric& metric, double constant) {
  for (const auto& [n, width] : sample_shapes) {
    if (n > 70 || n == 16) continue;
    sample_case<S> c(n, width, 12);
    buffer<S> weight(n, 2), value(n);
    buffer<double> error(1);
    buffer<std::int32_t> component(n), rounds(1);
    noise random(4);
    for (std::int64_t i = 0; i < n; ++i) weight.set(i, c.mask.at(i) ? random.uniform(0.5, 2) : not_a_number);
    if (n > 40) {  // equal points, and weights that leave a sample out
      for (std::int64_t d = 0; d < width; ++d) c.set(31, d, c.get(30, d));
      weight.set(40, 0), weight.set(41, -1);
    }
    Side side;
    prefer::check(prefer::project(side.exec, {.constant = constant, .rounds = 12}, metric,
                                  {.samples = c.read(side), .weight = side.read(weight)},
                                  {.value = side.write(value),
                                   .component = side.write(component),
                                   .error = side.write(error),
                                   .rounds = side.write(rounds)}));
    side.done();
    CHECK((value.intact() && component.intact() && error.intact() && rounds.intact()));
    std::vector<double> r, w;
    std::vector<long double> bound;
    const auto counts = [&](std::int64_t i) { return c.counts(i) && weight.get(i) > 0; };
    for (std::int64_t i = 0; i < n; ++i) {
      r.push_back(counts(i) ? c.value.get(i) : 0), w.push_back(counts(i) ? weight.get(i) : 0);
      for (std::int64_t j = 0; j < n; ++j)
        bound.push_back(counts(i) && counts(j) ? constant * apart(metric, c.row(i), c.row(j)) : 0);
    }
    const hildreth exact(r, w, bound);
    const double unit = std::ldexp(4.0, -storage<S>::digits);  // of values up to 4, rounded to S
    long double apart_by = 0, weights = 0, before = 0, after = 0, slack = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      const std::size_t k = static_cast<std::size_t>(i);
      if (!counts(i)) {
        CHECK((std::isnan(value.get(i)) && component.at(i) == -1));
        continue;
      }
      const long double off = value.get(i) - exact.f[k];
      apart_by += w[k] * off * off, weights += w[k], before += w[k] * r[k], after += w[k] * value.get(i);
      REQUIRE((component.at(i) >= 0 && component.at(i) <= i && component.at(component.at(i)) == component.at(i)));
      for (std::int64_t j = 0; j < n; ++j)
        if (counts(j))
          slack = std::max(slack, static_cast<long double>(value.get(i)) - value.get(j) -
                                      bound[k * static_cast<std::size_t>(n) + static_cast<std::size_t>(j)]);
    }
    if (weights == 0) {
      CHECK(error.at(0) == 0);
      continue;
    }
    CHECK(error.at(0) <= 2e-6);  // tolerance of 1e-6 deviations, which are below 2
    CHECK(std::sqrt(static_cast<double>(apart_by / weights)) <= error.at(0) + unit);
    CHECK(static_cast<double>(slack) <= 2 * unit + 2e-15);
    CHECK(std::fabs(static_cast<double>(after - before)) <= unit * static_cast<double>(weights) + 1e-13);
    CHECK((rounds.at(0) >= (width == 1 ? 0 : 1) && rounds.at(0) <= (width == 1 ? 0 : 12)));  // a line needs no looks
  }
  covers<S>("lipschitz_projection", "sizes");
}

// A few samples with weights of any size. The exact projection moves trees of tight pairs as one, so it is the nearest
// of all feasible values that any forest of pairs, each tight one way or the other, gives.
struct wide_case {
  std::int64_t n, width;
  double constant;
  buffer<double> point, value, weight;

  wide_case(std::int64_t count, std::int64_t dimensions, double decades, double constant_, std::uint64_t seed)
      : n(count), width(dimensions), constant(constant_), point(count * dimensions), value(count), weight(count) {
    noise random(seed);
    fill_uniform(point, random, -1, 1), fill_uniform(value, random, -1, 1);
    for (std::int64_t i = 0; i < n; ++i) weight.at(i) = std::pow(10.0, random.uniform(-decades, decades));
  }
  long double bound(std::int64_t i, std::int64_t j) {
    long double sum = 0;
    for (std::int64_t d = 0; d < width; ++d) {
      const long double apart = static_cast<long double>(point.get(i * width + d)) - point.get(j * width + d);
      sum += apart * apart;
    }
    return constant * std::sqrt(sum);
  }
  long double total_weight() {
    long double sum = 0;
    for (std::int64_t i = 0; i < n; ++i) sum += weight.get(i);
    return sum;
  }
  // The root of the weighted mean square of f less g.
  template <class F, class G>
  double apart(const F& f, const G& g) {
    long double sum = 0;
    for (std::int64_t i = 0; i < n; ++i) sum += weight.get(i) * (f(i) - g(i)) * (f(i) - g(i));
    return static_cast<double>(std::sqrt(sum / total_weight()));
  }
  double deviation() {
    long double mean = 0;
    for (std::int64_t i = 0; i < n; ++i) mean += weight.get(i) * static_cast<long double>(value.get(i));
    mean /= total_weight();
    return apart([&](std::int64_t i) -> long double { return value.get(i); }, [&](std::int64_t) { return mean; });
  }

  std::vector<long double> exact() {
    const std::size_t pairs = static_cast<std::size_t>(n * (n - 1) / 2);
    std::vector<long double> best, f(static_cast<std::size_t>(n));
    long double least = HUGE_VALL;
    std::vector<int> choice(pairs);  // 0: not tight
    for (std::size_t k = 0; k < pairs;) {
      if (follow(choice, f)) {
        const long double away = squares(f);
        if (away < least) least = away, best = f;
      }
      for (k = 0; k < pairs && ++choice[k] == 3; ++k) choice[k] = 0;
    }
    return best;
  }

 private:
  long double squares(const std::vector<long double>& f) {
    long double sum = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      const long double away = f[static_cast<std::size_t>(i)] - value.get(i);
      sum += weight.get(i) * away * away;
    }
    return sum;
  }
  // What a choice of tight pairs gives; whether it is a forest and all pairs hold.
  bool follow(const std::vector<int>& choice, std::vector<long double>& f) {
    const std::size_t count = f.size();
    std::vector<std::size_t> tree(count);
    std::vector<long double> offset(count);
    for (std::size_t i = 0; i < count; ++i) tree[i] = i;
    std::size_t k = 0;
    for (std::size_t i = 0; i < count; ++i)
      for (std::size_t j = 0; j < i; ++j, ++k) {
        if (choice[k] == 0) continue;
        if (tree[i] == tree[j]) return false;
        const long double difference = choice[k] == 1 ? bound_of(i, j) : -bound_of(i, j);  // f_i - f_j
        const std::size_t joined = tree[i];
        const long double shift = offset[j] + difference - offset[i];
        for (std::size_t m = 0; m < count; ++m)
          if (tree[m] == joined) tree[m] = tree[j], offset[m] += shift;
      }
    for (std::size_t i = 0; i < count; ++i) {
      long double sum = 0, weighs = 0;
      for (std::size_t m = 0; m < count; ++m) {
        const std::int64_t at = static_cast<std::int64_t>(m);
        if (tree[m] == tree[i]) sum += weight.get(at) * (value.get(at) - offset[m]), weighs += weight.get(at);
      }
      f[i] = sum / weighs + offset[i];
    }
    for (std::size_t i = 0; i < count; ++i)
      for (std::size_t j = 0; j < i; ++j)
        if (std::fabs(f[i] - f[j]) > bound_of(i, j) + 1e-17L) return false;
    return true;
  }
  long double bound_of(std::size_t i, std::size_t j) {
    return bound(static_cast<std::int64_t>(i), static_cast<std::int64_t>(j));
  }
};

// Within the tolerance, which is of standard deviations, and feasible; where `exact` is asked for the certificate
// holds.
template <class Side>
void check_wide_weights(wide_case c, bool exact) {
  buffer<double> value(c.n), error(1);
  Side side;
  prefer::check(
      prefer::project(side.exec, {.constant = c.constant}, prefer::metric::l2{},
                      {.samples = {.point = side.read(c.point, c.n, c.width, c.width), .value = side.read(c.value)},
                       .weight = side.read(c.weight)},
                      {.value = side.write(value), .error = side.write(error)}));
  side.done();
  CHECK(error.at(0) <= 1e-6 * c.deviation());
  long double slack = 0;
  for (std::int64_t i = 0; i < c.n; ++i)
    for (std::int64_t j = 0; j < c.n; ++j) slack = std::max(slack, value.at(i) - value.at(j) - c.bound(i, j));
  CHECK(static_cast<double>(slack) <= 4e-15);  // values up to 1
  if (!exact) return;
  const std::vector<long double> nearest = c.exact();
  CHECK(c.apart([&](std::int64_t i) -> long double { return value.at(i); },
                [&](std::int64_t i) { return nearest[static_cast<std::size_t>(i)]; }) <= error.at(0) + 1e-15);
}

// Samples on a line, in no order, some at one place, some left out: as the same samples are projected in a plane.
template <class Side, class Metric>
void check_line(const Metric& metric, double scale) {  // the metric is `scale` times l2
  for (std::int64_t n : {0, 1, 2, 3, 33, 150}) {
    buffer<double> x(n), plane(2 * n), value(n), weight(n), f(n), wanted(n), error(1), other_error(1);
    buffer<std::int32_t> component(n), rounds(1);
    noise random(static_cast<std::uint64_t>(n));
    fill_uniform(x, random, -1, 1), fill_uniform(value, random, -1, 1), fill_uniform(weight, random, 0.5, 2);
    for (std::int64_t i = 0; i < n; ++i) {
      if (i % 7 == 3 && i % 5 != 0) x.at(i) = x.at(i - 1);
      if (i % 5 == 4) weight.at(i) = 0, x.at(i) = not_a_number;
      plane.at(2 * i) = x.at(i), plane.at(2 * i + 1) = 0;
    }
    for (double constant : {0.0, 0.4, 5.0}) {
      Side side;
      prefer::check(prefer::project(
          side.exec, {.constant = constant}, metric,
          {.samples = {.point = side.read(x, n, 1, 1), .value = side.read(value)}, .weight = side.read(weight)},
          {.value = side.write(f),
           .component = side.write(component),
           .error = side.write(error),
           .rounds = side.write(rounds)}));
      side.done();
      CHECK((f.intact() && component.intact() && error.intact() && rounds.at(0) == 0));
      prefer::check(
          prefer::project(prefer::cpu{}, {.constant = constant * scale, .tolerance = 1e-8}, prefer::metric::l2{},
                          {.samples = {.point = {plane.data(), n, 2}, .value = value.read()}, .weight = weight.read()},
                          {.value = wanted.view(), .error = other_error.view()}));
      long double away = 0, weighs = 0;
      for (std::int64_t i = 0; i < n; ++i) {
        CHECK(std::isnan(f.at(i)) == (i % 5 == 4));
        if (i % 5 == 4) continue;
        away += weight.at(i) * std::pow(f.at(i) - wanted.at(i), 2), weighs += weight.at(i);
        CHECK((component.at(i) >= 0 && component.at(i) <= i && component.at(component.at(i)) == component.at(i)));
      }
      CHECK(error.at(0) <= 1e-7);
      if (weighs > 0) CHECK(std::sqrt(static_cast<double>(away / weighs)) <= error.at(0) + other_error.at(0) + 1e-15);
    }
  }
}

// Components and weights as given, against sums by definition.
template <class S, class Side>
void check_projection_gradient() {
  for (std::int64_t n : {0, 1, 5, 31, 32, 33, 600}) {
    buffer<std::int32_t> component(n, 2);
    buffer<S> gradient(n), weight(n, 3), value(n), by_value(n);
    buffer<double> by_constant(1);
    noise random(6);
    fill_uniform(gradient, random, -1, 1), fill_uniform(weight, random, 0.5, 2), fill_uniform(value, random, -1, 1);
    for (std::int64_t i = 0; i < n; ++i)
      component.at(i) = static_cast<std::int32_t>(i % 11 == 7 ? -1 : std::min(i, i % 4 + n / 3));
    for (std::int64_t i = 0; i < n; ++i)
      if (component.at(i) < 0) gradient.set(i, not_a_number), value.set(i, not_a_number);
    Side side;
    prefer::check(prefer::project_gradient(side.exec, {.constant = 2.0},
                                           {.component = side.read(component),
                                            .gradient = side.read(gradient),
                                            .weight = side.read(weight),
                                            .value = side.read(value)},
                                           {.value = side.write(by_value), .constant = side.write(by_constant)}));
    side.done();
    CHECK((by_value.intact() && by_constant.intact()));
    long double total = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      long double weights = 0, gradients = 0, values = 0;
      for (std::int64_t j = 0; j < n && component.at(i) >= 0; ++j) {
        if (component.at(j) != component.at(i)) continue;
        weights += weight.get(j), gradients += gradient.get(j), values += weight.get(j) * value.get(j);
      }
      const double wanted = component.at(i) < 0 ? 0 : static_cast<double>(weight.get(i) * gradients / weights);
      CHECK(rounded_right<S>(by_value.get(i), wanted, 1e-13));  // of a mean of up to 600 numbers below 1
      if (component.at(i) >= 0) total += gradient.get(i) * (value.get(i) - values / weights) / 2;
    }
    CHECK(std::fabs(by_constant.at(0) - static_cast<double>(total)) <= 1e-12);
  }
  covers<S>("projection_gradient", "sizes");
}

}  // namespace prefer_test
