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

// Scores side by side, which of them are selected, and the groups they belong to. A short group and a lane can be read
// behind the last score, a lane be written, and seven groups be read and written behind the last one.
struct group_buffer {
  static constexpr int room = group_piece + short_group + 8, groups_room = most_neighbours + groups_at_once;
  const std::uint8_t* keep;  // null: all
  int groups;
  bool alike;                      // all groups have one size
  std::int64_t from;               // place of the first score in its group
  int begin[groups_room + 1];      // of group i; the groups behind the last are empty
  double begins[groups_room + 1];  // the same
  alignas(64) double count[groups_room], mean[groups_room], squares[groups_room];
  alignas(64) double x[room] = {}, y[room];
  alignas(64) std::uint8_t flags[room] = {};

  void group_scores(int number, bool of_one_size) {
    groups = number, alike = of_one_size;
    for (int i = number + 1; i <= number + groups_at_once; ++i) set_begin(i, begin[number]);
  }
  void set_begin(int i, int at) { begin[i] = at, begins[i] = at; }
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
    template <bool Masked, class F>
    inline __attribute__((always_inline)) double sum_along(int begin, int count, const F& f) const {
      V part[4] = {};
      int g = 0;
      const auto kept = [&](int at) PREFER_HD_LAMBDA {
        const V v = f(V::load(b.x + begin + at)).settled();
        if constexpr (Masked)
          return select(mask::load(b.keep + begin + at), v, V(0));
        else
          return v;
      };
      for (; g + 4 * V::width <= count; g += 4 * V::width)
        unrolled<4>([&](auto k) PREFER_HD_LAMBDA { part[k] += kept(g + k * V::width); });
      for (; g < count; g += V::width) part[0] += select(index < V(static_cast<double>(count - g)), kept(g), V(0));
      return ((part[0] + part[1]) + (part[2] + part[3])).sum();
    }
    template <bool Masked>
    inline __attribute__((always_inline)) void along(int i) const {
      const int begin = b.begin[i], count = b.begin[i + 1] - begin;
      int first = 0, kept = count;
      if constexpr (Masked) {
        kept = 0;
        for (int k = count; k-- > 0;)
          if (b.keep[begin + k] != 0) ++kept, first = k;
      }
      b.count[i] = kept, b.mean[i] = 0, b.squares[i] = 0;
      if (kept == 0) return;
      const V pivot(b.x[begin + first]);
      const double apart =
          sum_along<Masked>(begin, count, [&](const V& v) PREFER_HD_LAMBDA { return v - pivot; }) / kept;
      const V centre(apart);
      b.mean[i] = b.x[begin + first] + apart;
      b.squares[i] = sum_along<Masked>(begin, count, [&](const V& v) PREFER_HD_LAMBDA {
        const V d = (v - pivot) - centre;
        return d * d;
      });
    }

    // Eight groups, one per element; column j has the scores number j of all of them.
    struct columns {
      V x[short_group], chosen[short_group];
      V sizes;
      int largest;

      template <bool Masked>
      inline __attribute__((always_inline)) mask own(int j) const {
        const mask inside = V(static_cast<double>(j)) < sizes;
        if constexpr (Masked)
          return inside & (chosen[j] > V(0));
        else
          return inside;
      }
      // The sum of f(scores) of every group. Adding a 0 for what is not there changes nothing.
      template <bool Masked, bool Guarded, int Block, class F>
      inline __attribute__((always_inline)) V sum(const F& f) const {
        V all(0);
        for (int j = 0; j < largest; j += Block) {
          V s[Block];
          unrolled<Block>([&](auto k) PREFER_HD_LAMBDA {
            s[k] = f(x[j + k]).settled();
            if constexpr (Guarded) s[k] = select(own<Masked>(j + k), s[k], V(0));
          });
          V block = (s[0] + s[1]) + (s[2] + s[3]);
          if constexpr (Block == 8) block += (s[4] + s[5]) + (s[6] + s[7]);
          all += block;
        }
        return all;
      }
    };
    template <bool Masked, bool Guarded, int Block>
    inline __attribute__((always_inline)) void across(int i, const columns& c) const {
      V pivot = c.x[0], kept = c.sizes;
      if constexpr (Masked) {
        kept = V(0);
        for (int j = c.largest; j-- > 0;) {
          const mask m = c.template own<true>(j);
          pivot = select(m, c.x[j], pivot), kept += select(m, V(1), V(0));
        }
      }
      const V apart =
          c.template sum<Masked, Guarded, Block>([&](const V& v) PREFER_HD_LAMBDA { return v - pivot; }) / kept;
      const V squares = c.template sum<Masked, Guarded, Block>([&](const V& v) PREFER_HD_LAMBDA {
        const V d = (v - pivot) - apart;
        return d * d;
      });
      const mask any = kept > V(0);
      kept.store(b.count + i);
      select(any, pivot + apart, V(0)).store(b.mean + i);
      select(any, squares, V(0)).store(b.squares + i);
    }
    // The `count` groups from number i on; what stands behind their moments is overwritten.
    template <bool Masked>
    inline __attribute__((always_inline)) void eight(int i, int count, int largest) const {
      columns c;
      c.largest = largest;
      for (int j = 0; j < largest; j += 8) {
        V row[8];
        unrolled<8>([&](auto k) PREFER_HD_LAMBDA { row[k] = V::load(b.x + b.begin[i + k] + j); });
        transpose(row);
        unrolled<8>([&](auto k) PREFER_HD_LAMBDA { c.x[j + k] = row[k]; });
        if constexpr (Masked) {
          unrolled<8>([&](auto k)
                          PREFER_HD_LAMBDA { row[k] = select(mask::load(b.keep + b.begin[i + k] + j), V(1), V(0)); });
          transpose(row);
          unrolled<8>([&](auto k) PREFER_HD_LAMBDA { c.chosen[j + k] = row[k]; });
        }
      }
      const V size = V::load(b.begins + i + 1) - V::load(b.begins + i);
      c.sizes = select(index < V(static_cast<double>(count)), size, V(0));
      if constexpr (!Masked) {
        if (b.alike && largest == 4) return across<false, false, 4>(i, c);
        if (b.alike && largest % 8 == 0) return across<false, false, 8>(i, c);
      }
      across<Masked, true, 8>(i, c);
    }

    template <bool Masked>
    inline __attribute__((always_inline)) void run() const {
      for (int i = 0; i < b.groups;) {
        int count = groups_at_once, largest = b.begin[1];
        if (!b.alike || largest > short_group) count = short_ones(i, largest);
        if (count == 0) {
          along<Masked>(i++);
        } else {
          eight<Masked>(i, count, largest);
          i += count;
        }
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
    const stage<Level> here{*w.buffer, lane<double, Level>::index()};
    w.buffer->keep == nullptr ? here.template run<false>() : here.template run<true>();
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

// The answers for all scores in a buffer. Writes whole lanes, in order.
template <class Function>
struct group_map_work {
  group_buffer* buffer;
  const Function* functions;

  template <class Level>
  static inline __attribute__((always_inline)) void run(group_map_work& w) {
    using V = lane<double, Level>;
    group_buffer& b = *w.buffer;
    const V index = V::index();
    for (int i = 0; i < b.groups; ++i) {
      const Function f = w.functions[i];
      const V middle(b.mean[i]);
      const int begin = b.begin[i], end = b.begin[i + 1];
      const auto answer = [&](int at) PREFER_HD_LAMBDA {
        const V score = V::load(b.x + at);
        const V place = index + V(static_cast<double>(b.from + at - begin));
        return f(group_item<V>{score, score - middle, place}).settled();
      };
      if (b.keep == nullptr)
        for (int at = begin; at < end; at += V::width) answer(at).store(b.y + at);
      else
        for (int at = begin; at < end; at += V::width)
          select(V::mask::load(b.keep + at), answer(at), V(0)).store(b.y + at);
    }
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
  explicit group_thread(const group_job<Function>& job) : job_(job), a_(*job.arguments) {}

  // Groups [g, end) but for those that threads share. Either maps them or adds up their contributions.
  // False if there are any.
  bool run(std::int64_t g, std::int64_t end, const moments& batch, contributions* contributed) {
    bool all = true;
    while (g < end) {
      const int fit = neighbours(g, end);
      if (fit > 0) {
        load(first_, b_.begin[fit]);
        find_moments(g);
        contributed != nullptr ? job_.contribute(job_, b_, *contributed) : map(g, batch);
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
    each_piece(r, part_begin(r, parts, k), part_begin(r, parts, k + 1), [&](std::int64_t, int) {
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
    b_.groups = 1;
    b_.count[0] = m.count, b_.mean[0] = m.mean, b_.squares[0] = m.squares;
  }

  // How many groups from `g` on fit into the buffer together; they are set up there.
  int neighbours(std::int64_t g, std::int64_t end) {
    const int most = static_cast<int>(smaller(end - g, most_neighbours));
    const segment_source& s = a_.scores;
    b_.set_begin(0, 0), b_.from = 0;
    int fit = 0;
    bool alike = true;
    const auto count = [&](const auto* offsets) {
      const auto* p = offsets + g * s.begin_stride;
      first_ = *p;
      for (; fit < most; ++fit) {
        const std::int64_t behind = p[(fit + 1) * s.begin_stride] - first_;
        if (behind > group_piece) break;
        const int at = static_cast<int>(behind);
        b_.set_begin(fit + 1, at);
        alike = alike && at == (fit + 1) * b_.begin[1];
      }
    };
    if (s.begin_type == element::i64)
      count(static_cast<const std::int64_t*>(s.begin));
    else
      count(static_cast<const std::int32_t*>(s.begin));
    b_.group_scores(fit, alike && fit > 0);
    return fit;
  }
  void hold(const token_range& r) {
    held_from_ = r.begin, held_ = 0;
    may_hold_ = job_.computed && r.size() <= most_held ? r.size() : 0;
  }
  // The pieces of a group that is held come in order, and then once more.
  void load_scores(std::int64_t first, int count) {
    const std::int64_t at = first - held_from_;
    if (at < 0 || at + count > may_hold_) return job_.load(job_, first, count, b_.x);
    if (at == held_) job_.load(job_, first, count, held_scores_ + at), held_ += count;
    std::memcpy(b_.x, held_scores_ + at, static_cast<std::size_t>(count) * sizeof(double));
  }
  void load(std::int64_t first, int count) {
    load_scores(first, count);
    b_.keep = nullptr;
    if (a_.scores.mask.data == nullptr && !a_.exclude_nan) return;
    for (int i = 0; i < count; ++i) {
      b_.flags[i] = selects(a_.scores.mask, first + i) && !(a_.exclude_nan && math::is_nan(b_.x[i]));
      b_.x[i] = b_.flags[i] != 0 ? b_.x[i] : 0;
    }
    for (int i = count; i < count + 8; ++i) b_.flags[i] = 0;
    b_.keep = b_.flags;
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
    for (int i = 0; i < b_.groups && a_.writes_groups(); ++i)
      write_group(a_, g + i, {b_.count[i], b_.mean[i], b_.squares[i]});
    if (a_.out.data == nullptr) return;
    job_.answer(job_, b_, batch, functions());
    answer(first_, b_.begin[b_.groups]);
  }
  void answer(std::int64_t first, int count) {
    group_map_work<Function> w{&b_, functions()};
    run_at<group_map_work<Function>>(job_.level, w);
    store_strided(a_.out, first, count, b_.y, nullptr, a_.accumulate, job_.level);
  }

  // f(first, count) of every piece of `r` in [begin, end), which is in the buffer then.
  template <class F>
  void each_piece(const token_range& r, std::int64_t begin, std::int64_t end, F f) {
    for (std::int64_t first = begin; first < end; first += group_piece) {
      const int count = static_cast<int>(smaller(group_piece, end - first));
      load(first, count);
      b_.from = first - r.begin;
      b_.set_begin(0, 0), b_.set_begin(1, count);
      b_.group_scores(1, true);
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
