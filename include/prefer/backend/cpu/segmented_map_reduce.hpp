// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/map_reduce.hpp>
#include <prefer/backend/item.hpp>
#include <prefer/backend/segmented_map_reduce.hpp>
#include <prefer/core/checks.hpp>

#include <cstdint>
#include <type_traits>

// segmented_map_reduce on the CPU (contract: backend/segmented_map_reduce.hpp). One item after the other: its tokens
// pass through lanes of double, the body runs once, its answer streams back to the tokens. Floats and doubles that lie
// side by side are read and written in place, everything else through a small buffer. Whole lanes may look at tokens
// behind the end of a segment (not of the array), and leave them out.
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

template <class Body>
struct segment_job {
  const Body* body;
  const segmented_arguments_of<Body>* arguments;
  std::int64_t first, last, blocks;
  double (*sums)[Body::sums];
};

template <class Body>
struct segment_work {
  using job_type = segment_job<Body>;
  using arguments = segmented_arguments_of<Body>;

  // At most tile_items tokens of one segment: which of them count, and how much. `keep` and `weight` are null when all
  // do, by 1. From all pointers whole lanes can be read.
  struct selection {
    int count;
    const std::uint8_t* keep;
    const double* weight;

    bool plain() const { return keep == nullptr && weight == nullptr; }
  };
  struct tile : selection {
    std::int64_t first;
    int padded;
    bool room;  // for whole lanes, in the token arrays themselves
    alignas(64) std::uint8_t flags[tile_items];
    alignas(64) double weights[tile_items];
    alignas(64) double x[tile_items];
  };

  // The length of the item's shortest segment.
  static std::int64_t shortest(const arguments& a, std::int64_t item) {
    std::int64_t least = range_of(a.segment[0], item).size();
    for (int p = 1; p < Body::segments; ++p) least = smaller(least, range_of(a.segment[p], item).size());
    return least;
  }

  template <class T>
  static void stage(const source& s, const tile& t, T* to) {
    load_strided(s, t.first, t.count, to);
    for (int i = t.count; i < t.padded; ++i) to[i] = T(0);
  }

  static void weigh(const arguments& a, int p, const token_range& range, std::int64_t item, tile& t) {
    if (a.segment[p].weight.data != nullptr)
      stage(a.segment[p].weight, t, t.weights);
    else
      for (int i = 0; i < t.padded; ++i) t.weights[i] = 1;
    if (!a.weights.trivial())
      for (int i = 0; i < t.count; ++i) t.weights[i] *= a.weights.at(t.first + i - range.begin, shortest(a, item));
  }

  static void set_tile(const arguments& a, int p, const token_range& range, std::int64_t item, std::int64_t first,
                       tile& t) {
    const segment_source& s = a.segment[p];
    t.first = first;
    t.count = static_cast<int>(smaller(tile_items, range.end - first));
    t.padded = (t.count + 7) / 8 * 8;
    t.room = first + t.padded <= s.tokens;
    t.keep = nullptr, t.weight = nullptr;
    if (s.mask.data != nullptr) {
      if (!t.room || s.mask.stride != 1) stage(s.mask, t, t.flags);
      t.keep = !t.room || s.mask.stride != 1 ? t.flags : static_cast<const std::uint8_t*>(s.mask.data) + first;
    }
    if (s.weight.data == nullptr && a.weights.trivial()) return;
    weigh(a, p, range, item, t);
    t.weight = t.weights;
  }

  // Which inputs are sums over the tokens of a segment, and whether any is their number.
  struct stream_list {
    int input[Body::inputs] = {};
    int count = 0;
    bool counts = false;
    constexpr explicit stream_list(int segment) {
      for (int k = 0; k < Body::inputs; ++k) {
        if (Body::input_role(k).segment != segment) continue;
        if (Body::input_role(k).role == role::tokens) input[count++] = k;
        counts = counts || Body::input_role(k).role == role::length;
      }
    }
  };
  static constexpr int most_streams() {
    int most = 0;
    for (int p = 0; p < Body::segments; ++p) most = stream_list(p).count > most ? stream_list(p).count : most;
    return most;
  }

  // How many tokens of the tile count. Eight at a time: a byte that is not 0 leaves a 1 in its place of `ones`, which
  // are then added up in pairs.
  static int kept_of(const selection& t) {
    if (t.keep == nullptr) return t.count;
    static_assert(tile_items / 8 < 256);
    constexpr std::uint64_t low = 0x7f7f7f7f7f7f7f7f, one = 0x0101010101010101, even = 0x00ff00ff00ff00ff;
    std::uint64_t ones = 0;
    int i = 0;
    for (; i + 8 <= t.count; i += 8) {
      std::uint64_t word;
      __builtin_memcpy(&word, t.keep + i, sizeof(word));
      ones += (((word & low) + low) | word) >> 7 & one;
    }
    const std::uint64_t pairs = (ones & even) + (ones >> 8 & even);
    auto kept = static_cast<int>(pairs * 0x0001000100010001 >> 48);
    for (; i < t.count; ++i) kept += t.keep[i] != 0;
    return kept;
  }

  template <class V, class S>
  static inline __attribute__((always_inline)) V selected_lane(const S* x, const selection& t, int g) {
    V v = V::load(x + g);
    // Settled, so that no level and no compiler makes the product part of the sum with a mask and not without.
    if (t.weight != nullptr) v = (v * V::load(t.weight + g)).settled();
    return t.keep == nullptr ? v : select(V::mask::load(t.keep + g), v, V(0));
  }

  // Adds the tile's numbers to two running lanes, the first eight tokens of a segment to one, the next to the other.
  template <class V, class S>
  static inline __attribute__((always_inline)) void add(const S* x, const selection t, const V& index, V (&sum)[2]) {
    V even = sum[0], odd = sum[1];
    int g = 0;
    if (t.plain()) {
      for (; g + 16 <= t.count; g += 16) {
        __builtin_prefetch(x + g + tile_items);
        even += V::load(x + g);
        odd += V::load(x + g + 8);
      }
    } else {
      for (; g + 16 <= t.count; g += 16) {
        __builtin_prefetch(x + g + tile_items);
        even += selected_lane<V>(x, t, g);
        odd += selected_lane<V>(x, t, g + 8);
      }
    }
    const auto rest = [&](V& s) PREFER_HD_LAMBDA {
      if (g < t.count) s += select(index < V(t.count - g), selected_lane<V>(x, t, g), V(0));
      g += 8;
    };
    rest(even), rest(odd);
    sum[0] = even, sum[1] = odd;
  }

  template <class V>
  static inline __attribute__((always_inline)) void add_stream(const source& s, tile& t, const V& index, V (&sum)[2]) {
    const bool direct = t.room && s.stride == 1;
    if (direct && s.type == element::f32) return add(static_cast<const float*>(s.data) + t.first, t, index, sum);
    const double* x = static_cast<const double*>(s.data) + t.first;
    if (!direct || s.type != element::f64) stage(s, t, t.x), x = t.x;
    add(x, t, index, sum);
  }

  // The sums and lengths of one item's segments, into the body's inputs.
  template <class V>
  static inline __attribute__((always_inline)) void gather(const arguments& a, std::int64_t item, const V& index,
                                                           tile& t, double (&in)[Body::inputs]) {
    for (int p = 0; p < Body::segments; ++p) {
      const stream_list streams(p);
      const token_range range = range_of(a.segment[p], item);
      V sum[most_streams()][2] = {};
      std::int64_t kept = 0;
      for (std::int64_t first = range.begin; first < range.end; first += tile_items) {
        set_tile(a, p, range, item, first, t);
        if (streams.counts) kept += kept_of(t);
        for (int j = 0; j < streams.count; ++j)
          if (a.items.in[streams.input[j]].data != nullptr) add_stream(a.items.in[streams.input[j]], t, index, sum[j]);
      }
      for (int j = 0; j < streams.count; ++j)
        if (a.items.in[streams.input[j]].data != nullptr) in[streams.input[j]] = (sum[j][0] + sum[j][1]).sum();
      for (int k = 0; streams.counts && k < Body::inputs; ++k)
        if (Body::input_role(k).role == role::length && Body::input_role(k).segment == p)
          in[k] = static_cast<double>(kept);
    }
  }

  // One number to every token of a tile that counts.
  template <class V, class S>
  static inline __attribute__((always_inline)) void fill(S* to, int count, double answer) {
    using U = lane<S, typename V::level_type>;
    const S x = static_cast<S>(answer);
    int i = 0;
    for (; i + U::width <= count; i += U::width) {
      __builtin_prefetch(to + i + tile_items, 1);
      U(x).store(to + i);
    }
    for (; i < count; ++i) to[i] = x;
  }
  template <class V, class S>
  static inline __attribute__((always_inline)) void spread(S* to, const selection t, double answer) {
    const V x(answer);
    int g = 0;
    for (; g + 8 <= t.count; g += 8) {
      __builtin_prefetch(to + g + tile_items, 1);
      answer_lane(x, t, g).store(to + g);
    }
    if (g == t.count) return;
    alignas(64) S last[V::width];
    answer_lane(x, t, g).store(last);
    for (int i = g; i < t.count; ++i) to[i] = last[i - g];
  }
  template <class V>
  static inline __attribute__((always_inline)) V answer_lane(const V& x, const selection& t, int g) {
    const V v = t.weight == nullptr ? x : x * V::load(t.weight + g);
    return t.keep == nullptr ? v : select(V::mask::load(t.keep + g), v, V(0));
  }
  template <class V, class S>
  static inline __attribute__((always_inline)) void answer_in_place(S* to, const selection& t, double answer) {
    if (t.plain())
      fill<V>(to, t.count, answer);
    else
      spread<V>(to, t, answer);
  }

  static void store(const sink& to, const tile& t, bool accumulate) {
    bool kept[tile_items];
    for (int i = 0; accumulate && i < t.count; ++i) kept[i] = t.keep == nullptr || t.keep[i] != 0;
    store_strided(to, t.first, t.count, t.x, kept, accumulate);
  }

  // The body's outputs, to every token of the item's segments.
  template <class V>
  static inline __attribute__((always_inline)) void scatter(const arguments& a, std::int64_t item, bool selected,
                                                            const double (&out)[Body::outputs], tile& t) {
    if (!selected && a.items.accumulate) return;
    for (int m = 0; m < Body::outputs; ++m) {
      const sink& to = a.items.out[m];
      const token_role r = Body::output_role(m);
      if (to.data == nullptr || r.role != role::tokens) continue;
      const bool direct = to.stride == 1 && !a.items.accumulate;
      const token_range range = range_of(a.segment[r.segment], item);
      for (std::int64_t first = range.begin; first < range.end; first += tile_items) {
        set_tile(a, r.segment, range, item, first, t);
        if (!selected) t.keep = nullptr, t.weight = nullptr;  // what they hold is irrelevant: the answer is 0
        if (direct && to.type == element::f32) {
          answer_in_place<V>(static_cast<float*>(to.data) + first, t, out[m]);
        } else if (direct && to.type == element::f64) {
          answer_in_place<V>(static_cast<double*>(to.data) + first, t, out[m]);
        } else {
          spread<V>(t.x, t, out[m]);
          store(to, t, a.items.accumulate);
        }
      }
    }
  }

  template <class V>
  static inline __attribute__((always_inline)) void run_item(const job_type& job, std::int64_t item, const V& index,
                                                             double* sums, tile& t) {
    const arguments& a = *job.arguments;
    const bool selected = selects(a.items.mask, item);
    double in[Body::inputs] = {}, out[Body::outputs] = {}, part[Body::sums] = {};
    if (selected) {
      for (int k = 0; k < Body::inputs; ++k)
        if (Body::input_role(k).role == role::item || a.items.in[k].data == nullptr)
          in[k] = read_item<double>(a.items.in[k], item);
      gather(a, item, index, t, in);
      (*job.body)(in, out, part);
      for (int r = 0; r < Body::sums; ++r) sums[r] += part[r];
    }
    scatter<V>(a, item, selected, out, t);
    for (int m = 0; m < Body::outputs; ++m)
      if (Body::output_role(m).role == role::item)
        write_item(a.items.out[m], item, selected, out[m], a.items.accumulate);
  }

  template <class Level>
  static inline __attribute__((always_inline)) void run(job_type& job) {
    using V = lane<double, Level>;
    tile t;
    const V index = V::index();
    const std::int64_t n = job.arguments->items.n;
    for (std::int64_t block = job.first; block < job.last; ++block)
      for (std::int64_t i = n * block / job.blocks; i < n * (block + 1) / job.blocks; ++i)
        run_item(job, i, index, job.sums[block], t);
  }
};

// Whether n + 1 offsets rise from 0 or above. Side by side they are looked at in groups of known length, which
// compilers make vectors of at -O2, by the sign of numbers whose differences cannot overflow unless one of them is
// negative.
template <class Offset>
bool offsets_rise(const Offset* p, std::int64_t n, std::int64_t stride) {
  using bits = std::make_unsigned_t<Offset>;
  const auto sign = [](Offset here, Offset next) {
    return static_cast<bits>(here) | (static_cast<bits>(next) - static_cast<bits>(here));
  };
  bits all = 0;
  std::int64_t i = 0;
  for (; stride == 1 && i + conversion_width <= n; i += conversion_width)
    for (int k = 0; k < conversion_width; ++k) all |= sign(p[i + k], p[i + k + 1]);
  for (; i < n; ++i) all |= sign(p[i * stride], p[(i + 1) * stride]);
  return static_cast<Offset>(all) >= 0;
}

// Whether n segments follow each other in one array of offsets, and all of these are fine.
inline bool offsets_rise(const segment_source& s, std::int64_t n) {
  const auto behind = static_cast<const char*>(s.begin) + s.begin_stride * size_of(s.begin_type);
  if (s.end != behind || s.end_stride != s.begin_stride || s.end_type != s.begin_type) return false;
  const auto fine = [&](const auto* p) {
    return p[n * s.begin_stride] >= 0 && p[n * s.begin_stride] <= s.tokens && offsets_rise(p, n, s.begin_stride);
  };
  return s.begin_type == element::i64 ? fine(static_cast<const std::int64_t*>(s.begin))
                                      : fine(static_cast<const std::int32_t*>(s.begin));
}

inline status check_offsets(const segment_source& s, std::int64_t n, const char* name) {
  if (offsets_rise(s, n)) return {};
  for (std::int64_t i = 0; i < n; ++i) {
    const token_range range = range_of(s, i);
    if (range.begin < 0 || range.begin > s.tokens)
      return require::fail(errc::bad_offsets, name, "from 0 to the number of elements",
                           static_cast<double>(range.begin), 0, i);
    if (range.end < range.begin || range.end > s.tokens)
      return require::fail(errc::bad_offsets, name,
                           "no less than the offset before it and no more than the number of elements",
                           static_cast<double>(range.end), 0, i + 1);
  }
  return {};
}

}  // namespace detail

template <class Body>
status segmented_map_reduce(const cpu& exec, const Body& body, const segmented_arguments_of<Body>& a) {
  isa level;
  if (const status s = resolve_isa(exec, level); !s.ok()) return s;
  const std::int64_t n = a.items.n;
  const double normalizer = detail::resolve_normalizer(a.items.normalizer, a.items.mask, n);
  const Body ready = body.ready(normalizer);
  const std::int64_t blocks = detail::smaller(n, detail::max_blocks);
  std::int64_t tokens = 0;
  for (const segment_source& s : a.segment) tokens += s.tokens;

  double sums[detail::max_blocks][Body::sums];
  detail::for_blocks(exec, blocks, tokens, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t block = first; block < last; ++block)
      for (double& s : sums[block]) s = 0;
    detail::segment_job<Body> job{&ready, &a, first, last, blocks, sums};
    detail::run_at<detail::segment_work<Body>>(level, job);
  });
  detail::write_totals(sums, blocks, a.items, normalizer);
  return {};
}

}  // namespace PREFER_ABI
}  // namespace prefer
