// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/element.hpp>

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

}  // namespace prefer_test
