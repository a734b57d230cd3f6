// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/lane.hpp>

#include <type_traits>

// Lanes of eight doubles, their elements exchanged.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// Eight lanes transposed: element i of row k becomes element k of row i.
template <class Level>
inline __attribute__((always_inline)) void transpose(lane<double, Level> (&r)[8]) {
#if defined(__CUDACC__)
  for (int i = 0; i < 8; ++i)
    for (int k = 0; k < i; ++k) {
      const double kept = r[i].v[k];
      r[i].v[k] = r[k].v[i], r[k].v[i] = kept;
    }
#else
  using number = typename lane<double, Level>::number;
  if constexpr (lane<double, Level>::count == 1) {
    number a[8], b[8];
    unrolled<4>([&](auto i) PREFER_HD_LAMBDA {
      a[2 * i] = __builtin_shufflevector(r[2 * i].v[0], r[2 * i + 1].v[0], 0, 8, 2, 10, 4, 12, 6, 14);
      a[2 * i + 1] = __builtin_shufflevector(r[2 * i].v[0], r[2 * i + 1].v[0], 1, 9, 3, 11, 5, 13, 7, 15);
    });
    const auto halves = [](const number& x, const number& y, number& even, number& odd) PREFER_HD_LAMBDA {
      even = __builtin_shufflevector(x, y, 0, 1, 4, 5, 8, 9, 12, 13);
      odd = __builtin_shufflevector(x, y, 2, 3, 6, 7, 10, 11, 14, 15);
    };
    unrolled<2>([&](auto p) PREFER_HD_LAMBDA {
      unrolled<2>([&](auto i)
                      PREFER_HD_LAMBDA { halves(a[4 * p + i], a[4 * p + 2 + i], b[4 * p + i], b[4 * p + 2 + i]); });
    });
    unrolled<4>([&](auto i) PREFER_HD_LAMBDA { halves(b[i], b[4 + i], r[i].v[0], r[4 + i].v[0]); });
  } else if constexpr (lane<double, Level>::count == 2) {
    number from[8][2];
    unrolled<8>([&](auto i) PREFER_HD_LAMBDA { from[i][0] = r[i].v[0], from[i][1] = r[i].v[1]; });
    unrolled<2>([&](auto p) PREFER_HD_LAMBDA {
      unrolled<2>([&](auto q) PREFER_HD_LAMBDA {
        const number(&a)[2] = from[4 * q], (&b)[2] = from[4 * q + 1], (&c)[2] = from[4 * q + 2],
              (&d)[2] = from[4 * q + 3];
        const number ab_even = __builtin_shufflevector(a[p], b[p], 0, 4, 2, 6);
        const number ab_odd = __builtin_shufflevector(a[p], b[p], 1, 5, 3, 7);
        const number cd_even = __builtin_shufflevector(c[p], d[p], 0, 4, 2, 6);
        const number cd_odd = __builtin_shufflevector(c[p], d[p], 1, 5, 3, 7);
        r[4 * p].v[q] = __builtin_shufflevector(ab_even, cd_even, 0, 1, 4, 5);
        r[4 * p + 1].v[q] = __builtin_shufflevector(ab_odd, cd_odd, 0, 1, 4, 5);
        r[4 * p + 2].v[q] = __builtin_shufflevector(ab_even, cd_even, 2, 3, 6, 7);
        r[4 * p + 3].v[q] = __builtin_shufflevector(ab_odd, cd_odd, 2, 3, 6, 7);
      });
    });
  } else {
    number from[8][4];
    unrolled<8>([&](auto i)
                    PREFER_HD_LAMBDA { unrolled<4>([&](auto p) PREFER_HD_LAMBDA { from[i][p] = r[i].v[p]; }); });
    unrolled<4>([&](auto p) PREFER_HD_LAMBDA {
      unrolled<4>([&](auto q) PREFER_HD_LAMBDA {
        r[2 * p].v[q] = __builtin_shufflevector(from[2 * q][p], from[2 * q + 1][p], 0, 2);
        r[2 * p + 1].v[q] = __builtin_shufflevector(from[2 * q][p], from[2 * q + 1][p], 1, 3);
      });
    });
  }
#endif
}

// Two lanes of eight doubles, taken by turns: a0 b0 a1 b1 a2 b2 a3 b3 and a4 b4 ... b7.
template <class Level>
inline __attribute__((always_inline)) void interleave(lane<double, Level>& a, lane<double, Level>& b) {
#if defined(__CUDACC__)
  double turns[16];
  for (int i = 0; i < 8; ++i) turns[2 * i] = a.v[i], turns[2 * i + 1] = b.v[i];
  for (int i = 0; i < 8; ++i) a.v[i] = turns[i], b.v[i] = turns[8 + i];
#else
  using number = typename lane<double, Level>::number;
  constexpr int count = lane<double, Level>::count;
  number low[count], high[count];
  unrolled<count>([&](auto i) PREFER_HD_LAMBDA {
    if constexpr (count == 1) {
      low[i] = __builtin_shufflevector(a.v[i], b.v[i], 0, 8, 1, 9, 2, 10, 3, 11);
      high[i] = __builtin_shufflevector(a.v[i], b.v[i], 4, 12, 5, 13, 6, 14, 7, 15);
    } else if constexpr (count == 2) {
      low[i] = __builtin_shufflevector(a.v[i], b.v[i], 0, 4, 1, 5);
      high[i] = __builtin_shufflevector(a.v[i], b.v[i], 2, 6, 3, 7);
    } else {
      low[i] = __builtin_shufflevector(a.v[i], b.v[i], 0, 2);
      high[i] = __builtin_shufflevector(a.v[i], b.v[i], 1, 3);
    }
  });
  if constexpr (count == 1) {
    a.v[0] = low[0], b.v[0] = high[0];
  } else {
    unrolled<count / 2>([&](auto i) PREFER_HD_LAMBDA {
      a.v[2 * i] = low[i], a.v[2 * i + 1] = high[i];
      b.v[2 * i] = low[count / 2 + i], b.v[2 * i + 1] = high[count / 2 + i];
    });
  }
#endif
}

// A number in memory as all elements of a lane. g++ adds it to 0 and moves the sum from register to register where
// lanes are made from numbers; an instruction that reads memory does it alone.
template <class V>
inline __attribute__((always_inline)) V repeated(const double* p) {
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && !defined(__CUDACC__)
  if constexpr (V::count <= 2) {
    V r;
    typename V::number x;
    __asm__("vbroadcastsd {%1, %0|%0, %1}" : "=v"(x) : "m"(*p));
    unrolled<V::count>([&](auto i) PREFER_HD_LAMBDA { r.v[i] = x; });
    return r;
  }
#endif
  return V(*p);
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
