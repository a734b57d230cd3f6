// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/convert.hpp>
#include <prefer/backend/cpu/dispatch.hpp>
#include <prefer/backend/map_reduce.hpp>

#include <cstdint>
#include <type_traits>

// Elements of any storage type and stride into a buffer of the compute type, and back.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// Conversions in groups of known length and of memory that is not shared: at -O2 compilers make vectors of these loops,
// and of these only.
inline constexpr int conversion_width = 16;

template <class S, class T>
inline __attribute__((always_inline)) void widen_group(const S* __restrict from, T* __restrict to) {
  for (int i = 0; i < conversion_width; ++i) to[i] = static_cast<T>(widen(from[i]));
}
template <class T, class S>
inline __attribute__((always_inline)) void narrow_group(const T* __restrict from, S* __restrict to) {
  for (int i = 0; i < conversion_width; ++i) to[i] = narrow<S>::from(from[i]);
}

// Whole groups by lanes: of 16-bit numbers and of floats that become doubles or the other way round. What has no
// instruction of its own passes through float, which it does anyway. The level is an argument and no template
// parameter, so that everything here is compiled once.
template <class S, class T>
inline constexpr bool converted_by_lanes =
    (sizeof(S) == 2 && std::is_floating_point_v<T>) || (std::is_same_v<S, float> && std::is_same_v<T, double>);

template <class S, class T>
struct widen_work {
  const S* from;
  T* to;
  int count;

  template <class Level>
  static inline __attribute__((always_inline)) void run(widen_work& w) {
    for (int i = 0; i < w.count; i += conversion_width) {
      if constexpr (std::is_same_v<T, float>) {
        lane<float, Level>::load(w.from + i).store(w.to + i);
      } else if constexpr (std::is_same_v<S, float>) {
        widen_floats<Level>(w.from + i, w.to + i);
      } else {
        alignas(64) float x[conversion_width];
        lane<float, Level>::load(w.from + i).store(x);
        widen_floats<Level>(x, w.to + i);
      }
    }
  }
  template <class Level>
  static inline __attribute__((always_inline)) void widen_floats(const float* from, T* to) {
    using V = lane<double, Level>;
    V::load(from).store(to), V::load(from + V::width).store(to + V::width);
  }
};
template <class T, class S>
struct narrow_work {
  const T* from;
  S* to;
  int count;

  template <class Level>
  static inline __attribute__((always_inline)) void run(narrow_work& w) {
    if constexpr (std::is_same_v<T, double> && sizeof(S) == 2) {
      // A processor waits for stores that it loads again with another width: so many are stored first.
      constexpr int tile = 16 * conversion_width;
      alignas(64) float x[tile];
      for (int first = 0; first < w.count; first += tile) {
        const int count = w.count - first < tile ? w.count - first : tile;
        for (int i = 0; i < count; i += conversion_width) narrow_doubles<Level>(w.from + first + i, x + i);
        for (int i = 0; i < count; i += conversion_width) lane<float, Level>::load(x + i).store(w.to + first + i);
      }
    } else {
      for (int i = 0; i < w.count; i += conversion_width) {
        if constexpr (std::is_same_v<T, float>)
          lane<float, Level>::load(w.from + i).store(w.to + i);
        else
          narrow_doubles<Level>(w.from + i, w.to + i);
      }
    }
  }
  template <class Level>
  static inline __attribute__((always_inline)) void narrow_doubles(const T* from, float* to) {
    using V = lane<double, Level>;
    V::load(from).store(to), V::load(from + V::width).store(to + V::width);
  }
};

// How many of `count` elements are converted in groups: they are, and the others follow one by one.
template <class S, class T>
int widen_groups(isa level, const S* from, int count, T* to) {
  const int whole = count / conversion_width * conversion_width;
  if constexpr (converted_by_lanes<S, T>) {
    widen_work<S, T> work{from, to, whole};
    run_at<widen_work<S, T>>(level == isa::base ? base_isa : level, work);
  } else {
    for (int i = 0; i < whole; i += conversion_width) widen_group(from + i, to + i);
  }
  return whole;
}
template <class T, class S>
int narrow_groups(isa level, const T* from, int count, S* to) {
  const int whole = count / conversion_width * conversion_width;
  if constexpr (converted_by_lanes<S, T>) {
    narrow_work<T, S> work{from, to, whole};
    run_at<narrow_work<T, S>>(level == isa::base ? base_isa : level, work);
  } else {
    for (int i = 0; i < whole; i += conversion_width) narrow_group(from + i, to + i);
  }
  return whole;
}

template <class T>
void load_strided(const source& s, std::int64_t first, int count, T* out, isa level = isa::base) {
  with_elements(s.data, s.type, [&](const auto* p) {
    p += first * s.stride;
    for (int i = s.stride == 1 ? widen_groups(level, p, count, out) : 0; i < count; ++i)
      out[i] = static_cast<T>(widen(p[i * s.stride]));
  });
}

// `selected` is looked at when accumulating; null: all are.
template <class T>
void store_strided(const sink& s, std::int64_t first, int count, const T* x, const bool* selected, bool accumulate,
                   isa level = isa::base) {
  with_numbers(s.data, s.type, [&](auto* p) {
    using S = std::remove_pointer_t<decltype(p)>;
    p += first * s.stride;
    for (int i = s.stride == 1 && !accumulate ? narrow_groups(level, x, count, p) : 0; i < count; ++i) {
      S& to = p[i * s.stride];
      if (!accumulate)
        to = narrow<S>::from(x[i]);
      else if (selected == nullptr || selected[i])
        to = narrow<S>::from(static_cast<T>(widen(to)) + x[i]);
    }
  });
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
