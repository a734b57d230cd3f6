// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/dispatch.hpp>
#include <prefer/backend/cpu/for_groups.hpp>
#include <prefer/backend/row_map_reduce.hpp>
#include <prefer/core/call_checks.hpp>
#include <prefer/core/host_scratch.hpp>
#include <prefer/select/detail/sort_entries.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

// GroupSort, an activation that sorts neighbours: 1-Lipschitz in every l_p norm, and its gradient keeps its length.
namespace prefer {

// Units in groups of `size`, one after the other. Size 2, descending, is MaxMin (OPLU).
struct group_sort {
  std::int64_t size = 2;
  bool descending = false;

  constexpr status check() const { return require::that(size >= 1, "size", static_cast<double>(size), "1 or more"); }
};

template <space S>
struct group_sort_inputs {
  input_view<2, S> x = {};  // [N, D], D a multiple of the size
};
// Either may be left out.
template <space S>
struct group_sort_outputs {
  output_view<2, S> sorted = {};  // [N, D]
  output_view<2, S> index = {};   // [N, D] int32 or int64: the unit of the row that each element comes from
};
template <space S>
struct group_sort_gradient_inputs {
  input_view<2, S> upstream = {};  // [N, D]: derivatives of an objective by `sorted`
  input_view<2, S> index = {};     // [N, D]: as sort_groups left it
};
template <space S>
struct group_sort_gradient_outputs {
  output_view<2, S> grad_x = {};  // [N, D]
};

inline namespace PREFER_ABI {
namespace detail {

inline constexpr std::int64_t inserted_size = 32;  // units up to which a group is sorted by insertion
inline constexpr std::int64_t sort_blocks = 64;    // of groups, with memory of their own if those are large

struct group_sort_plan {
  std::int64_t rows = 0, columns = 0, size = 1;
  bool descending = false;
  row_source x;  // or upstream
  row_sink sorted, index;
  row_source given;  // the index that gradients go back by

  PREFER_HD std::int64_t groups() const { return rows * (columns / size); }
  PREFER_HD std::int64_t row_of(std::int64_t group) const { return group / (columns / size); }
  PREFER_HD std::int64_t first_of(std::int64_t group) const { return group % (columns / size) * size; }

  // What units are sorted by: zeros of either sign are equal, NaN comes last in either order.
  PREFER_HD std::uint64_t key(double x_) const {
    const std::uint64_t k = sortable(x_ == 0 ? 0.0 : x_);
    return descending && k < left_out - 1 ? ~k : k;
  }
  PREFER_HD double at(std::int64_t row, std::int64_t c) const {
    return load_element<double>(x.data, x.type, row * x.row_stride + c * x.stride);
  }
  PREFER_HD std::int64_t index_at(std::int64_t row, std::int64_t c) const {
    return load_index(given.data, given.type, row * given.row_stride + c * given.stride);
  }
  PREFER_HD void write_value(std::int64_t row, std::int64_t c, double value) const {
    if (sorted.data != nullptr)
      store_element(sorted.data, sorted.type, row * sorted.row_stride + c * sorted.stride, value, false);
  }
  PREFER_HD void write_place(std::int64_t row, std::int64_t c, std::int64_t from) const {
    if (index.data != nullptr) store_index(index.data, index.type, row * index.row_stride + c * index.stride, from);
  }
};

// As many groups as a lane is wide, unit by unit, with the place of each unit in its group. No NaN among them.
template <class T>
struct group_columns {
  static constexpr int width = 64 / static_cast<int>(sizeof(T));
  alignas(64) T x[inserted_size][width];
  alignas(64) T from[inserted_size][width];
  int size;
};
template <class T, bool Descending>
struct sort_columns {
  // Neighbours change places where they are out of order, so that equal ones keep theirs.
  template <class Level>
  static inline __attribute__((always_inline)) void run(group_columns<T>& c) {
    using V = lane<T, Level>;
    for (int last = c.size - 1; last > 0; --last) {
      V carried = V::load(c.x[0]), place = V::load(c.from[0]);
      for (int i = 0; i < last; ++i) {
        const V next = V::load(c.x[i + 1]), next_place = V::load(c.from[i + 1]);
        const auto swap = Descending ? carried < next : next < carried;
        select(swap, next, carried).store(c.x[i]), select(swap, next_place, place).store(c.from[i]);
        carried = select(swap, carried, next), place = select(swap, place, next_place);
      }
      carried.store(c.x[last]), place.store(c.from[last]);
    }
  }
};

// Groups of a few units, as many at a time as a tile has.
template <class T>
struct group_tile {
  const group_sort_plan& p;
  isa level;
  T x[tile_items];
  std::uint64_t keys[inserted_size];
  std::int32_t from[tile_items];
  group_columns<T> columns;

  void insert(int first, int size) {
    T moved[inserted_size];
    for (int i = 0; i < size; ++i) {
      const std::uint64_t k = p.key(static_cast<double>(x[first + i]));
      int at = i;
      for (; at > 0 && k < keys[at - 1]; --at) {
        keys[at] = keys[at - 1], moved[at] = moved[at - 1], from[first + at] = from[first + at - 1];
      }
      keys[at] = k, moved[at] = x[first + i], from[first + at] = first + i;
    }
    for (int i = 0; i < size; ++i) x[first + i] = moved[i];
  }
  // Groups from `at` on by columns; whether they could be: none of their units is NaN.
  bool sort_by_columns(int at, int groups) {
    group_columns<T>& c = columns;
    const int size = c.size;
    bool numbers = true;
    for (int g = 0; g < groups; ++g)
      for (int u = 0; u < size; ++u) {
        const T one = x[at + g * size + u];
        c.x[u][g] = one, c.from[u][g] = static_cast<T>(u);
        numbers &= !math::is_nan(one);
      }
    if (!numbers) return false;
    p.descending ? run_at<sort_columns<T, true>>(level, c) : run_at<sort_columns<T, false>>(level, c);
    for (int g = 0; g < groups; ++g)
      for (int u = 0; u < size; ++u) {
        const int to = at + g * size + u;
        x[to] = c.x[u][g], from[to] = at + g * size + static_cast<int>(c.from[u][g]);
      }
    return true;
  }
  void sort(int count) {
    const int size = static_cast<int>(p.size), step = size * group_columns<T>::width;
    columns.size = size;
    for (int at = 0; at < count; at += step) {
      const int end = at + step < count ? at + step : count;
      if (sort_by_columns(at, (end - at) / size)) continue;
      for (int first = at; first < end; first += size) insert(first, size);
    }
  }
  void run(std::int64_t row, std::int64_t first, int count) {
    load_strided(
        source{static_cast<const char*>(p.x.data) + row * p.x.row_stride * size_of(p.x.type), p.x.stride, p.x.type},
        first, count, x);
    sort(count);
    if (p.sorted.data != nullptr)
      store_strided(sink{static_cast<char*>(p.sorted.data) + row * p.sorted.row_stride * size_of(p.sorted.type),
                         p.sorted.stride, p.sorted.type},
                    first, count, x, nullptr, false);
    if (p.index.data == nullptr) return;
    if (p.index.type == element::i32 && p.index.stride == 1) {
      auto* const to = static_cast<std::int32_t*>(p.index.data) + row * p.index.row_stride + first;
      for (int i = 0; i < count; ++i) to[i] = static_cast<std::int32_t>(first) + from[i];
      return;
    }
    for (int i = 0; i < count; ++i) p.write_place(row, first + i, first + from[i]);
  }
};

template <class T>
status sort_small_groups(const cpu& exec, const group_sort_plan& p) {
  isa level;
  if (const status s = resolve_isa(exec, level); !s.ok()) return s;
  const std::int64_t tile = tile_items / p.size * p.size, tiles = (p.columns + tile - 1) / tile;
  for_blocks(exec, p.rows * tiles, p.rows * p.columns, [&](std::int64_t first, std::int64_t last) {
    group_tile<T> groups{p, level, {}, {}, {}, {}};
    for (std::int64_t t = first; t < last; ++t) {
      const std::int64_t column = t % tiles * tile;
      groups.run(t / tiles, column, static_cast<int>(smaller(tile, p.columns - column)));
    }
  });
  return {};
}
inline void sort_large_group(const group_sort_plan& p, std::int64_t group, sort_entry* entries) {
  const std::int64_t row = p.row_of(group), first = p.first_of(group);
  for (std::int64_t i = 0; i < p.size; ++i) entries[i] = {p.key(p.at(row, first + i)), i};
  sort_by_key(entries, entries + p.size, p.size);
  for (std::int64_t i = 0; i < p.size; ++i) {
    p.write_value(row, first + i, p.at(row, first + entries[i].at));
    p.write_place(row, first + i, first + entries[i].at);
  }
}
inline std::size_t group_sort_bytes(const group_sort_plan& p) {
  if (p.size <= inserted_size) return 0;
  return static_cast<std::size_t>(smaller(p.groups(), sort_blocks) * 2 * p.size) * sizeof(sort_entry) +
         arena::alignment;
}

template <class Exec>
status sort_all_groups(const Exec&, const group_sort_plan&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}
inline status sort_all_groups(const cpu& exec, const group_sort_plan& p) {
  if (p.groups() == 0) return {};
  if (p.size <= inserted_size)
    return p.x.type == element::f64 ? sort_small_groups<double>(exec, p) : sort_small_groups<float>(exec, p);
  host_scratch scratch;
  if (const status s = scratch.provide(exec.workspace, group_sort_bytes(p)); !s.ok()) return s;
  const std::int64_t blocks = smaller(p.groups(), sort_blocks);
  arena memory(scratch.data);
  auto* const entries = memory.take<sort_entry>(blocks * 2 * p.size);
  for_blocks(exec, blocks, p.rows * p.columns, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t b = first; b < last; ++b)
      for (std::int64_t g = p.groups() * b / blocks; g < p.groups() * (b + 1) / blocks; ++g)
        sort_large_group(p, g, entries + b * 2 * p.size);
  });
  return {};
}

inline constexpr std::int64_t returned_tile = 1024;  // units that get their derivatives at a time, on the CPU

// Units [column, column + count) of a row, which are whole groups or a part of one, get what is theirs.
inline void return_to_units(const group_sort_plan& p, std::int64_t row, std::int64_t column, std::int64_t count) {
  double sum[returned_tile + 1];  // what belongs elsewhere goes to the last: branches would be mispredicted
  for (std::int64_t i = 0; i < count; ++i) sum[i] = 0;
  sum[returned_tile] = 0;
  for (std::int64_t group = column / p.size * p.size; group < column + count; group += p.size) {
    const std::int64_t from = group < column ? column : group, to = smaller(group + p.size, column + count);
    for (std::int64_t i = group; i < group + p.size; ++i) {
      const std::int64_t unit = p.index_at(row, i);
      sum[unit >= from && unit < to ? unit - column : returned_tile] += p.at(row, i);
    }
  }
  store_strided(sink{static_cast<char*>(p.sorted.data) + row * p.sorted.row_stride * size_of(p.sorted.type),
                     p.sorted.stride, p.sorted.type},
                column, static_cast<int>(count), sum, nullptr, false);
}

// Every derivative to where its element came from; a unit that several name gets their sum, in their order and in
// double, rounded once.
template <class Exec>
status return_to_groups(const Exec&, const group_sort_plan&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}
inline status return_to_groups(const cpu& exec, const group_sort_plan& p) {
  // Tiles are whole groups where these are small, and parts of one where it is not.
  const bool small = p.size <= returned_tile;
  const std::int64_t span = small ? returned_tile / p.size * p.size : returned_tile;  // of a tile
  const std::int64_t whole = small ? p.columns : p.size;                              // what is cut into tiles
  const std::int64_t tiles = (whole + span - 1) / span, wholes = small ? 1 : p.columns / p.size;
  for_blocks(exec, p.rows * wholes * tiles, p.rows * p.columns, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t) {
      const std::int64_t inside = t % tiles * span, part = t / tiles;
      return_to_units(p, part / wholes, part % wholes * whole + inside, smaller(span, whole - inside));
    }
  });
  return {};
}
inline status check_group_index(const cuda&, const group_sort_plan&) { return {}; }
inline status check_group_index(const cpu& exec, const group_sort_plan& p) {
  for (std::int64_t g = 0; exec.content != content::none && g < p.groups(); ++g)
    for (std::int64_t i = 0; i < p.size; ++i) {
      const std::int64_t row = p.row_of(g), first = p.first_of(g), to = p.index_at(row, first + i);
      if (to < first || to >= first + p.size)
        return require::fail(errc::bad_index, "index", "a unit of the same group, of which the first is",
                             static_cast<double>(to), static_cast<double>(first), row * p.columns + first + i);
    }
  return {};
}

template <bool A, bool B, bool C, space S>
status check_group_sort(const group_sort& o, const char* name, const erased_view<A, 2, S>& x,
                        const erased_view<B, 2, S>& index, const char* out_name, const erased_view<C, 2, S>& out) {
  if (const status s = o.check(); !s.ok()) return s;
  if (!x.given()) return require::fail(errc::missing_input, name, "a matrix, one row per sample");
  const std::int64_t n = x.extent[0], d = x.extent[1];
  if (n < 0 || d < 0) return require::fail(errc::bad_extent, name, "at least", static_cast<double>(n < 0 ? n : d), 0);
  if (d % o.size != 0)
    return require::fail(errc::bad_extent, name, "units per sample, a multiple of the size of a group, which is",
                         static_cast<double>(d), static_cast<double>(o.size));
  const status s =
      first_error(require::matrix(name, x, n, d),
                  index.given() ? require::matrix("index", index, n, d, require::holds::indices) : status{},
                  out.given() ? require::matrix(out_name, out, n, d) : status{});
  return s;
}

template <space S>
group_sort_plan make_group_sort_plan(const group_sort& o, const input_view<2, S>& x) {
  group_sort_plan p;
  p.rows = x.extent[0], p.columns = x.extent[1], p.size = o.size, p.descending = o.descending;
  p.x = place_of(x);
  return p;
}

}  // namespace detail

// Bytes of workspace for sort_groups on the CPU: none up to 32 units in a group. On CUDA none.
inline std::size_t sort_groups_workspace(const group_sort& options, std::int64_t samples, std::int64_t units) {
  detail::group_sort_plan p;
  p.rows = samples, p.columns = units, p.size = options.size;
  return options.size < 1 ? 0 : detail::group_sort_bytes(p);
}

// Sorts the units of N samples [N, D] within groups of neighbours, and says where each came from.
//
//   sort_groups(cpu{}, group_sort{.size = 2}, {{x, N, D}}, {.sorted = {y, N, D}, .index = {from, N, D}});
//   propagate_group_sort(cpu{}, group_sort{.size = 2}, {.upstream = {g, N, D}, .index = {from, N, D}}, {{by_x, N, D}});
//
// A permutation of the units of each sample, hence linear with an orthogonal Jacobian almost everywhere: |sort x -
// sort y|_p <= |x - y|_p for every p (sorting two vectors alike brings them no further apart), and gradients keep
// their norm, which ReLU's do not. Groups of size D sort whole samples; size 1 changes nothing.
//
// Ascending unless `descending`. Equal numbers keep their order, zeros of either sign are equal; NaN comes last, in
// either order, and moves nothing else. Values keep their bits if `sorted` has the type of x, NaN but for its payload.
//
// Groups of up to 32 units are sorted on the CPU by exchanging neighbours, size^2 / 2 times, as many groups at a time
// as a lane holds (by insertion where a NaN is among them); larger ones in O(size log size) in sort_groups_workspace
// bytes of the workspace, or one allocation. On CUDA one launch, a thread per unit, that compares it with its group:
// O(size) each. The same bits for any number of threads. Errors: a size below 1 or that does not divide D, shapes,
// types, overlap; nothing has been written then. Source: Anil, Lucas and Grosse 2019, arXiv 1811.05381 (from a
// summary; what is claimed of it here is proven by the sentence above); MaxMin: Chernodub and Nowicki 2016, arXiv
// 1604.02313.
template <class Exec>
status sort_groups(const Exec& exec, const group_sort& options,
                   const std::type_identity_t<group_sort_inputs<Exec::memory>>& in,
                   const std::type_identity_t<group_sort_outputs<Exec::memory>>& out) {
  if (const status s = detail::check_group_sort(options, "x", in.x, out.index, "sorted", out.sorted); !s.ok()) return s;
  if (const status s = detail::some_output(out.sorted, out.index); !s.ok()) return s;
  require::footprints<1, 2> all;
  all.read("x", in.x), all.write("sorted", out.sorted), all.write("index", out.index);
  if (const status s = all.check(); !s.ok()) return s;
  detail::group_sort_plan p = detail::make_group_sort_plan(options, in.x);
  p.sorted = detail::place_of(out.sorted), p.index = detail::place_of(out.index);
  return sort_all_groups(exec, p);
}

// The derivative of an objective by x from that by `sorted`: each goes to the unit that its element came from. With the
// index of sort_groups, a permutation, that is all; in any other index, units that nobody names get 0 and those that
// several name the sum, in their order and in double, rounded once. An index outside of its group is an error on the
// CPU (unless content::none); on CUDA it is reported and left out. Nothing is allocated; one launch on CUDA. Errors as
// sort_groups'.
template <class Exec>
status propagate_group_sort(const Exec& exec, const group_sort& options,
                            const std::type_identity_t<group_sort_gradient_inputs<Exec::memory>>& in,
                            const std::type_identity_t<group_sort_gradient_outputs<Exec::memory>>& out) {
  if (!in.index.given() && in.upstream.given())
    return require::fail(errc::missing_input, "index", "as sort_groups left it");
  if (const status s = detail::check_group_sort(options, "upstream", in.upstream, in.index, "grad_x", out.grad_x);
      !s.ok())
    return s;
  if (!out.grad_x.given()) return require::fail(errc::missing_output, "grad_x", "a matrix as large as x");
  require::footprints<2, 1> all;
  all.read("upstream", in.upstream), all.read("index", in.index), all.write("grad_x", out.grad_x);
  if (const status s = all.check(); !s.ok()) return s;
  detail::group_sort_plan p = detail::make_group_sort_plan(options, in.upstream);
  p.sorted = detail::place_of(out.grad_x), p.given = detail::place_of(in.index);
  if (const status s = detail::check_group_index(exec, p); !s.ok()) return s;
  return return_to_groups(exec, p);
}

}  // namespace PREFER_ABI
}  // namespace prefer
