// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/advantage/group_advantage.hpp>
#include <support/buffer.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

// Groups of scores as memory, and every rule by its definition, in long double and on numbers that are copied out
// first.
namespace prefer_test {

using numbers = std::vector<long double>;
using grouped = std::vector<numbers>;

inline long double mean_of(const numbers& x) {
  long double sum = 0;
  for (const long double v : x) sum += v;
  return x.empty() ? 0 : sum / static_cast<long double>(x.size());
}
inline long double std_of(const numbers& x, bool sample) {
  const long double m = mean_of(x);
  long double sum = 0;
  for (const long double v : x) sum += (v - m) * (v - m);
  const auto n = static_cast<long double>(x.size()) - (sample ? 1 : 0);
  return n > 0 ? std::sqrt(sum / n) : 0;
}
inline numbers all_of(const grouped& x) {
  numbers all;
  for (const numbers& g : x) all.insert(all.end(), g.begin(), g.end());
  return all;
}
template <class F>
grouped each_score(const grouped& x, F of_group) {  // of_group(group)(score)
  grouped a = x;
  for (std::size_t g = 0; g < x.size(); ++g) {
    const auto f = of_group(x[g]);
    for (long double& v : a[g]) v = f(v);
  }
  return a;
}

// The definitions. A quotient by a deviation of 0 is 0.
inline long double over(long double x, long double s, long double epsilon) { return s == 0 ? 0 : x / (s + epsilon); }

inline grouped normalised(const grouped& x, bool sample, long double epsilon) {
  return each_score(x, [&](const numbers& g) {
    return [=, m = mean_of(g), s = std_of(g, sample)](long double v) { return over(v - m, s, epsilon); };
  });
}
inline grouped centred(const grouped& x) {
  return each_score(x, [](const numbers& g) { return [m = mean_of(g)](long double v) { return v - m; }; });
}
inline grouped less_the_others(const grouped& x) {
  return each_score(x, [](const numbers& g) {
    const auto n = static_cast<long double>(g.size());
    return [sum = mean_of(g) * n, n](long double v) { return n < 2 ? 0 : v - (sum - v) / (n - 1); };
  });
}
inline grouped relative(const grouped& x) {
  return each_score(
      x, [](const numbers& g) { return [m = mean_of(g)](long double v) { return m <= 0 ? 0 : v / m - 1; }; });
}
inline grouped over_batch(const grouped& x, bool sample, long double epsilon, bool centre) {
  const numbers all = all_of(x);
  const long double m = mean_of(all), s = std_of(all, sample);
  return each_score(x, [&](const numbers& g) {
    return [=, middle = centre ? mean_of(g) : m](long double v) { return over(v - middle, s, epsilon); };
  });
}
inline grouped over_teaching(const grouped& x) {
  long double all = 0, teaching = 0;
  for (const numbers& g : x) {
    all += static_cast<long double>(g.size());
    if (std_of(g, false) > 0) teaching += static_cast<long double>(g.size());
  }
  return each_score(x, [&](const numbers& g) {
    return [=, m = mean_of(g)](long double v) { return teaching > 0 ? (v - m) * all / teaching : 0; };
  });
}
inline grouped whitened(const grouped& x) {
  const numbers all = all_of(x);
  const long double m = mean_of(all), s = std_of(all, true);
  return each_score(x, [&](const numbers&) { return [=](long double v) { return over(v - m, s, 1e-4L); }; });
}
inline grouped held(const grouped& x, long double limit) {
  return each_score(
      x, [&](const numbers&) { return [=](long double v) { return std::min(limit, std::max(-limit, v)); }; });
}

// f(name, rule, definition) of every rule, with defaults and without.
template <class F>
void each_rule(F f) {
  using namespace prefer;
  const auto epsilon = [](long double x) { return static_cast<long double>(static_cast<double>(x)); };
  f("grpo", grpo{}, [=](const grouped& x) { return normalised(x, true, epsilon(1e-4L)); });
  f("grpo", grpo{.epsilon = 0.0, .std = deviation::population},
    [](const grouped& x) { return normalised(x, false, 0); });
  f("dr_grpo", dr_grpo{}, [](const grouped& x) { return centred(x); });
  f("rloo", rloo{}, [](const grouped& x) { return less_the_others(x); });
  f("max_rl", max_rl{}, [](const grouped& x) { return relative(x); });
  f("reinforce_plus_plus", reinforce_plus_plus{},
    [=](const grouped& x) { return over_batch(x, false, epsilon(1e-8L), false); });
  f("lite_ppo", lite_ppo{}, [=](const grouped& x) { return over_batch(x, true, epsilon(1e-4L), true); });
  f("gpg", gpg{}, [](const grouped& x) { return over_teaching(x); });
  f("batch_whitened", batch_whitened{grpo{}},
    [=](const grouped& x) { return whitened(normalised(x, true, epsilon(1e-4L))); });
  f("clipped", clipped{grpo{}, 0.5}, [=](const grouped& x) { return held(normalised(x, true, epsilon(1e-4L)), 0.5L); });
}

// Groups of the given sizes, the scores at a stride, a few before the first group and behind the last.
template <class S>
struct group_case {
  static constexpr std::int64_t before = 3, behind = 5;
  std::int64_t n, total;
  buffer<std::int32_t> offsets;
  buffer<S> score, advantage;
  buffer<bool> mask;
  buffer<double> mean, std, count;
  bool masked = false, exclude_nan = false;

  explicit group_case(const std::vector<int>& sizes, std::uint64_t seed = 3, std::int64_t stride = 1)
      : n(static_cast<std::int64_t>(sizes.size())),
        total(sum(sizes) + before + behind),
        offsets(n + 1),
        score(total, stride, 1),
        advantage(total, stride, 1),
        mask(total),
        mean(n),
        std(n),
        count(n) {
    noise random(seed);
    for (std::int64_t i = 0; i < total; ++i) {
      score.set(i, random.uniform(-1, 3));
      mask.at(i) = random.bits() % 4 != 0;
    }
    std::int32_t at = before;
    for (std::int64_t g = 0; g < n; ++g) {
      offsets.at(g) = at;
      at += sizes[static_cast<std::size_t>(g)];
    }
    offsets.at(n) = at;
  }
  static std::int64_t sum(const std::vector<int>& sizes) {
    std::int64_t all = 0;
    for (const int s : sizes) all += s;
    return all;
  }

  bool counts(std::int64_t i) { return (!masked || mask.at(i)) && !(exclude_nan && std::isnan(score.get(i))); }
  prefer::advantage_inputs<prefer::space::host> inputs() {
    prefer::advantage_inputs<prefer::space::host> in{.score = score.read(), .offsets = offsets.read()};
    if (masked) in.mask = mask.read();
    in.exclude_nan = exclude_nan;
    return in;
  }
  prefer::advantage_outputs<prefer::space::host> outputs() {
    return {.advantage = advantage.view(), .mean = mean.view(), .std = std.view(), .count = count.view()};
  }

  // The selected scores, group by group.
  grouped selected() {
    grouped x(static_cast<std::size_t>(n));
    for (std::int64_t g = 0; g < n; ++g)
      for (std::int64_t i = offsets.at(g); i < offsets.at(g + 1); ++i)
        if (counts(i)) x[static_cast<std::size_t>(g)].push_back(score.get(i));
    return x;
  }
  // The largest distance of an advantage from `expected`, less half a unit in the last place of S, in multiples of
  // `unit`; scores that are left out must be 0.
  double worst(const grouped& expected, double unit) {
    double worst = 0;
    for (std::int64_t g = 0; g < n; ++g) {
      std::size_t k = 0;
      for (std::int64_t i = offsets.at(g); i < offsets.at(g + 1); ++i) {
        const long double exact = counts(i) ? expected[static_cast<std::size_t>(g)][k++] : 0;
        const double got = advantage.get(i);
        if (std::isnan(exact) && std::isnan(got)) continue;
        const double rounding = std::fabs(static_cast<double>(exact)) * std::ldexp(0.5000001, 1 - storage<S>::digits);
        const double apart = std::fabs(static_cast<double>(got - exact));
        const double least = std::ldexp(1.0, storage<S>::least_exponent);
        if (!(apart <= rounding + least))
          worst = std::max(worst, std::isnan(apart) ? HUGE_VAL : (apart - rounding) / unit);
      }
    }
    return worst;
  }
  bool untouched_around() {
    for (std::int64_t i = 0; i < total; ++i) {
      if (i >= offsets.at(0) && i < offsets.at(n)) continue;
      for (std::size_t b = 0; b < sizeof(S); ++b)
        if (reinterpret_cast<const unsigned char*>(&advantage.at(i))[b] != 0xa5) return false;
    }
    return advantage.intact() && mean.intact() && std.intact() && count.intact();
  }
};

// Rows of tests/golden/scores.py: eight scores in groups of 4, 1, 0 and 3. Whether run(scores, offsets, advantages)
// answers with the advantages, but for a few roundings of `size` and the rounding of S; 0 exactly where the size is.
template <class S, class Run>
bool near_golden(const long double (&score)[8], const long double (&advantage)[8], const long double (&size)[8],
                 const Run& run) {
  constexpr std::int64_t offsets[] = {0, 4, 5, 5, 8};
  buffer<S> x(8), a(8);
  for (std::int64_t i = 0; i < 8; ++i) {
    x.set(i, static_cast<double>(score[i])), a.set(i, static_cast<double>(advantage[i]));
    if (x.get(i) != score[i] || std::isinf(a.get(i))) return true;  // S cannot hold the row
  }
  run(x.read(), prefer::view<const std::int64_t>(offsets, 5), a.view());
  bool near = a.intact();
  for (std::int64_t i = 0; i < 8; ++i) {
    const long double exact = advantage[i], rounding = std::ldexp(std::fabs(exact), -storage<S>::digits);
    const long double least = exact == 0 ? 0 : std::ldexp(1.0L, storage<S>::least_exponent);
    near = near && std::fabs(a.get(i) - exact) <= 2e-15L * size[i] + rounding + least;
  }
  return near;
}
template <class Run>
bool near_golden_in_all(const long double (&score)[8], const long double (&advantage)[8], const long double (&size)[8],
                        const Run& run) {
  using namespace prefer;
  return near_golden<double>(score, advantage, size, run) && near_golden<float>(score, advantage, size, run) &&
         near_golden<half>(score, advantage, size, run) && near_golden<bfloat16>(score, advantage, size, run);
}

// Sizes about every tile of either backend.
inline std::vector<int> group_sizes() {
  return {0, 1, 2, 7, 8, 9, 16, 0, 4, 64, 255, 256, 257, 1, 512, 513, 1023, 3, 1024, 1025, 2049, 5};
}

}  // namespace prefer_test
