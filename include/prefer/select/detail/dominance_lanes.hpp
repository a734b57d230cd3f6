// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/lane.hpp>

#include <cstdint>

// Comparisons of one lane of keys per objective with another, as bits: what dominance tests on the CPU are made of.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

enum class compare : std::uint8_t { at_least, above, at_most, below };

// Bit i of a result speaks of element i.
template <class T, class Level>
struct key_lanes {
  using V = lane<T, Level>;
  using bits = std::uint32_t;
  static constexpr int width = V::width;
  static constexpr bits all = (bits{1} << width) - 1;

  static PREFER_HD bits first(std::int64_t n) { return n >= width ? all : (bits{1} << n) - 1; }

  // Where w compares with x, in every objective: w has objective k at w + k * stride. Ends early where it can.
  template <compare Op>
  static PREFER_HD bits every(const T* w, std::int64_t stride, const V* x, int objectives) {
#if defined(__GNUC__) && !defined(__clang__) && !defined(__CUDACC__) && defined(__x86_64__)
    // g++ 12 turns each comparison into a vector of integers; the instruction set combines them for nothing.
    if constexpr (std::is_same_v<Level, level::avx512>) {
      using word = std::conditional_t<sizeof(T) == 4, std::uint16_t, std::uint8_t>;
      auto m = static_cast<word>(all);
      for (int k = 0; k < objectives && m != 0; ++k, w += stride) m = compare_in<Op>(w, x[k].v[0], m);
      return m;
    }
#endif
    auto m = compare_lane<Op>(V::load(w), x[0]);
    for (int k = 1; k < objectives; ++k) {
      if (k % 2 == 0 && none(m)) return 0;
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
  static PREFER_HD bool none(const mask& m) {
    std::uint64_t word[8], any = 0;
    __builtin_memcpy(word, &m, sizeof word);
    for (int i = 0; i < 8; ++i) any |= word[i];
    return any == 0;
  }
  static PREFER_HD bits bits_of_mask(const mask& m) {
    bits r = 0;
#if defined(__GNUC__) && !defined(__clang__) && !defined(__CUDACC__) && defined(__x86_64__)
    constexpr int per = width / V::count;
    each<V::count>([&](int i) PREFER_HD_LAMBDA {
      bits part;
      if constexpr (sizeof(T) == 4)
        __asm__("%vmovmskps %1, %0" : "=r"(part) : "x"(m.v[i]));
      else
        __asm__("%vmovmskpd %1, %0" : "=r"(part) : "x"(m.v[i]));
      r |= part << i * per;
    });
#else
    if (none(m)) return 0;
    typename bits_of<T>::type element[width];
    __builtin_memcpy(element, &m, sizeof element);
    for (int i = 0; i < width; ++i) r |= (element[i] != 0 ? bits{1} : bits{0}) << i;
#endif
    return r;
  }

#if defined(__GNUC__) && !defined(__clang__) && !defined(__CUDACC__) && defined(__x86_64__)
  // The bits of `among` where the comparison holds. The instruction compares x with w, so that w may stay in memory.
  template <compare Op, class Native, class Word>
  static inline __attribute__((always_inline)) Word compare_in(const T* w, const Native& x, Word among) {
    constexpr int predicate = Op == compare::at_least ? 2 : Op == compare::above ? 1 : Op == compare::at_most ? 13 : 14;
    const auto& in_memory = *reinterpret_cast<const typename native<T, Level>::in_memory*>(w);
    Word r;
    if constexpr (sizeof(T) == 4)
      __asm__("vcmpps %4, %2, %1, %0%{%3%}" : "=k"(r) : "v"(x), "m"(in_memory), "Yk"(among), "i"(predicate));
    else
      __asm__("vcmppd %4, %2, %1, %0%{%3%}" : "=k"(r) : "v"(x), "m"(in_memory), "Yk"(among), "i"(predicate));
    return r;
  }
#endif
};

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
