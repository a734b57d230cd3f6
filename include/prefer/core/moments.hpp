// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/config.hpp>
#include <prefer/core/math.hpp>
#include <prefer/core/reducer.hpp>
#include <prefer/core/status.hpp>

#include <cstdint>

namespace prefer {

// What a standard deviation divides the squares of n numbers by: n - 1 (Bessel) or n.
enum class deviation : std::uint8_t { sample, population };

inline namespace PREFER_ABI {

// Number, mean, and sum of the squared deviations from it, of a set of numbers. The mean of no numbers is 0. Of lanes:
// of as many sets.
template <class V>
struct basic_moments {
  V count = V(0), mean = V(0), squares = V(0);

  // 0 where it is not defined: for no numbers, and for a sample of one.
  PREFER_HD V variance(deviation how) const {
    const V divisor = how == deviation::sample ? count - V(1) : count;
    return math::select(divisor > V(0), squares / divisor, V(0));
  }
  PREFER_HD V std(deviation how) const { return math::sqrt(variance(how)); }
};
using moments = basic_moments<double>;

// The moments of two sets together (Chan, Golub, LeVeque 1983). Nothing is rounded where one set is empty or the means
// are equal: sets that hold one number again and again keep squares of 0.
template <class V>
PREFER_HD basic_moments<V> merge(const basic_moments<V>& a, const basic_moments<V>& b) {
  const V count = a.count + b.count, apart = b.mean - a.mean, share = b.count / count;
  const auto first = b.count == V(0), second = a.count == V(0);
  const auto pick = [&](const V& of_a, const V& of_b, const V& both)
                        PREFER_HD_LAMBDA { return math::select(first, of_a, math::select(second, of_b, both)); };
  return {pick(a.count, b.count, count), pick(a.mean, b.mean, a.mean + apart * share),
          pick(a.squares, b.squares, a.squares + b.squares + apart * apart * (a.count * share))};
}

// The moments of all processes together, on each of them: `mine` becomes those of the sets of every process, merged in
// order of rank. `gathered` has room for over.processes() of them. How the numbers lie on the processes changes the
// result by roundings in double only, a few per process.
inline status merge_processes(const reducer& over, moments& mine, moments* gathered) {
  if (const status s = over.gather(&mine, static_cast<std::int64_t>(sizeof(moments)), gathered); !s.ok()) return s;
  mine = gathered[0];
  for (std::int64_t p = 1; p < over.processes(); ++p) mine = merge(mine, gathered[p]);
  return {};
}

}  // namespace PREFER_ABI
}  // namespace prefer
