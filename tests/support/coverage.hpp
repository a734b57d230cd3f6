// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/element.hpp>

#include <doctest/doctest.h>

#include <string>

namespace prefer_test {

// Remembers that a case of `tag` ran for an algorithm, on this program's backend, in a storage type. When the program
// ends the list goes to the file named by PREFER_COVERAGE, where tests/tooling/check_algorithms.py finds it.
void record(const char* algorithm, const char* backend, const char* storage, const char* tag);

// Internal to each file: one of nvcc and one of the host compiler differ, and both may be in a program.
template <class S = void>
static void covers(const char* algorithm, const char* tag) {
#if defined(__CUDACC__)
  const char* backend = "cuda";
#else
  const char* backend = "cpu";
#endif
  if constexpr (std::is_void_v<S>)
    record(algorithm, backend, "any", tag);
  else
    record(algorithm, backend, prefer::name_of(prefer::element_of<S>()), tag);
}

// A call that must be refused, naming its argument: the one way to claim "bad-argument" that holds what it claims.
template <class Status>
static void check_refused(const char* algorithm, const Status& s, const std::string& argument) {
  INFO(std::string(algorithm));
  CHECK(!s.ok());
  CHECK(std::string(s.ok() ? "" : s.argument) == argument);
  covers(algorithm, "bad-argument");
}

}  // namespace prefer_test
