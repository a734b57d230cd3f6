// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/shape/step_reward.hpp>
#include <support/row_call.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

// Frames with steps, models of K steps, and their definitions in long double.
namespace prefer_test {

// Every array of both calls, and the calls on views that `of` makes of them (host or device).
template <class S>
struct step_frames {
  std::int64_t n, d, k, m;
  matrix<S> feature, upstream, score, mean, deviation, reward, gradient;
  matrix<std::int32_t> selected;
  buffer<std::int64_t> step;
  buffer<S> combined;

  step_frames(std::int64_t frames, std::int64_t features, std::int64_t steps, std::int64_t kept, std::int64_t gap = 0)
      : n(frames),
        d(features),
        k(steps),
        m(kept),
        feature(n, d, gap),
        upstream(n, k, gap),
        score(k, d, gap),
        mean(k, m, gap),
        deviation(k, m, gap),
        reward(n, k, gap),
        gradient(n, d, gap),
        selected(k, m, gap),
        step(n, 1 + gap),
        combined(n, 1 + gap) {
    noise random(31);
    upstream.fill(random, -1, 1);
    for (std::int64_t t = 0; t < n; ++t) {
      step.at(t) = t < k ? t : static_cast<std::int64_t>(random.uniform(-1, static_cast<double>(k) + 0.5));
      for (std::int64_t f = 0; f < d; ++f) {
        const double level = f % 3 == 0 && step.at(t) == f % k ? 2 : 0;  // one that tells a step
        feature.set(t, f, f % 7 == 5 ? 1.5 : level + random.uniform(-1, 1) * (f % 2 == 0 ? 1 : 0.25));
      }
    }
  }

  struct column {
    long double count = 0, mean = 0, squares = 0;
    long double deviation() const { return count > 0 ? std::sqrt(squares / count) : 0; }
  };
  template <class Keep>
  column moments_of(std::int64_t f, Keep keep) {
    column c;
    for (std::int64_t t = 0; t < n; ++t)
      if (keep(step.at(t))) c.count += 1, c.mean += feature.get(t, f);
    if (c.count > 0) c.mean /= c.count;
    for (std::int64_t t = 0; t < n; ++t)
      if (keep(step.at(t))) c.squares += square(feature.get(t, f) - c.mean);
    return c;
  }
  bool is_step(std::int64_t s) const { return s >= 0 && s < k; }
  long double expected_score(std::int64_t which, std::int64_t f, long double separation) {
    const column all = moments_of(f, [&](std::int64_t s) { return is_step(s); });
    const column mine = moments_of(f, [&](std::int64_t s) { return s == which; });
    const column others = moments_of(f, [&](std::int64_t s) { return is_step(s) && s != which; });
    if (all.squares == 0) return 0;
    const long double apart = others.count > 0 ? std::fabs(mine.mean - others.mean) : 0;
    return (separation * apart - mine.deviation() - others.deviation()) / all.deviation();
  }
  bool is_constant(std::int64_t f) {
    return moments_of(f, [&](std::int64_t s) { return is_step(s); }).squares == 0;
  }

  // The fit against its definition; `digits` are those of what is stored.
  void check_fit(const prefer::step_model_fit& fit) {
    const auto near = [](double got, long double want) {
      CHECK(std::fabs(got - want) <= std::ldexp(std::fabs(want), 1 - storage<S>::digits) + 1e-12L);
    };
    for (std::int64_t s = 0; s < k; ++s) {
      std::vector<long double> z;
      for (std::int64_t f = 0; f < d; ++f) {
        z.push_back(expected_score(s, f, fit.separation.value64));
        near(score.get(s, f), z.back());
      }
      std::vector<bool> taken(static_cast<std::size_t>(d));
      for (std::int64_t i = 0; i < m; ++i) {
        std::int64_t best = -1;  // the highest score; of constant features only when nothing else is left
        for (const bool constant : {false, true})
          for (std::int64_t f = 0; f < d && (best < 0 || is_constant(best) == constant); ++f)
            if (!taken[static_cast<std::size_t>(f)] && is_constant(f) == constant &&
                (best < 0 || z[static_cast<std::size_t>(f)] > z[static_cast<std::size_t>(best)] + 1e-12L))
              best = f;
        taken[static_cast<std::size_t>(best)] = true;
        CHECK(selected.get(s, i) == static_cast<double>(best));
        const column mine = moments_of(best, [&](std::int64_t x) { return x == s; });
        const column all = moments_of(best, [&](std::int64_t x) { return is_step(x); });
        near(mean.get(s, i), mine.mean);
        near(deviation.get(s, i), std::fmax(mine.deviation(), fit.least_deviation.value64 * all.deviation()));
      }
    }
  }
  long double weight(std::int64_t s, std::int64_t i, bool printed) {
    const long double sd = deviation.get(s, i), count = static_cast<long double>(m);
    return printed ? 1 / (count * sd) : -1 / (count * sd * sd);
  }
  void check_rewards(bool printed) {
    const auto near = [](double got, long double want, long double size) {
      CHECK(std::fabs(got - want) <= std::ldexp(std::fabs(want), 1 - storage<S>::digits) + 1e-13L * size +
                                         std::ldexp(1.0L, storage<S>::least_exponent));
    };
    for (std::int64_t t = 0; t < n; ++t) {
      std::vector<long double> g(static_cast<std::size_t>(d)), size(static_cast<std::size_t>(d));
      for (std::int64_t s = 0; s < k; ++s) {
        long double sum = 0, all = 0;
        for (std::int64_t i = 0; i < m; ++i) {
          const auto f = static_cast<std::int64_t>(selected.get(s, i));
          const long double x = feature.get(t, f) - static_cast<long double>(mean.get(s, i));
          sum += weight(s, i, printed) * x * x, all += std::fabs(weight(s, i, printed) * x * x);
          const long double by = upstream.get(t, s) * 2 * weight(s, i, printed) * x;
          g[static_cast<std::size_t>(f)] += by, size[static_cast<std::size_t>(f)] += std::fabs(by);
        }
        near(reward.get(t, s), sum, all);
      }
      for (std::int64_t f = 0; f < d; ++f)
        near(gradient.get(t, f), g[static_cast<std::size_t>(f)], size[static_cast<std::size_t>(f)]);
    }
  }
  void check_combined(bool binary, long double threshold) {
    for (std::int64_t t = 0; t < n; ++t) {
      long double sum = 0, size = 0;
      for (std::int64_t s = 1; s < k; ++s) {
        const long double r = binary ? (reward.get(t, s) > threshold ? 1 : 0) : reward.get(t, s);
        sum += std::ldexp(r, static_cast<int>(s)), size += std::fabs(std::ldexp(r, static_cast<int>(s)));
      }
      CHECK(std::fabs(combined.get(t) - sum) <= std::ldexp(std::fabs(sum), 1 - storage<S>::digits) + 1e-13L * size);
    }
  }
  bool intact() {
    return score.memory.intact() && mean.memory.intact() && deviation.memory.intact() && reward.memory.intact() &&
           gradient.memory.intact() && selected.memory.intact() && combined.intact();
  }
};

}  // namespace prefer_test
