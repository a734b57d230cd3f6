// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/strided.hpp>
#include <prefer/backend/map_reduce.hpp>
#include <prefer/core/math.hpp>

#include <cstdint>
#include <limits>

// map_reduce on the CPU (contract: backend/map_reduce.hpp). The items are cut into tiles of a fixed size and the tiles
// into at most 256 blocks, by n alone. A tile's inputs are used in place when they are contiguous and of the compute
// type, and are otherwise converted into a buffer; its outputs likewise. Whole tiles without a mask pass through one
// call of the body, masked and short ones through another, which rounds alike.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline constexpr int tile_items = 512;
inline constexpr std::int64_t max_blocks = 256;
inline constexpr std::int64_t items_per_task = 8192;  // below this a thread costs more than it saves

template <class T>
void load_gathered(const source& s, std::int64_t first, int count, T* out) {
  for (int i = 0; i < count; ++i) {
    const std::int64_t at = load_index(s.index, s.index_type, (first + i) * s.index_stride);
    const bool inside = at >= 0 && at < s.bound;
    out[i] = inside ? load_element<T>(s.data, s.type, at * s.stride) : std::numeric_limits<T>::quiet_NaN();
  }
}

// How n items are cut: by n alone, so that sums do not depend on who adds them.
struct partition {
  std::int64_t tiles, blocks, n;
  explicit partition(std::int64_t items)
      : tiles((items + tile_items - 1) / tile_items), blocks(tiles < max_blocks ? tiles : max_blocks), n(items) {}
  std::int64_t begin(std::int64_t block) const {
    const std::int64_t item = tiles * block / blocks * tile_items;
    return item < n ? item : n;
  }
};

template <class T, class Body>
struct tile_job {
  const Body* body;
  const map_reduce_arguments_of<Body>* arguments;
  partition cut;
  std::int64_t first;  // blocks
  std::int64_t last;
  double (*sums)[Body::sums];  // of all blocks
};

template <class T, class Body>
struct tile_work {
  static constexpr int inputs = Body::inputs, outputs = Body::outputs, sums = Body::sums;

  static constexpr int most_streams = (inputs + outputs + 3) / 4 * 4;

  // Where the streams that are read or written in place go on after this tile. In fours, which are cheaper to loop
  // over; a stream twice costs nothing.
  struct prefetches {
    const T* ahead[most_streams];
    int streams = 0;

    void add(const T* direct) { ahead[streams++] = direct + tile_items; }
    void fill_up() {
      for (; streams % 4 != 0; ++streams) ahead[streams] = ahead[streams - 1];
    }
    inline __attribute__((always_inline)) void fetch(int g) const {
      unrolled<most_streams / 4>([&](auto k) PREFER_HD_LAMBDA {
        if (streams > 4 * k) unrolled<4>([&](auto j) PREFER_HD_LAMBDA { __builtin_prefetch(ahead[4 * k + j] + g); });
      });
    }
  };

  // Where the body reads and writes during one tile.
  struct buffers {
    alignas(64) T in[inputs][tile_items];
    alignas(64) T out[outputs][tile_items];
    alignas(64) T mask[tile_items];
    bool selected[tile_items];
  };

  static bool in_place(const source& s) { return s.stride == 1 && s.type == element_of<T>() && s.index == nullptr; }

  static bool adds(const map_reduce_arguments_of<Body>& a, const sink& s) { return a.accumulate && !s.fresh; }

  static void load_inputs(const map_reduce_arguments_of<Body>& a, std::int64_t first, int count, int padded, buffers& b,
                          const T* (&from)[inputs], prefetches& next, isa level) {
    for (int k = 0; k < inputs; ++k) {
      const source& s = a.in[k];
      if (s.data == nullptr) continue;  // filled once per job
      const T* direct = static_cast<const T*>(s.data) + first;
      if (in_place(s) && count == padded) {
        from[k] = direct;
        next.add(direct);
        continue;
      }
      s.index == nullptr ? load_strided(s, first, count, b.in[k], level) : load_gathered(s, first, count, b.in[k]);
      for (int i = count; i < padded; ++i) b.in[k][i] = T(0);
      from[k] = b.in[k];
    }
  }

  static void load_mask(const map_reduce_arguments_of<Body>& a, std::int64_t first, int count, int padded, buffers& b) {
    if (a.mask.data != nullptr)
      load_strided(a.mask, first, count, b.mask);
    else
      for (int i = 0; i < count; ++i) b.mask[i] = T(1);
    for (int i = count; i < padded; ++i) b.mask[i] = T(0);
    for (int i = 0; i < padded; ++i) b.selected[i] = b.mask[i] != T(0);
  }

  static constexpr unsigned usual_of_body() {
    if constexpr (requires { Body::usual; })
      return Body::usual;
    else
      return 0;
  }
  static constexpr unsigned usual = usual_of_body();

  // One bit for every sum, then one for every output, that is asked for.
  static unsigned wanted_of(const map_reduce_arguments_of<Body>& a) {
    static_assert(sums + outputs <= 32);
    unsigned wanted = 0;
    for (int r = 0; r < sums; ++r) wanted |= a.sum[r].data != nullptr ? 1u << r : 0u;
    for (int m = 0; m < outputs; ++m) wanted |= a.out[m].data != nullptr ? 1u << (sums + m) : 0u;
    return wanted;
  }

  // The items of one tile, from memory that holds whole lanes. Without a guard every item counts. A `Known` that is not
  // 0 is what is wanted: a test for each sum and output in every lane is a tenth of the time of a cheap body. What is
  // not the usual of a body that has one is guarded, masked or not: a third loop would be a third of the time that a
  // loss takes to compile.
  template <bool Guarded, unsigned Known, class V>
  static inline __attribute__((always_inline)) void run_lanes(const Body& body, unsigned asked, int padded,
                                                              const T* const (&from)[inputs], const prefetches& next,
                                                              T* const (&to)[outputs], const T* mask, V (&sum)[sums]) {
    const unsigned wanted = Known != 0 ? Known : asked;
    for (int g = 0; g < padded; g += V::width) {
      next.fetch(g);
      V in[inputs], out[outputs], part[sums];
      unrolled<inputs>([&](auto k) PREFER_HD_LAMBDA { in[k] = V::load(from[k] + g); });
      body(in, out, part);
      const auto kept = [&](const V& x) PREFER_HD_LAMBDA {
        if constexpr (Guarded)
          return select(V::load(mask + g) > V(0), x.settled(), V(0));
        else
          return x.settled();
      };
      // What nobody asked for is computed inside these conditions, that is, not at all.
      unrolled<sums>([&](auto r) PREFER_HD_LAMBDA {
        if ((wanted >> r & 1u) != 0) sum[r] += kept(part[r]);
      });
      unrolled<outputs>([&](auto m) PREFER_HD_LAMBDA {
        if ((wanted >> (sums + m) & 1u) != 0) kept(out[m]).store(to[m] + g);
      });
    }
  }

  template <class V>
  static inline __attribute__((always_inline)) void fill_absent(const map_reduce_arguments_of<Body>& a, int longest,
                                                                buffers& b, const T* (&from)[inputs]) {
    for (int k = 0; k < inputs; ++k) {
      if (a.in[k].data != nullptr) continue;
      for (int i = 0; i < longest; i += V::width) V(static_cast<T>(a.in[k].neutral)).store(b.in[k] + i);
      from[k] = b.in[k];
    }
  }

  // Where a tile's outputs are written; true for those that are in the buffer.
  static void place_outputs(const map_reduce_arguments_of<Body>& a, std::int64_t first, bool whole, buffers& b,
                            T* (&to)[outputs], bool (&buffered)[outputs], prefetches& next) {
    for (int m = 0; m < outputs; ++m) {
      const sink& s = a.out[m];
      const bool direct = whole && s.stride == 1 && s.type == element_of<T>() && !adds(a, s);
      buffered[m] = s.data != nullptr && !direct;
      to[m] = s.data == nullptr ? nullptr : direct ? static_cast<T*>(s.data) + first : b.out[m];
      if (direct && s.data != nullptr) next.add(to[m]);
    }
  }
  static void store_buffered(const map_reduce_arguments_of<Body>& a, std::int64_t first, int count, const buffers& b,
                             const bool (&buffered)[outputs], const bool* selected, isa level) {
    for (int m = 0; m < outputs; ++m) {
      const sink& s = a.out[m];
      if (buffered[m]) store_strided(s, first, count, b.out[m], selected, adds(a, s), level);
    }
  }

  template <class Level>
  static inline __attribute__((always_inline)) void run(tile_job<T, Body>& job) {
    using V = lane<T, Level>;
    const auto& a = *job.arguments;
    const Body body = *job.body;
    buffers b;
    const T* from[inputs];
    T* to[outputs];
    bool buffered[outputs];

    const unsigned wanted = wanted_of(a);
    bool ones = false;  // whether the buffer's mask selects a whole tile
    const std::int64_t end = job.cut.begin(job.last);
    fill_absent<V>(a, static_cast<int>(smaller(tile_items, end - job.cut.begin(job.first))), b, from);
    for (std::int64_t block = job.first; block < job.last; ++block) {
      const std::int64_t block_end = job.cut.begin(block + 1);
      for (std::int64_t first = job.cut.begin(block); first < block_end; first += tile_items) {
        const int count = static_cast<int>(smaller(tile_items, block_end - first));
        const int padded = (count + V::width - 1) / V::width * V::width;
        const bool guarded = a.mask.data != nullptr || count != padded;
        prefetches next;
        load_inputs(a, first, count, padded, b, from, next, isa_of<Level>);
        place_outputs(a, first, count == padded, b, to, buffered, next);
        next.fill_up();
        V sum[sums] = {};
        if (guarded || (usual != 0 && wanted != usual)) {
          if (guarded || !ones) load_mask(a, first, count, padded, b);
          ones = a.mask.data == nullptr && count == tile_items;
          run_lanes<true, 0, V>(body, wanted, padded, from, next, to, b.mask, sum);
        } else {
          run_lanes<false, usual, V>(body, wanted, padded, from, next, to, nullptr, sum);
        }
        for (int r = 0; r < sums; ++r)
          if (a.sum[r].data != nullptr) job.sums[block][r] += static_cast<double>(sum[r].sum());
        store_buffered(a, first, count, b, buffered, guarded ? b.selected : nullptr, isa_of<Level>);
      }
    }
  }
};

// Runs run_blocks(first, last) over all blocks, on the caller's threads if there are items enough.
template <class F>
void for_blocks(const cpu& exec, std::int64_t blocks, std::int64_t items, const F& run_blocks) {
  const task_runner& runner = exec.pool ? exec.pool : exec.parallel_for;
  const std::int64_t wanted = items / items_per_task;
  const std::int64_t tasks = wanted < blocks ? wanted : blocks;
  if (blocks == 0) return;
  if (!runner || tasks < 2) return run_blocks(std::int64_t{0}, blocks);
  struct shared {
    const F* run_blocks;
    std::int64_t blocks, tasks;
  } work{&run_blocks, blocks, tasks};
  runner.run(
      runner.context, tasks,
      [](void* argument, std::int64_t task) {
        const auto& w = *static_cast<const shared*>(argument);
        (*w.run_blocks)(w.blocks * task / w.tasks, w.blocks * (task + 1) / w.tasks);
      },
      &work);
}

inline std::int64_t count_selected(const source& mask, std::int64_t n) {
  std::int64_t selected = 0;
  float tile[tile_items];
  for (std::int64_t first = 0; first < n; first += tile_items) {
    const int count = static_cast<int>(smaller(tile_items, n - first));
    load_strided(mask, first, count, tile);
    for (int i = 0; i < count; ++i) selected += tile[i] != 0;
  }
  return selected;
}

inline double resolve_normalizer(const normalizer& given, const source& mask, std::int64_t n) {
  if (given.given) return given.value.as<double>();
  const std::int64_t selected = mask.data != nullptr ? count_selected(mask, n) : n;
  return selected > 0 ? static_cast<double>(selected) : 1.0;
}

// Adds up the blocks' sums in their order and writes what was asked for.
template <int Sums, class Arguments>
void write_totals(const double (&sums)[max_blocks][Sums], std::int64_t blocks, const Arguments& a, double normalizer) {
  for (int r = 0; r < Sums; ++r) {
    const total& t = a.sum[r];
    if (t.data == nullptr) continue;
    double sum = 0;
    for (std::int64_t block = 0; block < blocks; ++block) sum += sums[block][r];
    store_element(t.data, t.type, 0, t.divided ? sum / normalizer : sum, a.accumulate);
  }
}

}  // namespace detail

template <class T, class Body>
status map_reduce(const cpu& exec, const Body& body, const map_reduce_arguments_of<Body>& a) {
  isa level;
  if (const status s = resolve_isa(exec, level); !s.ok()) return s;
  const double normalizer = detail::resolve_normalizer(a.normalizer, a.mask, a.n);
  const Body ready = body.ready(normalizer);
  const detail::partition cut(a.n);

  double sums[detail::max_blocks][Body::sums];
  detail::for_blocks(exec, cut.blocks, a.n, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t block = first; block < last; ++block)
      for (double& s : sums[block]) s = 0;
    detail::tile_job<T, Body> job{&ready, &a, cut, first, last, sums};
    detail::run_at<detail::tile_work<T, Body>>(level, job);
  });

  detail::write_totals(sums, cut.blocks, a, normalizer);
  return {};
}

}  // namespace PREFER_ABI
}  // namespace prefer
