// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/arena.hpp>

#include <cstdint>

namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// A set of numbers from 0 to n - 1 that knows its members' neighbours: words of 64 bits, words that say which of these
// are not empty, and so on. Every operation costs one step per factor of 64 in n; memory is about n bits.
class rank_set {
 public:
  rank_set(arena& memory, std::int64_t n) {
    do {
      n = (n + 63) / 64;
      word_[levels_] = memory.take<std::uint64_t>(n);
      words_[levels_++] = n;
    } while (n > 1);
  }
  void clear() {
    for (int l = 0; l < levels_; ++l)
      for (std::int64_t i = 0; i < words_[l]; ++i) word_[l][i] = 0;
  }
  void insert(std::int64_t r) {
    for (int l = 0; l < levels_; ++l, r >>= 6) {
      const std::uint64_t before = word_[l][r >> 6];
      word_[l][r >> 6] = before | bit(r);
      if (before != 0) return;
    }
  }
  void erase(std::int64_t r) {
    for (int l = 0; l < levels_; ++l, r >>= 6)
      if ((word_[l][r >> 6] &= ~bit(r)) != 0) return;
  }
  // The smallest member above r and the largest below it; -1 if there is none.
  std::int64_t next(std::int64_t r) const {
    for (int l = 0; l < levels_; ++l, r >>= 6) {
      const std::uint64_t above = word_[l][r >> 6] & ~(bit(r) | (bit(r) - 1));
      if (above == 0) continue;
      r = (r & ~std::int64_t{63}) + __builtin_ctzll(above);
      while (l-- > 0) r = r * 64 + __builtin_ctzll(word_[l][r]);
      return r;
    }
    return -1;
  }
  std::int64_t previous(std::int64_t r) const {
    for (int l = 0; l < levels_; ++l, r >>= 6) {
      const std::uint64_t below = word_[l][r >> 6] & (bit(r) - 1);
      if (below == 0) continue;
      r = (r & ~std::int64_t{63}) + 63 - __builtin_clzll(below);
      while (l-- > 0) r = r * 64 + 63 - __builtin_clzll(word_[l][r]);
      return r;
    }
    return -1;
  }

 private:
  static std::uint64_t bit(std::int64_t r) { return std::uint64_t{1} << (r & 63); }

  std::uint64_t* word_[11] = {};
  std::int64_t words_[11] = {};
  int levels_ = 0;
};

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
