// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/for_groups.cuh>
#include <prefer/shape/group_sort.hpp>

// The CUDA half of shape/group_sort.hpp: a thread per unit, which looks for its place, or for what comes back to it.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

struct sorted_units {
  group_sort_plan p;

  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& units) const {
    team.each(units.count, [&](std::int64_t i) PREFER_HD_LAMBDA {
      const std::int64_t unit = units.first + i, row = unit / p.columns, c = unit % p.columns;
      const std::int64_t first = c / p.size * p.size;
      const double x = p.at(row, c);
      const std::uint64_t mine = p.key(x);
      std::int64_t place = first;
      for (std::int64_t other = first; other < first + p.size; ++other) {
        const std::uint64_t key = p.key(p.at(row, other));
        place += key < mine || (key == mine && other < c) ? 1 : 0;
      }
      p.write_value(row, place, x), p.write_place(row, place, c);
    });
  }
};

struct returned_units {
  group_sort_plan p;

  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& units) const {
    team.each(units.count, [&](std::int64_t i) PREFER_HD_LAMBDA {
      const std::int64_t unit = units.first + i, row = unit / p.columns, c = unit % p.columns;
      const std::int64_t first = c / p.size * p.size, own = p.index_at(row, c);
      if (own < first || own >= first + p.size) team.fault(errc::bad_index, unit);
      double sum = 0;
      for (std::int64_t other = first; other < first + p.size; ++other)
        if (p.index_at(row, other) == c) sum += p.at(row, other);
      p.write_value(row, c, sum);
    });
  }
};

inline status sort_all_groups(const cuda& exec, const group_sort_plan& p) {
  return for_groups(exec, pieces_of(p.rows * p.columns), sorted_units{p});
}
inline status return_to_groups(const cuda& exec, const group_sort_plan& p) {
  return for_groups(exec, pieces_of(p.rows * p.columns), returned_units{p});
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
