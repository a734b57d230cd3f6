// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/map_reduce.hpp>
#include <prefer/backend/for_groups.hpp>

// for_groups on the CPU (contract: backend/for_groups.hpp): a team is a thread; groups in blocks.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// Keys of consecutive samples.
struct key_tile {
  std::int64_t samples;  // of all groups
  std::int64_t first = -tile_items;
  std::uint64_t keys[tile_items];

  explicit key_tile(std::int64_t n) : samples(n) {}
  PREFER_HD bool has(std::int64_t sample) const { return static_cast<std::uint64_t>(sample - first) < tile_items; }
  template <class Keys>
  __attribute__((noinline)) void load(const Keys& from, std::int64_t sample) {
    first = sample;
    from.fill(first, static_cast<int>(smaller(tile_items, samples - first)), keys);
  }
};

template <class Keys>
struct tile_places {
  const Keys& keys;
  key_tile& tile;
  std::int64_t first;

  // Runs on the host alone; nvcc wants it callable from what runs on either side.
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  PREFER_HD ranked operator()(std::int64_t i) const {
    if (!tile.has(first + i)) tile.load(keys, first + i / tile_items * tile_items);
    return {tile.keys[first + i - tile.first], i};
  }
};

struct one_thread {
  key_tile* tile;

  template <class F>
  PREFER_HD void each(std::int64_t n, F f) const {
    for (std::int64_t i = 0; i < n; ++i) f(i);
  }
  template <class F>
  PREFER_HD std::int64_t total(std::int64_t n, F f) const {
    std::int64_t sum = 0;
    for (std::int64_t i = 0; i < n; ++i) sum += f(i);
    return sum;
  }
  template <class F>
  PREFER_HD ranked first(std::int64_t n, F f) const {
    ranked best{left_out, -1};
    for (std::int64_t i = 0; i < n; ++i)
      if (const ranked x = f(i); i == 0 || x < best) best = x;
    return best;
  }
  template <class F>
  PREFER_HD digit_place digit(std::int64_t n, F f, std::int64_t nth) const {
    std::int64_t counts[256] = {};
    for (std::int64_t i = 0; i < n; ++i)
      if (const int d = f(i); d >= 0) ++counts[d];
    digit_place p;
    while (p.digit < 255 && p.before + counts[p.digit] <= nth) p.before += counts[p.digit++];
    p.here = counts[p.digit];
    return p;
  }
  template <class F, class G>
  PREFER_HD std::int64_t prefix(std::int64_t n, F f, G g) const {
    std::int64_t sum = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      const std::int64_t x = f(i);
      g(i, sum);
      sum += x;
    }
    return sum;
  }
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class Keys>
  PREFER_HD tile_places<Keys> places(const group_range& g, const Keys& keys) const {
    const bool small = g.count > 0 && g.count <= tile_items;  // then it is in one tile
    if (small && !(tile->has(g.first) && tile->has(g.first + g.count - 1))) tile->load(keys, g.first);
    return {keys, *tile, g.first};
  }
  template <class F>
  PREFER_HD void once(F f) const {
    f();
  }
  PREFER_HD void fault(errc, std::int64_t) const {}
};

}  // namespace detail

template <class Work>
status for_groups(const cpu& exec, const detail::group_table& groups, const Work& work) {
  const std::int64_t blocks = detail::smaller(groups.groups, detail::max_blocks);
  detail::for_blocks(exec, blocks, groups.samples, [&](std::int64_t first, std::int64_t last) {
    detail::key_tile tile(groups.samples);
    for (std::int64_t b = groups.groups * first / blocks; b < groups.groups * last / blocks; ++b) {
      detail::group_range g;
      groups.find(b, g);
      work(detail::one_thread{&tile}, g);
    }
  });
  return {};
}

}  // namespace PREFER_ABI
}  // namespace prefer
