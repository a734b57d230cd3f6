// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/for_groups.hpp>
#include <prefer/backend/item.hpp>
#include <support/side.hpp>

#include <algorithm>

// What teams promise, each with one group after the other: sums, the first place, digits, prefix sums, on either side.
namespace prefer_test {

// Everything that a team can do with the numbers of a group.
struct team_work {
  prefer::source number;                                           // int64, from 0 to 255
  prefer::sink each, prefix;                                       // per sample
  prefer::sink total, first_key, first_item, digit, before, here;  // per group

  struct keys {
    prefer::source number;
    PREFER_HD std::uint64_t key(std::int64_t s) const {
      return static_cast<std::uint64_t>(prefer::detail::load_index(number.data, number.type, s * number.stride));
    }
    void fill(std::int64_t first, int count, std::uint64_t* to) const {
      for (int k = 0; k < count; ++k) to[k] = key(first + k);
    }
  };

  template <class Team>
  PREFER_HD void operator()(const Team& team, const prefer::detail::group_range& g) const {
    using prefer::detail::write_index;
    const keys all{number};
    const auto place = team.places(g, all);
    const auto at = [&](std::int64_t i) PREFER_HD_LAMBDA { return static_cast<std::int64_t>(place(i).key); };
    team.each(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA { write_index(each, g.first + i, 3 * at(i)); });
    const std::int64_t sum = team.total(g.count, at);
    const prefer::detail::ranked least = team.first(g.count, place);
    // Odd numbers have no digit; the middle one of the others.
    const auto of = [&](std::int64_t i) PREFER_HD_LAMBDA { return at(i) % 2 == 0 ? static_cast<int>(at(i)) : -1; };
    const std::int64_t even = team.total(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA { return of(i) >= 0 ? 1 : 0; });
    const prefer::detail::digit_place middle = team.digit(g.count, of, even / 2);
    const std::int64_t again = team.prefix(g.count, at, [&](std::int64_t i, std::int64_t sofar) PREFER_HD_LAMBDA {
      write_index(prefix, g.first + i, sofar);
    });
    team.once([&]() PREFER_HD_LAMBDA {
      write_index(total, g.index, sum == again ? sum : -1);
      write_index(first_key, g.index, static_cast<std::int64_t>(least.key >> 1));
      write_index(first_item, g.index, least.item);
      write_index(digit, g.index, even > 0 ? middle.digit : -1);
      write_index(before, g.index, even > 0 ? middle.before : -1);
      write_index(here, g.index, even > 0 ? middle.here : -1);
    });
  }
};

template <class Side>
void check_teams(bool equal_sizes) {
  const std::vector<std::vector<std::int64_t>> ragged = {
      {0, 1, 31, 32, 33, 255, 256, 257}, {2000, 0, 511, 512, 513}, {700}, {0, 0, 5}};
  for (const auto& sizes : equal_sizes ? std::vector<std::vector<std::int64_t>>{{40, 40, 7}, {600}} : ragged) {
    ragged_groups groups(sizes);
    const std::int64_t n = groups.samples, count = groups.count();
    buffer<std::int64_t> number(n, 2), each(n), prefix(n), total(count), key(count), item(count), digit(count),
        before(count), here(count);
    noise random(12);
    for (std::int64_t i = 0; i < n; ++i) number.at(i) = static_cast<std::int64_t>(random.uniform(0, 256));
    Side side;
    const auto source_of = [](const auto& v) { return prefer::source{v.data, v.stride[0], prefer::element::i64}; };
    const auto sink_of = [](const auto& v) { return prefer::sink{v.data, v.stride[0], prefer::element::i64}; };
    const auto offsets = side.read(groups.offsets);
    prefer::detail::group_table table;
    table.samples = n, table.groups = count;
    table.offsets = {offsets.data, offsets.stride[0], prefer::element::i32};
    if (equal_sizes) {
      table.size = sizes[0], table.offsets = {};
      groups.offsets.at(0) = 0;
      for (std::int64_t b = 1; b <= count; ++b)
        groups.offsets.at(b) = static_cast<std::int32_t>(std::min(b * sizes[0], n));
    }
    const team_work work{source_of(side.read(number)), sink_of(side.write(each)),   sink_of(side.write(prefix)),
                         sink_of(side.write(total)),   sink_of(side.write(key)),    sink_of(side.write(item)),
                         sink_of(side.write(digit)),   sink_of(side.write(before)), sink_of(side.write(here))};
    prefer::check(for_groups(side.exec, table, work));
    side.done();
    CHECK((each.intact() && prefix.intact() && total.intact()));
    for (std::int64_t b = 0; b < count; ++b) {
      std::int64_t sum = 0, best = -1;
      std::vector<std::int64_t> even;
      for (std::int64_t i = groups.begin(b); i < groups.end(b); ++i) {
        CHECK(each.at(i) == 3 * number.at(i));
        CHECK(prefix.at(i) == sum);
        sum += number.at(i);
        if (best < 0 || number.at(i) < number.at(best)) best = i;
        if (number.at(i) % 2 == 0) even.push_back(number.at(i));
      }
      std::sort(even.begin(), even.end());
      CHECK(total.at(b) == sum);
      CHECK(item.at(b) == (best < 0 ? -1 : best - groups.begin(b)));
      CHECK(key.at(b) == (best < 0 ? INT64_MAX : number.at(best) / 2));
      const std::int64_t middle = even.empty() ? -1 : even[even.size() / 2];
      CHECK(digit.at(b) == middle);
      CHECK(before.at(b) == (even.empty() ? -1 : std::lower_bound(even.begin(), even.end(), middle) - even.begin()));
      CHECK(here.at(b) == (even.empty() ? -1 : std::count(even.begin(), even.end(), middle)));
    }
  }
}

}  // namespace prefer_test
