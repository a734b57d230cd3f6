// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/dispatch.hpp>
#include <prefer/core/lane.hpp>

#include <cstdint>
#include <type_traits>

// Comparisons of one lane of keys per objective with another, as bits: what dominance tests on the CPU are made of.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// Dominance tests run at AVX2 at most: at AVX-512 comparisons end in mask registers, and what moves their bits to where
// branches look costs more than the wider lane gains (docs/decisions/013_pareto_algorithms.md).
template <class Level>
using key_level = std::conditional_t<std::is_same_v<Level, level::avx512>, level::avx2, Level>;
template <class Work>
struct key_work {  // the base level may be AVX-512 itself
  template <class Level, class Job>
  static inline __attribute__((always_inline)) void run(Job& job) {
    Work::template run<key_level<Level>>(job);
  }
};
template <class Work, class Job>
void run_keys(isa at, Job& job) {
  at == isa::base ? run_as<level::base, key_work<Work>>(job) : run_as<level::avx2, key_work<Work>>(job);
}

enum class compare : std::uint8_t { at_least, above, at_most, below };

// Bit i of a result speaks of element i.
template <class T, class Level>
struct key_lanes {
  using V = lane<T, key_level<Level>>;
  using bits = std::uint32_t;
  static constexpr int width = V::width;
  static constexpr bits all = (bits{1} << width) - 1;

  static PREFER_HD bits first(std::int64_t n) { return n >= width ? all : (bits{1} << n) - 1; }

  // Where w compares with x, in every objective: w has objective k at w + k * stride. Ends early where it can.
  template <compare Op>
  static PREFER_HD bits every(const T* w, std::int64_t stride, const V* x, int objectives) {
    auto m = compare_lane<Op>(V::load(w), x[0]);
    for (int k = 1; k < objectives; ++k) {
      if (k % 4 == 0 && none(m)) return 0;
      w += stride;
      m = m & compare_lane<Op>(V::load(w), x[k]);
    }
    return bits_of_mask(m);
  }

 private:
  using mask = typename V::mask;

  template <compare Op>
  static PREFER_HD mask compare_lane(const V& w, const V& x) {
    return Op == compare::at_least ? w >= x : Op == compare::above ? w > x : Op == compare::at_most ? w <= x : w < x;
  }
#if defined(__GNUC__) && !defined(__clang__) && !defined(__CUDACC__) && defined(__x86_64__)
  static PREFER_HD bits bits_of_mask(const mask& m) {
    constexpr int per = width / V::count;
    bits r = 0;
    each<V::count>([&](int i) PREFER_HD_LAMBDA {
      bits part;
      if constexpr (sizeof(T) == 4)
        __asm__("%vmovmskps {%1, %0|%0, %1}" : "=r"(part) : "x"(m.v[i]));
      else
        __asm__("%vmovmskpd {%1, %0|%0, %1}" : "=r"(part) : "x"(m.v[i]));
      r |= part << i * per;
    });
    return r;
  }
  static PREFER_HD bool none(const mask& m) { return bits_of_mask(m) == 0; }
#else
  static PREFER_HD bool none(const mask& m) {
    std::uint64_t word[8], any = 0;
    __builtin_memcpy(word, &m, sizeof word);
    for (int i = 0; i < 8; ++i) any |= word[i];
    return any == 0;
  }
  static PREFER_HD bits bits_of_mask(const mask& m) {
    if (none(m)) return 0;
    typename bits_of<T>::type element[width];
    __builtin_memcpy(element, &m, sizeof element);
    bits r = 0;
    for (int i = 0; i < width; ++i) r |= (element[i] != 0 ? bits{1} : bits{0}) << i;
    return r;
  }
#endif
};

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
