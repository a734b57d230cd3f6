// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/convert.hpp>
#include <prefer/core/checks.hpp>
#include <prefer/core/execution.hpp>

#include <cstdint>

// Which pairs each sample takes part in, so that the gradients of a sample that several pairs share are summed in pair
// order without atomics. Built once per index list, by make_pair_plan, in memory of the caller.
namespace prefer {

// For N samples and n pairs: the uses of sample s are entries[offsets[s]] to entries[offsets[s + 1] - 1]; an entry is
// 2 * pair for `chosen` and 2 * pair + 1 for `rejected`, in increasing order.
template <space S>
struct pair_plan {
  view<const std::int64_t, 1, S> offsets = {};  // N + 1
  view<const std::int64_t, 1, S> entries = {};  // 2 n
};

inline namespace PREFER_ABI {
namespace detail {

inline std::int64_t sample_of_use(const input_view<1, space::host>& chosen, const input_view<1, space::host>& rejected,
                                  std::int64_t entry) {
  const input_view<1, space::host>& list = entry % 2 == 0 ? chosen : rejected;
  return load_index(list.data, list.type, entry / 2 * list.stride[0]);
}

// The plan of indices of which those out of range take part in nothing, as on CUDA.
inline void count_uses(const input_view<1, space::host>& chosen, const input_view<1, space::host>& rejected,
                       std::int64_t samples, const view<std::int64_t, 1, space::host>& offsets,
                       const view<std::int64_t, 1, space::host>& entries) {
  const std::int64_t uses = 2 * chosen.extent[0], step = offsets.stride[0];
  std::int64_t* const o = offsets.data;
  const auto each_use = [&](std::int64_t i, auto f) {
    const std::int64_t s = sample_of_use(chosen, rejected, i);
    if (s >= 0 && s < samples) f(s);
  };
  for (std::int64_t s = 0; s <= samples; ++s) o[s * step] = 0;
  for (std::int64_t i = 0; i < uses; ++i) each_use(i, [&](std::int64_t s) { ++o[s * step]; });
  // Running totals: offsets[s] is first the end of sample s; filling from the last entry down turns it into its begin.
  for (std::int64_t s = 1; s <= samples; ++s) o[s * step] += o[(s - 1) * step];
  for (std::int64_t i = uses; i-- > 0;)
    each_use(i, [&](std::int64_t s) { entries.data[--o[s * step] * entries.stride[0]] = i; });
}

}  // namespace detail

// Fills `offsets` (N + 1 elements) and `entries` (2 n elements) from two index lists by counting. Errors: extents, and
// an index outside [0, N) (bad_index, then the memory holds no plan). Cost: O(n + N), nothing is allocated.
inline status make_pair_plan(const cpu&, const input_view<1, space::host>& chosen,
                             const input_view<1, space::host>& rejected, std::int64_t samples,
                             const view<std::int64_t, 1, space::host>& offsets,
                             const view<std::int64_t, 1, space::host>& entries) {
  const std::int64_t n = chosen.extent[0];
  if (samples < 0) return require::fail(errc::bad_extent, "samples", "at least", static_cast<double>(samples), 0);
  if (const status s = require::vector("chosen", chosen, n, "0 or more,", require::holds::indices); !s.ok()) return s;
  if (const status s = require::vector("rejected", rejected, n, "the extent of chosen,", require::holds::indices);
      !s.ok())
    return s;
  if (offsets.extent[0] != samples + 1 || offsets.data == nullptr)
    return require::fail(errc::bad_extent, "offsets", "one more than the number of samples,",
                         static_cast<double>(offsets.extent[0]), static_cast<double>(samples + 1));
  if (entries.extent[0] != 2 * n || (entries.data == nullptr && n > 0))
    return require::fail(errc::bad_extent, "entries", "two per pair,", static_cast<double>(entries.extent[0]),
                         static_cast<double>(2 * n));
  for (std::int64_t i = 0; i < 2 * n; ++i)
    if (const std::int64_t s = detail::sample_of_use(chosen, rejected, i); s < 0 || s >= samples)
      return require::fail(errc::bad_index, i % 2 == 0 ? "chosen" : "rejected",
                           "0 or above and below the number of samples", static_cast<double>(s), 0, i / 2);
  detail::count_uses(chosen, rejected, samples, offsets, entries);
  return {};
}

}  // namespace PREFER_ABI
}  // namespace prefer
