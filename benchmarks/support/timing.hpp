// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <limits>
#include <vector>

namespace bench {

inline double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Seconds per call of each candidate: the best of five repetitions, in which the candidates take turns, so that what
// disturbs the machine disturbs them alike. A repetition lasts at least `shortest` seconds.
inline std::vector<double> interleaved(const std::vector<std::function<void()>>& candidates, double shortest = 0.004,
                                       int repetitions = 5) {
  std::vector<double> best(candidates.size(), std::numeric_limits<double>::infinity());
  std::vector<long> calls(candidates.size(), 1);
  for (std::size_t c = 0; c < candidates.size(); ++c) {
    candidates[c]();  // warms caches and pages
    for (double t = 0; t < shortest;) {
      const double start = seconds_now();
      for (long i = 0; i < calls[c]; ++i) candidates[c]();
      t = seconds_now() - start;
      if (t < shortest)
        calls[c] = t < shortest / 16 ? calls[c] * 8
                                     : static_cast<long>(static_cast<double>(calls[c]) * shortest / t * 1.2) + 1;
    }
  }
  for (int r = 0; r < repetitions; ++r) {
    for (std::size_t c = 0; c < candidates.size(); ++c) {
      const double start = seconds_now();
      for (long i = 0; i < calls[c]; ++i) candidates[c]();
      const double t = (seconds_now() - start) / static_cast<double>(calls[c]);
      if (t < best[c]) best[c] = t;
    }
  }
  return best;
}

}  // namespace bench
