// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

namespace bench {

// How the arrays of one call lie in memory. A power of two makes them compete for the same sets of every cache.
enum class spacing { power_of_two, odd, misaligned };

inline const char* name_of(spacing s) {
  return s == spacing::power_of_two ? "pow2" : s == spacing::odd ? "odd" : "misaligned";
}

// `count` arrays of n elements in one allocation, filled with zeros.
template <class T>
class arrays {
 public:
  arrays(int count, std::int64_t n, spacing s) {
    std::int64_t step = n * static_cast<std::int64_t>(sizeof(T)), first = 0;
    if (s == spacing::power_of_two) {
      std::int64_t power = page;
      while (power < step) power *= 2;
      step = power;
    } else if (s == spacing::odd) {
      step = (step + 63) / 64 * 64 + 64 * 5;  // cache lines, an odd number of them
    } else {
      step += 37 * static_cast<std::int64_t>(sizeof(T));
      first = static_cast<std::int64_t>(sizeof(T));
    }
    const std::int64_t bytes = (first + step * count + huge - 1) / huge * huge;
    memory_ = static_cast<char*>(std::aligned_alloc(huge, static_cast<std::size_t>(bytes)));
    if (memory_ == nullptr) throw std::bad_alloc();
    std::memset(memory_, 0, static_cast<std::size_t>(bytes));
    first_ = first;
    step_ = step;
  }
  arrays(const arrays&) = delete;
  ~arrays() { std::free(memory_); }

  T* operator[](int k) { return reinterpret_cast<T*>(memory_ + first_ + k * step_); }

 private:
  static constexpr std::int64_t page = 4096, huge = std::int64_t{2} << 20;
  char* memory_;
  std::int64_t first_, step_;
};

}  // namespace bench
