// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <aggregate/decoupled.hpp>
#include <prefer/aggregate/adaptive.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <vector>

// The adaptive rules by their definitions, in long double, on rewards that are copied out first.
namespace prefer_test {

// What a rule makes of a batch before whitening: values, which of them whitening sees, and a factor for each (the
// share of GD2PO) that comes before whitening or after.
struct verdict {
  grouped value, kept, factor;
  bool after = false;
};
// One reward of one sample; absent: NaN, left out.
struct reward_cell {
  long double z = 0, d = 0;
  bool present = true;
};
// A group: cells[sample][reward], and the population's deviation of each reward.
struct reward_group {
  std::vector<std::vector<reward_cell>> cells;
  numbers s;
};
using reward_groups = std::vector<reward_group>;
using adaptive_definition = std::function<verdict(const reward_groups&, const numbers& weight)>;

// How a definition wants z.
struct z_form {
  bool sample;
  long double epsilon;
};

template <class F>
verdict each_sample(const reward_groups& groups, F value) {  // value(group, cells of the sample)
  verdict v;
  for (const reward_group& g : groups) {
    v.value.emplace_back();
    for (const auto& cells : g.cells) v.value.back().push_back(value(g, cells));
    v.kept.emplace_back(g.cells.size(), 1), v.factor.emplace_back(g.cells.size(), 1);
  }
  return v;
}
template <class F>
long double over_rewards(const std::vector<reward_cell>& cells, F term) {  // term(cell, k)
  long double sum = 0;
  for (std::size_t k = 0; k < cells.size(); ++k) sum += term(cells[k], k);
  return sum;
}

inline verdict gdpo_by_definition(const reward_groups& groups, const numbers& w) {
  return each_sample(groups, [&](const reward_group&, const auto& cells) {
    return over_rewards(cells, [&](const reward_cell& c, std::size_t k) { return w[k] * c.z; });
  });
}
inline verdict dvao_by_definition(const reward_groups& groups, const numbers& w) {
  return each_sample(groups, [&](const reward_group& g, const auto& cells) -> long double {
    const long double below = over_rewards(cells, [&](const auto&, std::size_t k) { return std::fabs(w[k]) * g.s[k]; });
    return below <= 1e-8L
               ? 0
               : over_rewards(cells, [&](const reward_cell& c, std::size_t k) { return w[k] * c.d; }) / below;
  });
}
inline verdict rvpo_by_definition(const reward_groups& groups, const numbers& w, long double beta) {
  return each_sample(groups, [&](const reward_group&, const auto& cells) -> long double {
    long double weights = 0, sum = 0;
    for (std::size_t k = 0; k < cells.size(); ++k)
      if (cells[k].present) weights += w[k], sum += w[k] * std::exp(-beta * cells[k].z);
    return weights == 0 ? 0 : -std::log(sum / weights) / beta;
  });
}
inline verdict dara_by_definition(const reward_groups& groups, const numbers& w, bool symmetric) {
  numbers share(w.size()), u(w.size(), 1);
  for (const reward_group& g : groups)
    for (std::size_t k = 0; k < w.size(); ++k)
      share[k] += g.s[k] > 0 ? 1.0L / static_cast<long double>(groups.size()) : 0;
  long double most = 0;
  for (std::size_t k = 0; k < w.size(); ++k) most = std::max(most, w[k] == 0 ? 0 : share[k]);
  for (std::size_t k = 0; k < w.size(); ++k)
    if (share[k] > 0) u[k] = std::min(5.0L, std::sqrt(most / share[k]));
  return each_sample(groups, [&](const reward_group&, const auto& cells) {
    return over_rewards(cells, [&](const reward_cell& c, std::size_t k) {
      return w[k] * (symmetric ? u[k] * c.z : c.z + (u[k] - 1) * std::max(c.z, 0.0L));
    });
  });
}
inline verdict gd2po_by_definition(const reward_groups& groups, const numbers& w, bool hard, bool after) {
  verdict v = gdpo_by_definition(groups, w);
  v.after = after;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    long double kept = 0;
    for (std::size_t i = 0; i < groups[g].cells.size(); ++i) {
      const auto& cells = groups[g].cells[i];
      bool up = false, down = false;
      for (std::size_t k = 0; k < w.size(); ++k) up |= w[k] * cells[k].z > 1e-8L, down |= w[k] * cells[k].z < -1e-8L;
      const long double size =
          over_rewards(cells, [&](const reward_cell& c, std::size_t k) { return std::fabs(w[k] * c.z); });
      const bool weak = hard || std::fabs(v.value[g][i]) / (size + 1e-8L) < 0.5L;
      v.kept[g][i] = up && down && weak ? 0 : 1;
      kept += v.kept[g][i];
    }
    for (long double& f : v.factor[g]) f = kept / static_cast<long double>(v.factor[g].size());
  }
  return v;
}
// With the matrix of correlations, entry by entry; nothing may be absent.
inline verdict corr_grpo_by_definition(const reward_groups& groups, const numbers& w) {
  return each_sample(groups, [&](const reward_group& g, const auto& cells) {
    long double sum = 0;
    const auto size = static_cast<long double>(g.cells.size());
    for (std::size_t j = 0; j < w.size(); ++j)
      for (std::size_t k = 0; k < w.size(); ++k) {
        if (g.s[j] == 0 || g.s[k] == 0 || w[j] * w[k] == 0) continue;
        long double covariance = 0;
        for (const auto& row : g.cells) covariance += row[j].d * row[k].d / size;
        sum += std::copysign(covariance / (g.s[j] * g.s[k]), covariance * w[j] * w[k]);
      }
    return over_rewards(cells, [&](const reward_cell& c, std::size_t k) { return w[k] * c.d; }) /
           (std::sqrt(std::max(sum, 0.05L)) + 1e-6L);
  });
}

// A rule without its type, so that what tests do with each is compiled once.
template <class Exec>
struct adaptive_entry {
  using inputs = prefer::decoupled_inputs<Exec::memory>;
  using outputs = prefer::decoupled_outputs<Exec::memory>;
  const char* name;
  prefer::whitening white;
  z_form form;
  adaptive_definition definition;
  prefer::status (*call)(const void*, const Exec&, const inputs&, const outputs&);
  std::shared_ptr<const void> rule;

  template <class Rule>
  adaptive_entry(const char* n, const Rule& r, const z_form& f, const adaptive_definition& d)
      : name(n), white(r.batch()), form(f), definition(d), rule(std::make_shared<Rule>(r)) {
    call = [](const void* self, const Exec& exec, const inputs& in, const outputs& out) {
      return prefer::decoupled_advantages(exec, *static_cast<const Rule*>(self), in, out);
    };
  }
  prefer::status run(const Exec& exec, const inputs& in, const outputs& out) const {
    return call(rule.get(), exec, in, out);
  }
  // In units of 1e-13: normalised rewards are of the order of 1, differences of rewards of that of 1000.
  double tolerance() const { return white.on ? 1 : 20; }
};

// Every rule, in both forms where there are two.
template <class Exec>
const std::vector<adaptive_entry<Exec>>& adaptive_entries() {
  using namespace prefer;
  using groups = const reward_groups&;
  using weights = const numbers&;
  static const std::vector<adaptive_entry<Exec>> all = {
      {"gdpo", gdpo{}, {true, 1e-4L}, gdpo_by_definition},
      {"dvao", dvao{}, {false, 0}, dvao_by_definition},
      {"rvpo", rvpo{.beta = 2.0}, {true, 1e-4L}, [](groups g, weights w) { return rvpo_by_definition(g, w, 2); }},
      {"dara", dara{}, {true, 1e-6L}, [](groups g, weights w) { return dara_by_definition(g, w, false); }},
      {"dara",
       dara{.symmetric = true},
       {true, 1e-6L},
       [](groups g, weights w) { return dara_by_definition(g, w, true); }},
      {"gd2po",
       gd2po{.agreement = 0.5},
       {true, 1e-6L},
       [](groups g, weights w) { return gd2po_by_definition(g, w, false, false); }},
      {"gd2po",
       gd2po{.hard = true, .after_whitening = true},
       {true, 1e-6L},
       [](groups g, weights w) { return gd2po_by_definition(g, w, true, true); }},
      {"corr_grpo", corr_grpo{}, {false, 0}, corr_grpo_by_definition}};
  return all;
}

// Groups with several rewards and numbers of tokens; weights of 0 and above, the second reward constant in every third
// group.
template <class S>
struct adaptive_case : decoupled_case<S> {
  using base = decoupled_case<S>;
  buffer<std::int32_t> tokens;
  bool by_tokens = false;

  adaptive_case(const std::vector<int>& sizes, std::int64_t k, std::int64_t gap)
      : base(sizes, k, gap), tokens(base::total) {
    noise random(21);
    for (std::int64_t i = 0; i < base::total; ++i) tokens.at(i) = static_cast<std::int32_t>(random.bits() % 50);
    for (std::int64_t j = 0; j < k; ++j) base::weight.set(j, j == 2 ? 0 : 1 - 0.25 * static_cast<double>(j));
    for (std::int64_t g = 0; k > 1 && g < base::n; g += 3)
      for (std::int64_t i = base::offsets.at(g); i < base::offsets.at(g + 1); ++i)
        base::reward.set(i * base::row + 1, 0.7);
  }
  prefer::decoupled_inputs<prefer::space::host> inputs(bool whitens) {
    auto in = base::inputs();
    if (by_tokens && whitens) in.tokens = tokens.read();
    return in;
  }

  reward_groups groups(const z_form& form) {
    reward_groups all;
    for (std::int64_t g = 0; g < base::n; ++g) {
      all.emplace_back();
      reward_group& group = all.back();
      std::vector<std::int64_t> samples = samples_of(g);
      group.cells.assign(samples.size(), std::vector<reward_cell>(static_cast<std::size_t>(base::rewards)));
      for (std::int64_t j = 0; j < base::rewards; ++j) {
        numbers kept;
        for (const std::int64_t i : samples)
          if (!absent(i, j)) kept.push_back(base::reward.get(i * base::row + j));
        const long double m = mean_of(kept), s = std_of(kept, form.sample);
        group.s.push_back(std_of(kept, false));
        for (std::size_t i = 0; i < samples.size(); ++i) {
          reward_cell& c = group.cells[i][static_cast<std::size_t>(j)];
          c.present = !absent(samples[i], j);
          c.d = c.present ? base::reward.get(samples[i] * base::row + j) - m : 0;
          c.z = over(c.d, s, form.epsilon);
        }
      }
    }
    return all;
  }
  grouped expected(const prefer::whitening& white, const z_form& form, const adaptive_definition& definition) {
    numbers w;
    for (std::int64_t j = 0; j < base::rewards; ++j) w.push_back(base::weight.get(j));
    verdict v = definition(groups(form), w);
    for (std::size_t g = 0; g < v.value.size(); ++g)
      for (std::size_t i = 0; i < v.value[g].size(); ++i) v.value[g][i] *= v.after ? 1 : v.factor[g][i];
    if (white.on) whiten(v, white);
    for (std::size_t g = 0; g < v.value.size(); ++g)
      for (std::size_t i = 0; i < v.value[g].size(); ++i)
        v.value[g][i] = v.kept[g][i] == 0 ? 0 : v.value[g][i] * (v.after ? v.factor[g][i] : 1);
    return v.value;
  }

 private:
  std::vector<std::int64_t> samples_of(std::int64_t g) {
    std::vector<std::int64_t> samples;
    for (std::int64_t i = base::offsets.at(g); i < base::offsets.at(g + 1); ++i)
      if (base::counts(i)) samples.push_back(i);
    return samples;
  }
  bool absent(std::int64_t i, std::int64_t j) {
    return base::exclude_nan && std::isnan(base::reward.get(i * base::row + j));
  }
  // Every kept value as often as it has tokens.
  void whiten(verdict& v, const prefer::whitening& white) {
    long double number = 0, sum = 0, squares = 0;
    const auto each = [&](auto f) {
      for (std::int64_t g = 0; g < base::n; ++g) {
        std::size_t i = 0;
        for (const std::int64_t at : samples_of(g)) {
          const auto group = static_cast<std::size_t>(g);
          if (v.kept[group][i] != 0) f(v.value[group][i], by_tokens ? static_cast<long double>(tokens.at(at)) : 1.0L);
          ++i;
        }
      }
    };
    each([&](long double x, long double w) { number += w, sum += w * x; });
    const long double middle = number > 0 ? sum / number : 0;
    each([&](long double x, long double w) { squares += w * (x - middle) * (x - middle); });
    const long double divisor = white.std == prefer::deviation::sample ? number - 1 : number;
    const long double variance = divisor > 0 ? squares / divisor : 0;
    const auto e = static_cast<long double>(white.epsilon.value64);
    const long double below = white.under_root ? std::sqrt(variance + e) : std::sqrt(variance) + e;
    each([&](long double& x, long double) { x = variance == 0 ? 0 : (x - middle) / below; });
  }
};

}  // namespace prefer_test
