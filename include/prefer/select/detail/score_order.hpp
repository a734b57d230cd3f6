// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/for_groups.hpp>
#include <prefer/backend/item.hpp>

#include <cstdint>

// The order of the samples of a group by a score: the best first, ties by the lowest number, and where it is cut.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// Scores with a mask; NaN and what is left out come last and are never selected.
struct score_order {
  source score, mask;
  bool smallest = false;  // the smallest is the best

  PREFER_HD double value(std::int64_t s) const { return load_element<double>(score.data, score.type, s * score.stride); }
  PREFER_HD bool present(std::int64_t s) const { return selects(mask, s) && !math::is_nan(value(s)); }
  // The place of sample i of a group; `best_first` or from the other end.
  PREFER_HD ranked place(const group_range& g, std::int64_t i, bool best_first = true) const {
    const std::int64_t s = g.first + i;
    if (!present(s)) return {left_out, i};
    const double x = value(s);
    return {x == 0 ? sortable(0.0) : sortable(smallest == best_first ? x : -x), i};
  }
};

// All places up to `last` are taken. A key alone, or the item too, is found digit by digit.
struct order_cut {
  ranked last{0, -1};

  PREFER_HD bool takes(const ranked& x) const { return x.key < left_out && !(last < x); }
};

// Finds the cut behind the first `wanted` (1 or more, no more than are present) of n places by their digits: bytes of
// the key, then of the item, from the top.
template <class Team, class Place>
PREFER_HD order_cut cut_by_digits(const Team& team, std::int64_t n, std::int64_t wanted, Place place) {
  ranked low{0, 0};
  std::int64_t left = wanted;
  for (int shift = 120; shift >= 0; shift -= 8) {
    const bool of_key = shift >= 64;
    const int by = of_key ? shift - 64 : shift;
    if (!of_key && by > 0 && (n >> by) == 0) continue;  // items have no such digits
    const digit_place p = team.digit(
        n,
        [&](std::int64_t i) PREFER_HD_LAMBDA {
          const ranked x = place(i);
          if (x.key == left_out) return -1;
          const auto item = static_cast<std::uint64_t>(x.item), low_item = static_cast<std::uint64_t>(low.item);
          const int above = by + 8;  // what is above this digit agrees with what was found
          if (of_key ? above < 64 && (x.key >> above) != (low.key >> above)
                     : x.key != low.key || (item >> above) != (low_item >> above))
            return -1;
          return static_cast<int>((of_key ? x.key : item) >> by & 255);
        },
        left - 1);
    const auto digit = static_cast<std::uint64_t>(p.digit) << by;
    if (of_key)
      low.key |= digit;
    else
      low.item |= static_cast<std::int64_t>(digit);
    left -= p.before;
    if (left == p.here) {  // all that begin like this
      const std::uint64_t rest = (std::uint64_t{1} << by) - 1;
      order_cut cut;  // not in one expression: nvcc 13.0 crashes on it
      cut.last = low;
      if (of_key) {
        cut.last.key |= rest;
        cut.last.item = INT64_MAX;
      } else {
        cut.last.item |= static_cast<std::int64_t>(rest);
      }
      return cut;
    }
  }
  return {low};
}

// The same, by taking one after the other where these are few.
template <class Team, class Place>
PREFER_HD order_cut cut_behind(const Team& team, std::int64_t n, std::int64_t wanted, Place place) {
  if (wanted == 0) return {};
  if (wanted > 8 && wanted * n > 4096) return cut_by_digits(team, n, wanted, place);
  ranked last{0, -1};
  for (std::int64_t taken = 0; taken < wanted; ++taken)
    last = team.first(n, [&](std::int64_t i) PREFER_HD_LAMBDA {
      const ranked x = place(i);
      return taken == 0 || last < x ? x : ranked{left_out, i};
    });
  return {last};
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
