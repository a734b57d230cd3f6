// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/math.hpp>

#include <cstdint>
#include <type_traits>

// Random numbers by counting: every number is a function of (seed, stream, element) alone, the same on every backend,
// for any number of threads, and in every later version of the library.
namespace prefer {

// One block of Philox: 128 random bits.
struct random_block {
  std::uint32_t word[4];
};
struct random_pair {
  std::uint64_t first, second;
};

// The seed of a call: a number, or a pointer in the execution space that is read when the work executes, so that a
// captured graph draws afresh. A null pointer is no seed: calls refuse it.
struct random_seed {
  std::uint64_t value = 0;
  bool is_pointer = false;
  const std::uint64_t* pointer = nullptr;

  template <class I>
  requires(std::is_integral_v<I>) PREFER_HD constexpr random_seed(I number)
      : value(static_cast<std::uint64_t>(number)) {}
  PREFER_HD constexpr random_seed(const std::uint64_t* where) : is_pointer(true), pointer(where) {}
  constexpr bool missing() const { return is_pointer && pointer == nullptr; }
  PREFER_HD std::uint64_t get() const { return is_pointer ? *pointer : value; }
};

inline namespace PREFER_ABI {

// Philox4x32 with 10 rounds: a keyed bijection of 128-bit counters.
// Source: Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3".
PREFER_HD constexpr random_block philox(const std::uint32_t (&counter)[4], const std::uint32_t (&key)[2]) {
  std::uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
  std::uint32_t k0 = key[0], k1 = key[1];
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xd2511f53u} * c0, p1 = std::uint64_t{0xcd9e8d57u} * c2;
    c0 = static_cast<std::uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c2 = static_cast<std::uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c1 = static_cast<std::uint32_t>(p1);
    c3 = static_cast<std::uint32_t>(p0);
    k0 += 0x9e3779b9u;
    k1 += 0xbb67ae85u;
  }
  return {{c0, c1, c2, c3}};
}

// The block of an element of a stream; algorithms that must not share numbers use different streams.
PREFER_HD constexpr random_block draw_block(std::uint64_t seed, std::uint64_t stream, std::uint64_t element) {
  const std::uint32_t counter[4] = {static_cast<std::uint32_t>(element), static_cast<std::uint32_t>(element >> 32),
                                    static_cast<std::uint32_t>(stream), static_cast<std::uint32_t>(stream >> 32)};
  const std::uint32_t key[2] = {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)};
  return philox(counter, key);
}

// The same 128 bits as two numbers.
PREFER_HD constexpr random_pair draw_pair(std::uint64_t seed, std::uint64_t stream, std::uint64_t element) {
  const random_block b = draw_block(seed, stream, element);
  return {std::uint64_t{b.word[1]} << 32 | b.word[0], std::uint64_t{b.word[3]} << 32 | b.word[2]};
}

// Uniform on the 2^52 (2^23) midpoints of (0, 1): never 0 and never 1.
PREFER_HD constexpr double to_uniform(std::uint64_t bits) { return (static_cast<double>(bits >> 12) + 0.5) * 0x1p-52; }
PREFER_HD constexpr float to_uniform_float(std::uint32_t bits) {
  return (static_cast<float>(bits >> 9) + 0.5f) * 0x1p-23f;
}

// An integer in [0, bound), bound > 0, as floor(bits bound / 2^64): each value's probability is off by less than 2^-64.
PREFER_HD constexpr std::uint64_t to_below(std::uint64_t bits, std::uint64_t bound) {
  __extension__ typedef unsigned __int128 wide;
  return static_cast<std::uint64_t>(static_cast<wide>(bits) * static_cast<wide>(bound) >> 64);
}

}  // namespace PREFER_ABI
}  // namespace prefer
