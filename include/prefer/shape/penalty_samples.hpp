// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/check_numbers.hpp>
#include <prefer/backend/cpu/map_reduce.hpp>
#include <prefer/backend/row_map_reduce.hpp>
#include <prefer/core/arena.hpp>
#include <prefer/core/checks.hpp>
#include <prefer/core/normal.hpp>
#include <prefer/shape/detail/column_moments.hpp>

#include <cstdint>
#include <type_traits>

// Where a gradient penalty is taken: between two sets of samples, or around one. Random numbers are a function of
// (seed, block, number of the sample) alone, the same on either backend and for any number of threads.
namespace prefer {

// What both distributions are given to draw with. Samples of one batch that are on several machines, or in several
// micro-batches, say in `first` how many come before them, and draw what they would in one piece.
struct sample_draw {
  random_seed seed = 0;
  std::uint64_t block = 0;  // calls of one seed with equal blocks draw the same numbers
  std::int64_t first = 0;   // number of the first sample

  constexpr status check() const {
    return first_error(require::that(!seed.missing(), "seed", 0, "a number, or a pointer that is not null"),
                       require::that(first >= 0, "first", static_cast<double>(first), "0 or above"));
  }
};

// x_i = e_i a_i + (1 - e_i) b_i with e_i uniform on (0, 1), one for all elements of a sample: points between policy
// samples a and expert samples b. Where a sample is in several arrays, its state and its action say, equal blocks give
// all of it one coefficient, as WGAN-GP does, and different blocks independent ones, as the released code of Blonde et
// al. does. Sources: Gulrajani et al. 2017, arXiv 1704.00028, algorithm 1; Blonde et al. 2020, arXiv 2006.16785.
template <space S>
struct interpolation_inputs {
  input_view<2, S> a = {}, b = {};  // [n, D]
};
template <space S>
struct penalty_sample_outputs {
  output_view<2, S> x = {};  // [n, D]
};

// x_i = a_i + sigma z_i with independent standard normal z: around expert samples as the released code of Blonde et al.
// has DRAGAN (Kodali et al. 2017, arXiv 1705.07215), around policy samples as its NAGARD; sigma 10 is that code's, in
// units of its normalised observations.
template <space S>
struct perturbation_inputs {
  input_view<2, S> a = {};  // [n, D]
};

// x_ic = a_ic + scale std_c u_ic with independent u uniform on (0, 1), one per element, and std the population's
// standard deviation of the batch a: of all its elements together, as DRAGAN was published, or of every feature
// (column) alone, which does not mix units. The published penalty is then taken between a and x: interpolate_samples.
// Source: Kodali et al. 2017, arXiv 1705.07215, "x + 0.5 std(x) U[0, 1]" from a summary; per feature is proposed here.
struct dragan_noise {
  scalar scale = 0.5;
  bool per_feature = false;

  constexpr status check() const { return require::not_negative(scale, "scale"); }
};

inline namespace PREFER_ABI {
namespace detail {

inline constexpr std::uint64_t interpolation_stream = std::uint64_t{0x6c69} << 48;
inline constexpr std::uint64_t perturbation_stream = std::uint64_t{0x6c70} << 48;
inline constexpr std::uint64_t dragan_stream = std::uint64_t{0x6c64} << 48;
inline constexpr int sample_tile = 256;  // columns at a time on the CPU, a multiple of 64

struct sample_job {
  std::int64_t n = 0, columns = 0;
  row_source a, b;  // without b: noise
  row_sink out;
  scalar sigma = 0;
  const double* spread = nullptr;  // with it uniform noise, in units of these
  std::int64_t spread_stride = 0;  // 0: one for all columns
  sample_draw draw;

  // Columns share 128 random bits in pairs (c, c + 32) of every 64, so that a warp's columns are neighbours.
  PREFER_HD std::int64_t pairs() const {
    const std::int64_t rest = columns % 64;
    return columns / 64 * 32 + (rest < 32 ? rest : 32);
  }
  PREFER_HD static std::int64_t first_column(std::int64_t pair) { return pair / 32 * 64 + pair % 32; }
  // e_i
  PREFER_HD double coefficient(std::uint64_t seed, std::int64_t item) const {
    const auto element = static_cast<std::uint64_t>(draw.first) + static_cast<std::uint64_t>(item);
    return to_uniform(draw_pair(seed, interpolation_stream + draw.block, element).first);
  }
  // What the columns of a pair are made of.
  PREFER_HD random_pair uniforms(std::uint64_t seed, std::int64_t item, std::int64_t pair) const {
    const auto sample = static_cast<std::uint64_t>(draw.first) + static_cast<std::uint64_t>(item);
    const std::uint64_t element = sample * static_cast<std::uint64_t>(pairs()) + static_cast<std::uint64_t>(pair);
    return draw_pair(seed, (spread == nullptr ? perturbation_stream : dragan_stream) + draw.block, element);
  }
};

// The distributions of one element.
template <class V>
PREFER_HD V interpolated(const V& e, const V& a, const V& b) {
  return b + e * (a - b);
}
template <class V>
PREFER_HD V perturbed(const V& a, const V& sigma, const V& u) {
  return a + sigma * normal_quantile(u);
}
template <class V>
PREFER_HD V shifted(const V& a, const V& width, const V& u) {
  return a + width * u;
}

inline source sample_row(const row_source& r, std::int64_t row) {
  return {static_cast<const char*>(r.data) + row * r.row_stride * size_of(r.type), r.stride, r.type};
}
inline sink sample_row(const row_sink& r, std::int64_t row) {
  return {static_cast<char*>(r.data) + row * r.row_stride * size_of(r.type), r.stride, r.type};
}

struct sample_tiles {
  const sample_job* job;
  std::int64_t first, last;  // tiles, row by row
};

struct sample_work {
  template <class Level>
  static inline __attribute__((always_inline)) void run(sample_tiles& t) {
    using V = lane<double, Level>;
    const sample_job& job = *t.job;
    const std::int64_t tiles = (job.columns + sample_tile - 1) / sample_tile;
    const std::uint64_t seed = job.draw.seed.get();
    const double sigma = job.sigma.as<double>();
    alignas(64) double a[sample_tile], other[sample_tile], width[sample_tile];  // other: b, or uniform numbers
    for (std::int64_t tile = t.first; tile < t.last; ++tile) {
      const std::int64_t row = tile / tiles, column = tile % tiles * sample_tile;
      const int count = static_cast<int>(smaller(sample_tile, job.columns - column));
      for (int k = count / V::width * V::width; k < sample_tile; ++k) a[k] = 0, other[k] = 0.5;
      load_strided(sample_row(job.a, row), column, count, a, isa_of<Level>);
      if (job.b.data != nullptr) {
        load_strided(sample_row(job.b, row), column, count, other, isa_of<Level>);
        const V e(job.coefficient(seed, row));
        for (int k = 0; k < count; k += V::width) interpolated(e, V::load(a + k), V::load(other + k)).store(a + k);
      } else {
        for (std::int64_t pair = column / 2; pair < job.pairs() && sample_job::first_column(pair) < column + count;
             ++pair) {
          const random_pair bits = job.uniforms(seed, row, pair);
          const auto k = sample_job::first_column(pair) - column;
          other[k] = to_uniform(bits.first), other[k + 32] = to_uniform(bits.second);
        }
        if (job.spread != nullptr) {
          const int padded = (count + V::width - 1) / V::width * V::width;
          for (int k = 0; k < padded; ++k)
            width[k] = k < count ? sigma * job.spread[(column + k) * job.spread_stride] : 0;
          for (int k = 0; k < count; k += V::width)
            shifted(V::load(a + k), V::load(width + k), V::load(other + k)).store(a + k);
        } else {
          for (int k = 0; k < count; k += V::width)
            perturbed(V::load(a + k), V(sigma), V::load(other + k)).store(a + k);
        }
      }
      store_strided(sample_row(job.out, row), column, count, a, nullptr, false, isa_of<Level>);
    }
  }
};

// The standard deviation of all elements, from the moments of the columns.
struct whole_deviation {
  std::int64_t columns;
  const moments* of_columns;
  double* spread;

  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range&) const {
    team.once([&]() PREFER_HD_LAMBDA {
      moments all;
      for (std::int64_t c = 0; c < columns; ++c) all = merge(all, of_columns[c]);
      *spread = all.std(deviation::population);
    });
  }
};
struct column_deviations {
  const moments* of_columns;
  double* spread;

  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    team.each(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA {
      spread[g.first + i] = of_columns[g.first + i].std(deviation::population);
    });
  }
};

constexpr std::size_t dragan_scratch(std::int64_t columns) {
  return static_cast<std::size_t>(columns) * (sizeof(moments) + sizeof(double));
}

template <class Exec>
status draw_samples(const Exec&, const sample_job&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}
inline status draw_samples(const cpu& exec, const sample_job& job) {
  isa level;
  if (const status s = resolve_isa(exec, level); !s.ok()) return s;
  const std::int64_t tiles = (job.columns + sample_tile - 1) / sample_tile;
  for_blocks(exec, job.n * tiles, job.n * job.columns, [&](std::int64_t first, std::int64_t last) {
    sample_tiles part{&job, first, last};
    run_at<sample_work>(level, part);
  });
  return {};
}

// What is wrong with matrices [n, D], the last of which is written.
template <space S>
status check_samples(const input_view<2, S>& a, const input_view<2, S>* b, const output_view<2, S>& x) {
  if (!a.given()) return require::fail(errc::missing_input, "a", "one row per sample");
  if (b != nullptr && !b->given()) return require::fail(errc::missing_input, "b", "one row per sample");
  if (!x.given()) return require::fail(errc::missing_output, "x", "one row per sample");
  const std::int64_t n = a.extent[0], d = a.extent[1];
  if (n < 0 || d < 0) return require::fail(errc::bad_extent, "a", "at least", static_cast<double>(n < 0 ? n : d), 0);
  if (const status s =
          first_error(require::matrix("a", a, n, d), b != nullptr ? require::matrix("b", *b, n, d) : status{},
                      require::matrix("x", x, n, d));
      !s.ok())
    return s;
  require::footprints<2, 1> all;
  all.read("a", a), all.write("x", x);
  if (b != nullptr) all.read("b", *b);
  return all.check();
}

template <space S>
sample_job make_sample_job(const sample_draw& draw, const input_view<2, S>& a, const output_view<2, S>& x) {
  sample_job job;
  job.n = a.extent[0], job.columns = a.extent[1];
  job.a = place_of(a), job.out = place_of(x);
  job.draw = draw;
  return job;
}

template <class Exec>
status run_samples(const Exec& exec, const sample_job& job) {
  const status s = first_error(check_numbers(exec, "a", job.a, {}, job.n, job.columns),
                               check_numbers(exec, "b", job.b, {}, job.n, job.columns));
  return s.ok() ? draw_samples(exec, job) : s;
}

}  // namespace detail

// Points between two sets of samples, see interpolation_inputs; arithmetic in double.
//
//   interpolate_samples(cpu{}, {.seed = step}, {.a = {policy, n, D}, .b = {expert, n, D}}, {{x, n, D}});
//
// b + e (a - b): equal rows give themselves exactly. Nothing is allocated; one launch on CUDA. Errors: no seed, first
// below 0, shapes, types, overlap, with content::all NaN; then nothing has been written.
template <class Exec>
status interpolate_samples(const Exec& exec, const sample_draw& draw,
                           const std::type_identity_t<interpolation_inputs<Exec::memory>>& in,
                           const std::type_identity_t<penalty_sample_outputs<Exec::memory>>& out) {
  if (const status s = first_error(draw.check(), detail::check_samples(in.a, &in.b, out.x)); !s.ok()) return s;
  detail::sample_job job = detail::make_sample_job(draw, in.a, out.x);
  job.b = detail::place_of(in.b);
  return detail::run_samples(exec, job);
}

// Samples and normal noise, see perturbation_inputs; as interpolate_samples. sigma must be finite and not negative.
template <class Exec>
status perturb_samples(const Exec& exec, const sample_draw& draw, const scalar& sigma,
                       const std::type_identity_t<perturbation_inputs<Exec::memory>>& in,
                       const std::type_identity_t<penalty_sample_outputs<Exec::memory>>& out) {
  if (const status s = first_error(draw.check(), require::not_negative(sigma, "sigma"),
                                   detail::check_samples<Exec::memory>(in.a, nullptr, out.x));
      !s.ok())
    return s;
  detail::sample_job job = detail::make_sample_job(draw, in.a, out.x);
  job.sigma = sigma;
  return detail::run_samples(exec, job);
}

// Bytes of workspace that dragan_samples needs on the CPU for D columns; on CUDA (with the .cuh) too.
inline std::size_t dragan_samples_workspace(const cpu&, std::int64_t columns) {
  return columns > 0 ? detail::dragan_scratch(columns) + detail::arena::alignment : 0;
}

// Samples and uniform noise in proportion to their spread, see dragan_noise; as interpolate_samples, but the batch is
// read twice more, workspace is needed (on CUDA: or memory in stream order), and there are three launches. Parts of a
// batch have each their own standard deviation. A NaN in the batch makes its column NaN, or all of it.
template <class Exec>
status dragan_samples(const Exec& exec, const sample_draw& draw, const dragan_noise& noise,
                      const std::type_identity_t<perturbation_inputs<Exec::memory>>& in,
                      const std::type_identity_t<penalty_sample_outputs<Exec::memory>>& out) {
  if (const status s =
          first_error(draw.check(), noise.check(), detail::check_samples<Exec::memory>(in.a, nullptr, out.x));
      !s.ok())
    return s;
  detail::sample_job job = detail::make_sample_job(draw, in.a, out.x);
  if (const status s = detail::check_numbers(exec, "a", job.a, {}, job.n, job.columns); !s.ok()) return s;
  const std::int64_t columns = job.n > 0 ? job.columns : 0;
  return with_scratch(exec, detail::dragan_scratch(columns), [&](void* memory, const Exec& rest) {
    if (columns == 0) return status{};
    auto* const of_columns = static_cast<moments*>(memory);
    auto* const spread = reinterpret_cast<double*>(of_columns + columns);
    const detail::column_moments find{job.n, columns, job.a, {}, of_columns};
    if (const status s = find_column_moments(rest, find, 1); !s.ok()) return s;
    const status found =
        noise.per_feature
            ? for_groups(rest, detail::pieces_of(columns), detail::column_deviations{of_columns, spread})
            : for_groups(rest, detail::pieces_of(1), detail::whole_deviation{columns, of_columns, spread});
    if (!found.ok()) return found;
    job.sigma = noise.scale, job.spread = spread, job.spread_stride = noise.per_feature ? 1 : 0;
    return draw_samples(rest, job);
  });
}

}  // namespace PREFER_ABI
}  // namespace prefer
