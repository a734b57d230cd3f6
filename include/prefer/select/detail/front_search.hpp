// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/arena.hpp>
#include <prefer/core/host_scratch.hpp>
#include <prefer/select/detail/dominance_tree.hpp>
#include <prefer/select/detail/front_filter.hpp>
#include <prefer/select/detail/front_pairs.hpp>
#include <prefer/select/detail/sort_entries.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>

// The non-dominated set of one large group on the CPU: a pass that drops what a few good samples dominate, then what
// suits the number of objectives. See docs/decisions/013_pareto_algorithms.md.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// What is left of a group: rows of keys with their scores and numbers within the group.
template <class T>
struct survivors {
  T* rows = nullptr;  // [n, K]
  T* score = nullptr;
  std::int32_t* index = nullptr;
  std::int64_t count = 0;

  void append(const objective_tile<T>& tile, int i, T its_score, int objectives) {
    T* const row = rows + count * objectives;
    for (int k = 0; k < objectives; ++k) row[k] = tile.keys[k * tile.stride + i];
    score[count] = its_score;
    index[count++] = static_cast<std::int32_t>(tile.first + i);
  }
};

// Rows by their first objective that differs, the larger one first, equal ones by number.
template <class T>
struct row_order {
  const T* rows;
  int objectives;
  bool operator()(std::int64_t a, std::int64_t b) const {
    const T *const x = rows + a * objectives, *const y = rows + b * objectives;
    for (int k = 0; k < objectives; ++k)
      if (x[k] != y[k]) return x[k] > y[k];
    return a < b;
  }
};

// Which of a run of samples, sorted so that none comes before one that dominates it, are in the set.
enum : std::uint8_t { flag_dominated = 1, flag_strictly = 2, flag_repeats = 4 };

template <class T>
struct window_job {
  const T* rows;
  const sort_entry* order;
  std::uint8_t* flags;  // of positions in `order`
  std::int64_t first, last;
  dominance_tree<T>* tree;
  int objectives;
  bool strict;
  bool grows;  // the tree takes in what it does not dominate; else it is only looked at
};
template <class T>
struct window_work {
  template <class Level>
  static inline __attribute__((always_inline)) void run(window_job<T>& job) {
    using V = lane<T, key_level<Level>>;
    V x[objectives::most];
    dominance_tree<T>& tree = *job.tree;
    for (std::int64_t i = job.first; i < job.last; ++i) {
      std::uint8_t& flag = job.flags[i];
      if ((flag & flag_repeats) != 0 || ((flag & flag_dominated) != 0 && (!job.strict || (flag & flag_strictly) != 0)))
        continue;
      const T* const row = job.rows + job.order[i].at * static_cast<std::int64_t>(job.objectives);
      for (int k = 0; k < job.objectives; ++k) x[k] = V(row[k]);
      if ((flag & flag_dominated) == 0 && tree.template dominates<compare::at_least, Level>(x)) flag |= flag_dominated;
      if (job.strict && (flag & flag_dominated) != 0 && tree.template dominates<compare::above, Level>(x))
        flag |= flag_strictly;
      if (job.grows && (flag & flag_dominated) == 0) tree.append(row);
    }
  }
};

// The memory of a large group of n samples: linear in n K.
template <class T>
struct front_memory {
  static constexpr std::int64_t huge = 1 << 14;  // samples of a group that all threads work on, in batches
  static constexpr std::int64_t batch = 2048;

  survivors<T> left;
  sort_entry *order = nullptr, *spare = nullptr;
  std::uint8_t* flags = nullptr;
  dominance_tree<T> tree, recent;
  // Of the sweep: [n + 1], [n] and [n].
  using word = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  word* highest = nullptr;
  std::int32_t* place = nullptr;
  sort_entry* third = nullptr;

  void carve(arena& memory, std::int64_t n, int objectives) {
    left.rows = memory.take<T>(n * objectives);
    left.score = memory.take<T>(n);
    left.index = memory.take<std::int32_t>(n);
    order = memory.take<sort_entry>(n);
    spare = memory.take<sort_entry>(n);
    flags = memory.take<std::uint8_t>(n);
    tree.carve(memory, n, objectives);
    recent.carve(memory, n < huge ? 0 : batch, objectives);
    if (objectives != 3) return;
    highest = memory.take<word>(n + 1);
    place = memory.take<std::int32_t>(n);
    third = memory.take<sort_entry>(n);
  }
};

// What a search answers: bit i of `words` for sample i of the group, zeros before.
struct front_answer {
  std::uint64_t* words = nullptr;
  std::int64_t first_nan = -1;  // the first sample of the group that has one
};

template <class T>
class front_search {
 public:
  front_search(const cpu& exec, isa level, const objective_table& table, const group_rows& samples,
               front_memory<T>& memory)
      : exec_(exec), level_(level), table_(table), group_(samples), memory_(memory), pivots_(table.count) {}

  void run(pareto_algorithm method, front_answer& answer) {
    violation_ = least_violation(table_, group_);
    choose_pivots();
    filter(method == pareto_algorithm::all_pairs, answer);
    survivors<T>& left = memory_.left;
    if (left.count == 0) return;
    const int k = table_.count;
    if (method == pareto_algorithm::all_pairs)
      pairs();
    else if (k == 1)
      keep_largest();
    else if (k == 2)
      scan();
    else if (k == 3 && method == pareto_algorithm::automatic && left.count > sweep_from)
      sweep();
    else
      window(method == pareto_algorithm::partitioned || (method == pareto_algorithm::automatic && mostly_front()));
    mark(answer);
  }

  // More samples than that are swept after the filter, or sorted by parts if most of them seem to stay
  // (docs/decisions/013_pareto_algorithms.md).
  static constexpr std::int64_t sweep_from = 512, partition_from = 2048;

 private:
  static constexpr int most_chunks = 64;
  static constexpr std::int64_t chunk_samples = 1 << 15;

  const cpu& exec_;
  const isa level_;
  const objective_table& table_;
  const group_rows& group_;
  front_memory<T>& memory_;
  score_scale<T> scale_;
  pivot_list<T> pivots_;
  double violation_ = 0;

  // Keys and scores of one tile, on the stack.
  struct buffers {
    alignas(64) T keys[(16 << 10) / sizeof(T) + 4 * objective_tile<T>::most];
    alignas(64) T score[objective_tile<T>::most];
    objective_tile<T> tile;
  };
  int step() const { return tile_samples(table_.count, sizeof(T)); }
  void load(buffers& b, std::int64_t first, std::int64_t count) const {
    b.tile.keys = b.keys;
    b.tile.stride = step();
    b.tile.first = first;
    b.tile.count = static_cast<int>(count);
    load_tile(level_, table_, group_, violation_, b.tile);
  }
  void score(buffers& b, const pivot_list<T>& pivots) {
    const bool strict = table_.dominance == dominance::strict;
    filter_job<T> job{&b.tile, &scale_, &pivots, table_.count, strict, b.score};
    run_keys<filter_work<T>>(level_, job);
  }

  // f(tile) of a few tiles spread over the group.
  template <class F>
  void sample(buffers& b, F f) const {
    const std::int64_t n = group_.count, count = std::min<std::int64_t>(std::min(step(), 64), n);
    const std::int64_t places = std::min<std::int64_t>(16, n / count);
    for (std::int64_t p = 0; p < places; ++p) {
      load(b, p * (n / places), count);
      f();
    }
  }

  void choose_pivots() {
    buffers b;
    T low[objectives::most], high[objectives::most];
    const T far = std::numeric_limits<T>::max();
    for (int k = 0; k < table_.count; ++k) low[k] = far, high[k] = -far;
    sample(b, [&] {
      for (int k = 0; k < table_.count; ++k)
        for (int i = 0; i < b.tile.count; ++i) {
          const T x = b.keys[k * b.tile.stride + i];
          if (!b.tile.takes_part(i) || !(x >= -far && x <= far)) continue;
          low[k] = std::min(low[k], x), high[k] = std::max(high[k], x);
        }
    });
    for (int k = 0; k < table_.count; ++k) scale_.set(k, low[k], high[k]);
    const pivot_list<T> none(table_.count);
    sample(b, [&] {
      score(b, none);
      pivots_.offer(b.tile, b.score, table_.count);
    });
  }

  // Samples that no pivot dominates, in the order of their numbers. Pivots get better on the way: what is left does not
  // depend on anything but the numbers of samples (chunks of fixed size), and the answer not even on that.
  void filter(bool keep_all, front_answer& answer) {
    const std::int64_t n = group_.count, chunks = std::clamp<std::int64_t>(n / chunk_samples, 1, most_chunks);
    survivors<T> part[most_chunks];
    std::int64_t nan[most_chunks];
    auto task = [&](std::int64_t c) {
      buffers b;
      const std::int64_t begin = n * c / chunks, end = n * (c + 1) / chunks;
      pivot_list<T> pivots = keep_all ? pivot_list<T>(table_.count) : pivots_;
      part[c] = {memory_.left.rows + begin * table_.count, memory_.left.score + begin, memory_.left.index + begin, 0};
      nan[c] = -1;
      for (std::int64_t first = begin; first < end; first += step()) {
        load(b, first, std::min<std::int64_t>(step(), end - first));
        if (nan[c] < 0) nan[c] = b.tile.first_nan;
        score(b, pivots);
        for (int w = 0; 64 * w < b.tile.count; ++w)
          for (std::uint64_t bits = b.tile.present[w]; bits != 0; bits &= bits - 1) {
            const int i = 64 * w + __builtin_ctzll(bits);
            part[c].append(b.tile, i, b.score[i], table_.count);
          }
        if (!keep_all) pivots.offer(b.tile, b.score, table_.count);
      }
    };
    run_tasks(exec_, chunks, task);
    survivors<T>& all = memory_.left;
    all.count = 0;
    for (std::int64_t c = 0; c < chunks; ++c) {
      if (answer.first_nan < 0) answer.first_nan = nan[c];
      std::copy_n(part[c].rows, part[c].count * table_.count, all.rows + all.count * table_.count);
      std::copy_n(part[c].score, part[c].count, all.score + all.count);
      std::copy_n(part[c].index, part[c].count, all.index + all.count);
      all.count += part[c].count;
    }
  }

  const T* row(std::int64_t at) const { return memory_.left.rows + at * table_.count; }
  bool same(std::int64_t a, std::int64_t b) const {
    const T *const x = row(a), *const y = row(b);
    for (int k = 0; k < table_.count; ++k)
      if (x[k] != y[k]) return false;
    return true;
  }

  // Sorts by keys that are set, then so that what dominates comes first, then by number; finds repeated samples.
  void sort() {
    const std::int64_t n = memory_.left.count;
    sort_entries(memory_.order, memory_.spare, n, row_order<T>{memory_.left.rows, table_.count});
    for (std::int64_t i = 0; i < n; ++i)
      memory_.flags[i] = i > 0 && same(memory_.order[i].at, memory_.order[i - 1].at) ? flag_repeats : 0;
  }
  void sort_by_objectives() {
    for (std::int64_t i = 0; i < memory_.left.count; ++i) {
      const T* const x = row(i);
      if constexpr (sizeof(T) == 4)
        memory_.order[i] = {std::uint64_t{descending(x[0])} << 32 | (table_.count > 1 ? descending(x[1]) : 0), i};
      else
        memory_.order[i] = {descending(x[0]), i};
    }
    sort();
  }
  void sort_by_score() {
    for (std::int64_t i = 0; i < memory_.left.count; ++i) {
      const auto key = descending(memory_.left.score[i]);
      if constexpr (sizeof(T) == 4)
        memory_.order[i] = {std::uint64_t{key} << 32 | descending(row(i)[0]), i};
      else
        memory_.order[i] = {key, i};
    }
    sort();
  }

  // One objective.
  void keep_largest() {
    const std::int64_t n = memory_.left.count;
    T most = row(0)[0];
    for (std::int64_t i = 1; i < n; ++i) most = std::max(most, row(i)[0]);
    std::int64_t found = 0, others = n;
    for (std::int64_t i = 0; i < n; ++i)
      if (row(i)[0] == most)
        memory_.flags[found] = found > 0 ? flag_repeats : 0, memory_.order[found++].at = i;
      else
        memory_.flags[--others] = flag_dominated | flag_strictly, memory_.order[others].at = i;
  }

  // Two: what comes before has at least the first objective, so that the second decides.
  void scan() {
    sort_by_objectives();
    T best{}, best_before{};  // second objective: so far, and of samples with a larger first one
    bool any = false, any_before = false;
    for (std::int64_t i = 0; i < memory_.left.count; ++i) {
      if ((memory_.flags[i] & flag_repeats) != 0) continue;
      const T* const x = row(memory_.order[i].at);
      if (i > 0 && row(memory_.order[i - 1].at)[0] != x[0]) best_before = best, any_before = any;
      if (any && best >= x[1]) memory_.flags[i] |= flag_dominated;
      if (any_before && best_before > x[1]) memory_.flags[i] |= flag_strictly;
      if (!any || x[1] > best) best = x[1];
      any = true;
    }
  }

  // Three: what comes before has at least the first objective; a Fenwick tree (1994, of maxima) over the ranks of the
  // second has the largest third objective among those with at least that second one.
  void sweep() {
    sort_by_objectives();
    const std::int64_t n = memory_.left.count, ranks = rank_second();
    std::fill_n(memory_.highest, ranks + 1, 0);
    for (std::int64_t i = 0, end; i < n; i = end) {
      const T first = row(memory_.order[i].at)[0];
      for (end = i; end < n && row(memory_.order[end].at)[0] == first; ++end)
        if (highest_of(memory_.place[end] - 1) > third(end)) memory_.flags[end] |= flag_strictly;
      for (std::int64_t j = i; j < end; ++j) {
        if ((memory_.flags[j] & flag_repeats) != 0) continue;
        if (highest_of(memory_.place[j]) >= third(j))
          memory_.flags[j] |= flag_dominated;
        else
          raise(memory_.place[j], ranks, third(j));
      }
    }
  }
  using word = typename front_memory<T>::word;
  word third(std::int64_t position) const { return static_cast<word>(~descending(row(memory_.order[position].at)[2])); }
  word highest_of(std::int64_t rank) const {
    word most = 0;
    for (; rank > 0; rank &= rank - 1) most = std::max(most, memory_.highest[rank]);
    return most;
  }
  void raise(std::int64_t rank, std::int64_t ranks, word x) {
    for (; rank <= ranks; rank += rank & -rank) memory_.highest[rank] = std::max(memory_.highest[rank], x);
  }
  // From 1, the largest second objective first.
  std::int64_t rank_second() {
    const std::int64_t n = memory_.left.count;
    sort_entry* const second = memory_.spare;
    for (std::int64_t i = 0; i < n; ++i) second[i] = {descending(row(memory_.order[i].at)[1]), i};
    radix_sort(second, memory_.third, n);
    std::int64_t rank = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      if (i == 0 || second[i].key != second[i - 1].key) ++rank;
      memory_.place[second[i].at] = static_cast<std::int32_t>(rank);
    }
    return rank;
  }

  // More: every sample against those of the set that come before it.
  void window(bool by_parts) {
    by_parts ? sort_by_parts() : sort_by_score();
    const std::int64_t n = memory_.left.count;
    const bool threads = exec_.pool || exec_.parallel_for;
    const std::int64_t batch = threads ? front_memory<T>::batch : n;
    for (std::int64_t first = 0; first < n; first += batch) {
      const std::int64_t last = std::min(n, first + batch);
      if (!threads || n <= batch) {
        look(first, last, memory_.tree, true);
        continue;
      }
      // Against what came before on all threads, against each other on one.
      constexpr std::int64_t tasks = 32;
      auto task = [&](std::int64_t t) {
        look(first + (last - first) * t / tasks, first + (last - first) * (t + 1) / tasks, memory_.tree, false);
      };
      run_tasks(exec_, tasks, task);
      memory_.recent.count = 0;
      look(first, last, memory_.recent, true);
      for (std::int64_t i = first; i < last; ++i)
        if ((memory_.flags[i] & (flag_repeats | flag_dominated)) == 0) memory_.tree.append(row(memory_.order[i].at));
    }
  }
  void look(std::int64_t first, std::int64_t last, dominance_tree<T>& tree, bool grows) const {
    const bool strict = table_.dominance == dominance::strict;
    window_job<T> job{memory_.left.rows, memory_.order, memory_.flags, first, last, &tree, table_.count, strict, grows};
    run_keys<window_work<T>>(level_, job);
  }

  // Along a Z-curve over quantiles of the objectives, so that neighbours are alike and what dominates still comes first
  // (Lee et al. 2007): the bits of all objectives' quantiles in turn.
  void sort_by_parts() {
    const int curve = std::min(table_.count, 32), bits = std::clamp(32 / curve, 1, most_part_bits);
    T limit[most_limits];
    for (int k = 0; k < curve; ++k) quantiles(k, bits, limit + (k << bits));
    for (std::int64_t i = 0; i < memory_.left.count; ++i) {
      const T* const x = row(i);
      std::uint32_t part[32];
      for (int k = 0; k < curve; ++k) part[k] = part_of(x[k], limit + (k << bits), bits);
      std::uint32_t z = 0;
      for (int b = bits; b-- > 0;)
        for (int k = 0; k < curve; ++k) z = z << 1 | (part[k] >> b & 1);
      const std::uint32_t score = descending(static_cast<float>(memory_.left.score[i]));
      memory_.order[i] = {static_cast<std::uint64_t>(~z) << 32 | score, i};
    }
    sort();
  }
  static constexpr int most_part_bits = 8, most_limits = 8 << most_part_bits;  // for 4 objectives, or 32 of one bit
  void quantiles(int k, int bits, T* limit) const {
    constexpr std::int64_t looks = 1024;
    T some[looks];
    const std::int64_t n = memory_.left.count, count = std::min(n, looks);
    for (std::int64_t i = 0; i < count; ++i) some[i] = row(n * i / count)[k];
    std::sort(some, some + count);
    for (std::int64_t q = 1; q < 1 << bits; ++q) limit[q - 1] = some[count * q >> bits];
  }
  // How many limits x reaches.
  static std::uint32_t part_of(T x, const T* limit, int bits) {
    std::uint32_t at = 0;
    for (std::uint32_t half = 1u << (bits - 1); half > 0; half /= 2) at += x >= limit[at + half - 1] ? half : 0;
    return at;
  }

  // Compares `count` samples, spread over those that are left, with each other; `stay` says which stay.
  void pairs_of(std::int64_t count, std::uint32_t* stay) const {
    const std::int64_t words = pair_bits<T>::words_of(count), stride = words * pair_bits<T>::width;
    T* const keys = memory_.tree.level[0];
    for (std::int64_t i = 0; i < count; ++i) {
      const T* const x = row(memory_.left.count * i / count);
      for (int k = 0; k < table_.count; ++k) keys[k * stride + i] = x[k];
    }
    for (std::int64_t j = 0; j < words; ++j) stay[j] = pair_bits<T>::of_first(count - j * pair_bits<T>::width);
    pairs_job<T> job{keys, stride, count, &table_, stay};
    run_keys<pairs_work<T>>(level_, job);
  }
  // Three quarters of some samples stay: then many will.
  bool mostly_front() const {
    constexpr std::int64_t some = 512;
    if (memory_.left.count < partition_from) return false;
    std::uint32_t stay[some / pair_bits<T>::width];
    pairs_of(some, stay);
    std::int64_t stays = 0;
    for (const std::uint32_t bits : stay) stays += __builtin_popcount(bits);
    return stays >= some * 3 / 4;
  }

  // Every sample against every other.
  void pairs() {
    survivors<T>& left = memory_.left;
    auto* const stay = reinterpret_cast<std::uint32_t*>(memory_.spare);
    pairs_of(left.count, stay);
    // `stay` has settled equal samples too.
    std::int64_t kept = 0;
    for (std::int64_t i = 0; i < left.count; ++i)
      if (pair_bits<T>::get(stay, i)) memory_.order[kept++].at = i;
    kept_ = kept;
  }
  std::int64_t kept_ = -1;

  // Bits of what is in the set, equal samples as the options have it.
  void mark(front_answer& answer) const {
    const auto set = [&](std::int64_t position) {
      const std::int32_t i = memory_.left.index[memory_.order[position].at];
      answer.words[i >> 6] |= std::uint64_t{1} << (i & 63);
    };
    for (std::int64_t i = 0; i < kept_; ++i) set(i);
    if (kept_ >= 0) return;
    const int out = table_.dominance == dominance::strict ? flag_strictly : flag_dominated;
    for (std::int64_t i = 0, end; i < memory_.left.count; i = end) {
      for (end = i + 1; end < memory_.left.count && (memory_.flags[end] & flag_repeats) != 0;) ++end;
      if ((memory_.flags[i] & out) != 0 || (table_.duplicates == duplicates::drop && end - i > 1)) continue;
      set(i);
      for (std::int64_t j = i + 1; j < end && table_.duplicates == duplicates::keep; ++j) set(j);
    }
  }
};

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
