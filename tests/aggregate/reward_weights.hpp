// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/aggregate/reward_weights.hpp>
#include <support/buffer.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <vector>

// Adaptive weights by their definitions, in long double, step by step.
namespace prefer_test {

// What one step of a rule reads of a reward, and what is kept.
struct weight_step {
  std::vector<long double> count, mean, squares, covariance, target;
  std::vector<long double> dual, average;  // updated
};
using weight_definition = std::function<std::vector<long double>(weight_step&)>;

inline std::vector<long double> saturation_by_definition(weight_step& s) {
  std::vector<long double> c;
  long double sum = 0;
  for (std::size_t k = 0; k < s.mean.size(); ++k) {
    const long double deviation = s.count[k] > 1 ? std::sqrt(s.squares[k] / (s.count[k] - 1)) : 0;
    c.push_back(deviation / (std::fabs(s.mean[k]) + 1e-8L));
    sum += c.back();
  }
  for (long double& w : c) w = static_cast<long double>(c.size()) * w / (sum + 1e-8L);
  return c;
}
inline std::vector<long double> lagrangian_by_definition(weight_step& s, std::size_t primary, bool costs) {
  std::vector<long double> w;
  for (std::size_t k = 0; k < s.mean.size(); ++k) {
    const long double missing = costs ? s.mean[k] - s.target[k] : s.target[k] - s.mean[k];
    if (k != primary && s.count[k] > 0) s.dual[k] = std::min(1.5L, std::max(0.0L, s.dual[k] + 0.25L * missing));
    w.push_back(k == primary ? 1 : costs ? -s.dual[k] : s.dual[k]);
  }
  return w;
}
inline std::vector<long double> covariance_by_definition(weight_step& s) {
  std::vector<long double> w;
  for (std::size_t k = 0; k < s.mean.size(); ++k) {
    if (!std::isnan(s.covariance[k])) {
      s.average[k] = 0.875L * s.average[k] + 0.125L * s.covariance[k];
      s.dual[k] += 0.5L * std::max(0.0L, s.target[k] - s.average[k]);
    }
    w.push_back(std::exp(s.dual[k]));
  }
  return w;
}

inline std::vector<long double> entropy_by_definition(weight_step& s) {
  std::vector<long double> w;
  for (std::size_t k = 0; k < s.mean.size(); ++k) {
    const bool low = s.count[k] > 0 && s.mean[k] <= s.target[k];
    if (s.count[k] > 0) s.dual[k] = std::min(0.5L, std::max(0.125L, s.dual[k] + (low ? 0.25L : -0.25L)));
    w.push_back(low ? s.dual[k] : 0);
  }
  return w;
}

template <class Exec>
struct weight_entry {
  using inputs = prefer::weight_inputs<Exec::memory>;
  using outputs = prefer::weight_outputs<Exec::memory>;
  const char* name;
  weight_definition definition;
  bool moments, covariance, target, dual, average;
  std::function<prefer::status(const Exec&, const inputs&, const outputs&)> run;

  template <class Rule>
  weight_entry(const char* n, const Rule& rule, const weight_definition& d)
      : name(n),
        definition(d),
        moments(Rule::reads_moments),
        covariance(Rule::reads_covariance),
        target(Rule::reads_target),
        dual(Rule::keeps_dual),
        average(Rule::keeps_average),
        run([rule](const Exec& exec, const inputs& in, const outputs& out) {
          return prefer::adapt_weights(exec, rule, in, out);
        }) {}
};
template <class Exec>
const std::vector<weight_entry<Exec>>& weight_entries() {
  using namespace prefer;
  static const std::vector<weight_entry<Exec>> all = {
      {"saturation_aware", saturation_aware{}, saturation_by_definition},
      {"lagrangian", lagrangian{.rate = 0.25, .most = 1.5},
       [](weight_step& s) { return lagrangian_by_definition(s, 0, false); }},
      {"lagrangian", lagrangian{.rate = 0.25, .most = 1.5, .primary = -1, .costs = true},
       [](weight_step& s) { return lagrangian_by_definition(s, 99, true); }},
      {"covariance_targeted", covariance_targeted{.rate = 0.5, .smoothing = 0.125}, covariance_by_definition},
      {"adaptive_entropy", adaptive_entropy{.step = 0.25, .least = 0.125, .most = 0.5}, entropy_by_definition}};
  return all;
}

// K rewards whose statistics change from step to step.
template <class S>
struct weight_case {
  std::int64_t rewards;
  buffer<double> moments, dual, average;
  buffer<S> covariance, target, weight;
  weight_step state;

  explicit weight_case(std::int64_t k)
      : rewards(k), moments(3 * k), dual(k, 2, 1), average(k), covariance(k, 3), target(k), weight(k, 2) {
    const auto size = static_cast<std::size_t>(k);
    state.dual.assign(size, 0), state.average.assign(size, 0);
    for (std::int64_t j = 0; j < k; ++j) dual.set(j, 0), average.set(j, 0), weight.set(j, 0);
    step(0);
  }
  void step(std::uint64_t number) {
    noise random(31 + number);
    for (auto* v : {&state.count, &state.mean, &state.squares, &state.covariance, &state.target}) v->clear();
    for (std::int64_t j = 0; j < rewards; ++j) {
      const bool empty = random.bits() % 4 == 0;
      moments.set(3 * j, empty ? 0 : 16), moments.set(3 * j + 1, empty ? 0 : random.uniform(-2, 2));
      moments.set(3 * j + 2, empty || random.bits() % 4 == 0 ? 0 : random.uniform(0, 9));
      covariance.set(j, empty ? std::nan("") : random.uniform(-1, 1)), target.set(j, random.uniform(-1, 1));
      state.count.push_back(moments.get(3 * j)), state.mean.push_back(moments.get(3 * j + 1));
      state.squares.push_back(moments.get(3 * j + 2));
      state.covariance.push_back(covariance.get(j)), state.target.push_back(target.get(j));
    }
  }
  // How far weights and what is kept are from the definition, beyond the rounding of S.
  double worst(const weight_definition& definition) {
    const std::vector<long double> w = definition(state);
    double worst = 0;
    for (std::int64_t j = 0; j < rewards; ++j) {
      const auto k = static_cast<std::size_t>(j);
      const auto exact = static_cast<double>(w[k]);
      const double rounding = std::fabs(exact) * std::ldexp(0.5000001, 1 - storage<S>::digits);
      worst =
          std::fmax(worst, std::fabs(weight.get(j) - exact) - rounding - std::ldexp(1.0, storage<S>::least_exponent));
      worst = std::fmax(worst, std::fabs(dual.get(j) - static_cast<double>(state.dual[k])));
      worst = std::fmax(worst, std::fabs(average.get(j) - static_cast<double>(state.average[k])));
    }
    return worst;
  }
  bool intact() { return weight.intact() && dual.intact() && average.intact(); }
};

// Inner products of K random vectors of K - 1 numbers (so that there is a common one of norm 0, or nearly, for some),
// or of K numbers, and how far weights are from least norm: by what their optimality says, in long double.
template <class S>
struct gram_case {
  std::int64_t rewards;
  buffer<S> gram, weight;

  gram_case(std::int64_t k, std::uint64_t seed) : rewards(k), gram(k * (k + 1)), weight(k, 2) {
    noise random(seed);
    std::vector<double> a(static_cast<std::size_t>(k * k));
    for (double& x : a) x = std::floor(random.uniform(-8, 12)) / 8;
    for (std::int64_t i = 0; i < k; ++i)
      for (std::int64_t j = 0; j < k; ++j) {
        double sum = 0;
        for (std::int64_t m = 0; m < k; ++m)
          sum += a[static_cast<std::size_t>(i * k + m)] * a[static_cast<std::size_t>(j * k + m)];
        gram.set(i * (k + 1) + j, sum / static_cast<double>(k));
      }
  }
  double worst() {
    long double sum = 0, own = 0, least = HUGE_VALL, size = 0, lowest = 0;
    for (std::int64_t i = 0; i < rewards; ++i) {
      long double served = 0;
      for (std::int64_t j = 0; j < rewards; ++j) served += gram.get(i * (rewards + 1) + j) * weight.get(j);
      least = std::min(least, served), own += weight.get(i) * served, sum += weight.get(i);
      size = std::max(size, static_cast<long double>(gram.get(i * (rewards + 1) + i)));
      lowest = std::min(lowest, static_cast<long double>(weight.get(i)));
    }
    const long double rounding = std::ldexp(1.0L, 1 - storage<S>::digits);  // of each weight, relative
    return static_cast<double>(
        std::max({(own - least) / std::max(size, 1e-30L) - 4 * rounding, std::fabs(sum - 1) - rounding, -lowest}));
  }
};

// A window of moments, batch after batch.
struct window_case {
  std::int64_t batches, rewards;
  buffer<double> batch, slots, moments;
  buffer<std::int64_t> cursor;
  std::vector<std::vector<double>> past;

  window_case(std::int64_t w, std::int64_t k)
      : batches(w), rewards(k), batch(3 * k), slots(w * 3 * k), moments(3 * k), cursor(1) {
    for (std::int64_t i = 0; i < w * 3 * k; ++i) slots.set(i, 0);
    cursor.at(0) = 0;
  }
  void next(std::uint64_t number) {
    noise random(number);
    past.emplace_back();
    for (std::int64_t k = 0; k < rewards; ++k) {
      const double one[] = {static_cast<double>(1 + random.bits() % 9), random.uniform(-1, 5), random.uniform(0, 4)};
      for (int m = 0; m < 3; ++m) batch.set(3 * k + m, one[m]), past.back().push_back(one[m]);
    }
  }
  // The largest error, from sums over the batches that the window has.
  double worst() {
    double worst = 0;
    const auto kept = std::min(past.size(), static_cast<std::size_t>(batches));
    for (std::int64_t k = 0; k < rewards; ++k) {
      long double count = 0, sum = 0, squares = 0;
      const auto at = [&](std::size_t b, std::int64_t m) -> long double {
        return past[past.size() - kept + b][static_cast<std::size_t>(3 * k + m)];
      };
      for (std::size_t b = 0; b < kept; ++b) count += at(b, 0), sum += at(b, 0) * at(b, 1);
      for (std::size_t b = 0; b < kept; ++b)
        squares += at(b, 2) + at(b, 0) * (at(b, 1) - sum / count) * (at(b, 1) - sum / count);
      worst = std::fmax(worst, std::fabs(moments.get(3 * k) - static_cast<double>(count)));
      worst = std::fmax(worst, std::fabs(moments.get(3 * k + 1) - static_cast<double>(sum / count)));
      worst = std::fmax(worst, std::fabs(moments.get(3 * k + 2) - static_cast<double>(squares)) / 100);
    }
    return worst;
  }
};

}  // namespace prefer_test
