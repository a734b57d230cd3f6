// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <pagmo/utils/multi_objective.hpp>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <tuple>
#include <vector>

// pagmo's non-dominated sorting and the crowding distances of its fronts, of the doubles of a file (minimised), for
// ranks_peers.py: prints processor milliseconds of both, the least of some calls, how many fronts there are and the sum
// of the finite distances. Making its vectors is left out of the time.
int main(int, char** argv) {
  const std::size_t k = std::strtoul(argv[2], nullptr, 10);
  std::vector<pagmo::vector_double> points;
  std::ifstream file(argv[1], std::ios::binary);
  for (pagmo::vector_double p(k); file.read(reinterpret_cast<char*>(p.data()), static_cast<std::streamsize>(8 * k));)
    points.push_back(p);
  const auto milliseconds = [](auto call) {
    double best = 1e9, all = 0;
    for (int calls = 0; calls < 20 && (calls < 2 || all < 300); ++calls) {
      const std::clock_t start = std::clock();
      call();
      const double took = 1e3 * static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
      all += took;
      best = took < best ? took : best;
    }
    return best;
  };
  pagmo::fnds_return_type sorted;
  const double ranks = milliseconds([&] { sorted = pagmo::fast_non_dominated_sorting(points); });
  std::vector<std::vector<pagmo::vector_double>> fronts;
  for (const auto& front : std::get<0>(sorted)) {
    fronts.emplace_back();
    for (const auto i : front) fronts.back().push_back(points[i]);
  }
  double sum = 0;
  const double crowding = milliseconds([&] {
    sum = 0;
    for (const auto& front : fronts)
      if (front.size() > 1)
        for (const double d : pagmo::crowding_distance(front)) sum += d < 1e300 ? d : 0;
  });
  std::printf("%.9g %.9g %zu %.17g\n", ranks, crowding, fronts.size(), sum);
}
