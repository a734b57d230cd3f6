// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/select/balanced_bins.hpp>
#include <prefer/select/normalized_ranks.hpp>
#include <select/top.hpp>

#include <cmath>
#include <set>
#include <vector>

// Ranks and bins of scores, against the definitions, on either side.
namespace prefer_test {

// Some groups large enough to be sorted on either side.
inline std::vector<std::vector<std::int64_t>> ranked_shapes() {
  std::vector<std::vector<std::int64_t>> all = group_shapes();
  all.push_back({1500, 0, 700});
  all.push_back({513});
  return all;
}

template <class S, class Side>
void check_normalized_ranks() {
  for (const auto& sizes : ranked_shapes())
    for (const bool coarse : {false, true}) {
      scored_samples<S> x(sizes, coarse, 31);
      buffer<S> normalized(x.n, 2), rank(x.n);
      buffer<double> exact(x.n);
      for (std::int64_t i = 0; i < x.n; i += 13)
        if (x.there(i)) x.score.set(i, i % 2 == 0 ? INFINITY : -INFINITY);
      Side side;
      const prefer::normalized_rank_inputs<Side::memory> in = {.score = side.read(x.score),
                                                               .mask = side.read(x.mask),
                                                               .groups = {.offsets = side.read(x.groups.offsets)}};
      prefer::check(prefer::normalized_ranks(
          side.exec, in, {.normalized = side.write(normalized), .rank = side.write(rank)}));
      prefer::check(prefer::normalized_ranks(side.exec, in, {.normalized = side.write(exact)}));
      side.done();
      CHECK((normalized.intact() && rank.intact() && exact.intact()));
      for (std::int64_t b = 0; b < x.groups.count(); ++b) {
        std::vector<double> all;
        for (std::int64_t i = x.groups.begin(b); i < x.groups.end(b); ++i)
          if (x.there(i)) all.push_back(x.score.get(i));
        std::sort(all.begin(), all.end());
        for (std::int64_t i = x.groups.begin(b); i < x.groups.end(b); ++i) {
          if (!x.there(i)) {
            const bool masked = x.mask.at(i) == 0;
            CHECK((masked ? exact.at(i) == 0 && rank.get(i) == 0 : std::isnan(exact.at(i)) && std::isnan(rank.get(i))));
            continue;
          }
          const auto range = std::equal_range(all.begin(), all.end(), x.score.get(i));
          const auto first = static_cast<double>(range.first - all.begin() + 1);
          const double middle = (first + static_cast<double>(range.second - all.begin())) / 2;
          CHECK(exact.at(i) == (2 * middle - 1) / static_cast<double>(2 * all.size()));
          CHECK(rounded_right<S>(normalized.get(i), exact.at(i)));
          CHECK(rounded_right<S>(rank.get(i), middle));
        }
      }
      for (std::int64_t i = 0; i < x.n; ++i)
        if (!x.groups.owns(i)) {
          unsigned char byte[sizeof(double)];
          std::memcpy(byte, &exact.at(i), sizeof byte);
          CHECK(byte[0] == 0xa5);  // as it was
        }
    }
  covers<S>("normalized_ranks", "sizes");
}

// The samples of each bin of a group, by the definition.
template <class S>
std::vector<std::vector<std::int64_t>> bins_of(scored_samples<S>& x, std::int64_t b, std::int64_t count) {
  std::vector<std::vector<std::int64_t>> bins(static_cast<std::size_t>(count));
  double low = INFINITY, high = -INFINITY;
  for (std::int64_t i = x.groups.begin(b); i < x.groups.end(b); ++i)
    if (x.there(i)) low = std::min(low, x.score.get(i)), high = std::max(high, x.score.get(i));
  for (std::int64_t i = x.groups.begin(b); i < x.groups.end(b); ++i) {
    if (!x.there(i)) continue;
    const double part = high > low ? (x.score.get(i) - low) / (high - low) * static_cast<double>(count) : 0;
    bins[static_cast<std::size_t>(std::min(static_cast<std::int64_t>(part), count - 1))].push_back(i);
  }
  return bins;
}

template <class S, class Side>
void check_bins() {
  for (const auto& sizes : group_shapes())
    for (const bool coarse : {false, true}) {
      scored_samples<S> x(sizes, coarse, 37);
      constexpr std::int64_t parts = 4, each = 5;
      const std::int64_t groups = x.groups.count();
      buffer<std::int64_t> indices(groups * parts * each, 2), again(groups * parts * each);
      buffer<std::int32_t> count(groups * parts), bin(x.n);
      Side side;
      const prefer::bin_inputs<Side::memory> in = {.score = side.read(x.score),
                                                   .mask = side.read(x.mask),
                                                   .groups = {.offsets = side.read(x.groups.offsets)}};
      const prefer::balanced_bins options{.bins = parts, .per_bin = each, .seed = 5};
      prefer::check(prefer::resample_bins(
          side.exec, options, in,
          {.indices = side.write(indices), .count = side.write(count), .bin = side.write(bin)}));
      prefer::check(prefer::resample_bins(side.exec, options, in, {.indices = side.write(again)}));
      side.done();
      CHECK((indices.intact() && count.intact() && bin.intact() && again.intact()));
      for (std::int64_t b = 0; b < groups; ++b) {
        const auto bins = bins_of(x, b, parts);
        for (std::int64_t i = x.groups.begin(b); i < x.groups.end(b); ++i)
          if (!x.there(i)) CHECK(bin.at(i) == -1);
        for (std::int64_t p = 0; p < parts; ++p) {
          const auto& members = bins[static_cast<std::size_t>(p)];
          const auto c = static_cast<std::int64_t>(members.size());
          CHECK(count.at(b * parts + p) == c);
          for (const std::int64_t i : members) CHECK(bin.at(i) == p);
          std::set<std::int64_t> taken;
          for (std::int64_t j = 0; j < each; ++j) {
            const std::int64_t at = (b * parts + p) * each + j, i = indices.at(at);
            CHECK(i == again.at(at));
            if (c == 0) {
              CHECK(i == -1);
              continue;
            }
            CHECK(std::find(members.begin(), members.end(), i) != members.end());
            if (j > 0 && j < c) CHECK(i > indices.at(at - 1));  // ascending, so none twice
            taken.insert(i);
          }
          if (c > 0) CHECK(static_cast<std::int64_t>(taken.size()) == std::min(c, each));
        }
      }
    }
  covers<S>("balanced_bins", "sizes");
}

}  // namespace prefer_test
