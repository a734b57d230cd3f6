// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <pagmo/utils/hypervolume.hpp>

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <vector>

// pagmo's hypervolume (or, with "contributions", the exclusive ones) of the sets of N points of a file, for
// hypervolume_peers.py: FILE K WHAT N. Prints processor seconds per set, the least of some rounds, and the answer of
// the last set. Making its vectors is left out of the time.
int main(int, char** argv) {
  const std::size_t k = std::strtoul(argv[2], nullptr, 10), n = std::strtoul(argv[4], nullptr, 10);
  const bool contributions = argv[3][0] == 'c';
  std::vector<std::vector<pagmo::vector_double>> sets;
  std::ifstream file(argv[1], std::ios::binary);
  for (pagmo::vector_double p(k); file.read(reinterpret_cast<char*>(p.data()), static_cast<std::streamsize>(8 * k));) {
    if (sets.empty() || sets.back().size() == n) sets.emplace_back();
    sets.back().push_back(p);
  }
  const pagmo::vector_double low(k, 1.1);
  double best = 1e9, answer = 0, all = 0;
  for (int rounds = 0; rounds < 20 && (rounds < 2 || all < 0.3); ++rounds) {
    const std::clock_t start = std::clock();
    for (const auto& points : sets) {
      const pagmo::hypervolume h(points, false);
      double sum = 0;
      if (contributions)
        for (double x : h.contributions(low)) sum += x;
      answer = contributions ? sum : h.compute(low);
    }
    const double took = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    all += took;
    best = took < best ? took : best;
  }
  std::printf("%.9g %.17g\n", best / static_cast<double>(sets.size()), answer);
}
