// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/preference_strength.hpp>
#include <support/buffer.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

// Rewards of an ensemble as memory, and what their strengths must be: the definition, with a stable sort, in long
// double.
namespace prefer_test {

inline std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

template <class S>
struct ensemble {
  std::int64_t models, n;
  bool by_pair;  // a pair's rewards lie together, instead of a model's
  buffer<S> chosen, rejected;
  buffer<bool> mask;
  buffer<S> strength, deviation, label, margin;
  buffer<bool> flip, keep;

  ensemble(std::int64_t m, std::int64_t pairs, bool transposed)
      : models(m),
        n(pairs),
        by_pair(transposed),
        chosen(m * pairs + 1),
        rejected(m * pairs + 1),
        mask(pairs),
        strength(pairs),
        deviation(pairs),
        label(pairs),
        margin(pairs),
        flip(pairs),
        keep(pairs) {
    noise random(11);
    for (std::int64_t k = 0; k < m; ++k)
      for (std::int64_t i = 0; i < n; ++i) {
        // Models on scales of their own; eighths, so that strengths tie now and then.
        set(chosen, k, i, static_cast<double>(k + 1) * std::floor(random.uniform(-8, 10)) / 8 + 0.375);
        set(rejected, k, i, static_cast<double>(k + 1) * std::floor(random.uniform(-8, 8)) / 8);
      }
    for (std::int64_t i = 0; i < n; ++i) mask.at(i) = i % 5 != 2;
  }
  std::int64_t place(std::int64_t m, std::int64_t i) const { return by_pair ? i * models + m : m * n + i; }
  void set(buffer<S>& b, std::int64_t m, std::int64_t i, double x) { b.set(place(m, i), x); }
  long double get(buffer<S>& b, std::int64_t m, std::int64_t i) { return b.get(place(m, i)); }

  template <prefer::space Space, class Pointer>
  prefer::view<const S, 2, Space> matrix(Pointer p) const {
    if (by_pair) return {p, models, n, 1, models};
    return {p, models, n};
  }
  prefer::preference_strength_inputs<prefer::space::host> inputs() {
    return {.chosen = matrix<prefer::space::host>(static_cast<const S*>(chosen.data())),
            .rejected = matrix<prefer::space::host>(static_cast<const S*>(rejected.data())),
            .mask = mask.read()};
  }
  prefer::preference_strength_outputs<prefer::space::host> outputs() {
    return {.strength = strength.view(),
            .deviation = deviation.view(),
            .label = label.view(),
            .margin = margin.view(),
            .flip = flip.view(),
            .keep = keep.view()};
  }

  // What a model's differences are multiplied by.
  long double scale(std::int64_t m) {
    long double count = 0, mean = 0, squares = 0;
    const auto each = [&](auto f) {
      for (std::int64_t i = 0; i < n; ++i)
        if (mask.at(i)) f(get(chosen, m, i)), f(get(rejected, m, i));
    };
    each([&](long double x) { count += 1, mean += x; });
    each([&](long double x) { squares += (x - mean / count) * (x - mean / count); });
    return squares > 0 ? 1 / std::sqrt(squares / count) : 0;
  }

  // Numbers are rounded once in double and once in storage; flags are exact.
  void check_against_definition(const prefer::preference_strength& o) {
    std::vector<long double> u(at(n)), spread(at(n)), scales;
    for (std::int64_t m = 0; m < models; ++m) scales.push_back(o.normalize ? scale(m) : 1.0L);
    std::vector<std::int64_t> order;
    for (std::int64_t i = 0; i < n; ++i) {
      const auto d = [&](std::int64_t m) { return scales[at(m)] * (get(chosen, m, i) - get(rejected, m, i)); };
      for (std::int64_t m = 0; m < models; ++m) u[at(i)] += d(m) / static_cast<long double>(models);
      for (std::int64_t m = 0; m < models; ++m)
        spread[at(i)] += (d(m) - u[at(i)]) * (d(m) - u[at(i)]) / static_cast<long double>(models);
      if (mask.at(i)) order.push_back(i);
    }
    std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
      return static_cast<double>(u[at(a)]) < static_cast<double>(u[at(b)]);
    });
    const auto count = [&](double share) { return std::floor(share * static_cast<double>(order.size()) + 0.5); };
    const double flips = count(o.flip_share.value64), drops = count(o.flip_share.value64 + o.drop_share.value64);
    std::vector<double> rank(at(n), HUGE_VAL);
    for (std::size_t k = 0; k < order.size(); ++k) rank[at(order[k])] = static_cast<double>(k);
    // Scaled strengths that tie in exact arithmetic may not in double: at a cut they may be on either side.
    const auto at_a_cut = [&](std::int64_t i) {
      bool close = false;
      for (double cut : {flips, drops})
        if (o.normalize && cut < static_cast<double>(order.size()))
          close = close || std::fabs(u[at(i)] - u[at(order[static_cast<std::size_t>(cut)])]) < 1e-13L;
      return close;
    };
    for (std::int64_t i = 0; i < n; ++i) {
      if (mask.at(i) && at_a_cut(i)) continue;
      const bool in = mask.at(i), negative = u[at(i)] < 0;
      const bool flipped = in && (rank[at(i)] < flips || (o.flip_negative && negative));
      const double a = negative ? o.smoothing_negative.value64 : o.smoothing.value64;
      INFO("pair " << i << " of " << n);
      const auto near = [&](buffer<S>& b, long double x, long double size) {
        CHECK(std::fabs(b.get(i) - (in ? x : 0)) <= std::ldexp(64 * size, -53) +
                                                        std::ldexp(std::fabs(x), 1 - storage<S>::digits) +
                                                        std::ldexp(1.0L, storage<S>::least_exponent));
      };
      near(strength, u[at(i)], 8);
      near(deviation, std::sqrt(spread[at(i)]), 8);
      near(label, flipped ? a : 1 - a, 1);
      near(margin, static_cast<long double>(o.margin_scale.value64) * u[at(i)], 8);
      CHECK(flip.at(i) == flipped);
      CHECK(keep.at(i) == (in && (rank[at(i)] < flips || rank[at(i)] >= drops)));
    }
    CHECK((strength.intact() && deviation.intact() && label.intact() && margin.intact()));
    CHECK((flip.intact() && keep.intact() && chosen.intact() && rejected.intact()));
  }
};

// Every option, alone and together.
inline std::vector<prefer::preference_strength> recipes() {
  return {{},
          {.flip_negative = true},
          {.flip_share = 0.2},
          {.flip_share = 0.2, .drop_share = 0.25},
          {.drop_share = 0.5, .margin_scale = 0.5},
          {.smoothing = 0.125, .smoothing_negative = 0.25},
          {.flip_share = 0.3, .flip_negative = true, .smoothing = 0.0625, .margin_scale = -2.0},
          {.flip_share = 1.0},
          {.normalize = true},
          {.flip_share = 0.4, .drop_share = 0.6, .normalize = true}};
}

}  // namespace prefer_test
