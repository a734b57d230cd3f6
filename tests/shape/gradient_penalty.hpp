// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/shape/gradient_penalty.hpp>
#include <support/row_call.hpp>

#include <cmath>
#include <vector>

// What a gradient penalty must be, in long double.
namespace prefer_test {

struct penalty_case {
  prefer::gradient_norm norm;
  prefer::gradient_penalty penalty;

  long double norm_of(long double squares) const { return std::sqrt(squares + norm.epsilon.value64); }
  long double value(long double squares) const {
    const long double d = norm_of(squares) - penalty.target.value64;
    return penalty.one_sided && d < 0 ? 0 : penalty.coefficient.value64 * d * d;
  }
  // The derivative by |g|^2, times 2 |g|.
  long double by_length(long double squares) const {
    if (squares == 0) return 0;
    const long double n = norm_of(squares), d = n - penalty.target.value64;
    return penalty.one_sided && d < 0 ? 0 : 2 * penalty.coefficient.value64 * d * std::sqrt(squares) / n;
  }
};

inline std::vector<penalty_case> penalty_cases() {
  return {{{}, {}},
          {{}, {.one_sided = true}},
          {{}, {.target = 0.0, .coefficient = 0.5}},
          {{.epsilon = 0.25}, {.target = 2.5}},
          {{.epsilon = 0.25}, {.target = 2.5, .coefficient = 3.0, .one_sided = true}}};
}

template <class S>
long double squares_of(matrix<S>& g, std::int64_t i) {
  long double sum = 0;
  for (std::int64_t e = 0; e < g.elements; ++e) sum += square(g.get(i, e));
  return sum;
}

}  // namespace prefer_test
