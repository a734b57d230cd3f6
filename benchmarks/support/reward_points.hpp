// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/random.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

// Samples with several rewards, for benchmarks of selections.
namespace bench {

struct cloud {
  std::int64_t n = 0;
  int k = 0;
  std::vector<float> x = {};
};

// uniform; anti: sums near k / 2 (uniform, projected); sphere: nothing dominates anything; chain: totally ordered;
// equal; layers: about sqrt(n) fronts of sqrt(n) samples.
inline double layer(const float* row, std::int64_t i, std::int64_t n, int k) {
  double sum = 0;
  for (int j = 0; j + 1 < k; ++j) sum += row[j];
  const auto layers = static_cast<std::int64_t>(std::sqrt(static_cast<double>(n)));
  return static_cast<double>(i % layers) * static_cast<double>(n) * k - sum;
}
inline cloud make_cloud(const std::string& kind, std::int64_t n, int k) {
  const auto draw = [](std::int64_t i) {
    return prefer::to_uniform(prefer::draw_pair(7, 1, static_cast<std::uint64_t>(i)).first);
  };
  cloud c{n, k, std::vector<float>(static_cast<std::size_t>(n * k))};
  for (std::int64_t i = 0; i < n; ++i) {
    float* const row = c.x.data() + i * k;
    double sum = 0, square = 0;
    for (int j = 0; j < k; ++j) {
      const double u = draw(i * (k + 1) + j);
      row[j] = static_cast<float>(u), sum += u, square += u * u;
    }
    const double shift = (sum - 0.5 * k - 0.1 * k * (draw(i * (k + 1) + k) - 0.5)) / k;
    for (int j = 0; j < k; ++j)
      if (kind == "anti")
        row[j] -= static_cast<float>(shift);
      else if (kind == "sphere")
        row[j] /= static_cast<float>(std::sqrt(square));
      else if (kind == "chain")
        row[j] = static_cast<float>(i * 7919 % n);
      else if (kind == "equal")
        row[j] = 1;
      else if (kind == "layers")
        row[j] = static_cast<float>(j + 1 < k ? std::floor(row[j] * static_cast<float>(n)) : layer(row, i, n, k));
  }
  return c;
}

// The floats of a file, row after row.
inline cloud read_cloud(const std::string& path, int k) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  cloud c{0, k, std::vector<float>(static_cast<std::size_t>(file.tellg()) / sizeof(float))};
  c.n = static_cast<std::int64_t>(c.x.size()) / k;
  file.seekg(0).read(reinterpret_cast<char*>(c.x.data()), static_cast<std::streamsize>(c.x.size() * sizeof(float)));
  return c;
}

}  // namespace bench
