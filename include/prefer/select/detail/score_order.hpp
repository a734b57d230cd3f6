// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/map_reduce.hpp>
#include <prefer/backend/for_groups.hpp>
#include <prefer/backend/item.hpp>
#include <prefer/core/scalar.hpp>

#include <cstdint>

// The order of the samples of a group by a score: the best first, ties by the lowest number, and where it is cut.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// Scores with a mask. NaN and what is left out come last and are never selected.
struct score_order {
  source score, mask;
  bool smallest = false;  // the smallest is the best
  bool limited = false;   // scores from `limit` on only: at least, or at most where the smallest is the best
  scalar limit = 0.0;
  source also;  // another number that may not be NaN

  PREFER_HD double value(std::int64_t s) const {
    return load_element<double>(score.data, score.type, s * score.stride);
  }
  // What a score sorts by if its sample is selected by the masks; 0 has one sign.
  PREFER_HD std::uint64_t key_of(double x, double least) const {
    if (math::is_nan(x) || (limited && (smallest ? x > least : x < least))) return left_out;
    return x == 0 ? sortable(0.0) : sortable(smallest ? x : -x);
  }
  PREFER_HD double least() const { return limited ? limit.as<double>() : 0; }
  PREFER_HD std::uint64_t key(std::int64_t s) const {
    if (!selects(mask, s) || (also.data != nullptr && math::is_nan(read_item<double>(also, s)))) return left_out;
    return key_of(value(s), least());
  }
  void fill(std::int64_t first, int count, std::uint64_t* keys) const {
    double x[tile_items], y[tile_items];
    load_strided(score, first, count, x);
    const double from = least();
    for (int k = 0; k < count; ++k) keys[k] = key_of(x[k], from);
    for (const source* other : {&mask, &also}) {
      if (other->data == nullptr) continue;
      load_strided(*other, first, count, y);
      for (int k = 0; k < count; ++k)
        if (other == &mask ? y[k] == 0 : math::is_nan(y[k])) keys[k] = left_out;
    }
  }
};

// The same place from the other end: the worst first, still the lowest number on ties.
PREFER_HD ranked from_the_end(const ranked& x) { return x.key == left_out ? x : ranked{0 - x.key, x.item}; }

// All places up to `last` are taken. A key alone, or the item too, is found digit by digit.
struct order_cut {
  ranked last{0, -1};

  PREFER_HD bool takes(const ranked& x) const { return x.key < left_out && !(last < x); }
};

// Finds the cut behind the first `wanted` (1 or more, no more than are present) of n places by their digits: bytes of
// the key, then of the item, from the top.
template <class Team, class Place>
PREFER_HD order_cut cut_by_digits(const Team& team, std::int64_t n, std::int64_t wanted, const Place& place) {
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
PREFER_HD order_cut cut_behind(const Team& team, std::int64_t n, std::int64_t wanted, const Place& place) {
  if (wanted == 0) return {};
  if (wanted > 2 && wanted * n > 4096) return cut_by_digits(team, n, wanted, place);
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
