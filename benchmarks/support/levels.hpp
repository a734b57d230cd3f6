// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/dispatch.hpp>

#include <vector>

namespace bench {

inline const char* name_of(prefer::isa level) {
  return level == prefer::isa::base ? "base" : level == prefer::isa::avx2 ? "avx2" : "avx512";
}

// The levels that this build carries and this processor has.
inline std::vector<prefer::isa> levels() {
  std::vector<prefer::isa> found;
  for (const prefer::isa level : {prefer::isa::base, prefer::isa::avx2, prefer::isa::avx512}) {
    prefer::isa resolved;
    if (prefer::resolve_isa(prefer::cpu{.isa = level}, resolved).ok()) found.push_back(level);
  }
  return found;
}

}  // namespace bench
