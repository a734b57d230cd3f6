// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/advantage/group_advantage.hpp>
#include <prefer/core/arena.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

// history_moments: the moments of groups over the scores that their prompts have had lately, not of this batch alone.
namespace prefer {

// `least`: a window with fewer scores gives the moments of the batch instead of its own; 0: never.
struct history {
  std::int64_t least = 16;

  constexpr status check() const {
    return least >= 0 ? status{}
                      : require::fail(errc::bad_parameter, "least", "0 or above", static_cast<double>(least));
  }
};

// N scores in n groups, as in group_advantages, and the window of each group among K.
template <space S>
struct history_inputs {
  input_view<1, S> score = {};    // N
  input_view<1, S> offsets = {};  // n + 1; int32 or int64
  input_view<1, S> mask = {};     // N; bool or uint8: zero leaves the score out
  input_view<1, S> window = {};   // n; int32 or int64: the number of a group's window; its own number if not given
  input_view<1, S> batch = {};    // 3 doubles side by side: the moments of the batch, if known (see batch_moments)
  bool exclude_nan = false;       // a score that is NaN is left out, instead of staying in its window
};

// The windows belong to the caller, who sets `pushed` to 0 before the first call and keeps both from call to call.
template <space S>
struct history_outputs {
  output_view<2, S> ring = {};     // [K, W]: the last W scores of each window, read and written
  output_view<1, S> pushed = {};   // K; int64: how many scores each window has ever had, read and written
  output_view<2, S> moments = {};  // [n, 3] doubles side by side: number, mean, squares, as group_advantages reads them
};

inline namespace PREFER_ABI {
namespace detail {

struct history_arguments {
  std::int64_t groups = 0, windows = 0, size = 0, least = 0;
  segment_source scores;
  source score, window;
  bool exclude_nan = false;
  row_sink ring;
  std::int64_t* pushed = nullptr;
  std::int64_t pushed_stride = 1;
  const double* batch = nullptr;
  double* out = nullptr;

  // -1 if it is wrong.
  PREFER_HD std::int64_t window_of(std::int64_t group) const {
    const std::int64_t w = window.data == nullptr ? group : load_index(window.data, window.type, group * window.stride);
    return w >= 0 && w < windows ? w : -1;
  }
  PREFER_HD std::int64_t& pushed_to(std::int64_t w) const { return pushed[w * pushed_stride]; }
  PREFER_HD std::int64_t filled(std::int64_t w) const {
    const std::int64_t all = pushed_to(w);
    return all < 0 ? 0 : all < size ? all : size;
  }
  source row(std::int64_t w) const {
    return {static_cast<const char*>(ring.data) + w * ring.row_stride * size_of(ring.type), ring.stride, ring.type};
  }
  PREFER_HD bool takes(std::int64_t i) const {
    return selects(scores.mask, i) && !(exclude_nan && math::is_nan(read_item<double>(score, i)));
  }
  // Score number i goes to a place of window w.
  PREFER_HD void push(std::int64_t w, std::int64_t place, std::int64_t i) const {
    store_element(ring.data, ring.type, w * ring.row_stride + place * ring.stride, read_item<double>(score, i), false);
  }
  PREFER_HD void answer(std::int64_t group, const moments& own) const {
    const moments m = own.count < static_cast<double>(least) && batch != nullptr ? moments_at(batch) : own;
    out[3 * group] = m.count, out[3 * group + 1] = m.mean, out[3 * group + 2] = m.squares;
  }
};

// What one thread does for groups whose scores have been pushed: windows side by side in its buffer, as groups.
struct history_thread {
  const history_arguments& a;
  isa level;
  group_buffer b;

  history_thread(const history_arguments& arguments, isa at) : a(arguments), level(at) {}

  void run(std::int64_t g, std::int64_t end) {
    while (g < end) {
      const int fit = gather(g, end);
      if (fit == 0) a.answer(g, of_pieces(a.window_of(g)));
      if (fit > 0) find();
      for (int i = 0; i < fit; ++i) a.answer(g + i, {b.count[i], b.mean[i], b.squares[i]});
      g += fit > 0 ? fit : 1;
    }
  }

 private:
  int gather(std::int64_t g, std::int64_t end) {
    int fit = 0;
    bool alike = true;
    for (b.set_begin(0, 0); g + fit < end && fit < most_neighbours; ++fit) {
      const std::int64_t w = a.window_of(g + fit), behind = b.begin[fit] + a.filled(w);
      if (behind > group_piece) break;
      load_strided(a.row(w), 0, static_cast<int>(a.filled(w)), b.own + b.begin[fit], level);
      b.set_begin(fit + 1, static_cast<int>(behind));
      alike = alike && b.begin[fit + 1] == (fit + 1) * b.begin[1];
    }
    b.group_scores(fit, alike && fit > 0 ? b.begin[1] : -1);
    return fit;
  }
  moments of_pieces(std::int64_t w) {
    moments m;
    for (std::int64_t first = 0; first < a.filled(w); first += group_piece) {
      const int count = static_cast<int>(smaller(group_piece, a.filled(w) - first));
      load_strided(a.row(w), first, count, b.own, level);
      b.group_alike(1, count);
      find();
      m = merge(m, moments{b.count[0], b.mean[0], b.squares[0]});
    }
    return m;
  }
  void find() {
    moments_work w{&b};
    run_at<moments_work>(level, w);
  }
};

template <class Exec>
status run_history(const Exec&, const history_arguments&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}
inline status run_history(const cpu& exec, const history_arguments& a) {
  isa level;
  if (const status s = resolve_isa(exec, level); !s.ok()) return s;
  for (std::int64_t g = 0; g < a.groups; ++g) {
    const token_range r = range_of(a.scores, g);
    const std::int64_t w = a.window_of(g);
    std::int64_t place = a.pushed_to(w) % a.size, entered = 0;
    for (std::int64_t i = r.begin; i < r.end; ++i) {
      if (!a.takes(i)) continue;
      a.push(w, place, i);
      place = place + 1 < a.size ? place + 1 : 0, ++entered;
    }
    a.pushed_to(w) += entered;
  }
  const std::int64_t blocks = smaller(a.groups, max_blocks);
  for_blocks(exec, blocks, a.groups * smaller(a.size, items_per_task), [&](std::int64_t first, std::int64_t last) {
    history_thread(a, level).run(a.groups * first / blocks, a.groups * last / blocks);
  });
  return {};
}

inline status check_windows(const cpu& exec, const history_arguments& a) {
  for (std::int64_t g = 0; exec.content != content::none && g < a.groups; ++g)
    if (a.window_of(g) < 0)
      return require::fail(errc::bad_index, "window", "0 or above, and below the number of rows of ring",
                           static_cast<double>(load_index(a.window.data, a.window.type, g * a.window.stride)), 0, g);
  for (std::int64_t w = 0; exec.content != content::none && w < a.windows; ++w)
    if (a.pushed_to(w) < 0)
      return require::fail(errc::bad_index, "pushed", "0 or above", static_cast<double>(a.pushed_to(w)), 0, w);
  return {};
}
inline status check_windows(const cuda&, const history_arguments&) { return {}; }

template <space S>
status check_history(const history_inputs<S>& in, const history_outputs<S>& out) {
  advantage_inputs<S> groups;
  groups.score = in.score, groups.offsets = in.offsets, groups.mask = in.mask, groups.batch = in.batch;
  if (const status s = check_groups(groups, advantage_outputs<S>{}, true); !s.ok()) return s;
  const std::int64_t n = in.offsets.extent[0] - 1;
  if (!out.ring.given()) return require::fail(errc::missing_output, "ring", "a row of scores for each window");
  if (!out.pushed.given()) return require::fail(errc::missing_output, "pushed", "one number per window");
  if (!out.moments.given()) return require::fail(errc::missing_output, "moments", "three doubles per group");
  const std::int64_t windows = out.ring.extent[0], size = out.ring.extent[1];
  if (windows < 0 || size < 1)
    return require::fail(errc::bad_extent, "ring", windows < 0 ? "rows: at least" : "scores per window: at least",
                         static_cast<double>(windows < 0 ? windows : size), windows < 0 ? 0 : 1);
  if (!in.window.given() && windows < n)
    return require::fail(errc::bad_extent, "ring", "without `window` a row for each group, that is at least",
                         static_cast<double>(windows), static_cast<double>(n));
  if (out.pushed.type != element::i64) return require::fail(errc::bad_element, "pushed", "elements of type int64");
  if (const status s = first_error(
          in.window.given() ? require::vector("window", in.window, n, one_per_group, require::holds::indices)
                            : status{},
          require::matrix("ring", out.ring, windows, size),
          require::vector("pushed", out.pushed, windows, "one per row of ring:", require::holds::indices),
          check_moment_rows(out.moments, n, per_group_row));
      !s.ok())
    return s;
  require::footprints<5, 3> all;
  all.read("score", in.score), all.read("offsets", in.offsets), all.read("mask", in.mask);
  all.read("window", in.window), all.read("batch", in.batch);
  all.write("ring", out.ring), all.write("pushed", out.pushed), all.write("moments", out.moments);
  return all.check();
}

}  // namespace detail

// For each of n groups: its selected scores enter its window, in order, and push out the oldest of more than W; then
// its moments are those of the window, or of the batch if the window has fewer than `least` scores. Given as `moments`
// to group_advantages, any rule judges by them what is normal for a prompt:
//
//   history_moments(cpu{}, history{}, {.score = {x, N}, .offsets = {o, n + 1}, .window = {prompt, n}},
//                   {.ring = {r, K, 32}, .pushed = {p, K}, .moments = {m, n, 3}});
//   group_advantages(cpu{}, grpo{.epsilon = 1e-6, .std = deviation::population},
//                    {.score = {x, N}, .offsets = {o, n + 1}, .moments = {m, n, 3}}, {.advantage = {a, N}});
//
// All groups push before any moments are found, groups of one window in their order: those get the same moments. A
// group of equal scores has advantages of 0 only if its window holds nothing else. Scores are rounded to the elements
// of `ring`. The batch is the selected scores of this call, or `batch`. Arithmetic, accuracy and bits as in
// group_advantages; the order within a window is that of its memory.
//
// Returns the first thing that is wrong (shapes, types, overlap; on the CPU offsets, windows and `pushed` too); then
// nothing has been written. On CUDA a group of bad offsets or a bad window pushes nothing, is reported, and has NaN
// moments. O(N + n W); pushing is serial on the CPU. On CUDA 2 launches, or 3 with `window` (where a window has several
// groups, one octet of threads then looks through all that follow), those of batch_moments if `least` is not 0 and
// `batch` not given, and history_moments_workspace bytes. Source: the prompt statistics of DDPO (Black et al. 2023,
// arXiv 2305.13301) as released with RLCM (arXiv 2404.03673): W = 32, least 16, population deviation, epsilon 1e-6;
// B2-DiffuRL (arXiv 2503.11240) keeps 9 rounds, sample deviation, epsilon 1e-8, clipped at 5.
template <class Exec>
status history_moments(const Exec& exec, const history& options,
                       const std::type_identity_t<history_inputs<Exec::memory>>& in,
                       const std::type_identity_t<history_outputs<Exec::memory>>& out) {
  if (const status s = options.check(); !s.ok()) return s;
  if (const status s = detail::check_history(in, out); !s.ok()) return s;
  advantage_inputs<Exec::memory> groups;
  groups.score = in.score, groups.offsets = in.offsets, groups.mask = in.mask, groups.exclude_nan = in.exclude_nan;
  group_arguments of_batch = detail::make_group_arguments(groups, advantage_outputs<Exec::memory>{});
  detail::history_arguments a;
  a.groups = of_batch.groups, a.windows = out.ring.extent[0], a.size = out.ring.extent[1], a.least = options.least;
  a.scores = of_batch.scores, a.score = of_batch.score, a.exclude_nan = in.exclude_nan;
  a.window = detail::place_of(in.window);
  a.ring = detail::place_of(out.ring);
  a.pushed = static_cast<std::int64_t*>(out.pushed.data), a.pushed_stride = out.pushed.stride[0];
  a.batch = static_cast<const double*>(in.batch.data);
  a.out = static_cast<double*>(out.moments.data);
  if (const status s = detail::check_group_content(exec, of_batch); !s.ok()) return s;
  if (const status s = detail::check_windows(exec, a); !s.ok()) return s;
  if (a.batch != nullptr || a.least == 0) return run_history(exec, a);
  return with_doubles<3>(exec, [&](double* batch, const Exec& rest) -> status {
    of_batch.batch_out = batch;
    if (const status s = group_map(rest, lite_ppo{}, of_batch); !s.ok()) return s;  // its contributions are the scores
    a.batch = batch;
    return run_history(rest, a);
  });
}

}  // namespace PREFER_ABI
}  // namespace prefer
