// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <string>

// A line that is drawn over itself while work goes on; only where somebody looks at a terminal.
inline void show_progress(const std::string& what, std::int64_t done, std::int64_t all, const std::string& note = "") {
  if (isatty(STDERR_FILENO) == 0) return;
  const auto filled = static_cast<std::size_t>(30 * done / all);
  std::fprintf(stderr, "\r[%s%s] %s %lld of %lld%s%s ", std::string(filled, '#').c_str(),
               std::string(30 - filled, '.').c_str(), what.c_str(), static_cast<long long>(done),
               static_cast<long long>(all), note.empty() ? "" : ", ", note.c_str());
  if (done == all) std::fputc('\n', stderr);
}
