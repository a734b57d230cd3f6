// expect: this Eigen expression computes its elements and has no memory to look at
// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/interop/eigen.hpp>

int main() {
  const Eigen::VectorXf a = Eigen::VectorXf::Ones(4);
#if defined(PREFER_FAIL)
  return prefer::as_vector(2.0f * a).extent[0] == 4 ? 0 : 1;
#else
  const Eigen::VectorXf twice = 2.0f * a;
  return prefer::as_vector(twice).extent[0] == 4 ? 0 : 1;
#endif
}
