// expect: accessor computes its elements: a view needs an accessor that refers to memory
// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/interop/mdspan.hpp>

#include "interop/mdspan_stand_in.hpp"

#if defined(PREFER_FAIL)
// Like std::linalg::scaled: what it gives is not what is stored.
struct accessor {
  using element_type = const float;
  using reference = float;
};
#else
using accessor = stand_in::plain_accessor<const float>;
#endif

int main() {
  const float x[4] = {};
  const stand_in::mdspan<const float, 1, accessor> v{x, {{4}, {1}}};
  return prefer::as_vector(v).data == x ? 0 : 1;
}
