// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/importance_totals.hpp>
#include <support/side.hpp>

#include <cmath>
#include <type_traits>
#include <vector>

// Totals and normalised weights by their definitions, in long double, on either side.
namespace prefer_test {

using totals_array = std::vector<double>;

template <class S>
struct totals_case {
  std::int64_t n;
  buffer<S> weight, normalized;
  buffer<bool> mask;
  buffer<double> totals;
  bool masked;

  totals_case(std::int64_t size, std::int64_t stride, bool with_mask)
      : n(size),
        weight(n, stride),
        normalized(n),
        mask(n, stride),
        totals(prefer::importance_totals_size),
        masked(with_mask) {
    noise random(static_cast<std::uint64_t>(n + 1));
    for (std::int64_t i = 0; i < n; ++i) {
      const double u = random.uniform(0, 1);
      weight.set(i, u < 0.1 ? 0 : u > 0.9 ? 2 : std::exp(random.uniform(-8, std::is_same_v<S, double> ? 22 : 2)));
      mask.at(i) = !masked || random.uniform(0, 1) < 0.7;
      if (!mask.at(i)) weight.set(i, not_a_number);
    }
  }
  template <class Side>
  prefer::status add_up(Side& side) {
    prefer::importance_totals_inputs<Side::memory> in{.weight = side.read(weight), .cap = 2.0};
    if (masked) in.mask = side.read(mask);
    const prefer::status s = importance_totals(side.exec, in, side.write(totals));
    if (s.ok()) side.done();
    return s;
  }
  template <class Side>
  prefer::status normalize(Side& side) {
    prefer::normalize_importance_inputs<Side::memory> in{.weight = side.read(weight), .totals = side.read(totals)};
    if (masked) in.mask = side.read(mask);
    const prefer::status s = normalize_importance(side.exec, in, {.weight = side.write(normalized)});
    if (s.ok()) side.done();
    return s;
  }
  prefer::importance_summary summary() { return prefer::summary_of_importance(totals.data()); }

  void check_definition() {
    long double count = 0, sum = 0, squares = 0, dropped = 0, clipped = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      if (!mask.at(i)) continue;
      const long double w = weight.get(i);
      count += 1, sum += w, squares += w * w, dropped += w == 0, clipped += w >= 2;
    }
    const prefer::importance_summary s = summary();
    const long double least = count > 0 ? count : 1;
    const auto near = [](double got, long double exact) { return std::fabs(got - exact) <= 4e-16L * std::fabs(exact); };
    CHECK(s.count == static_cast<double>(count));
    CHECK(near(s.mean, sum / least));
    // A square is rounded to double before it is split.
    CHECK(near(s.effective_size, squares > 0 ? sum * sum / squares : 0));
    CHECK((near(s.dropped_fraction, dropped / least) && near(s.clipped_fraction, clipped / least)));
    bool ok = normalized.intact() && totals.intact();
    for (std::int64_t i = 0; i < n; ++i) {
      const double exact = mask.at(i) && sum > 0 ? weight.get(i) / static_cast<double>(sum / least) : 0;
      ok = ok && std::fabs(normalized.get(i) - exact) <=
                     std::ldexp(exact, 1 - storage<S>::digits) + std::ldexp(1.0, storage<S>::least_exponent);
    }
    CHECK(ok);
  }
};

template <class S, class Side>
void check_totals(std::int64_t stride, bool masked) {
  for (const std::int64_t n : {0, 1, 7, 8, 9, 511, 513, 3000}) {
    INFO(n);
    totals_case<S> c(n, stride, masked);
    Side side, again;
    prefer::check(c.add_up(side));
    prefer::check(c.normalize(again));
    c.check_definition();
  }
  for (const char* name : {"importance_totals", "normalize_importance"}) {
    covers<S>(name, "sizes");
    if (masked) covers(name, "masked");
  }
}

}  // namespace prefer_test
