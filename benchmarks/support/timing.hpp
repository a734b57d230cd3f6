// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ctime>
#include <functional>
#include <limits>
#include <vector>

namespace bench {

// Of the processor where there is one thread, so that other work on the machine does not add to it; else of the wall.
inline double seconds_now(int threads) {
  timespec now;
  clock_gettime(threads == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Seconds per call of each candidate: the best of five repetitions, in which the candidates take turns, so that what
// disturbs the machine disturbs them alike. A repetition lasts at least `shortest` seconds. `threads` is what all of
// them use, if that is known to be 1.
inline std::vector<double> interleaved(const std::vector<std::function<void()>>& candidates, int threads = 2) {
  constexpr double shortest = 0.004;
  constexpr int repetitions = 5;
  std::vector<double> best(candidates.size(), std::numeric_limits<double>::infinity());
  std::vector<long> calls(candidates.size(), 1);
  for (std::size_t c = 0; c < candidates.size(); ++c) {
    candidates[c]();  // warms caches and pages
    for (double t = 0; t < shortest;) {
      const double start = seconds_now(threads);
      for (long i = 0; i < calls[c]; ++i) candidates[c]();
      t = seconds_now(threads) - start;
      if (t < shortest)
        calls[c] = t < shortest / 16 ? calls[c] * 8
                                     : static_cast<long>(static_cast<double>(calls[c]) * shortest / t * 1.2) + 1;
    }
  }
  for (int r = 0; r < repetitions; ++r) {
    for (std::size_t c = 0; c < candidates.size(); ++c) {
      const double start = seconds_now(threads);
      for (long i = 0; i < calls[c]; ++i) candidates[c]();
      const double t = (seconds_now(threads) - start) / static_cast<double>(calls[c]);
      if (t < best[c]) best[c] = t;
    }
  }
  return best;
}

}  // namespace bench
