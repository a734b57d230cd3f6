// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/select/detail/front_forest.hpp>
#include <prefer/select/detail/present_rows.hpp>
#include <prefer/select/detail/rank_halves.hpp>
#include <prefer/select/detail/sort_entries.hpp>

#include <algorithm>
#include <cstdint>

// The ranks of one group on the CPU. What it costs: docs/select/ranks.md.
namespace prefer {

// How to look for ranks; every choice has the same answer. `fronts`: samples are sorted so that none comes before one
// that dominates it, and each looks for its front among those so far by bisection (Zhang et al. 2015, ENS-BS).
// `all_pairs`: every sample is compared with every other, n^2 K steps. `automatic` chooses by the number of objectives:
// sorting alone for one and two, n log n steps, halves that push each other down for three, n log n visits, else
// `fronts` (docs/select/ranks.md).
enum class rank_algorithm : std::uint8_t { automatic, fronts, all_pairs };

inline namespace PREFER_ABI {
namespace detail {

// Whether fronts are kept and looked at, one by one.
inline bool needs_fronts(rank_algorithm method, int objectives) {
  return method == rank_algorithm::fronts || objectives > 3;
}

// The memory of groups of n samples in all.
template <class T>
struct rank_memory {
  present_rows<T> present;
  sort_entry *order = nullptr, *spare = nullptr;
  sort_entry* another = nullptr;  // of three objectives
  T* stairs = nullptr;     // of two objectives: the largest second one per front
  rank_halves halves;      // of three
  front_forest<T> forest;  // of more
  front_forest<T> recent;  // and what a batch has added to it, of a large group

  static constexpr std::int64_t huge = 8192;  // samples of a group that all threads work on, in batches
  static constexpr std::int64_t batch = 1024;

  void carve(arena& memory, std::int64_t n, int k, bool needs_forest) {
    present.carve(memory, n, k);
    order = memory.take<sort_entry>(n);
    spare = memory.take<sort_entry>(n);
    stairs = memory.take<T>(k == 2 ? n : 0);
    another = memory.take<sort_entry>(k == 3 && !needs_forest ? n : 0);
    halves.carve(memory, k == 3 && !needs_forest ? n : 0, group_tasks::most);
    forest.carve(memory, needs_forest ? n : 0, group_tasks::most, k);
    const bool batches = needs_forest && n >= huge;
    recent.carve(memory, batches ? 2 * batch : 0, 1, k, batches ? n : 0);
  }
  // For groups that begin with this sample, of a task.
  rank_memory part(std::int64_t first, std::int64_t task) const {
    rank_memory m = *this;
    m.present = present.part(first);
    m.order += first, m.spare += first;
    if (present.objectives == 2) m.stairs += first;
    if (forest.capacity > 0)
      m.forest = forest.part(first, task);
    else if (present.objectives == 3)
      m.halves = halves.part(first, task), m.another += first;
    return m;
  }
};

// Samples in an order in which none comes before one that dominates it, each put into the first front that has none
// above it. If a front has a sample above x then so has every front before it, so that bisection finds the first that
// has not; it starts at the front of the sample before, since neighbours in the order are alike.
//
// With threads a batch of samples goes through it together: all look for their fronts among those before the batch,
// then one after the other, from there on, among `recent`, which has the batch's own members of every front.
enum class bisect_step : std::uint8_t { all, look, settle };
template <class T>
struct bisect_job {
  const T* rows;
  sort_entry* order;
  std::int64_t first, last;  // no copies of one sample are on two sides of an end
  front_forest<T>* forest;
  const std::int32_t* index;  // of rows
  std::int32_t* rank;         // of samples
  std::int64_t base, most;    // the rank of the first front here, and how many may be found here
  bool strict, copies_queue;
  bisect_step step = bisect_step::all;
  sort_entry* found = nullptr;  // where a batch's samples have looked to
  front_forest<T>* recent = nullptr;
};
template <class T>
struct bisect_work {
  // From front `low` on.
  template <class Level>
  static inline __attribute__((always_inline)) std::int64_t find(const front_forest<T>& forest, bool strict,
                                                                 const lane<T, Level>* x, std::int64_t hint,
                                                                 std::int64_t low) {
    std::int64_t high = forest.count, step = 1;  // the answer is from low to high
    bool first = true, gallops = true, up = false;
    for (std::int64_t probe = std::min(hint, high - 1); low < high; step *= 2) {
      const bool dominated = forest.template dominates<Level>(forest.fronts[probe], x, strict);
      if (first) up = dominated;
      gallops = gallops && dominated == up;
      first = false;
      (dominated ? low : high) = dominated ? probe + 1 : probe;
      probe = up ? low + step - 1 : high - step;
      if (gallops && probe >= low && probe < high) continue;
      gallops = false;
      probe = low + (high - low) / 2;
    }
    return low;
  }

  template <class Level>
  static inline __attribute__((always_inline)) void run(bisect_job<T>& job) {
    front_forest<T> forest = *job.forest, recent = job.recent != nullptr ? *job.recent : forest;
    const bool settles = job.step == bisect_step::settle, looks = job.step == bisect_step::look;
    const int objectives = forest.objectives;
    const auto row = [&](std::int64_t i) PREFER_HD_LAMBDA { return job.rows + job.order[i].at * objectives; };
    lane<T, Level> x[objectives::most];
    std::int64_t hint = 0;
    for (std::int64_t i = job.first, end; i < job.last; i = end) {
      const T* const here = row(i);
      for (end = i + 1; end < job.last && std::equal(here, here + objectives, row(end));) ++end;
      for (int k = 0; k < objectives; ++k) x[k] = lane<T, Level>(here[k]);
      if (settles) hint = job.found[i].at;
      hint = find<Level>(settles ? recent : forest, job.strict, x, hint, settles ? hint : 0);
      if (looks) {
        job.found[i].at = hint;
        continue;
      }
      for (std::int64_t j = i; j < end; ++j) {
        const std::int64_t rank = std::min(hint + (job.copies_queue ? j - i : 0), job.most);
        job.rank[job.index[job.order[j].at]] = static_cast<std::int32_t>(job.base + rank);
        if (rank == job.most || (j > i && !job.copies_queue)) continue;
        forest.append(rank, here);
        if (settles) recent.append(rank, here);
      }
    }
    if (looks) return;
    *job.forest = forest;
    if (settles) *job.recent = recent;
  }
};

struct rank_choice {
  std::int64_t most_fronts;
  rank_algorithm method;
};

template <class T>
class rank_search {
 public:
  rank_search(const cpu& exec, isa level, const objective_table& table, const rank_choice& choice, const group_rows& g,
              const rank_memory<T>& memory, std::int32_t* rank)
      : exec_(exec), level_(level), table_(table), choice_(choice), group_(g), memory_(memory), rank_(rank) {}

  // Writes rank[0, group.count).
  void run() {
    std::fill_n(rank_, group_.count, -1);
    memory_.present.gather(level_, table_, group_);
    rows_ = memory_.present.count;
    sort_by_violation();
    for (std::int64_t i = 0, end; i < rows_; i = end) {
      const std::uint64_t violation = memory_.order[i].key;
      for (end = i + 1; end < rows_ && memory_.order[end].key == violation;) ++end;
      fronts_ += rank_run(i, end);
    }
  }
  std::int64_t fronts() const { return fronts_; }
  std::int64_t first_nan() const { return memory_.present.first_nan; }  // of the group, -1 for none

 private:
  const cpu& exec_;
  const isa level_;
  const objective_table& table_;
  const rank_choice choice_;
  const group_rows& group_;
  rank_memory<T> memory_;
  std::int32_t* const rank_;
  std::int64_t rows_ = 0, fronts_ = 0;

  bool copies_queue() const { return table_.duplicates == duplicates::first; }
  bool strict() const { return table_.dominance == dominance::strict; }
  const T* row(std::int64_t position) const { return memory_.present.row(memory_.order[position].at); }

  void sort_by_violation() {
    const bool constraints = table_.violation.data != nullptr;
    for (std::int64_t i = 0; i < rows_; ++i)
      memory_.order[i] = {constraints ? ~descending(table_.violation_of(group_.first + memory_.present.index[i])) : 0,
                          i};
    if (constraints) sort_by_key(memory_.order, memory_.spare, rows_);
  }

  // Samples of equal violation, after the fronts so far; the answer is how many they add.
  std::int64_t rank_run(std::int64_t first, std::int64_t last) {
    const bool pairs = choice_.method == rank_algorithm::all_pairs;
    const bool bisects = !pairs && needs_fronts(choice_.method, table_.count);
    sort_run(first, last, bisects && last - first >= curve_from);
    if (pairs) return compare_all(first, last);
    if (bisects) return bisect(first, last);
    return table_.count == 1 ? count_values(first, last) : table_.count == 2 ? climb(first, last) : halve(first, last);
  }
  void set_rank(std::int64_t position, std::int64_t rank) {
    rank_[memory_.present.index[memory_.order[position].at]] =
        static_cast<std::int32_t>(std::min(fronts_ + rank, choice_.most_fronts));
  }
  std::int64_t rank_of(std::int64_t position) const {
    return rank_[memory_.present.index[memory_.order[position].at]] - fronts_;
  }
  std::int64_t added(std::int64_t fronts) const { return std::min(fronts, choice_.most_fronts - fronts_); }
  bool repeats(std::int64_t position, std::int64_t first) const {
    return position > first && std::equal(row(position), row(position) + table_.count, row(position - 1));
  }

  // One objective.
  std::int64_t count_values(std::int64_t first, std::int64_t last) {
    std::int64_t rank = -1;
    for (std::int64_t i = first; i < last; ++i) {
      if (copies_queue() || !repeats(i, first)) ++rank;
      set_rank(i, rank);
    }
    return added(rank + 1);
  }

  // Two: what comes before has at least the first objective, so that the second decides, of which each front needs
  // only the largest. They decrease from front to front (Jensen 2003, of the two-objective case).
  std::int64_t climb(std::int64_t first, std::int64_t last) {
    T* const stairs = memory_.stairs;
    std::int64_t fronts = 0;
    for (std::int64_t i = first, end; i < last; i = end) {
      // Copies, or strictly what is equal in the first objective, are looked at before any is put into its front.
      for (end = i + 1; end < last && (strict() ? row(end)[0] == row(i)[0] : repeats(end, i));) ++end;
      for (std::int64_t j = i; j < end; ++j)
        memory_.spare[j].at =
            repeats(j, i) ? memory_.spare[j - 1].at + (copies_queue() ? 1 : 0) : find_stair(stairs, fronts, row(j)[1]);
      for (std::int64_t j = i; j < end; ++j) {
        const std::int64_t rank = memory_.spare[j].at;
        set_rank(j, rank);
        stairs[rank] = rank < fronts ? std::max(stairs[rank], row(j)[1]) : row(j)[1];
        fronts = std::max(fronts, rank + 1);
      }
    }
    return added(fronts);
  }
  // The first front that has nothing above y.
  std::int64_t find_stair(const T* stairs, std::int64_t fronts, T y) const {
    const T* const end = stairs + fronts;
    return (strict() ? std::partition_point(stairs, end, [&](T s) { return s > y; })
                     : std::partition_point(stairs, end, [&](T s) { return s >= y; })) -
           stairs;
  }

  // Three. In numbers, so that all that is left of the objectives is who comes before whom.
  std::int64_t halve(std::int64_t first, std::int64_t last) {
    const rank_halves& h = memory_.halves;
    std::int32_t n = 0;
    for (std::int64_t i = first, end; i < last; i = end) {
      for (end = i + 1; end < last && repeats(end, i);) ++end;
      h.at[n] = static_cast<std::int32_t>(i);
      h.copies[n] = copies_queue() ? static_cast<std::int32_t>(end - i - 1) : 0;
      h.rank[n++] = 0;
    }
    if (strict()) turn_ties(n);
    list(n, 1, h.second), list(n, 2, h.third);
    memory_.halves.run(n);
    std::int32_t fronts = 0;
    for (std::int32_t p = 0; p < n; ++p) {
      fronts = std::max(fronts, h.rank[p] + h.copies[p] + 1);
      std::int64_t i = h.at[p], copy = 0;
      do set_rank(i, h.rank[p] + (copies_queue() ? copy : 0));
      while (++copy, ++i < last && repeats(i, first));
    }
    return added(fronts);
  }
  // Strictly nothing dominates what it ties with: so that the order alone says so, ties in the first objective come the
  // other way round, the lowest second one first, and those in the others too (list).
  void turn_ties(std::int32_t n) {
    const rank_halves& h = memory_.halves;
    for (std::int32_t p = 0, end; p < n; p = end) {
      for (end = p + 1; end < n && row(h.at[end])[0] == row(h.at[p])[0];) ++end;
      std::reverse(h.at + p, h.at + end), std::reverse(h.copies + p, h.copies + end);
    }
  }
  void list(std::int32_t n, int objective, std::int32_t* points) {
    sort_entry* const entries = memory_.spare;
    const auto number = [&](std::int64_t i) { return strict() ? n - 1 - i : i; };
    for (std::int32_t i = 0; i < n; ++i) entries[i] = {descending(row(memory_.halves.at[number(i)])[objective]), i};
    sort_by_key(entries, memory_.another, n);
    for (std::int32_t i = 0; i < n; ++i) points[i] = static_cast<std::int32_t>(number(entries[i].at));
  }

  std::int64_t bisect(std::int64_t first, std::int64_t last) {
    memory_.forest.clear();
    bisect_job<T> job{memory_.present.rows,
                      memory_.order,
                      first,
                      last,
                      &memory_.forest,
                      memory_.present.index,
                      rank_,
                      fronts_,
                      choice_.most_fronts - fronts_,
                      strict(),
                      copies_queue()};
    if ((exec_.pool || exec_.parallel_for) && last - first >= rank_memory<T>::huge)
      bisect_in_batches(job);
    else
      run_keys<bisect_work<T>>(level_, job);
    return memory_.forest.count;
  }
  void bisect_in_batches(bisect_job<T> job) {
    constexpr std::int64_t tasks = 16, batch = rank_memory<T>::batch;
    const std::int64_t last = job.last;
    front_forest<T>& recent = memory_.recent;
    std::fill_n(recent.fronts, last - job.first, typename front_forest<T>::front{});
    job.found = memory_.spare, job.recent = &recent;
    // Where one may begin: not between copies.
    const auto begin_at = [&](std::int64_t i) {
      while (i < last && repeats(i, job.first)) ++i;
      return i;
    };
    std::int64_t first = job.first;
    for (std::int64_t end; first < last; first = end) {
      end = begin_at(std::min(last, first + batch));
      job.first = first, job.last = end;
      if (end - first > 2 * batch) {  // nearly all are copies of one sample
        job.step = bisect_step::all;
        run_keys<bisect_work<T>>(level_, job);
        continue;
      }
      auto look = [&](std::int64_t t) {
        bisect_job<T> part = job;
        part.step = bisect_step::look;
        part.first = begin_at(first + (end - first) * t / tasks);
        part.last = begin_at(first + (end - first) * (t + 1) / tasks);
        run_keys<bisect_work<T>>(level_, part);
      };
      run_tasks(exec_, tasks, look);
      recent.clear(), recent.count = memory_.forest.count;
      job.step = bisect_step::settle;
      run_keys<bisect_work<T>>(level_, job);
      for (std::int64_t i = first; i < end; ++i)
        recent.fronts[std::min(rank_of(i), recent.count - 1)] = {};
    }
  }

  // The definition: the rank after the largest of those that dominate a sample, all of which come before it.
  std::int64_t compare_all(std::int64_t first, std::int64_t last) {
    std::int64_t fronts = 0;
    for (std::int64_t i = first; i < last; ++i) {
      std::int64_t rank = 0;
      for (std::int64_t j = first; j < i; ++j) {
        dominance_test<T> test;
        for (int k = 0; k < table_.count; ++k) test.see(row(j)[k], row(i)[k]);
        if (test.dominates(table_.dominance) || (copies_queue() && test.equal()))
          rank = std::max(rank, memory_.spare[j].at + 1);
      }
      memory_.spare[i].at = rank;
      set_rank(i, rank);
      fronts = std::max(fronts, rank + 1);
    }
    return added(fronts);
  }

  // So that none comes before one that dominates it, copies side by side in the order of their numbers.
  void sort_run(std::int64_t first, std::int64_t last, bool curve) {
    sort_entry* const order = memory_.order + first;
    T limit[most_limits];
    const int along = std::min(table_.count, 32), bits = std::clamp(32 / along, 1, most_bits);
    for (int k = 0; curve && k < along; ++k) quantiles(order, last - first, k, bits, limit + (k << bits));
    for (std::int64_t i = first; i < last; ++i)
      memory_.order[i].key = curve ? curve_key(row(i), limit, along, bits) : first_keys(row(i));
    const auto before = [&](std::int64_t a, std::int64_t b) {
      const T *const x = memory_.present.row(a), *const y = memory_.present.row(b);
      for (int k = 0; k < table_.count; ++k)
        if (x[k] != y[k]) return x[k] > y[k];
      return a < b;
    };
    sort_entries(order, memory_.spare + first, last - first, before);
  }
  std::uint64_t first_keys(const T* x) const {
    if constexpr (sizeof(T) == 4)
      return std::uint64_t{descending(x[0])} << 32 | (table_.count > 1 ? descending(x[1]) : 0);
    else
      return descending(x[0]);
  }

  // Along a Z-curve over quantiles of the objectives, so that neighbours are alike and what dominates still comes first
  // (Lee et al. 2007): the bits of all objectives' quantiles in turn.
  static constexpr int most_bits = 8, most_limits = 8 << most_bits;  // for 4 objectives, or 32 of one bit
  static constexpr std::int64_t curve_from = 4096;                   // samples
  std::uint64_t curve_key(const T* x, const T* limit, int along, int bits) const {
    std::uint32_t part[32], z = 0;
    for (int k = 0; k < along; ++k) part[k] = part_of(x[k], limit + (k << bits), bits);
    for (int b = bits; b-- > 0;)
      for (int k = 0; k < along; ++k) z = z << 1 | (part[k] >> b & 1);
    return static_cast<std::uint64_t>(~z) << 32 | descending(static_cast<float>(x[0]));
  }
  void quantiles(const sort_entry* order, std::int64_t n, int k, int bits, T* limit) const {
    constexpr std::int64_t looks = 1024;
    T some[looks];
    const std::int64_t count = std::min(n, looks);
    for (std::int64_t i = 0; i < count; ++i) some[i] = memory_.present.row(order[n * i / count].at)[k];
    std::sort(some, some + count);
    for (std::int64_t q = 1; q < 1 << bits; ++q) limit[q - 1] = some[count * q >> bits];
  }
  // How many limits x reaches.
  static std::uint32_t part_of(T x, const T* limit, int bits) {
    std::uint32_t at = 0;
    for (std::uint32_t half = 1u << (bits - 1); half > 0; half /= 2) at += x >= limit[at + half - 1] ? half : 0;
    return at;
  }
};

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
