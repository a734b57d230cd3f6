// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/advantage/baseline.hpp>
#include <support/side.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

// Baselines by their definitions, in long double, on either side.
namespace prefer_test {

// A score and its weight.
struct weighed {
  long double x, w;
};
using weighed_group = std::vector<weighed>;

inline long double defined_opo(const weighed_group& g) {
  long double sum = 0, weights = 0;
  for (const auto& s : g) sum += s.w * s.x, weights += s.w;
  return sum / weights;
}
inline long double defined_value(const weighed_group& g, long double beta) {
  long double sum = 0;
  for (const auto& s : g) sum += std::exp(s.x / beta);
  return beta * std::log(sum / static_cast<long double>(g.size()));
}
inline long double defined_second(const weighed_group& g) {
  std::vector<long double> x;
  for (const auto& s : g) x.push_back(s.x);
  std::sort(x.rbegin(), x.rend());
  return x[x.size() > 1 ? 1 : 0];
}

template <class Exec>
struct baseline_rule {
  using inputs = prefer::baseline_inputs<Exec::memory>;
  using outputs = prefer::baseline_outputs<Exec::memory>;
  const char* name;
  bool reads_weight, of_best_only;
  std::function<long double(const weighed_group&)> baseline;
  std::function<prefer::status(const Exec&, const inputs&, const outputs&)> run;
};
template <class Exec>
const std::vector<baseline_rule<Exec>>& baseline_rules() {
  static const std::vector<baseline_rule<Exec>> all = [] {
    std::vector<baseline_rule<Exec>> rules;
    const auto add = [&](const char* name, const auto& rule, std::function<long double(const weighed_group&)> exact) {
      using in = typename baseline_rule<Exec>::inputs;
      using out = typename baseline_rule<Exec>::outputs;
      rules.push_back(
          {name, rule.reads_weight, rule.of_best_only, exact, [rule](const Exec& exec, const in& i, const out& o) {
             return prefer::baseline_advantages(exec, rule, i, o);
           }});
    };
    add("opo", prefer::opo{}, defined_opo);
    add("optimal_value", prefer::optimal_value{.beta = 0.25}, [](const auto& g) { return defined_value(g, 0.25L); });
    add("optimal_value", prefer::optimal_value{.beta = 64.0}, [](const auto& g) { return defined_value(g, 64); });
    add("grpo_pass_k", prefer::grpo_pass_k{}, defined_second);
    return rules;
  }();
  return all;
}

template <class S>
struct baseline_case {
  ragged_groups groups;
  buffer<S> score, weight, advantage;
  buffer<bool> mask;
  buffer<double> baseline;
  bool masked;

  baseline_case(const std::vector<std::int64_t>& sizes, std::int64_t stride, bool with_mask)
      : groups(sizes),
        score(groups.samples, stride),
        weight(groups.samples),
        advantage(groups.samples, stride),
        mask(groups.samples, stride),
        baseline(groups.count()),
        masked(with_mask) {
    noise random(static_cast<std::uint64_t>(groups.samples));
    for (std::int64_t i = 0; i < groups.samples; ++i) {
      score.set(i, random.uniform(0, 1) < 0.3 ? 0.75 : random.uniform(-2, 2));
      weight.set(i, std::floor(random.uniform(1, 100)));
      mask.at(i) = !masked || random.uniform(0, 1) < 0.75;
      if (!mask.at(i)) score.set(i, not_a_number), weight.set(i, not_a_number);
    }
  }
  template <class Side>
  void run(Side& side, const baseline_rule<decltype(Side::exec)>& rule, bool exclude_nan = false) {
    prefer::baseline_inputs<Side::memory> in{.score = side.read(score), .offsets = side.read(groups.offsets)};
    if (rule.reads_weight) in.weight = side.read(weight);
    if (masked && !exclude_nan) in.mask = side.read(mask);
    in.exclude_nan = exclude_nan;
    prefer::check(rule.run(side.exec, in, {.advantage = side.write(advantage), .baseline = side.write(baseline)}));
    side.done();
  }
  template <class Exec>
  bool matches(const baseline_rule<Exec>& rule) {
    bool ok = advantage.intact() && baseline.intact();
    buffer<S> fresh(groups.samples);
    for (std::int64_t i = 0; i < groups.samples; ++i)
      if (!groups.owns(i)) ok = ok && std::memcmp(&advantage.at(i), &fresh.at(i), sizeof(S)) == 0;
    for (std::int64_t b = 0; b < groups.count(); ++b) {
      weighed_group g;
      for (std::int64_t i = groups.begin(b); i < groups.end(b); ++i)
        if (mask.at(i)) g.push_back({score.get(i), weight.get(i)});
      const long double exact = g.empty() ? 0 : rule.baseline(g);
      // Sums of up to 2000 numbers about the best, all of one sign.
      ok = ok && std::fabs(baseline.get(b) - exact) <= 2e-14L;
      bool first = true;
      for (std::int64_t i = groups.begin(b); i < groups.end(b); ++i) {
        long double a = mask.at(i) ? score.get(i) - exact : 0;
        if (mask.at(i) && rule.of_best_only) {
          const bool best = std::all_of(g.begin(), g.end(), [&](const weighed& s) { return score.get(i) >= s.x; });
          if (!best || !first) a = 0;
          first = first && !best;
        }
        ok = ok && std::fabs(advantage.get(i) - a) <= 4e-14L + std::ldexp(std::fabs(a), -storage<S>::digits) +
                                                          std::ldexp(1.0L, storage<S>::least_exponent);
      }
    }
    return ok;
  }
};

inline std::vector<std::vector<std::int64_t>> baseline_shapes() {
  auto shapes = group_shapes();
  shapes.push_back({1, 511, 512, 513, 3, 1023, 1024, 1025});
  shapes.push_back(std::vector<std::int64_t>(150, 8));
  return shapes;
}

template <class S, class Side>
void check_baselines(std::int64_t stride, bool masked) {
  for (const auto& rule : baseline_rules<decltype(Side::exec)>()) {
    INFO(std::string(rule.name));
    for (const auto& sizes : baseline_shapes()) {
      baseline_case<S> c(sizes, stride, masked);
      for (const bool by_nan : {false, true}) {
        Side side;
        c.run(side, rule, by_nan && masked);
        CHECK(c.matches(rule));
      }
    }
    covers<S>(rule.name, "sizes");
    if (masked) covers(rule.name, "masked");
  }
}

}  // namespace prefer_test
