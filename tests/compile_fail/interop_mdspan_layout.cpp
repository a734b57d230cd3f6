// expect: layout is not strided: a view needs one stride per dimension
// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/interop/mdspan.hpp>

#include "interop/mdspan_stand_in.hpp"

#if defined(PREFER_FAIL)
constexpr bool strided = false;
#else
constexpr bool strided = true;
#endif

int main() {
  const float x[4] = {};
  const stand_in::mdspan<const float, 2, stand_in::plain_accessor<const float>, strided> v{x, {{2, 2}, {2, 1}}};
  return prefer::as_matrix(v).data == x ? 0 : 1;
}
