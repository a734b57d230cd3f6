// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
//
// Compiled with -masm=intel as well: the instructions that g++ is told are written in both dialects. In the wrong one
// the operands of most of them come in the reverse order, which assembles and computes something else.
#include <prefer/backend/cpu/dispatch.hpp>
#include <prefer/core/lane.hpp>
#include <prefer/select/detail/dominance_lanes.hpp>
#include <prefer/select/detail/exclusive_volume.hpp>

#include <cmath>
#include <cstdio>

namespace {

int failures = 0;
void check(bool holds, const char* what, prefer::isa level) {
  if (holds) return;
  std::printf("wrong at level %d: %s\n", static_cast<int>(level), what);
  ++failures;
}

constexpr int most = 64;

template <class T>
struct numbers {
  T x[most], y[most], z[most], root[most], difference[most];
  unsigned less = 0, above = 0;
  bool fuses = false;
  float floats[most], wide_half[most], wide_brain[most];
  prefer::half half[most], half_again[most];
  prefer::bfloat16 brain[most], brain_again[most];

  numbers() {
    for (int i = 0; i < most; ++i)
      x[i] = T(1) + T(i) / 8, y[i] = T(3) - T(i % 3), z[i] = T(2) + T(i % 5), root[i] = difference[i] = T(-1);
    for (int i = 0; i < most; ++i) {
      floats[i] = 1 + static_cast<float>(i) / 8;  // in every type
      half[i] = prefer::to_half(floats[i]), brain[i] = prefer::to_bfloat16(floats[i]);
    }
  }
  template <class Level>
  static inline __attribute__((always_inline)) void run(numbers& w) {
    using V = prefer::lane<T, Level>;
    using keys = prefer::detail::key_lanes<T, Level>;
    sqrt(V::load(w.x)).store(w.root);
    if constexpr (prefer::detail::has_fma<Level>) {
      fused_difference(V::load(w.x), V::load(w.y), V::load(w.z)).store(w.difference);
      w.fuses = true;
    }
    const typename keys::V other = keys::V::load(w.y);
    w.above = keys::template every<prefer::detail::compare::above>(w.x, most, &other, 1);
    if constexpr (sizeof(T) == 8) {
      w.less = prefer::detail::bits_less(V::load(w.x), V::load(w.y));
      V::load(w.floats).store(w.root), sqrt(V::load(w.root)).store(w.root);
    } else {
      V::load(w.half).store(w.wide_half), V::load(w.wide_half).store(w.half_again);
      V::load(w.brain).store(w.wide_brain), V::load(w.wide_brain).store(w.brain_again);
    }
  }
};

template <class T>
void check_level(prefer::isa level) {
  numbers<T> w;
  prefer::isa here;
  if (!prefer::resolve_isa(prefer::cpu{.isa = level}, here).ok()) return;
  prefer::detail::run_at<numbers<T>>(here, w);
  constexpr int width = prefer::lane<T, prefer::level::base>::width;
  for (int i = 0; i < width; ++i) {
    check(w.root[i] == std::sqrt(w.x[i]), "the square root", level);
    check(sizeof(T) == 8 || (w.wide_half[i] == w.floats[i] && w.wide_brain[i] == w.floats[i]), "16-bit loads", level);
    check(sizeof(T) == 8 || (w.half_again[i].bits == w.half[i].bits && w.brain_again[i].bits == w.brain[i].bits),
          "16-bit stores", level);
    check(!w.fuses || w.difference[i] == w.x[i] * w.y[i] - w.z[i], "the fused difference", level);
    check((w.above >> i & 1u) == (w.x[i] > w.y[i] ? 1u : 0u), "the bits of a comparison of keys", level);
    check(sizeof(T) < 8 || (w.less >> i & 1u) == (w.x[i] < w.y[i] ? 1u : 0u), "the bits of a comparison", level);
  }
}

}  // namespace

int main() {
  for (prefer::isa level : {prefer::isa::base, prefer::isa::avx2, prefer::isa::avx512})
    check_level<float>(level), check_level<double>(level);
  return failures;
}
