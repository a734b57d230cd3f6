// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/config.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

struct __half;
struct __nv_bfloat16;
namespace Eigen {
struct half;
struct bfloat16;
}  // namespace Eigen

namespace prefer {

// Storage of an IEEE binary16 number. No arithmetic: kernels convert on load and on store, to_half and to_float do by
// hand.
struct half {
  std::uint16_t bits;

  half() = default;
  PREFER_HD constexpr half(std::uint16_t storage) : bits(storage) {}
  template <class Number>
  requires std::is_floating_point_v<Number> half(Number)
  = delete;  // to_half(number), which rounds
};

// Storage of a bfloat16 number (the upper half of a binary32).
struct bfloat16 {
  std::uint16_t bits;

  bfloat16() = default;
  PREFER_HD constexpr bfloat16(std::uint16_t storage) : bits(storage) {}
  template <class Number>
  requires std::is_floating_point_v<Number> bfloat16(Number)
  = delete;  // to_bfloat16(number), which rounds
};

// The closed list of element types that a view may refer to.
enum class element : std::uint8_t { none, f64, f32, f16, bf16, i64, i32, u8, boolean };

// Maps a C++ type to its element tag. CUDA's and Eigen's 16-bit types share the layout of prefer::half and
// prefer::bfloat16, so that views of them need no copy.
template <class T>
constexpr element element_of() {
  using U = std::remove_cv_t<T>;
  if constexpr (std::is_same_v<U, double>)
    return element::f64;
  else if constexpr (std::is_same_v<U, float>)
    return element::f32;
  else if constexpr (std::is_same_v<U, half> || std::is_same_v<U, __half> || std::is_same_v<U, Eigen::half>)
    return element::f16;
  else if constexpr (std::is_same_v<U, bfloat16> || std::is_same_v<U, __nv_bfloat16> ||
                     std::is_same_v<U, Eigen::bfloat16>)
    return element::bf16;
  else if constexpr (std::is_same_v<U, bool>)
    return element::boolean;
  else if constexpr (std::is_integral_v<U> && std::is_signed_v<U> && sizeof(U) == 8)
    return element::i64;
  else if constexpr (std::is_integral_v<U> && std::is_signed_v<U> && sizeof(U) == 4)
    return element::i32;
  else if constexpr (std::is_same_v<U, unsigned char>)
    return element::u8;
  else
    return element::none;
}

PREFER_HD constexpr int size_of(element e) {
  switch (e) {
    case element::f64:
    case element::i64: return 8;
    case element::f32:
    case element::i32: return 4;
    case element::f16:
    case element::bf16: return 2;
    case element::u8:
    case element::boolean: return 1;
    case element::none: break;
  }
  return 0;
}

constexpr bool is_floating(element e) {
  return e == element::f64 || e == element::f32 || e == element::f16 || e == element::bf16;
}
constexpr bool is_index(element e) { return e == element::i64 || e == element::i32; }
constexpr bool is_flag(element e) { return e == element::u8 || e == element::boolean; }

constexpr const char* name_of(element e) {
  switch (e) {
    case element::f64: return "double";
    case element::f32: return "float";
    case element::f16: return "half";
    case element::bf16: return "bfloat16";
    case element::i64: return "int64";
    case element::i32: return "int32";
    case element::u8: return "uint8";
    case element::boolean: return "bool";
    case element::none: break;
  }
  return "nothing";
}

inline namespace PREFER_ABI {
namespace detail {

template <class To, class From>
PREFER_HD constexpr To bits_as(const From& x) {
  static_assert(sizeof(To) == sizeof(From));
  return __builtin_bit_cast(To, x);
}

}  // namespace detail

// Exact widening conversions; NaN payloads keep their upper bits.
PREFER_HD constexpr float to_float(bfloat16 x) {
  return detail::bits_as<float>(static_cast<std::uint32_t>(x.bits) << 16);
}

PREFER_HD constexpr float to_float(half x) {
  // Shifted into place, a half is a float whose exponent is 112 too small; the multiplication repairs that exactly, for
  // subnormal halves too.
  const std::uint32_t magnitude = static_cast<std::uint32_t>(x.bits & 0x7fffu) << 13;
  const std::uint32_t sign = static_cast<std::uint32_t>(x.bits & 0x8000u) << 16;
  const std::uint32_t finite = detail::bits_as<std::uint32_t>(detail::bits_as<float>(magnitude) * 0x1p112f);
  const std::uint32_t special = (x.bits & 0x7c00u) == 0x7c00u ? 0x7f800000u : 0u;
  return detail::bits_as<float>(sign | finite | special);
}

namespace detail {

// The bits of floats, rounded to those of bfloat16 in their upper halves. Words are numbers or vectors; the choice is
// between 32-bit ones: compilers would widen 16-bit ones again to choose.
template <class Integer, class Word>
PREFER_HD constexpr void round_to_bfloat16(Word& u) {
  const Word rounded = u + 0x7fffu + ((u >> 16) & 1u);
  u = __builtin_bit_cast(Integer, u & 0x7fffffffu) > 0x7f800000 ? u | 0x400000u : rounded;
}

}  // namespace detail

// Round to nearest, ties to even; overflow gives infinity, NaN stays NaN.
PREFER_HD constexpr bfloat16 to_bfloat16(float x) {
  std::uint32_t u = detail::bits_as<std::uint32_t>(x);
  detail::round_to_bfloat16<std::int32_t>(u);
  return {static_cast<std::uint16_t>(u >> 16)};
}

PREFER_HD constexpr half to_half(float x) {
  const std::uint32_t u = detail::bits_as<std::uint32_t>(x);
  const std::uint32_t sign = (u >> 16) & 0x8000u;
  const std::uint32_t magnitude = u & 0x7fffffffu;
  // Both kinds of halves are computed from a magnitude held at the border between them, which is 0x400 as a half, and
  // added: no branch, so that compilers make vectors of it.
  constexpr std::uint32_t border = 0x38800000u;
  const std::uint32_t large = magnitude > border ? magnitude : border;
  const std::uint32_t small = magnitude - large + border;
  // Normal halves: rebias, then round by adding just under half a unit, plus the bit that decides a tie.
  const std::uint32_t rounded = (large - (112u << 23) + 0xfffu + ((large >> 13) & 1u)) >> 13;
  const std::uint32_t normal = rounded < 0x7c00u ? rounded : 0x7c00u;
  // Subnormal halves: adding one half makes the float adder round at the right bit.
  const std::uint32_t subnormal = detail::bits_as<std::uint32_t>(detail::bits_as<float>(small) + 0.5f) - 0x3f000000u;
  const std::uint32_t is_nan = magnitude > 0x7f800000u ? ~0u : 0u;
  const std::uint32_t nan = is_nan & (0x200u | ((magnitude >> 13) & 0x3ffu));
  const std::uint32_t h = (normal + subnormal - 0x400u) | nan;
  return {static_cast<std::uint16_t>(sign | h)};
}

}  // namespace PREFER_ABI
}  // namespace prefer
