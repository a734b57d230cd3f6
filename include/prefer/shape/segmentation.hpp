// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/for_groups.hpp>
#include <prefer/backend/cpu/segmented_map_reduce.hpp>
#include <prefer/backend/row_map_reduce.hpp>
#include <prefer/core/arena.hpp>
#include <prefer/core/call_checks.hpp>
#include <prefer/core/checks.hpp>
#include <prefer/core/math.hpp>

#include <cstdint>
#include <type_traits>

// Cutting demonstrations into steps: the segments within which features vary least.
namespace prefer {

struct step_segmentation {
  std::int64_t steps = 2;         // segments per video
  std::int64_t least_frames = 1;  // in each

  constexpr status check() const {
    return first_error(
        require::that(steps >= 1, "steps", static_cast<double>(steps), "1 or above"),
        require::that(least_frames >= 1, "least_frames", static_cast<double>(least_frames), "1 or above"));
  }
};

// V videos of N frames in all, one after the other: video v is [offsets[v], offsets[v + 1]).
template <space S>
struct segmentation_inputs {
  input_view<2, S> feature = {};  // [N, D]
  input_view<1, S> offsets = {};  // [V + 1] int32 or int64
};
template <space S>
struct segmentation_outputs {
  output_view<2, S> boundary = {};  // [V, steps + 1] int32 or int64: where segments begin and, last, the video ends, in
                                    // frames from its beginning; -1 for a video that is too short
  output_view<1, S> step = {};      // [N] int32 or int64: the segment of each frame; -1 for a frame of none
  output_view<1, S> objective = {};  // [V]: what is minimised; NaN for a video that is too short
};

inline namespace PREFER_ABI {
namespace detail {

inline constexpr int feature_tile = 256;  // features at a time on the CPU

// The dynamic programme of one call. Of the suffix [i, T) of a video, best(k, i) is the least sum of k segments'
// deviations and next(k, i) where the first of these ends, the earliest where several do equally well.
struct segmentation_job {
  std::int64_t frames = 0, features = 0, videos = 0, steps = 0, least = 0;
  row_source feature;
  source offsets;
  double* best = nullptr;                      // [steps, frames + videos]
  std::int32_t* next = nullptr;                // the same
  double *mean = nullptr, *squares = nullptr;  // [videos, padded features]: of the segment that grows
  row_sink boundary;
  sink step, objective;

  PREFER_HD static constexpr std::int64_t padded(std::int64_t features) {
    return (features + feature_tile - 1) / feature_tile * feature_tile;
  }
  PREFER_HD std::int64_t at(std::int64_t k, std::int64_t place) const { return (k - 1) * (frames + videos) + place; }

  // A value joins a segment that has 1 / share values then: their mean and sum of squared deviations, and the deviation
  // (Welford). The first finds itself as the mean, and squares of 0.
  template <class V>
  static PREFER_HD V join(const V& value, const V& share, V& mean, V& squares) {
    const V away = value - mean;
    mean = mean + away * share;
    squares = squares + away * (value - mean);
    return math::sqrt(squares * share);
  }

  // Frames [first, first + count), whose suffixes are numbered from `place` on.
  struct video {
    std::int64_t index, first, count, place;
  };
  PREFER_HD video make_video(const group_range& g) const { return {g.index, g.first, g.count, g.first + g.index}; }
  PREFER_HD bool has_room(const video& v) const { return v.count / steps >= least; }  // the product may overflow
  PREFER_HD bool fits(std::int64_t k, std::int64_t count) const { return k == 0 ? count == 0 : count >= k * least; }
  PREFER_HD void begin_suffix(const video& v, std::int64_t i) const {
    for (std::int64_t k = 1; k <= steps; ++k) {
      best[at(k, v.place + i)] = math::detail::infinity<double>();
      next[at(k, v.place + i)] = static_cast<std::int32_t>(k == 1 ? v.count : i + least);
    }
  }
  // The segment [i, j) has this deviation. Ends come in ascending order.
  PREFER_HD void consider(const video& v, std::int64_t i, std::int64_t j, double deviation) const {
    for (std::int64_t k = 1; k <= steps; ++k) {
      if (!fits(k - 1, v.count - j)) continue;
      const double sum = k == 1 ? deviation : deviation + best[at(k - 1, v.place + j)];
      double& least_sum = best[at(k, v.place + i)];
      if (sum < least_sum) least_sum = sum, next[at(k, v.place + i)] = static_cast<std::int32_t>(j);
    }
  }
  PREFER_HD void write(const video& v) const {
    const bool room = has_room(v);
    if (objective.data != nullptr)
      write_item(objective, v.index, true,
                 room ? best[at(steps, v.place)] / static_cast<double>(steps) : math::detail::not_a_number<double>(),
                 false);
    std::int64_t from = 0;
    for (std::int64_t k = steps; k >= 0; --k) {
      const std::int64_t segment = steps - k;
      if (boundary.data != nullptr)
        store_index(boundary.data, boundary.type, v.index * boundary.row_stride + segment * boundary.stride,
                    room ? from : -1);
      if (k == 0 || !room) continue;
      const std::int64_t to = next[at(k, v.place + from)];
      for (std::int64_t t = from; t < to; ++t) write_index(step, v.first + t, segment);
      from = to;
    }
  }
};

// Frames of no video are of no step.
struct clear_steps {
  sink step;
  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    team.each(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA { write_index(step, g.first + i, -1); });
  }
};

struct segmentation_part {
  const segmentation_job* job;
  std::int64_t first, last;  // videos
};

struct segmentation_work {
  template <class Level>
  static inline __attribute__((always_inline)) void run(segmentation_part& part) {
    const segmentation_job& job = *part.job;
    const group_table table{job.frames, job.videos, 0, job.offsets};
    for (std::int64_t b = part.first; b < part.last; ++b) {
      group_range g;
      table.find(b, g);
      const auto v = job.make_video(g);
      if (job.has_room(v)) solve<Level>(job, v);
      job.write(v);
    }
  }

 private:
  template <class Level>
  static inline __attribute__((always_inline)) void solve(const segmentation_job& job,
                                                          const segmentation_job::video& v) {
    alignas(64) double x[feature_tile];
    for (std::int64_t i = v.count - 1; i >= 0; --i) {
      job.begin_suffix(v, i);
      for (std::int64_t j = i + 1; j <= v.count; ++j) {
        const double deviation = grow<Level>(job, v, i, j, x);
        if (j - i >= job.least) job.consider(v, i, j, deviation);
      }
    }
  }
  // Adds frame j - 1 to the segment that begins with frame i; answers the mean deviation of its features.
  template <class Level>
  static inline __attribute__((always_inline)) double grow(const segmentation_job& job,
                                                           const segmentation_job::video& v, std::int64_t i,
                                                           std::int64_t j, double (&x)[feature_tile]) {
    using V = lane<double, Level>;
    const std::int64_t row = v.index * segmentation_job::padded(job.features);
    const char* frame = static_cast<const char*>(job.feature.data) +
                        (v.first + j - 1) * job.feature.row_stride * size_of(job.feature.type);
    const source from{frame, job.feature.stride, job.feature.type};
    const V share(1 / static_cast<double>(j - i));
    double total = 0;
    for (std::int64_t column = 0; column < job.features; column += feature_tile) {
      const int count = static_cast<int>(smaller(feature_tile, job.features - column));
      const int whole = (count + V::width - 1) / V::width * V::width;
      load_strided(from, column, count, x, isa_of<Level>);
      for (int c = count; c < whole; ++c) x[c] = 0;
      double *mean = job.mean + row + column, *squares = job.squares + row + column;
      V sum(0);
      for (int c = 0; c < whole; c += V::width) {
        const V value = V::load(x + c);
        V average = j - i == 1 ? value : V::load(mean + c), spread = j - i == 1 ? V(0) : V::load(squares + c);
        sum += segmentation_job::join(value, share, average, spread);
        average.store(mean + c), spread.store(squares + c);
      }
      total += sum.sum();
    }
    return total / static_cast<double>(job.features);
  }
};

template <class Exec>
status run_segmentation(const Exec&, const segmentation_job&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}
inline status run_segmentation(const cpu& exec, const segmentation_job& job) {
  isa level;
  if (const status s = resolve_isa(exec, level); !s.ok()) return s;
  // Work grows with the square of a video's length: as if each frame were 64 items.
  for_blocks(exec, job.videos, job.frames * 64, [&](std::int64_t first, std::int64_t last) {
    segmentation_part part{&job, first, last};
    run_at<segmentation_work>(level, part);
  });
  return {};
}

template <space S>
status check_segmentation(const step_segmentation& how, const segmentation_inputs<S>& in,
                          const segmentation_outputs<S>& out) {
  if (!in.feature.given()) return require::fail(errc::missing_input, "feature", "one row per frame");
  if (!in.offsets.given()) return require::fail(errc::missing_input, "offsets", "where each video begins, and the end");
  if (!out.boundary.given() && !out.step.given() && !out.objective.given())
    return require::fail(errc::missing_output, "outputs", "at least one output to write");
  const std::int64_t n = in.feature.extent[0], d = in.feature.extent[1], videos = in.offsets.extent[0] - 1;
  if (n < 0 || d < 1)
    return require::fail(errc::bad_extent, "feature", "at least", static_cast<double>(n < 0 ? n : d), n < 0 ? 0 : 1);
  if (videos < 0) return require::fail(errc::bad_extent, "offsets", "at least", static_cast<double>(videos + 1), 1);
  using require::holds;
  if (const status s =
          first_error(require::matrix("feature", in.feature, n, d),
                      require::vector("offsets", in.offsets, videos + 1, "one per video and the end:", holds::indices),
                      check_optional("boundary", out.boundary, videos, how.steps + 1, holds::indices),
                      check_optional("step", out.step, n, "one per frame:", holds::indices),
                      check_optional("objective", out.objective, videos, "one per video:", holds::numbers));
      !s.ok())
    return s;
  require::footprints<2, 3> all;
  all.read("feature", in.feature), all.read("offsets", in.offsets);
  all.write("boundary", out.boundary), all.write("step", out.step), all.write("objective", out.objective);
  return all.check();
}

inline status check_video_lengths(const cpu& exec, const segmentation_job& job) {
  if (exec.content == content::none) return {};
  segment_source s;
  s.begin = job.offsets.data;
  s.end = static_cast<const char*>(job.offsets.data) + job.offsets.stride * size_of(job.offsets.type);
  s.begin_stride = s.end_stride = job.offsets.stride;
  s.begin_type = s.end_type = job.offsets.type;
  s.tokens = job.frames;
  if (const status bad = check_offsets(s, job.videos, "offsets"); !bad.ok()) return bad;
  for (std::int64_t v = 0; v < job.videos; ++v) {
    const token_range r = range_of(s, v);
    if ((r.end - r.begin) / job.steps < job.least)
      return require::fail(errc::bad_offsets, "offsets", "the end of a video of steps * least_frames frames or more",
                           static_cast<double>(r.end), 0, v + 1);
  }
  return {};
}
inline status check_video_lengths(const cuda&, const segmentation_job&) { return {}; }

// Where the scratch memory of a call lies; without memory, its size.
inline std::size_t place_segmentation(segmentation_job& job, void* memory) {
  arena lent = memory == nullptr ? arena() : arena(memory);
  const std::int64_t suffixes = job.steps * (job.frames + job.videos);
  const std::int64_t numbers = job.videos * segmentation_job::padded(job.features);
  job.best = lent.take<double>(suffixes), job.next = lent.take<std::int32_t>(suffixes);
  job.mean = lent.take<double>(numbers), job.squares = lent.take<double>(numbers);
  return lent.bytes();
}
inline std::size_t segmentation_scratch(std::int64_t steps, std::int64_t frames, std::int64_t videos,
                                        std::int64_t features) {
  segmentation_job job;
  job.frames = frames, job.videos = videos, job.features = features, job.steps = steps;
  return place_segmentation(job, nullptr);
}

}  // namespace detail

// Bytes of workspace that segment_steps needs on the CPU; on CUDA (with the .cuh) too.
inline std::size_t segment_steps_workspace(const cpu&, const step_segmentation& how, std::int64_t frames,
                                           std::int64_t videos, std::int64_t features) {
  return detail::segmentation_scratch(how.steps, frames, videos, features) + detail::arena::alignment;
}

// Cuts every video into `steps` segments of at least `least_frames` frames, with the least
//
//   objective = 1 / steps sum over segments of 1 / D sum over features of the feature's standard deviation in it
//
// (of the population). Of equally good cuts, as they are computed, the earliest; the optimum, by dynamic programming,
// where the paper's recursion is exponential in steps. Deviations are Welford's, in double, of one segment each: exact
// 0 where nothing varies, whatever the features' offset.
//
//   segment_steps(cpu{.workspace = ...}, {.steps = 3, .least_frames = 5},
//                 {.feature = {x, N, D}, .offsets = {o, V + 1}}, {.step = {s, N}});
//
// Cost per video of T frames: T^2 / 2 (D + steps); memory 12 steps (N + V) + 16 V D bytes. A thread per video on the
// CPU, a block of threads on CUDA, where there are two launches. A NaN among a video's features makes its objective
// infinite and its cuts meaningless. Errors: parameters, shapes (D at least 1), types, overlap, workspace; on the CPU
// offsets, and videos that are too short; then nothing has been written. On CUDA these are reported as bad_offsets.
// Source: Sermanet, Xu & Levine 2016, arXiv 1612.06699, section 3 (text read).
template <class Exec>
status segment_steps(const Exec& exec, const step_segmentation& how,
                     const std::type_identity_t<segmentation_inputs<Exec::memory>>& in,
                     const std::type_identity_t<segmentation_outputs<Exec::memory>>& out) {
  if (const status s = first_error(how.check(), detail::check_segmentation(how, in, out)); !s.ok()) return s;
  detail::segmentation_job job;
  job.frames = in.feature.extent[0], job.features = in.feature.extent[1], job.videos = in.offsets.extent[0] - 1;
  job.steps = how.steps, job.least = how.least_frames;
  job.feature = detail::place_of(in.feature), job.offsets = detail::place_of(in.offsets);
  job.boundary = detail::place_of(out.boundary);
  job.step = detail::place_of(out.step), job.objective = detail::place_of(out.objective);
  if (const status s = check_video_lengths(exec, job); !s.ok()) return s;
  const std::size_t bytes = detail::segmentation_scratch(job.steps, job.frames, job.videos, job.features);
  return with_scratch(exec, bytes, [&](void* memory, const Exec& rest) {
    place_segmentation(job, memory);
    if (out.step.given())
      if (const status s = for_groups(rest, detail::pieces_of(job.frames), detail::clear_steps{job.step}); !s.ok())
        return s;
    return run_segmentation(rest, job);
  });
}

}  // namespace PREFER_ABI
}  // namespace prefer
