// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/element.hpp>
#include <support/numbers.hpp>

#include <doctest/doctest.h>

namespace {

// The exact value of a 16-bit pattern with the given exponent and mantissa widths.
long double exact(unsigned bits, int exponent_bits, int mantissa_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = static_cast<int>(bits >> mantissa_bits) & ((1 << exponent_bits) - 1);
  const long double mantissa = bits & ((1u << mantissa_bits) - 1);
  const long double sign = (bits & 0x8000u) != 0 ? -1 : 1;
  if (exponent == (1 << exponent_bits) - 1) return mantissa != 0 ? NAN : sign * HUGE_VALL;
  if (exponent == 0) return sign * std::ldexp(mantissa, 1 - bias - mantissa_bits);
  return sign * std::ldexp(std::ldexp(1.0L, mantissa_bits) + mantissa, exponent - bias - mantissa_bits);
}

// Round to nearest even by searching the neighbours in the table of all positive values.
unsigned nearest(float x, int exponent_bits, int mantissa_bits) {
  const unsigned sign = std::signbit(x) ? 0x8000u : 0;
  const long double size = std::fabs(static_cast<long double>(x));
  const unsigned top = ((1u << exponent_bits) - 1) << mantissa_bits;  // infinity
  unsigned low = 0, high = top;
  while (high - low > 1) {
    const unsigned middle = (low + high) / 2;
    (exact(middle, exponent_bits, mantissa_bits) <= size ? low : high) = middle;
  }
  // Beyond the largest finite number the next one counts as a full step away.
  const long double below = exact(low, exponent_bits, mantissa_bits);
  const long double above = high == top ? below + (below - exact(low - 1, exponent_bits, mantissa_bits))
                                        : exact(high, exponent_bits, mantissa_bits);
  if (size - below < above - size) return sign | low;
  if (size - below > above - size) return sign | high;
  return sign | (low % 2 == 0 ? low : high);
}

}  // namespace

TEST_CASE("every half and bfloat16 widens exactly and survives the round trip") {
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const auto b16 = static_cast<std::uint16_t>(bits);
    const long double h = exact(bits, 5, 10), b = exact(bits, 8, 7);
    const float from_half = prefer::to_float(prefer::half{b16}), from_bfloat = prefer::to_float(prefer::bfloat16{b16});
    if (std::isnan(h)) {
      CHECK(std::isnan(from_half));
      CHECK(std::isnan(prefer::to_float(prefer::to_half(from_half))));
    } else {
      REQUIRE(static_cast<long double>(from_half) == h);
      REQUIRE(prefer::to_half(from_half).bits == b16);
    }
    if (std::isnan(b)) {
      CHECK(std::isnan(from_bfloat));
      CHECK(std::isnan(prefer::to_float(prefer::to_bfloat16(from_bfloat))));
    } else {
      REQUIRE(static_cast<long double>(from_bfloat) == b);
      REQUIRE(prefer::to_bfloat16(from_bfloat).bits == b16);
    }
  }
}

TEST_CASE("narrowing rounds to nearest even: random numbers, ties, subnormals and overflow") {
  prefer_test::noise random(7);
  for (int i = 0; i < 200000; ++i) {
    auto bits = static_cast<std::uint32_t>(random.bits() >> 20);
    if (i % 3 == 0) bits = (bits & 0xffffe000u) | 0x1000u;      // ties for half
    if (i % 3 == 1) bits = (bits & 0xffff0000u) | 0x8000u;      // ties for bfloat16
    if (i % 2 == 0) bits = (bits & 0x8fffffffu) | 0x30000000u;  // around the range of half
    const float x = prefer::detail::bits_as<float>(bits);
    if (std::isnan(x) || std::isinf(x)) continue;
    REQUIRE(prefer::to_half(x).bits == nearest(x, 5, 10));
    REQUIRE(prefer::to_bfloat16(x).bits == nearest(x, 8, 7));
  }
  CHECK(prefer::to_half(65519.99f).bits == 0x7bffu);
  CHECK(prefer::to_half(65520.0f).bits == 0x7c00u);
}
