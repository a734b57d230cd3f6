// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/map_reduce.hpp>
#include <prefer/backend/row_reduce.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

// row_reduce on the CPU (contract: backend/row_reduce.hpp). A row passes through tiles that stay in the first cache.
// One loop adds up a tile's terms and finds its maximum, while the tile after it is fetched. Many rows are dealt to
// the caller's threads whole, so that the write pass finds them in a cache; of few long rows their chunks are dealt.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline constexpr std::int64_t few_rows = 32;          // below this threads share rows
inline constexpr std::int64_t most_row_states = 256;  // chunks at a time that are dealt to threads
inline constexpr std::int64_t most_row_lists = 64;    // the same where each has a list

enum class row_phase : std::uint8_t { whole, reduce, write };

// Units of work: items, or chunks of the items from `base` on, whose states and coefficients are in memory.
template <class Body>
struct row_reduce_job {
  using coefficients = typename Body::coefficients;
  const Body* body;
  const row_reduce_arguments* arguments;
  row_chunks cut;
  row_phase phase;
  std::int64_t base, first, last;
  row_part_state<Body>* states;
  const coefficients* ready;
};

// What is done once per tile or row is compiled once, for the baseline, so that it rounds alike wherever it is called.
template <class Body>
__attribute__((noinline)) void append_tile(const Body& body, row_state<Body::sums>& to,
                                           const row_state<Body::sums>& tile) {
  append(body, to, tile);
}

template <class Body>
__attribute__((noinline)) void rebase_tile(const Body& body, row_state<Body::sums>& tile, double max) {
  rebase_to(body, max, tile.max, tile.sum);
  tile.max = max;
}

template <class T>
T load_column(const row_reduce_arguments& a, std::int64_t row, std::int64_t column) {
  return load_element<T>(a.x.data, a.x.type, row * a.x.row_stride + column * a.x.stride);
}

// The plan of an item whose row is known. Of picked columns the first of the largest is left out.
template <class T, class Body>
row_plan plan_of(const Body& body, const row_reduce_arguments& a, std::int64_t item, std::int64_t row) {
  row_plan plan = plan_of(body, item, row);
  if constexpr (picks_columns<Body>) {
    T top = 0;
    for (int k = 0; plan.reduces && k < body.picks(); ++k) {
      const std::int64_t column = body.picked(item, k);
      if (column < 0) continue;
      const T x = load_column<T>(a, row, column);
      if (plan.left_out < 0 || x > top) plan.left_out = column, top = x;
    }
  }
  return plan;
}

// The state of a row from those of its chunks. What its list does not keep goes to the sums; then all of the list but
// the largest, which is left out.
template <class T, class Body>
void append_chunks(const Body& body, const row_part_state<Body>* states, std::int64_t count, row_plan& plan,
                   row_part_state<Body>& to) {
  for (std::int64_t c = 0; c < count; ++c) {
    append(body, to, states[c]);
    if constexpr (keeps_columns<Body>) {
      const auto& part = states[c].list;
      for (int k = 0; k < body.picks() && part.column[k] != no_column; ++k) {
        const bool kept = to.list.admits(part.x[k], body.picks());
        const double out = kept ? to.list.insert(part.x[k], part.column[k], body.picks()) : part.x[k];
        append_number(body, to, static_cast<T>(out));
      }
    }
  }
  if constexpr (keeps_columns<Body>) {
    if (to.list.column[0] != no_column) plan.left_out = to.list.column[0];
    for (int k = 1; k < body.picks(); ++k) append_number(body, to, static_cast<T>(to.list.x[k]));
  }
}

template <class T, class Body>
void answer_picks(const Body& body, const row_reduce_arguments& a, std::int64_t item, std::int64_t row,
                  const row_plan& plan, const row_part_state<Body>& state, const typename Body::coefficients& c) {
  if constexpr (picks_columns<Body> || keeps_columns<Body>)
    for (int k = 0; k < body.picks(); ++k) {
      std::int64_t column = -1;
      if constexpr (keeps_columns<Body>) {
        if (state.list.column[k] != no_column) column = state.list.column[k];
      } else if (plan.reduces) {
        column = body.picked(item, k);
      }
      body.answer(item, k, column, column < 0 ? T(0) : load_column<T>(a, row, column), c);
    }
}

template <class T, class Body>
__attribute__((noinline)) void finish_row(const Body& body, const row_reduce_arguments& a, std::int64_t item,
                                          const row_chunks& cut, const row_part_state<Body>* states,
                                          typename Body::coefficients& answer) {
  const std::int64_t row = row_of(a, item);
  row_plan plan = plan_of<T>(body, a, item, row);
  row_part_state<Body> state;
  if (plan.reduces) append_chunks<T>(body, states, cut.count, plan, state);
  const bool reads = plan.left_out >= 0 && (plan.reduces || plan.slopes);
  const double left_out = reads ? static_cast<double>(body.value(load_column<T>(a, row, plan.left_out))) : 0;
  answer = body.finish(item, plan, state, left_out);
  if (body.reduces()) answer_picks<T>(body, a, item, row, plan, state, answer);
}

// Whether a tile has picked columns.
template <class Body>
bool has_picks(const Body& body, std::int64_t item, std::int64_t first, int count) {
  if constexpr (picks_columns<Body>)
    for (int k = 0; k < body.picks(); ++k)
      if (const std::int64_t column = body.picked(item, k); column >= first && column < first + count) return true;
  return false;
}

// The slopes of a tile's picked columns; x and out are apart.
template <class T, class Body>
__attribute__((noinline)) void slope_picks(const Body& body, std::int64_t item, const typename Body::coefficients& c,
                                           std::int64_t first, int count, const T* x, T* out) {
  for (int k = 0; k < body.picks(); ++k)
    if (const std::int64_t column = body.picked(item, k); column >= first && column < first + count)
      out[column - first] = body.slope_picked(item, k, x[column - first], c);
}

template <class T, class Body>
struct row_reduce_work {
  using job_type = row_reduce_job<Body>;
  using state = row_part_state<Body>;
  using coefficients = typename Body::coefficients;
  static constexpr int sums = Body::sums, unroll = 2;
  static constexpr int row_tile = 8192 / static_cast<int>(sizeof(T));  // a sixth of a first cache

  struct tile {
    const T* from;
    std::uintptr_t ahead;  // where the row goes on in memory
    alignas(64) T x[row_tile];
    alignas(64) T out[row_tile];
  };

  // Conversions in groups, as in map_reduce, but inlined, so that they are compiled for the level.
  template <class S>
  static inline __attribute__((always_inline)) void widen_run(const S* from, int count, T* to) {
    if constexpr (std::is_same_v<S, T>) {
      std::memcpy(to, from, static_cast<std::size_t>(count) * sizeof(T));
      return;
    }
    int i = 0;
    for (; i + group <= count; i += group)
      for (int j = 0; j < group; ++j) to[i + j] = static_cast<T>(widen(from[i + j]));
    for (; i < count; ++i) to[i] = static_cast<T>(widen(from[i]));
  }
  template <class S>
  static inline __attribute__((always_inline)) void narrow_run(const T* from, int count, S* to) {
    if constexpr (std::is_same_v<S, T>) {
      std::memcpy(to, from, static_cast<std::size_t>(count) * sizeof(T));
      return;
    }
    int i = 0;
    for (; i + group <= count; i += group)
      for (int j = 0; j < group; ++j) to[i + j] = narrow<S>::from(from[i + j]);
    for (; i < count; ++i) to[i] = narrow<S>::from(from[i]);
  }

  template <class F>
  static inline __attribute__((always_inline)) void with_numbers(const void* data, element type, F f) {
    with_output(const_cast<void*>(data), type, f);  // the storage types of numbers only
  }

  static inline __attribute__((always_inline)) const char* columns_of(const row_source& r, std::int64_t row,
                                                                      std::int64_t first) {
    return static_cast<const char*>(r.data) + (row * r.row_stride + first * r.stride) * size_of(r.type);
  }

  // One tile's columns of a matrix: in place if they are contiguous, of type T and whole lanes, else in the buffer with
  // the rest of the last lanes at -inf. A column that is left out becomes -inf.
  static inline __attribute__((always_inline)) const T* load(const row_source& r, std::int64_t row, std::int64_t first,
                                                             int count, int padded, std::int64_t left_out, T* buffer) {
    const char* columns = columns_of(r, row, first);
    const bool apart = left_out >= first && left_out < first + count;
    if (r.stride == 1 && r.type == element_of<T>() && count == padded && !apart)
      return reinterpret_cast<const T*>(columns);
    if (r.stride != 1)
      load_strided(source{columns, r.stride, r.type}, 0, count, buffer);
    else
      with_numbers(columns, r.type, [&](const auto* p) PREFER_HD_LAMBDA { widen_run(p, count, buffer); });
    for (int i = count; i < padded; ++i) buffer[i] = -math::detail::infinity<T>();
    if (apart) buffer[left_out - first] = -math::detail::infinity<T>();
    return buffer;
  }

  // The columns that the body sees; what is to be written has no use for its buffer yet.
  template <class V>
  static inline __attribute__((always_inline)) void load(const Body& body, const row_reduce_arguments& a,
                                                         std::int64_t row, std::int64_t first, int count, int padded,
                                                         std::int64_t left_out, tile& t) {
    t.ahead = reinterpret_cast<std::uintptr_t>(columns_of(a.x, row, first)) +
              static_cast<std::uintptr_t>(row_tile * size_of(a.x.type));
    t.from = load(a.x, row, first, count, padded, left_out, t.x);
    if constexpr (joins_rows<Body>) {
      const T* other = load(a.y, row, first, count, padded, left_out, t.out);
      for (int g = 0; g < padded; g += V::width)
        body.join(V::load(t.from + g), V::load(other + g)).store(t.x + g);
      t.from = t.x;
    }
  }

  static inline __attribute__((always_inline)) void store(const row_sink& r, std::int64_t row, std::int64_t first,
                                                          int count, const T* x) {
    auto* columns = static_cast<char*>(r.data) + (row * r.row_stride + first * r.stride) * size_of(r.type);
    if (r.stride != 1)
      store_strided(sink{columns, r.stride, r.type}, 0, count, x, nullptr, false);
    else
      with_output(columns, r.type, [&](auto* p) PREFER_HD_LAMBDA { narrow_run(x, count, p); });
  }

  template <class V>
  static inline __attribute__((always_inline)) T largest(const V (&top)[unroll]) {
    const V all = math::max(top[0], top[1]);
    T a[V::width];
    all.store(a);
    for (int half = V::width / 2; half > 0; half /= 2)
      for (int i = 0; i < half; ++i) a[i] = math::max(a[i + half], a[i]);
    return a[0];
  }

  // The first column of [begin, end), both whole lanes, of which `holds` is true, or row_tile.
  template <class V, class F>
  static inline __attribute__((always_inline)) int first_where(int begin, int end, F holds) {
    V least = V(row_tile);
    for (int g = begin; g < end; g += V::width)
      least = math::min(select(holds(g), V::index() + V(g), V(row_tile)), least);
    T a[V::width];
    least.store(a);
    for (int half = V::width / 2; half > 0; half /= 2)
      for (int i = 0; i < half; ++i) a[i] = math::min(a[i + half], a[i]);
    return static_cast<int>(a[0]);
  }

  // The first column of a tile whose value is `max`.
  template <class V>
  static inline __attribute__((always_inline)) int find(const Body& body, const T* x, int padded, T max) {
    return first_where<V>(0, padded, [&](int g) PREFER_HD_LAMBDA { return body.value(V::load(x + g)) == V(max); });
  }

  template <class V>
  static inline __attribute__((always_inline)) T maximum(const Body& body, const T* x, int padded) {
    V top[unroll];
    unrolled<unroll>([&](auto j) PREFER_HD_LAMBDA { top[j] = -math::detail::infinity<V>(); });
    for (int g = 0; g < padded; g += unroll * V::width)
      unrolled<unroll>(
          [&](auto j) PREFER_HD_LAMBDA { top[j] = math::max(body.value(V::load(x + g + j * V::width)), top[j]); });
    return largest(top);
  }

  // The sums of a tile relative to `shift`, and its maximum.
  template <class V>
  static inline __attribute__((always_inline)) T add_terms(const Body& body, const tile& t, int padded, int line,
                                                           T shift, double (&answer)[sums]) {
    V top[unroll], sum[unroll][sums] = {};
    unrolled<unroll>([&](auto j) PREFER_HD_LAMBDA { top[j] = -math::detail::infinity<V>(); });
    for (int g = 0; g < padded; g += unroll * V::width) {
      unrolled<unroll>([&](auto j) PREFER_HD_LAMBDA {
        __builtin_prefetch(reinterpret_cast<const void*>(t.ahead + static_cast<std::uintptr_t>(g * line + j * 64)));
      });
      unrolled<unroll>([&](auto j) PREFER_HD_LAMBDA {
        const V x = body.value(V::load(t.from + g + j * V::width));
        V term[sums];
        body.terms(x - V(shift), term);
        top[j] = math::max(x, top[j]);
        unrolled<sums>([&](auto r) PREFER_HD_LAMBDA { sum[j][r] += term[r]; });
      });
    }
    unrolled<sums>([&](auto r) PREFER_HD_LAMBDA {
      answer[r] = static_cast<double>((sum[0][r] + sum[1][r]).sum());
    });
    return largest(top);
  }

  // A number that the K largest of a whole tile are not below: the K-th largest of the maxima of many parts of it.
  template <class V>
  static inline __attribute__((always_inline)) T low_bound(const T* x, int k) {
    constexpr int lanes = 8, parts = lanes * V::width;
    static_assert(parts >= 64 && row_tile % parts == 0);
    V top[lanes];
    for (int j = 0; j < lanes; ++j) top[j] = V::load(x + j * V::width);
    for (int g = parts; g < row_tile; g += parts)
      for (int j = 0; j < lanes; ++j) top[j] = math::max(V::load(x + g + j * V::width), top[j]);
    T a[parts];
    for (int j = 0; j < lanes; ++j) top[j].store(a + j * V::width);
    for (T& e : a) e = math::is_nan(e) ? -math::detail::infinity<T>() : e;
    std::nth_element(a, a + (k - 1), a + parts, [](T e, T f) { return e > f; });
    return a[k - 1];
  }

  // Moves what the list of the largest admits from a tile to the list, and what falls out of the list to the tile.
  template <class V, class List>
  static inline __attribute__((always_inline)) void keep(const Body& body, std::int64_t first, int count, int padded,
                                                         tile& t, List& list) {
    constexpr int step = unroll * V::width, block = 4 * step;
    const int size = body.picks();
    const T least = count == row_tile && !list.full(size) ? low_bound<V>(t.from, size) : -math::detail::infinity<T>();
    for (int begin = 0; begin < count; begin += block) {
      const int end = static_cast<int>(smaller(begin + block, padded));
      V top[unroll];
      unrolled<unroll>([&](auto j) PREFER_HD_LAMBDA { top[j] = -math::detail::infinity<V>(); });
      for (int g = begin; g < end; g += step)
        unrolled<unroll>(
            [&](auto j) PREFER_HD_LAMBDA { top[j] = math::max(V::load(t.from + g + j * V::width), top[j]); });
      const T most = largest(top);
      if (most < least || !list.admits(static_cast<double>(most), size)) continue;
      if (t.from != t.x) std::memcpy(t.x, t.from, static_cast<std::size_t>(padded) * sizeof(T));
      t.from = t.x;
      for (int from = begin; from < end;) {
        const bool full = list.full(size);  // then a later column has to be larger
        const V bar = V(full ? static_cast<T>(list.x[size - 1]) : least);
        const int at = first_where<V>(from / V::width * V::width, end, [&](int g) PREFER_HD_LAMBDA {
          const V x = V::load(t.x + g);
          const auto behind = V::index() + V(g) >= V(from);
          return full ? (x > bar) & behind : (x >= bar) & behind;
        });
        if (at >= count) break;
        t.x[at] = static_cast<T>(list.insert(static_cast<double>(t.x[at]), first + at, size));
        from = at + 1;
      }
    }
  }

  // Sums are relative to the maximum so far, which serves most tiles, so that they are passed through once. A tile
  // whose own is a little larger is rebased; only one that is far above is done again.
  template <class V>
  static inline __attribute__((always_inline)) void reduce_chunk(const Body& body, const row_reduce_arguments& a,
                                                                 std::int64_t row, std::int64_t begin, std::int64_t end,
                                                                 const row_plan& plan, tile& t, state& answer) {
    constexpr int step = unroll * V::width;
    constexpr T none = -math::detail::format<T>::infinity;
    answer = state{};
    for (std::int64_t first = begin; first < end; first += row_tile) {
      const int count = static_cast<int>(smaller(row_tile, end - first));
      const int padded = (count + step - 1) / step * step, line = size_of(a.x.type);
      load<V>(body, a, row, first, count, padded, plan.left_out, t);
      if constexpr (keeps_columns<Body>) keep<V>(body, first, count, padded, t, answer.list);
      row_state<sums> part;
      T max = static_cast<T>(answer.max);
      if (max == none) max = maximum<V>(body, t.from, padded);
      T seen = max;
      for (bool again = true; again;) {
        max = seen;
        seen = add_terms<V>(body, t, padded, line, max > none ? max : T(0), part.sum);
        again = max > none && seen > max + T(2);
      }
      part.max = static_cast<double>(max);
      if (seen > max) rebase_tile(body, part, max = seen);
      if (a.arg && part.max > answer.max) part.arg = first + find<V>(body, t.from, padded, max);
      append_tile(body, answer, part);
    }
  }

  template <class V>
  static inline __attribute__((always_inline)) void write_chunk(const Body& body, const row_reduce_arguments& a,
                                                                std::int64_t item, std::int64_t row, std::int64_t begin,
                                                                std::int64_t end, const row_plan& plan,
                                                                const coefficients& c, tile& t) {
    const row_sink& to = a.gradient;
    const bool direct = to.stride == 1 && to.type == element_of<T>();
    for (std::int64_t first = begin; first < end; first += row_tile) {
      const int count = static_cast<int>(smaller(row_tile, end - first));
      const int padded = (count + V::width - 1) / V::width * V::width;
      T* const in_place = static_cast<T*>(to.data) + row * to.row_stride + first;
      const bool picked = plan.slopes && has_picks(body, item, first, count);
      T* const out = direct && count == padded && !picked ? in_place : t.out;
      T apart = T(0);  // the slope of the column that was left out
      const bool has_apart = plan.slopes && plan.left_out >= first && plan.left_out < first + count;
      if (plan.slopes) {
        load<V>(body, a, row, first, count, padded, -1, t);
        if (has_apart) apart = body.slope_left_out(t.from[plan.left_out - first], c);
        for (int g = 0; g < padded; g += V::width) body.slope(V::load(t.from + g), c).store(out + g);
      } else {
        for (int g = 0; g < padded; g += V::width) V(static_cast<T>(plan.fill)).store(out + g);
      }
      if (has_apart) out[plan.left_out - first] = apart;
      if constexpr (picks_columns<Body>)
        if (picked) slope_picks<T>(body, item, c, first, count, t.from, out);
      if (out == t.out) store(to, row, first, count, t.out);
    }
  }

  template <class Level>
  static inline __attribute__((always_inline)) void run(job_type& job) {
    using V = lane<T, Level>;
    const Body body = *job.body;
    const row_reduce_arguments& a = *job.arguments;
    const bool whole = job.phase == row_phase::whole;
    state local[64];
    tile t;
    for (std::int64_t unit = job.first; unit < job.last; ++unit) {
      const std::int64_t nth = whole ? unit : unit / job.cut.count, item = job.base + nth;
      const std::int64_t first = whole ? 0 : unit % job.cut.count, last = whole ? job.cut.count : first + 1;
      const std::int64_t row = row_of(a, item);
      const row_plan plan = plan_of<T>(body, a, item, row);
      state* const states = whole ? local : job.states + nth * job.cut.count;
      coefficients c{};
      if (job.phase != row_phase::write && plan.reduces)
        for (std::int64_t k = first; k < last; ++k)
          reduce_chunk<V>(body, a, row, job.cut.begin(k), job.cut.end(k), plan, t, states[k]);
      if (whole) finish_row<T>(body, a, item, job.cut, states, c);
      if (job.phase == row_phase::write) c = job.ready[nth];
      if (job.phase != row_phase::reduce && a.gradient.data != nullptr && row >= 0)
        for (std::int64_t k = first; k < last; ++k)
          write_chunk<V>(body, a, item, row, job.cut.begin(k), job.cut.end(k), plan, c, t);
    }
  }
};

}  // namespace detail

template <class T, class Body>
status row_reduce(const cpu& exec, const Body& given, const row_reduce_arguments& a) {
  isa level;
  if (const status s = resolve_isa(exec, level); !s.ok()) return s;
  using work = detail::row_reduce_work<T, Body>;
  const Body body = given.ready();
  const detail::row_chunks cut(a.columns);
  const auto run = [&](detail::row_phase phase, std::int64_t base, std::int64_t units, std::int64_t numbers,
                       typename work::state* states, const typename work::coefficients* ready) {
    detail::for_blocks(exec, units, numbers, [&](std::int64_t first, std::int64_t last) {
      detail::row_reduce_job<Body> job{&body, &a, cut, phase, base, first, last, states, ready};
      detail::run_at<work>(level, job);
    });
  };
  const bool threads = exec.pool || exec.parallel_for;
  if (!threads || a.items >= detail::few_rows || cut.count == 1) {
    run(detail::row_phase::whole, 0, a.items, a.items * a.columns, nullptr, nullptr);
    return {};
  }
  // As many rows at a time as their chunks' states fit.
  constexpr std::int64_t most = detail::keeps_columns<Body> ? detail::most_row_lists : detail::most_row_states;
  const std::int64_t batch = most / cut.count;
  typename work::state states[most];
  typename work::coefficients ready[detail::few_rows];
  for (std::int64_t base = 0; base < a.items; base += batch) {
    const std::int64_t items = detail::smaller(batch, a.items - base), units = items * cut.count;
    run(detail::row_phase::reduce, base, units, items * a.columns, states, nullptr);
    for (std::int64_t i = 0; i < items; ++i)
      detail::finish_row<T>(body, a, base + i, cut, states + i * cut.count, ready[i]);
    if (a.gradient.data != nullptr) run(detail::row_phase::write, base, units, items * a.columns, nullptr, ready);
  }
  return {};
}

}  // namespace PREFER_ABI
}  // namespace prefer
