// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/aggregate/aggregate.hpp>
#include <support/buffer.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <type_traits>
#include <vector>

// Rewards as memory, and every rule by its definition, in long double.
namespace prefer_test {

using reals = std::vector<long double>;

// What a definition knows: weights, and which rewards a batch tames.
struct reward_facts {
  reals weight;
  std::vector<bool> tamed;
  reals ideal;
  long double weights() const {
    long double sum = 0;
    for (const long double w : weight) sum += w;
    return sum;
  }
};
using definition = std::function<long double(const reals&, const reward_facts&)>;

template <class F>
long double weighted(const reals& r, const reward_facts& facts, F f) {
  long double sum = 0;
  for (std::size_t k = 0; k < r.size(); ++k)
    if (facts.weight[k] != 0) sum += facts.weight[k] * f(k);
  return sum;
}

inline long double log_tamed_value(const reals& r, const reward_facts& facts, bool symmetric) {
  return weighted(r, facts, [&](std::size_t k) -> long double {
    if (!facts.tamed[k]) return r[k];
    if (symmetric) return std::copysign(std::log(1 + std::fabs(r[k])), r[k]);
    return r[k] > -1 ? std::log(1 + r[k]) : NAN;
  });
}

// f(name, rule, definition) of every rule.
template <class F>
void each_aggregate(F f) {
  using namespace prefer;
  f("weighted_sum", weighted_sum{},
    [](const reals& r, const reward_facts& w) { return weighted(r, w, [&](std::size_t k) { return r[k]; }); });
  f("log_tamed", log_tamed{}, [](const reals& r, const reward_facts& w) { return log_tamed_value(r, w, false); });
  f("log_tamed", log_tamed{.symmetric = true},
    [](const reals& r, const reward_facts& w) { return log_tamed_value(r, w, true); });
  f("soft_min", soft_min{.beta = 2.5}, [](const reals& r, const reward_facts& w) {
    return -std::log(weighted(r, w, [&](std::size_t k) { return std::exp(-2.5L * r[k]); }) / w.weights()) / 2.5L;
  });
  f("geometric_mean", geometric_mean{}, [](const reals& r, const reward_facts& w) {
    return std::exp(weighted(r, w, [&](std::size_t k) { return std::log(r[k]); }) / w.weights());
  });
  f("tchebycheff", tchebycheff{.mix = 0.125}, [](const reals& r, const reward_facts& w) {
    long double worst = HUGE_VALL;
    for (std::size_t k = 0; k < r.size(); ++k)
      if (w.weight[k] != 0) worst = std::min(worst, w.weight[k] * (r[k] - w.ideal[k]));
    return worst + 0.125L * weighted(r, w, [&](std::size_t k) { return r[k]; });
  });
  f("smooth_tchebycheff", smooth_tchebycheff{.temperature = 0.25}, [](const reals& r, const reward_facts& w) {
    long double sum = 0;
    for (std::size_t k = 0; k < r.size(); ++k)
      if (w.weight[k] != 0) sum += std::exp(-w.weight[k] * (r[k] - w.ideal[k]) / 0.25L);
    return -0.25L * std::log(sum);
  });
  f("held", held<log_tamed>{.limit = 1.5}, [](const reals& r, const reward_facts& w) {
    return std::min(1.5L, std::max(-1.5L, log_tamed_value(r, w, false)));
  });
  f("harmonic_mean", harmonic_mean{}, [](const reals& r, const reward_facts& w) {
    return w.weights() / weighted(r, w, [&](std::size_t k) { return 1 / r[k]; });
  });
}

// A rule without its type, so that what tests do with each is compiled once.
template <class Exec>
struct aggregate_entry {
  using inputs = prefer::aggregate_inputs<Exec::memory>;
  using outputs = prefer::aggregate_outputs<Exec::memory>;
  const char* name;
  bool learns_batch, learns_ideal;
  definition value;
  std::function<prefer::status(const Exec&, const inputs&, const outputs&)> run;
};
template <class Exec>
const std::vector<aggregate_entry<Exec>>& aggregate_entries() {
  static const std::vector<aggregate_entry<Exec>> all = [] {
    std::vector<aggregate_entry<Exec>> entries;
    each_aggregate([&](const char* name, const auto& rule, const definition& value) {
      using rule_type = std::decay_t<decltype(rule)>;
      using entry = aggregate_entry<Exec>;
      const auto run = [rule](const Exec& exec, const typename entry::inputs& in, const typename entry::outputs& out) {
        return prefer::aggregate(exec, rule, in, out);
      };
      entries.push_back({name, rule_type::learns_batch, prefer::detail::learns_ideal<rule_type>, value, run});
    });
    return entries;
  }();
  return all;
}

// n samples of K rewards; the last reward varies more than the others, so that it is tamed by their mean.
template <class S>
struct reward_case {
  std::int64_t n, rewards, row;
  buffer<S> reward, grad;  // one row after the other, `gap` elements between
  buffer<S> aggregate, upstream;
  buffer<double> weight, moments, ideal;
  buffer<bool> mask;
  buffer<std::int32_t> offsets;
  bool masked = false;

  reward_case(std::int64_t samples, std::int64_t k, std::int64_t gap = 0, std::uint64_t seed = 5)
      : n(samples),
        rewards(k),
        row(k + gap),
        reward(n * row),
        grad(n * row),
        aggregate(n, gap + 1),
        upstream(n),
        weight(k),
        moments(3 * k),
        ideal(k),
        mask(n),
        offsets(3) {
    noise random(seed);
    for (std::int64_t i = 0; i < n; ++i) {
      for (std::int64_t j = 0; j < k; ++j)
        reward.set(i * row + j, j == k - 1 ? 0.01 + 6 * std::pow(random.uniform(0, 1), 4) : random.uniform(0.5, 1.5));
      upstream.set(i, random.uniform(-2, 2));
      mask.at(i) = random.bits() % 3 != 0;
    }
    for (std::int64_t j = 0; j < k; ++j) weight.set(j, j == 1 ? 0 : 0.25 * static_cast<double>(j + 1));
    for (std::int64_t j = 0; j < k; ++j) ideal.set(j, 1.5 - 0.125 * static_cast<double>(j));
    offsets.at(0) = 0, offsets.at(1) = static_cast<std::int32_t>(n / 3), offsets.at(2) = static_cast<std::int32_t>(n);
  }

  bool counts(std::int64_t i) { return !masked || mask.at(i); }
  reals rewards_of(std::int64_t i) {
    reals r;
    for (std::int64_t j = 0; j < rewards; ++j) r.push_back(reward.get(i * row + j));
    return r;
  }
  // Taming by the mean of the coefficients of variation, from the definition.
  reward_facts facts() {
    reward_facts f;
    reals h;
    for (std::int64_t j = 0; j < rewards; ++j) {
      f.weight.push_back(weight.get(j)), f.ideal.push_back(ideal.get(j));
      long double sum = 0, squares = 0, count = 0;
      for (std::int64_t i = 0; i < n; ++i)
        if (counts(i)) sum += reward.get(i * row + j), count += 1;
      for (std::int64_t i = 0; i < n; ++i)
        if (counts(i)) squares += std::pow(reward.get(i * row + j) - sum / count, 2.0L);
      h.push_back(count > 0 ? std::sqrt(squares / count) / (sum / count) : 0);
    }
    long double mean = 0;
    for (const long double x : h) mean += x / static_cast<long double>(rewards);
    for (const long double x : h) f.tamed.push_back(x > mean && rewards > 1);
    return f;
  }

  prefer::aggregate_inputs<prefer::space::host> inputs(bool learns, bool idealistic = false) {
    prefer::aggregate_inputs<prefer::space::host> in;
    in.rewards = prefer::view<const S, 2>(reward.data(), n, rewards, row, 1);
    in.weight = weight.read();
    if (masked) in.mask = mask.read();
    if (learns) in.moments = prefer::view<const double, 2>(moments.data(), rewards, 3);
    if (idealistic) in.ideal = ideal.read();
    in.upstream = upstream.read();
    return in;
  }
  prefer::advantage_inputs<prefer::space::host> groups() {
    prefer::advantage_inputs<prefer::space::host> g{.offsets = offsets.read()};
    if (masked) g.mask = mask.read();
    return g;
  }
  prefer::aggregate_outputs<prefer::space::host> outputs() {
    return {.aggregate = aggregate.view(), .grad_rewards = prefer::view<S, 2>(grad.data(), n, rewards, row, 1)};
  }

  // How far aggregates and gradients are from a definition and its central differences, beyond the rounding of S.
  double worst(const definition& value) {
    const reward_facts f = facts();
    const double rounding = std::ldexp(0.5000001, 1 - storage<S>::digits);
    double worst = 0;
    const auto compare = [&](double got, long double exact, long double error) {
      if (std::isnan(exact) && std::isnan(got)) return;
      const auto apart = static_cast<double>(std::fabs(got - exact));
      const double least = std::ldexp(1.0, storage<S>::least_exponent);
      const double excess = apart - std::fabs(static_cast<double>(exact)) * rounding - least;
      if (!(excess <= 0)) worst = std::max(worst, std::isnan(excess) ? HUGE_VAL : excess / static_cast<double>(error));
    };
    for (std::int64_t i = 0; i < n; ++i) {
      const reals r = rewards_of(i);
      compare(aggregate.get(i), counts(i) ? value(r, f) : 0, 1e-13L);
      for (std::int64_t j = 0; j < rewards; ++j) {
        const long double h = 1e-6L;
        reals up = r, down = r;
        up[static_cast<std::size_t>(j)] += h, down[static_cast<std::size_t>(j)] -= h;
        const long double slope = counts(i) ? (value(up, f) - value(down, f)) / (2 * h) * upstream.get(i) : 0;
        compare(grad.get(i * row + j), slope, 1e-6L);
      }
    }
    return worst;
  }
  bool intact() {
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t j = rewards; j < row; ++j)
        for (std::size_t b = 0; b < sizeof(S); ++b)
          if (reinterpret_cast<const unsigned char*>(&grad.at(i * row + j))[b] != 0xa5) return false;
    return aggregate.intact() && grad.intact() && moments.intact() && ideal.intact();
  }
};

}  // namespace prefer_test
