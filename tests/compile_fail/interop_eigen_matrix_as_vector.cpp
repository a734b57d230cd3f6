// expect: as_vector takes an Eigen expression with one row or one column at compile time
// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/interop/eigen.hpp>

int main() {
  Eigen::MatrixXf m(4, 2);
#if defined(PREFER_FAIL)
  return prefer::as_vector(m).extent[0] == 4 ? 0 : 1;
#else
  return prefer::as_vector(m.col(1)).extent[0] == 4 ? 0 : 1;
#endif
}
