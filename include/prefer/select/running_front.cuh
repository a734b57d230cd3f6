// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/outputs.hpp>
#include <prefer/select/detail/device_scan.cuh>
#include <prefer/select/non_dominated.cuh>
#include <prefer/select/running_front.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>

// The CUDA half of select/running_front.hpp: rows and ids as on the CPU, bit by bit. How many rows a front has is known
// on the device alone, so that a call works on as many rows as could be there: the capacity and the samples.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// Rows with ids, of which the first `*count` are there, or all of them.
struct listed_front_rows {
  const void* rewards = nullptr;
  std::int64_t row_stride = 0, objective_stride = 0, rows = 0, first_id = 0;
  source ids, violation, mask, count;

  template <space S>
  listed_front_rows(const front_samples_in<S>& in, const source& how_many)
      : rewards(in.rewards.data),
        row_stride(in.rewards.stride[0]),
        objective_stride(in.rewards.stride[1]),
        rows(in.rewards.extent[0]),
        first_id(in.first_id),
        ids(place_of(in.ids)),
        violation(place_of(in.violation)),
        mask(place_of(in.mask)),
        count(how_many) {}

  __device__ std::int64_t id(std::int64_t i) const {
    return ids.data != nullptr ? load_index(ids.data, ids.type, i * ids.stride) : first_id + i;
  }
  __device__ bool selected(std::int64_t i) const {
    return mask.data == nullptr || load_element<float>(mask.data, mask.type, i * mask.stride) != 0.0f;
  }
  // How many of the first n ids are below x.
  __device__ std::int64_t before(std::int64_t x, std::int64_t n) const {
    std::int64_t first = 0;
    while (n > 0) {
      const std::int64_t half = n / 2;
      const bool lower = id(first + half) < x;
      if (lower) first += half + 1;
      n = lower ? n - half - 1 : half;
    }
    return first;
  }
};

template <space S>
front_samples_in<S> front_rows_of(const running_front_in<S>& front) {
  const std::int64_t rows = front.rewards.extent[0];
  return {.rewards = first_rows(front.rewards, rows),
          .ids = first_rows(front.ids, rows),
          .violation = first_rows(front.violation, rows)};
}

// What a call finds on its way. With anything wrong the front stays as it was.
struct front_state {
  std::int64_t held, given;  // rows of the front, and of what is inserted
  int wrong;
};

struct read_front_counts {
  listed_front_rows front, in;
  front_state* state;
  content_report* report;

  __device__ std::int64_t rows_in(const listed_front_rows& list, bool& wrong) const {
    if (list.count.data == nullptr) return list.rows;
    const std::int64_t n = load_index(list.count.data, list.count.type, 0);
    if (n >= 0 && n <= list.rows) return n;
    wrong = true;
    report_content(report, errc::bad_index, 0);
    return 0;
  }
  __device__ void operator()(std::int64_t) const {
    bool wrong = false;
    state->held = rows_in(front, wrong);
    state->given = rows_in(in, wrong);
    state->wrong = wrong ? 1 : 0;
  }
};

// Ids ascend, and the front can hold them.
struct check_front_ids {
  listed_front_rows front, in;
  bool narrow;
  front_state* state;
  content_report* report;

  __device__ bool bad(const listed_front_rows& list, std::int64_t i, std::int64_t n) const {
    if (i >= n) return false;
    const std::int64_t id = list.id(i);
    return (i > 0 && id <= list.id(i - 1)) || (narrow && id != static_cast<std::int32_t>(id));
  }
  __device__ void operator()(std::int64_t i) const {
    if (!bad(front, i, state->held) && !bad(in, i, state->given)) return;
    report_content(report, errc::bad_index, i);
    atomicExch(&state->wrong, 1);
  }
};

PREFER_HD void copy_element(void* to, std::int64_t to_at, const void* from, std::int64_t from_at, int size) {
  if (size == 8)
    static_cast<std::uint64_t*>(to)[to_at] = static_cast<const std::uint64_t*>(from)[from_at];
  else if (size == 4)
    static_cast<std::uint32_t*>(to)[to_at] = static_cast<const std::uint32_t*>(from)[from_at];
  else
    static_cast<std::uint16_t*>(to)[to_at] = static_cast<const std::uint16_t*>(from)[from_at];
}

// Front and samples as one list in the order of ids: a place per row that could be there, most of them masked out.
struct device_union {
  std::int64_t capacity = 0;
  int objectives = 0, size = 0;  // of an element
  element type = element::none;
  char* rows = nullptr;         // [capacity, K]
  double* violation = nullptr;  // [capacity] or null
  std::int64_t* ids = nullptr;
  bool* there = nullptr;
  bool* kept = nullptr;

  void carve(arena& memory, const device_running_front& front, std::int64_t samples) {
    capacity = front.rewards.extent[0] + samples, objectives = static_cast<int>(front.rewards.extent[1]);
    type = front.rewards.type, size = static_cast<int>(size_of(type));
    rows = memory.take<char>(row_bytes());
    violation = front.violation.given() ? memory.take<double>(capacity) : nullptr;
    ids = memory.take<std::int64_t>(capacity);
    there = memory.take<bool>(capacity), kept = memory.take<bool>(capacity);
  }
  std::int64_t row_bytes() const { return capacity * objectives * size; }
  // Where nothing is the search reads zeros.
  status clear(const cuda& exec) const {
    status s = fill_bytes(exec, there, 0, static_cast<std::size_t>(capacity));
    if (s.ok()) s = fill_bytes(exec, rows, 0, static_cast<std::size_t>(row_bytes()));
    if (s.ok() && violation != nullptr)
      s = fill_bytes(exec, violation, 0, static_cast<std::size_t>(capacity) * sizeof *violation);
    return s;
  }
  // `shape`: memory that stands for memory where only sizes matter.
  objective_samples<space::device> samples(bool constrained, void* shape = nullptr) const {
    objective_samples<space::device> in;
    in.rewards.data = shape != nullptr ? shape : rows, in.rewards.type = type;
    in.rewards.extent[0] = capacity, in.rewards.extent[1] = in.rewards.stride[0] = objectives;
    in.rewards.stride[1] = 1;
    const auto vector = [&](input_view<1, space::device>& v, void* at, element what) {
      v.data = shape != nullptr ? shape : at, v.type = what, v.extent[0] = capacity, v.stride[0] = 1;
    };
    if (constrained) vector(in.violation, violation, element::f64);
    vector(in.mask, there, element::boolean);
    return in;
  }
};

struct place_front_rows {
  listed_front_rows front, in;
  device_union all;
  nan_policy nan;
  const front_state* state;
  content_report* report;

  __device__ void put(const listed_front_rows& list, std::int64_t i, std::int64_t at) const {
    bool number = true;
    for (int k = 0; k < all.objectives; ++k) {
      const std::int64_t from = i * list.row_stride + k * list.objective_stride;
      copy_element(all.rows, at * all.objectives + k, list.rewards, from, all.size);
      if (number && nan == nan_policy::reject && math::is_nan(load_element<double>(list.rewards, all.type, from))) {
        number = false;
        report_content(report, errc::not_a_number, i * all.objectives + k);
      }
    }
    if (all.violation != nullptr) {
      all.violation[at] = load_element<double>(list.violation.data, list.violation.type, i * list.violation.stride);
      if (number && nan == nan_policy::reject && math::is_nan(all.violation[at]))
        report_content(report, errc::not_a_number, i);
    }
    all.ids[at] = list.id(i), all.there[at] = true;
  }
  __device__ void operator()(std::int64_t place) const {
    if (state->wrong != 0) return;
    if (place < front.rows) {
      if (place < state->held) put(front, place, place + in.before(front.id(place), state->given));
      return;
    }
    const std::int64_t j = place - front.rows;
    if (j >= state->given || !in.selected(j)) return;
    const std::int64_t id = in.id(j), lower = front.before(id, state->held);
    const bool known = lower < state->held && front.id(lower) == id;  // the same sample
    if (!known) put(in, j, j + lower);
  }
};

// The rows that stay, into the front, if there is room for them.
struct keep_front_rows {
  using value = std::int64_t;
  device_union all;
  void* rewards;
  std::int64_t row_stride, objective_stride, room;
  sink ids, violation, count;
  front_state* state;
  content_report* report;

  __device__ static std::int64_t none() { return 0; }
  __device__ static std::int64_t combine(std::int64_t a, std::int64_t b) { return a + b; }
  __device__ std::int64_t load(std::int64_t i) const { return all.kept[i] ? 1 : 0; }
  // Comes before all store().
  __device__ void finish(std::int64_t kept) const {
    if (state->wrong != 0) return;
    if (kept > room) {
      state->wrong = 1;
      report_content(report, errc::bad_extent, kept);
    } else {
      store_index(count, 0, kept);
    }
  }
  __device__ void store(std::int64_t i, std::int64_t row) const {
    if (state->wrong != 0 || !all.kept[i]) return;
    for (int k = 0; k < all.objectives; ++k)
      copy_element(rewards, row * row_stride + k * objective_stride, all.rows, i * all.objectives + k,
                   all.size);
    store_index(ids, row, all.ids[i]);
    if (all.violation != nullptr) store_number(violation, row, all.violation[i]);
  }
};

struct device_insertion {
  front_state* state = nullptr;
  device_union all;
  std::int64_t* totals = nullptr;
  char* searching = nullptr;
  std::size_t search_bytes = 0;

  void carve(arena& memory, const cuda& exec, const objectives& o, const device_running_front& front,
             std::int64_t samples) {
    state = memory.take<front_state>(1);
    all.carve(memory, front, samples);
    totals = memory.take<std::int64_t>(scan_tiles(all.capacity));
    alignas(8) static double somewhere = 0;
    search_bytes =
        non_dominated_workspace(exec, {.objectives = o}, all.samples(front.violation.given(), &somewhere));
    searching = memory.take<char>(static_cast<std::int64_t>(search_bytes));
  }
};

inline status insert_rows(const cuda& exec, const objectives& o, const device_running_front& front,
                          const device_front_samples& in, const source& given) {
  const listed_front_rows old(front_rows_of(front), place_of(first_rows(front.count, 1))), more(in, given);
  device_insertion work;
  const auto carve = [&](arena& memory) { work.carve(memory, exec, o, front, more.rows); };
  return with_carved(exec, carve, [&] {
    const device_union& all = work.all;
    status s = all.clear(exec);
    if (s.ok()) s = each_item(exec, "read_front_counts", 1, read_front_counts{old, more, work.state, exec.report});
    const check_front_ids ids{old, more, front.ids.type == element::i32, work.state, exec.report};
    if (s.ok()) s = each_item(exec, "check_front_ids", std::max(old.rows, more.rows), ids);
    const place_front_rows place{old, more, all, o.nan, work.state, exec.report};
    if (s.ok()) s = each_item(exec, "place_front_rows", all.capacity, place);
    cuda inside = exec;
    inside.workspace = {work.searching, work.search_bytes}, inside.report = nullptr;
    if (s.ok())
      s = non_dominated_set(inside, {.objectives = o}, all.samples(all.violation != nullptr),
                            {.mask = {all.kept, all.capacity}});
    const keep_front_rows keep{all,
                         front.rewards.data,
                         front.rewards.stride[0],
                         front.rewards.stride[1],
                         front.rewards.extent[0],
                         place_of(front.ids),
                         place_of(front.violation),
                         place_of(front.count),
                         work.state,
                         exec.report};
    return s.ok() ? device_scan(exec, "keep_front_rows", keep, all.capacity, work.totals) : s;
  });
}

}  // namespace detail

// Bytes of workspace of insert_into_front for so many samples on CUDA, and of merge_fronts for a front of that
// capacity: linear in the elements of the front's memory and of the samples. 0 for a front that is not one.
inline std::size_t insert_into_front_workspace(const cuda& exec, const objectives& o,
                                               const device_running_front& front, std::int64_t samples) {
  if (!detail::check_front(o, front).ok() || samples < 0) return 0;
  detail::arena memory;
  detail::device_insertion().carve(memory, exec, o, front, samples);
  return detail::device_bytes(memory);
}

// The same front as on the CPU, row by row. Only enqueues; a block costs a search among the front's capacity and its
// samples. What the host cannot see is reported in exec.report, and then the front is as it was: a count outside the
// capacity, ids that do not ascend or that front.ids cannot hold (bad_index, at the row), a front that does not fit
// (bad_extent; the index is the number of rows it needs). With nan_policy::reject a NaN is reported (not_a_number, at
// row * K + objective, or at the row for a violation) and its sample ignored.
inline status insert_into_front(const cuda& exec, const objectives& o, const device_running_front& front,
                                const device_front_samples& in) {
  if (const status s = first_error(detail::check_front(o, front), detail::check_front_samples(front, in)); !s.ok())
    return s;
  return detail::insert_rows(exec, o, front, in, {});
}

// into <- non-dominated(into U from), as on the CPU. How many rows `from` has is read on the device. There is no
// combine_fronts on CUDA: gather the fronts of all processes with NCCL, say, and merge them.
inline status merge_fronts(const cuda& exec, const objectives& o, const device_running_front& into,
                           const device_running_front& from) {
  if (const status s = first_error(detail::check_front(o, into), detail::check_front(o, from)); !s.ok()) return s;
  const device_front_samples in = detail::front_rows_of(from);
  if (const status s = detail::check_front_samples(into, in); !s.ok()) return s;
  return detail::insert_rows(exec, o, into, in, detail::place_of(detail::first_rows(from.count, 1)));
}

}  // namespace PREFER_ABI
}  // namespace prefer
