// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/convert.hpp>
#include <prefer/core/checks.hpp>
#include <prefer/core/host_scratch.hpp>
#include <prefer/core/math.hpp>
#include <prefer/rank/comparisons.hpp>
#include <prefer/rank/detail/comparison_row.hpp>

#include <algorithm>
#include <cstdint>

// Comparisons of any form as a graph on the items: for every item its opponents in increasing order, with merged
// counts. Every pair stands in both lists. What it is made of, and so the order of every later sum, depends on the data
// alone.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

struct comparison_graph {
  std::int64_t items = 0;
  std::int64_t entries = 0;          // twice the number of pairs that met
  std::int64_t* offsets = nullptr;   // [items + 1]
  std::int32_t* opponent = nullptr;  // [entries]
  double* won = nullptr;             // [entries] by the item over the opponent
  double* lost = nullptr;            // [entries]
  double* tied = nullptr;            // [entries], null when the data have no ties
};

// Reads comparisons in order. `squared_weights` is for sums of squares: a game of weight w then counts w^2.
struct comparison_reader {
  const comparisons<space::host>& data;
  comparison_shape shape;
  bool squared_weights = false;
  bool checks = true;

  static status count(const char* name, double x, std::int64_t at) {
    if (is_count(x)) return {};
    return require::fail(errc::bad_label, name, "a finite number, 0 or above", x, 0, at);
  }
  status item(const char* name, std::int64_t i, std::int64_t at) const {
    if (i >= 0 && i < shape.items) return {};
    return require::fail(errc::bad_index, name, "0 or above and below the number of items", static_cast<double>(i), 0,
                         at);
  }
  static status opponents(const char* name, std::int64_t i, std::int64_t j, std::int64_t at) {
    if (i != j) return {};
    return require::fail(errc::bad_index, name, "another item than the one it is compared with", static_cast<double>(j),
                         0, at);
  }

  comparison_row pair(std::int64_t k) const {
    comparison_row r = pair_row(data, k);
    const double scale = squared_weights ? r.weight * r.weight : r.weight;
    r.first_wins *= scale, r.second_wins *= scale, r.ties *= scale;
    return r;
  }

  status check_pair(std::int64_t k) const {
    const std::int64_t i = index_at(data.first, k), j = index_at(data.second, k);
    status s = item("first", i, k);
    if (s.ok()) s = item("second", j, k);
    if (s.ok()) s = opponents("second", i, j, k);
    if (s.ok() && data.first_wins.given()) s = count("first_wins", number_at(data.first_wins, k), k);
    if (s.ok() && data.second_wins.given()) s = count("second_wins", number_at(data.second_wins, k), k);
    if (s.ok() && data.ties.given()) s = count("ties", number_at(data.ties, k), k);
    if (s.ok() && data.weight.given()) s = count("weight", number_at(data.weight, k), k);
    if (s.ok() && data.weight.given()) s = count("weight", pair_row(data, k).total(), k);  // does not overflow
    return s;
  }

  comparison_row entry(std::int64_t i, std::int64_t k) const { return sparse_row(data, i, k); }

  status check_entry(std::int64_t i, std::int64_t k) const {
    const std::int64_t j = index_at(data.columns, k);
    status s = item("columns", j, k);
    if (s.ok()) s = count("row_wins", number_at(data.row_wins, k), k);
    if (s.ok() && data.row_ties.given()) s = count("row_ties", number_at(data.row_ties, k), k);
    if (!s.ok()) return s;
    const comparison_row r = entry(i, k);
    return r.first_wins + r.ties > 0 ? opponents("columns", i, j, k) : status{};
  }

  status check_offsets() const {
    std::int64_t before = 0;
    for (std::int64_t i = 0; i <= shape.items; ++i) {
      const std::int64_t at = index_at(data.row_offsets, i);
      const bool good = at >= before && at <= shape.rows && (i > 0 || at == 0) && (i < shape.items || at == shape.rows);
      if (!good)
        return require::fail(errc::bad_offsets, "row_offsets",
                             "0 first, never less than the one before, and the extent of columns last",
                             static_cast<double>(at), 0, i);
      before = at;
    }
    return {};
  }

  status check() const {
    status s;
    if (!checks || shape.form == comparison_form::matrix) return s;  // the builder looks at its copy of a matrix
    if (shape.form == comparison_form::pairs) {
      for (std::int64_t k = 0; s.ok() && k < shape.rows; ++k) s = check_pair(k);
      return s;
    }
    s = check_offsets();
    for (std::int64_t i = 0; s.ok() && i < shape.items; ++i)
      for (std::int64_t k = index_at(data.row_offsets, i); s.ok() && k < index_at(data.row_offsets, i + 1); ++k)
        s = check_entry(i, k);
    return s;
  }

  // f(k, row) for every row between two items, in order; k counts them as they are stored.
  template <class F>
  void each(F f) const {
    if (shape.form == comparison_form::pairs) {
      for (std::int64_t k = 0; k < shape.rows; ++k) f(k, pair(k));
    } else {
      for (std::int64_t i = 0; i < shape.items; ++i)
        for (std::int64_t k = index_at(data.row_offsets, i); k < index_at(data.row_offsets, i + 1); ++k) {
          const comparison_row r = entry(i, k);
          if (r.first != r.second) f(k, r);
        }
    }
  }
};

class graph_builder {
 public:
  // Lanes read whole vectors, so arrays of entries end in a few unused elements.
  static constexpr std::int64_t padding = 8;

  // Few items and many rows are counted in a square table, everything else is sorted.
  static bool counts_in_table(const comparison_shape& shape) {
    if (shape.form == comparison_form::matrix) return true;
    return shape.items <= 32768 &&
           shape.items * shape.items <= std::max<std::int64_t>(4 * shape.rows, std::int64_t{1} << 16);
  }
  static std::int64_t most_entries(const comparison_shape& shape) {
    const std::int64_t n = shape.items;
    if (shape.form == comparison_form::matrix) return n * (n - 1);
    return counts_in_table(shape) ? std::min(2 * shape.rows, n * (n - 1)) : 2 * shape.rows;
  }

  // Takes the memory of the graph, which stays, and of the construction, which the caller releases.
  static comparison_graph carve(arena& memory, const comparison_shape& shape) {
    comparison_graph g;
    const std::int64_t most = most_entries(shape) + padding;
    g.items = shape.items;
    g.offsets = memory.take<std::int64_t>(shape.items + 1);
    g.opponent = memory.take<std::int32_t>(most);
    g.won = memory.take<double>(most);
    g.lost = memory.take<double>(most);
    if (shape.ties) g.tied = memory.take<double>(most);
    return g;
  }

  graph_builder(arena& memory, const comparison_shape& shape) : shape_(shape) {
    const std::int64_t n = shape.items, m = shape.rows;
    if (counts_in_table(shape)) {
      wins_ = memory.take<double>(n * n);
      if (shape.ties) ties_ = memory.take<double>(n * n);
      column_wins_ = memory.take<double>(n * block);
      if (shape.ties) column_ties_ = memory.take<double>(n * block);
    } else {
      low_ = memory.take<std::int32_t>(m);
      high_ = memory.take<std::int32_t>(m);
      by_opponent_ = memory.take<std::int64_t>(2 * m);
      by_item_ = memory.take<std::int64_t>(2 * m);
      cursor_ = memory.take<std::int64_t>(n + 1);
    }
  }

  status build(const comparison_reader& reader, comparison_graph& graph) {
    if (const status s = reader.check(); !s.ok()) return s;
    return counts_in_table(shape_) ? from_table(reader, graph) : from_sorting(reader, graph);
  }

 private:
  static constexpr std::int64_t block = 8;  // columns of the table that are read together: one cache line per row

  comparison_shape shape_;
  double* wins_ = nullptr;
  double* ties_ = nullptr;
  double* column_wins_ = nullptr;
  double* column_ties_ = nullptr;
  std::int32_t* low_ = nullptr;
  std::int32_t* high_ = nullptr;
  std::int64_t* by_opponent_ = nullptr;
  std::int64_t* by_item_ = nullptr;
  std::int64_t* cursor_ = nullptr;

  static void copy(const input_view<2, space::host>& v, std::int64_t n, double* out) {
    with_elements(v.data, v.type, [&](const auto* p) {
      for (std::int64_t i = 0; i < n; ++i)
        for (std::int64_t j = 0; j < n; ++j)
          out[i * n + j] = static_cast<double>(widen(p[i * v.stride[0] + j * v.stride[1]]));
    });
  }

  void fill_table(const comparison_reader& reader) {
    const std::int64_t n = shape_.items;
    if (shape_.form == comparison_form::matrix) {
      copy(reader.data.win_matrix, n, wins_);
      if (ties_ != nullptr) copy(reader.data.tie_matrix, n, ties_);
      for (std::int64_t k = 0; ties_ != nullptr && k < n * n; ++k) ties_[k] /= 2;
      return;
    }
    std::fill(wins_, wins_ + n * n, 0.0);
    if (ties_ != nullptr) std::fill(ties_, ties_ + n * n, 0.0);
    reader.each([&](std::int64_t, const comparison_row& r) {
      wins_[r.first * n + r.second] += r.first_wins;
      wins_[r.second * n + r.first] += r.second_wins;
      if (ties_ != nullptr) ties_[r.first * n + r.second] += r.ties;
    });
  }

  static bool all_counts(const double* table, std::int64_t size) {
    bool good = true;
    for (std::int64_t k = 0; k < size; ++k) good &= is_count(table[k]);
    return good;
  }

  status check_table(const char* name, const double* table, double scale) const {
    const std::int64_t n = shape_.items;
    const std::int64_t size = all_counts(table, n * n) ? 0 : n * n;
    for (std::int64_t k = 0; k < size; ++k)
      if (const status s = comparison_reader::count(name, table[k] * scale, k); !s.ok()) return s;
    for (std::int64_t i = 0; i < n; ++i)
      if (table[i * n + i] > 0) return comparison_reader::opponents(name, i, i, i * n + i);
    return {};
  }

  // Columns [first, first + block) of a table, as rows.
  static void transpose(const double* table, std::int64_t n, std::int64_t first, std::int64_t count, double* out) {
    for (std::int64_t j = 0; j < n; ++j)
      for (std::int64_t i = 0; i < count; ++i) out[i * n + j] = table[j * n + first + i];
  }

  status from_table(const comparison_reader& reader, comparison_graph& g) {
    const std::int64_t n = shape_.items;
    fill_table(reader);
    if (reader.checks && shape_.form == comparison_form::matrix) {
      status s = check_table("win_matrix", wins_, 1);
      if (s.ok() && ties_ != nullptr) s = check_table("tie_matrix", ties_, 2);
      if (!s.ok()) return s;
    }
    std::int64_t at = 0;
    for (std::int64_t first = 0; first < n; first += block) {
      const std::int64_t count = std::min(block, n - first);
      transpose(wins_, n, first, count, column_wins_);
      if (ties_ != nullptr) transpose(ties_, n, first, count, column_ties_);
      for (std::int64_t i = first; i < first + count; ++i) {
        g.offsets[i] = at;
        const double* lost = column_wins_ + (i - first) * n;
        if (ties_ == nullptr)
          at = append(g, at, wins_ + i * n, lost);
        else if (const status s = append(g, at, i, lost, column_ties_ + (i - first) * n, reader.checks); !s.ok())
          return s;
      }
    }
    g.offsets[n] = g.entries = at;
    return {};
  }

  std::int64_t append(comparison_graph& g, std::int64_t at, const double* won, const double* lost) const {
    for (std::int64_t j = 0; j < shape_.items; ++j) {
      if (!(won[j] + lost[j] > 0)) continue;
      g.opponent[at] = static_cast<std::int32_t>(j);
      g.won[at] = won[j];
      g.lost[at] = lost[j];
      ++at;
    }
    return at;
  }

  status append(comparison_graph& g, std::int64_t& at, std::int64_t i, const double* lost, const double* other_ties,
                bool checks) const {
    const std::int64_t n = shape_.items;
    const double* won = wins_ + i * n;
    const double* own_ties = ties_ + i * n;
    for (std::int64_t j = 0; j < n; ++j) {
      if (checks && differ(own_ties[j], other_ties[j])) return asymmetric(i, j, 2 * own_ties[j]);
      const double ties = own_ties[j] + other_ties[j];
      if (!(won[j] + lost[j] + ties > 0)) continue;
      g.opponent[at] = static_cast<std::int32_t>(j);
      g.won[at] = won[j];
      g.lost[at] = lost[j];
      g.tied[at] = ties;
      ++at;
    }
    return {};
  }

  bool differ(double one, double other) const {
    return shape_.form != comparison_form::pairs && ties_differ(one, other);
  }

  status asymmetric(std::int64_t i, std::int64_t j, double got) const {
    const bool matrix = shape_.form == comparison_form::matrix;
    return require::fail(
        errc::bad_label, matrix ? "tie_matrix" : "row_ties",
        matrix ? "the same number in (i, j) and (j, i): the matrix of ties is symmetric"
               : "the same number in (i, j) and (j, i): the matrix of ties is symmetric (the index is the row)",
        got, 0, matrix ? i * shape_.items + j : i);
  }

  // Stable counting sort of entry ids 2k (row k as first sees it) and 2k + 1 (as second sees it).
  template <class Key, class Source>
  void sort_by(std::int64_t count, Source source, Key key, std::int64_t* out) {
    std::fill(cursor_, cursor_ + shape_.items + 1, std::int64_t{0});
    for (std::int64_t e = 0; e < count; ++e) ++cursor_[key(source(e)) + 1];
    for (std::int64_t i = 0; i < shape_.items; ++i) cursor_[i + 1] += cursor_[i];
    for (std::int64_t e = 0; e < count; ++e) out[cursor_[key(source(e))]++] = source(e);
  }

  status from_sorting(const comparison_reader& reader, comparison_graph& g) {
    std::fill(low_, low_ + shape_.rows, 0);
    std::fill(high_, high_ + shape_.rows, 0);
    reader.each([&](std::int64_t k, const comparison_row& r) {
      low_[k] = static_cast<std::int32_t>(r.first);
      high_[k] = static_cast<std::int32_t>(r.second);
    });
    const auto item = [&](std::int64_t e) { return (e & 1) == 0 ? low_[e / 2] : high_[e / 2]; };
    const auto opponent = [&](std::int64_t e) { return (e & 1) == 0 ? high_[e / 2] : low_[e / 2]; };
    const std::int64_t count = 2 * shape_.rows;
    sort_by(
        count, [](std::int64_t e) { return e; }, opponent, by_opponent_);
    sort_by(
        count, [&](std::int64_t e) { return by_opponent_[e]; }, item, by_item_);
    return merge(reader, g, item, opponent);
  }

  comparison_row row(const comparison_reader& reader, std::int64_t k) const {
    return shape_.form == comparison_form::pairs ? reader.pair(k) : reader.entry(low_[k], k);
  }

  template <class Item, class Opponent>
  status merge(const comparison_reader& reader, comparison_graph& g, Item item, Opponent opponent) const {
    std::int64_t at = 0, e = 0;
    const std::int64_t count = 2 * shape_.rows;
    for (std::int64_t i = 0; i < shape_.items; ++i) {
      g.offsets[i] = at;
      while (e < count && item(by_item_[e]) == i) {
        const std::int32_t j = opponent(by_item_[e]);
        double won = 0, lost = 0, own_ties = 0, other_ties = 0;
        for (; e < count && item(by_item_[e]) == i && opponent(by_item_[e]) == j; ++e) {
          const comparison_row r = row(reader, by_item_[e] / 2);
          const bool own = (by_item_[e] & 1) == 0;
          won += own ? r.first_wins : r.second_wins;
          lost += own ? r.second_wins : r.first_wins;
          (own ? own_ties : other_ties) += r.ties;
        }
        const double ties = own_ties + other_ties;
        if (i == j || !(won + lost + ties > 0)) continue;
        if (reader.checks && differ(own_ties, other_ties)) return asymmetric(i, j, 2 * own_ties);
        g.opponent[at] = j;
        g.won[at] = won;
        g.lost[at] = lost;
        if (g.tied != nullptr) g.tied[at] = ties;
        ++at;
      }
    }
    g.offsets[shape_.items] = g.entries = at;
    return {};
  }
};

// Reads and checks `data` into a graph. The memory of the construction is released again.
inline status make_graph(const comparison_reader& reader, arena& memory, comparison_graph& graph) {
  graph = graph_builder::carve(memory, reader.shape);
  const std::size_t mark = memory.mark();
  graph_builder builder(memory, reader.shape);
  const status s = builder.build(reader, graph);
  memory.release(mark);
  return s;
}

inline void measure_graph(arena& memory, const comparison_shape& shape) {
  graph_builder::carve(memory, shape);
  const std::size_t mark = memory.mark();
  graph_builder(memory, shape);
  memory.release(mark);
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
