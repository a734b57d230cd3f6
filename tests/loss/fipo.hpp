// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <loss/importance_weights.hpp>
#include <prefer/loss/fipo.hpp>
#include <support/side.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

// FIPO by its definition, in long double and from every token on anew, on either side.
namespace prefer_test {

// Rules that differ in every parameter.
inline std::vector<prefer::fipo> fipo_rules() {
  return {{},
          {.half_life = 2.0, .least = 0.5, .most = 2.0, .safe_ratio = 1.5, .safe_least = 0.75},
          {.half_life = HUGE_VAL, .least = 0.0, .most = 1e6, .safe_ratio = HUGE_VAL, .ratio_max = 1.5}};
}

struct influence_of_token {
  long double future, weight;
};
// x of the tokens from one on; NaN for those that are left out, which the first is not.
inline influence_of_token defined_influence(const prefer::fipo& f, const log_ratios& x, long double advantage) {
  const auto of = [](const prefer::scalar& s) { return static_cast<long double>(s.value64); };
  long double future = 0;
  for (std::size_t j = 0; j < x.size(); ++j)
    if (!std::isnan(x[j]) && std::exp(x[j]) <= of(f.ratio_max))
      future += std::exp2(-static_cast<long double>(j) / of(f.half_life)) * x[j];
  long double w = std::clamp(std::exp(future), of(f.least), of(f.most));
  if (advantage < 0 && std::exp(x[0]) > of(f.safe_ratio)) w = std::clamp(w, of(f.safe_least), 1.0L);
  return {future, w};
}

template <class S>
struct influence_case : importance_case<S> {
  buffer<S> future;
  influence_case(const std::vector<int>& sizes, std::int64_t stride)
      : importance_case<S>(sizes, 11, stride), future(this->total, stride) {
    for (std::int64_t t = 0; t < this->total; ++t)
      if (!this->mask.at(t)) this->policy.set(t, not_a_number);
  }

  template <class Side>
  prefer::status run(Side& side, const prefer::fipo& f) {
    prefer::influence_inputs<Side::memory> in{
        .policy = side.read(this->policy), .old_policy = side.read(this->sampler), .offsets = side.read(this->offsets)};
    if (f.has_safe_ratio()) in.advantage = side.read(this->advantage);
    if (this->masked) in.mask = side.read(this->mask);
    return future_influence(side.exec, f, in, {.weight = side.write(this->weight), .future = side.write(future)});
  }

  bool matches(const prefer::fipo& f) {
    bool ok = this->untouched_around() && future.intact();
    const auto close = [&](double got, long double exact) {
      // Sums of up to 1100 numbers in double, then one rounding to storage.
      const long double bound = 1e-12L * (1 + std::fabs(exact)) + std::ldexp(1.0L, storage<S>::least_exponent) +
                                std::ldexp(std::fabs(exact), -storage<S>::digits);
      return std::fabs(got - exact) <= bound;
    };
    for (std::int64_t i = 0; i < this->n; ++i)
      for (std::int64_t t = this->offsets.at(i); t < this->offsets.at(i + 1); ++t) {
        log_ratios x;
        for (std::int64_t j = t; j < this->offsets.at(i + 1); ++j)
          x.push_back(this->selected(j) ? held_log(static_cast<long double>(this->policy.get(j)) - this->sampler.get(j))
                                        : not_a_number);
        const influence_of_token exact =
            std::isnan(x[0]) ? influence_of_token{0, 0} : defined_influence(f, x, this->advantage.get(i));
        ok = ok && close(this->weight.get(t), exact.weight) && close(future.get(t), exact.future);
      }
    return ok;
  }
};

template <class S, class Side>
void check_influence(std::int64_t stride, bool masked) {
  for (const prefer::fipo& f : fipo_rules()) {
    influence_case<S> c({5, 0, 1, 7, 8, 9, 130, 127, 128, 129, 511, 513, 600, 0, 3}, stride);
    c.masked = masked;
    Side side;
    prefer::check(c.run(side, f));
    side.done();
    CHECK(c.matches(f));
  }
  covers<S>("fipo", "sizes");
  if (masked) covers("fipo", "masked");
}

}  // namespace prefer_test
