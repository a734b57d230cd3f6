// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/shape/segmentation.hpp>
#include <support/row_call.hpp>

#include <cmath>
#include <vector>

// Videos, and the best cuts by trying all of them.
namespace prefer_test {

template <class S>
struct videos {
  std::vector<std::int32_t> starts;
  std::int64_t n, d, count, steps;
  matrix<S> feature;
  buffer<std::int32_t> offsets;
  matrix<std::int32_t> boundary;
  buffer<std::int64_t> step;
  buffer<double> objective;

  // Two frames before the first and one behind the last belong to no video.
  videos(const std::vector<int>& lengths, std::int64_t columns, std::int64_t segments, std::int64_t gap = 0)
      : starts(offsets_of(lengths)),
        n(starts.back() + 1),
        d(columns),
        count(static_cast<std::int64_t>(lengths.size())),
        steps(segments),
        feature(n, d, gap),
        offsets(count + 1),
        boundary(count, steps + 1, gap),
        step(n, 1 + gap),
        objective(count, 1 + gap) {
    noise random(21);
    for (std::int64_t v = 0; v <= count; ++v) offsets.at(v) = starts[static_cast<std::size_t>(v)];
    // A level per third of a video, and noise.
    for (std::int64_t t = 0; t < n; ++t)
      for (std::int64_t f = 0; f < d; ++f)
        feature.set(t, f, static_cast<double>(t % 12 / 4) * static_cast<double>(f % 3) + random.uniform(-0.5, 0.5));
  }
  static std::vector<std::int32_t> offsets_of(const std::vector<int>& lengths) {
    std::vector<std::int32_t> o{2};
    for (int length : lengths) o.push_back(o.back() + length);
    return o;
  }

  // The mean standard deviation of frames [begin, end), two passes in long double.
  long double deviation(std::int64_t begin, std::int64_t end) {
    long double sum = 0;
    for (std::int64_t f = 0; f < d; ++f) {
      long double mean = 0, squares = 0;
      for (std::int64_t t = begin; t < end; ++t) mean += feature.get(t, f);
      mean /= static_cast<long double>(end - begin);
      for (std::int64_t t = begin; t < end; ++t) squares += square(feature.get(t, f) - mean);
      sum += std::sqrt(squares / static_cast<long double>(end - begin));
    }
    return sum / static_cast<long double>(d);
  }
  // The least sum over all ways to cut [begin, end) into k segments of `least` frames, and where they begin.
  long double search(std::int64_t begin, std::int64_t end, std::int64_t k, std::int64_t least,
                     std::vector<std::int64_t>& cuts) {
    if (k == 1) {
      cuts = {begin};
      return end - begin < least ? HUGE_VALL : deviation(begin, end);
    }
    long double best = HUGE_VALL;
    for (std::int64_t cut = begin + least; cut + (k - 1) * least <= end; ++cut) {
      std::vector<std::int64_t> rest;
      const long double sum = deviation(begin, cut) + search(cut, end, k - 1, least, rest);
      if (sum >= best) continue;
      best = sum;
      cuts = rest;
      cuts.insert(cuts.begin(), begin);
    }
    return best;
  }
};

}  // namespace prefer_test
