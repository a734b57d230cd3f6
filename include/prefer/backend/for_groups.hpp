// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/convert.hpp>
#include <prefer/backend/map_reduce.hpp>
#include <prefer/core/sortable.hpp>

#include <cstdint>

// The contract of the primitive `for_groups`, one for all backends:
//
//   status for_groups(exec, groups, work)
//
// For every group of samples, work(team, group), where a team (a thread on the CPU, a warp or a block on CUDA) does
//
//   each(n, f)           f(i) for 0 <= i < n in any order
//   total(n, f)          the sum of the integers f(i)
//   first(n, f)          the smallest of the `ranked` f(i); {left_out, -1} for n = 0
//   digit(n, f, nth)     f(i) is from 0 to 255, or -1 for none: where the nth smallest of them is (from 0)
//   prefix(n, f, g)      g(i, sum of the integers f(j) with j < i) for every i; returns the sum of all
//   places(group, keys)  p with p(i) = {keys.key(first + i), i}; on the CPU keys.fill(sample, count, to) finds keys of
//                        samples in tiles, one of which is kept from pass to pass and group to group: a work has one
//                        kind of keys, and what it finds for samples of no group must not matter
//   once(f)              f() on one thread
//   fault(code, index)   reports bad content (CUDA; on the CPU it was found before)
//
// * All threads of a team get the same answers and see what each of these has written when it returns.
// * Answers are integers and places: they do not depend on the team, so results have the same bits on either backend
//   and for any number of threads.
// * A group whose offsets are bad (CUDA; on the CPU they were checked before) is reported and has no samples.
// * Nothing is allocated; one launch on CUDA.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// Samples [first, first + count) of all.
struct group_range {
  std::int64_t index = 0, first = 0, count = 0;
};

// Groups of samples: by offsets, or of `size` samples each (the last may have fewer).
struct group_table {
  std::int64_t samples = 0, groups = 0, size = 0;
  source offsets;

  PREFER_HD bool find(std::int64_t b, group_range& g) const {
    if (offsets.data == nullptr) {
      const std::int64_t rest = samples - b * size;
      g = {b, b * size, rest < size ? rest : size};
      return true;
    }
    const std::int64_t begin = load_index(offsets.data, offsets.type, b * offsets.stride);
    const std::int64_t end = load_index(offsets.data, offsets.type, (b + 1) * offsets.stride);
    const bool valid = begin >= 0 && begin <= end && end <= samples;
    g = valid ? group_range{b, begin, end - begin} : group_range{b, 0, 0};
    return valid;
  }
};

// Items that have nothing to do with each other, in pieces for teams.
inline group_table pieces_of(std::int64_t items) {
  group_table t;
  t.samples = items, t.size = 256, t.groups = (items + 255) / 256;
  return t;
}

// Which digit the nth smallest has, how many are smaller, and how many have the same.
struct digit_place {
  int digit = 0;
  std::int64_t before = 0, here = 0;
};

}  // namespace detail
}  // namespace PREFER_ABI

template <class Exec, class Groups, class Work>
status for_groups(const Exec&, const Groups&, const Work&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}

}  // namespace prefer
