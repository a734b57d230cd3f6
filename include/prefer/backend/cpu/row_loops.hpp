// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/dispatch.hpp>
#include <prefer/backend/row_reduce.hpp>
#include <prefer/core/math.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

// The loops of row_reduce over the columns of a tile or a chunk: all that is compiled for every level. Each is a
// function of its own, since among everything around it g++ has no registers left for a loop.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// Columns next to each other, of a type that lanes of T are loaded from and stored to.
template <class T>
constexpr bool lanes_hold(element type) {
  return type == element_of<T>() || type == element::f32 || (sizeof(T) == 4 && size_of(type) == 2);
}
// f with a number of that type.
template <class T, class F>
PREFER_HD void with_type(element type, const F& f) {
  if (type == element_of<T>()) return f(T{});
  if constexpr (sizeof(T) == 4)
    type == element::bf16 ? f(bfloat16{}) : f(half{});
  else
    f(float{});
}
// Some lanes in a row; the type is looked at once for all of them.
template <class V, int Lanes>
PREFER_HD void load_lanes(const char* columns, element type, int at, V (&x)[Lanes]) {
  with_type<typename V::element_type>(type, [&](auto of) PREFER_HD_LAMBDA {
    const auto* p = reinterpret_cast<const decltype(of)*>(columns) + at;
    unrolled<Lanes>([&](auto j) PREFER_HD_LAMBDA { x[j] = V::load(p + j * V::width); });
  });
}
template <class V>
PREFER_HD V load_lane(const char* columns, element type, int at) {
  V x[1];
  load_lanes(columns, type, at, x);
  return x[0];
}
template <class V>
PREFER_HD void store_lane(const V& x, char* columns, element type, int at) {
  using T = typename V::element_type;
  if constexpr (sizeof(T) == 4) {
    if (type == element::bf16) return x.store(reinterpret_cast<bfloat16*>(columns) + at);
    if (type == element::f16) return x.store(reinterpret_cast<half*>(columns) + at);
  } else {
    if (type == element::f32) return x.store(reinterpret_cast<float*>(columns) + at);
  }
  x.store(reinterpret_cast<T*>(columns) + at);
}

// The largest element.
template <int Half, class T>
PREFER_HD void fold_largest(T* a) {
  unrolled<Half>([&](int i) PREFER_HD_LAMBDA { a[i] = math::max(a[i + Half], a[i]); });
  if constexpr (Half > 1) fold_largest<Half / 2>(a);
}
template <class V>
PREFER_HD typename V::element_type largest(const V& x) {
  typename V::element_type a[V::width];
  x.store(a);
  fold_largest<V::width / 2>(a);
  return a[0];
}

// How far columns are from the largest, in the body's unit: y = (key - top) unit. Where a body takes an offset and a
// level can, in one instruction, key unit - (top unit): larger by what the product in brackets lost.
template <class V, class Body>
struct column_distance {
  using T = typename V::element_type;
  static constexpr bool one_instruction = has_fma<typename V::level_type> && takes_offset<Body>;
  V unit, shift;
  V offset = V(0);  // the largest column's y
  T power = 1;      // 2^offset as terms have it, so that a column that is alone has a share of 1

  PREFER_HD column_distance(const Body& body, T top) : unit(key_unit<T>(body)), shift(top) {
    if constexpr (one_instruction) {
      // Beyond 2^30 the offset would not be small. There two different keys are 2^64 apart, and a power of two in place
      // of the unit loses nothing: up to the largest numbers, where 1 will do.
      T factor = key_unit<T>(body), product = factor * top;
      if (!(math::abs(product) < T(0x1p30))) {
        T above = 1;
        while (above < factor && above < T(0x1p100)) above *= 2;
        while (above / 2 >= factor && above > T(0x1p-100)) above /= 2;
        factor = math::abs(above * top) < math::detail::format<T>::infinity ? above : T(1);
        product = factor * top;
      }
      unit = V(factor), shift = V(product);
      V term[Body::sums];
      offset = (*this)(V(top));
      body.terms(offset, term, offset);
      T powers[V::width];
      term[0].store(powers);
      power = powers[0];
    }
  }
  PREFER_HD V operator()(const V& key) const {
    if constexpr (one_instruction)
      return fused_difference(key, unit, shift);
    else
      return (key - shift) * unit;
  }
};
template <class V, class Body>
PREFER_HD void terms_at(const Body& body, const column_distance<V, Body>& distance, const V& key,
                        V (&term)[Body::sums]) {
  if constexpr (column_distance<V, Body>::one_instruction)
    body.terms(distance(key), term, distance.offset);
  else
    body.terms(distance(key), term);
}

// The columns of a tile, in pieces: in place, or in a buffer where some had to be changed or made up.
struct row_pieces {
  struct piece {
    const char* columns;
    element type;
    int count;  // whole steps of the loop that reads them
  };
  static constexpr int most = 4;
  piece at[most];
  int count = 0;

  void add(const char* columns, element type, int length) {
    if (length > 0) at[count++] = {columns, type, length};
  }
};

// The largest key of a tile, in pairs of lanes.
template <class T, class Body>
struct maximum_loop {
  const Body* body;
  const row_pieces* tile;  // in lanes
  T answer;

  template <class Level>
  static inline __attribute__((always_inline)) void run(maximum_loop& w) {
    using V = lane<T, Level>;
    const Body& body = *w.body;
    V top[2] = {-math::detail::infinity<V>(), -math::detail::infinity<V>()};
    for (int p = 0; p < w.tile->count; ++p) {
      const row_pieces::piece piece = w.tile->at[p];
      for (int g = 0; g < piece.count; g += 2 * V::width) {
        V x[2];
        load_lanes(piece.columns, piece.type, g, x);
        unrolled<2>([&](auto j) PREFER_HD_LAMBDA { top[j] = math::max(key_of(body, x[j]), top[j]); });
      }
    }
    w.answer = largest(math::max(top[0], top[1]));
  }
};

// The sums of columns that pass tile by tile, lane by lane, and their largest key. Sums are relative to a key that is a
// little smaller at most: a block of columns in which one is far above is done again, relative to that.
template <class T, class Body>
struct row_sums_so_far {
  static constexpr int width = 64 / static_cast<int>(sizeof(T)), sums = Body::sums;

  T shift = -math::detail::format<T>::infinity;  // or 0 while there is none
  T power = 1;                                   // what sums are too large by
  alignas(64) T top[width];
  alignas(64) T sum[sums][width] = {};

  row_sums_so_far() {
    for (T& x : top) x = -math::detail::format<T>::infinity;
  }
};

// Goes on with a tile; meanwhile what comes later in the row is fetched. At most 64 additions in T follow one another,
// then their sums are added up.
template <class T, class Body>
struct terms_loop {
  static constexpr int sums = Body::sums;
  using state_type = row_sums_so_far<T, Body>;

  const Body* body;
  const row_pieces* tile;  // in pairs of lanes
  std::uintptr_t ahead;
  state_type* state;

  template <class V>
  struct frame {
    static constexpr T none = -math::detail::format<T>::infinity, far = 3;
    column_distance<V, Body> distance;
    V limit;  // of keys that are not far above

    PREFER_HD frame(const Body& body, T top)
        : distance(body, top > none ? top : T(0)), limit(top > none ? top + far / key_unit<T>(body) : none) {}
  };

  template <class Level>
  static inline __attribute__((always_inline)) void run(terms_loop& w) {
    using V = lane<T, Level>;
    constexpr int block = 64 * V::width;
    const Body body = *w.body;
    state_type& state = *w.state;
    std::uintptr_t ahead = w.ahead;
    V top = V::load(state.top), all[sums];
    for (int r = 0; r < sums; ++r) all[r] = V::load(state.sum[r]);
    T shift = state.shift, before = shift;
    for (int p = 0, begin = 0; p < w.tile->count;) {
      const frame<V> at(body, shift);
      if (before < shift) move(body, before, shift, at.distance.power, state.power, all);
      state.power = at.distance.power, before = shift;
      while (p < w.tile->count) {
        const row_pieces::piece piece = w.tile->at[p];
        const int end = begin + block < piece.count ? begin + block : piece.count;
        V sum[sums] = {};
        add_block(body, at.distance, piece, begin, end, ahead, top, sum);
        if ((top > at.limit).bits() != 0) {
          shift = largest(top);
          break;
        }
        unrolled<sums>([&](auto r) PREFER_HD_LAMBDA { all[r] += sum[r]; });
        ahead += static_cast<std::uintptr_t>((end - begin) * size_of(piece.type));
        begin = end < piece.count ? end : 0;
        p += end < piece.count ? 0 : 1;
      }
    }
    for (int r = 0; r < sums; ++r) all[r].store(state.sum[r]);
    top.store(state.top);
    state.shift = shift;
  }

  // What has been added up goes from a frame to another.
  template <class V>
  static PREFER_HD void move(const Body& body, T from, T to, T power, T power_before, V (&all)[sums]) {
    if (!(from > -math::detail::format<T>::infinity)) return;
    body.rebase(all, V((from - to) * key_unit<T>(body)));
    if constexpr (takes_offset<Body>) body.divide(all, V(power_before / power));
  }

  // Of the body with one sum, the one that is called most, there is a loop for each type.
  template <class V>
  static PREFER_HD void add_block(const Body& body, const column_distance<V, Body>& distance,
                                  const row_pieces::piece& piece, int begin, int end, std::uintptr_t ahead, V& top,
                                  V (&sum)[sums]) {
    constexpr int step = 2 * V::width;
    const auto add = [&](const V& x) PREFER_HD_LAMBDA {
      const V key = key_of(body, x);
      V term[sums];
      terms_at(body, distance, key, term);
      top = math::max(key, top);
      unrolled<sums>([&](auto r) PREFER_HD_LAMBDA { sum[r] += term[r]; });
    };
    if constexpr (sums == 1) {
      with_type<T>(piece.type, [&](auto of) PREFER_HD_LAMBDA {
        const auto* const columns = reinterpret_cast<const decltype(of)*>(piece.columns);
        for (int g = begin; g < end; g += step, ahead += step * sizeof of)
          unrolled<2>([&](auto j) PREFER_HD_LAMBDA {
            constexpr int bytes = j * V::width * static_cast<int>(sizeof of);
            if constexpr (bytes % 64 == 0) __builtin_prefetch(reinterpret_cast<const void*>(ahead + bytes));
            add(V::load(columns + g + j * V::width));
          });
      });
    } else {
      const auto bytes = static_cast<std::uintptr_t>(V::width * size_of(piece.type));
      for (int g = begin; g < end; g += step) {
        V x[2];
        load_lanes(piece.columns, piece.type, g, x);
        unrolled<2>([&](auto j) PREFER_HD_LAMBDA {
          __builtin_prefetch(reinterpret_cast<const void*>(ahead));
          ahead += bytes;
          add(x[j]);
        });
      }
    }
  }
};

// The first column of a tile that has a value, or how many there are.
template <class T, class Body>
struct find_loop {
  const Body* body;
  const row_pieces* tile;
  T value;
  int answer;

  template <class Level>
  static inline __attribute__((always_inline)) void run(find_loop& w) {
    using V = lane<T, Level>;
    int before = 0;
    for (int p = 0; p < w.tile->count; ++p) {
      const row_pieces::piece piece = w.tile->at[p];
      for (int g = 0; g < piece.count; g += V::width) {
        const V x = w.body->value(load_lane<V>(piece.columns, piece.type, g));
        const unsigned equal = (x == V(w.value)).bits();
        if (equal == 0) continue;
        w.answer = before + g + __builtin_ctz(equal);
        return;
      }
      before += piece.count;
    }
    w.answer = before;
  }
};

template <class V, class Body>
PREFER_HD auto coefficients_at(const Body& body, const typename Body::coefficients& c,
                               const column_distance<V, Body>& distance) {
  if constexpr (column_distance<V, Body>::one_instruction) {
    typename V::element_type offset[V::width];
    distance.offset.store(offset);
    return body.divided(c, distance.power, offset[0]);
  } else {
    return c;
  }
}

// The slopes of a tile's columns. Those that are rounded to bfloat16 are found a block at a time before: one loop with
// both, a chain of short instructions behind one of long ones, takes a third longer.
template <class T, class Body>
struct slopes_loop {
  static constexpr int block = 4096 / static_cast<int>(sizeof(T)), fetched_ahead = 4096;  // bytes

  const Body* body;
  const typename Body::coefficients* coefficients;
  const row_pieces* tile;  // in lanes
  char* to;
  element type;
  bool fetches;  // what is written later; worth it where only that is not in a cache, else a loss

  template <class Level>
  static inline __attribute__((always_inline)) void run(slopes_loop& w) {
    using V = lane<T, Level>;
    const Body body = *w.body;
    const column_distance<V, Body> distance(body, w.coefficients->shift);
    const auto c = coefficients_at(body, *w.coefficients, distance);
    const bool rounds = sizeof(T) == 4 && w.type == element::bf16;
    alignas(64) T some[block];
    char* to = w.to;
    for (int p = 0; p < w.tile->count; ++p) {
      const row_pieces::piece piece = w.tile->at[p];
      for (int begin = 0; begin < piece.count; begin += block) {
        const int count = begin + block < piece.count ? block : piece.count - begin;
        const char* const later = w.fetches ? to + fetched_ahead : nullptr;
        if (rounds)
          find(body, distance, c, piece, begin, count, reinterpret_cast<char*>(some), element_of<T>(), later);
        else
          find(body, distance, c, piece, begin, count, to, w.type, later);
        if constexpr (sizeof(T) == 4)
          for (int g = 0; rounds && g < count; g += V::width)
            V::load(some + g).store(reinterpret_cast<bfloat16*>(to) + g);
        to += count * size_of(w.type);
      }
    }
  }

  // Of a body with one sum there is a loop for each type, as of its terms.
  template <class V, class Coefficients>
  static PREFER_HD void find(const Body& body, const column_distance<V, Body>& distance, const Coefficients& c,
                             const row_pieces::piece& piece, int begin, int count, char* to, element type,
                             const char* later) {
    const int size = size_of(type);
    const auto put = [&](const V& x, int g) PREFER_HD_LAMBDA {
      if (later != nullptr) __builtin_prefetch(later + g * size, 1);
      store_lane(body.slope(x, distance(key_of(body, x)), c), to, type, g);
    };
    if constexpr (Body::sums == 1) {
      with_type<T>(piece.type, [&](auto of) PREFER_HD_LAMBDA {
        const auto* const columns = reinterpret_cast<const decltype(of)*>(piece.columns) + begin;
        for (int g = 0; g < count; g += V::width) put(V::load(columns + g), g);
      });
    } else {
      for (int g = 0; g < count; g += V::width) put(load_lane<V>(piece.columns, piece.type, begin + g), g);
    }
  }
};

// The columns of two matrices as those of one.
template <class T, class Body>
struct join_loop {
  const Body* body;
  const T* other;
  int count;  // whole lanes
  T* to;      // the columns of the first

  template <class Level>
  static inline __attribute__((always_inline)) void run(join_loop& w) {
    using V = lane<T, Level>;
    for (int g = 0; g < w.count; g += V::width) w.body->join(V::load(w.to + g), V::load(w.other + g)).store(w.to + g);
  }
};

// A number that the K largest columns of a chunk are not below: the K-th largest of the maxima of 128 parts of it.
template <class T>
struct part_maxima_loop {
  static constexpr int parts = 128;

  const row_pieces* tile;  // in steps of `parts`
  T* top;                  // [parts]

  template <class Level>
  static inline __attribute__((always_inline)) void run(part_maxima_loop& w) {
    using V = lane<T, Level>;
    constexpr int lanes = parts / V::width;
    V top[lanes];
    for (int j = 0; j < lanes; ++j) top[j] = V::load(w.top + j * V::width);
    for (int p = 0; p < w.tile->count; ++p) {
      const row_pieces::piece piece = w.tile->at[p];
      for (int g = 0; g < piece.count; g += parts) {
        V x[lanes];
        load_lanes(piece.columns, piece.type, g, x);
        unrolled<lanes>([&](auto j) PREFER_HD_LAMBDA { top[j] = math::max(x[j], top[j]); });
      }
    }
    for (int j = 0; j < lanes; ++j) top[j].store(w.top + j * V::width);
  }
};

template <class List>
__attribute__((noinline)) void offer(List& list, int size, double x, std::int64_t column) {
  if (list.admits(x, size)) list.insert(x, column, size);
}

// Offers a list the columns of a tile that are not below a bound; the list raises the bound once it is full.
template <class T, class List>
struct offer_loop {
  const row_pieces* tile;  // in steps of four lanes
  std::int64_t first;      // the tile's first column
  int count;               // of the tile's columns; others that were made up follow
  T bound;
  int size;
  List* list;

  template <class Level>
  static inline __attribute__((always_inline)) void run(offer_loop& w) {
    using V = lane<T, Level>;
    constexpr int lanes = 4;
    int before = 0;
    for (int p = 0; p < w.tile->count; ++p) {
      const row_pieces::piece piece = w.tile->at[p];
      for (int g = 0; g < piece.count; g += lanes * V::width) {
        const bool full = w.list->full(w.size);  // then a later column has to be larger
        const V bound(full ? static_cast<T>(w.list->x[w.size - 1]) : w.bound);
        V x[lanes];
        load_lanes(piece.columns, piece.type, g, x);
        typename V::mask admitted[lanes], any(false);
        unrolled<lanes>([&](auto j) PREFER_HD_LAMBDA {
          admitted[j] = full ? x[j] > bound : x[j] >= bound;
          any = any | admitted[j];
        });
        if (any.bits() == 0) continue;
        for (int j = 0; j < lanes; ++j) {
          T number[V::width];
          x[j].store(number);
          for (unsigned bits = admitted[j].bits(); bits != 0; bits &= bits - 1) {
            const int i = __builtin_ctz(bits), at = before + g + j * V::width + i;
            if (at < w.count) offer(*w.list, w.size, static_cast<double>(number[i]), w.first + at);
          }
        }
      }
      before += piece.count;
    }
  }
};

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
