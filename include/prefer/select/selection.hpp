// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/check_numbers.hpp>
#include <prefer/backend/cpu/for_groups.hpp>
#include <prefer/backend/item.hpp>
#include <prefer/backend/outputs.hpp>
#include <prefer/core/arena.hpp>
#include <prefer/core/call_checks.hpp>
#include <prefer/core/checks.hpp>

#include <cstddef>
#include <cstdint>

// What selections of samples within groups share: how samples are in groups, what is written of a selection, and the
// driver that makes lists of what was selected.
namespace prefer {

// n samples in groups that do not see each other: all in one, or [offsets[b], offsets[b + 1]), or `size` of them after
// one another. Samples of no group (before the first offset, from the last on) are not read, and their outputs are
// untouched.
template <space S>
struct sample_groups {
  input_view<1, S> offsets = {};  // [B + 1] int32 or int64
  std::int64_t size = 0;          // or: divides n
};

// What was selected; at least one output has to be there. If `indices` has not room for all, it gets the first numbers,
// the other outputs are complete, and a call on the CPU returns bad_extent with the room that is needed (on CUDA
// index_offsets tells).
template <space S>
struct selection_outputs {
  output_view<1, S> mask = {};           // [n] bool or uint8: 1 for selected samples, else 0
  output_view<1, S> weight = {};         // [n]: 1 / (selected samples of the group), 0 for the others
  output_view<1, S> count = {};          // [B] int32 or int64: selected samples of each group
  output_view<1, S> indices = {};        // [capacity]: numbers of selected samples, ascending, group after group
  output_view<1, S> index_offsets = {};  // [B + 1]: where those of a group begin
};

inline namespace PREFER_ABI {
namespace detail {

struct named_extent {
  const char* name;
  std::int64_t extent, least;
};

// `n` is the number of samples, as the vector `name` says.
template <space S>
status make_groups(const sample_groups<S>& in, const char* name, std::int64_t n, group_table& t) {
  if (n < 0) return require::fail(errc::bad_extent, name, "at least", static_cast<double>(n), 0);
  t.samples = n;
  if (in.offsets.given()) {
    if (in.size != 0)
      return require::fail(errc::unused_input, "groups.size", "to be left out, since there are offsets");
    t.groups = in.offsets.extent[0] - 1;
    if (t.groups < 0)
      return require::fail(errc::bad_extent, "groups.offsets", "one more than there are groups: at least",
                           static_cast<double>(in.offsets.extent[0]), 1);
    t.offsets = {in.offsets.data, in.offsets.stride[0], in.offsets.type};
    return require::vector("groups.offsets", in.offsets, t.groups + 1, "", require::holds::indices);
  }
  if (in.size < 0 || (in.size > 0 && n % in.size != 0))
    return require::fail(errc::bad_parameter, "groups.size", "above 0 and a divisor of the number of samples",
                         static_cast<double>(in.size));
  t.size = in.size > 0 ? in.size : n;
  t.groups = in.size > 0 ? n / in.size : 1;
  return {};
}

// Offsets are structure: on the CPU they are looked at before anything is written.
inline status check_groups(const cpu& exec, const group_table& t) {
  std::int64_t before = 0;
  for (std::int64_t b = 0; t.offsets.data != nullptr && exec.content != content::none && b <= t.groups; ++b) {
    const std::int64_t at = load_index(t.offsets.data, t.offsets.type, b * t.offsets.stride);
    if (at < before || at > t.samples)
      return require::fail(errc::bad_offsets, "groups.offsets",
                           "0 or more, no less than the offset before it, no more than the number of samples",
                           static_cast<double>(at), 0, b);
    before = at;
  }
  return {};
}
inline status check_groups(const cuda&, const group_table&) { return {}; }

// The outputs of a selection as both backends see them.
struct selection_sinks {
  sink mask, weight, count, indices, index_offsets;
  std::int64_t capacity = 0;
  std::uint8_t* kept = nullptr;   // [n] for lists
  std::int64_t* begin = nullptr;  // [B + 1] for lists: first how many, then where

  bool lists() const { return indices.data != nullptr || index_offsets.data != nullptr; }

  // Writes the selection of a group: keep(i) of its sample i, which is true for n samples.
  template <class Team, class Keep>
  PREFER_HD void write(const Team& team, const group_range& g, std::int64_t n, const Keep& keep) const {
    const double share = n > 0 ? 1 / static_cast<double>(n) : 0;
    team.each(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA {
      const std::int64_t s = g.first + i;
      const bool selected = keep(i);
      write_flag(mask, s, selected);
      if (weight.data != nullptr)
        store_element(weight.data, weight.type, s * weight.stride, selected ? share : 0.0, false);
      if (kept != nullptr) kept[s] = selected ? 1 : 0;
    });
    team.once([&]() PREFER_HD_LAMBDA {
      write_index(count, g.index, n);
      if (begin != nullptr) begin[g.index] = n;
    });
  }
};

// The numbers of selected samples: where each group's begin (one "group" of all groups), then the numbers.
struct place_lists {
  selection_sinks to;
  std::int64_t groups;

  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range&) const {
    const std::int64_t all = team.prefix(
        groups, [&](std::int64_t b) PREFER_HD_LAMBDA { return to.begin[b]; },
        [&](std::int64_t b, std::int64_t before) PREFER_HD_LAMBDA {
          to.begin[b] = before;
          write_index(to.index_offsets, b, before);
        });
    team.once([&]() PREFER_HD_LAMBDA {
      to.begin[groups] = all;
      write_index(to.index_offsets, groups, all);
    });
  }
};
struct fill_lists {
  selection_sinks to;

  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    const std::int64_t begin = to.begin[g.index];
    team.prefix(
        g.count, [&](std::int64_t i) PREFER_HD_LAMBDA { return static_cast<std::int64_t>(to.kept[g.first + i]); },
        [&](std::int64_t i, std::int64_t before) PREFER_HD_LAMBDA {
          if (to.kept[g.first + i] != 0 && begin + before < to.capacity)
            write_index(to.indices, begin + before, g.first + i);
        });
  }
};

inline std::size_t list_bytes(std::int64_t n, std::int64_t groups, selection_sinks& to, void* memory = nullptr) {
  arena a = memory != nullptr ? arena(memory) : arena();
  to.kept = a.take<std::uint8_t>(n);
  to.begin = a.take<std::int64_t>(groups + 1);
  return a.bytes();
}

template <space S>
status some_selection(const selection_outputs<S>& out) {
  return some_output(out.mask, out.weight, out.count, out.indices, out.index_offsets);
}

template <space S, class Checks>
status make_selection_sinks(const selection_outputs<S>& out, const group_table& t, Checks& call, selection_sinks& to) {
  using require::holds;
  const std::int64_t room = out.indices.extent[0];
  call.write("mask", out.mask, t.samples, "the number of samples,", holds::flags);
  call.write("weight", out.weight, t.samples, "the number of samples,", holds::numbers);
  call.write("count", out.count, t.groups, "the number of groups,", holds::indices);
  call.write("indices", out.indices, room < 0 ? 0 : room, "", holds::indices);
  call.write("index_offsets", out.index_offsets, t.groups + 1, "one more than there are groups,", holds::indices);
  to.mask = place_of(out.mask), to.weight = place_of(out.weight), to.count = place_of(out.count);
  to.indices = place_of(out.indices), to.index_offsets = place_of(out.index_offsets);
  to.capacity = out.indices.given() ? room : 0;
  return call.check();
}

inline status check_room(const cpu&, const selection_sinks& to, std::int64_t groups) {
  const std::int64_t all = to.begin[groups];
  return to.indices.data == nullptr || all <= to.capacity
             ? status{}
             : require::fail(errc::bad_extent, "indices", "room for all that are selected: at least",
                             static_cast<double>(to.capacity), static_cast<double>(all));
}
inline status check_room(const cuda&, const selection_sinks&, std::int64_t) { return {}; }

// Runs a selection, a work of for_groups whose member `to` says where it goes, and makes its lists.
template <class Exec, class Work>
status run_selection(const Exec& exec, const group_table& t, Work work) {
  if (!work.to.lists()) return for_groups(exec, t, work);
  selection_sinks sized;
  return with_scratch(exec, list_bytes(t.samples, t.groups, sized), [&](void* memory, const Exec& rest) {
    list_bytes(t.samples, t.groups, work.to, memory);
    group_table all;
    all.samples = all.size = t.groups, all.groups = 1;
    if (const status s = for_groups(rest, t, work); !s.ok()) return s;
    if (const status s = for_groups(rest, all, place_lists{work.to, t.groups}); !s.ok()) return s;
    if (const status s = for_groups(rest, t, fill_lists{work.to}); !s.ok()) return s;
    return check_room(rest, work.to, t.groups);
  });
}

}  // namespace detail

// The bytes of workspace that a selection from n samples in so many groups needs for `indices` or `index_offsets`;
// without these it needs none.
inline std::size_t selection_workspace(std::int64_t n, std::int64_t groups) {
  detail::selection_sinks sized;
  return detail::list_bytes(n, groups, sized) + 1024;  // and to align it, on either backend
}

}  // namespace PREFER_ABI
}  // namespace prefer
