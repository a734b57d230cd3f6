// expect: this xtensor expression computes its elements and has no memory to look at
// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#if __has_include(<xtensor/containers/xtensor.hpp>)
#include <xtensor/containers/xtensor.hpp>
#else
#include <xtensor/xtensor.hpp>
#endif

#include <prefer/interop/xtensor.hpp>

int main() {
  xt::xtensor<float, 1> a = xt::zeros<float>({4});
#if defined(PREFER_FAIL)
  return prefer::as_vector(2.0f * a).extent[0] == 4 ? 0 : 1;
#else
  const xt::xtensor<float, 1> twice = 2.0f * a;
  return prefer::as_vector(twice).extent[0] == 4 ? 0 : 1;
#endif
}
