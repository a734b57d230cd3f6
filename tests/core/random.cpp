// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/normal.hpp>
#include <prefer/core/random.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

using namespace prefer;

TEST_CASE("Philox4x32-10 gives the published known answers") {
  struct row {
    std::uint32_t counter[4], key[2], answer[4];
  };
  const row rows[] = {{{0, 0, 0, 0}, {0, 0}, {0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u}},
                      {{~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}, {0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu}},
                      {{0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u},
                       {0xa4093822u, 0x299f31d0u},
                       {0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u}}};
  for (const row& r : rows) {
    const random_block b = philox(r.counter, r.key);
    for (int i = 0; i < 4; ++i) CHECK(b.word[i] == r.answer[i]);
  }
}

TEST_CASE("seed, stream and element all matter, and the pair is the block") {
  const random_block b = draw_block(1, 2, 3);
  CHECK(draw_pair(1, 2, 3).first == (std::uint64_t{b.word[1]} << 32 | b.word[0]));
  CHECK(draw_pair(1, 2, 3).second == (std::uint64_t{b.word[3]} << 32 | b.word[2]));
  CHECK(draw_pair(1, 2, 3).first != draw_pair(2, 2, 3).first);
  CHECK(draw_pair(1, 2, 3).first != draw_pair(1, 3, 3).first);
  CHECK(draw_pair(1, 2, 3).first != draw_pair(1, 2, 4).first);
}

TEST_CASE("uniform numbers stay inside (0, 1), have the right mean and variance, and fill bins evenly") {
  CHECK(to_uniform(0) > 0);
  CHECK(to_uniform(~0ull) < 1);
  CHECK(to_uniform_float(0) > 0);
  CHECK(to_uniform_float(~0u) < 1);
  constexpr int n = 200000;
  std::vector<int> bins(10);
  double sum = 0, squares = 0;
  for (std::uint64_t i = 0; i < n; ++i) {
    const double u = to_uniform(draw_pair(5, 0, i).first);
    sum += u, squares += u * u;
    ++bins[to_below(draw_pair(5, 1, i).second, 10)];
  }
  CHECK(std::fabs(sum / n - 0.5) < 5 * 0.2887 / std::sqrt(n));  // five standard errors
  CHECK(std::fabs(squares / n - 1.0 / 3) < 5 * 0.2981 / std::sqrt(n));
  for (int b : bins) CHECK(std::fabs(b - n / 10.0) < 5 * std::sqrt(n * 0.09));
}

TEST_CASE("a bounded integer is the high half of the 128-bit product") {
  for (std::uint64_t bound : {1ull, 2ull, 10ull, 0xffffffffull, 0x123456789abcdefull, ~0ull})
    for (std::uint64_t i = 0; i < 1000; ++i) {
      const std::uint64_t bits = draw_pair(7, 7, i).first;
      __extension__ typedef unsigned __int128 wide;
      CHECK(to_below(bits, bound) == static_cast<std::uint64_t>(static_cast<wide>(bits) * bound >> 64));
    }
}

TEST_CASE("normal quantiles are those of a table of 40 digits, in the middle, in both tails and far out") {
  struct row {
    double share, number;
  };
  const row rows[] = {{0x1p-53, -8.2095361516013868556},    {0x1p-40, -7.0477002566644087254},
                      {0x1p-30, -6.0093535655307438932},    {0.0009765625, -3.0972690781987844624},
                      {0.0625, -1.5341205443525463117},     {0.0751953125, -1.4381530790030161404},
                      {0.3125, -0.48877641111466949891},    {0.5, 0.0},
                      {0.53125, 0.07841241273311219854},    {0.9375, 1.5341205443525463117},
                      {0.9990234375, 3.0972690781987844624}};
  for (const row& r : rows) CHECK(std::fabs(normal_quantile(r.share) - r.number) <= 1e-15 * std::fabs(r.number));
}
