// expect: as_vector, as_matrix and as_tensor take an mdspan of rank 1, 2 and 3
// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/interop/mdspan.hpp>

#include "interop/mdspan_stand_in.hpp"

int main() {
  const float x[4] = {};
  const stand_in::mdspan<const float, 2> m{x, {{2, 2}, {2, 1}}};
#if defined(PREFER_FAIL)
  return prefer::as_vector(m).data == x ? 0 : 1;
#else
  return prefer::as_matrix(m).data == x ? 0 : 1;
#endif
}
