// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/map_reduce.hpp>
#include <prefer/backend/item.hpp>
#include <prefer/backend/segmented_map_reduce.hpp>
#include <prefer/core/checks.hpp>

#include <cstdint>

// segmented_map_reduce on the CPU (contract: backend/segmented_map_reduce.hpp). One item after the other: its tokens
// stream through a small buffer, the body runs once, its answer streams back to the tokens.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

struct token_range {
  std::int64_t begin, end;
  std::int64_t size() const { return end - begin; }
};

inline token_range range_of(const segment_source& s, std::int64_t item) {
  return {load_index(s.begin, s.begin_type, item * s.begin_stride), load_index(s.end, s.end_type, item * s.end_stride)};
}

// Eight running sums, so that additions overlap; token t of a segment always goes to sum t mod 8.
struct token_sum {
  double part[8] = {};

  void add(const double* x, int count) {
    int i = 0;
    for (; i + 8 <= count; i += 8)
      for (int j = 0; j < 8; ++j) part[j] += x[i + j];
    for (; i < count; ++i) part[i % 8] += x[i];
  }
  double total() const {
    return ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
  }
};

template <class Body>
struct segment_walk {
  const segmented_arguments_of<Body>& a;

  // Which tokens of a run count, and their weights.
  struct selection {
    bool keep[tile_items];
    double weight[tile_items];
  };

  // The length of the item's shortest segment.
  std::int64_t shortest(std::int64_t item) const {
    std::int64_t least = range_of(a.segment[0], item).size();
    for (int p = 1; p < Body::segments; ++p) least = smaller(least, range_of(a.segment[p], item).size());
    return least;
  }

  void select(const segment_source& segment, std::int64_t begin, std::int64_t first, int count, std::int64_t least,
              selection& s) const {
    if (segment.mask.data != nullptr) {
      load_strided(segment.mask, first, count, s.weight);
      for (int i = 0; i < count; ++i) s.keep[i] = s.weight[i] != 0;
    } else {
      for (int i = 0; i < count; ++i) s.keep[i] = true;
    }
    if (segment.weight.data != nullptr)
      load_strided(segment.weight, first, count, s.weight);
    else
      for (int i = 0; i < count; ++i) s.weight[i] = 1;
    if (!a.weights.trivial())
      for (int i = 0; i < count; ++i) s.weight[i] *= a.weights.at(first + i - begin, least);
  }

  // The sums and lengths of one item's segments, into the body's inputs.
  void gather(std::int64_t item, double (&in)[Body::inputs]) const {
    const std::int64_t least = shortest(item);
    for (int p = 0; p < Body::segments; ++p) {
      const token_range range = range_of(a.segment[p], item);
      token_sum sum[Body::inputs];
      std::int64_t selected = 0;
      double x[tile_items];
      selection s;
      for (std::int64_t first = range.begin; first < range.end; first += tile_items) {
        const int count = static_cast<int>(smaller(tile_items, range.end - first));
        select(a.segment[p], range.begin, first, count, least, s);
        for (int i = 0; i < count; ++i) selected += s.keep[i];
        for (int k = 0; k < Body::inputs; ++k) {
          if (!is_stream(k, p)) continue;
          load_strided(a.items.in[k], first, count, x);
          for (int i = 0; i < count; ++i) x[i] = s.keep[i] ? x[i] * s.weight[i] : 0;
          sum[k].add(x, count);
        }
      }
      for (int k = 0; k < Body::inputs; ++k) {
        if (is_stream(k, p)) in[k] = sum[k].total();
        if (Body::input_role(k).role == role::length && Body::input_role(k).segment == p)
          in[k] = static_cast<double>(selected);
      }
    }
  }

  // The body's outputs, to every token of the item's segments.
  void scatter(std::int64_t item, bool selected, const double (&out)[Body::outputs]) const {
    const std::int64_t least = shortest(item);
    double x[tile_items];
    selection s;
    for (int m = 0; m < Body::outputs; ++m) {
      const sink& to = a.items.out[m];
      const token_role r = Body::output_role(m);
      if (to.data == nullptr || r.role != role::tokens) continue;
      const token_range range = range_of(a.segment[r.segment], item);
      for (std::int64_t first = range.begin; first < range.end; first += tile_items) {
        const int count = static_cast<int>(smaller(tile_items, range.end - first));
        select(a.segment[r.segment], range.begin, first, count, least, s);
        for (int i = 0; i < count; ++i) {
          s.keep[i] = s.keep[i] && selected;
          x[i] = s.keep[i] ? out[m] * s.weight[i] : 0;
        }
        store_strided(to, first, count, x, s.keep, a.items.accumulate);
      }
    }
  }

  bool is_stream(int k, int segment) const {
    return Body::input_role(k).role == role::tokens && Body::input_role(k).segment == segment &&
           a.items.in[k].data != nullptr;
  }
};

template <class Body>
void run_item(const Body& body, const segmented_arguments_of<Body>& a, std::int64_t item, double* sums) {
  const segment_walk<Body> walk{a};
  const bool selected = selects(a.items.mask, item);
  double in[Body::inputs] = {}, out[Body::outputs] = {}, part[Body::sums] = {};
  if (selected) {
    for (int k = 0; k < Body::inputs; ++k)
      if (Body::input_role(k).role == role::item || a.items.in[k].data == nullptr)
        in[k] = read_item<double>(a.items.in[k], item);
    walk.gather(item, in);
    body(in, out, part);
    for (int r = 0; r < Body::sums; ++r) sums[r] += part[r];
  }
  walk.scatter(item, selected, out);
  for (int m = 0; m < Body::outputs; ++m)
    if (Body::output_role(m).role == role::item) write_item(a.items.out[m], item, selected, out[m], a.items.accumulate);
}

inline status check_offsets(const segment_source& s, std::int64_t n, const char* name) {
  for (std::int64_t i = 0; i < n; ++i) {
    const token_range range = range_of(s, i);
    if (range.begin < 0 || range.begin > s.tokens)
      return require::fail(errc::bad_offsets, name, "from 0 to the number of tokens", static_cast<double>(range.begin),
                           0, i);
    if (range.end < range.begin || range.end > s.tokens)
      return require::fail(errc::bad_offsets, name,
                           "no less than the offset before it and no more than the number of tokens",
                           static_cast<double>(range.end), 0, i + 1);
  }
  return {};
}

}  // namespace detail

template <class Body>
status segmented_map_reduce(const cpu& exec, const Body& body, const segmented_arguments_of<Body>& a) {
  const std::int64_t n = a.items.n;
  const double normalizer = detail::resolve_normalizer(a.items.normalizer, a.items.mask, n);
  const Body ready = body.ready(normalizer);
  const std::int64_t blocks = detail::smaller(n, detail::max_blocks);
  std::int64_t tokens = 0;
  for (const segment_source& s : a.segment) tokens += s.tokens;

  double sums[detail::max_blocks][Body::sums];
  detail::for_blocks(exec, blocks, tokens, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t block = first; block < last; ++block) {
      for (double& s : sums[block]) s = 0;
      for (std::int64_t i = n * block / blocks; i < n * (block + 1) / blocks; ++i)
        detail::run_item(ready, a, i, sums[block]);
    }
  });
  detail::write_totals(sums, blocks, a.items, normalizer);
  return {};
}

}  // namespace PREFER_ABI
}  // namespace prefer
