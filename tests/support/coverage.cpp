// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <support/coverage.hpp>

#include <cstdlib>
#include <fstream>
#include <set>
#include <string>

namespace {

struct ledger {
  std::set<std::string> lines;
  ~ledger() {
    const char* path = std::getenv("PREFER_COVERAGE");
    if (path == nullptr || lines.empty()) return;
    std::ofstream file(path);
    for (const std::string& line : lines) file << line << '\n';
  }
};

}  // namespace

void prefer_test::record(const char* algorithm, const char* backend, const char* storage, const char* tag) {
  static ledger all;
  all.lines.insert(std::string(algorithm) + "," + backend + "," + storage + "," + tag);
}
