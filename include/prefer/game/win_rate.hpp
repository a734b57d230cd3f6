// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/map_reduce.hpp>
#include <prefer/backend/item.hpp>
#include <prefer/core/arena.hpp>
#include <prefer/core/checks.hpp>

#include <cmath>
#include <concepts>
#include <cstdint>
#include <type_traits>

// Win rates as rewards: how often a sample (a trajectory, a response) beats the others of its batch, or those of a
// queue. Self-play preference optimisation (SPO) hands them to any method of reinforcement learning.
namespace prefer {

// Whom samples meet, and how.
struct win_rate {
  enum class opponents : std::uint8_t { each_other, queue };

  opponents against = opponents::each_other;
  bool include_self = false;  // a sample meets itself too, and wins half of it; only among each other

  constexpr status check() const {
    return require::that(!include_self || against == opponents::each_other, "include_self", 1,
                         "false against a queue, which has no self");
  }
};

// B batches of up to N samples. Everything but `preference` may be left out.
template <space S>
struct win_rate_inputs {
  input_view<3, S> preference = {};     // [B, N, Q]: probability that sample i beats opponent j; any element type
  input_view<3, S> games = {};          // [B, N, Q]: then `preference` counts wins (a draw is half) among so many games
  input_view<2, S> sample_mask = {};    // [B, N] bool or uint8: zero leaves a sample out, as opponent too
  input_view<2, S> opponent_mask = {};  // [B, Q]: the same for a queue's entries; with a queue only
  input_view<1, S> samples = {};        // [B] int32 or int64: the first so many samples are there; N if not given
  input_view<1, S> opponents = {};      // [B]: the same for a queue; with a queue only
  input_view<2, S> grad_reward = {};    // [B, N]: the derivative of an objective by rewards, for grad_preference
};

// Samples that are left out get 0.
template <space S>
struct win_rate_outputs {
  output_view<2, S> reward = {};           // [B, N]: the mean over opponents, from 0 to 1
  output_view<2, S> advantage = {};        // [B, N]: reward - 1/2
  output_view<2, S> met = {};              // [B, N]: how many opponents that is the mean of
  output_view<3, S> grad_preference = {};  // [B, N, Q]: grad_reward / met where sample and opponent met, else 0
};

inline namespace PREFER_ABI {
namespace detail {

// Arrays of one call as both backends see them.
struct win_rate_cube {
  const void* data = nullptr;
  std::int64_t stride[3] = {};
  element type = element::none;

  PREFER_HD std::int64_t row(std::int64_t b, std::int64_t i) const { return b * stride[0] + i * stride[1]; }
};
struct win_rate_plane {
  const void* data = nullptr;
  std::int64_t stride[2] = {};
  element type = element::none;

  source row(std::int64_t b) const {
    return {static_cast<const char*>(data) + b * stride[0] * size_of(type), stride[1], type};
  }
  PREFER_HD bool selects(std::int64_t b, std::int64_t i) const {
    return data == nullptr || load_element<float>(data, type, b * stride[0] + i * stride[1]) != 0.0f;
  }
  PREFER_HD void write(std::int64_t b, std::int64_t i, double x) const {
    if (data != nullptr) store_element(const_cast<void*>(data), type, b * stride[0] + i * stride[1], x, false);
  }
};

struct win_rate_tables {
  std::int64_t batch = 0, samples = 0, opponents = 0;
  win_rate_cube preference, games, grad_preference;
  win_rate_plane sample_mask, opponent_mask, grad_reward;
  win_rate_plane reward, advantage, met;
  source sample_count, opponent_count;
  bool each_other = true, include_self = false;

  // How many there are in batch b; -1 for a number that is out of range.
  static PREFER_HD std::int64_t count_of(const source& s, std::int64_t most, std::int64_t b) {
    if (s.data == nullptr) return most;
    const std::int64_t n = load_index(s.data, s.type, b * s.stride);
    return n >= 0 && n <= most ? n : -1;
  }
  PREFER_HD std::int64_t samples_of(std::int64_t b) const { return count_of(sample_count, samples, b); }
  PREFER_HD std::int64_t opponents_of(std::int64_t b) const { return count_of(opponent_count, opponents, b); }
  PREFER_HD bool has_sample(std::int64_t b, std::int64_t i) const {
    return i < samples_of(b) && sample_mask.selects(b, i);
  }
  // The opponent that is no opponent.
  PREFER_HD std::int64_t self(std::int64_t i) const { return each_other ? i : -1; }
  PREFER_HD bool meets(std::int64_t b, std::int64_t i, std::int64_t j) const {
    return j != self(i) && opponent_mask.selects(b, j);
  }

  PREFER_HD double with_self(double n) const { return n + (include_self ? 1 : 0); }
  // The outputs of a sample whose preferences over `n` opponents add up to `sum`.
  PREFER_HD void finish(std::int64_t b, std::int64_t i, double sum, double n) const {
    const double all = with_self(n), won = sum + (include_self ? 0.5 : 0);
    const double rate = all > 0 ? won / all : 0.5;
    write(b, i, rate, rate - 0.5, all);
  }
  PREFER_HD void write(std::int64_t b, std::int64_t i, double rate, double above, double all) const {
    reward.write(b, i, rate), advantage.write(b, i, above), met.write(b, i, all);
  }
  PREFER_HD double slope(std::int64_t b, std::int64_t i, double all) const {
    return all > 0 ? load_element<double>(grad_reward.data, grad_reward.type,
                                          b * grad_reward.stride[0] + i * grad_reward.stride[1]) /
                         all
                   : 0;
  }
};

// Wins of games, or a slope by them; what was never played has no rate.
template <class V>
PREFER_HD V rate_of(const V& wins, const V& games) {
  return math::select(games > V(0), wins / games, V(0));
}

template <bool Mutable, space S>
win_rate_cube cube_of(const erased_view<Mutable, 3, S>& v) {
  return v.given() ? win_rate_cube{v.data, {v.stride[0], v.stride[1], v.stride[2]}, v.type} : win_rate_cube{};
}
template <bool Mutable, space S>
win_rate_plane plane_of(const erased_view<Mutable, 2, S>& v) {
  return v.given() ? win_rate_plane{v.data, {v.stride[0], v.stride[1]}, v.type} : win_rate_plane{};
}
template <space S>
source count_source(const input_view<1, S>& v) {
  return v.given() ? source{v.data, v.stride[0], v.type} : source{};
}

// f(name, view, extent of its second index, what it holds) of every plane; f(name, view) of the sizes.
template <space S, class F>
void each_input_plane(const win_rate_inputs<S>& in, std::int64_t n, std::int64_t q, F f) {
  using require::holds;
  f("sample_mask", in.sample_mask, n, holds::flags), f("opponent_mask", in.opponent_mask, q, holds::flags);
  f("grad_reward", in.grad_reward, n, holds::numbers);
}
template <space S, class F>
void each_output_plane(const win_rate_outputs<S>& out, F f) {
  f("reward", out.reward), f("advantage", out.advantage), f("met", out.met);
}

template <bool Mutable, space S>
status check_plane(const char* name, const erased_view<Mutable, 2, S>& v, std::int64_t rows, std::int64_t columns,
                   require::holds what) {
  if (!v.given()) return {};
  if (const status s = require::element_type(name, v.type, what); !s.ok()) return s;
  erased_view<Mutable, 2, S> shape = v;
  shape.type = element::f64;  // flags have their own element types, and the shape of any matrix
  return require::matrix(name, shape, rows, columns);
}

template <space S>
status check_win_rate_shapes(const win_rate& options, const win_rate_inputs<S>& in, const win_rate_outputs<S>& out) {
  const std::int64_t(&shape)[3] = in.preference.extent;
  const std::int64_t b = shape[0], n = shape[1], q = shape[2];
  const bool each_other = options.against == win_rate::opponents::each_other;
  if (!in.preference.given())
    return require::fail(errc::missing_input, "preference", "how often each sample beats each opponent");
  for (int r = 0; r < 3; ++r)
    if (shape[r] < 0)
      return require::fail(errc::bad_extent, "preference", "at least", static_cast<double>(shape[r]), 0);
  if (each_other && n != q)
    return require::fail(errc::bad_extent, "preference", "as many opponents as samples,", static_cast<double>(q),
                         static_cast<double>(n));
  if (const status s = require::batch("preference", in.preference, shape); !s.ok()) return s;
  status s = in.games.given() ? require::batch("games", in.games, shape) : status{};
  each_input_plane(in, n, q, [&](const char* name, const auto& v, std::int64_t columns, require::holds what) {
    if (s.ok()) s = check_plane(name, v, b, columns, what);
  });
  const auto size = [&](const char* name, const auto& v) {
    if (s.ok() && v.given())
      s = require::vector(name, v, b, "the number of batches,", require::holds::indices);
  };
  size("samples", in.samples), size("opponents", in.opponents);
  each_output_plane(out, [&](const char* name, const auto& v) {
    if (s.ok()) s = check_plane(name, v, b, n, require::holds::numbers);
  });
  if (s.ok() && out.grad_preference.given()) s = require::batch("grad_preference", out.grad_preference, shape);
  return s;
}

template <space S>
status check_win_rate_needs(const win_rate& options, const win_rate_inputs<S>& in, const win_rate_outputs<S>& out) {
  const auto unused = [](const char* name, const auto& v, const char* why) {
    return v.given() ? require::fail(errc::unused_input, name, why) : status{};
  };
  if (options.against == win_rate::opponents::each_other)
    if (const status s = first_error(unused("opponent_mask", in.opponent_mask, "to be left out without a queue"),
                                     unused("opponents", in.opponents, "to be left out without a queue"));
        !s.ok())
      return s;
  if (out.grad_preference.given() != in.grad_reward.given())
    return in.grad_reward.given()
               ? require::fail(errc::unused_input, "grad_reward",
                               "to be left out, since grad_preference is not asked for")
               : require::fail(errc::missing_input, "grad_reward", "the derivative by rewards, for grad_preference");
  if (out.reward.given() || out.advantage.given() || out.met.given() || out.grad_preference.given()) return {};
  return require::fail(errc::missing_output, "outputs", "at least one output to write");
}

template <space S>
status check_win_rate_overlap(const win_rate_inputs<S>& in, const win_rate_outputs<S>& out) {
  require::footprints<7, 4> all;
  const auto read = [&](const char* name, const auto& v, auto...) {
    if (v.given()) all.read(require::footprint_of(name, v));
  };
  const auto write = [&](const char* name, const auto& v) {
    if (v.given()) all.write(require::footprint_of(name, v));
  };
  read("preference", in.preference), read("games", in.games);
  read("samples", in.samples), read("opponents", in.opponents);
  each_input_plane(in, 0, 0, read);
  each_output_plane(out, write);
  write("grad_preference", out.grad_preference);
  return all.check();
}

template <space S>
win_rate_tables make_win_rate_tables(const win_rate& options, const win_rate_inputs<S>& in,
                                     const win_rate_outputs<S>& out) {
  win_rate_tables t;
  t.batch = in.preference.extent[0], t.samples = in.preference.extent[1], t.opponents = in.preference.extent[2];
  t.each_other = options.against == win_rate::opponents::each_other;
  t.include_self = options.include_self;
  t.preference = cube_of(in.preference), t.games = cube_of(in.games), t.grad_preference = cube_of(out.grad_preference);
  t.sample_mask = plane_of(in.sample_mask), t.grad_reward = plane_of(in.grad_reward);
  t.opponent_mask = t.each_other ? t.sample_mask : plane_of(in.opponent_mask);
  t.sample_count = count_source(in.samples);
  t.opponent_count = t.each_other ? t.sample_count : count_source(in.opponents);
  t.reward = plane_of(out.reward), t.advantage = plane_of(out.advantage), t.met = plane_of(out.met);
  return t;
}

// On the CPU: rows of samples pass through tiles of lanes of double.
struct win_rate_job {
  const win_rate_tables* tables;
  bool checks;                 // look at what is met, and write nothing
  std::int64_t first, last;    // samples of all batches
  std::int64_t bad = -1;       // the first sample that met something that is no probability
};

// Ones with a zero in the middle: from the right place on, the flags of a tile in which one entry is oneself.
struct flags_but_one {
  static constexpr int middle = tile_items;
  std::uint8_t flag[2 * tile_items] = {};
  constexpr flags_but_one() {
    for (int k = 0; k < 2 * tile_items; ++k) flag[k] = k != middle;
  }
};
inline constexpr flags_but_one all_but_self = {};

struct win_rate_work {
  struct tile {
    std::int64_t first;
    int count, kept;
    const std::uint8_t* keep;  // of each entry, 0 or 1; null: all are kept, in whole lanes
    alignas(64) std::uint8_t flags[tile_items];
    alignas(64) double x[tile_items];
    alignas(64) double games[tile_items];
  };
  // `sum` is of rates, or the number of entries that are none.
  struct row_sum {
    double sum = 0, met = 0;
  };

  // Eight flags at a time, of which those that are not 0 become 1.
  static std::uint64_t as_ones(std::uint64_t flags) {
    constexpr std::uint64_t low = 0x7f7f7f7f7f7f7f7f, one = 0x0101010101010101;
    return (((flags & low) + low) | flags) >> 7 & one;
  }
  static std::uint64_t flags_at(const source& mask, std::int64_t first, int count) {
    std::uint64_t word = 0;
    const auto* from = static_cast<const std::uint8_t*>(mask.data) + first * mask.stride;
    if (mask.stride == 1 && count == 8)
      __builtin_memcpy(&word, from, 8);
    else
      for (int k = 0; k < count; ++k) word |= std::uint64_t{from[k * mask.stride]} << 8 * k;
    return as_ones(word);
  }

  static void set_tile(const win_rate_tables& w, std::int64_t b, std::int64_t self, std::int64_t first,
                       std::int64_t end, bool flagged, tile& t) {
    t.first = first;
    t.count = t.kept = static_cast<int>(smaller(tile_items, end - first));
    const bool has_self = self >= first && self < first + t.count, masked = w.opponent_mask.data != nullptr;
    t.keep = flagged || has_self || masked || t.count % 8 != 0 ? t.flags : nullptr;
    if (t.keep == nullptr) return;
    if (!masked) {  // without oneself in it any ones do
      t.keep = all_but_self.flag + (has_self ? flags_but_one::middle - (self - first) : 0);
      t.kept -= has_self ? 1 : 0;
      return;
    }
    constexpr std::uint64_t one = 0x0101010101010101;
    const source mask = w.opponent_mask.row(b);
    t.kept = 0;
    for (int k = 0; k < t.count; k += 8) {
      const int here = t.count - k < 8 ? t.count - k : 8;
      std::uint64_t flags = flags_at(mask, first + k, here);
      if (has_self && self - first >= k && self - first < k + 8) flags &= ~(std::uint64_t{1} << 8 * (self - first - k));
      __builtin_memcpy(t.flags + k, &flags, 8);
      t.kept += static_cast<int>(flags * one >> 56);
    }
  }

  static source row_source_of(const win_rate_cube& c, std::int64_t b, std::int64_t i) {
    return {static_cast<const char*>(c.data) + c.row(b, i) * size_of(c.type), c.stride[2], c.type};
  }
  static void stage(const source& s, const tile& t, isa level, double* to) {
    load_strided(s, t.first, t.count, to, level);
    for (int k = t.count; k % 8 != 0; ++k) to[k] = 0;
  }

  // What an entry adds to a row's sum: its rate or, in a check, more than 0 if it is none. One choice per condition,
  // added up and settled: g++ takes conditions that it can combine apart into elements.
  template <bool Checks, bool Games, class V>
  static inline __attribute__((always_inline)) V term(const V& x, const V& games) {
    if constexpr (!Checks) return Games ? rate_of(x, games) : x;
    const V most = Games ? games : V(1);
    const V bad = (select(x >= V(0), V(0), V(1)).settled() + select(x <= most, V(0), V(1))).settled();
    return Games ? select(games > V(0), bad, V(0)).settled() + select(games >= V(0), V(0), V(1)) : bad;
  }

  template <bool Checks, bool Games, bool All, class V, class S>
  static inline __attribute__((always_inline)) void add_lane(const S* x, const tile& t, int g, V& sum, V& played) {
    V games(1), here = V(1);
    if constexpr (Games) games = V::load(t.games + g), here = select(games > V(0), V(1), V(0));
    V rate = V::load(x);
    if constexpr (All) {
      sum += term<Checks, Games>(rate, games).settled();
    } else {
      const auto kept = V::mask::load(t.keep + g);
      if constexpr (Games) games = select(kept, games, V(0)).settled(), here = select(kept, here, V(0));
      rate = select(kept, rate, V(0)).settled();
      sum += term<Checks, Games>(rate, games).settled();
    }
    if constexpr (Games) played += here;
  }

  // Numbers in place but for the last few, which are copied so that no lane reads behind the row.
  template <bool Checks, bool Games, bool All, class V, class S>
  static inline __attribute__((always_inline)) void add_lanes(const S* x, const tile& t, row_sum& answer) {
    V even(0), odd(0), played(0);
    int g = 0;
    for (; g + 16 <= t.count; g += 16) {
      __builtin_prefetch(x + g + tile_items);
      add_lane<Checks, Games, All>(x + g, t, g, even, played);
      add_lane<Checks, Games, All>(x + g + 8, t, g + 8, odd, played);
    }
    if (g + 8 <= t.count) {
      add_lane<Checks, Games, All>(x + g, t, g, even, played);
      g += 8;
    }
    if constexpr (!All) {
      if (g < t.count) {
        S rest[8] = {};
        for (int k = 0; g + k < t.count; ++k) rest[k] = x[g + k];
        add_lane<Checks, Games, All>(rest, t, g, odd, played);
      }
    }
    answer.sum += (even + odd).sum();
    answer.met += Games ? played.sum() : t.kept;
  }
  template <bool Checks, class V, class S>
  static inline __attribute__((always_inline)) void add_tile(const S* x, bool games, const tile& t, row_sum& answer) {
    if (games)
      add_lanes<Checks, true, false, V>(x, t, answer);
    else if (t.keep != nullptr)
      add_lanes<Checks, false, false, V>(x, t, answer);
    else
      add_lanes<Checks, false, true, V>(x, t, answer);
  }

  template <bool Checks, class V>
  static inline __attribute__((always_inline)) row_sum add_row(const win_rate_tables& w, std::int64_t b,
                                                               std::int64_t i, isa level, tile& t) {
    row_sum answer;
    const std::int64_t end = w.opponents_of(b);
    const source s = row_source_of(w.preference, b, i);
    const bool games = w.games.data != nullptr;
    for (std::int64_t first = 0; first < end; first += tile_items) {
      set_tile(w, b, w.self(i), first, end, games, t);
      if (games) stage(row_source_of(w.games, b, i), t, level, t.games);
      if (s.stride == 1 && s.type == element::f32) {
        add_tile<Checks, V>(static_cast<const float*>(s.data) + first, games, t, answer);
      } else if (s.stride == 1 && s.type == element::f64) {
        add_tile<Checks, V>(static_cast<const double*>(s.data) + first, games, t, answer);
      } else {
        stage(s, t, level, t.x);
        add_tile<Checks, V>(t.x, games, t, answer);
      }
    }
    return answer;
  }

  static void write_gradient(const win_rate_tables& w, std::int64_t b, std::int64_t i, bool present, double all,
                             isa level, tile& t) {
    const win_rate_cube& to = w.grad_preference;
    const sink out{static_cast<char*>(const_cast<void*>(to.data)) + to.row(b, i) * size_of(to.type), to.stride[2],
                   to.type};
    const double slope = present ? w.slope(b, i, all) : 0;
    const std::int64_t there = present ? w.opponents_of(b) : 0;
    for (std::int64_t first = 0; first < w.opponents; first += tile_items) {
      set_tile(w, b, w.self(i), first, w.opponents, true, t);
      const int most = static_cast<int>(smaller(t.count, there > first ? there - first : 0));
      if (w.games.data != nullptr) stage(row_source_of(w.games, b, i), t, level, t.games);
      for (int k = 0; k < t.count; ++k) {
        const bool met = k < most && t.keep[k] != 0;
        t.x[k] = !met ? 0 : w.games.data != nullptr ? rate_of(slope, t.games[k]) : slope;
      }
      store_strided(out, first, t.count, t.x, nullptr, false, level);
    }
  }

  template <class Level>
  static inline __attribute__((always_inline)) void run(win_rate_job& job) {
    using V = lane<double, Level>;
    const win_rate_tables& w = *job.tables;
    tile t;
    for (std::int64_t r = job.first; r < job.last && job.bad < 0; ++r) {
      const std::int64_t b = r / w.samples, i = r % w.samples;
      const bool present = w.has_sample(b, i);
      if (job.checks) {
        if (present && add_row<true, V>(w, b, i, isa_of<Level>, t).sum > 0) job.bad = r;
        continue;
      }
      double all = 0;
      if (present) {
        const row_sum s = add_row<false, V>(w, b, i, isa_of<Level>, t);
        w.finish(b, i, s.sum, s.met);
        all = w.with_self(s.met);
      } else {
        w.write(b, i, 0, 0, 0);
      }
      if (w.grad_preference.data != nullptr) write_gradient(w, b, i, present, all, isa_of<Level>, t);
    }
  }
};

// Calls f(first, last) on blocks of all samples, on the caller's threads.
template <class F>
void for_samples(const cpu& exec, const win_rate_tables& w, const F& f) {
  const std::int64_t rows = w.batch * w.samples, blocks = smaller(rows, max_blocks);
  for_blocks(exec, blocks, rows * w.opponents, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t block = first; block < last; ++block)
      f(block, rows * block / blocks, rows * (block + 1) / blocks);
  });
}

// How far a preference and its mirror may be from adding up to 1: some roundings of what stores them.
inline double mirror_tolerance(element type) {
  return type == element::f32 ? 1e-6 : type == element::f16 ? 2e-3 : type == element::bf16 ? 2e-2 : 1e-12;
}

// What is wrong with the entries of sample i, of which some is.
inline status bad_preference(const win_rate_tables& w, std::int64_t b, std::int64_t i) {
  const auto at = [&](const win_rate_cube& c, std::int64_t j) {
    return load_element<double>(c.data, c.type, c.row(b, i) + j * c.stride[2]);
  };
  for (std::int64_t j = 0; j < w.opponents_of(b); ++j) {
    if (!w.meets(b, i, j)) continue;
    const std::int64_t index = (b * w.samples + i) * w.opponents + j;
    const double x = at(w.preference, j), games = w.games.data != nullptr ? at(w.games, j) : 1;
    if (!(games >= 0)) return require::fail(errc::bad_label, "games", "0 or more", games, 0, index);
    if (games == 0) continue;
    if (math::is_nan(x)) return require::fail(errc::not_a_number, "preference", "a number, but it is NaN", x, 0, index);
    if (!(x >= 0 && x <= games))
      return require::fail(errc::bad_label, "preference",
                           w.games.data != nullptr ? "from 0 to the number of games" : "a probability, from 0 to 1", x,
                           games, index);
  }
  return {};
}

inline status check_mirrors(const win_rate_tables& w) {
  const auto at = [&](std::int64_t b, std::int64_t i, std::int64_t j) {
    return load_element<double>(w.preference.data, w.preference.type,
                                w.preference.row(b, i) + j * w.preference.stride[2]);
  };
  for (std::int64_t b = 0; b < w.batch; ++b)
    for (std::int64_t i = 0; i < w.samples_of(b); ++i)
      for (std::int64_t j = i + 1; w.has_sample(b, i) && j < w.samples_of(b); ++j) {
        if (!w.meets(b, i, j)) continue;
        const double p = at(b, i, j), q = at(b, j, i);
        if (std::fabs(p + q - 1) > mirror_tolerance(w.preference.type))
          return require::fail(errc::bad_label, "preference", "1 minus the entry across the diagonal", p, 1 - q,
                               (b * w.samples + i) * w.opponents + j);
      }
  return {};
}

inline status check_counts(const source& s, std::int64_t most, std::int64_t batch, const char* name) {
  for (std::int64_t b = 0; s.data != nullptr && b < batch; ++b)
    if (win_rate_tables::count_of(s, most, b) < 0)
      return require::fail(errc::bad_index, name, "from 0 to what the tables have room for",
                           static_cast<double>(load_index(s.data, s.type, b * s.stride)), static_cast<double>(most), b);
  return {};
}

inline status check_win_rate_content(const cpu& exec, isa level, const win_rate_tables& w) {
  if (exec.content == content::none) return {};
  if (const status s = first_error(check_counts(w.sample_count, w.samples, w.batch, "samples"),
                                   check_counts(w.opponent_count, w.opponents, w.batch, "opponents"));
      !s.ok())
    return s;
  std::int64_t bad[max_blocks];
  for (std::int64_t& b : bad) b = -1;
  for_samples(exec, w, [&](std::int64_t block, std::int64_t first, std::int64_t last) {
    win_rate_job job{&w, true, first, last};
    run_at<win_rate_work>(level, job);
    bad[block] = job.bad;
  });
  for (const std::int64_t r : bad)
    if (r >= 0) return bad_preference(w, r / w.samples, r % w.samples);
  const bool mirrored = exec.content == content::all && w.each_other && w.games.data == nullptr;
  return mirrored ? check_mirrors(w) : status{};
}

template <class Exec>
status run_win_rates(const Exec&, const win_rate_tables&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}
inline status run_win_rates(const cpu& exec, const win_rate_tables& w) {
  isa level;
  if (const status s = resolve_isa(exec, level); !s.ok()) return s;
  if (const status s = check_win_rate_content(exec, level, w); !s.ok()) return s;
  for_samples(exec, w, [&](std::int64_t, std::int64_t first, std::int64_t last) {
    win_rate_job job{&w, false, first, last};
    run_at<win_rate_work>(level, job);
  });
  return {};
}

}  // namespace detail

// The reward of every sample, its win rate:
//
//   reward_i = mean over the opponents j that are there of P(i beats j)      advantage_i = reward_i - 1/2
//   d reward_i / d P_ij = 1 / met_i
//
// Among each other (preference [B, N, N]) nobody meets himself: the diagonal is not read. Where preferences are
// antisymmetric, P_ij + P_ji = 1, rewards of a batch have the mean 1/2 exactly, so that advantages need no baseline.
// With include_self the mean is ((met - 1) reward + 1/2) / met, met counting oneself: advantages shrink by (N - 1) / N.
// Against a queue (preference [B, N, Q]) the mean is over its entries. A sample without an opponent has reward 1/2 and
// met 0 (that of itself, if included). Outcomes are preferences of 0, 1/2 and 1; with `games`, preference counts wins
// among games_ij comparisons and pairs without a game did not meet (d reward_i / d wins_ij = 1 / (met_i games_ij)).
//
// If only one of P_ij and P_ji is a free number, its derivative is grad_preference_ij - grad_preference_ji.
//
// Sums are in double, in an order that depends on Q alone; each entry is read once (on the CPU twice, to look at it
// first, unless content::none). Errors: shapes, element types, memory that overlaps, what is missing or not used; on
// the CPU also sizes out of range, entries that are no probability (wins above games), with content::all preferences
// that are not antisymmetric, each with its element in [B, N, Q]; NaN where nobody meets is no error. On CUDA a size
// out of range makes its batch NaN and is reported, and entries are taken as they are. No workspace, one launch.
// Source: Swamy et al. 2024, arXiv 2401.04056 (abstract and summaries: the win rate as reward); queue and masks are
// this library's form of it.
template <class Exec>
status win_rates(const Exec& exec, const win_rate& options,
                 const std::type_identity_t<win_rate_inputs<Exec::memory>>& in,
                 const std::type_identity_t<win_rate_outputs<Exec::memory>>& out) {
  if (const status s = options.check(); !s.ok()) return s;
  if (const status s = detail::check_win_rate_shapes(options, in, out); !s.ok()) return s;
  if (const status s = first_error(detail::check_win_rate_needs(options, in, out),
                                   detail::check_win_rate_overlap(in, out));
      !s.ok())
    return s;
  return run_win_rates(exec, detail::make_win_rate_tables(options, in, out));
}

}  // namespace PREFER_ABI

// Non-owning reference to a callable f(std::int64_t i, std::int64_t j) that says how probable it is that sample i beats
// opponent j, a number from 0 to 1.
struct preference_judge {
  void* context = nullptr;
  double (*run)(void* context, std::int64_t i, std::int64_t j) = nullptr;

  constexpr preference_judge() = default;

  template <class F>
  requires(!std::same_as<std::remove_cv_t<F>, preference_judge> &&
           std::invocable<F&, std::int64_t, std::int64_t>) constexpr preference_judge(F& f)
      : context(const_cast<void*>(static_cast<const void*>(&f))),
        run([](void* self, std::int64_t i, std::int64_t j) {
          return static_cast<double>((*static_cast<F*>(self))(i, j));
        }) {}

  double operator()(std::int64_t i, std::int64_t j) const { return run(context, i, j); }
};

// Samples for a judge, and whom they meet.
struct judged_samples {
  std::int64_t samples = 0;
  std::int64_t opponents = 0;                     // of a queue; 0 without one
  input_view<1, space::host> sample_mask = {};    // [samples]
  input_view<1, space::host> opponent_mask = {};  // [opponents]; with a queue only
};
struct judged_outputs {
  output_view<1, space::host> reward = {};  // [samples], as in win_rates
  output_view<1, space::host> advantage = {};
  output_view<1, space::host> met = {};
};

inline namespace PREFER_ABI {
namespace detail {

template <class View>
auto as_batch(const View& v) {
  std::conditional_t<std::is_const_v<std::remove_pointer_t<decltype(v.data)>>, input_view<2, space::host>,
                     output_view<2, space::host>>
      r;
  r.data = v.data, r.type = v.type;
  r.extent[0] = 1, r.extent[1] = v.extent[0];
  r.stride[1] = v.stride[0];
  return r;
}

inline status check_judged(const win_rate& options, const preference_judge& judge, const judged_samples& in,
                           const judged_outputs& out) {
  using require::holds;
  const bool queue = options.against == win_rate::opponents::queue;
  if (const status s = options.check(); !s.ok()) return s;
  if (judge.run == nullptr) return require::fail(errc::missing_input, "judge", "a callable f(i, j)");
  if (in.samples < 0)
    return require::fail(errc::bad_extent, "samples", "at least", static_cast<double>(in.samples), 0);
  if (in.opponents < 0 || (!queue && in.opponents != 0))
    return require::fail(errc::bad_extent, "opponents", queue ? "at least" : "without a queue",
                         static_cast<double>(in.opponents), 0);
  if (!queue && in.opponent_mask.given())
    return require::fail(errc::unused_input, "opponent_mask", "to be left out without a queue");
  if (!out.reward.given() && !out.advantage.given() && !out.met.given())
    return require::fail(errc::missing_output, "outputs", "at least one output to write");
  status s;
  require::footprints<2, 3> all;
  const auto look = [&](const char* name, const auto& v, std::int64_t n, holds what) {
    if (s.ok() && v.given()) s = require::vector(name, v, n, "the number of samples (of opponents),", what);
  };
  look("sample_mask", in.sample_mask, in.samples, holds::flags);
  look("opponent_mask", in.opponent_mask, in.opponents, holds::flags);
  if (in.sample_mask.given()) all.read(require::footprint_of("sample_mask", in.sample_mask));
  if (in.opponent_mask.given()) all.read(require::footprint_of("opponent_mask", in.opponent_mask));
  const auto write = [&](const char* name, const auto& v) {
    look(name, v, in.samples, holds::numbers);
    if (v.given()) all.write(require::footprint_of(name, v));
  };
  write("reward", out.reward), write("advantage", out.advantage), write("met", out.met);
  return s.ok() ? all.check() : s;
}

// Asks for every pair that meets, and adds the answers up; `sum` and `met` have one number per sample.
inline status ask_all(const preference_judge& judge, const win_rate_tables& w, double* sum, double* met) {
  for (std::int64_t i = 0; i < w.samples; ++i) sum[i] = met[i] = 0;
  for (std::int64_t i = 0; i < w.samples; ++i) {
    if (!w.has_sample(0, i)) continue;
    for (std::int64_t j = w.each_other ? i + 1 : 0; j < w.opponents; ++j) {
      if (!w.meets(0, i, j)) continue;
      const double p = judge(i, j);
      if (!(p >= 0 && p <= 1))
        return require::fail(errc::bad_label, "judge", "to answer with a probability, from 0 to 1", p, 0,
                             i * w.opponents + j);
      sum[i] += p, met[i] += 1;
      if (w.each_other) sum[j] += 1 - p, met[j] += 1;
    }
  }
  return {};
}

}  // namespace detail

// Bytes of workspace for ask_win_rates.
inline std::size_t ask_win_rates_workspace(std::int64_t samples) {
  return 2 * static_cast<std::size_t>(samples < 0 ? 0 : samples) * sizeof(double) + detail::arena::alignment;
}

// The rewards of win_rates where preferences are asked for one by one: of a model, a person, a simulator. Among each
// other the judge is asked once per unordered pair, (i, j) with i < j, in ascending order, on the calling thread; the
// answer p gives sample i p and sample j 1 - p, so that preferences are antisymmetric whatever the judge's order bias
// (which a judge may halve by answering with the mean of p(i, j) and 1 - p(j, i)). Against a queue it is asked once per
// sample and entry. Samples that are left out are never asked for.
//
// Errors: those of win_rates; an answer that is NaN or outside [0, 1] ends the call, with its index i * opponents + j.
// Then nothing has been written. Workspace: ask_win_rates_workspace(samples) bytes.
inline status ask_win_rates(const cpu& exec, const win_rate& options, const preference_judge& judge,
                            const judged_samples& in, const judged_outputs& out) {
  if (const status s = detail::check_judged(options, judge, in, out); !s.ok()) return s;
  detail::win_rate_tables w;
  w.batch = 1, w.samples = in.samples;
  w.each_other = options.against == win_rate::opponents::each_other;
  w.opponents = w.each_other ? in.samples : in.opponents;
  w.include_self = options.include_self;
  w.sample_mask = detail::plane_of(detail::as_batch(in.sample_mask));
  w.opponent_mask = w.each_other ? w.sample_mask : detail::plane_of(detail::as_batch(in.opponent_mask));
  w.reward = detail::plane_of(detail::as_batch(out.reward));
  w.advantage = detail::plane_of(detail::as_batch(out.advantage));
  w.met = detail::plane_of(detail::as_batch(out.met));
  if (in.samples == 0) return {};
  const std::size_t bytes = ask_win_rates_workspace(in.samples) - detail::arena::alignment;
  return with_scratch(exec, bytes, [&](void* scratch, const cpu&) {
    auto* const sum = static_cast<double*>(scratch);
    auto* const met = sum + in.samples;
    if (const status s = detail::ask_all(judge, w, sum, met); !s.ok()) return s;
    for (std::int64_t i = 0; i < in.samples; ++i) {
      if (w.has_sample(0, i))
        w.finish(0, i, sum[i], met[i]);
      else
        w.write(0, i, 0, 0, 0);
    }
    return status{};
  });
}

}  // namespace PREFER_ABI
}  // namespace prefer
