// expect: take an xtensor expression of dimension 1, 2 and 3
// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#if __has_include(<xtensor/containers/xtensor.hpp>)
#include <xtensor/containers/xtensor.hpp>
#else
#include <xtensor/xtensor.hpp>
#endif

#include <prefer/interop/xtensor.hpp>

int main() {
  xt::xtensor<float, 2> a = xt::zeros<float>({2, 2});
#if defined(PREFER_FAIL)
  return prefer::as_vector(a).extent[0] == 2 ? 0 : 1;
#else
  return prefer::as_matrix(a).extent[0] == 2 ? 0 : 1;
#endif
}
