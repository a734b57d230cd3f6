// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/arena.hpp>
#include <prefer/core/evaluate_tokens.hpp>

#include <cstddef>
#include <cstdint>

// evaluate_lists: value and gradient of a listwise loss over ragged lists of scored items, in one call.
//
// A loss over lists is a struct with
//
//   static constexpr list_order order;   // what it asks about the order of the items
//   constexpr status check() const;
//   template <class List> PREFER_HD double prepare(const List& l, std::int64_t i) const;
//   template <class List> PREFER_HD list_term term(const List& l, std::int64_t i) const;
//
// `prepare` gives one number per item, present or not, which `term` finds as l.prepared(j); the value of the list is
// the sum of the terms' values, and slope the derivative of that whole value by the item's own score. Both loop over
// the list, in double: O(K^2) for K items, all items in parallel on CUDA.
namespace prefer {

// What a loss asks about the order of the items: nothing, so that none may be given; grades or a ranking; a ranking,
// since it needs positions.
enum class list_order : std::uint8_t { none, any, ranking };

// N items in n lists: list i owns the items [offsets[i], offsets[i + 1]). The better items have the higher grades; ties
// are the loss's business. Instead of grades a ranking may be given: the numbers of the list's items, from 0, best
// first.
template <space S>
struct list_inputs {
  input_view<1, S> score = {};         // N
  input_view<1, S> offsets = {};       // n + 1; int32 or int64
  input_view<1, S> grade = {};         // N, or
  input_view<1, S> ranking = {};       // N; int32 or int64, a permutation in each list
  input_view<1, S> item_mask = {};     // N; bool or uint8: zero leaves the item out of its list
  input_view<1, S> weight = {};        // n: multiplies value and gradient, of any sign; 1 if not given
  input_view<1, S> mask = {};          // n; bool or uint8: zero leaves the list out
  prefer::normalizer normalizer = {};  // what sums are divided by; the number of selected lists if not given
};

template <space S>
struct list_outputs {
  output_view<1, S> loss = {};        // one element: sum of weight * value / normalizer
  output_view<1, S> grad_score = {};  // N: the gradient of loss
  output_view<1, S> losses = {};      // n: weight * value
  output_view<1, S> count = {};       // one element: the number of selected lists
  bool accumulate = false;            // add to the outputs instead of overwriting them
};

struct list_term {
  double value = 0, slope = 0;
};

inline namespace PREFER_ABI {
namespace detail {

// The shape of the reduction: one weight per list in, one loss per list out, loss and count as totals.
struct list_body {
  static constexpr int inputs = 1, outputs = 1, sums = 2;
};

struct list_arguments {
  map_reduce_arguments<1, 1, 2> items;
  segment_source lists;  // its mask is that of the items
  source score, grade, ranking;
  sink gradient;
  double* key = nullptr;       // N: the order of the items, higher is better
  double* prepared = nullptr;  // N
};

// One list, as a loss sees it. Items that are left out are not present and must be passed over.
struct list_view {
  const list_arguments* a;
  std::int64_t begin, count;

  PREFER_HD std::int64_t size() const { return count; }
  PREFER_HD bool present(std::int64_t i) const {
    const source& m = a->lists.mask;
    return m.data == nullptr || load_element<float>(m.data, m.type, (begin + i) * m.stride) != 0.0f;
  }
  PREFER_HD double score(std::int64_t i) const {
    return load_element<double>(a->score.data, a->score.type, (begin + i) * a->score.stride);
  }
  PREFER_HD double key(std::int64_t i) const { return a->key[begin + i]; }
  PREFER_HD double prepared(std::int64_t i) const { return a->prepared[begin + i]; }
  // The item at a position of the ranking, and the position of an item (with a ranking only).
  PREFER_HD std::int64_t at(std::int64_t position) const {
    return load_index(a->ranking.data, a->ranking.type, (begin + position) * a->ranking.stride);
  }
  PREFER_HD std::int64_t position(std::int64_t i) const { return -static_cast<std::int64_t>(key(i)); }

  // The key of item i by its grade, 0 without an order; with a ranking, marks where position i puts its item.
  PREFER_HD void set_key(std::int64_t i) const {
    if (a->grade.data == nullptr && a->ranking.data == nullptr) {
      a->key[begin + i] = 0;
    } else if (a->grade.data != nullptr) {
      a->key[begin + i] = load_element<double>(a->grade.data, a->grade.type, (begin + i) * a->grade.stride);
    } else {
      const std::int64_t item = at(i);
      if (item >= 0 && item < count) a->key[begin + item] = -static_cast<double>(i);
    }
  }
  // Whether position i of the ranking names an item of the list that no later position names, or the grade of a present
  // item i is a number.
  PREFER_HD bool orders(std::int64_t i) const {
    if (a->ranking.data == nullptr) return !present(i) || !math::is_nan(key(i));
    const std::int64_t item = at(i);
    return item >= 0 && item < count && key(item) == -static_cast<double>(i);
  }
};

inline constexpr std::int64_t most_list_blocks = 2048;  // of threads, on CUDA

inline constexpr const char* one_per_item = "one per item, as many as there are scores:";

template <space S>
status check_order(const list_inputs<S>& in, list_order wanted) {
  if (wanted == list_order::none && (in.grade.given() || in.ranking.given()))
    return require::fail(errc::unused_input, in.grade.given() ? "grade" : "ranking",
                         "to be left out, since this loss does not order the items");
  if (wanted == list_order::none) return {};
  if (wanted == list_order::ranking && !in.ranking.given())
    return require::fail(errc::missing_input, "ranking", "a ranking of each list, since this loss needs positions");
  if (in.grade.given() == in.ranking.given())
    return require::fail(in.grade.given() ? errc::unused_input : errc::missing_input, "grade",
                         "either grade or ranking, and not both");
  return {};
}

template <space S>
status check_lists(const list_inputs<S>& in, const list_outputs<S>& out, list_order wanted, purpose why) {
  if (!in.score.given()) return require::fail(errc::missing_input, "score", "one score per item");
  if (!in.offsets.given()) return require::fail(errc::missing_input, "offsets", "where each list begins, and the end");
  if (const status s = check_order(in, wanted); !s.ok()) return s;
  const std::int64_t items = in.score.extent[0], n = in.offsets.extent[0] - 1;
  const auto optional = [](const auto& v, const char* name, std::int64_t extent, const char* whose,
                           require::holds what) {
    return v.given() ? require::vector(name, v, extent, whose, what) : status{};
  };
  if (n < 0 || items < 0)
    return require::fail(errc::bad_extent, n < 0 ? "offsets" : "score", "at least",
                         static_cast<double>(n < 0 ? n + 1 : items), n < 0 ? 1 : 0);
  using require::holds;
  const char* per_list = "one per list, one less than offsets:";
  if (const status s =
          first_error(require::vector("score", in.score, items, one_per_item, holds::numbers),
                      require::vector("offsets", in.offsets, n + 1, per_list, holds::indices),
                      optional(in.grade, "grade", items, one_per_item, holds::numbers),
                      optional(in.ranking, "ranking", items, one_per_item, holds::indices),
                      optional(in.item_mask, "item_mask", items, one_per_item, holds::flags),
                      optional(in.weight, "weight", n, per_list, holds::numbers),
                      optional(in.mask, "mask", n, per_list, holds::flags),
                      in.normalizer.given ? require::positive(in.normalizer.value, "normalizer") : status{},
                      optional(out.loss, "loss", 1, "one element:", holds::totals),
                      optional(out.grad_score, "grad_score", items, one_per_item, holds::numbers),
                      optional(out.losses, "losses", n, per_list, holds::numbers),
                      optional(out.count, "count", 1, "one element:", holds::totals));
      !s.ok())
    return s;
  if (why == purpose::compute && !out.loss.given() && !out.grad_score.given() && !out.losses.given() &&
      !out.count.given())
    return require::fail(errc::missing_output, "outputs", "at least one output to write");
  using input = listed<input_view<1, S>>;
  using output = listed<output_view<1, S>>;
  require::footprints<7, 4> all;
  for (const input& v : {input{"score", &in.score, 0}, input{"offsets", &in.offsets, 0}, input{"grade", &in.grade, 0},
                         input{"ranking", &in.ranking, 0}, input{"item_mask", &in.item_mask, 0},
                         input{"weight", &in.weight, 0}, input{"mask", &in.mask, 0}})
    all.read(v);
  for (const output& v : {output{"loss", &out.loss, 0}, output{"grad_score", &out.grad_score, 0},
                          output{"losses", &out.losses, 0}, output{"count", &out.count, 0}})
    all.write(v);
  return all.check();
}

template <space S>
list_arguments make_list_arguments(const list_inputs<S>& in, const list_outputs<S>& out) {
  list_arguments a;
  const auto read = [](const input_view<1, S>& v) {
    source s;
    set_source<S>(s, {"", &v, 0}, 1);
    return s;
  };
  const auto write = [](const output_view<1, S>& v) { return sink_of<S>({"", &v, 0}); };
  a.items.n = in.offsets.extent[0] - 1;
  a.items.in[0] = read(in.weight);
  a.items.mask = read(in.mask);
  a.items.out[0] = write(out.losses);
  a.items.sum[0] = {out.loss.data, out.loss.type, true};
  a.items.sum[1] = {out.count.data, out.count.type, false};
  a.items.normalizer = in.normalizer;
  a.items.accumulate = out.accumulate;
  a.lists = make_segment<S>({{"", &in.offsets, 0}, {}, {"", &in.item_mask, 0}, {}}, in.score.extent[0]);
  a.score = read(in.score);
  a.grade = read(in.grade);
  a.ranking = read(in.ranking);
  a.gradient = write(out.grad_score);
  return a;
}

// All checks of `evaluate_lists` but those of content, and what it computes from.
template <class Loss, space S>
status prepare_lists(const Loss& loss, const list_inputs<S>& in, const list_outputs<S>& out, purpose why,
                     list_arguments& a) {
  if (const status s = first_error(loss.check(), check_lists(in, out, Loss::order, why)); !s.ok()) return s;
  a = make_list_arguments(in, out);
  return {};
}

// A list's term of item i, NaN if the list cannot be ordered; its gradient is written.
template <class Loss>
PREFER_HD double run_list_item(const Loss& loss, const list_view& l, std::int64_t i, bool selected, bool broken,
                               double scale) {
  const bool counts = selected && l.present(i);
  const double nothing = math::detail::not_a_number<double>();
  const list_term t = !counts ? list_term{} : broken ? list_term{nothing, nothing} : loss.term(l, i);
  write_item(l.a->gradient, l.begin + i, counts, t.slope * scale, l.a->items.accumulate);
  return t.value;
}

// What a list that is selected adds up to.
PREFER_HD void write_list(const list_arguments& a, std::int64_t list, bool selected, double value, double (&sums)[2]) {
  const double weighted = selected ? read_item<double>(a.items.in[0], list) * value : 0;
  if (selected) sums[0] += weighted, sums[1] += 1;
  write_item(a.items.out[0], list, selected, weighted, a.items.accumulate);
}

template <class Exec, class Loss>
status run_lists(const Exec&, const Loss&, const list_arguments&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}

inline list_view list_at(const list_arguments& a, std::int64_t i) {
  const token_range r = range_of(a.lists, i);
  return {&a, r.begin, r.size()};
}

// The keys of all items; a ranking that is not a permutation, or a grade that is not a number, is found here.
inline status order_lists(const list_arguments& a) {
  for (std::int64_t list = 0; list < a.items.n; ++list) {
    if (!selects(a.items.mask, list)) continue;
    const list_view l = list_at(a, list);
    for (std::int64_t i = 0; i < l.size(); ++i) l.set_key(i);
    for (std::int64_t i = 0; i < l.size(); ++i) {
      if (l.orders(i)) continue;
      if (a.grade.data != nullptr)
        return require::fail(errc::not_a_number, "grade", "a number, but it is NaN", l.key(i), 0, l.begin + i);
      return require::fail(errc::bad_index, "ranking", "every item of its list once", static_cast<double>(l.at(i)),
                           static_cast<double>(l.size()), l.begin + i);
    }
  }
  return {};
}

template <class Loss>
void run_list(const Loss& loss, const list_arguments& a, std::int64_t list, double normalizer, double (&sums)[2]) {
  const bool selected = selects(a.items.mask, list);
  const double scale = selected ? read_item<double>(a.items.in[0], list) / normalizer : 0;
  const list_view l = list_at(a, list);
  for (std::int64_t i = 0; selected && i < l.size(); ++i) a.prepared[l.begin + i] = loss.prepare(l, i);
  double value = 0;
  for (std::int64_t i = 0; i < l.size(); ++i) value += run_list_item(loss, l, i, selected, false, scale);
  write_list(a, list, selected, value, sums);
}

// Two numbers per item.
inline void carve_lists(list_arguments& a, arena& memory) {
  a.key = memory.take<double>(a.lists.tokens);
  a.prepared = memory.take<double>(a.lists.tokens);
}

// Offsets, and the order of the items in memory of the caller; with content::all NaN too.
inline status check_list_content(const cpu& exec, list_arguments& a) {
  if (const status s = check_offsets(a.lists, a.items.n, "offsets"); !s.ok()) return s;
  arena measured, memory;
  carve_lists(a, measured);
  if (const status s = lend(exec, measured, memory); !s.ok()) return s;
  carve_lists(a, memory);
  if (const status s = order_lists(a); !s.ok() || exec.content != content::all) return s;
  return first_error(check_source(a.items.in[0], a.items.mask, {"weight"}, exec.content, a.items.n),
                     check_tokens(a.score, a.lists, a.items.mask, "score", a.items.n));
}

template <class Loss>
status run_lists(const cpu& exec, const Loss& loss, const list_arguments& given) {
  list_arguments a = given;
  if (const status s = check_list_content(exec, a); !s.ok()) return s;

  const std::int64_t n = a.items.n, blocks = smaller(n, max_blocks);
  const double normalizer = resolve_normalizer(a.items.normalizer, a.items.mask, n);
  double sums[max_blocks][2];
  for_blocks(exec, blocks, 16 * a.lists.tokens, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t block = first; block < last; ++block) {
      sums[block][0] = sums[block][1] = 0;
      for (std::int64_t i = n * block / blocks; i < n * (block + 1) / blocks; ++i)
        run_list(loss, a, i, normalizer, sums[block]);
    }
  });
  write_totals(sums, blocks, a.items, normalizer);
  return {};
}

}  // namespace detail

// Value and gradient of a loss over n lists (plackett_luce, ranknet, ...). Arithmetic is in double, whatever the
// elements are. Workspace: exec.workspace of evaluate_lists_workspace(n, N) bytes (on CUDA optional). Returns the first
// thing that is wrong, offsets that decrease and grades that are NaN and rankings that are no permutations included;
// then no output has been written. On CUDA such a list becomes NaN and is reported. Cost: O(K^2) per list of K items.
template <class Exec, class Loss>
status evaluate_lists(const Exec& exec, const Loss& loss, const list_inputs<Exec::memory>& in,
                      const list_outputs<Exec::memory>& out) {
  detail::list_arguments a;
  if (const status s = detail::prepare_lists(loss, in, out, detail::purpose::compute, a); !s.ok()) return s;
  return run_lists(exec, loss, a);
}

// Bytes of workspace for n lists of N items together, on either backend.
inline std::size_t evaluate_lists_workspace(std::int64_t n, std::int64_t items) {
  detail::arena measured;
  detail::list_arguments a;
  a.lists.tokens = items;
  detail::carve_lists(a, measured);
  const std::int64_t blocks = n < detail::most_list_blocks ? n : detail::most_list_blocks;
  return measured.bytes() + static_cast<std::size_t>(2 * blocks) * sizeof(double) + 2048;  // CUDA: sums, alignment
}

}  // namespace PREFER_ABI
}  // namespace prefer
