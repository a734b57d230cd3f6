// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/map_reduce.hpp>
#include <prefer/backend/cpu/row_loops.hpp>
#include <prefer/backend/cpu/strided.hpp>
#include <prefer/backend/row_reduce.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

// row_reduce on the CPU (contract: backend/row_reduce.hpp). A row passes through tiles that stay in the first cache.
// One loop adds up a tile's terms and finds its maximum, while the tile after it is fetched. Many rows are dealt to
// the caller's threads whole, so that the write pass finds them in a cache; of few long rows their chunks are dealt.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline constexpr std::int64_t few_rows = 32;          // below this threads share rows
inline constexpr std::int64_t most_row_states = 256;  // chunks at a time that are dealt to threads
inline constexpr std::int64_t most_row_lists = 64;    // the same where each has a list

enum class row_phase : std::uint8_t { whole, reduce, write };

// Units of work: items, or chunks of the items from `base` on, whose states and coefficients are in memory.
template <class Body>
struct row_reduce_job {
  using coefficients = typename Body::coefficients;
  const Body* body;
  const row_reduce_arguments* arguments;
  row_chunks cut;
  row_phase phase;
  std::int64_t base, first, last;
  row_part_state<Body>* states;
  const coefficients* ready;
};

// Called in two places each, and compiled once, so that they round alike.
template <class Body>
__attribute__((noinline)) void append_tile(const Body& body, row_state<Body::sums>& to,
                                           const row_state<Body::sums>& tile) {
  append(body, to, tile);
}

// The largest of a lane's elements, and their sum.
template <class T, std::size_t Width>
T largest_of(const T (&x)[Width]) {
  T top = x[0];
  for (std::size_t i = 1; i < Width; ++i) top = math::max(x[i], top);
  return top;
}
template <class T, std::size_t Width>
double fold_sum(const T (&x)[Width]) {
  return static_cast<double>(lane<T, level::base>::load(x).sum());
}

// The state of columns that have all passed.
template <class T, class Body>
__attribute__((noinline)) row_state<Body::sums> state_of(const Body& body, const row_sums_so_far<T, Body>& passed) {
  constexpr T none = -math::detail::format<T>::infinity;
  const T top = largest_of(passed.top);
  row_state<Body::sums> state;
  state.max = static_cast<double>(value_of_key(body, top));
  for (int r = 0; r < Body::sums; ++r) state.sum[r] = fold_sum(passed.sum[r]);
  if constexpr (takes_offset<Body>) body.divide(state.sum, static_cast<double>(passed.power));
  if (top != passed.shift && passed.shift > none && top < -none)
    body.rebase(state.sum, (static_cast<double>(passed.shift) - static_cast<double>(top)) *
                               static_cast<double>(key_unit<T>(body)));
  return state;
}

template <class T>
T load_column(const row_reduce_arguments& a, std::int64_t row, std::int64_t column) {
  return load_element<T>(a.x.data, a.x.type, row * a.x.row_stride + column * a.x.stride);
}

// The plan of an item whose row is known. Of picked columns the first of the largest is left out.
template <class T, class Body>
row_plan plan_of(const Body& body, const row_reduce_arguments& a, std::int64_t item, std::int64_t row) {
  row_plan plan = plan_of(body, item, row);
  if constexpr (picks_columns<Body>) {
    T top = 0;
    for (int k = 0; plan.reduces && k < body.picks(); ++k) {
      const std::int64_t column = body.picked(item, k);
      if (column < 0) continue;
      const T x = load_column<T>(a, row, column);
      if (plan.left_out < 0 || x > top) plan.left_out = column, top = x;
    }
  }
  return plan;
}

// The state of a row from those of its chunks. Of the lists' columns the largest is left out; each chunk had its own.
template <class T, class Body>
void append_chunks(const Body& body, const row_part_state<Body>* states, std::int64_t count, row_plan& plan,
                   row_part_state<Body>& to) {
  for (std::int64_t c = 0; c < count; ++c) append(body, to, states[c]);
  if constexpr (keeps_columns<Body>) {
    const int size = body.picks();
    for (std::int64_t c = 0; c < count; ++c) {
      const auto& part = states[c].list;
      for (int k = 0; k < size && part.column[k] != no_column; ++k)
        if (to.list.admits(part.x[k], size)) to.list.insert(part.x[k], part.column[k], size);
    }
    if (to.list.column[0] != no_column) plan.left_out = to.list.column[0];
    for (std::int64_t c = 0; c < count; ++c)
      if (const auto& part = states[c].list; part.column[0] != no_column && part.column[0] != plan.left_out)
        append_number(body, to, static_cast<T>(part.x[0]));
  }
}

template <class T, class Body>
void answer_picks(const Body& body, const row_reduce_arguments& a, std::int64_t item, std::int64_t row,
                  const row_plan& plan, const row_part_state<Body>& state, const typename Body::coefficients& c) {
  if constexpr (picks_columns<Body> || keeps_columns<Body>)
    for (int k = 0; k < body.picks(); ++k) {
      std::int64_t column = -1;
      if constexpr (keeps_columns<Body>) {
        if (state.list.column[k] != no_column) column = state.list.column[k];
      } else if (plan.reduces) {
        column = body.picked(item, k);
      }
      body.answer(item, k, column, column < 0 ? T(0) : load_column<T>(a, row, column), c);
    }
}

template <class T, class Body>
__attribute__((noinline)) void finish_row(const Body& body, const row_reduce_arguments& a, std::int64_t item,
                                          const row_chunks& cut, const row_part_state<Body>* states,
                                          typename Body::coefficients& answer) {
  const std::int64_t row = row_of(a, item);
  row_plan plan = plan_of<T>(body, a, item, row);
  row_part_state<Body> state;
  if (plan.reduces) append_chunks<T>(body, states, cut.count, plan, state);
  const bool reads = plan.left_out >= 0 && (plan.reduces || plan.slopes);
  const double omitted = reads ? static_cast<double>(body.value(load_column<T>(a, row, plan.left_out))) : 0;
  answer = body.finish(item, plan, state, omitted);
  if (body.reduces()) answer_picks<T>(body, a, item, row, plan, state, answer);
}

// Whether a tile has picked columns.
template <class Body>
bool has_picks(const Body& body, std::int64_t item, std::int64_t first, int count) {
  if constexpr (picks_columns<Body>)
    for (int k = 0; k < body.picks(); ++k)
      if (const std::int64_t column = body.picked(item, k); column >= first && column < first + count) return true;
  return false;
}

// The slopes of a tile's picked columns; x and out are apart.
template <class T, class Body>
void slope_picks(const Body& body, std::int64_t item, const typename Body::coefficients& c, std::int64_t first,
                 int count, const T* x, T* out) {
  if constexpr (picks_columns<Body>)
  for (int k = 0; k < body.picks(); ++k)
    if (const std::int64_t column = body.picked(item, k); column >= first && column < first + count)
      out[column - first] = body.slope_picked(item, k, x[column - first], c);
}

// What a thread does: its tiles, and where their columns are when they cannot be used in place.
template <class T, class Body>
class row_reduce_work {
 public:
  using job_type = row_reduce_job<Body>;
  using state = row_part_state<Body>;
  using coefficients = typename Body::coefficients;

  row_reduce_work(const job_type& job, isa level) : job_(job), body_(*job.body), a_(*job.arguments), level_(level) {}

  void run() {
    const bool whole = job_.phase == row_phase::whole;
    state local[64];
    for (std::int64_t unit = job_.first; unit < job_.last; ++unit) {
      const std::int64_t nth = whole ? unit : unit / job_.cut.count, item = job_.base + nth;
      const std::int64_t first = whole ? 0 : unit % job_.cut.count, last = whole ? job_.cut.count : first + 1;
      const std::int64_t row = row_of(a_, item);
      const row_plan plan = plan_of<T>(body_, a_, item, row);
      state* const states = job_.states == nullptr ? local : job_.states + nth * job_.cut.count;
      coefficients c{};
      if (job_.phase != row_phase::write && plan.reduces)
        for (std::int64_t k = first; k < last; ++k)
          reduce_chunk(row, job_.cut.begin(k), job_.cut.end(k), plan.left_out, states[k]);
      if (whole) finish_row<T>(body_, a_, item, job_.cut, states, c);
      if (job_.phase == row_phase::write) c = job_.ready[nth];
      if (job_.phase != row_phase::reduce && a_.gradient.data != nullptr && row >= 0)
        for (std::int64_t k = first; k < last; ++k)
          write_chunk(item, row, job_.cut.begin(k), job_.cut.end(k), plan, c);
    }
  }

 private:
  static constexpr int row_tile = 16384 / static_cast<int>(sizeof(T));  // a third of a first cache
  static constexpr int width = 64 / static_cast<int>(sizeof(T));  // of a lane
  static constexpr int step = 2 * width;                           // of the loop over terms

  const job_type& job_;
  const Body& body_;
  const row_reduce_arguments& a_;
  isa level_;
  alignas(64) T x_[row_tile];
  alignas(64) T out_[row_tile];

  template <class Loop>
  Loop looped(Loop loop) const {
    run_at<Loop>(level_, loop);
    return loop;
  }

  static const char* bytes_of(const T* x) { return reinterpret_cast<const char*>(x); }
  static int tile_at(std::int64_t first, std::int64_t end) { return static_cast<int>(smaller(row_tile, end - first)); }

  template <class Place>
  static auto columns_of(const Place& r, std::int64_t row, std::int64_t first) {
    using byte = std::conditional_t<std::is_const_v<std::remove_pointer_t<decltype(r.data)>>, const char, char>;
    return static_cast<byte*>(r.data) + (row * r.row_stride + first * r.stride) * size_of(r.type);
  }
  static bool readable(const row_source& r) { return r.stride == 1 && lanes_hold<T>(r.type); }

  // Columns [first, first + count) of a matrix in a buffer, as many as fill whole lanes: the additional ones are -inf.
  // Answers how many those are.
  int fill(const row_source& r, std::int64_t row, std::int64_t first, int count, int unit, T* buffer) const {
    const int padded = (count + unit - 1) / unit * unit;
    load_strided(source{columns_of(r, row, first), r.stride, r.type}, 0, count, buffer, level_);
    for (int i = count; i < padded; ++i) buffer[i] = -math::detail::infinity<T>();
    return padded;
  }
  row_pieces buffered(const row_source& r, std::int64_t row, std::int64_t first, int count, int unit, T* buffer) const {
    row_pieces all;
    all.add(bytes_of(buffer), element_of<T>(), fill(r, row, first, count, unit, buffer));
    return all;
  }
  // The same in place, if loops can read the type, save the end that is no whole one.
  row_pieces pieces(const row_source& r, std::int64_t row, std::int64_t first, int count, int unit, T* buffer) const {
    if (!readable(r)) return buffered(r, row, first, count, unit, buffer);
    row_pieces all;
    const int whole = count / unit * unit;
    all.add(columns_of(r, row, first), r.type, whole);
    if (whole < count)
      all.add(bytes_of(buffer), element_of<T>(), fill(r, row, first + whole, count - whole, unit, buffer));
    return all;
  }

  // The columns that the body sees; what is to be written has no use for its buffer yet.
  row_pieces joined(std::int64_t row, std::int64_t first, int count, int unit) {
    const int padded = fill(a_.x, row, first, count, unit, x_);
    fill(a_.y, row, first, count, unit, out_);
    looped(join_loop<T, Body>{&body_, out_, padded, x_});
    row_pieces all;
    all.add(bytes_of(x_), element_of<T>(), padded);
    return all;
  }
  row_pieces load(std::int64_t row, std::int64_t first, int count, int unit) {
    if constexpr (joins_rows<Body>)
      return joined(row, first, count, unit);
    else
      return pieces(a_.x, row, first, count, unit, x_);
  }

  // The same with one column at -inf: the step that it is in is in the buffer, behind the one that may be there.
  row_pieces load_without(std::int64_t omitted, std::int64_t row, std::int64_t first, int count) {
    const row_pieces all = load(row, first, count, step);
    if (omitted < first || omitted >= first + count) return all;
    const int at = static_cast<int>(omitted - first), begin = at / step * step;
    const row_pieces::piece head = all.at[0];
    if (head.columns == bytes_of(x_) || begin >= head.count) {
      x_[head.columns == bytes_of(x_) ? at : at - head.count] = -math::detail::infinity<T>();
      return all;
    }
    T* const buffer = x_ + step;
    fill(a_.x, row, first + begin, step, step, buffer);
    buffer[at - begin] = -math::detail::infinity<T>();
    row_pieces around;
    around.add(head.columns, head.type, begin);
    around.add(bytes_of(buffer), element_of<T>(), step);
    around.add(head.columns + (begin + step) * size_of(head.type), head.type, head.count - begin - step);
    if (all.count > 1) around.add(all.at[1].columns, all.at[1].type, all.at[1].count);
    return around;
  }

  // The K largest columns of a chunk.
  template <class List>
  void select(std::int64_t row, std::int64_t begin, std::int64_t end, List& list) {
    constexpr int parts = part_maxima_loop<T>::parts;
    alignas(64) T top[parts];
    std::fill(top, top + parts, -math::detail::infinity<T>());
    for (std::int64_t first = begin; first < end; first += row_tile) {
      const row_pieces tile = load(row, first, tile_at(first, end), parts);
      looped(part_maxima_loop<T>{&tile, top});
    }
    const int size = body_.picks();
    std::nth_element(top, top + (size - 1), top + parts, [](T e, T f) { return e > f; });
    for (std::int64_t first = begin; first < end; first += row_tile) {
      const int count = tile_at(first, end);
      const row_pieces tile = load(row, first, count, parts);
      looped(offer_loop<T, List>{&tile, first, count, top[size - 1], size, &list});
    }
  }

  // Of the K largest the first is left out.
  void reduce_chunk(std::int64_t row, std::int64_t begin, std::int64_t end, std::int64_t omitted, state& answer) {
    answer = state{};
    if constexpr (keeps_columns<Body>) {
      select(row, begin, end, answer.list);
      omitted = answer.list.column[0];
    }
    for (std::int64_t first = begin; first < end; first += span)  // then sums go on in double
      append_tile(body_, answer, reduce_span(row, first, smaller(first + span, end), omitted));
  }

  // As many columns as go through a loop at once: where they are read in place they need no room.
  static constexpr int span = 16384;
  int tile_of(bool in_place) const { return in_place ? span : row_tile; }

  // The first tile is short, since it is looked at twice: for a first maximum.
  row_state<Body::sums> reduce_span(std::int64_t row, std::int64_t begin, std::int64_t end, std::int64_t omitted) {
    constexpr int fetched_ahead = 4096;
    const std::int64_t rest = tile_of(readable(a_.x) && !joins_rows<Body> && !a_.arg);
    row_sums_so_far<T, Body> passed;
    T top = passed.shift;
    std::int64_t arg = -1;
    for (std::int64_t first = begin, size = row_tile / 4; first < end; first += size, size = rest) {
      const row_pieces tile = load_without(omitted, row, first, static_cast<int>(smaller(size, end - first)));
      const auto place = reinterpret_cast<std::uintptr_t>(columns_of(a_.x, row, first));
      if (first == begin) passed.shift = looped(maximum_loop<T, Body>{&body_, &tile, top}).answer;
      looped(terms_loop<T, Body>{&body_, &tile, place + fetched_ahead, &passed});
      if (!a_.arg) continue;
      const T now = largest_of(passed.top);
      if (now > top) arg = first + looped(find_loop<T, Body>{&body_, &tile, value_of_key(body_, now), 0}).answer;
      top = now;
    }
    row_state<Body::sums> part = state_of(body_, passed);
    part.arg = arg;
    return part;
  }

  void write_chunk(std::int64_t item, std::int64_t row, std::int64_t begin, std::int64_t end, const row_plan& plan,
                   const coefficients& c) {
    const bool direct = plan.slopes && goes_straight() && readable(a_.x) && !joins_rows<Body> && !picks_columns<Body>;
    const std::int64_t size = tile_of(direct);
    for (std::int64_t first = begin, count = 0; first < end; first += count) {
      count = smaller(size, end - first);
      if (direct && count > width) count -= count % width;  // what is no whole lane goes through a buffer
      if (plan.slopes)
        write_slopes(item, row, first, static_cast<int>(count), plan.left_out, c);
      else
        std::fill(out_, out_ + count, static_cast<T>(plan.fill)), write(row, first, static_cast<int>(count));
    }
  }
  bool goes_straight() const { return a_.gradient.stride == 1 && lanes_hold<T>(a_.gradient.type); }
  void write(std::int64_t row, std::int64_t first, int count) const {
    const row_sink& to = a_.gradient;
    store_strided(sink{columns_of(to, row, first), to.stride, to.type}, 0, count, out_, nullptr, false, level_);
  }
  void write_slopes(std::int64_t item, std::int64_t row, std::int64_t first, int count, std::int64_t omitted,
                    const coefficients& c) {
    const row_sink& to = a_.gradient;
    const bool picked = has_picks(body_, item, first, count);
    const bool direct = goes_straight() && count % width == 0 && !picked;
    char* const place = direct ? columns_of(to, row, first) : reinterpret_cast<char*>(out_);
    const element type = direct ? to.type : element_of<T>();
    const row_pieces tile = picked ? buffered(a_.x, row, first, count, width, x_) : load(row, first, count, width);
    // The gradient may be the matrix itself.
    const bool apart = omitted >= first && omitted < first + count;
    const T slope_apart = apart ? body_.slope_left_out(load_column<T>(a_, row, omitted), c) : T(0);
    const bool fetches = direct && job_.phase == row_phase::whole && body_.reduces();
    looped(slopes_loop<T, Body>{&body_, &c, &tile, place, type, fetches});
    if (apart) store_element(place, type, omitted - first, slope_apart, false);
    if (picked) slope_picks<T>(body_, item, c, first, count, x_, out_);
    if (!direct) write(row, first, count);
  }
};

}  // namespace detail

template <class T, class Body>
status row_reduce(const cpu& exec, const Body& given, const row_reduce_arguments& a) {
  isa level;
  if (const status s = resolve_isa(exec, level); !s.ok()) return s;
  using work = detail::row_reduce_work<T, Body>;
  const Body body = given.ready();
  const detail::row_chunks cut(a.columns);
  const auto run = [&](detail::row_phase phase, std::int64_t base, std::int64_t units, std::int64_t numbers,
                       typename work::state* states, const typename work::coefficients* ready) {
    detail::for_blocks(exec, units, numbers, [&](std::int64_t first, std::int64_t last) {
      const detail::row_reduce_job<Body> job{&body, &a, cut, phase, base, first, last, states, ready};
      work(job, level).run();
    });
  };
  const bool threads = exec.pool || exec.parallel_for;
  if (!threads || a.items >= detail::few_rows || cut.count == 1) {
    run(detail::row_phase::whole, 0, a.items, a.items * a.columns, nullptr, nullptr);
    return {};
  }
  // As many rows at a time as their chunks' states fit.
  constexpr std::int64_t most = detail::keeps_columns<Body> ? detail::most_row_lists : detail::most_row_states;
  const std::int64_t batch = most / cut.count;
  typename work::state states[most];
  typename work::coefficients ready[detail::few_rows];
  for (std::int64_t base = 0; base < a.items; base += batch) {
    const std::int64_t items = detail::smaller(batch, a.items - base), units = items * cut.count;
    run(detail::row_phase::reduce, base, units, items * a.columns, states, nullptr);
    for (std::int64_t i = 0; i < items; ++i)
      detail::finish_row<T>(body, a, base + i, cut, states + i * cut.count, ready[i]);
    if (a.gradient.data != nullptr) run(detail::row_phase::write, base, units, items * a.columns, nullptr, ready);
  }
  return {};
}

}  // namespace PREFER_ABI
}  // namespace prefer
