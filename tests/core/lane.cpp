// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/backend/cpu/dispatch.hpp>
#include <prefer/core/math.hpp>
#include <support/numbers.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

// Lanes load and store 16-bit numbers as the scalar conversions do, at every level.
namespace {

template <class S>
struct widen_lanes {
  const S* from;
  float* to;
  int count;
  template <class Level>
  static inline __attribute__((always_inline)) void run(widen_lanes& w) {
    using V = prefer::lane<float, Level>;
    for (int i = 0; i + V::width <= w.count; i += V::width) V::load(w.from + i).store(w.to + i);
  }
};
template <class S>
struct narrow_lanes {
  const float* from;
  S* to;
  int count;
  template <class Level>
  static inline __attribute__((always_inline)) void run(narrow_lanes& w) {
    using V = prefer::lane<float, Level>;
    for (int i = 0; i + V::width <= w.count; i += V::width) V::load(w.from + i).store(w.to + i);
  }
};
template <class T>
struct mask_bits {
  const T* x;
  const T* y;
  unsigned answer;
  template <class Level>
  static inline __attribute__((always_inline)) void run(mask_bits& w) {
    using V = prefer::lane<T, Level>;
    w.answer = (V::load(w.x) < V::load(w.y)).bits();
  }
};

template <class T>
struct fused_differences {
  const T* x;  // [3][width]
  T* to;
  template <class Level>
  static inline __attribute__((always_inline)) void run(fused_differences& w) {
    using V = prefer::lane<T, Level>;
    if constexpr (prefer::detail::has_fma<Level>)
      fused_difference(V::load(w.x), V::load(w.x + V::width), V::load(w.x + 2 * V::width)).store(w.to);
  }
};

float widened(prefer::half x) { return prefer::to_float(x); }
float widened(prefer::bfloat16 x) { return prefer::to_float(x); }
void narrow_to(float x, prefer::half& to) { to = prefer::to_half(x); }
void narrow_to(float x, prefer::bfloat16& to) { to = prefer::to_bfloat16(x); }

std::uint32_t bits(float x) { return prefer::detail::bits_as<std::uint32_t>(x); }

// All 65536 patterns, at an odd address. Hardware makes a signalling NaN a quiet one.
template <class S>
void check_widening() {
  std::vector<S> all(65536 + 1);
  std::vector<float> got(65536);
  for (unsigned i = 0; i < 65536; ++i) all[i + 1].bits = static_cast<std::uint16_t>(i);
  for (prefer::isa level : prefer_test::levels()) {
    widen_lanes<S> work{all.data() + 1, got.data(), 65536};
    prefer::detail::run_at<widen_lanes<S>>(level, work);
    int wrong = 0;
    for (unsigned i = 0; i < 65536; ++i) {
      const float exact = widened(all[i + 1]);
      const std::uint32_t quiet = prefer::math::is_nan(exact) ? 0x400000u : 0u;
      wrong += (bits(got[i]) | quiet) != (bits(exact) | quiet);
    }
    CHECK(wrong == 0);
  }
}

// Numbers of every exponent and sign: ties, their neighbours, subnormals, infinities and NaN with any payload.
template <class S>
void check_narrowing() {
  std::vector<float> x;
  prefer_test::noise random(11);
  for (std::uint32_t upper = 0; upper < 65536; upper += 3)
    for (std::uint32_t lower : {0u, 1u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu, 0x1000u, 0x3000u})
      x.push_back(prefer::detail::bits_as<float>(upper << 16 | lower));
  for (int i = 0; i < 100000; ++i)
    x.push_back(prefer::detail::bits_as<float>(static_cast<std::uint32_t>(random.bits() >> 17)));
  x.resize(x.size() / 16 * 16);
  std::vector<S> got(x.size() + 1);
  for (prefer::isa level : prefer_test::levels()) {
    narrow_lanes<S> work{x.data(), got.data() + 1, static_cast<int>(x.size())};
    prefer::detail::run_at<narrow_lanes<S>>(level, work);
    int wrong = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      S exact;
      narrow_to(x[i], exact);
      wrong += got[i + 1].bits != exact.bits;
    }
    CHECK(wrong == 0);
  }
}

template <class T>
void check_bits() {
  constexpr int width = 64 / static_cast<int>(sizeof(T));
  T x[width], y[width];
  for (unsigned pattern = 0; pattern < 1u << width; pattern += width == 16 ? 257 : 1) {
    for (int i = 0; i < width; ++i) x[i] = 0, y[i] = static_cast<T>(pattern >> i & 1u);
    for (prefer::isa level : prefer_test::levels()) {
      mask_bits<T> work{x, y, 0};
      prefer::detail::run_at<mask_bits<T>>(level, work);
      CHECK(work.answer == pattern);
    }
  }
}

}  // namespace

TEST_CASE("lane: 16-bit numbers are loaded as to_float gives them, at every level") {
  check_widening<prefer::half>();
  check_widening<prefer::bfloat16>();
}

TEST_CASE("lane: floats are stored as to_half and to_bfloat16 round them, at every level") {
  check_narrowing<prefer::half>();
  check_narrowing<prefer::bfloat16>();
}

TEST_CASE("lane: bit i of a comparison is element i") {
  check_bits<float>();
  check_bits<double>();
}

TEST_CASE_TEMPLATE("lane: a fused difference is rounded once, at every level that has the instruction", T, float, double) {
  constexpr int width = 64 / static_cast<int>(sizeof(T));
  prefer_test::noise random(3);
  T x[3 * width], got[width];
  for (int i = 0; i < width; ++i) {
    x[i] = static_cast<T>(random.uniform(1, 2)), x[width + i] = static_cast<T>(random.uniform(1e6, 2e6));
    x[2 * width + i] = x[i] * x[width + i];  // what is left is what the product lost
  }
  for (prefer::isa level : prefer_test::levels()) {
    if (level == prefer::isa::base && prefer::detail::base_isa == prefer::isa::base) continue;
    fused_differences<T> work{x, got};
    prefer::detail::run_at<fused_differences<T>>(level, work);
    for (int i = 0; i < width; ++i) CHECK(got[i] == std::fma(x[i], x[width + i], -x[2 * width + i]));
  }
}
