// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/place_of.hpp>
#include <prefer/core/call_checks.hpp>
#include <prefer/core/host_scratch.hpp>
#include <prefer/select/detail/front_group.hpp>
#include <prefer/select/objectives.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

// The non-dominated set (Pareto front, skyline) of samples with several rewards.
namespace prefer {

// What is not dominated, and how to look for it: all methods have the same answer. For small groups (see
// non_dominated_set) there is one way, with a filter before it unless all_pairs is asked for.
struct non_dominated {
  using algorithm = pareto_algorithm;

  prefer::objectives objectives = {};
  algorithm method = algorithm::automatic;

  status check() const {
    return require::that(method <= algorithm::partitioned, "method", static_cast<double>(method),
                         "automatic, all_pairs, sorted or partitioned");
  }
};

// Any of them may be left out, not all. A group's answer does not depend on the other groups.
template <space S>
struct non_dominated_outputs {
  output_view<1, S> mask = {};           // [samples] bool or uint8: 1 for those in the set of their group, else 0
  output_view<1, S> count = {};          // [B] int32 or int64: the size of each group's set
  output_view<1, S> indices = {};        // [capacity] int32 or int64: numbers of samples, ascending, group after group
  output_view<1, S> index_offsets = {};  // [B + 1]: where a group's numbers begin in `indices`
};

inline namespace PREFER_ABI {
namespace detail {

// The outputs of a call as both backends see them.
struct front_sinks {
  sink mask, count, indices, index_offsets;
  std::int64_t capacity = 0;  // of `indices`
};

template <space S>
status make_front_sinks(const objective_table& t, const non_dominated_outputs<S>& out, front_sinks& sinks) {
  using require::holds;
  if (!out.mask.given() && !out.count.given() && !out.indices.given() && !out.index_offsets.given())
    return require::fail(errc::missing_output, "outputs", "at least one output to write");
  const auto vector = [](const char* name, const auto& v, std::int64_t n, const char* whose, holds what) {
    return check_optional(name, v, n, whose, what);
  };
  if (const status s = first_error(
          vector("mask", out.mask, t.samples, "the number of samples,", holds::flags),
          vector("count", out.count, t.groups, "the number of groups,", holds::indices),
          vector("indices", out.indices, out.indices.extent[0] < 0 ? 0 : out.indices.extent[0], "", holds::indices),
          vector("index_offsets", out.index_offsets, t.groups + 1, "one more than there are groups,", holds::indices));
      !s.ok())
    return s;
  sinks.mask = place_of(out.mask), sinks.count = place_of(out.count);
  sinks.indices = place_of(out.indices), sinks.index_offsets = place_of(out.index_offsets);
  sinks.capacity = out.indices.given() ? out.indices.extent[0] : 0;
  return {};
}

template <space S>
status check_front_overlap(const objective_samples<S>& in, const non_dominated_outputs<S>& out) {
  require::footprints<5, 4> all;
  read_samples(in, all);
  const auto write = [&](const char* name, const auto& v) {
    if (v.given()) all.write(require::footprint_of(name, v));
  };
  write("mask", out.mask), write("count", out.count), write("indices", out.indices);
  write("index_offsets", out.index_offsets);
  return all.check();
}

// The memory of a call on the CPU: bits and counts of all groups, and what groups that are not small need, each in
// proportion to its samples.
struct front_plan {
  std::int64_t words = 0;
  std::int64_t large_groups = 0;                 // at most
  std::int64_t per_sample = 0, per_group = 0;    // bytes, of large groups
  int small = 0;                                 // samples of a small group

  explicit front_plan(const objective_table& t) {
    const std::int64_t size = t.needs_double() ? 8 : 4, k = t.count;
    words = t.samples / 64 + t.groups + 1;
    small = tile_samples(t.count, static_cast<int>(size));
    if (t.per_group > small)
      large_groups = t.offsets.data == nullptr ? t.groups : std::min<std::int64_t>(t.groups, t.samples / (small + 1));
    // front_memory: rows, trees of a seventh more than their points, scores, places, flags, entries to sort.
    per_sample = k * size + k * size * 8 / 7 + k * size / 8 + size + 8 + 32 + 1 + (k == 3 ? size + 4 + 16 : 0);
    per_group = 24 * static_cast<std::int64_t>(arena::alignment) * (k + 1) + 128;
  }
  std::int64_t large_bytes(std::int64_t samples, std::int64_t groups) const {
    return samples * per_sample + groups * per_group;
  }
  void carve(arena& memory, const objective_table& t, std::uint64_t*& bits, std::int64_t*& counts, char*& large) const {
    bits = memory.take<std::uint64_t>(words);
    counts = memory.take<std::int64_t>(t.groups);
    large = memory.take<char>(large_groups > 0 ? large_bytes(t.samples, large_groups) : 0);
  }
};

// The sets of all groups on the CPU, as bits.
template <class T>
class front_groups {
 public:
  front_groups(const cpu& exec, isa level, const objective_table& table, pareto_algorithm method,
               const front_plan& plan, std::uint64_t* bits, std::int64_t* counts, char* large)
      : exec_(exec), level_(level), table_(table), method_(method), plan_(plan), bits_(bits), counts_(counts),
        large_(large) {}

  // The answer is the first sample that has a NaN, or -1.
  std::int64_t run() {
    // Where the memory of a large group begins is kept in counts_ until its count is known.
    std::int64_t samples = 0, groups = 0, first_nan = -1;
    for (std::int64_t b = 0; b < table_.groups; ++b) {
      const group_rows g = table_.group(b);
      counts_[b] = plan_.large_bytes(samples, groups);
      if (g.count > plan_.small) samples += g.count, ++groups;
    }
    std::int64_t nan[most_tasks];
    const std::int64_t wanted = std::min(most_tasks, 1 + table_.samples / samples_per_task);
    const std::int64_t tasks = std::min(table_.groups, wanted);
    auto task = [&](std::int64_t t) {
      nan[t] = run_groups(table_.groups * t / tasks, table_.groups * (t + 1) / tasks);
    };
    run_tasks(exec_, tasks, task);
    for (std::int64_t t = 0; t < tasks; ++t) note(nan[t], first_nan);
    for (std::int64_t b = 0; b < table_.groups; ++b)
      if (const group_rows g = table_.group(b); g.count >= huge) note(search(exec_, g, b), first_nan);
    return first_nan;
  }

 private:
  static constexpr std::int64_t most_tasks = 64, samples_per_task = 4096;
  static constexpr std::int64_t huge = front_memory<T>::huge;

  const cpu& exec_;
  const isa level_;
  const objective_table& table_;
  const pareto_algorithm method_;
  const front_plan& plan_;
  std::uint64_t* const bits_;
  std::int64_t* const counts_;
  char* const large_;

  static void note(std::int64_t sample, std::int64_t& first) {
    if (sample >= 0 && (first < 0 || sample < first)) first = sample;
  }

  std::int64_t run_groups(std::int64_t first, std::int64_t last) {
    for (std::int64_t b = first; b < last; ++b) {
      const group_rows g = table_.group(b);
      std::uint64_t* const words = bits_ + front_words(g, b);
      for (std::int64_t w = 0; w < (g.count + 63) / 64; ++w) words[w] = 0;
    }
    small_groups<T> small(level_, table_, method_, bits_);
    std::int64_t nan = -1;
    for (std::int64_t b = first; b < last; ++b) {
      const group_rows g = table_.group(b);
      if (g.count == 0 || g.count >= huge) continue;
      if (g.count > plan_.small) {
        note(search({}, g, b), nan);
      } else if (const std::int64_t found = small.run(g, b); found >= 0) {
        note(g.first + found, nan);
      }
    }
    return nan;
  }

  std::int64_t search(const cpu& exec, const group_rows& g, std::int64_t b) {
    arena memory(large_ + counts_[b]);
    front_memory<T> parts;
    parts.carve(memory, g.count, table_.count);
    front_answer answer{bits_ + front_words(g, b)};
    front_search<T>(exec, level_, table_, g, parts).run(method_, answer);
    return answer.first_nan < 0 ? -1 : g.first + answer.first_nan;
  }
};

inline std::int64_t front_size(const std::uint64_t* words, std::int64_t samples) {
  std::int64_t n = 0;
  for (std::int64_t w = 0; w < (samples + 63) / 64; ++w) n += __builtin_popcountll(words[w]);
  return n;
}

// From bits to outputs. The answer is how many indices there are.
inline std::int64_t write_fronts(const cpu& exec, const objective_table& t, const std::uint64_t* bits,
                                 std::int64_t* counts, const front_sinks& out) {
  std::int64_t all = 0;
  for (std::int64_t b = 0; b < t.groups; ++b) {
    const group_rows g = t.group(b);
    counts[b] = all;
    const std::int64_t size = front_size(bits + front_words(g, b), g.count);
    if (out.count.data != nullptr) store_index(out.count.data, out.count.type, b * out.count.stride, size);
    if (out.index_offsets.data != nullptr)
      store_index(out.index_offsets.data, out.index_offsets.type, b * out.index_offsets.stride, all);
    all += size;
  }
  if (out.index_offsets.data != nullptr)
    store_index(out.index_offsets.data, out.index_offsets.type, t.groups * out.index_offsets.stride, all);
  if (out.mask.data == nullptr && out.indices.data == nullptr) return all;
  const std::int64_t tasks = std::min<std::int64_t>(t.groups, 64);
  auto task = [&](std::int64_t nth) {
    for (std::int64_t b = t.groups * nth / tasks; b < t.groups * (nth + 1) / tasks; ++b) {
      const group_rows g = t.group(b);
      const std::uint64_t* const words = bits + front_words(g, b);
      auto* const mask = static_cast<std::uint8_t*>(out.mask.data);
      for (std::int64_t i = 0; mask != nullptr && i < g.count; ++i)
        mask[(g.first + i) * out.mask.stride] = static_cast<std::uint8_t>(words[i >> 6] >> (i & 63) & 1);
      std::int64_t at = counts[b];
      for (std::int64_t w = 0; out.indices.data != nullptr && w < (g.count + 63) / 64; ++w)
        for (std::uint64_t word = words[w]; word != 0 && at < out.capacity; word &= word - 1)
          store_index(out.indices.data, out.indices.type, at++ * out.indices.stride,
                      g.first + 64 * w + __builtin_ctzll(word));
    }
  };
  run_tasks(exec, tasks, task);
  return all;
}

template <class Exec>
status run_non_dominated(const Exec&, const objective_table&, pareto_algorithm, const front_sinks&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}
inline status run_non_dominated(const cpu& exec, const objective_table& t, pareto_algorithm method,
                                const front_sinks& out) {
  isa level;
  if (const status s = first_error(resolve_isa(exec, level), check_runner(exec)); !s.ok()) return s;
  if (exec.content != content::none)
    if (const status s = check_group_offsets(t); !s.ok()) return s;
  const front_plan plan(t);
  std::uint64_t* bits;
  std::int64_t* counts;
  char* large;
  arena measured;
  plan.carve(measured, t, bits, counts, large);
  host_scratch scratch;
  if (const status s = scratch.provide(exec.workspace, measured.bytes()); !s.ok()) return s;
  arena memory(scratch.data);
  plan.carve(memory, t, bits, counts, large);
  const auto run = [&](auto key) {
    return front_groups<decltype(key)>(exec, level, t, method, plan, bits, counts, large).run();
  };
  const std::int64_t nan = t.needs_double() ? run(double{}) : run(float{});
  if (nan >= 0 && t.nan == nan_policy::reject && exec.content != content::none) return nan_sample_of(t, nan);
  const std::int64_t indices = write_fronts(exec, t, bits, counts, out);
  if (out.indices.data != nullptr && indices > out.capacity)
    return require::fail(errc::bad_extent, "indices", "room for all non-dominated samples: at least",
                         static_cast<double>(out.capacity), static_cast<double>(indices));
  return {};
}

}  // namespace detail

// Bytes of workspace of non_dominated_set on the CPU: linear in the elements of the samples. 0 for views that do not
// fit together.
template <space S>
std::size_t non_dominated_workspace(const cpu&, const non_dominated& options, const objective_samples<S>& in) {
  detail::objective_table t;
  if (!detail::make_objective_table(options.objectives, in, t).ok()) return 0;
  std::uint64_t* bits;
  std::int64_t* counts;
  char* large;
  detail::arena memory;
  detail::front_plan(t).carve(memory, t, bits, counts, large);
  return memory.bytes();
}

// The samples of every group that no other sample of it dominates (kept by the rules of prefer::objectives; masked
// samples, and those with NaN unless it is `worst`, are never in it and keep nobody out):
//
//   a dominates b  <=>  a is feasible and b is not, or violates less;  or both violate alike and
//                       a_k >= b_k for all k and a_k > b_k for some k   (strict: a_k > b_k for all k)
//   set = {b : no a of the group dominates b}
//
// "Greater" is "better": the sign is turned where an objective is minimised, and with a tolerance t both sides are
// floor(x / t). Comparisons are exact in the type of the elements; zeros of either sign are equal, infinite values are
// values. Constant shifts and positive scales of an objective, or any increasing map, leave the set as it is.
//
// Edge cases: a group without samples has an empty set; one sample is its own set; with K = 1 the set has all largest
// ones; of equal samples see `duplicates`. If the set does not fit into `indices`, it holds the first numbers, the
// other outputs are complete, and the call returns bad_extent with the size that is needed.
//
// Cost on the CPU for n samples of a group: one pass in which a few good samples drop what they dominate, then for what
// is left K = 1: a maximum; K = 2: sort and scan, O(n log n); K = 3: sort and sweep, O(n log n); more: each against
// those of the set that come before it, in a tree, O(n |set| K) at worst and far less where it counts
// (docs/decisions/013_pareto_algorithms.md). Groups whose keys fit into 16 KB are compared all with all. Memory is
// linear in the elements: non_dominated_workspace bytes of the workspace, or one allocation. Threads share groups, and
// groups of 16384 and more; the answer is the same for any number of them.
//
// Errors: shapes (K of 0 or above 256, directions or tolerances that are not one per objective), element types,
// overlap, what is missing or not used; on the CPU also offsets that decrease or pass the end and, if NaN is rejected,
// the first one (as sample * K + objective). Then nothing has been written.
//
// Sources: Pareto dominance and sets as in Kung, Luccio and Preparata 1975 (with their sweep for K = 3); constraints as
// in Deb et al. 2002 (definition 1, with ties in violation compared by objectives); presorting as in SFS (Chomicki et
// al. 2003), the curve as in ZSearch (Lee et al. 2007). That Parrot (arXiv 2401.05675) picks the set of a batch is the
// reason for this call. Filter, tree and masks are this library's form.
template <class Exec>
status non_dominated_set(const Exec& exec, const non_dominated& options,
                         const std::type_identity_t<objective_samples<Exec::memory>>& in,
                         const std::type_identity_t<non_dominated_outputs<Exec::memory>>& out) {
  detail::objective_table table;
  detail::front_sinks sinks;
  if (const status s = options.check(); !s.ok()) return s;
  if (const status s = detail::make_objective_table(options.objectives, in, table); !s.ok()) return s;
  if (const status s = first_error(detail::make_front_sinks(table, out, sinks), detail::check_front_overlap(in, out));
      !s.ok())
    return s;
  return run_non_dominated(exec, table, options.method, sinks);
}

}  // namespace PREFER_ABI
}  // namespace prefer
