// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/config.hpp>
#include <prefer/core/reducer.hpp>
#include <prefer/core/status.hpp>

#include <cmath>
#include <cstdint>

namespace prefer {

// What a standard deviation divides the squares of n numbers by: n - 1 (Bessel) or n.
enum class deviation : std::uint8_t { sample, population };

inline namespace PREFER_ABI {

// Number, mean, and sum of the squared deviations from it, of a set of numbers. The mean of no numbers is 0.
struct moments {
  double count = 0, mean = 0, squares = 0;

  // 0 where it is not defined: for no numbers, and for a sample of one.
  PREFER_HD double variance(deviation how) const {
    const double divisor = how == deviation::sample ? count - 1 : count;
    return divisor > 0 ? squares / divisor : 0;
  }
  PREFER_HD double std(deviation how) const { return ::sqrt(variance(how)); }
};

// The moments of two sets together (Chan, Golub, LeVeque 1983). Nothing is rounded where one set is empty or the means
// are equal: sets that hold one number again and again keep squares of 0.
PREFER_HD moments merge(const moments& a, const moments& b) {
  if (b.count == 0) return a;
  if (a.count == 0) return b;
  moments all;
  all.count = a.count + b.count;
  const double apart = b.mean - a.mean, share = b.count / all.count;
  all.mean = a.mean + apart * share;
  all.squares = a.squares + b.squares + apart * apart * (a.count * share);
  return all;
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
