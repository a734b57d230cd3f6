// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/shape/potential.hpp>
#include <support/buffer.hpp>

#include <cmath>
#include <limits>

// Transitions with everything that a call can be given, and what must come of them.
namespace prefer_test {

template <class S>
struct transitions {
  std::int64_t n;
  buffer<S> reward, potential, next, discount, upstream, shaped, bonus, by_potential, by_next;
  buffer<bool> terminal, mask;

  explicit transitions(std::int64_t count, std::int64_t stride = 1)
      : n(count),
        reward(n, stride),
        potential(n, stride),
        next(n, stride),
        discount(n, stride),
        upstream(n, stride),
        shaped(n, stride),
        bonus(n, stride),
        by_potential(n, stride),
        by_next(n, stride),
        terminal(n, stride),
        mask(n, stride) {
    noise random(3);
    for (std::int64_t i = 0; i < n; ++i) {
      for (auto* v : {&reward, &potential, &next, &upstream}) v->set(i, random.uniform(-2, 2));
      discount.set(i, random.uniform(0, 1));
      terminal.at(i) = i % 5 == 3, mask.at(i) = i % 7 != 2;
      if (terminal.at(i)) next.set(i, std::numeric_limits<double>::quiet_NaN());
    }
  }
  // What element i of an output must be: shaped, bonus and the two derivatives.
  long double expected(int output, std::int64_t i, long double factor) {
    if (!mask.at(i)) return 0;
    if (output == 2) return -static_cast<long double>(upstream.get(i));
    if (output == 3) return terminal.at(i) ? 0 : upstream.get(i) * factor;
    const long double later = terminal.at(i) ? 0 : factor * next.get(i);
    return later - potential.get(i) + (output == 0 ? reward.get(i) : 0);
  }
};

// The call, on views that `at` makes of the vectors.
template <class T, class Exec, class S, class In, class Out, class Flag>
prefer::status shape(const Exec& exec, const prefer::potential_shaping& how, transitions<S>& t, bool own, In in,
                     Out out, Flag flag) {
  prefer::shaping_inputs<Exec::memory> from = {.reward = in(t.reward),
                                               .potential = in(t.potential),
                                               .next_potential = in(t.next),
                                               .terminal = flag(t.terminal),
                                               .mask = flag(t.mask),
                                               .upstream = in(t.upstream)};
  if (own) from.discount = in(t.discount);
  return prefer::shape_rewards<T>(exec, how, from, {out(t.shaped), out(t.bonus), out(t.by_potential), out(t.by_next)});
}

}  // namespace prefer_test
