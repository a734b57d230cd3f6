// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/random.hpp>
#include <prefer/select/detail/score_order.hpp>
#include <prefer/select/selection.hpp>

#include <cstdint>
#include <type_traits>

// As many samples from every part of the range of a score: resampling of data in which most have nearly the same.
namespace prefer {

struct balanced_bins {
  std::int64_t bins = 10;    // of equal width, over the range of the group's scores
  std::int64_t per_bin = 0;  // samples wanted of each
  std::uint64_t seed = 0;

  constexpr status check() const {
    return first_error(require::that(bins >= 1 && bins <= 1 << 20, "bins", static_cast<double>(bins), "1 to 1048576"),
                       require::that(per_bin >= 0, "per_bin", static_cast<double>(per_bin), "0 or above"));
  }
};

template <space S>
struct bin_inputs {
  input_view<1, S> score = {};  // [n]; a NaN is in no bin
  input_view<1, S> mask = {};   // [n] bool or uint8: zero leaves a sample out; it may hold anything
  sample_groups<S> groups = {};
};
// Any of them may be left out, not all. Both lists as vectors, row after row.
template <space S>
struct bin_outputs {
  output_view<1, S> indices = {};  // [B, bins, per_bin] int32 or int64: samples, bin after bin; -1 for an empty bin
  output_view<1, S> count = {};    // [B, bins] int32 or int64: the samples in each bin, before resampling
  output_view<1, S> bin = {};      // [n] int32 or int64: from 0; -1 for what is in none
};

inline namespace PREFER_ABI {
namespace detail {

// What is drawn for a sample, and for a place in the list.
inline constexpr std::uint64_t bin_order_stream = 0x62696e5f6f726465u;
inline constexpr std::uint64_t bin_refill_stream = 0x62696e5f66696c6cu;

// Bins of equal width from the smallest finite score to the largest.
struct score_bins {
  double low, high;
  std::int64_t bins;

  PREFER_HD std::int64_t of(double x) const {
    if (!(x > low)) return 0;
    if (!(x < high)) return bins - 1;
    const double width = high - low, infinite = math::detail::infinity<double>();
    const double part = width < infinite ? (x - low) / width : (0.5 * x - 0.5 * low) / (0.5 * high - 0.5 * low);
    const auto b = static_cast<std::int64_t>(part * static_cast<double>(bins));
    return b < bins ? b : bins - 1;
  }
};

struct bins_work {
  score_order order;
  balanced_bins options;
  sink indices, count, bin;

  PREFER_HD bool present(std::int64_t s) const { return selects(order.mask, s) && !math::is_nan(order.value(s)); }
  template <class Team>
  PREFER_HD score_bins bins_of(const Team& team, const group_range& g) const {
    const auto end_of_range = [&](double sign) PREFER_HD_LAMBDA {
      const ranked x = team.first(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA {
        const double v = order.value(g.first + i);
        const bool finite = present(g.first + i) && math::abs(v) < math::detail::infinity<double>();
        return ranked{finite ? sortable(sign * v) : left_out, i};
      });
      return x.key == left_out ? 0.0 : sign * from_sortable(x.key);
    };
    return {end_of_range(1), end_of_range(-1), options.bins};
  }
  // Resamples bin b of a group, of which `is_in` has c samples.
  template <class Team, class In>
  PREFER_HD void resample(const Team& team, const group_range& g, std::int64_t b, std::int64_t c,
                          const In& is_in) const {
    const std::int64_t begin = (g.index * options.bins + b) * options.per_bin;
    const std::int64_t wanted = c < options.per_bin ? c : options.per_bin;
    const auto place = [&](std::int64_t i) PREFER_HD_LAMBDA {
      const auto s = static_cast<std::uint64_t>(g.first + i);
      return ranked{is_in(i) ? draw_pair(options.seed, bin_order_stream, s).first >> 1 : left_out, i};
    };
    order_cut cut;
    cut.last = ranked{left_out - 1, INT64_MAX};
    if (wanted < c) cut = cut_behind(team, g.count, wanted, place);
    team.prefix(
        g.count, [&](std::int64_t i) PREFER_HD_LAMBDA { return std::int64_t{is_in(i) && cut.takes(place(i)) ? 1 : 0}; },
        [&](std::int64_t i, std::int64_t before) PREFER_HD_LAMBDA {
          if (is_in(i) && cut.takes(place(i))) write_index(indices, begin + before, g.first + i);
        });
    team.each(options.per_bin - wanted, [&](std::int64_t j) PREFER_HD_LAMBDA {
      const std::int64_t at = begin + wanted + j;
      if (c == 0) return write_index(indices, at, -1);
      const auto bits = draw_pair(options.seed, bin_refill_stream, static_cast<std::uint64_t>(at)).first;
      const auto pick = static_cast<std::int64_t>(to_below(bits, static_cast<std::uint64_t>(c)));
      write_index(indices, at, load_index(indices.data, indices.type, (begin + pick) * indices.stride));
    });
  }

  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    const score_bins bins = bins_of(team, g);
    const auto bin_at = [&](std::int64_t i) PREFER_HD_LAMBDA {
      return present(g.first + i) ? bins.of(order.value(g.first + i)) : std::int64_t{-1};
    };
    if (bin.data != nullptr)
      team.each(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA { write_index(bin, g.first + i, bin_at(i)); });
    for (std::int64_t b = 0; (indices.data != nullptr || count.data != nullptr) && b < options.bins; ++b) {
      const auto is_in = [&](std::int64_t i) PREFER_HD_LAMBDA { return bin_at(i) == b; };
      const std::int64_t c = team.total(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA { return is_in(i) ? 1 : 0; });
      team.once([&]() PREFER_HD_LAMBDA { write_index(count, g.index * options.bins + b, c); });
      if (indices.data != nullptr) resample(team, g, b, c, is_in);
    }
  }
};

template <space S>
status make_bins(const balanced_bins& options, const bin_inputs<S>& in, const bin_outputs<S>& out, group_table& t,
                 bins_work& w) {
  using require::holds;
  if (const status s = options.check(); !s.ok()) return s;
  if (!in.score.given()) return require::fail(errc::missing_input, "score", "one number per sample");
  if (const status s = some_output(out.indices, out.count, out.bin); !s.ok()) return s;
  const std::int64_t n = in.score.extent[0];
  if (const status s = make_groups(in.groups, "score", n, t); !s.ok()) return s;
  // The sizes of the lists are numbers before they are compared.
  if (t.groups > 0 && options.per_bin > INT64_MAX / options.bins / t.groups)
    return require::fail(errc::bad_parameter, "per_bin", "groups, bins and per_bin with a product below 2^63: at most",
                         static_cast<double>(options.per_bin),
                         static_cast<double>(INT64_MAX / options.bins / t.groups));
  call_checks<3, 3> call;
  call.read("score", in.score, n, "", holds::numbers);
  call.read("mask", in.mask, n, "the number of samples,", holds::flags);
  call.read("groups.offsets", in.groups.offsets, t.groups + 1, "", holds::indices);
  const std::int64_t bins = t.groups * options.bins;
  call.write("indices", out.indices, bins * options.per_bin, "`bins` times `per_bin` per group,", holds::indices);
  call.write("count", out.count, bins, "`bins` per group,", holds::indices);
  call.write("bin", out.bin, n, "the number of samples,", holds::indices);
  w.order.score = place_of(in.score), w.order.mask = place_of(in.mask);
  w.options = options;
  w.indices = place_of(out.indices), w.count = place_of(out.count), w.bin = place_of(out.bin);
  return call.check();
}

}  // namespace detail

// Cuts the range of each group's scores into `bins` parts of equal width and takes `per_bin` samples of each:
//
//   bin_i = floor(bins (score_i - smallest) / (largest - smallest)), the largest score in the last bin
//
// A bin that has more is thinned out at random, without replacement; of one that has fewer all are taken, and the rest
// is drawn from them with replacement; an empty one gives -1. The samples of a bin come in their order, the drawn ones
// behind them. Equal scores are all in bin 0; infinite ones are in the first or last bin and do not stretch the range.
// What is drawn depends on (seed, sample, place in the list) alone: the same samples on either backend and for any
// threads; another seed for another epoch. Errors: parameters, shapes, element types, memory that overlaps, offsets,
// with content::all a NaN score. O(bins n) passes, some 16 times that for bins that are thinned out; nothing is
// allocated; one launch on CUDA, where a group is the work of a warp or block. Source: AttriCtrl, arXiv 2508.02151
// (from a summary: ten bins of the raw range, short ones up-sampled with replacement, long ones
// down-sampled); that up-sampling takes every sample once before it repeats any is proposed here.
template <class Exec>
status resample_bins(const Exec& exec, const balanced_bins& options,
                     const std::type_identity_t<bin_inputs<Exec::memory>>& in,
                     const std::type_identity_t<bin_outputs<Exec::memory>>& out) {
  detail::group_table groups;
  detail::bins_work work;
  if (const status s = detail::make_bins(options, in, out, groups, work); !s.ok()) return s;
  if (const status s = detail::check_groups(exec, groups); !s.ok()) return s;
  if (const status s = detail::check_numbers(exec, "score", work.order.score, work.order.mask, groups.samples); !s.ok())
    return s;
  return for_groups(exec, groups, work);
}

}  // namespace PREFER_ABI
}  // namespace prefer
