// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/map_reduce.hpp>
#include <prefer/backend/cpu/segmented_map_reduce.hpp>
#include <prefer/backend/cpu/transpose.hpp>
#include <prefer/backend/group_map.hpp>

#include <cstdint>
#include <cstring>
#include <new>
#include <type_traits>

// group_map on the CPU (contract: backend/group_map.hpp). Neighbouring groups are converted to double together, into a
// buffer that stays in the first cache, and pass through it stage by stage: moments, rule, answers. Groups of up to 64
// scores are taken eight at a time, one in each element of a lane, whatever their sizes; longer ones lie along lanes.
// Either way the order of the sums depends on the length alone. A group that does not fit is cut into pieces that do,
// and the pieces into at most 256 parts, by its length alone; the parts of a very long one are dealt to threads.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline constexpr int group_piece = 1024;                             // scores in the buffer
inline constexpr int most_neighbours = 256;                          // groups in it
inline constexpr int short_group = 64;                               // up to here eight groups share lanes
inline constexpr std::int64_t shared_group = std::int64_t{1} << 16;  // from here on, threads share one group

// Scores side by side, which of them are selected, and the groups they belong to. The scores are in the buffer, or
// still where the caller has them, if they are doubles or floats there. `overrun` numbers can be read behind the last
// one, a lane be written, and sixteen groups be read and written behind the last one.
struct group_buffer {
  static constexpr int overrun = 2 * short_group, room = group_piece + overrun;
  static constexpr int groups_room = most_neighbours + 2 * groups_at_once;
  const double* x = own;               // the scores
  const float* floats = nullptr;       // the scores, if these are the caller's floats
  const std::uint8_t* keep = nullptr;  // null: all
  int groups = 0, size = -1;           // size of every group; -1 if they differ
  int most = group_piece;              // no group is longer
  std::int64_t from = 0;               // place of the first score in its group
  const char *next_in = nullptr, *next_out = nullptr;  // what is read and written after this buffer; null: unknown
  int in_bytes = 0, out_bytes = 0;                     // of one number there
  int begin[groups_room + 1];          // of group i; the groups behind the last are empty
  double begins[groups_room + 1];      // the same
  alignas(64) double count[groups_room], mean[groups_room], squares[groups_room];
  alignas(64) double own[room] = {}, y[room];
  alignas(64) std::uint8_t flags[room] = {};

  // Fetches what takes the place of scores [first, last) in the next buffer.
  inline __attribute__((always_inline)) void fetch(int first, int last) const {
    if (next_in == nullptr) return;
    const char *in = next_in + first * in_bytes, *out = next_out + first * out_bytes;
    for (int i = first; i < last; i += 16, in += 16 * in_bytes, out += 16 * out_bytes)
      __builtin_prefetch(in), __builtin_prefetch(out, 1);
  }
  // Group i ends where group i + 1 begins: set_begin says where, then this says how many they are.
  void group_scores(int number, int of_size, int at_most = group_piece) {
    groups = number, size = of_size, most = at_most;
    for (int i = number + 1; i <= number + 2 * groups_at_once; ++i) set_begin(i, begin[number]);
  }
  void set_begin(int i, int at) { begin[i] = at, begins[i] = at; }
  void group_alike(int number, int of_size) {
    if (groups == number && size == of_size) return;
    for (int i = 0; i <= number; ++i) set_begin(i, i * of_size);
    group_scores(number, of_size, of_size);
  }
};

// The moments of the groups in a buffer. Compiled once for all rules.
struct moments_work {
  group_buffer* buffer;

  template <class Level>
  struct stage {
    using V = lane<double, Level>;
    using mask = typename V::mask;
    static_assert(V::width == groups_at_once);

    group_buffer& b;
    const V index;

    // One group along lanes: the sum of f(scores) of those that are its own and selected. Whole lanes of a group
    // without a mask are not masked: comparing costs more than adding.
    template <bool Masked, class Number, class F>
    inline __attribute__((always_inline)) double sum_along(const Number* x, const std::uint8_t* keep, int begin,
                                                           int count, const F& f) const {
      V part[4] = {};
      int g = 0;
      const auto kept = [&](int at) PREFER_HD_LAMBDA {
        const V v = f(V::load(x + at)).settled();
        if constexpr (Masked)
          return select(mask::load(keep + at), v, V(0));
        else
          return v;
      };
      for (; g + 4 * V::width <= count; g += 4 * V::width) {
        b.fetch(begin + g, begin + g + 4 * V::width);
        unrolled<4>([&](auto k) PREFER_HD_LAMBDA { part[k] += kept(g + k * V::width); });
      }
      for (; g < count; g += V::width) part[0] += select(index < V(static_cast<double>(count - g)), kept(g), V(0));
      return ((part[0] + part[1]) + (part[2] + part[3])).sum();
    }
    template <bool Masked, class Number>
    inline __attribute__((always_inline)) void along(int i, const Number* x) const {
      const int count = b.begin[i + 1] - b.begin[i];
      const std::uint8_t* keep = nullptr;
      int first = 0, kept = count;
      if constexpr (Masked) {
        keep = b.keep + b.begin[i], kept = 0;
        for (int k = count; k-- > 0;)
          if (keep[k] != 0) ++kept, first = k;
      }
      b.count[i] = kept, b.mean[i] = 0, b.squares[i] = 0;
      if (kept == 0) return;
      const double origin = x[first];
      const V pivot(origin);
      const double apart =
          sum_along<Masked>(x, keep, b.begin[i], count, [&](const V& v) PREFER_HD_LAMBDA { return v - pivot; }) / kept;
      const V centre(apart);
      b.mean[i] = origin + apart;
      b.squares[i] = sum_along<Masked>(x, keep, b.begin[i], count, [&](const V& v) PREFER_HD_LAMBDA {
        const V d = (v - pivot) - centre;
        return d * d;
      });
    }
    template <class Number>
    inline __attribute__((always_inline)) void along(int i, const Number* x) const {
      x += b.begin[i];
      b.keep != nullptr ? along<true>(i, x) : along<false>(i, x);
    }

    // The order of all sums across lanes: eight by eight.
    template <int Count>
    static inline __attribute__((always_inline)) V tree(const V* s) {
      if constexpr (Count == 4)
        return (s[0] + s[1]) + (s[2] + s[3]);
      else
        return tree<Count / 2>(s) + tree<Count / 2>(s + Count / 2);
    }

    // Eight groups, one per element; column j has the scores number j of all of them, then their distances from the
    // first.
    struct columns {
      V x[short_group];
      V chosen[short_group];  // 1 for what is selected, else 0
    };
    // What can be missing from eight groups: nothing, what is behind the end of the shorter ones, or what is not
    // selected too. Adding a 0 for it changes nothing.
    enum class missing { none, behind, masked };

    // f(j, there) for every eighth column; there(k, x) is x, or 0 where column j + k is missing.
    template <missing M, class F>
    static inline __attribute__((always_inline)) void by_eights(const columns& c, int largest, V size, const F& f) {
      for (int j = 0; j < largest; j += 8) {
        f(j, [&](auto k, const V& x) PREFER_HD_LAMBDA {
          if constexpr (M == missing::none)
            return x;
          else if constexpr (M == missing::behind)
            return select(V(static_cast<double>(k)) < size, x, V(0));
          else
            return select(c.chosen[j + k] > V(0), x, V(0));
        });
        if constexpr (M == missing::behind) size -= V(8);
      }
    }
    inline __attribute__((always_inline)) void store(int i, const V& kept, const V& mean, const V& squares) const {
      kept.store(b.count + i);
      select(kept > V(0), mean, V(0)).store(b.mean + i);  // squares of nothing are 0
      squares.store(b.squares + i);
    }
    // Columns j to j + 7 of groups i to i + 7.
    inline __attribute__((always_inline)) void load_columns(int i, int j, V (&column)[8]) const {
      if (b.floats != nullptr) {
        unrolled<8>([&](auto k) PREFER_HD_LAMBDA { column[k] = V::load(b.floats + b.begin[i + k] + j); });
      }
      else
        unrolled<8>([&](auto k) PREFER_HD_LAMBDA { column[k] = V::load(b.x + b.begin[i + k] + j); });
      transpose(column);
    }
    // The `count` groups from number i on, and something for the others of eight, which come later.
    template <missing M>
    inline __attribute__((always_inline)) void eight(int i, int count, int largest) const {
      columns c;
      b.fetch(b.begin[i], b.begin[i + count]);
      const V size = V::load(b.begins + i + 1) - V::load(b.begins + i);
      V kept = size, first(0), all(0), squares(0);
      if constexpr (M == missing::masked) kept = choose(i, largest, size, c, first);
      by_eights<M>(c, largest, size, [&](int j, const auto& there) PREFER_HD_LAMBDA {
        V d[8];
        if constexpr (M == missing::masked) {
          unrolled<8>([&](auto k) PREFER_HD_LAMBDA { d[k] = c.x[j + k]; });
        } else {
          load_columns(i, j, d);
          if (j == 0) first = d[0];
        }
        unrolled<8>([&](auto k) PREFER_HD_LAMBDA { c.x[j + k] = d[k] = there(k, (d[k] - first).settled()); });
        all += tree<8>(d);
      });
      const V apart = all / kept;
      by_eights<M>(c, largest, size, [&](int j, const auto& there) PREFER_HD_LAMBDA {
        V s[8];
        unrolled<8>([&](auto k) PREFER_HD_LAMBDA {
          const V of_mean = c.x[j + k] - apart;
          s[k] = there(k, (of_mean * of_mean).settled());
        });
        squares += tree<8>(s);
      });
      store(i, kept, first + apart, squares);
    }
    // How many scores of each group are selected, which, and the first of them; the columns.
    inline __attribute__((always_inline)) V choose(int i, int largest, const V& size, columns& c, V& first) const {
      V kept(0);
      for (int j = (largest + 7) / 8 * 8 - 8; j >= 0; j -= 8) {
        V row[8], x[8];
        unrolled<8>([&](auto k)
                        PREFER_HD_LAMBDA { row[k] = select(mask::load(b.keep + b.begin[i + k] + j), V(1), V(0)); });
        transpose(row);
        load_columns(i, j, x);
        const V left = size - V(static_cast<double>(j));
        for (int k = 8; k-- > 0;) {
          const V chosen = select(V(static_cast<double>(k)) < left, row[k], V(0));
          c.x[j + k] = x[k], c.chosen[j + k] = chosen, kept += chosen;
          first = select(chosen > V(0), x[k], first);
        }
      }
      return kept;
    }

    // The moments of groups of `Size` scores each, in registers. Multiplying by the inverse of a power of two is
    // dividing.
    template <int Size>
    static inline __attribute__((always_inline)) void few(const V* column, V& mean, V& squares) {
      V d[Size];
      unrolled<Size>([&](auto k) PREFER_HD_LAMBDA { d[k] = (column[k] - column[0]).settled(); });
      const V apart = tree<Size>(d) * V(1.0 / Size);
      unrolled<Size>([&](auto k) PREFER_HD_LAMBDA {
        const V of_mean = d[k] - apart;
        d[k] = (of_mean * of_mean).settled();
      });
      mean = column[0] + apart, squares = tree<Size>(d);
    }
    // All groups, of 4 or 8 scores: 64 scores at a time. Of the small ones a row has two, and a column one score of
    // every other group.
    template <int Size>
    inline __attribute__((always_inline)) void all_of_few() const {
      constexpr int sets = 8 / Size;
      for (int i = 0; i < b.groups; i += groups_at_once * sets) {
        V column[8], mean[sets], squares[sets];
        b.fetch(i * Size, i * Size + 64);
        if (b.floats != nullptr) {
          unrolled<8>([&](auto k) PREFER_HD_LAMBDA { column[k] = V::load(b.floats + i * Size + 8 * k); });
        }
        else
          unrolled<8>([&](auto k) PREFER_HD_LAMBDA { column[k] = V::load(b.x + i * Size + 8 * k); });
        transpose(column);
        unrolled<sets>([&](auto k) PREFER_HD_LAMBDA { few<Size>(column + Size * k, mean[k], squares[k]); });
        if constexpr (sets == 2) interleave(mean[0], mean[1]), interleave(squares[0], squares[1]);
        unrolled<sets>([&](auto k) PREFER_HD_LAMBDA {
          const int at = i + groups_at_once * k;
          V(static_cast<double>(Size)).store(b.count + at);
          mean[k].store(b.mean + at), squares[k].store(b.squares + at);
        });
      }
    }

    inline __attribute__((always_inline)) void run() const {
      if (b.keep == nullptr) {
        if (b.size == 4) return all_of_few<4>();
        if (b.size == 8) return all_of_few<8>();
        if (b.size > 0 && b.size <= short_group && b.size % 8 == 0) {
          for (int i = 0; i < b.groups; i += groups_at_once) eight<missing::none>(i, groups_at_once, b.size);
          return;
        }
      }
      for (int i = 0; i < b.groups;) {
        int count = groups_at_once, largest = b.size;
        if (b.size < 0 || b.size > short_group) count = short_ones(i, largest);
        if (count == 0)
          b.floats != nullptr ? along(i, b.floats) : along(i, b.x);
        else if (b.keep == nullptr)
          eight<missing::behind>(i, count, largest);
        else
          eight<missing::masked>(i, count, largest);
        i += count == 0 ? 1 : count;
      }
    }
    // How many groups from number i on are short, up to eight, and the largest size of these.
    inline __attribute__((always_inline)) int short_ones(int i, int& largest) const {
      largest = 0;
      for (int k = 0; k < groups_at_once; ++k) {
        const int size = b.begin[i + k + 1] - b.begin[i + k];
        if (size > short_group) return k;
        largest = largest < size ? size : largest;
      }
      return groups_at_once;
    }
  };

  template <class Level>
  static inline __attribute__((always_inline)) void run(moments_work& w) {
    stage<Level>{*w.buffer, lane<double, Level>::index()}.run();
  }
};

// Whether there are NaN among the first numbers of a buffer. By integers, in groups of known length, which compilers
// make vectors of at -O2; what is behind the numbers is overwritten.
inline bool has_nan(double* x, int count) {
  std::fill(x + count, x + count + conversion_width, 0.0);
  std::uint64_t above[conversion_width] = {}, any = 0;
  for (int i = 0; i < count; i += conversion_width) {
    std::uint64_t bits[conversion_width];
    std::memcpy(bits, x + i, sizeof(bits));
    for (int k = 0; k < conversion_width; ++k) above[k] |= 0x7ff0000000000000u - (bits[k] & 0x7fffffffffffffffu);
  }
  for (const std::uint64_t a : above) any |= a;
  return any >> 63 != 0;
}

// The standard deviations of the groups in a buffer.
struct deviations_of_groups {
  const group_buffer* buffer;
  double* to;

  template <class Level>
  static inline __attribute__((always_inline)) void run(deviations_of_groups& w) {
    using V = lane<double, Level>;
    const group_buffer& b = *w.buffer;
    for (int i = 0; i < b.groups; i += V::width)
      basic_moments<V>{V::load(b.count + i), V(0), V::load(b.squares + i)}.std(deviation::population).store(w.to + i);
  }
};

// The functions that a rule answers with for the groups in a buffer, and what these contribute to a batch: by lanes of
// groups where the rule is written for them.
template <class Rule, class V>
concept answers_lanes = requires(const Rule& r, const basic_moments<V>& m, function_of_rule<Rule>* to) {
  function_of(r, m, moments{}).spread(to);
};
template <class Rule, class V>
concept contributes_lanes = requires(const Rule& r, const basic_moments<V>& m) {
  { r.contribution(m) } -> std::same_as<basic_moments<V>>;
};

template <class Rule>
struct answer_work {
  const Rule* rule;
  const group_buffer* buffer;
  const moments* batch;
  function_of_rule<Rule>* to;

  template <class Level>
  static inline __attribute__((always_inline)) void run(answer_work& w) {
    using V = lane<double, Level>;
    const group_buffer& b = *w.buffer;
    if constexpr (answers_lanes<Rule, V>) {
      for (int i = 0; i < b.groups; i += V::width)
        function_of(*w.rule, basic_moments<V>{V::load(b.count + i), V::load(b.mean + i), V::load(b.squares + i)},
                    *w.batch)
            .spread(w.to + i);
    } else {
      for (int i = 0; i < b.groups; ++i)
        ::new (static_cast<void*>(w.to + i))
            function_of_rule<Rule>(function_of(*w.rule, moments{b.count[i], b.mean[i], b.squares[i]}, *w.batch));
    }
  }
};

// Contributions so far: eight sets of groups, one per element of a lane.
struct contributions {
  alignas(64) double count[groups_at_once] = {}, mean[groups_at_once] = {}, squares[groups_at_once] = {};

  moments merged() const {
    moments all;
    for (int i = 0; i < groups_at_once; ++i) all = merge(all, moments{count[i], mean[i], squares[i]});
    return all;
  }
};

template <class Rule>
struct contribution_work {
  const Rule* rule;
  const group_buffer* buffer;
  contributions* to;

  template <class Level>
  static inline __attribute__((always_inline)) void run(contribution_work& w) {
    using V = lane<double, Level>;
    const group_buffer& b = *w.buffer;
    contributions& c = *w.to;
    if constexpr (contributes_lanes<Rule, V>) {
      basic_moments<V> all{V::load(c.count), V::load(c.mean), V::load(c.squares)};
      for (int i = 0; i < b.groups; i += V::width) {
        const V count = V::load(b.count + i), left(static_cast<double>(b.groups - i));
        basic_moments<V> m = w.rule->contribution(basic_moments<V>{count, V::load(b.mean + i), V::load(b.squares + i)});
        m.count = select(V::index() < left, m.count, V(0));
        all = merge(all, m);
      }
      all.count.store(c.count), all.mean.store(c.mean), all.squares.store(c.squares);
    } else if constexpr (learns_batch<Rule>) {
      moments all{c.count[0], c.mean[0], c.squares[0]};
      for (int i = 0; i < b.groups; ++i)
        all = merge(all, w.rule->contribution(moments{b.count[i], b.mean[i], b.squares[i]}));
      c.count[0] = all.count, c.mean[0] = all.mean, c.squares[0] = all.squares;
    }
  }
};

// The answers for all scores in a buffer, in order: from doubles to doubles, or from the caller's floats to floats.
// Whole lanes, behind the end of a group too, where the next one will be; nothing behind the last one.
template <class Function>
struct group_map_work {
  group_buffer* buffer;
  const Function* functions;
  double* to;
  float* to_floats;  // if the scores are floats

  template <class Level>
  static inline __attribute__((always_inline)) void run(group_map_work& w) {
    w.buffer->floats != nullptr ? groups<Level>(w, w.buffer->floats, w.to_floats) : groups<Level>(w, w.buffer->x, w.to);
  }

 private:
  template <class Level, class Number>
  static inline __attribute__((always_inline)) void groups(group_map_work& w, const Number* x, Number* to) {
    using V = lane<double, Level>;
    const group_buffer& b = *w.buffer;
    int i = 0;
    if (b.keep == nullptr) {
      if (b.size == 4 && b.from == 0)
        i = pairs_of_four<V>(w, x, to);
      else if (b.size == 8 && b.from == 0)
        for (; i < b.groups; ++i)
          answer<V>(ready<V>(w.functions[i]), V::load(x + 8 * i), repeated<V>(b.mean + i), V(0)).store(to + 8 * i);
      i = with_room<V>(w, i, x, to);
    }
    for (; i < b.groups; ++i) one<V>(w, i, x, to);
  }
  // Both of them for all scores of the lane.
  template <class V, class Number>
  static inline __attribute__((always_inline)) int pairs_of_four(group_map_work& w, const Number* x, Number* to) {
    const group_buffer& b = *w.buffer;
    const auto front = V::index() < V(4);
    int i = 0;
    for (; i + 1 < b.groups; i += 2) {
      const V score = V::load(x + 4 * i);
      select(front, answer<V>(ready<V>(w.functions[i]), score, repeated<V>(b.mean + i), V(0)),
             answer<V>(ready<V>(w.functions[i + 1]), score, repeated<V>(b.mean + i + 1), V(-4)))
          .store(to + 4 * i);
    }
    return i;
  }
  // The numbers that every group takes lanes for, if the longest takes one or two, else 0: a loop that ends now here,
  // now there is guessed wrong too often.
  template <class V>
  static inline __attribute__((always_inline)) int lanes_alike(const group_buffer& b) {
    return b.most <= V::width ? V::width : b.most <= 2 * V::width ? 2 * V::width : 0;
  }
  // Groups from number i on whose lanes end before the buffer does, without a mask: how far these go.
  template <class V, class Number>
  static inline __attribute__((always_inline)) int with_room(group_map_work& w, int i, const Number* x, Number* to) {
    const group_buffer& b = *w.buffer;
    const int alike = lanes_alike<V>(b);
    int last = b.groups;
    const auto lanes_end = [&](int group) PREFER_HD_LAMBDA {
      const int size = b.begin[group + 1] - b.begin[group], all = (size + V::width - 1) / V::width * V::width;
      return b.begin[group] + (alike > 0 ? alike : size == 0 ? V::width : all);
    };
    while (last > i && lanes_end(last - 1) > b.begin[b.groups]) --last;
    for (; i < last; ++i) {
      const auto f = ready<V>(w.functions[i]);
      const V mean = repeated<V>(b.mean + i);
      const int begin = b.begin[i], end = alike > 0 ? begin + alike : b.begin[i + 1];
      int at = begin;
      const auto map = [&](int here) PREFER_HD_LAMBDA {
        answer<V>(f, V::load(x + here), mean, V(static_cast<double>(b.from) + (here - begin))).store(to + here);
      };
      for (; at + 4 * V::width <= end; at += 4 * V::width) {
        b.fetch(at, at + 4 * V::width);
        unrolled<4>([&](auto k) PREFER_HD_LAMBDA { map(at + k * V::width); });
      }
      for (; at < end; at += V::width) map(at);
    }
    return i;
  }
  template <class V, class Number>
  static inline __attribute__((always_inline)) void one(group_map_work& w, int i, const Number* x, Number* to) {
    const group_buffer& b = *w.buffer;
    const auto f = ready<V>(w.functions[i]);
    const V mean = repeated<V>(b.mean + i);
    const int alike = lanes_alike<V>(b), last = b.begin[b.groups];
    const int begin = b.begin[i], end = alike > 0 ? begin + alike : b.begin[i + 1];
    for (int at = begin; at < end; at += V::width) {
      V found = answer<V>(f, V::load(x + at), mean, V(static_cast<double>(b.from) + (at - begin)));
      if (b.keep != nullptr) found = select(V::mask::load(b.keep + at), found, V(0));
      if (at + V::width <= last)
        found.store(to + at);
      else
        store_some(found, to + at, last - at);
    }
  }
  // A function for whole lanes.
  template <class V>
  static inline __attribute__((always_inline)) auto ready(const Function& f) {
    if constexpr (requires { f.template repeated<V>(); })
      return f.template repeated<V>();
    else
      return f;
  }
  // Of the scores in places place, place + 1, ... of one group.
  template <class V, class F>
  static inline __attribute__((always_inline)) V answer(const F& f, const V& score, const V& mean, const V& place) {
    return f(group_item<V>{score, score - mean, V::index() + place}).settled();
  }
  template <class V, class To>
  static inline __attribute__((always_inline)) void store_some(const V& answer, To* to, int count) {
    alignas(64) To some[V::width];
    answer.store(some);
    for (int i = 0; i < count; ++i) to[i] = some[i];
  }
};

// Rule and scores without their types: what all rules with one kind of function share is compiled once.
template <class Function>
struct group_job {
  const void *rule, *scores;
  const group_arguments* arguments;
  isa level;
  bool computed;  // scores that cost more than a load
  void (*load)(const group_job&, std::int64_t first, int count, double* to);
  void (*answer)(const group_job&, const group_buffer&, const moments& batch, Function* to);
  void (*contribute)(const group_job&, const group_buffer&, contributions& to);

  template <class Rule, class Scores>
  static group_job of(const Rule& r, const Scores& s, const group_arguments& a, isa level) {
    return {&r,
            &s,
            &a,
            level,
            !std::is_same_v<Scores, stored_scores>,
            [](const group_job& j, std::int64_t first, int count, double* to) {
              static_cast<const Scores*>(j.scores)->fill(first, count, to, j.level);
            },
            [](const group_job& j, const group_buffer& b, const moments& batch, Function* to) {
              answer_work<Rule> w{static_cast<const Rule*>(j.rule), &b, &batch, to};
              run_at<answer_work<Rule>>(j.level, w);
            },
            [](const group_job& j, const group_buffer& b, contributions& to) {
              contribution_work<Rule> w{static_cast<const Rule*>(j.rule), &b, &to};
              run_at<contribution_work<Rule>>(j.level, w);
            }};
  }
};

// What one thread does: groups, and parts of long groups, through its buffer.
template <class Function>
class group_thread {
 public:
  explicit group_thread(const group_job<Function>& job)
      : job_(job), a_(*job.arguments) {}

  // Groups [g, end) but for those that threads share. Either maps them or adds up their contributions.
  // False if there are any.
  bool run(std::int64_t g, std::int64_t end, const moments& batch, contributions* contributed) {
    bool all = true;
    while (g < end) {
      const int fit = neighbours(g, end);
      if (fit > 0) {
        load(first_, b_.begin[fit]);
        if (contributed != nullptr) {
          fetch_behind(first_, b_.begin[fit], false);
          find_moments(g);
          job_.contribute(job_, b_, *contributed);
        } else {
          map(g, batch);
        }
      } else if (const token_range r = range_of(a_.scores, g); r.size() < shared_group) {
        hold(r);
        const moments m = whole(g, r);
        set(m);
        if (contributed != nullptr) {
          job_.contribute(job_, b_, *contributed);
        } else {
          write_group(a_, g, m);
          map_part(m, batch, r, r.begin, r.end);
        }
      } else {
        all = false;
      }
      g += fit > 0 ? fit : 1;
    }
    return all;
  }

  // Where part `k` of a group begins.
  static std::int64_t part_begin(const token_range& r, std::int64_t parts, std::int64_t k) {
    return smaller(r.begin + pieces_of(r) * k / parts * group_piece, r.end);
  }
  static std::int64_t parts_of(const token_range& r) { return smaller(pieces_of(r), max_blocks); }

  moments part(const token_range& r, std::int64_t parts, std::int64_t k) {
    moments m;
    each_piece(r, part_begin(r, parts, k), part_begin(r, parts, k + 1), [&](std::int64_t first, int count) {
      fetch_behind(first, count, false);
      moments_work w{&b_};
      run_at<moments_work>(job_.level, w);
      m = merge(m, moments{b_.count[0], b_.mean[0], b_.squares[0]});
    });
    return m;
  }
  void map_part(const moments& m, const moments& batch, const token_range& r, std::int64_t begin, std::int64_t end) {
    if (a_.out.data == nullptr) return;
    set(m);
    job_.answer(job_, b_, batch, functions());
    each_piece(r, begin, end, [&](std::int64_t first, int count) {
      b_.mean[0] = m.mean;
      fetch_behind(first, count, true);
      answer(first, count);
    });
  }
  // The contribution of a group with these moments.
  void contribute(const moments& m, contributions& to) {
    set(m);
    job_.contribute(job_, b_, to);
  }

 private:
  const group_job<Function>& job_;
  const group_arguments& a_;
  group_buffer b_;
  std::int64_t first_ = 0;  // the first score in the buffer
  // Computed scores of a group of several pieces, which will be asked for again: from number `held_from_` on.
  static constexpr std::int64_t most_held = 8192;
  std::int64_t held_from_ = 0, held_ = 0, may_hold_ = 0;
  double held_scores_[most_held];
  alignas(Function) unsigned char functions_[sizeof(Function) * group_buffer::groups_room];

  Function* functions() { return reinterpret_cast<Function*>(functions_); }
  static std::int64_t pieces_of(const token_range& r) { return (r.size() + group_piece - 1) / group_piece; }

  // One group with these moments.
  void set(const moments& m) {
    b_.groups = 1, b_.size = -1;
    b_.count[0] = m.count, b_.mean[0] = m.mean, b_.squares[0] = m.squares;
  }

  // How many groups from `g` on fit into the buffer together; they are set up there.
  int neighbours(std::int64_t g, std::int64_t end) {
    const segment_source& s = a_.scores;
    b_.from = 0;
    return s.begin_type == element::i64 ? neighbours(static_cast<const std::int64_t*>(s.begin) + g * s.begin_stride,
                                                     static_cast<int>(smaller(end - g, most_neighbours)))
                                        : neighbours(static_cast<const std::int32_t*>(s.begin) + g * s.begin_stride,
                                                     static_cast<int>(smaller(end - g, most_neighbours)));
  }
  template <class Offset>
  int neighbours(const Offset* p, int most) {
    const std::int64_t stride = a_.scores.begin_stride, size = p[stride] - *p;
    first_ = *p;
    if (size > group_piece) return 0;
    if (const int fit = size > 0 ? static_cast<int>(smaller(most, group_piece / size)) : 0;
        stride == 1 && fit > 0 && alike(p, static_cast<Offset>(size), fit)) {
      b_.group_alike(fit, static_cast<int>(size));
      return fit;
    }
    int fit = 0, bits = 0;  // of all sizes less one, and so of none above
    b_.set_begin(0, 0);
    for (; fit < most; ++fit) {
      const std::int64_t behind = p[(fit + 1) * stride] - first_;
      if (behind > group_piece) break;
      const int end = static_cast<int>(behind), of_this = end - b_.begin[fit];
      b_.set_begin(fit + 1, end);
      bits |= of_this - (of_this > 0);
    }
    b_.group_scores(fit, -1, bits + 1);
    return fit;
  }
  // In groups of known length, which compilers make vectors of at -O2.
  template <class Offset>
  static bool alike(const Offset* p, Offset size, int number) {
    Offset other = 0;
    int i = 0;
    for (; i + conversion_width <= number && other == 0; i += conversion_width)
      for (int k = 0; k < conversion_width; ++k) other |= (p[i + k + 1] - p[i + k]) ^ size;
    for (; i < number; ++i) other |= (p[i + 1] - p[i]) ^ size;
    return other == 0;
  }
  void hold(const token_range& r) {
    held_from_ = r.begin, held_ = 0;
    may_hold_ = job_.computed && r.size() <= most_held ? r.size() : 0;
  }
  // The pieces of a group that is held come in order, and then once more.
  void load_scores(std::int64_t first, int count) {
    const std::int64_t at = first - held_from_;
    if (at < 0 || at + count > may_hold_) return job_.load(job_, first, count, b_.own);
    if (at == held_) job_.load(job_, first, count, held_scores_ + at), held_ += count;
    std::memcpy(b_.own, held_scores_ + at, static_cast<std::size_t>(count) * sizeof(double));
  }
  bool directly(element type) const { return a_.out.stride == 1 && !a_.accumulate && a_.out.type == type; }
  // Scores side by side stay where they are, and the mask with them, but for the last, behind which nothing may be
  // read.
  bool stay(std::int64_t first, int count) const {
    const source &s = a_.score, &mask = a_.scores.mask;
    const bool floats = s.type == element::f32 && (a_.out.data == nullptr || directly(element::f32));
    return !job_.computed && !a_.exclude_nan && s.stride == 1 && (mask.data == nullptr || mask.stride == 1) &&
           (floats || s.type == element::f64) && first + count + group_buffer::overrun <= a_.scores.tokens;
  }
  // The first stage that passes the scores of this buffer, which begins with number `first`, fetches meanwhile what
  // the next one will read, and where it will write.
  void fetch_behind(std::int64_t first, int count, bool out) {
    b_.next_in = nullptr;
    if (job_.computed || a_.score.stride != 1) return;
    const auto behind = [&](const void* data, int bytes) {
      return static_cast<const char*>(data) + (first + count) * bytes;
    };
    b_.in_bytes = b_.out_bytes = size_of(a_.score.type);
    b_.next_in = b_.next_out = behind(a_.score.data, b_.in_bytes);
    if (!out || a_.out.data == nullptr || a_.out.stride != 1) return;
    b_.out_bytes = size_of(a_.out.type), b_.next_out = behind(a_.out.data, b_.out_bytes);
  }
  void load(std::int64_t first, int count) {
    b_.keep = nullptr, b_.floats = nullptr, b_.x = b_.own;
    if (stay(first, count)) {
      if (a_.score.type == element::f32)
        b_.floats = static_cast<const float*>(a_.score.data) + first;
      else
        b_.x = static_cast<const double*>(a_.score.data) + first;
      if (a_.scores.mask.data != nullptr) b_.keep = static_cast<const std::uint8_t*>(a_.scores.mask.data) + first;
      return;
    }
    load_scores(first, count);
    if (a_.scores.mask.data == nullptr && !a_.exclude_nan) return;
    const bool nan = a_.exclude_nan && has_nan(b_.own, count);
    if (a_.scores.mask.data == nullptr && !nan) return;
    b_.keep = b_.flags;
    select_flagged(first, count);
    for (int i = 0; i < count; ++i) {
      if (nan && math::is_nan(b_.own[i])) b_.flags[i] = 0;
      if (b_.flags[i] == 0) b_.own[i] = 0;
    }
    std::memset(b_.flags + count, 0, groups_at_once);
  }
  void select_flagged(std::int64_t first, int count) {
    const source& mask = a_.scores.mask;
    if (mask.data == nullptr)
      std::memset(b_.flags, 1, static_cast<std::size_t>(count));
    else if (mask.stride == 1)
      std::memcpy(b_.flags, static_cast<const std::uint8_t*>(mask.data) + first, static_cast<std::size_t>(count));
    else
      for (int i = 0; i < count; ++i) b_.flags[i] = selects(mask, first + i);
  }
  void find_moments(std::int64_t g) {
    if (a_.known == nullptr) {
      moments_work w{&b_};
      return run_at<moments_work>(job_.level, w);
    }
    for (int i = 0; i < b_.groups; ++i) {
      const double* const m = a_.known + 3 * (g + i);
      b_.count[i] = m[0], b_.mean[i] = m[1], b_.squares[i] = m[2];
    }
  }
  void map(std::int64_t g, const moments& batch) {
    fetch_behind(first_, b_.begin[b_.groups], true);
    find_moments(g);
    b_.next_in = nullptr;
    write_groups(g);
    if (a_.out.data == nullptr) return;
    job_.answer(job_, b_, batch, functions());
    answer(first_, b_.begin[b_.groups]);
  }
  void write_groups(std::int64_t g) {
    if (a_.mean.data != nullptr) store_strided(a_.mean, g, b_.groups, b_.mean, nullptr, false, job_.level);
    if (a_.count.data != nullptr) store_strided(a_.count, g, b_.groups, b_.count, nullptr, false, job_.level);
    if (a_.std.data == nullptr) return;
    alignas(64) double std[group_buffer::groups_room];
    deviations_of_groups w{&b_, std};
    run_at<deviations_of_groups>(job_.level, w);
    store_strided(a_.std, g, b_.groups, std, nullptr, false, job_.level);
  }
  // The answers for the buffer, which has the scores from number `first` on.
  void answer(std::int64_t first, int count) {
    const sink& out = a_.out;
    const bool doubles = directly(element::f64);
    group_map_work<Function> w{&b_, functions(), doubles ? static_cast<double*>(out.data) + first : b_.y, nullptr};
    if (b_.floats != nullptr) w.to_floats = static_cast<float*>(out.data) + first;
    run_at<group_map_work<Function>>(job_.level, w);
    if (b_.floats == nullptr && !doubles) store_strided(out, first, count, b_.y, nullptr, a_.accumulate, job_.level);
  }

  // f(first, count) of every piece of `r` in [begin, end), which is in the buffer then.
  template <class F>
  void each_piece(const token_range& r, std::int64_t begin, std::int64_t end, F f) {
    for (std::int64_t first = begin; first < end; first += group_piece) {
      const int count = static_cast<int>(smaller(group_piece, end - first));
      load(first, count);
      b_.from = first - r.begin;
      b_.group_alike(1, count);
      f(first, count);
    }
  }
  moments whole(std::int64_t g, const token_range& r) {
    if (a_.known != nullptr) return moments_at(a_.known + 3 * g);
    moments m;
    const std::int64_t parts = parts_of(r);
    for (std::int64_t k = 0; k < parts; ++k) m = merge(m, part(r, parts, k));
    return m;
  }
};

// Whether a group is so long that threads share it.
inline bool threads_share(const group_arguments& a) {
  bool any = false;
  for (std::int64_t g = 0; g < a.groups; ++g) any |= range_of(a.scores, g).size() >= shared_group;
  return any;
}

// What the threads share during one call.
template <class Function>
class group_run {
 public:
  group_run(const cpu& exec, const group_job<Function>& job) : exec_(exec), job_(job), a_(*job.arguments) {}

  void run(bool learns) {
    if (a_.batch != nullptr)
      batch_ = moments_at(a_.batch);
    else if (learns)
      batch_ = all_contributions();
    if (a_.batch_out != nullptr) {
      a_.batch_out[0] = batch_.count, a_.batch_out[1] = batch_.mean, a_.batch_out[2] = batch_.squares;
      return;
    }
    each_block([&](group_thread<Function>& t, std::int64_t, std::int64_t begin, std::int64_t end) {
      return t.run(begin, end, batch_, nullptr);
    });
    each_long_group([&](std::int64_t g, const token_range& r) {
      const moments m = moments_of(g, r);
      write_group(a_, g, m);
      each_part(r, [&](group_thread<Function>& t, std::int64_t k, std::int64_t parts) {
        t.map_part(m, batch_, r, t.part_begin(r, parts, k), t.part_begin(r, parts, k + 1));
      });
    });
  }

 private:
  const cpu& exec_;
  const group_job<Function>& job_;
  const group_arguments& a_;
  moments batch_, parts_[max_blocks];
  bool finished_[max_blocks];  // blocks of groups without one that threads share

  std::int64_t blocks() const { return smaller(a_.groups, max_blocks); }
  std::int64_t block_begin(std::int64_t k) const { return a_.groups * k / blocks(); }
  template <class F>
  void each_block(F f) {
    for_blocks(exec_, blocks(), a_.scores.tokens, [&](std::int64_t first, std::int64_t last) {
      group_thread<Function> t(job_);
      for (std::int64_t k = first; k < last; ++k) finished_[k] = f(t, k, block_begin(k), block_begin(k + 1));
    });
  }
  template <class F>
  void each_part(const token_range& r, F f) {
    const std::int64_t parts = group_thread<Function>::parts_of(r);
    for_blocks(exec_, parts, r.size(), [&](std::int64_t first, std::int64_t last) {
      group_thread<Function> t(job_);
      for (std::int64_t k = first; k < last; ++k) f(t, k, parts);
    });
  }
  moments merged(std::int64_t count) const {
    moments all;
    for (std::int64_t k = 0; k < count; ++k) all = merge(all, parts_[k]);
    return all;
  }
  template <class F>
  void each_long_group(F f) {
    for (std::int64_t k = 0; k < blocks(); ++k)
      for (std::int64_t i = block_begin(k); !finished_[k] && i < block_begin(k + 1); ++i)
        if (const token_range r = range_of(a_.scores, i); r.size() >= shared_group) f(i, r);
  }
  moments moments_of(std::int64_t g, const token_range& r) {
    if (a_.known != nullptr) return moments_at(a_.known + 3 * g);
    each_part(r,
              [&](group_thread<Function>& t, std::int64_t k, std::int64_t parts) { parts_[k] = t.part(r, parts, k); });
    return merged(group_thread<Function>::parts_of(r));
  }
  moments all_contributions() {
    each_block([&](group_thread<Function>& t, std::int64_t k, std::int64_t begin, std::int64_t end) {
      contributions c;
      const bool all = t.run(begin, end, {}, &c);
      parts_[k] = c.merged();
      return all;
    });
    moments all = merged(blocks());
    each_long_group([&](std::int64_t g, const token_range& r) {
      contributions c;
      group_thread<Function>(job_).contribute(moments_of(g, r), c);
      all = merge(all, c.merged());
    });
    return all;
  }
};

}  // namespace detail

template <class Rule, class Scores>
status group_map(const cpu& exec, const Rule& rule, const group_arguments& a, const Scores& scores) {
  isa level;
  if (const status s = resolve_isa(exec, level); !s.ok()) return s;
  using function = detail::function_of_rule<Rule>;
  const auto job = detail::group_job<function>::of(rule, scores, a, level);
  detail::group_run<function>(exec, job).run(detail::learns_batch<Rule>);
  return {};
}
template <class Rule>
status group_map(const cpu& exec, const Rule& rule, const group_arguments& a) {
  return group_map(exec, rule, a, detail::stored_scores{a.score});
}

}  // namespace PREFER_ABI
}  // namespace prefer
