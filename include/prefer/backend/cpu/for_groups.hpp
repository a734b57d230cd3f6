// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/map_reduce.hpp>
#include <prefer/backend/for_groups.hpp>

// for_groups on the CPU (contract: backend/for_groups.hpp): a team is a thread; groups in blocks.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

struct one_thread {
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
    for (std::int64_t b = groups.groups * first / blocks; b < groups.groups * last / blocks; ++b) {
      detail::group_range g;
      groups.find(b, g);
      work(detail::one_thread{}, g);
    }
  });
  return {};
}

}  // namespace PREFER_ABI
}  // namespace prefer
