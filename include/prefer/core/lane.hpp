// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/element.hpp>

#include <cmath>
#include <cstdint>
#include <type_traits>
#include <utility>

// A lane type: 64 bytes of float or double with the arithmetic of a number. Its logical width is the same at every
// instruction-set level, so that sums have one order; its storage is an array of the level's native vectors. nvcc
// refuses vector types in functions it may compile for the device, so there the storage is an array of numbers.
namespace prefer {

namespace level {
struct base {};
struct avx2 {};
struct avx512 {};
}  // namespace level

inline namespace PREFER_ABI {
namespace detail {

template <class T>
struct bits_of;
template <>
struct bits_of<float> {
  using type = std::int32_t;
  using word = std::uint32_t;
};
template <>
struct bits_of<double> {
  using type = std::int64_t;
  using word = std::uint64_t;
};

// The widths are literals because g++ drops a vector_size that depends on a template parameter.
template <class T, class Level>
struct native {
#if defined(__CUDACC__)
  using number = T;
  using in_memory = T;
  using integer = typename bits_of<T>::type;
  using word = typename bits_of<T>::word;
#endif
};
#if !defined(__CUDACC__)
template <>
struct native<float, level::base> {
  typedef float number __attribute__((vector_size(16)));
  typedef float in_memory __attribute__((vector_size(16), aligned(4), may_alias));
  typedef std::int32_t integer __attribute__((vector_size(16)));
  typedef std::uint32_t word __attribute__((vector_size(16)));
};
template <>
struct native<double, level::base> {
  typedef double number __attribute__((vector_size(16)));
  typedef double in_memory __attribute__((vector_size(16), aligned(8), may_alias));
  typedef std::int64_t integer __attribute__((vector_size(16)));
  typedef std::uint64_t word __attribute__((vector_size(16)));
  typedef float floats_in_memory __attribute__((vector_size(8), aligned(4), may_alias));
};
template <>
struct native<float, level::avx2> {
  typedef float number __attribute__((vector_size(32)));
  typedef float in_memory __attribute__((vector_size(32), aligned(4), may_alias));
  typedef std::int32_t integer __attribute__((vector_size(32)));
  typedef std::uint32_t word __attribute__((vector_size(32)));
};
template <>
struct native<double, level::avx2> {
  typedef double number __attribute__((vector_size(32)));
  typedef double in_memory __attribute__((vector_size(32), aligned(8), may_alias));
  typedef std::int64_t integer __attribute__((vector_size(32)));
  typedef std::uint64_t word __attribute__((vector_size(32)));
  typedef float floats_in_memory __attribute__((vector_size(16), aligned(4), may_alias));
};
template <>
struct native<float, level::avx512> {
  typedef float number __attribute__((vector_size(64)));
  typedef float in_memory __attribute__((vector_size(64), aligned(4), may_alias));
  typedef std::int32_t integer __attribute__((vector_size(64)));
  typedef std::uint32_t word __attribute__((vector_size(64)));
};
template <>
struct native<double, level::avx512> {
  typedef double number __attribute__((vector_size(64)));
  typedef double in_memory __attribute__((vector_size(64), aligned(8), may_alias));
  typedef std::int64_t integer __attribute__((vector_size(64)));
  typedef std::uint64_t word __attribute__((vector_size(64)));
  typedef float floats_in_memory __attribute__((vector_size(32), aligned(4), may_alias));
};
#endif

// f(0), ..., f(Count - 1) with constants, so that arrays indexed by them can live in registers at -O2.
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
template <int... I, class F>
PREFER_HD void unroll(std::integer_sequence<int, I...>, F& f) {
  (f(std::integral_constant<int, I>{}), ...);
}
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
template <int Count, class F>
PREFER_HD void unrolled(F f) {
  unroll(std::make_integer_sequence<int, Count>{}, f);
}

// The same for the vectors of one lane; the arrays of numbers that nvcc needs stay loops.
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
template <int Count, class F>
PREFER_HD void each(F f) {
  if constexpr (Count <= 4)
    unrolled<Count>(f);
  else
    for (int i = 0; i < Count; ++i) f(i);
}

// g++ 12 takes comparisons of 64-byte vectors that are combined with & or | apart into elements (eight times slower);
// hiding one of them prevents that.
template <class Bits>
PREFER_HD void settle([[maybe_unused]] Bits& b) {
#if defined(__GNUC__) && !defined(__clang__) && !defined(__CUDACC__) && defined(__x86_64__)
  __asm__("" : "+v"(b));
#endif
}

#if !defined(__CUDACC__) && !defined(__clang__) && defined(__x86_64__)
// g++ takes the square root of a vector apart, so that it is told the instruction (in both dialects: {AT&T|Intel},
// since with -masm=intel the same operands mean the reverse).
template <class T, class Level>
PREFER_HD void vector_root(const typename native<T, Level>::number& x, typename native<T, Level>::number& root) {
#if defined(__AVX__)
  constexpr bool legacy = false;
#else
  constexpr bool legacy = std::is_same_v<Level, level::base>;
#endif
  if constexpr (sizeof(T) == 4 && legacy)
    __asm__("sqrtps {%1, %0|%0, %1}" : "=x"(root) : "x"(x));
  else if constexpr (sizeof(T) == 4)
    __asm__("vsqrtps {%1, %0|%0, %1}" : "=v"(root) : "v"(x));
  else if constexpr (legacy)
    __asm__("sqrtpd {%1, %0|%0, %1}" : "=x"(root) : "x"(x));
  else
    __asm__("vsqrtpd {%1, %0|%0, %1}" : "=v"(root) : "v"(x));
}
#endif

// Whether a level has an instruction for a * b + c.
#if defined(__CUDACC__) || !defined(__x86_64__)
template <class Level>
inline constexpr bool has_fma = false;
#else
template <class Level>
inline constexpr bool has_fma = !std::is_same_v<Level, level::base>;

// x = x * y - z, rounded once. Compilers make that of a product and a difference if they optimise and are allowed to;
// where a result would be wrong without it they are told the instruction.
template <class T, class Number>
PREFER_HD void fuse(Number& x, const Number& y, const Number& z) {
#if defined(__clang__)
#pragma clang fp contract(on)
  x = x * y - z;
#else
  if constexpr (sizeof(T) == 4)
    __asm__("vfmsub213ps {%2, %1, %0|%0, %1, %2}" : "+v"(x) : "v"(y), "vm"(z));
  else
    __asm__("vfmsub213pd {%2, %1, %0|%0, %1, %2}" : "+v"(x) : "v"(y), "vm"(z));
#endif
}
#endif

#if !defined(__CUDACC__)
// As many 16-bit numbers in memory as a vector of floats has, and twice as many as a vector.
template <class Level>
struct short_vectors;
template <>
struct short_vectors<level::base> {
  typedef std::uint16_t some __attribute__((vector_size(8), aligned(2), may_alias));
  typedef std::uint16_t both __attribute__((vector_size(16)));
};
template <>
struct short_vectors<level::avx2> {
  typedef std::uint16_t some __attribute__((vector_size(16), aligned(2), may_alias));
  typedef std::uint16_t both __attribute__((vector_size(32)));
#if defined(__clang__)
  typedef __fp16 halves __attribute__((vector_size(16), aligned(2), may_alias));
#endif
};
template <>
struct short_vectors<level::avx512> {
  typedef std::uint16_t some __attribute__((vector_size(32), aligned(2), may_alias));
#if defined(__clang__)
  typedef __fp16 halves __attribute__((vector_size(32), aligned(2), may_alias));
#endif
};

// Between those and vectors. g++ 12 takes conversions of vectors apart, so that it is told the instructions.
template <class Level>
struct shorts {
  using some = typename short_vectors<Level>::some;
  using number = typename native<float, Level>::number;
  using word = typename native<float, Level>::word;

  static PREFER_HD void widen(const void* from, word& to) {
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__)
    if constexpr (sizeof(word) > 16) {
      __asm__("vpmovzxwd {%1, %0|%0, %1}" : "=v"(to) : "m"(*static_cast<const some*>(from)));
      return;
    }
#endif
    to = __builtin_convertvector(*static_cast<const some*>(from), word);
  }
  // The upper halves of words.
  static PREFER_HD void store_upper(const word& from, void* to) {
    const word lower = from >> 16;
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__)
    __asm__("vpmovdw {%1, %0|%0, %1}" : "=m"(*static_cast<some*>(to)) : "v"(lower));
#else
    *static_cast<some*>(to) = __builtin_convertvector(lower, some);
#endif
  }
  static PREFER_HD void store_upper(const word& a, const word& b, void* to) {
    using both = typename short_vectors<Level>::both;
    const both x = __builtin_bit_cast(both, a), y = __builtin_bit_cast(both, b);
    both r;
    if constexpr (sizeof(both) == 16)
      r = __builtin_shufflevector(x, y, 1, 3, 5, 7, 9, 11, 13, 15);
    else
      r = __builtin_shufflevector(x, y, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    __builtin_memcpy(to, &r, sizeof(r));
  }
  // By the instruction that AVX2 processors have; it makes a signalling NaN a quiet one.
  static PREFER_HD void widen_halves(const void* from, number& to) {
#if defined(__clang__)
    to = __builtin_convertvector(*static_cast<const typename short_vectors<Level>::halves*>(from), number);
#else
    __asm__("vcvtph2ps {%1, %0|%0, %1}" : "=v"(to) : "m"(*static_cast<const some*>(from)));
#endif
  }
  static PREFER_HD void store_halves(const number& from, void* to) {
#if defined(__clang__)
    using halves = typename short_vectors<Level>::halves;
    *static_cast<halves*>(to) = __builtin_convertvector(from, halves);
#else
    __asm__("vcvtps2ph {$0, %1, %0|%0, %1, 0}" : "=m"(*static_cast<some*>(to)) : "v"(from));
#endif
  }
};
#endif

// Byte b of a 64-bit word.
alignas(64) inline constexpr std::int64_t byte_of[8] = {0xffll,       0xffll << 8,  0xffll << 16, 0xffll << 24,
                                                        0xffll << 32, 0xffll << 40, 0xffll << 48, -(1ll << 56)};

// Bit i of a word.
template <class T>
alignas(64) inline constexpr typename bits_of<T>::type bit_of[64 / sizeof(T)] = {};
template <>
alignas(64) inline constexpr std::int32_t bit_of<float>[16] = {1 << 0,  1 << 1,  1 << 2,  1 << 3, 1 << 4,  1 << 5,
                                                               1 << 6,  1 << 7,  1 << 8,  1 << 9, 1 << 10, 1 << 11,
                                                               1 << 12, 1 << 13, 1 << 14, 1 << 15};
template <>
alignas(64) inline constexpr std::int64_t bit_of<double>[8] = {1 << 0, 1 << 1, 1 << 2, 1 << 3,
                                                               1 << 4, 1 << 5, 1 << 6, 1 << 7};

}  // namespace detail

// Which elements of a lane a comparison holds for: all bits set or none.
template <class T, class Level>
struct lane_mask {
  using integer = typename detail::native<T, Level>::integer;
  static constexpr int count = 64 / static_cast<int>(sizeof(integer));
  integer v[count];

  lane_mask() = default;
  PREFER_HD lane_mask(bool b) {
    detail::each<count>([&](int i)
                            PREFER_HD_LAMBDA { v[i] = integer{} - static_cast<typename detail::bits_of<T>::type>(b); });
  }
  PREFER_HD lane_mask(const lane_mask& o) { *this = o; }
  PREFER_HD lane_mask& operator=(const lane_mask& o) {
    detail::each<count>([&](int i) PREFER_HD_LAMBDA { v[i] = o.v[i]; });
    return *this;
  }

  // Where `width` bytes are not 0, for masks of lanes of double.
  static PREFER_HD lane_mask load(const std::uint8_t* p) requires(sizeof(T) == 8) {
    lane_mask r;
#if defined(__CUDACC__)
    for (int i = 0; i < count; ++i) r.v[i] = p[i] != 0 ? -1 : 0;
#else
    std::int64_t all;
    __builtin_memcpy(&all, p, sizeof(all));
    detail::each<count>([&](int i) PREFER_HD_LAMBDA {
      if constexpr (count == 4) {
        // SSE2 does not compare 64-bit integers: the bytes become mantissas of numbers from 1.
        using number = typename detail::native<T, Level>::number;
        const integer word = integer{} + (i < 2 ? all & 0xffffffff : all >> 32 & 0xffffffff);
        const integer bits = word & *reinterpret_cast<const integer*>(detail::byte_of + i % 2 * 2);
        r.v[i] = __builtin_bit_cast(number, bits | __builtin_bit_cast(integer, number{} + 1)) > number{} + 1;
      } else {
        r.v[i] = ((integer{} + all) & *reinterpret_cast<const integer*>(detail::byte_of + i * (8 / count))) != 0;
      }
    });
#endif
    return r;
  }

  // Bit i: whether it holds for element i.
  PREFER_HD unsigned bits() const {
#if defined(__CUDACC__)
    unsigned all = 0;
    for (int i = 0; i < count; ++i) all |= v[i] != 0 ? 1u << i : 0u;
    return all;
#else
    constexpr int width = 64 / static_cast<int>(sizeof(T)) / count;
    integer some{};
    detail::each<count>([&](int i) PREFER_HD_LAMBDA {
      some |= v[i] & *reinterpret_cast<const integer*>(detail::bit_of<T> + i * width);
    });
    std::uint64_t part[sizeof(integer) / 8], all = 0;
    __builtin_memcpy(part, &some, sizeof(some));
    for (std::uint64_t p : part) all |= p;
    return static_cast<unsigned>(all | all >> 32);
#endif
  }

  friend PREFER_HD lane_mask operator&(const lane_mask& a, const lane_mask& b) {
    lane_mask r;
    detail::each<count>([&](int i) PREFER_HD_LAMBDA { r.v[i] = a.v[i], detail::settle(r.v[i]), r.v[i] &= b.v[i]; });
    return r;
  }
  friend PREFER_HD lane_mask operator|(const lane_mask& a, const lane_mask& b) {
    lane_mask r;
    detail::each<count>([&](int i) PREFER_HD_LAMBDA { r.v[i] = a.v[i], detail::settle(r.v[i]), r.v[i] |= b.v[i]; });
    return r;
  }
  friend PREFER_HD lane_mask operator!(const lane_mask& a) {
    lane_mask r;
    detail::each<count>([&](int i) PREFER_HD_LAMBDA { r.v[i] = ~a.v[i]; });
    return r;
  }
};

// Copy operations are user-provided: a lane is then passed in memory, also through calls that are not inlined, and
// never in a register that a caller or callee of another level does not have.
template <class T, class Level>
struct lane {
  using element_type = T;
  using level_type = Level;
  using number = typename detail::native<T, Level>::number;
  using integer = typename detail::native<T, Level>::integer;
  using word = typename detail::native<T, Level>::word;
  using mask = lane_mask<T, Level>;
  static constexpr int width = 64 / static_cast<int>(sizeof(T));
  static constexpr int count = 64 / static_cast<int>(sizeof(number));
  number v[count];

  lane() = default;  // lane{} is zero
  template <class S>
  requires(std::is_arithmetic_v<S>) PREFER_HD lane(S s) {
    detail::each<count>([&](int i) PREFER_HD_LAMBDA { v[i] = number{} + static_cast<T>(s); });
  }
  PREFER_HD lane(const lane& o) { *this = o; }
  PREFER_HD lane& operator=(const lane& o) {
    detail::each<count>([&](int i) PREFER_HD_LAMBDA { v[i] = o.v[i]; });
    return *this;
  }

  // From and to `width` numbers at any address that suits T.
  static PREFER_HD lane load(const T* p) {
    using in_memory = typename detail::native<T, Level>::in_memory;
    lane r;
    detail::each<count>(
        [&](int i) PREFER_HD_LAMBDA { r.v[i] = *reinterpret_cast<const in_memory*>(p + i * (width / count)); });
    return r;
  }
  PREFER_HD void store(T* p) const {
    using in_memory = typename detail::native<T, Level>::in_memory;
    detail::each<count>([&](int i) PREFER_HD_LAMBDA { *reinterpret_cast<in_memory*>(p + i * (width / count)) = v[i]; });
  }

  // The same from and to floats, for lanes of double. g++ 12 takes a conversion of vectors apart, so it is told the
  // instruction.
  static PREFER_HD lane load(const float* p) requires(sizeof(T) == 8) {
    lane r;
#if defined(__CUDACC__)
    for (int i = 0; i < width; ++i) r.v[i] = p[i];
#else
    using floats = typename detail::native<T, Level>::floats_in_memory;
    detail::each<count>([&](int i) PREFER_HD_LAMBDA {
      const floats* from = reinterpret_cast<const floats*>(p + i * (width / count));
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__)
      __asm__("%vcvtps2pd {%1, %0|%0, %1}" : "=v"(r.v[i]) : "m"(*from));
#else
      r.v[i] = __builtin_convertvector(*from, number);
#endif
    });
#endif
    return r;
  }
  PREFER_HD void store(float* p) const requires(sizeof(T) == 8) {
#if defined(__CUDACC__)
    for (int i = 0; i < width; ++i) p[i] = static_cast<float>(v[i]);
#else
    using floats = typename detail::native<T, Level>::floats_in_memory;
    detail::each<count>([&](int i) PREFER_HD_LAMBDA {
      *reinterpret_cast<floats*>(p + i * (width / count)) = __builtin_convertvector(v[i], floats);
    });
#endif
  }

  // From and to 16-bit numbers, for lanes of float: what to_float, to_half and to_bfloat16 give.
  static PREFER_HD lane load(const bfloat16* p) requires(sizeof(T) == 4) {
    lane r;
#if defined(__CUDACC__)
    for (int i = 0; i < width; ++i) r.v[i] = to_float(p[i]);
#else
    detail::each<count>([&](int i) PREFER_HD_LAMBDA {
      word w;
      detail::shorts<Level>::widen(p + i * (width / count), w);
      r.v[i] = __builtin_bit_cast(number, w << 16);
    });
#endif
    return r;
  }
  PREFER_HD void store(bfloat16* p) const requires(sizeof(T) == 4) {
#if defined(__CUDACC__)
    for (int i = 0; i < width; ++i) p[i] = to_bfloat16(v[i]);
#else
    word w[count];
    detail::each<count>([&](int i) PREFER_HD_LAMBDA {
      w[i] = __builtin_bit_cast(word, v[i]);
      detail::round_to_bfloat16<integer>(w[i]);
    });
    if constexpr (count == 1) {
      detail::shorts<Level>::store_upper(w[0], p);
    } else {
      detail::each<count / 2>([&](int i) PREFER_HD_LAMBDA {
        detail::shorts<Level>::store_upper(w[2 * i], w[2 * i + 1], p + 2 * i * (width / count));
      });
    }
#endif
  }
  static PREFER_HD lane load(const half* p) requires(sizeof(T) == 4) {
#if !defined(__CUDACC__)
    if constexpr (!std::is_same_v<Level, level::base>) {
      lane r;
      detail::each<count>(
          [&](int i) PREFER_HD_LAMBDA { detail::shorts<Level>::widen_halves(p + i * (width / count), r.v[i]); });
      return r;
    }
#endif
    alignas(64) float a[width];
    for (int i = 0; i < width; ++i) a[i] = to_float(p[i]);
    return load(a);
  }
  PREFER_HD void store(half* p) const requires(sizeof(T) == 4) {
#if !defined(__CUDACC__)
    if constexpr (!std::is_same_v<Level, level::base>) {
      detail::each<count>([&](int i)
                              PREFER_HD_LAMBDA { detail::shorts<Level>::store_halves(v[i], p + i * (width / count)); });
      return;
    }
#endif
    alignas(64) float a[width];
    store(a);
    for (int i = 0; i < width; ++i) p[i] = to_half(a[i]);
  }

  friend PREFER_HD lane operator+(const lane& a, const lane& b) {
    lane r;
    detail::each<count>([&](int i) PREFER_HD_LAMBDA { r.v[i] = a.v[i] + b.v[i]; });
    return r;
  }
  friend PREFER_HD lane operator-(const lane& a, const lane& b) {
    lane r;
    detail::each<count>([&](int i) PREFER_HD_LAMBDA { r.v[i] = a.v[i] - b.v[i]; });
    return r;
  }
  friend PREFER_HD lane operator*(const lane& a, const lane& b) {
    lane r;
    detail::each<count>([&](int i) PREFER_HD_LAMBDA { r.v[i] = a.v[i] * b.v[i]; });
    return r;
  }
  friend PREFER_HD lane operator/(const lane& a, const lane& b) {
    lane r;
    detail::each<count>([&](int i) PREFER_HD_LAMBDA { r.v[i] = a.v[i] / b.v[i]; });
    return r;
  }
  friend PREFER_HD lane operator-(const lane& a) {
    lane r;
    detail::each<count>([&](int i) PREFER_HD_LAMBDA { r.v[i] = -a.v[i]; });
    return r;
  }
  PREFER_HD lane& operator+=(const lane& o) { return *this = *this + o; }
  PREFER_HD lane& operator-=(const lane& o) { return *this = *this - o; }
  PREFER_HD lane& operator*=(const lane& o) { return *this = *this * o; }

  friend PREFER_HD mask operator<(const lane& a, const lane& b) {
    mask r;
#if defined(__CUDACC__)
    for (int i = 0; i < count; ++i) r.v[i] = a.v[i] < b.v[i] ? -1 : 0;
#else
    detail::each<count>([&](int i) PREFER_HD_LAMBDA { r.v[i] = a.v[i] < b.v[i]; });
#endif
    return r;
  }
  friend PREFER_HD mask operator<=(const lane& a, const lane& b) {
    mask r;
#if defined(__CUDACC__)
    for (int i = 0; i < count; ++i) r.v[i] = a.v[i] <= b.v[i] ? -1 : 0;
#else
    detail::each<count>([&](int i) PREFER_HD_LAMBDA { r.v[i] = a.v[i] <= b.v[i]; });
#endif
    return r;
  }
  friend PREFER_HD mask operator==(const lane& a, const lane& b) {
    mask r;
#if defined(__CUDACC__)
    for (int i = 0; i < count; ++i) r.v[i] = a.v[i] == b.v[i] ? -1 : 0;
#else
    detail::each<count>([&](int i) PREFER_HD_LAMBDA { r.v[i] = a.v[i] == b.v[i]; });
#endif
    return r;
  }
  friend PREFER_HD mask operator>(const lane& a, const lane& b) { return b < a; }
  friend PREFER_HD mask operator>=(const lane& a, const lane& b) { return b <= a; }

  // a where the mask holds, b elsewhere; neither operand is touched by the other's NaN.
  friend PREFER_HD lane select(const mask& m, const lane& a, const lane& b) {
    lane r;
#if defined(__CUDACC__)
    for (int i = 0; i < count; ++i) r.v[i] = m.v[i] != 0 ? a.v[i] : b.v[i];
#else
    detail::each<count>([&](int i) PREFER_HD_LAMBDA { r.v[i] = m.v[i] ? a.v[i] : b.v[i]; });
#endif
    return r;
  }

  // a * b + c, fused where the level has the instruction.
  friend PREFER_HD lane fma(const lane& a, const lane& b, const lane& c) {
    lane r;
    detail::each<count>([&](int i) PREFER_HD_LAMBDA { r.v[i] = a.v[i] * b.v[i] + c.v[i]; });
    return r;
  }

#if !defined(__CUDACC__) && defined(__x86_64__)
  // a * b - c with one rounding, whatever a compiler makes of products and differences. Only for levels that has_fma
  // holds for.
  friend PREFER_HD lane fused_difference(const lane& a, const lane& b, const lane& c) requires(detail::has_fma<Level>) {
    lane r = a;
    detail::each<count>([&](int i) PREFER_HD_LAMBDA { detail::fuse<T>(r.v[i], b.v[i], c.v[i]); });
    return r;
  }
#endif

  // The square root, correctly rounded at every level.
  friend PREFER_HD lane sqrt(const lane& a) {
    lane r;
#if defined(__CUDACC__) || defined(__clang__) || !defined(__x86_64__)
    T x[width];
    a.store(x);
    for (T& element : x) element = static_cast<T>(::sqrt(element));
    r = load(x);
#else
    detail::each<count>([&](int i) PREFER_HD_LAMBDA { detail::vector_root<T, Level>(a.v[i], r.v[i]); });
#endif
    return r;
  }

  // f changes the bit patterns (unsigned words) in place. It takes a reference, since a native vector passed by value
  // would need the calling convention of its level.
  template <class F>
  friend PREFER_HD lane map_bits(const lane& a, F f) {
    lane r;
    detail::each<count>([&](int i) PREFER_HD_LAMBDA {
      word w = __builtin_bit_cast(word, a.v[i]);
      f(w);
      r.v[i] = __builtin_bit_cast(number, w);
    });
    return r;
  }

  // The same, as a number of its own: g++ does not fuse a product that it is into a sum that it becomes part of, so
  // that two copies of one formula round alike whatever is done with the result.
  PREFER_HD lane settled() const {
    lane r = *this;
    detail::each<count>([&](int i) PREFER_HD_LAMBDA { detail::settle(r.v[i]); });
    return r;
  }

  // The sum of all elements, always in the same order: halves are added to each other, whole vectors first.
  PREFER_HD T sum() const {
    T a[width];
    store(a);
    fold<width / 2>(a);
    return a[0];
  }
  template <int Half>
  static PREFER_HD void fold(T* a) {
    detail::unrolled<Half>([&](int i) PREFER_HD_LAMBDA { a[i] += a[i + Half]; });
    if constexpr (Half > 1) fold<Half / 2>(a);
  }
  // 0, 1, 2, ...
  static PREFER_HD lane index() {
    T a[width];
    for (int i = 0; i < width; ++i) a[i] = static_cast<T>(i);
    return load(a);
  }
};

template <class V>
inline constexpr int width_of = 1;
template <class T, class Level>
inline constexpr int width_of<lane<T, Level>> = lane<T, Level>::width;

}  // namespace PREFER_ABI
}  // namespace prefer
