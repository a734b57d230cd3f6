// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/call_checks.hpp>
#include <prefer/core/reducer.hpp>
#include <prefer/select/non_dominated.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>

// A non-dominated set that grows with the samples seen so far, in memory of the caller, and sets of several machines
// that become one.
namespace prefer {

// The front so far: its first `count` rows are used. Begin with a count of 0. Rows are in the order of their ids, which
// say which sample it is: the same id is the same sample, wherever it comes from.
template <space S>
struct running_front_in {
  output_view<2, S> rewards = {};    // [capacity, K]
  output_view<1, S> ids = {};        // [capacity] int32 or int64, ascending
  output_view<1, S> violation = {};  // [capacity], if samples have one
  output_view<1, S> count = {};      // [1] int32 or int64
};
using running_front = running_front_in<space::host>;
using device_running_front = running_front_in<space::device>;

// Samples for a running front; element types are those of the front.
template <space S>
struct front_samples_in {
  input_view<2, S> rewards = {};    // [N, K]
  input_view<1, S> ids = {};        // [N] int32 or int64, ascending; first_id, first_id + 1, ... if not given
  input_view<1, S> violation = {};  // [N]
  input_view<1, S> mask = {};       // [N] bool or uint8: zero leaves a sample out
  std::int64_t first_id = 0;
};
using front_samples = front_samples_in<space::host>;
using device_front_samples = front_samples_in<space::device>;

inline namespace PREFER_ABI {
namespace detail {

template <bool Mutable, int Rank, space S>
input_view<Rank, S> first_rows(const erased_view<Mutable, Rank, S>& v, std::int64_t rows) {
  input_view<Rank, S> r;
  r.data = v.data, r.type = v.type;
  for (int i = 0; i < Rank; ++i) r.extent[i] = v.extent[i], r.stride[i] = v.stride[i];
  if (v.given()) r.extent[0] = rows;
  return r;
}

template <space S>
status check_front(const objectives& o, const running_front_in<S>& front) {
  using require::holds;
  const std::int64_t capacity = front.rewards.extent[0], k = front.rewards.extent[1];
  if (!front.rewards.given()) return require::fail(errc::missing_input, "front.rewards", "rows [capacity, K]");
  if (!front.ids.given()) return require::fail(errc::missing_input, "front.ids", "ids [capacity]");
  if (!front.count.given()) return require::fail(errc::missing_input, "front.count", "one element");
  if (capacity < 0)
    return require::fail(errc::bad_extent, "front.rewards", "at least", static_cast<double>(capacity), 0);
  if (const status s = check_objectives(o, "front.rewards", k); !s.ok()) return s;
  if (o.duplicates == duplicates::drop)
    return require::fail(errc::bad_parameter, "duplicates",
                         "keep or first: that samples had twins is forgotten with them", static_cast<double>(2));
  const char* const whose = "the capacity of front.rewards,";
  if (const status s = first_error(require::matrix("front.rewards", front.rewards, capacity, k),
                                   require::vector("front.ids", front.ids, capacity, whose, holds::indices),
                                   require::vector("front.count", front.count, 1, "one element,", holds::indices));
      !s.ok())
    return s;
  if (front.violation.given())
    if (const status s = require::vector("front.violation", front.violation, capacity, whose, holds::numbers); !s.ok())
      return s;
  require::footprints<1, 4> all;
  all.write(require::footprint_of("front.rewards", front.rewards));
  all.write(require::footprint_of("front.ids", front.ids));
  all.write(require::footprint_of("front.count", front.count));
  if (front.violation.given()) all.write(require::footprint_of("front.violation", front.violation));
  return all.check();
}

template <space S>
status check_front_samples(const running_front_in<S>& front, const front_samples_in<S>& in) {
  using require::holds;
  const std::int64_t n = in.rewards.extent[0];
  if (!in.rewards.given()) return require::fail(errc::missing_input, "rewards", "samples [N, K]");
  if (in.rewards.type != front.rewards.type)
    return require::fail(errc::bad_element, "rewards", "the element type of front.rewards");
  if (const status s = check_rewards("rewards", in.rewards); !s.ok()) return s;
  if (in.rewards.extent[1] != front.rewards.extent[1])
    return require::fail(errc::bad_extent, "rewards", "as many objectives as front.rewards,",
                         static_cast<double>(in.rewards.extent[1]), static_cast<double>(front.rewards.extent[1]));
  if (in.violation.given() != front.violation.given())
    return in.violation.given()
               ? require::fail(errc::missing_input, "front.violation", "room for the violations of samples")
               : require::fail(errc::missing_input, "violation", "what the front has");
  if (in.violation.given() && in.violation.type != front.violation.type)
    return require::fail(errc::bad_element, "violation", "the element type of front.violation");
  const auto per_sample = [&](const char* name, const input_view<1, S>& v, holds what) {
    return check_optional(name, v, n, "the number of samples,", what);
  };
  if (const status s = first_error(per_sample("ids", in.ids, holds::indices),
                                   per_sample("violation", in.violation, holds::numbers),
                                   per_sample("mask", in.mask, holds::flags));
      !s.ok())
    return s;
  require::footprints<4, 4> all;
  const auto read = [&](const char* name, const auto& v) {
    if (v.given()) all.read(require::footprint_of(name, v));
  };
  read("rewards", in.rewards), read("ids", in.ids), read("violation", in.violation), read("mask", in.mask);
  const auto write = [&](const char* name, const auto& v) {
    if (v.given()) all.write(require::footprint_of(name, v));
  };
  write("front.rewards", front.rewards), write("front.ids", front.ids);
  write("front.violation", front.violation), write("front.count", front.count);
  return all.check();
}

// A front and samples as one list in the order of ids, of which the non-dominated ones become the front.
struct front_union {
  std::int64_t capacity = 0;  // rows
  int objectives = 0;
  element type = element::none;
  void* rows = nullptr;         // [capacity, K], of `type`
  bool constrained = false;
  double* violation = nullptr;  // [capacity]
  std::int64_t* ids = nullptr;
  std::int64_t* origin = nullptr;   // the sample's number, or -1 - that of the front's row
  std::int64_t* indices = nullptr;  // of those that stay
  std::int64_t count = 0;

  void carve(arena& memory, const running_front& front, std::int64_t samples) {
    capacity = front.rewards.extent[0] + samples;
    objectives = static_cast<int>(front.rewards.extent[1]);
    type = front.rewards.type;
    rows = memory.take<char>(capacity * objectives * size_of(type));
    constrained = front.violation.given();
    if (constrained) violation = memory.take<double>(capacity);
    for (std::int64_t** a : {&ids, &origin, &indices}) *a = memory.take<std::int64_t>(capacity);
  }

  objective_samples<space::host> samples() const {
    objective_samples<space::host> in;
    in.rewards.data = rows, in.rewards.type = type;
    in.rewards.extent[0] = count, in.rewards.extent[1] = in.rewards.stride[0] = objectives;
    in.rewards.stride[1] = 1;
    if (constrained) in.violation = {violation, count};
    return in;
  }

  // Bytes are copied: what becomes of the rows is the search's affair.
  void append(const input_view<2, space::host>& from, const input_view<1, space::host>& its_violation, std::int64_t i,
              std::int64_t id, std::int64_t its_origin) {
    const auto size = static_cast<std::size_t>(size_of(type));
    for (int k = 0; k < objectives; ++k)
      std::memcpy(static_cast<char*>(rows) + static_cast<std::size_t>(count * objectives + k) * size,
                  static_cast<const char*>(from.data) +
                      static_cast<std::size_t>(i * from.stride[0] + k * from.stride[1]) * size,
                  size);
    if (constrained)
      violation[count] = load_element<double>(its_violation.data, its_violation.type, i * its_violation.stride[0]);
    ids[count] = id, origin[count] = its_origin;
    ++count;
  }

  void merge(const running_front& front, std::int64_t held, const front_samples& in) {
    const auto old = first_rows(front.rewards, held);
    const auto old_violation = first_rows(front.violation, held);
    const std::int64_t n = in.rewards.extent[0];
    count = 0;
    for (std::int64_t i = 0, j = 0; i < held || j < n;) {
      const std::int64_t mine = i < held ? load_index(front.ids.data, front.ids.type, i * front.ids.stride[0]) : 0;
      const std::int64_t other = j < n ? id_of(in, j) : 0;
      if (i < held && (j == n || mine <= other)) {
        if (j < n && mine == other) ++j;  // the same sample
        append(old, old_violation, i, mine, -1 - i), ++i;
      } else {
        if (in.mask.data == nullptr || load_element<float>(in.mask.data, in.mask.type, j * in.mask.stride[0]) != 0.0f)
          append(in.rewards, in.violation, j, other, j);
        ++j;
      }
    }
  }

  void write(const running_front& front, std::int64_t kept) const {
    const auto size = static_cast<std::size_t>(size_of(type));
    for (std::int64_t r = 0; r < kept; ++r) {
      const std::int64_t i = indices[r];
      for (int k = 0; k < objectives; ++k)
        std::memcpy(static_cast<char*>(front.rewards.data) +
                        static_cast<std::size_t>(r * front.rewards.stride[0] + k * front.rewards.stride[1]) * size,
                    static_cast<const char*>(rows) + static_cast<std::size_t>(i * objectives + k) * size, size);
      store_index(front.ids.data, front.ids.type, r * front.ids.stride[0], ids[i]);
      if (constrained)
        store_element(front.violation.data, front.violation.type, r * front.violation.stride[0], violation[i], false);
    }
    store_index(front.count.data, front.count.type, 0, kept);
  }

  static std::int64_t id_of(const front_samples& in, std::int64_t i) {
    return in.ids.given() ? load_index(in.ids.data, in.ids.type, i * in.ids.stride[0]) : in.first_id + i;
  }
};

inline std::int64_t rows_held(const running_front& front) { return load_index(front.count.data, front.count.type, 0); }

inline status check_ascending(const char* name, const input_view<1, space::host>& ids) {
  for (std::int64_t i = 1; ids.given() && i < ids.extent[0]; ++i) {
    const std::int64_t id = load_index(ids.data, ids.type, i * ids.stride[0]);
    if (id <= load_index(ids.data, ids.type, (i - 1) * ids.stride[0]))
      return require::fail(errc::bad_index, name, "more than the id before it", static_cast<double>(id), 0, i);
  }
  return {};
}

inline status check_front_content(const cpu& exec, const running_front& front, const front_samples& in) {
  const std::int64_t held = rows_held(front), n = in.rewards.extent[0];
  if (held < 0 || held > front.rewards.extent[0])
    return require::fail(errc::bad_index, "front.count", "from 0 to the capacity", static_cast<double>(held), 0, 0);
  const bool narrow = front.ids.type == element::i32;
  for (const std::int64_t i : {std::int64_t{0}, n - 1})
    if (narrow && i >= 0 && i < n)
      if (const std::int64_t id = front_union::id_of(in, i); id != static_cast<std::int32_t>(id))
        return require::fail(errc::bad_index, in.ids.given() ? "ids" : "first_id",
                             "what the elements of front.ids hold", static_cast<double>(id), 0, i);
  if (exec.content == content::none) return {};
  return first_error(check_ascending("front.ids", first_rows(front.ids, held)), check_ascending("ids", in.ids));
}

inline status insert_checked(const cpu& exec, const objectives& o, const running_front& front,
                             const front_samples& in, arena& memory) {
  front_union all;
  all.carve(memory, front, in.rewards.extent[0]);
  all.merge(front, rows_held(front), in);
  cpu inside = exec;
  inside.workspace = {};
  const non_dominated options{.objectives = o};
  objective_samples<space::host> shape = all.samples();
  shape.rewards.extent[0] = all.capacity;
  if (shape.violation.given()) shape.violation.extent[0] = all.capacity;
  inside.workspace.bytes = non_dominated_workspace(exec, options, shape);
  inside.workspace.data = memory.take<char>(static_cast<std::int64_t>(inside.workspace.bytes));
  std::int64_t kept = 0;
  status s = non_dominated_set(inside, options, all.samples(),
                               {.count = {&kept, 1}, .indices = {all.indices, all.capacity}});
  if (s.code == errc::not_a_number && s.index >= 0) {
    const bool reward = s.argument[0] == 'r';
    const std::int64_t from = all.origin[reward ? s.index / all.objectives : s.index];
    const std::int64_t row = from < 0 ? -1 - from : from;
    if (from < 0) s.argument = reward ? "front.rewards" : "front.violation";
    s.index = reward ? row * all.objectives + s.index % all.objectives : row;
  }
  if (!s.ok()) return s;
  if (kept > front.rewards.extent[0])
    return require::fail(errc::bad_extent, "front.rewards", "room for the front with these samples: at least",
                         static_cast<double>(front.rewards.extent[0]), static_cast<double>(kept));
  all.write(front, kept);
  return {};
}

inline std::size_t insert_bytes(const objectives& o, const running_front& front, std::int64_t samples) {
  arena memory;
  front_union all;
  all.carve(memory, front, samples);
  objective_samples<space::host> shape = all.samples();
  alignas(8) static const double somewhere = 0;
  shape.rewards.data = &somewhere, shape.rewards.extent[0] = all.capacity;
  if (front.violation.given()) shape.violation = {&somewhere, all.capacity};
  memory.take<char>(static_cast<std::int64_t>(non_dominated_workspace(cpu{}, {.objectives = o}, shape)));
  return memory.bytes();
}

}  // namespace detail

// Bytes of workspace of insert_into_front for so many samples, and of merge_fronts for so many rows of the other front.
inline std::size_t insert_into_front_workspace(const cpu&, const objectives& o, const running_front& front,
                                               std::int64_t samples) {
  return detail::check_front(o, front).ok() && samples >= 0 ? detail::insert_bytes(o, front, samples) : 0;
}

// The front of what `front` holds and of `in`, in place of `front`:
//
//   front <- non-dominated(front U in)
//
// Inserting samples in blocks of any size and order gives the rows and order of one call of non_dominated_set on all of
// them, sorted by id: dominance is transitive, so that nothing that was dropped is needed again. With duplicates::first
// the lowest id of equal samples stays. duplicates::drop is refused: a third twin would not find the first two.
//
// A block costs a search among its samples and the front's rows, so make blocks about as large as the front. Memory: a
// workspace of insert_into_front_workspace bytes, or one allocation. Errors: those of non_dominated_set; a count
// outside the capacity, ids that do not ascend (bad_index); a front that does not fit (bad_extent, with the rows it
// needs). Then the front is as it was.
inline status insert_into_front(const cpu& exec, const objectives& o, const running_front& front,
                                const front_samples& in) {
  if (const status s = first_error(detail::check_front(o, front), detail::check_front_samples(front, in)); !s.ok())
    return s;
  if (const status s = first_error(detail::check_front_content(exec, front, in), detail::check_runner(exec)); !s.ok())
    return s;
  detail::host_scratch scratch;
  if (const status s = scratch.provide(exec.workspace, detail::insert_bytes(o, front, in.rewards.extent[0])); !s.ok())
    return s;
  detail::arena memory(scratch.data);
  return detail::insert_checked(exec, o, front, in, memory);
}

// into <- non-dominated(into U from). Associative and commutative, bit by bit: fronts of parts of the samples become
// the front of all of them, whatever the tree they are merged along.
inline status merge_fronts(const cpu& exec, const objectives& o, const running_front& into,
                           const running_front& from) {
  if (const status s = detail::check_front(o, from); !s.ok()) return s;
  const std::int64_t held = detail::rows_held(from);
  if (held < 0 || held > from.rewards.extent[0])
    return require::fail(errc::bad_index, "front.count", "from 0 to the capacity", static_cast<double>(held), 0, 0);
  return insert_into_front(exec, o, into,
                           {.rewards = detail::first_rows(from.rewards, held),
                            .ids = detail::first_rows(from.ids, held),
                            .violation = detail::first_rows(from.violation, held)});
}

namespace detail {

// Fronts like another one as bytes that travel, of so many rows: the count, ids, violations, rows.
struct front_parcel {
  std::int64_t capacity, objectives;
  element type, violation_type;

  front_parcel(const running_front& like, std::int64_t rows)
      : capacity(rows),
        objectives(like.rewards.extent[1]),
        type(like.rewards.type),
        violation_type(like.violation.given() ? like.violation.type : element::none) {}
  static std::int64_t padded(std::int64_t bytes) { return (bytes + 7) / 8 * 8; }
  std::int64_t violation_bytes() const { return padded(capacity * size_of(violation_type)); }
  std::int64_t bytes() const {
    return 8 + 8 * capacity + violation_bytes() + padded(capacity * objectives * size_of(type));
  }
  running_front at(char* memory) const {
    running_front f;
    f.count = {reinterpret_cast<std::int64_t*>(memory), 1};
    f.ids = {reinterpret_cast<std::int64_t*>(memory + 8), capacity};
    if (violation_type != element::none) {
      f.violation.data = memory + 8 + 8 * capacity, f.violation.type = violation_type;
      f.violation.extent[0] = capacity, f.violation.stride[0] = 1;
    }
    f.rewards.data = memory + 8 + 8 * capacity + violation_bytes(), f.rewards.type = type;
    f.rewards.extent[0] = capacity, f.rewards.extent[1] = f.rewards.stride[0] = objectives;
    f.rewards.stride[1] = 1;
    return f;
  }
  running_front empty_at(char* memory) const {
    const std::int64_t none = 0;
    std::memcpy(memory, &none, sizeof none);
    return at(memory);
  }
};

// What combine_fronts needs to receive all fronts, and for the front of them all.
inline void measure_combination(arena& memory, const objectives& o, const running_front& front,
                                std::int64_t processes) {
  const std::int64_t bytes = front_parcel(front, front.rewards.extent[0]).bytes();
  for (std::int64_t p = 0; p < processes + 2; ++p) memory.take<char>(bytes);
  memory.take<char>(static_cast<std::int64_t>(insert_bytes(o, front, front.rewards.extent[0])));
}

inline status combine_checked(const cpu& exec, const objectives& o, const running_front& front, const reducer& over,
                              std::int64_t most, arena& memory) {
  const front_parcel sent(front, most), whole(front, front.rewards.extent[0]);
  const running_front mine = sent.empty_at(memory.take<char>(sent.bytes()));
  char* const received = memory.take<char>(over.processes() * sent.bytes());
  const running_front all = whole.empty_at(memory.take<char>(whole.bytes()));
  cpu inside = exec;
  inside.workspace.bytes = insert_bytes(o, front, front.rewards.extent[0]);
  inside.workspace.data = memory.take<char>(static_cast<std::int64_t>(inside.workspace.bytes));
  status s = merge_fronts(inside, o, mine, front);
  if (s.ok()) s = over.gather(mine.count.data, sent.bytes(), received);
  for (std::int64_t p = 0; s.ok() && p < over.processes(); ++p)
    s = merge_fronts(inside, o, all, sent.at(received + p * sent.bytes()));
  return s.ok() ? merge_fronts(inside, o, front, all) : s;
}

}  // namespace detail

// Bytes of workspace of combine_fronts.
inline std::size_t combine_fronts_workspace(const cpu&, const objectives& o, const running_front& front,
                                            const reducer& over) {
  if (!detail::check_front(o, front).ok()) return 0;
  detail::arena memory;
  detail::measure_combination(memory, o, front, over.processes());
  return memory.bytes();
}

// The front of all processes' fronts, on all of them: the same rows in the same order everywhere. One reduction and one
// gathering (see core/reducer.hpp) of as many rows as the longest front has. Capacities are the same on all processes.
inline status combine_fronts(const cpu& exec, const objectives& o, const running_front& front, const reducer& over) {
  if (const status s = first_error(detail::check_front(o, front), detail::check_runner(exec)); !s.ok()) return s;
  const std::int64_t held = detail::rows_held(front), capacity = front.rewards.extent[0];
  if (held < 0 || held > capacity)
    return require::fail(errc::bad_index, "front.count", "from 0 to the capacity", static_cast<double>(held), 0, 0);
  detail::host_scratch scratch;
  if (const status s = scratch.provide(exec.workspace, combine_fronts_workspace(exec, o, front, over)); !s.ok())
    return s;
  auto most = static_cast<double>(held);
  if (const status s = over(reduction::max, &most, 1); !s.ok()) return s;
  if (most > static_cast<double>(capacity))
    return require::fail(errc::bad_extent, "front.rewards", "the capacity of the other processes: at least",
                         static_cast<double>(capacity), most);
  detail::arena memory(scratch.data);
  return detail::combine_checked(exec, o, front, over, static_cast<std::int64_t>(most), memory);
}

}  // namespace PREFER_ABI
}  // namespace prefer
