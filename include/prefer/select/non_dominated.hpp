// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/select/objectives.hpp>

#include <cstdint>

// The non-dominated set (Pareto front, skyline) of samples with several rewards.
namespace prefer {

// How to look for it; every choice has the same answer. `automatic` chooses by the number of objectives and samples.
struct non_dominated {
  enum class algorithm : std::uint8_t { automatic, all_pairs, sorted, partitioned };

  prefer::objectives objectives = {};
  algorithm method = algorithm::automatic;
};

// Any of them may be left out, not all. A group's answer does not depend on the other groups.
template <space S>
struct non_dominated_outputs {
  output_view<1, S> mask = {};           // [samples] bool or uint8: 1 for those in the set of their group, else 0
  output_view<1, S> count = {};          // [B] int32 or int64: the size of each group's set
  output_view<1, S> indices = {};        // [capacity] int32 or int64: their numbers, ascending, one group after the other
  output_view<1, S> index_offsets = {};  // [B + 1]: where a group's numbers begin in `indices`
};

}  // namespace prefer
