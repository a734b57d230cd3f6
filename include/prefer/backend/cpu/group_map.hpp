// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/map_reduce.hpp>
#include <prefer/backend/cpu/segmented_map_reduce.hpp>
#include <prefer/backend/group_map.hpp>

#include <cstdint>

// group_map on the CPU (contract: backend/group_map.hpp). Neighbouring groups are converted to double together, into a
// buffer that stays in the first cache, and pass through lanes there. A group that does not fit is cut into pieces that
// do, and the pieces into at most 256 parts, by its length alone; the parts of a very long one are dealt to threads.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline constexpr int group_piece = 1024;                             // scores in the buffer
inline constexpr std::int64_t shared_group = std::int64_t{1} << 16;  // from here on, threads share one group

// Scores side by side, and which of them are selected; whole lanes can be read and written behind the last.
struct group_buffer {
  static constexpr int room = group_piece + 8;
  const std::uint8_t* keep;  // null: all
  alignas(64) double x[room], y[room];
  alignas(64) std::uint8_t flags[room];

  void load(const group_arguments& a, std::int64_t first, int count, isa level) {
    load_strided(a.score, first, count, x, level);
    keep = nullptr;
    if (a.scores.mask.data == nullptr && !a.exclude_nan) return;
    for (int i = 0; i < count; ++i) {
      flags[i] = selects(a.scores.mask, first + i) && !(a.exclude_nan && math::is_nan(x[i]));
      x[i] = flags[i] != 0 ? x[i] : 0;
    }
    for (int i = count; i < count + 8; ++i) flags[i] = 0;
    keep = flags;
  }
};

template <class V>
struct group_lanes {
  using mask = typename V::mask;

  // sum += f(scores) for those of a group that are its own and selected. Whole lanes of a group without a mask are not
  // masked: comparing costs more than adding.
  template <class F>
  static inline __attribute__((always_inline)) double sum_of(const double* x, const std::uint8_t* keep, int count,
                                                             const V& index, const F& f) {
    V sum(0);
    int g = 0;
    for (; keep == nullptr && g + V::width <= count; g += V::width) sum += f(V::load(x + g)).settled();
    for (; g < count; g += V::width) {
      V v = f(V::load(x + g)).settled();
      if (keep != nullptr) v = select(mask::load(keep + g), v, V(0));
      sum += select(index < V(static_cast<double>(count - g)), v, V(0));
    }
    return sum.sum();
  }

  static inline __attribute__((always_inline)) moments of(const double* x, const std::uint8_t* keep, int count,
                                                          const V& index) {
    moments m;
    int first = 0, kept = count;
    if (keep != nullptr) {
      kept = 0;
      for (int i = count; i-- > 0;)
        if (keep[i] != 0) ++kept, first = i;
    }
    if (kept == 0) return m;
    const V pivot(x[first]);
    const double apart = sum_of(x, keep, count, index, [&](const V& v) PREFER_HD_LAMBDA { return v - pivot; }) / kept;
    const V centre(apart);
    m.squares = sum_of(x, keep, count, index, [&](const V& v) PREFER_HD_LAMBDA {
      const V d = (v - pivot) - centre;
      return d * d;
    });
    m.count = kept, m.mean = x[first] + apart;
    return m;
  }

  // Calls f for `count` scores, the first of which is number `from` of its group. Writes whole lanes.
  template <class F>
  static inline __attribute__((always_inline)) void map(const F& f, const double* x, const std::uint8_t* keep,
                                                        double mean, std::int64_t from, int count, const V& index,
                                                        double* y) {
    const V middle(mean);
    const auto answer = [&](int g) PREFER_HD_LAMBDA {
      const V score = V::load(x + g);
      return f(group_item<V>{score, score - middle, index + V(static_cast<double>(from + g))}).settled();
    };
    int g = 0;
    for (; keep == nullptr && g < count; g += V::width) answer(g).store(y + g);
    for (; g < count; g += V::width) select(mask::load(keep + g), answer(g), V(0)).store(y + g);
  }
};

// A rule without its type: the work of all rules that answer with one kind of function is compiled once.
template <class Function>
struct group_rule {
  const void* rule;
  Function (*function)(const void* rule, const moments& one, const moments& batch);
  moments (*contribution)(const void* rule, const moments& one);

  template <class Rule>
  static group_rule of(const Rule& r) {
    return {&r,
            [](const void* self, const moments& one, const moments& batch) {
              return function_of(*static_cast<const Rule*>(self), one, batch);
            },
            [](const void* self, const moments& one) -> moments {
              if constexpr (learns_batch<Rule>)
                return static_cast<const Rule*>(self)->contribution(one);
              else
                return {};
            }};
  }
};

template <class Function>
struct group_job {
  const group_rule<Function>* rule;
  const group_arguments* arguments;
  moments batch;
  moments* parts;  // of blocks of groups, or of one long group
  std::int64_t first, last, blocks;
  std::int64_t long_group;  // -1: blocks of groups; else the parts of this one
  bool maps;                // else parts are found
};

template <class Function>
struct group_work {
  template <class Level>
  struct at {
    using V = lane<double, Level>;
    using lanes = group_lanes<V>;

    const group_job<Function>& job;
    const group_arguments& a;
    const V index;
    group_buffer& b;

    // Where part `k` of a group begins.
    static std::int64_t part_begin(const token_range& r, std::int64_t parts, std::int64_t k) {
      const std::int64_t pieces = (r.size() + group_piece - 1) / group_piece;
      return smaller(r.begin + pieces * k / parts * group_piece, r.end);
    }
    static std::int64_t parts_of(const token_range& r) {
      return smaller((r.size() + group_piece - 1) / group_piece, max_blocks);
    }

    // f(first, count) of every piece in [begin, end), which is in the buffer then.
    template <class F>
    inline __attribute__((always_inline)) void each_piece(std::int64_t begin, std::int64_t end, F f) const {
      for (std::int64_t first = begin; first < end; first += group_piece) {
        const int count = static_cast<int>(smaller(group_piece, end - first));
        b.load(a, first, count, isa_of<Level>);
        f(first, count);
      }
    }
    inline __attribute__((always_inline)) moments part(const token_range& r, std::int64_t parts, std::int64_t k) const {
      moments m;
      each_piece(part_begin(r, parts, k), part_begin(r, parts, k + 1),
                 [&](std::int64_t, int count) PREFER_HD_LAMBDA { m = merge(m, lanes::of(b.x, b.keep, count, index)); });
      return m;
    }
    inline __attribute__((always_inline)) moments whole(const token_range& r) const {
      moments m;
      const std::int64_t parts = parts_of(r);
      for (std::int64_t k = 0; k < parts; ++k) m = merge(m, part(r, parts, k));
      return m;
    }
    inline __attribute__((always_inline)) void map_range(const moments& m, const token_range& r, std::int64_t begin,
                                                         std::int64_t end) const {
      if (a.out.data == nullptr) return;
      const Function f = function_for(m);
      each_piece(begin, end, [&](std::int64_t first, int count) PREFER_HD_LAMBDA {
        lanes::map(f, b.x, b.keep, m.mean, first - r.begin, count, index, b.y);
        store_strided(a.out, first, count, b.y, nullptr, a.accumulate, isa_of<Level>);
      });
    }

    Function function_for(const moments& m) const { return job.rule->function(job.rule->rule, m, job.batch); }
    void contribute(moments& all, const moments& m) const {
      all = merge(all, job.rule->contribution(job.rule->rule, m));
    }

    // The groups from `group` on that fit into the buffer together, and what is behind them; at most up to `end`.
    std::int64_t neighbours(std::int64_t g, std::int64_t end) const {
      const std::int64_t begin = range_of(a.scores, g).begin;
      while (g < end && range_of(a.scores, g).end - begin <= group_piece) ++g;
      return g;
    }
    inline __attribute__((always_inline)) void run_neighbours(std::int64_t g, std::int64_t end, moments& all) const {
      const std::int64_t begin = range_of(a.scores, g).begin;
      const int count = static_cast<int>(range_of(a.scores, end - 1).end - begin);
      b.load(a, begin, count, isa_of<Level>);
      for (; g < end; ++g) {
        const token_range r = range_of(a.scores, g);
        const auto offset = r.begin - begin;
        const std::uint8_t* const keep = b.keep == nullptr ? nullptr : b.keep + offset;
        const moments m = lanes::of(b.x + offset, keep, static_cast<int>(r.size()), index);
        if (!job.maps) {
          contribute(all, m);
          continue;
        }
        write_group(a, g, m);
        lanes::map(function_for(m), b.x + offset, keep, m.mean, 0, static_cast<int>(r.size()), index, b.y + offset);
      }
      if (job.maps && a.out.data != nullptr)
        store_strided(a.out, begin, count, b.y, nullptr, a.accumulate, isa_of<Level>);
    }
    inline __attribute__((always_inline)) void run_block(std::int64_t block) const {
      moments all;
      const std::int64_t end = a.groups * (block + 1) / job.blocks;
      for (std::int64_t g = a.groups * block / job.blocks; g < end;) {
        if (const std::int64_t next = neighbours(g, end); next > g) {
          run_neighbours(g, next, all);
          g = next;
          continue;
        }
        if (const token_range r = range_of(a.scores, g); r.size() < shared_group) {
          const moments m = whole(r);
          if (!job.maps) contribute(all, m);
          if (job.maps) write_group(a, g, m), map_range(m, r, r.begin, r.end);
        }
        ++g;
      }
      if (!job.maps) job.parts[block] = all;
    }
    inline __attribute__((always_inline)) void run_part(std::int64_t k) const {
      const token_range r = range_of(a.scores, job.long_group);
      if (job.maps)
        map_range(job.parts[0], r, part_begin(r, job.blocks, k), part_begin(r, job.blocks, k + 1));
      else
        job.parts[k] = part(r, job.blocks, k);
    }
  };

  template <class Level>
  static inline __attribute__((always_inline)) void run(group_job<Function>& job) {
    group_buffer b;
    const at<Level> here{job, *job.arguments, at<Level>::V::index(), b};
    for (std::int64_t k = job.first; k < job.last; ++k) job.long_group < 0 ? here.run_block(k) : here.run_part(k);
  }
};

// What the threads share during one call.
template <class Function>
class group_run {
 public:
  group_run(const cpu& exec, isa level, const group_rule<Function>& rule, const group_arguments& a)
      : exec_(exec), level_(level), rule_(rule), a_(a) {}

  void run(bool learns) {
    if (a_.batch != nullptr)
      batch_ = moments_at(a_.batch);
    else if (learns)
      batch_ = all_contributions();
    if (a_.batch_out != nullptr) {
      a_.batch_out[0] = batch_.count, a_.batch_out[1] = batch_.mean, a_.batch_out[2] = batch_.squares;
      return;
    }
    pass(-1, blocks(), a_.scores.tokens, true);
    each_long_group([&](std::int64_t i, const token_range& r) {
      const moments m = moments_of(i, r);
      write_group(a_, i, m);
      parts_[0] = m;
      pass(i, pieces(r), r.size(), true);
    });
  }

 private:
  const cpu& exec_;
  isa level_;
  const group_rule<Function>& rule_;
  const group_arguments& a_;
  moments batch_, parts_[max_blocks];

  std::int64_t blocks() const { return smaller(a_.groups, max_blocks); }
  static std::int64_t pieces(const token_range& r) {
    return smaller((r.size() + group_piece - 1) / group_piece, max_blocks);
  }

  void pass(std::int64_t long_group, std::int64_t count, std::int64_t scores, bool maps) {
    for_blocks(exec_, count, scores, [&](std::int64_t first, std::int64_t last) {
      group_job<Function> job{&rule_, &a_, batch_, parts_, first, last, count, long_group, maps};
      run_at<group_work<Function>>(level_, job);
    });
  }
  moments merged(std::int64_t count) const {
    moments all;
    for (std::int64_t k = 0; k < count; ++k) all = merge(all, parts_[k]);
    return all;
  }
  template <class F>
  void each_long_group(F f) {
    for (std::int64_t i = 0; a_.scores.tokens >= shared_group && i < a_.groups; ++i)
      if (const token_range r = range_of(a_.scores, i); r.size() >= shared_group) f(i, r);
  }
  moments moments_of(std::int64_t i, const token_range& r) {
    pass(i, pieces(r), r.size(), false);
    return merged(pieces(r));
  }
  moments all_contributions() {
    pass(-1, blocks(), a_.scores.tokens, false);
    moments all = merged(blocks());
    each_long_group([&](std::int64_t i, const token_range& r) {
      all = merge(all, rule_.contribution(rule_.rule, moments_of(i, r)));
    });
    return all;
  }
};

}  // namespace detail

template <class Rule>
status group_map(const cpu& exec, const Rule& rule, const group_arguments& a) {
  isa level;
  if (const status s = resolve_isa(exec, level); !s.ok()) return s;
  using function = decltype(detail::function_of(rule, moments{}, moments{}));
  const auto erased = detail::group_rule<function>::of(rule);
  detail::group_run<function>(exec, level, erased, a).run(detail::learns_batch<Rule>);
  return {};
}

}  // namespace PREFER_ABI
}  // namespace prefer
